"""From settings to a verifier that believes by them: keys come in, are replaced, and are nobody else's."""

from __future__ import annotations

import asyncio
import json
import subprocess
import sys
import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric import ec

from pdp.believed import BundleFrom, IntrospectionFrom, IssuerTable, KeysFrom, ProofsTable, TrustDomainTable
from pdp.evidence.evidence import Evidence
from pdp.evidence.kept import Kept
from pdp.evidence.keys import Key
from pdp.evidence.login import Basic, Bearer, PrivateKeyJwt
from pdp.evidence.refusals import EvidenceError
from pdp.evidence.sources import Source
from pdp.evidence.trust import Audiences, Issuer, TrustDomain
from pdp.evidence.verify import Presented
from pdp.evidence.workload_api import WorkloadApi
from pdp.settings import Settings
from pdp.trusted import Trusted, introspections
from tests.evidence.issuing import Issuer as Issuing
from tests.evidence.world import jwk_of, sign

FIRST, SECOND, DOMAIN = "https://first.example", "https://second.example", "prod.example"
WORKLOAD = f"spiffe://{DOMAIN}/api"


def table(id: str, file: Path, **more: Any) -> IssuerTable:
    return IssuerTable(id=id, keys=KeysFrom(file=file), algorithms=("ES256",), **more)


def domain(file: Path, **more: Any) -> TrustDomainTable:
    return TrustDomainTable(name=DOMAIN, bundle=BundleFrom(file=file), **more)


def source(trusted: Trusted, name: str) -> Kept:
    [found] = [one for one in trusted.sources.all if one.name == name]
    return found


def take(trusted: Trusted, name: str, data: str) -> bool:
    """Have a source bring `data`; whether that could be used."""
    return source(trusted, name).took(data.encode(), time.time())


def verified(trusted: Trusted, token: str, audience: str = "ledger") -> Evidence:
    return trusted.verifier.verify(Presented(token, "Bearer"), audience, datetime.now(UTC))


def refused(trusted: Trusted, token: str, audience: str = "ledger") -> str:
    with pytest.raises(EvidenceError) as caught:
        verified(trusted, token, audience)
    return caught.value.code


@pytest.fixture
def checks(monkeypatch: pytest.MonkeyPatch) -> Callable[[], int]:
    """How many signatures were checked so far."""
    made = []
    real = Key.holds

    def holds(key: Key, signing_input: bytes, signature: bytes) -> bool:
        made.append(key.kid)
        return real(key, signing_input, signature)

    monkeypatch.setattr(Key, "holds", holds)
    return lambda: len(made)


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "keys.json"


def test_until_its_keys_were_read_nobody_is_believed(file: Path) -> None:
    issuer = Issuing(FIRST)
    trusted = Trusted(Settings(issuer=(table(FIRST, file),)))
    token = issuer.token("alice", "ledger")
    assert refused(trusted, token) == "keys_stale"
    asyncio.run(trusted.sources.first())
    assert refused(trusted, token) == "keys_stale"
    assert source(trusted, FIRST).problem == f"`{file}` cannot be read: No such file or directory"
    file.write_text(issuer.jwks())
    asyncio.run(trusted.sources.first())
    assert verified(trusted, token).caller["id"] == "alice"


def test_new_keys_replace_the_old_at_once_remembered_tokens_or_not(file: Path) -> None:
    issuer = Issuing(FIRST)
    trusted = Trusted(Settings(issuer=(table(FIRST, file),)))
    assert take(trusted, FIRST, issuer.jwks())
    old, first = issuer.token("alice", "ledger"), issuer.kid
    verified(trusted, old)
    issuer.rotate()
    assert take(trusted, FIRST, issuer.jwks())
    verified(trusted, old)
    verified(trusted, issuer.token("alice", "ledger"))
    assert take(trusted, FIRST, issuer.jwks(first))
    assert refused(trusted, old) == "key_unknown"


def test_the_same_keys_once_more_hold_for_longer_and_nothing_is_verified_again(
    file: Path, checks: Callable[[], int]
) -> None:
    issuer = Issuing(FIRST)
    trusted = Trusted(Settings(issuer=(table(FIRST, file),)))
    take(trusted, FIRST, issuer.jwks())
    token, until = issuer.token("alice", "ledger"), trusted.verifier.trust.keys[FIRST].until
    verified(trusted, token)
    source(trusted, FIRST).took(issuer.jwks().encode(), time.time() + 60)
    verified(trusted, token)
    assert (checks(), trusted.verifier.trust.keys[FIRST].until > until + 50) == (1, True)
    issuer.rotate()
    take(trusted, FIRST, issuer.jwks())
    verified(trusted, token)
    assert checks() == 2


