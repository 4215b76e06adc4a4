"""Tasks over HTTP: opened by proof, bounded by policy, ended for all workers at once."""

from __future__ import annotations

import asyncio
import json
import random
import signal
import time
from collections.abc import Iterator
from datetime import datetime
from hashlib import sha256
from pathlib import Path
from typing import Any

import httpx
import pytest

from service.conftest import CONFIGURATION, Service, Services, make_folder, until
from tests.evidence.issuing import Client, Issuer
from tests.evidence.world import b64

BATCH = "spiffe://prod.example/batch"
OTHER = "spiffe://prod.example/other"
AUDITOR = "spiffe://prod.example/auditor"
URL = "https://pdp.example/authority"
POLICY = """
schema {
  resource work {
    owner?: string, purpose: string, actions: set<string>, audiences: set<string>, resources: set<string>,
    may_act: set<string>, lifetime: duration, longest: duration, uses?: int, parent?: string,
  }
  resource work_list { owner?: string, purpose?: string, state?: string }
}
let ours = has resource.owner and resource.owner == caller.id
permit open {
  caller   workload
  audience "pdp"
  action   "task.open"
  resource work
  when     credential.bound and subset(resource.audiences, ["ledger", "files"])
  require  limit { lifetime: 1h, longest: 2h, uses: 100 }
}
permit own {
  caller   workload
  audience "pdp"
  action   "task.read", "task.complete", "task.cancel"
  resource work
  when     credential.bound and ours
}
permit longer {
  caller   workload
  audience "pdp"
  action   "task.extend"
  resource work
  when     credential.bound and ours
  require  limit { lifetime: 90m }
}
permit list {
  caller   workload
  audience "pdp"
  action   "task.list"
  resource work_list
  when     credential.bound and (ours or caller.id == "spiffe://prod.example/auditor")
}
permit audit {
  caller   workload "spiffe://prod.example/auditor"
  audience "pdp"
  action   "task.read"
  when     credential.bound
}
permit undone {
  caller   workload
  audience "pdp"
  action   "task.open"
  resource work
  when     credential.bound and resource.purpose == "undone"
  require  tell { whom: "nobody" }
}
permit write {
  caller   workload
  audience "ledger"
  action   "entry.create"
  when     credential.bound and task.active
}
"""
MORE = """
[state]
path = "kept/state.db"
{more}
[[issuer]]
id = "https://sts.example"
keys = {{ file = "keys.json", refresh = "1s" }}
algorithms = ["ES256"]
trust_domains = ["prod.example"]
task = "task"
leeway = "0s"
[proofs]
max_ahead = "0s"
nonces = {nonces}
"""
WORK: dict[str, Any] = {
    "purpose": "close the month",
    "actions": ["entry.create"],
    "audiences": ["ledger"],
    "lifetime": "10m",
}


class Estate:
    """A service's folder, and who presents credentials to it."""

    def __init__(
        self, folder: Path, *, state: bool = True, nonces: bool = False, gateway: str = "", more: str = ""
    ) -> None:
        text = MORE.format(nonces=json.dumps(nonces), more=more)
        if not state:
            text = text.replace('[state]\npath = "kept/state.db"\n', "")
        # The base URL is of the service's own table, which stands first.
        own = CONFIGURATION.replace("[server]\n", f'[server]\nurl = "{URL}"\n')
        own = own.replace("unix = true\n", f"unix = true\n{gateway}\n")
        self.folder = make_folder(folder, POLICY, own + text)
        self.issuer, self.client = Issuer("https://sts.example"), Client()
        (self.folder / "keys.json").write_text(self.issuer.jwks())
        self.nonce: dict[str, Any] = {}

    def token(self, caller: str = BATCH, audience: str = "pdp", **claims: Any) -> str:
        return self.issuer.token(caller, audience, **{"cnf": self.client.confirmation} | claims)

    def headers(self, method: str, path: str, caller: str = BATCH, **claims: Any) -> dict[str, str]:
        """What a client sends that proves who it is, for one request."""
        token = self.token(caller)
        proof = self.client.proof(token, method, URL + path.partition("?")[0], **self.nonce | claims)
        return {"Authorization": f"DPoP {token}", "DPoP": proof}


