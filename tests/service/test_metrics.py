"""What is counted is what happened, as Prometheus reads it."""

from __future__ import annotations

import time
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from prometheus_client.parser import text_string_to_metric_families

from pdp.access.decision import Decision, Failure
from pdp.access.facts import Facts
from pdp.access.request import Request
from pdp.answer import Answer
from pdp.service.metrics import Metrics
from service.conftest import BODY, CONFIGURATION, REQUEST, Service, Services, make_folder, until
from tests.evidence.issuing import Issuer


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


STANDING: dict[str, Any] = {
    "credential": {"asserted": {"issuer": "https://idp.example", "age": "1m", "lifetime": "1h"}}
}
BELIEVED = """
[[issuer]]
id = "https://idp.example"
keys = { file = "keys.json", refresh = "1s" }
algorithms = ["ES256"]
[[trust_domain]]
name = "prod.example"
bundle = { file = "bundle.json" }
"""


def test_standing_credentials_are_counted_by_issuer_and_caller(service: Service) -> None:
    change = Change(service)
    for _ in range(2):
        service.decide(**STANDING)
    service.decide(**STANDING, caller={"id": "alice", "kind": "human"})
    service.decide()
    # Refused unread: nobody knows whose it is.
    service.decide(**{**STANDING, "task": "t-2"})
    service.decide(credential=None, caller=None)
    found = {
        (has["issuer"], has["caller"]): value
        for name, has, value in change
        if name == "pdp_standing_credentials_total"
    }
    assert found == {
        ("https://idp.example", REQUEST["caller"]["id"]): 2,
        ("https://idp.example", "alice"): 1,
    }


def test_workers_count_together_and_tell_the_worst_of_their_keys(serve: Services, tmp_path: Path) -> None:
    folder = make_folder(tmp_path / "policies", configuration=CONFIGURATION + BELIEVED)
    good = Issuer("https://idp.example").jwks()
    (folder / "keys.json").write_text(good)
    begun = time.time()
    service = serve("--workers", "2", folder=folder)

    def stale(of: str) -> float:
        return service.metric("pdp_keys_stale", of=of)

    def read(of: str) -> float:
        return service.metric("pdp_keys_read_timestamp_seconds", of=of)

    until(lambda: read("https://idp.example") >= begun - 1)
    assert (stale("https://idp.example"), stale("prod.example"), read("prod.example")) == (0, 1, 0)
    (folder / "keys.json").write_text("[]")
    until(lambda: stale("https://idp.example") == 1)
    mended = time.time()
    (folder / "keys.json").write_text(good)
    (folder / "bundle.json").write_text('{"keys": []}')
    until(lambda: stale("https://idp.example") == stale("prod.example") == 0)
    until(lambda: read("https://idp.example") >= mended)
    for _ in range(40):
        service.decide(**STANDING)
    until(lambda: service.metric("pdp_standing_credentials_total", issuer="https://idp.example") == 40)


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


def standing(issuer: str, caller: str) -> Answer:
    facts = Facts({"id": caller}, {"standing": True, "issuer": issuer}, "a", {}, {}, {}, {}, NOW)
    return Answer("1", NOW, "", answer().request, facts, answer().decision)


NOW = datetime(2026, 11, 25, tzinfo=UTC)


def test_holders_of_standing_credentials_are_told_apart_up_to_a_bound() -> None:
    metrics = Metrics()
    for number in range(3_000):
        metrics.decided(standing(f"i-{number % 7}", f"c-{number}"))
    # Who is known stays known, whoever else comes.
    metrics.decided(standing("i-0", "c-0"))
    told = samples(metrics.exposition().decode())
    counted = {key[1]: value for key, value in told.items() if key[0] == "pdp_standing_credentials_total"}
    assert len(counted) == 1_001
    assert counted[("caller", "c-0"), ("issuer", "i-0")] == 2
    assert counted[("caller", "others"), ("issuer", "")] == 2_000
    assert sum(counted.values()) == 3_001


def test_keys_that_were_never_read_have_no_time_and_are_told_all_the_same() -> None:
    metrics = Metrics()
    metrics.keys("a", None, stale=True)
    metrics.keys("b", 1_764_000_000.5, stale=False)
    told = samples(metrics.exposition().decode())
    assert {key: value for key, value in told.items() if key[0].startswith("pdp_keys")} == {
        ("pdp_keys_stale", (("of", "a"),)): 1,
        ("pdp_keys_stale", (("of", "b"),)): 0,
        ("pdp_keys_read_timestamp_seconds", (("of", "b"),)): 1_764_000_000.5,
    }


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