def test_keys_that_cannot_be_used_leave_the_last_good_ones(file: Path) -> None:
    issuer = Issuing(FIRST)
    trusted = Trusted(Settings(issuer=(table(FIRST, file),)))
    take(trusted, FIRST, issuer.jwks())
    before, token = trusted.verifier.trust, issuer.token("alice", "ledger")
    [member] = json.loads(issuer.jwks())["keys"]
    for broken in (
        "",
        "[]",
        "{}",
        json.dumps({"keys": [member, member]}),
        issuer.jwks().replace("P-256", "P-384")[:-1],
    ):
        assert not take(trusted, FIRST, broken)
    assert trusted.verifier.trust is before
    verified(trusted, token)
    assert source(trusted, FIRST).problem is not None
    assert take(trusted, FIRST, issuer.jwks())
    assert source(trusted, FIRST).problem is None


def test_issuers_with_one_key_set_stay_apart(file: Path) -> None:
    first, second = Issuing(FIRST), Issuing(SECOND)
    second.keys, second.kid = first.keys, first.kid
    trusted = Trusted(
        Settings(
            issuer=(
                table(FIRST, file, kind="human", claims={"team": "t"}),
                table(SECOND, file, audiences={"ledger": ("l",)}),
            )
        )
    )
    file.write_text(first.jwks())
    asyncio.run(trusted.sources.first())
    mine, other = first.token("alice", "ledger", t="red"), second.token("api", "l", t="blue")
    assert verified(trusted, mine).caller == {"id": "alice", "kind": "human", "issuer": FIRST, "team": "red"}
    assert verified(trusted, other).caller == {"id": "api", "kind": "workload", "issuer": SECOND}
    assert refused(trusted, second.token("api", "ledger")) == "audience_mismatch"
    dropped = first.kid
    first.rotate()
    # The same bytes were brought before, but for the other one.
    take(trusted, FIRST, first.jwks(dropped))
    assert refused(trusted, mine) == "key_unknown"
    verified(trusted, other)
    take(trusted, SECOND, first.jwks(dropped))
    assert refused(trusted, other) == "key_unknown"


def test_a_trust_domain_has_keys_of_its_own_for_each_purpose(file: Path) -> None:
    key = ec.generate_private_key(ec.SECP256R1())
    trusted = Trusted(Settings(trust_domain=(domain(file, audiences={"ledger": ("l",)}, kind="agent"),)))
    now = int(time.time())
    claims = json.dumps({"sub": WORKLOAD, "aud": "l", "iat": now, "exp": now + 60}).encode()
    token = sign(b'{"alg":"ES256","kid":"a"}', claims, key, "ES256")

    def bundle(use: str) -> str:
        return json.dumps({"keys": [jwk_of(key, kid="a", use=use)]})

    assert refused(trusted, token) == "keys_stale"
    for use in ("wit-svid", "sig"):
        assert take(trusted, DOMAIN, bundle(use))
        assert refused(trusted, token) == "key_unknown"
    assert take(trusted, DOMAIN, bundle("jwt-svid"))
    assert verified(trusted, token).caller == {"id": WORKLOAD, "kind": "agent"}
    assert take(trusted, DOMAIN, '{"keys": []}')
    assert refused(trusted, token) == "key_unknown"


