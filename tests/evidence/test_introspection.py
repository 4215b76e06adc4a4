"""Opaque tokens: asked about once, known for a while, never kept. When it goes wrong, nobody is believed."""

from __future__ import annotations

import asyncio
import json
import logging
import time
from collections.abc import Callable, Coroutine
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pdp.evidence.fetch import FetchError
from pdp.evidence.introspection import Introspection, claims_of, identity
from pdp.evidence.jws import TOKEN_LIMIT, encode, is_opaque
from pdp.evidence.jwt import Confirmation, from_claims
from pdp.evidence.login import Basic, Bearer
from pdp.evidence.refusals import (
    AUDIENCE_MISMATCH,
    CLAIM_MISSING,
    CREDENTIAL_MALFORMED,
    CREDENTIAL_TOO_LARGE,
    INTROSPECTION_UNAVAILABLE,
    LIFETIME_TOO_LONG,
    TOKEN_EXPIRED,
    TOKEN_INACTIVE,
    EvidenceError,
)
from pdp.evidence.trust import Issuer
from tests.evidence.loopback import Asked, Server, answer, loopback
from tests.evidence.world import AUDIENCE, ISSUER, SECONDS

TOKEN = "2YotnFZFEjr1zCsicMWpAA"
SAID = {
    "active": True,
    "sub": "alice",
    "aud": AUDIENCE,
    "iat": SECONDS - 10,
    "exp": SECONDS + 290,
    "scope": "entry.create entry.read",
    "client_id": "app",
    "token_type": "Bearer",
}
# How long the tests wait for what must come. It is never waited out where all is well.
PATIENCE = 20.0


class Authority:
    """An issuer that is asked about tokens, by RFC 7662: who shows no secret is told nothing."""

    def __init__(self, server: Server) -> None:
        self.server = server
        self.said: dict[str, Any] = {TOKEN: SAID}
        self.open = asyncio.Event()
        self.open.set()
        self.now = self.most = 0
        server.answers["/introspect"] = self.answer

    @property
    def tokens(self) -> list[str]:
        """The tokens that it was asked about."""
        return [parse_qs(asked.body.decode())["token"][0] for asked in self.server.asked]

    async def answer(self, asked: Asked, _: asyncio.StreamWriter) -> bytes:
        self.now += 1
        self.most = max(self.most, self.now)
        await self.open.wait()
        self.now -= 1
        form = parse_qs(asked.body.decode(), strict_parsing=True)
        if asked.headers.get("authorization") != "Bearer ours":
            return answer("", status="401 Unauthorized")
        assert asked.method == "POST"
        assert asked.headers["content-type"] == "application/x-www-form-urlencoded"
        assert form["token_type_hint"] == ["access_token"]
        found = self.said.get(form["token"][0], {"active": False})
        return found if isinstance(found, bytes) else answer(json.dumps(found))


@pytest.fixture(name="secret")
def _secret(tmp_path: Path) -> Path:
    file = tmp_path / "secret"
    file.write_text("ours\n")
    return file


def beside(
    secret: Path, body: Callable[[Authority, Introspection], Coroutine[Any, Any, Any]], **options: Any
) -> Any:
    """What `body` gives beside an issuer that can be asked."""

    async def run() -> Any:
        async with loopback() as server:
            authority = Authority(server)
            asking = Introspection(server.url("/introspect"), issuer=ISSUER, login=Bearer(secret), **options)
            try:
                return await body(authority, asking)
            finally:
                authority.open.set()
                await asking.close()

    return asyncio.run(run())


def refused(asking: Introspection, token: str = TOKEN, seconds: float = SECONDS) -> str | None:
    """The code with which a token is refused, or None."""
    try:
        asking.found(token, seconds)
    except EvidenceError as error:
        return error.code
    return None


async def until(condition: Callable[[], Any]) -> Any:
    """What `condition` gives as soon as it is true."""
    async with asyncio.timeout(PATIENCE):
        while not (found := condition()):
            await asyncio.sleep(0.005)
        return found


# What is believed.