class Asked:
    """A client of one service."""

    def __init__(self, service: Service, estate: Estate) -> None:
        self.service, self.estate = service, estate

    def __call__(
        self, method: str, path: str, body: Any = None, *, caller: str = BATCH, headers: Any = None
    ) -> httpx.Response:
        headers = self.estate.headers(method, path, caller) if headers is None else headers
        with self.service.client() as client:
            return client.request(method, path, json=body, headers=headers)

    def open(self, caller: str = BATCH, **changes: Any) -> dict[str, Any]:
        answer = self("POST", "/tasks", WORK | changes, caller=caller)
        assert answer.status_code == 201, answer.text
        return answer.json()

    def post(self, task: dict[str, Any], what: str, body: Any = None, **options: Any) -> httpx.Response:
        return self("POST", f"/tasks/{task['id']}/{what}", body, **options)

    def works(self, task: dict[str, Any]) -> str | None:
        """The code with which work on a task is denied."""
        token = self.estate.token(audience="ledger", task=task["id"])
        uri = "https://ledger.example/entries"
        document = self.estate.client.present(token, "POST", uri, **self.estate.nonce)
        body = json.dumps({"audience": "ledger", "action": "entry.create", **document}).encode()
        return self.service.post("/decide", body).json()["code"]


@pytest.fixture(scope="module")
def asked(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Asked]:
    home = tmp_path_factory.mktemp("tasks")
    estate = Estate(home / "policies", more="[decision_log]\nto = 'decisions'\n")
    services = Services(home)
    yield begin(services, estate)
    services.stop()


def begin(serve: Services, estate: Estate, *arguments: str) -> Asked:
    """A service that remembers long enough for proofs that are made now."""
    asked = Asked(serve(*arguments, folder=estate.folder), estate)
    until(lambda: asked("GET", f"/tasks?owner={BATCH}").status_code == 200)
    return asked


def code(answer: httpx.Response) -> tuple[int, str]:
    """The status, and what a problem is about."""
    document = answer.json()
    if answer.status_code >= 400:
        assert answer.headers["content-type"] == "application/problem+json"
        assert document["status"] == answer.status_code
    return answer.status_code, document.get("code") or document.get("pointer") or document.get("state") or ""


def test_a_task_is_opened_seen_and_completed_by_its_owner(asked: Asked) -> None:
    answer = asked("POST", "/tasks", WORK | {"uses": 7, "resources": ["ledger_entry"]})
    assert answer.status_code == 201
    task = answer.json()
    assert answer.headers["location"] == f"/tasks/{task['id']}"
    assert answer.headers["cache-control"] == "no-store"
    assert (task["owner"], task["purpose"], task["uses_left"]) == (BATCH, "close the month", 7)
    assert asked("GET", f"/tasks/{task['id']}").json() == task
    assert asked.works(task) == "outside_task"
    ended = asked.post(task, "complete").json()
    assert (ended["state"], ended["id"]) == ("completed", task["id"])
    # An answer that was lost is asked for once more.
    assert asked.post(task, "complete").json() == ended
    assert code(asked.post(task, "cancel")) == (409, "")
    assert asked("GET", f"/tasks/{task['id']}").json() == ended


def test_work_is_allowed_while_its_task_runs(asked: Asked) -> None:
    task = asked.open()
    assert asked.works(task) is None
    asked.post(task, "cancel")
    assert asked.works(task) == "task_ended"
    assert asked.works({"id": "01a2"}) == "task_unknown"


def test_policy_narrows_what_is_asked_for_and_that_is_told(asked: Asked) -> None:
    far = time.time() + 3e6
    task = asked.open(lifetime="20d", latest=far, uses=5_000)
    told = asked("GET", f"/tasks/{task['id']}").json()
    assert task["uses_left"] == told["uses_left"] == 100
    started, expires, latest = (seconds_of(told[name]) for name in ("started", "expires", "latest"))
    assert (round(expires - started), round(latest - started)) == (3_600, 7_200)
    longer = asked.post(task, "extend", {"lifetime": "10h"}).json()
    assert round(seconds_of(longer["expires"]) - started) == 5_400
    assert asked.post(task, "extend", {"lifetime": "10h"}).json() == longer
    assert code(asked.post(task, "extend", {"lifetime": "1m"})) == (400, "/expires")