def test_who_names_an_unknown_key_has_its_owner_asked(file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    issuer, asked = Issuing(FIRST), []
    monkeypatch.setattr(Source, "ask", lambda source: asked.append(source.name))
    trusted = Trusted(Settings(issuer=(table(FIRST, file), table(SECOND, file))))
    take(trusted, FIRST, issuer.jwks())
    issuer.rotate()
    assert refused(trusted, issuer.token("alice", "ledger")) == "key_unknown"
    assert asked == [FIRST]


def test_every_key_of_the_tables_comes_to_the_verifier(file: Path) -> None:
    made = Trusted(
        Settings(
            issuer=(
                IssuerTable(
                    id=FIRST,
                    keys=KeysFrom(discovery=True, private=True, ca=file, stale=timedelta(0)),
                    algorithms=("ES256", "PS256"),
                    typ=("application/AT+jwt", "JWT"),
                    audiences={"a": ("b", "c")},
                    kind="human",
                    actor="agent",
                    caller="client_id",
                    task="work",
                    claims={"team": "t"},
                    max_lifetime=timedelta(minutes=5),
                    max_age=timedelta(minutes=2),
                    leeway=timedelta(seconds=7),
                    binding="dpop",
                    single_use=True,
                    trust_domains=(DOMAIN,),
                ),
            ),
            trust_domain=(
                TrustDomainTable(
                    name=DOMAIN,
                    bundle=BundleFrom(workload_api="unix:///a.sock", refresh=timedelta(minutes=1)),
                    forms=("jwt_svid", "wit"),
                    audiences={"a": ("b",)},
                    kind="agent",
                    max_lifetime=timedelta(minutes=6),
                    leeway=timedelta(seconds=8),
                ),
            ),
            proofs=ProofsTable(
                algorithms=("EdDSA",),
                max_age=timedelta(seconds=9),
                max_ahead=timedelta(seconds=1),
                nonces=True,
            ),
        ),
        b"s" * 32,
    )
    trust = made.verifier.trust
    assert trust.issuers == {
        FIRST: Issuer(
            FIRST,
            frozenset({"ES256", "PS256"}),
            frozenset({"at+jwt", "jwt"}),
            Audiences({"a": frozenset("bc")}),
            "human",
            "agent",
            "client_id",
            "work",
            (("team", "t"),),
            300,
            120,
            7,
            "dpop",
            True,
            frozenset({DOMAIN}),
        )
    }
    assert trust.domains == {
        DOMAIN: TrustDomain(
            DOMAIN, frozenset({"jwt_svid", "wit"}), Audiences({"a": frozenset("b")}), "agent", 360, 8
        )
    }
    proofs = trust.proofs
    assert (proofs.algorithms, proofs.max_age, proofs.max_ahead) == (frozenset({"EdDSA"}), 9, 1)
    assert proofs.nonces is not None
    keys, bundle = made.sources.all
    assert isinstance(keys, Source)
    assert (keys.place.issuer, keys.place.private, keys.place.ca, keys.stale) == (FIRST, True, file, 0.0)
    assert isinstance(bundle, WorkloadApi)
    assert (bundle.name, bundle.where(), bundle.every, bundle.stale) == (
        DOMAIN,
        "unix:///a.sock",
        60.0,
        3_600.0,
    )


def test_processes_that_share_a_secret_take_each_others_nonces() -> None:
    settings = Settings(proofs=ProofsTable(nonces=True))
    one, two, stranger = (Trusted(settings, secret) for secret in (b"s" * 32, b"s" * 32, None))
    now = time.time()

    def nonces(trusted: Trusted) -> Any:
        return trusted.verifier.trust.proofs.nonces

    assert nonces(two).accepts(nonces(one).current(now), now)
    assert not nonces(stranger).accepts(nonces(one).current(now), now)
    assert Trusted(Settings()).verifier.trust.proofs.nonces is None


@pytest.mark.parametrize(
    ("login", "expected"),
    [
        ({"token_file": "a"}, Bearer(Path("a"))),
        ({"client": "pdp", "secret_file": "b"}, Basic("pdp", Path("b"))),
        ({"client": "pdp", "key_file": "c"}, PrivateKeyJwt("pdp", Path("c"), FIRST)),
        ({"client": "pdp", "key_file": "c", "audience": "d"}, PrivateKeyJwt("pdp", Path("c"), "d")),
    ],
)
def test_who_is_asked_about_tokens_is_asked_as_configured(login: dict[str, str], expected: Any) -> None:
    asked = IntrospectionFrom(url=f"{FIRST}/introspect", cache="7s", timeout="1s", **login)  # type: ignore[arg-type]
    settings = Settings(issuer=(IssuerTable(id=FIRST, introspection=asked), table(SECOND, Path("k"))))
    made = introspections(settings)
    assert made.keys() == {FIRST}
    assert (made[FIRST].url, made[FIRST].issuer) == (f"{FIRST}/introspect", FIRST)
    assert (made[FIRST]._login, made[FIRST]._cache, made[FIRST]._timeout) == (expected, 7.0, 1.0)
    # By a signature nobody is believed who has no keys.
    trusted = Trusted(settings)
    assert [one.name for one in trusted.sources.all] == [SECOND]
    assert refused(trusted, Issuing(FIRST).token("alice", "ledger")) == "keys_stale"


def test_who_asks_nobody_about_tokens_loads_nothing_for_it() -> None:
    program = "import sys, pdp.trusted; print('pdp.evidence.introspection' in sys.modules)"
    told = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert told.stdout == "False\n"