def test_an_active_token_is_what_its_issuer_says(secret: Path) -> None:
    async def body(_: Authority, asking: Introspection) -> Any:
        await asking.ask(TOKEN, SECONDS)
        return asking.found(TOKEN, SECONDS)

    claims = beside(secret, body)
    said = {name: value for name, value in SAID.items() if name != "active"}
    assert claims == {**said, "iss": ISSUER, "jti": encode(identity(TOKEN))}
    token = from_claims(claims, Issuer(ISSUER, frozenset()), AUDIENCE, SECONDS)
    assert (token.subject, token.scopes) == ("alice", ("entry.create", "entry.read"))
    assert (token.times.issued, token.times.expires) == (SECONDS - 10, SECONDS + 290)
    assert token.jti == encode(identity(TOKEN))


@pytest.mark.parametrize(
    ("change", "code"),
    [
        ({"aud": "another"}, AUDIENCE_MISMATCH),
        ({"aud": None}, CLAIM_MISSING),
        ({"iat": None}, CLAIM_MISSING),
        ({"exp": None}, CLAIM_MISSING),
        ({"sub": None}, CLAIM_MISSING),
        ({"exp": SECONDS + 10_000}, LIFETIME_TOO_LONG),
        ({"exp": SECONDS + 0}, TOKEN_EXPIRED),
    ],
)
def test_what_is_said_of_a_token_is_checked_as_a_signed_tokens_claims_are(
    change: dict[str, Any], code: str
) -> None:
    said = {name: value for name, value in {**SAID, **change}.items() if value is not None}
    claims = claims_of(json.dumps(said).encode(), ISSUER, identity(TOKEN))
    assert claims is not None
    with pytest.raises(EvidenceError, match=code):
        from_claims(claims, Issuer(ISSUER, frozenset()), AUDIENCE, SECONDS)


def test_a_tokens_own_id_is_kept_and_its_key_binds() -> None:
    said = {**SAID, "jti": "t-1", "token_type": "DPoP", "cnf": {"jkt": encode(bytes(32))}}
    claims = claims_of(json.dumps(said).encode(), ISSUER, identity(TOKEN))
    assert claims is not None
    token = from_claims(claims, Issuer(ISSUER, frozenset()), AUDIENCE, SECONDS)
    assert (token.jti, token.confirmation) == ("t-1", Confirmation(jkt=encode(bytes(32))))


@pytest.mark.parametrize(
    "said",
    [
        {"active": False},
        {},
        {**SAID, "active": "true"},
        {**SAID, "active": 1},
        {**SAID, "active": [True]},
        {**SAID, "active": None},
        {**SAID, "iss": "https://another.example"},
        {**SAID, "iss": f"{ISSUER}/"},
        {**SAID, "iss": None},
        {**SAID, "token_use": "refresh_token"},
        {**SAID, "exp": SECONDS},
        {**SAID, "exp": SECONDS - 1},
    ],
)
def test_what_is_not_said_to_be_an_active_access_token_of_the_issuer_is_none(
    secret: Path, said: dict[str, Any]
) -> None:
    async def body(authority: Authority, asking: Introspection) -> Any:
        authority.said[TOKEN] = said
        await asking.ask(TOKEN, SECONDS)
        return refused(asking), asking.problem

    assert beside(secret, body) == (TOKEN_INACTIVE, None)


@given(
    st.dictionaries(
        st.sampled_from(["active", "sub", "cnf"]), st.none() | st.booleans() | st.integers() | st.text()
    )
)
def test_only_true_is_true(said: dict[str, Any]) -> None:
    try:
        found = claims_of(json.dumps(said).encode(), ISSUER, b"")
    except FetchError:
        return
    assert (found is not None) == (said.get("active") is True)


