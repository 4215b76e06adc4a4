"""Several processes on one socket: one that dies is replaced, and none outlives the one they belong to."""

from __future__ import annotations

import json
import os
import signal
from pathlib import Path

import pytest

from service.conftest import POLICY, Service, Services, make_folder, until
from service.test_reload import STRICTER, UNWATCHED, edit


def children(service: Service) -> set[int]:
    pid = service.process.pid
    return {int(child) for child in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()}


def serving(service: Service) -> set[int]:
    """The workers of a service, once there are two of them and both have begun."""
    return until(lambda: (found := children(service)) and len(found) == 2 and found)


def is_gone(pid: int) -> bool:
    try:
        state = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
    except FileNotFoundError:
        return True
    return state == "Z"


@pytest.fixture
def service(serve: Services) -> Service:
    return serve("--workers", "2")


def test_a_worker_that_is_killed_is_replaced_and_the_others_go_on(service: Service) -> None:
    before = serving(service)
    victim = min(before)
    os.kill(victim, signal.SIGKILL)
    after = until(lambda: victim not in (found := children(service)) and len(found) == 2 and found)
    assert len(after - before) == 1
    assert f"worker {victim} ended with -9, another takes its place" in service.log
    for _ in range(20):
        assert service.decide()["decision"] == "allow"
    # Both again: the new one once more, and then the old one.
    os.kill(max(before), signal.SIGKILL)
    until(lambda: len(children(service)) == 2 and not children(service) & before)
    until(lambda: service.decide()["decision"] == "allow")


def test_one_signal_stops_all(service: Service) -> None:
    workers = serving(service)
    assert service.stop() == 0
    assert all(map(is_gone, workers))
    assert "Traceback" not in service.log


def test_ctrl_c_stops_all(service: Service) -> None:
    workers = serving(service)
    # A terminal sends it to the whole group; the workers leave it to the supervisor.
    for pid in (*workers, service.process.pid):
        os.kill(pid, signal.SIGINT)
    assert service.wait() == 0
    assert all(map(is_gone, workers))
    assert "Traceback" not in service.log


def test_workers_end_with_a_supervisor_that_is_killed(service: Service) -> None:
    workers = serving(service)
    service.process.kill()
    service.wait()
    until(lambda: all(map(is_gone, workers)))


def test_metrics_are_those_of_all_workers_also_of_dead_ones(service: Service) -> None:
    workers = serving(service)
    for _ in range(60):
        service.decide()
    until(lambda: service.metric("pdp_decisions_total", decision="allow") == 60)
    assert service.metric("pdp_decision_seconds_count") == 60
    assert service.metric("pdp_policy_rules") == 3
    os.kill(min(workers), signal.SIGKILL)
    until(lambda: min(workers) not in (found := children(service)) and len(found) == 2)
    assert service.metric("pdp_decisions_total", decision="allow") == 60


def test_a_hangup_signal_reaches_every_worker(serve: Services, tmp_path: Path) -> None:
    service = serve("--workers", "2", folder=make_folder(tmp_path / "unwatched", configuration=UNWATCHED))
    serving(service)
    edit(service, STRICTER)
    service.signal(signal.SIGHUP)
    digest = until(lambda: (answer := service.decide())["decision"] == "deny" and answer)["policy"]
    # Each connection comes to one of them, and sooner or later both were asked.
    streak = 0

    def all_decide_by_it() -> bool:
        nonlocal streak
        streak = streak + 1 if service.decide()["policy"] == digest else 0
        return streak > 40

    until(all_decide_by_it)


def test_policies_with_errors_stop_all_and_exit_with_1(serve: Services, tmp_path: Path) -> None:
    folder = make_folder(tmp_path / "broken", policy=POLICY + "permit {")
    service = serve.launch("--workers", "2", folder=folder)
    assert service.wait() == 1
    assert "Traceback" not in service.log


def test_decisions_of_all_workers_are_whole_lines_of_one_standard_output(serve: Services) -> None:
    service = serve("--workers", "2", PDP_DECISION_LOG__TO="stdout")
    serving(service)
    made = {service.decide()["id"] for _ in range(100)}
    assert service.stop() == 0
    lines = service.output.read_text().splitlines()
    assert {json.loads(line)["id"] for line in lines} == made


def test_a_unix_socket_may_have_workers_too(serve: Services, tmp_path: Path) -> None:
    path = tmp_path / "pdp.sock"
    service = serve("--workers", "2", "--uds", str(path))
    assert service.decide()["decision"] == "allow"
    assert service.stop() == 0
    assert not path.exists()