def seconds_of(text: str) -> float:
    return datetime.fromisoformat(text).timestamp()


def test_an_obligation_that_nobody_here_can_meet_is_a_denial(asked: Asked) -> None:
    assert code(asked("POST", "/tasks", WORK | {"purpose": "undone"})) == (403, "forbidden")
    assert "`tell` of rule payments.undone cannot be done for task.open" in asked.service.log


def test_a_denial_tells_its_code_and_nothing_more(asked: Asked) -> None:
    answer = asked("POST", "/tasks", WORK | {"audiences": ["vault"]})
    assert answer.status_code == 403
    assert answer.json() == {
        "type": "urn:pdp:problem:denied", "title": "This is not allowed", "status": 403,
        "detail": "the policies do not allow it", "code": "no_rule",
    }  # fmt: skip


@pytest.mark.parametrize(
    ("method", "what"), [("GET", ""), ("POST", "/complete"), ("POST", "/cancel"), ("POST", "/extend")]
)
def test_a_task_of_another_is_no_task(asked: Asked, method: str, what: str) -> None:
    task = asked.open()
    body = {"lifetime": "5m"} if what == "/extend" else None
    hidden = asked(method, f"/tasks/{task['id']}{what}", body, caller=OTHER)
    absent = asked(method, f"/tasks/01a2{what}", body, caller=OTHER)
    own = asked(method, f"/tasks/01a2{what}", body)
    assert hidden.status_code == absent.status_code == own.status_code == 404
    assert hidden.json() == absent.json() == own.json()
    assert asked.works(task) is None


def test_who_may_see_a_task_is_told_what_is_not_allowed(asked: Asked) -> None:
    task = asked.open()
    assert asked("GET", f"/tasks/{task['id']}", caller=AUDITOR).json() == task
    assert code(asked.post(task, "complete", caller=AUDITOR)) == (403, "no_rule")
    assert code(asked("POST", "/tasks/01a2/complete", caller=AUDITOR)) == (404, "")


def test_a_part_is_part_of_a_task_that_one_may_work_on(asked: Asked) -> None:
    whole = asked.open(lifetime="30m", uses=10, may_act=[OTHER])
    part = asked.open(OTHER, parent=whole["id"], uses=2, may_act=[BATCH])
    piece = asked.open(OTHER, parent=part["id"], uses=2)
    assert (part["parent"], piece["parent"]) == (whole["id"], part["id"])
    # What is left open is what the whole has left.
    rest = asked.open(parent=part["id"], lifetime="50m")
    assert (rest["expires"], rest["uses_left"]) == (part["expires"], 2)
    for changes, member in (
        ({"uses": 11}, "/uses"),
        ({"uses": 1, "actions": ["entry.create", "entry.delete"]}, "/actions"),
        ({"uses": 1, "audiences": ["files"]}, "/audiences"),
        ({"uses": 1, "lifetime": None, "expires": time.time() + 1_860}, "/expires"),
        ({"uses": 1, "latest": time.time() + 1_860}, "/latest"),
        ({"uses": 1, "may_act": ["*"]}, "/may_act"),
        ({"uses": 1, "parent": "01a2"}, "/parent"),
    ):
        answer = asked("POST", "/tasks", WORK | {"parent": whole["id"]} | changes)
        assert code(answer) == (400, member), changes
    stranger = asked("POST", "/tasks", WORK | {"parent": whole["id"], "uses": 1}, caller=AUDITOR)
    assert code(stranger) == (400, "/parent")
    assert asked.works(piece) is None
    asked.post(whole, "complete")
    assert asked.works(piece) == "task_ended"
    assert asked("GET", f"/tasks/{piece['id']}", caller=OTHER).json()["state"] == "parent_ended"
    late = asked("POST", "/tasks", WORK | {"parent": whole["id"], "uses": 1})
    assert code(late) == (409, "/parent")


