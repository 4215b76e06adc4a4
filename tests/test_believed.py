"""Whom to believe: what makes no sense is refused when it is read, and not when it is needed."""

from __future__ import annotations

from typing import Any, get_args

import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from pydantic import ValidationError

from pdp import believed
from pdp.believed import BundleFrom, IssuerTable, KeysFrom, ProofsTable, TrustDomainTable
from pdp.evidence import workload_api
from pdp.evidence.dpop import ProofPolicy
from pdp.evidence.fetch import FetchError
from pdp.evidence.keys import ALGORITHMS
from pdp.evidence.sources import Place, metadata_urls
from pdp.evidence.trust import Issuer, TrustDomain
from pdp.settings import SettingsError, read

ISSUER: dict[str, Any] = {
    "id": "https://idp.example",
    "keys": {"url": "https://idp.example/keys"},
    "algorithms": ["ES256"],
}
DOMAIN: dict[str, Any] = {"name": "prod.example", "bundle": {"file": "bundle.json"}}


def problems(table: str, values: dict[str, Any]) -> list[str]:
    try:
        read(None, {table: [values]})
    except SettingsError as error:
        return [str(problem).removeprefix(f"{table}.0").lstrip(".: ") for problem in error.problems]
    return []


def test_tokens_may_be_signed_with_what_can_be_verified() -> None:
    assert set(get_args(believed.Algorithm)) == ALGORITHMS


def test_what_is_left_out_is_what_the_verifier_takes_for_granted() -> None:
    table, issuer = IssuerTable(**ISSUER), Issuer("", frozenset())
    assert (table.kind, table.actor, table.caller, table.task, table.binding, table.single_use) == (
        issuer.kind, issuer.actor, issuer.caller, issuer.task, issuer.binding, issuer.single_use,
    )  # fmt: skip
    assert (*map(_seconds, (table.max_lifetime, table.max_age, table.leeway)), set(table.typ)) == (
        issuer.max_lifetime, issuer.max_age, issuer.leeway, issuer.types,
    )  # fmt: skip
    named, domain = TrustDomainTable(**DOMAIN), TrustDomain("")
    assert (set(named.forms), named.kind, _seconds(named.max_lifetime), _seconds(named.leeway)) == (
        domain.forms, domain.kind, domain.max_lifetime, domain.leeway,
    )  # fmt: skip
    proofs, policy = ProofsTable(), ProofPolicy()
    assert (set(proofs.algorithms), _seconds(proofs.max_age), _seconds(proofs.max_ahead), proofs.nonces) == (
        policy.algorithms, policy.max_age, policy.max_ahead, policy.nonces is not None,
    )  # fmt: skip
    for place in (KeysFrom(file="k"), BundleFrom(file="k")):  # type: ignore[arg-type]  # as it is read
        assert (_seconds(place.refresh), _seconds(place.stale), place.private, place.ca) == (
            Place().refresh, Place().stale, Place().private, Place().ca,
        )  # fmt: skip


def _seconds(duration: Any) -> float:
    seconds: float = duration.total_seconds()
    return seconds