BROKEN: dict[str, bytes] = {
    "an error": answer("", status="500 Internal Server Error"),
    "a redirect": answer("", status="307 Temporary Redirect", location="/introspect"),
    "a page": answer("<html>"),
    "nothing": answer(""),
    "a list": answer("[true]"),
    "twice": answer('{"active": false, "active": true}'),
    "no number": answer('{"active": true, "exp": NaN}'),
    "a huge number": answer('{"active": true, "x": 1e400}'),
    "a deep nest": answer('{"active": true, "x": ' + "[" * 30 + "]" * 30 + "}"),
    "too much": answer(json.dumps({**SAID, "x": "y" * 20_000})),
    "a time as text": answer(json.dumps({**SAID, "exp": str(SAID["exp"])})),
    "a time with a point": answer(json.dumps({**SAID, "exp": SECONDS + 0.5})),
    "a time that is true": answer(json.dumps({**SAID, "exp": True})),
    "a bound token without its key": answer(json.dumps({**SAID, "token_type": "DPoP"})),
    "a bearer's token with a key": answer(json.dumps({**SAID, "cnf": {"jkt": encode(bytes(32))}})),
    "a type that is none": answer(json.dumps({**SAID, "token_type": ["Bearer"]})),
    "a key that is none": answer(json.dumps({**SAID, "cnf": "key"})),
}


@pytest.mark.parametrize("broken", BROKEN)
def test_what_cannot_be_understood_makes_nobody_believed_and_is_not_remembered(
    secret: Path, broken: str
) -> None:
    async def body(authority: Authority, asking: Introspection) -> Any:
        authority.said[TOKEN] = BROKEN[broken]
        await asking.ask(TOKEN, SECONDS)
        first = refused(asking), asking.problem is not None
        authority.said[TOKEN] = SAID
        await asking.ask(TOKEN, SECONDS)
        return *first, refused(asking), asking.problem

    assert beside(secret, body) == (INTROSPECTION_UNAVAILABLE, True, None, None)


def test_an_issuer_that_does_not_answer_in_time_is_unavailable(secret: Path) -> None:
    async def body(authority: Authority, asking: Introspection) -> Any:
        authority.open.clear()
        await asking.ask(TOKEN, SECONDS)
        return refused(asking), "did not answer within 0.1 seconds" in (asking.problem or "")

    assert beside(secret, body, timeout=0.1) == (INTROSPECTION_UNAVAILABLE, True)


def test_an_issuer_that_refuses_who_asks_is_unavailable(secret: Path) -> None:
    async def body(_: Authority, asking: Introspection) -> Any:
        secret.write_text("theirs")
        await asking.ask(TOKEN, SECONDS)
        first = refused(asking)
        secret.unlink()
        await asking.ask(TOKEN, SECONDS)
        second = asking.problem
        secret.write_text("ours")
        await asking.ask(TOKEN, SECONDS)
        return first, second, refused(asking)

    first, second, third = beside(secret, body)
    assert (first, third) == (INTROSPECTION_UNAVAILABLE, None)
    assert second == f"`{secret}` cannot be read: No such file or directory"


def test_a_token_that_nobody_asked_about_is_not_believed(secret: Path) -> None:
    async def body(_: Authority, asking: Introspection) -> Any:
        return refused(asking)

    assert beside(secret, body) == INTROSPECTION_UNAVAILABLE


@pytest.mark.parametrize("token", ["", "a b", "a\nb", "a&token=b", "tokén", "a=b", "\ud800", "a\0"])
def test_what_is_no_token_is_told_to_nobody(secret: Path, token: str) -> None:
    async def body(authority: Authority, asking: Introspection) -> Any:
        await asking.ask(token, SECONDS)
        return refused(asking, token), authority.tokens

    assert beside(secret, body) == (CREDENTIAL_MALFORMED, [])


def test_a_token_of_the_limit_is_asked_about_and_a_longer_one_is_not(secret: Path) -> None:
    async def body(authority: Authority, asking: Introspection) -> Any:
        longest = "x" * TOKEN_LIMIT
        authority.said[longest] = SAID
        await asking.ask(longest, SECONDS)
        await asking.ask(longest + "x", SECONDS)
        return refused(asking, longest), refused(asking, longest + "x"), len(authority.tokens)

    assert beside(secret, body) == (None, CREDENTIAL_TOO_LARGE, 1)