def test_lists_are_of_ones_own_tasks_page_by_page(asked: Asked) -> None:
    caller = "spiffe://prod.example/lister"
    opened = [asked.open(caller, purpose=f"part {number % 2}") for number in range(5)]
    asked("POST", f"/tasks/{opened[0]['id']}/complete", caller=caller)
    ids = [task["id"] for task in opened]

    def listed(query: str, by: str = caller) -> list[str]:
        answer = asked("GET", f"/tasks?{query}", caller=by)
        assert answer.status_code == 200, answer.text
        document = answer.json()
        more = [] if document["after"] is None else listed(f"{query}&after={document['after']}", by)
        return [task["id"] for task in document["tasks"]] + more

    assert listed(f"owner={caller}&limit=2") == ids[::-1]
    assert listed(f"owner={caller}&state=completed") == ids[:1]
    assert listed(f"owner={caller}&purpose=part 1") == [ids[3], ids[1]]
    assert set(ids) <= set(listed("limit=7", AUDITOR))
    assert code(asked("GET", f"/tasks?owner={OTHER}", caller=caller)) == (403, "no_rule")
    assert code(asked("GET", "/tasks", caller=caller)) == (403, "no_rule")


@pytest.mark.parametrize(
    ("changes", "pointer"),
    [
        ({"purpose": ""}, "/purpose"),
        ({"purpose": "a\nb"}, "/purpose"),
        ({"purpose": None}, "/purpose"),
        ({"actions": []}, "/actions"),
        ({"actions": ["a", 1]}, "/actions/1"),
        ({"actions": ["a"] * 101}, "/actions"),
        ({"audiences": "ledger"}, "/audiences"),
        ({"resources": ["/x"]}, "/resources/0"),
        ({"may_act": ["spiffe://*/x"]}, "/may_act/0"),
        ({"lifetime": "1 hour"}, "/lifetime"),
        ({"lifetime": True}, "/lifetime"),
        ({"lifetime": 0}, "/lifetime"),
        ({"lifetime": None}, "/expires"),
        ({"expires": "2099-01-01T00:00:00Z"}, "/expires"),
        ({"lifetime": None, "expires": "2020-01-01T00:00:00Z"}, "/expires"),
        ({"lifetime": None, "expires": "2026-13-01"}, "/expires"),
        ({"latest": 0}, "/latest"),
        ({"latest": "2099-01-01T00:00:00Z"}, "/latest"),
        ({"lifetime": "900d"}, ""),
        ({"uses": 0}, "/uses"),
        ({"uses": 1.5}, "/uses"),
        ({"uses": "3"}, "/uses"),
        ({"id": "01a2"}, "/id"),
        ({"owner": OTHER}, "/owner"),
    ],
)
def test_what_is_no_task_is_refused_by_its_member(
    asked: Asked, changes: dict[str, Any], pointer: str
) -> None:
    answer = asked("POST", "/tasks", WORK | changes)
    assert (answer.status_code, answer.json()["pointer"]) == (400, pointer)
    assert "nput" not in answer.json()["detail"]


@pytest.mark.parametrize(
    ("body", "status"),
    [
        (b"", 400),
        (b"[]", 400),
        (b"{", 400),
        (b'{"purpose": "a", "purpose": "b"}', 400),
        (b'{"uses": NaN}', 400),
        (b'\xef\xbb\xbf{"purpose": "a"}', 400),
        (json.dumps(WORK | {"purpose": "x" * 70_000}).encode(), 413),
        (b'{"a":' * 50 + b"1" + b"}" * 50, 400),
    ],
)
def test_a_body_has_one_reading_and_an_end(asked: Asked, body: bytes, status: int) -> None:
    with asked.service.client() as client:
        headers = asked.estate.headers("POST", "/tasks") | {"Content-Type": "application/json"}
        answer = client.post("/tasks", content=body, headers=headers)
    assert code(answer)[0] == status


def test_a_query_that_is_none_is_refused(asked: Asked) -> None:
    for query in ("limit=0", "limit=many", "after=-1", "state=asleep"):
        answer = asked("GET", f"/tasks?owner={BATCH}&{query}")
        assert answer.status_code == 400
        assert f"`{query.partition('=')[0]}`" in answer.json()["detail"]


def challenge(answer: httpx.Response) -> str:
    assert answer.status_code == 401
    return answer.headers["www-authenticate"]