@pytest.mark.parametrize(
    ("change", "problem"),
    [
        ({"keys": None, "algorithms": None}, "say `keys`, `introspection`, or both"),
        ({"keys": None}, "say `keys`, `introspection`, or both"),
        ({"algorithms": None}, "`keys` and `algorithms` stand together"),
        ({"keys": {}}, "keys: say one of `file`, `url` and `discovery`"),
        ({"keys": {"file": "k", "discovery": True}}, "keys: say one of `file`, `url` and `discovery`"),
        ({"keys": {"discovery": False}}, "keys: say one of `file`, `url` and `discovery`"),
        ({"keys": {"fil": "k"}}, "keys.fil: is no setting (did you mean `file`?)"),
        ({"keys": {"file": "k", "private": True}},
         "keys: `private` is about a server, and `file` asks none"),
        ({"keys": {"file": "k", "ca": "c"}}, "keys: `ca` is about a server, and `file` asks none"),
        ({"keys": {"url": "https://a", "refresh": "0s"}}, "keys.refresh: must be at least 1s"),
        ({"keys": {"url": "http://a.example/k"}},
         "keys.url: `http://a.example/k` is not https, and not on this machine"),
        ({"keys": {"url": "https://u:secret@a.example/k"}},
         "keys.url: `https://…` has more than a place in it"),
        ({"keys": {"url": "k.json"}}, "keys.url: `k.json` is no URL"),
        ({"id": "ci", "keys": {"discovery": True}},
         "keys: `discovery` asks at the issuer's id, and `ci` is no URL"),
        ({"id": "http://idp.example", "keys": {"discovery": True}},
         "keys: `discovery` asks at the issuer's id, and `http://idp.example` is not https, "
         "and not on this machine"),
        ({"id": "https://a.example/?t=1", "keys": {"discovery": True}},
         "keys: `discovery` asks at the issuer's id, and `https://a.example/?…` is no issuer: "
         "it has a query"),
        ({"algorithms": []}, "algorithms: must not be empty"),
        ({"algorithms": ["ES256", "ES256"]}, "algorithms: `ES256` is there twice"),
        ({"algorithms": ["HS256"]},
         "algorithms.0: must be `ES256`, `ES384`, `ES512`, `EdDSA`, `PS256`, `PS384`, `PS512`, `RS256`, "
         "`RS384` or `RS512`"),
        ({"typ": []}, "typ: must not be empty"),
        ({"typ": ["JWT", "application/DPoP+JWT"]},
         "typ: `application/DPoP+JWT` is no type of access token"),
        ({"typ": ["wit+jwt"]}, "typ: `wit+jwt` is no type of access token"),
        ({"typ": ["application/"]}, "typ: `application/` is no type of access token"),
        ({"typ": ["\uff21\uff34+jwt"]}, "typ: `\uff21\uff34+jwt` is no type of access token"),
        ({"audiences": {"ledger": []}}, "audiences.ledger: must not be empty"),
        ({"caller": "client_id", "task": "client_id"},
         "task: `client_id` holds the caller's id, and so no task's"),
        ({"claims": {"kind": "k"}}, "claims: `kind` of a caller is not taken from a claim"),
        ({"claims": {"id": "sub"}}, "claims: `id` of a caller is not taken from a claim"),
        ({"claims": {"team": ""}}, "claims.team: must not be empty"),
        ({"leeway": "6m"}, "leeway: must be at most 5m"),
        ({"max_lifetime": "500ms"}, "max_lifetime: must be at least 1s"),
        ({"max_age": "0s"}, "max_age: must be at least 1s"),
        ({"trust_domains": ["spiffe://prod.example"]},
         "trust_domains.0: `spiffe://prod.example` is no trust domain"),
        ({"trust_domains": ["prod.example/a"]}, "trust_domains.0: `prod.example/a` is no trust domain"),
        ({"trust_domains": ["Prod.example"]}, "trust_domains.0: `Prod.example` is no trust domain"),
        ({"trust_domains": ["a", "a"]}, "trust_domains: `a` is there twice"),
        ({"kind": "human", "actor": "human", "trust_domains": ["a"]},
         "trust_domains: SPIFFE IDs are no humans', and `kind` and `actor` are human"),
    ],
)  # fmt: skip
def test_an_issuer_that_makes_no_sense_is_refused(change: dict[str, Any], problem: str) -> None:
    assert problems("issuer", {**ISSUER, **change}) == [problem]


@pytest.mark.parametrize(
    "change",
    [
        {"id": "ci", "keys": {"file": "k.json"}},
        {"id": "urn:example:ci", "keys": {"url": "http://127.0.0.1:80/k?v=1"}},
        {"id": "https://a.example/t", "keys": {"discovery": True, "private": True, "ca": "a.pem"}},
        {"typ": ["at+jwt", "JWT"], "max_age": "2h", "max_lifetime": "1h"},
        {"claims": {"groups": "roles", "team": "https://a.example/team"}},
        {"kind": "human", "actor": "agent", "trust_domains": ["prod.example"], "binding": "mtls"},
    ],
)  # fmt: skip
def test_an_issuer_may_be_unusual(change: dict[str, Any]) -> None:
    assert problems("issuer", {**ISSUER, **change}) == []


ASKED = {"url": "https://idp.example/introspect", "client": "pdp", "secret_file": "secret"}


@pytest.mark.parametrize(
    ("change", "problem"),
    [
        ({"url": "http://idp.example/"},
         "introspection.url: `http://idp.example/` is not https, and not on this machine"),
        ({"secret_file": None}, "introspection: say one of `token_file`, `secret_file` and `key_file`"),
        ({"key_file": "k"}, "introspection: say one of `token_file`, `secret_file` and `key_file`"),
        ({"client": None},
         "introspection: `client` stands beside `secret_file` and `key_file`, and not beside `token_file`"),
        ({"secret_file": None, "token_file": "t"},
         "introspection: `client` stands beside `secret_file` and `key_file`, and not beside `token_file`"),
        ({"audience": "a"}, "introspection: `audience` stands beside `key_file` alone"),
        ({"cache": "0s"}, "introspection.cache: must be at least 1s"),
        ({"cache": "1h"}, "introspection.cache: must be at most 10m"),
        ({"timeout": "11s"}, "introspection.timeout: must be at most 10s"),
        ({"secret": "hunter2"}, "introspection.secret: is no setting (did you mean `secret_file`?)"),
    ],
)  # fmt: skip
def test_an_introspection_that_makes_no_sense_is_refused(change: dict[str, Any], problem: str) -> None:
    assert problem in problems("issuer", {**ISSUER, "introspection": {**ASKED, **change}})


