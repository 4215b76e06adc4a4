"""What is counted is what happened, as Prometheus reads it."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from prometheus_client.parser import text_string_to_metric_families

from pdp.access.decision import Decision, Failure
from pdp.access.request import Request
from pdp.answer import Answer
from pdp.service.metrics import Metrics
from service.conftest import BODY, REQUEST, Service


def samples(text: str) -> dict[tuple[str, tuple[tuple[str, str], ...]], float]:
    return {
        (sample.name, tuple(sorted(sample.labels.items()))): sample.value
        for family in text_string_to_metric_families(text)
        for sample in family.samples
        if not sample.name.endswith("_created")
    }


class Change:
    """What a service counts between two looks."""

    def __init__(self, service: Service) -> None:
        self.service = service
        self.before = samples(service.get("/metrics").text)

    def __iter__(self) -> Iterator[tuple[str, dict[str, str], float]]:
        for key, value in samples(self.service.get("/metrics").text).items():
            if difference := value - self.before.get(key, 0):
                yield key[0], dict(key[1]), difference

    def of(self, name: str, **labels: str) -> float:
        return sum(value for one, has, value in self if one == name and labels.items() <= has.items())


def test_decisions_are_counted_by_outcome_code_and_rule(service: Service) -> None:
    change = Change(service)
    for _ in range(3):
        service.decide()
    service.decide(action="entry.delete")
    service.decide(task="t-2")
    service.decide(resource={**REQUEST["resource"], "labels": ["hold-x"]})
    decisions = {
        (has["decision"], has["code"]): value for name, has, value in change if name == "pdp_decisions_total"
    }
    assert decisions == {
        ("allow", ""): 3,
        ("deny", "no_rule"): 1,
        ("deny", "task_unknown"): 1,
        ("deny", "forbidden"): 1,
    }
    assert change.of("pdp_rule_decisions_total", rule="payments.write_entry") == 3
    assert change.of("pdp_rule_decisions_total", rule="payments.held") == 1
    assert change.of("pdp_decision_seconds_count") == 6
    assert change.of("pdp_decision_seconds_bucket", le="+Inf") == 6
    assert change.of("pdp_decision_seconds_sum") > 0


def test_failures_are_counted_by_rule_and_kind(service: Service) -> None:
    change = Change(service)
    service.decide(action="entry.reverse", context={})
    assert change.of("pdp_rule_failures_total", rule="payments.outside_office", kind="absent") == 1


def test_problems_are_counted_by_status_those_of_batches_too(service: Service) -> None:
    change = Change(service)
    service.post("/decide", b"[]")
    service.post("/decide", b" " * 70_000)
    service.post("/decide/batch", b'{"requests":[{},' + BODY + b"]}")
    service.post("/decide/batch", b"[]")
    assert change.of("pdp_request_problems_total", status="400") == 3
    assert change.of("pdp_request_problems_total", status="413") == 1
    assert change.of("pdp_decision_seconds_count") == 1


def test_what_alerts_look_at_is_there_before_it_happens(service: Service) -> None:
    told = samples(service.get("/metrics").text)
    assert told["pdp_policy_stale", ()] == 0
    assert told["pdp_policy_rules", ()] == 3
    assert told["pdp_decision_log_lines_total", (("fate", "lost"),)] == 0
    assert told["pdp_policy_reloads_total", (("outcome", "ok"),)] >= 1


def test_metrics_come_as_prometheus_asks_for_them(service: Service) -> None:
    answer = service.get("/metrics")
    assert answer.headers["content-type"] == "text/plain; version=0.0.4; charset=utf-8"
    names = {family.name for family in text_string_to_metric_families(answer.text)}
    assert {"pdp_decisions", "pdp_decision_seconds", "pdp_rule_failures", "pdp_policy_stale"} <= names


# Without a service


def answer(*rules: str, failures: tuple[Failure, ...] = ()) -> Answer:
    request = Request("a", "b", {}, "", "", {}, None, None, None, {})
    decision = Decision("allow", None, rules, (), (), (), failures, "sha256:00")
    return Answer("1", None, "", request, None, decision)  # type: ignore[arg-type]


def test_each_answer_is_counted_once_however_often_it_is_looked_at() -> None:
    metrics = Metrics()
    for _ in range(5):
        metrics.decided(answer("m.a", "m.b", failures=(Failure("m.c", "type", "x"),)))
    metrics.exposition()
    metrics.flush()
    metrics.decided(answer("m.a"))
    told = samples(metrics.exposition().decode())
    assert told["pdp_rule_decisions_total", (("rule", "m.a"),)] == 6
    assert told["pdp_rule_decisions_total", (("rule", "m.b"),)] == 5
    assert told["pdp_rule_failures_total", (("kind", "type"), ("rule", "m.c"))] == 5


@pytest.mark.parametrize(
    ("seconds", "bound"), [(0.0, "2e-05"), (2e-5, "2e-05"), (2.1e-5, "5e-05"), (1.0, "1.0"), (7.0, "+Inf")]
)
def test_a_time_is_counted_from_its_bucket_on(seconds: float, bound: str) -> None:
    metrics = Metrics()
    metrics.took(seconds)
    told = samples(metrics.exposition().decode())
    buckets = {
        has[0][1]: value for (name, has), value in told.items() if name == "pdp_decision_seconds_bucket"
    }
    bounds = sorted(buckets, key=float)
    assert [buckets[one] for one in bounds] == [0.0 if float(one) < float(bound) else 1.0 for one in bounds]
    assert told["pdp_decision_seconds_sum", ()] == pytest.approx(seconds)


def test_lines_of_the_decision_log_are_counted_as_they_come() -> None:
    counts: list[Any] = [(0, 0)]
    metrics = Metrics(lambda: counts[-1])
    for count in ((3, 1), (3, 4), (10, 4)):
        counts.append(count)
        told = samples(metrics.exposition().decode())
        assert told["pdp_decision_log_lines_total", (("fate", "written"),)] == count[0]
        assert told["pdp_decision_log_lines_total", (("fate", "lost"),)] == count[1]