def test_nobody_is_answered_without_a_credential_that_holds(asked: Asked) -> None:
    estate, path = asked.estate, "/tasks"
    for headers in ({}, {"Authorization": "Basic YTpi"}, {"DPoP": "x"}):
        answer = asked("POST", path, WORK, headers=headers)
        assert challenge(answer).startswith('DPoP algs="')
        assert challenge(answer).endswith(", Bearer")
    token = estate.token()
    bearer = asked("POST", path, WORK, headers={"Authorization": f"Bearer {token}"})
    assert code(bearer) == (401, "scheme_mismatch")
    assert challenge(bearer) == 'Bearer error="invalid_token"'
    elsewhere = estate.token(audience="ledger")
    proof = estate.client.proof(elsewhere, "POST", URL + path)
    answer = asked("POST", path, WORK, headers={"Authorization": f"dpop {elsewhere}", "DPoP": proof})
    assert code(answer) == (401, "audience_mismatch")
    assert token not in asked.service.log


@pytest.mark.parametrize(
    ("uri", "refused"),
    [
        (URL + "/tasks", None),
        (URL.replace("https", "HTTPS") + "/tasks?x=1#y", None),
        ("http://127.0.0.1:8181/tasks", "proof_mismatch"),
        ("https://forwarded.example/tasks", "proof_mismatch"),
        (URL + "/tasks/", "proof_mismatch"),
        (URL + "/x/../tasks", "proof_mismatch"),
        (URL + "/%74asks", None),
    ],
)
def test_a_proof_is_for_the_url_that_the_settings_say(asked: Asked, uri: str, refused: str | None) -> None:
    estate = asked.estate
    token = estate.token()
    headers = {
        "Authorization": f"DPoP {token}", "DPoP": estate.client.proof(token, "POST", uri),
        "Host": "forwarded.example", "X-Forwarded-Host": "forwarded.example", "X-Forwarded-Proto": "https",
        "Forwarded": "host=forwarded.example", "X-HTTP-Method-Override": "GET",
    }  # fmt: skip
    answer = asked("POST", "/tasks", WORK, headers=headers)
    if refused is None:
        assert answer.status_code == 201, answer.text
        return
    assert code(answer) == (401, refused)
    assert challenge(answer).startswith('DPoP error="invalid_dpop_proof", algs="')


@pytest.mark.parametrize(("name", "expected"), [("tcp", (201, "active")), ("unix", (401, "proof_mismatch"))])
def test_without_a_url_a_proof_is_for_where_it_listens_and_over_a_socket_for_nothing(
    serve: Services, tmp_path: Path, name: str, expected: tuple[int, str]
) -> None:
    estate = Estate(tmp_path / name)
    settings = estate.folder / "pdp.toml"
    settings.write_text(settings.read_text().replace(f'url = "{URL}"\n', ""))
    options = ("--uds", str(tmp_path / "pdp.sock")) if name == "unix" else ()
    asked = Asked(serve(*options, folder=estate.folder), estate)
    where = f"http://{asked.service.host}:{asked.service.port}" if name == "tcp" else "http://pdp"
    token = estate.token()
    answers: list[httpx.Response] = []

    def known_to_be_new() -> bool:
        # Made in the second in which the state began, a proof may have been used before it.
        proof = estate.client.proof(token, "POST", f"{where}/tasks")
        headers = {"Authorization": f"DPoP {token}", "DPoP": proof}
        answers.append(asked("POST", "/tasks", WORK, headers=headers))
        return answers[-1].status_code != 503

    until(known_to_be_new)
    assert code(answers[-1]) == expected


def test_a_proof_is_good_for_one_request(asked: Asked) -> None:
    headers = asked.estate.headers("POST", "/tasks")
    assert asked("POST", "/tasks", WORK, headers=headers).status_code == 201
    assert code(asked("POST", "/tasks", WORK, headers=headers)) == (401, "proof_replayed")


def test_several_credentials_are_none(asked: Asked) -> None:
    headers = asked.estate.headers("POST", "/tasks")
    twice = [*headers.items(), ("Authorization", "Bearer x")]
    assert code(asked("POST", "/tasks", WORK, headers=twice))[0] == 400
    proofs = [*headers.items(), ("DPoP", headers["DPoP"])]
    assert code(asked("POST", "/tasks", WORK, headers=proofs)) == (401, "proof_malformed")