@pytest.mark.parametrize(
    "change",
    [
        {},
        {"secret_file": None, "client": None, "token_file": "t", "cache": "1s", "timeout": "500ms"},
        {"secret_file": None, "key_file": "k.pem", "audience": "https://idp.example/token"},
    ],
)
def test_an_issuer_may_be_asked_with_and_without_keys(change: dict[str, Any]) -> None:
    asked = {"introspection": {**ASKED, **change}}
    assert problems("issuer", {**ISSUER, **asked}) == problems("issuer", {"id": "idp", **asked}) == []


@pytest.mark.parametrize(
    ("change", "problem"),
    [
        ({"name": "prod.example/a"}, "name: `prod.example/a` is no trust domain"),
        ({"name": ""}, "name: `` is no trust domain"),
        ({"bundle": {}}, "bundle: say one of `file`, `url` and `workload_api`"),
        ({"bundle": {"file": "b", "url": "https://a"}},
         "bundle: say one of `file`, `url` and `workload_api`"),
        ({"bundle": {"discovery": True}}, "bundle.discovery: is no setting"),
        ({"bundle": {"workload": "x"}}, "bundle.workload: is no setting (did you mean `workload_api`?)"),
        ({"bundle": {"workload_api": "tcp://127.0.0.1:8080"}},
         "bundle.workload_api: `tcp://127.0.0.1:8080` is no Unix socket: write `unix:///path/of/it`"),
        ({"bundle": {"workload_api": "/a", "private": True}},
         "bundle: `private` is about a server, and `workload_api` asks none"),
        ({"forms": []}, "forms: must not be empty"),
        ({"forms": ["wit", "wit"]}, "forms: `wit` is there twice"),
        ({"forms": ["x509"]}, "forms.0: must be `x509_svid`, `jwt_svid` or `wit`"),
        ({"kind": "human"}, "kind: must be `workload` or `agent`"),
        ({"forms": ["x509_svid", "wit"], "audiences": {"ledger": ["l"]}},
         "audiences: only a `jwt_svid` names an audience, and it is not among `forms`"),
    ],
)  # fmt: skip
def test_a_trust_domain_that_makes_no_sense_is_refused(change: dict[str, Any], problem: str) -> None:
    assert problem in problems("trust_domain", {**DOMAIN, **change})


def test_nobody_is_believed_twice() -> None:
    def told(**values: Any) -> list[str]:
        with pytest.raises(SettingsError) as caught:
            read(None, values)
        return [str(problem) for problem in caught.value.problems]

    assert told(issuer=[ISSUER, ISSUER]) == ["issuer: `https://idp.example` is there twice"]
    assert told(trust_domain=[DOMAIN, DOMAIN]) == ["trust_domain: `prod.example` is there twice"]
    assert told(issuer=[{**ISSUER, "id": "prod.example"}], trust_domain=[DOMAIN]) == [
        "trust_domain: `prod.example` is the id of an issuer, too"
    ]


# What is refused here is what would be refused there.

TEXTS = st.lists(
    st.sampled_from(["unix:", "unix://", "/", "a", ".sock", "\n", " ", "é", "tcp:", "..", "?"]), max_size=5
).map("".join)


@given(TEXTS)
@example("unix:///run/spire/agent.sock")
@example("unix:/run/a b.sock")
@example("/run/a.sock")
@example("unix://run/a.sock")
def test_a_socket_is_refused_exactly_where_none_could_be_asked(text: str) -> None:
    assert _takes(BundleFrom, workload_api=text) is not _fails(workload_api.target, text)


URLS = st.builds(
    "".join,
    st.tuples(
        st.sampled_from(["https://", "http://", "https:/", "HTTPS://", ""]),
        st.sampled_from(["a.example", "127.0.0.1", "localhost", "[::1]", "10.0.0.1", "A.b", "1", "", "u@b"]),
        st.sampled_from(["", ":8443", ":x", ":70000"]),
        st.sampled_from(["", "/", "/t/", "/t?q=1", "?q", "#f", "/ ", "/é"]),
    ),
)  # fmt: skip


@given(URLS)
def test_an_issuer_is_refused_exactly_where_its_metadata_could_not_be_asked_for(url: str) -> None:
    discovered = _takes(IssuerTable, id=url, keys={"discovery": True}, algorithms=["ES256"])
    assert discovered is (bool(url) and not _fails(metadata_urls, url))


def _takes(table: Any, **values: Any) -> bool:
    try:
        table(**values)
    except ValidationError:
        return False
    return True


def _fails(function: Any, text: str) -> bool:
    try:
        function(text)
    except FetchError:
        return True
    return False