def test_a_jwt_is_told_from_an_opaque_token() -> None:
    assert all(map(is_opaque, ("", TOKEN, "a.b", "a.b.c.d", "a.b.c.d.e")))
    assert not is_opaque("a.b.c")


# For how long.


def test_a_token_is_known_for_the_time_of_the_cache_and_then_asked_about_again(secret: Path) -> None:
    async def body(authority: Authority, asking: Introspection) -> Any:
        for seconds in (SECONDS, SECONDS + 29.9):
            await asking.ask(TOKEN, seconds)
            assert refused(asking, seconds=seconds) is None
        once = len(authority.tokens)
        late = refused(asking, seconds=SECONDS + 30)
        authority.said[TOKEN] = {"active": False}
        await asking.ask(TOKEN, SECONDS + 30)
        return once, late, len(authority.tokens), refused(asking, seconds=SECONDS + 30)

    assert beside(secret, body, cache=30.0) == (1, INTROSPECTION_UNAVAILABLE, 2, TOKEN_INACTIVE)


def test_no_token_is_known_beyond_its_end(secret: Path) -> None:
    async def body(_: Authority, asking: Introspection) -> Any:
        await asking.ask(TOKEN, SECONDS)
        return refused(asking, seconds=SAID["exp"] - 0.1), refused(asking, seconds=SAID["exp"])

    assert beside(secret, body, cache=10_000.0) == (None, INTROSPECTION_UNAVAILABLE)


def test_that_a_token_is_not_active_is_known_for_moments_only(secret: Path) -> None:
    async def body(authority: Authority, asking: Introspection) -> Any:
        authority.said = {}
        for seconds in (SECONDS, SECONDS + 4.9):
            await asking.ask(TOKEN, seconds)
            assert refused(asking, seconds=seconds) == TOKEN_INACTIVE
        once = len(authority.tokens)
        authority.said = {TOKEN: SAID}
        await asking.ask(TOKEN, SECONDS + 5)
        return once, len(authority.tokens), refused(asking, seconds=SECONDS + 5)

    assert beside(secret, body, cache=10_000.0) == (1, 2, None)


def test_a_flood_of_tokens_that_are_none_pushes_out_none_that_is(secret: Path) -> None:
    async def body(authority: Authority, asking: Introspection) -> Any:
        await asking.ask(TOKEN, SECONDS)
        for number in range(20):
            await asking.ask(f"junk-{number}", SECONDS)
        return refused(asking), refused(asking, "junk-0"), refused(asking, "junk-19")

    assert beside(secret, body, room=3) == (None, INTROSPECTION_UNAVAILABLE, TOKEN_INACTIVE)


def test_of_more_active_tokens_than_there_is_room_for_the_newest_are_known(secret: Path) -> None:
    async def body(authority: Authority, asking: Introspection) -> Any:
        tokens = [f"token-{number}" for number in range(5)]
        authority.said = dict.fromkeys(tokens, SAID)
        for token in tokens:
            await asking.ask(token, SECONDS)
        return [refused(asking, token) for token in tokens]

    assert beside(secret, body, room=2) == [INTROSPECTION_UNAVAILABLE] * 3 + [None] * 2


# How it is asked.


def test_a_hundred_who_ask_about_one_token_at_once_ask_once(secret: Path) -> None:
    async def body(authority: Authority, asking: Introspection) -> Any:
        await asyncio.gather(*(asking.ask(TOKEN, SECONDS) for _ in range(100)))
        return authority.tokens, refused(asking)

    assert beside(secret, body) == ([TOKEN], None)


def test_when_one_who_waits_gives_up_the_others_are_answered(secret: Path) -> None:
    async def body(authority: Authority, asking: Introspection) -> Any:
        authority.open.clear()
        first, second = (asyncio.create_task(asking.ask(TOKEN, SECONDS)) for _ in range(2))
        await until(lambda: authority.now)
        first.cancel()
        authority.open.set()
        await second
        return authority.tokens, refused(asking)

    assert beside(secret, body) == ([TOKEN], None)