def test_a_forwarded_certificate_is_believed_from_nobody_who_may_not(asked: Asked) -> None:
    forwarded = {"X-Forwarded-Client-Cert": f'Hash={"0" * 64};Subject="";URI={BATCH}'}
    assert code(asked("POST", "/tasks", WORK, headers=forwarded)) == (401, "certificate_not_trusted")


def test_a_forwarded_certificate_is_believed_from_whom_the_settings_name(
    serve: Services, tmp_path: Path
) -> None:
    estate = Estate(tmp_path / "policies", gateway="certificates = true")
    asked = Asked(serve(folder=estate.folder), estate)
    digest = sha256(b"a certificate").digest()
    token = estate.token(cnf={"x5t#S256": b64(digest)})
    headers = {"Authorization": f"Bearer {token}", "X-Forwarded-Client-Cert": f"Hash={digest.hex()}"}
    assert asked("POST", "/tasks", WORK, headers=headers).status_code == 201
    other = {**headers, "X-Forwarded-Client-Cert": f"Hash={'0' * 64}"}
    assert code(asked("POST", "/tasks", WORK, headers=other)) == (401, "binding_mismatch")
    # Two of them are one list, of which the proxy next to us wrote the last.
    last = [*other.items(), ("X-Forwarded-Client-Cert", f"Hash={digest.hex()}")]
    assert asked("POST", "/tasks", WORK, headers=last).status_code == 201


def test_each_question_is_in_the_decision_log(asked: Asked) -> None:
    task = asked.open(purpose="to be found")
    asked.post(task, "complete", caller=OTHER)
    until(lambda: task["id"] in (asked.estate.folder / "decisions").read_text())
    lines = [json.loads(line) for line in (asked.estate.folder / "decisions").read_text().splitlines()]
    told = [line["request"] for line in lines if line["request"]["resource"].get("purpose") == "to be found"]
    assert [(one["audience"], one["action"]["name"]) for one in told][:1] == [("pdp", "task.open")]
    assert {"task.complete", "task.read"} <= {one["action"]["name"] for one in told}


def test_the_routes_are_described(asked: Asked) -> None:
    document = asked.service.get("/openapi.json").json()
    assert {path for path in document["paths"] if path.startswith("/tasks")} == {
        "/tasks", "/tasks/{task_id}", "/tasks/{task_id}/complete", "/tasks/{task_id}/cancel",
        "/tasks/{task_id}/extend",
    }  # fmt: skip
    answers = document["paths"]["/tasks"]["post"]["responses"]
    assert answers.keys() == {"201", "400", "401", "403", "404", "409", "503"}
    schema = document["components"]["schemas"]["TaskNow"]
    assert schema["properties"].keys() == asked.open().keys()


def test_what_could_not_be_kept_is_not_taken(serve: Services, tmp_path: Path) -> None:
    estate = Estate(tmp_path / "policies", state=False)
    asked = Asked(serve(folder=estate.folder), estate)
    for answer in (
        asked("POST", "/tasks", WORK),
        asked("GET", "/tasks"),
        asked("POST", "/tasks/01a2/complete"),
    ):
        assert answer.status_code == 503
        assert "`path` of `[state]`" in answer.json()["detail"]


def test_the_state_is_for_its_owner_alone(asked: Asked) -> None:
    folder = asked.estate.folder / "kept"
    assert folder.stat().st_mode & 0o077 == 0
    assert {file.name for file in folder.iterdir()} >= {"state.db"}


def test_a_proof_must_hold_the_nonce_that_each_answer_brings(serve: Services, tmp_path: Path) -> None:
    estate = Estate(tmp_path / "policies", nonces=True)
    asked = Asked(serve(folder=estate.folder), estate)
    refused = asked("POST", "/tasks", WORK)
    assert code(refused) == (401, "proof_nonce")
    assert 'error="use_dpop_nonce"' in challenge(refused)
    estate.nonce = {"nonce": refused.headers["dpop-nonce"]}
    until(lambda: asked("GET", f"/tasks?owner={BATCH}").status_code == 200)
    opened = asked("POST", "/tasks", WORK)
    assert opened.status_code == 201
    assert opened.headers["dpop-nonce"]
    for answer in (asked("POST", "/tasks", {}), asked("GET", "/tasks/01a2"), asked("GET", "/tasks")):
        assert answer.status_code in (400, 403, 404)
        assert answer.headers["dpop-nonce"]