def test_no_more_questions_are_open_at_a_time_than_are_allowed_and_no_more_wait_than_can_be_answered(
    secret: Path,
) -> None:
    async def body(authority: Authority, asking: Introspection) -> Any:
        authority.open.clear()
        tokens = [f"token-{number}" for number in range(40)]
        authority.said = dict.fromkeys(tokens, SAID)
        waiting = [asyncio.create_task(asking.ask(token, SECONDS)) for token in tokens]
        await until(lambda: authority.now == 2)
        authority.open.set()
        await asyncio.gather(*waiting)
        codes = [refused(asking, token) for token in tokens]
        return authority.most, codes.count(None), codes.count(INTROSPECTION_UNAVAILABLE)

    # Eight times two may wait; who came after them was not even put in line.
    assert beside(secret, body, parallel=2, timeout=PATIENCE) == (2, 16, 24)


def test_when_it_is_closed_who_waits_is_let_go(secret: Path) -> None:
    async def body(authority: Authority, asking: Introspection) -> Any:
        authority.open.clear()
        waiting = asyncio.create_task(asking.ask(TOKEN, SECONDS))
        await until(lambda: authority.now)
        await asking.close()
        await waiting
        return refused(asking)

    assert beside(secret, body, timeout=PATIENCE) == INTROSPECTION_UNAVAILABLE


def test_an_address_that_is_not_public_is_sent_no_token(secret: Path) -> None:
    async def run() -> str | None:
        asking = Introspection("https://10.0.0.1/introspect", issuer=ISSUER, login=Bearer(secret))
        await asking.ask(TOKEN, SECONDS)
        return asking.problem

    assert asyncio.run(run()) == "`10.0.0.1` leads to an address that is not public"


# What is told.


def test_neither_token_nor_secret_is_kept_or_told(secret: Path, caplog: pytest.LogCaptureFixture) -> None:
    async def body(authority: Authority, asking: Introspection) -> str:
        told = []
        for seconds, said in enumerate((BROKEN["an error"], BROKEN["twice"], {"active": False}, SAID)):
            authority.said[TOKEN] = said
            await asking.ask(TOKEN, SECONDS + 10 * seconds)
            told += [vars(asking), asking.status]
        assert refused(asking, seconds=SECONDS + 30) is None
        return repr(told)

    with caplog.at_level(logging.DEBUG, "pdp"):
        kept = beside(secret, body)
    assert caplog.records
    for hidden in (TOKEN, "ours"):
        assert hidden not in kept
        assert hidden not in caplog.text


def test_a_problem_is_told_once_and_its_end_too(secret: Path, caplog: pytest.LogCaptureFixture) -> None:
    async def body(authority: Authority, asking: Introspection) -> Any:
        authority.said[TOKEN] = BROKEN["twice"]
        for _ in range(3):
            await asking.ask(TOKEN, SECONDS)
        problem = asking.status
        authority.said[TOKEN] = SAID
        before = time.time()
        await asking.ask(TOKEN, SECONDS)
        return problem, asking.status, before

    with caplog.at_level(logging.INFO, "pdp.introspection"):
        bad, good, before = beside(secret, body)
    assert (bad.name, bad.problem, bad.read) == (
        ISSUER, "the answer is not JSON that has one meaning", None,
    )  # fmt: skip
    assert good.problem is None
    assert before <= good.read <= time.time()
    assert bad.place.endswith("/introspect")
    assert [record.getMessage() for record in caplog.records] == [
        f"tokens of {ISSUER} cannot be introspected: the answer is not JSON that has one meaning",
        f"tokens of {ISSUER} can be introspected again",
    ]


def test_it_shows_itself_as_it_is_configured_to(secret: Path) -> None:
    async def run() -> Asked:
        async with loopback() as server:
            server.answers["/introspect"] = answer(json.dumps(SAID))
            asking = Introspection(server.url("/introspect"), issuer=ISSUER, login=Basic("pdp", secret))
            await asking.ask(TOKEN, SECONDS)
            assert refused(asking) is None
            await asking.close()
            return server.asked[0]

    assert asyncio.run(run()).headers["authorization"] == "Basic cGRwOm91cnM="