def test_what_is_acknowledged_counts_for_all_workers_and_after_a_kill(
    serve: Services, tmp_path: Path
) -> None:
    estate = Estate(tmp_path / "policies")
    asked = begin(serve, estate, "--workers", "2")
    kept, ended = asked.open(), asked.open()
    assert asked.works(ended) is None
    assert asked.post(ended, "complete").status_code == 200
    # A connection each: whichever worker is asked.
    assert {asked.works(ended) for _ in range(20)} == {"task_ended"}
    assert {asked.works(kept) for _ in range(20)} == {None}
    asked.service.signal(signal.SIGKILL)
    asked.service.wait()
    asked = begin(serve, estate)
    assert asked.works(kept) is None
    assert asked.works(ended) == "task_ended"
    assert asked("GET", f"/tasks/{ended['id']}").json()["state"] == "completed"


def test_of_many_at_once_as_many_are_allowed_as_the_task_has_uses(serve: Services, tmp_path: Path) -> None:
    estate = Estate(tmp_path / "policies")
    asked = begin(serve, estate, "--workers", "2")
    whole = asked.open(uses=9)
    part = asked.open(uses=5, parent=whole["id"])
    uri = "https://ledger.example/entries"

    async def crowd() -> list[str | None]:
        # A connection each, so that both workers are asked.
        limits = httpx.Limits(max_connections=16, max_keepalive_connections=0)
        address = f"http://{asked.service.host}:{asked.service.port}"
        async with httpx.AsyncClient(base_url=address, timeout=30, trust_env=False, limits=limits) as client:

            async def work(task: dict[str, Any]) -> str | None:
                token = estate.token(audience="ledger", task=task["id"])
                document = estate.client.present(token, "POST", uri)
                document |= {"audience": "ledger", "action": "entry.create"}
                return (await client.post("/decide", json=document)).json()["code"]

            return await asyncio.gather(*(work(task) for _ in range(20) for task in (whole, part)))

    codes = asyncio.run(crowd())
    assert sorted(codes, key=str) == [None] * 9 + ["task_ended"] * 31
    assert asked("GET", f"/tasks/{whole['id']}").json()["state"] == "used_up"


def test_after_a_completion_is_acknowledged_no_worker_allows(serve: Services, tmp_path: Path) -> None:
    estate = Estate(tmp_path / "policies")
    asked = begin(serve, estate, "--workers", "2")
    address = f"http://{asked.service.host}:{asked.service.port}"

    async def crowd(task: dict[str, Any]) -> None:
        limits = httpx.Limits(max_connections=16, max_keepalive_connections=0)
        async with httpx.AsyncClient(base_url=address, timeout=30, trust_env=False, limits=limits) as client:
            acknowledged: list[float] = []
            allowed: list[float] = []
            wanted = random.randrange(1, 30)

            async def work() -> None:
                token = estate.token(audience="ledger", task=task["id"])
                presented = estate.client.present(token, "POST", "https://ledger.example/entries")
                begun = time.monotonic()
                answer = await client.post(
                    "/decide", json={"audience": "ledger", "action": "entry.create", **presented}
                )
                if answer.json()["code"] is None:
                    allowed.append(begun)

            async def complete() -> None:
                while len(allowed) < wanted:
                    await asyncio.sleep(0.001)
                path = f"/tasks/{task['id']}/complete"
                answer = await client.post(path, headers=estate.headers("POST", path))
                assert answer.status_code == 200, answer.text
                acknowledged.append(time.monotonic())

            async def works() -> None:
                while not acknowledged or time.monotonic() < acknowledged[0] + 0.1:
                    await work()

            await asyncio.gather(complete(), *(works() for _ in range(8)))
        assert len(allowed) >= wanted
        assert max(allowed) < acknowledged[0]

    for _ in range(3):
        asyncio.run(crowd(asked.open()))
