"""Who asks for tokens: the clients that are registered, and what each proves itself with.

Knows assertions (RFC 7523), SVIDs as credentials of clients (draft-ietf-oauth-spiffe-client-auth) and
certificates (RFC 8705 section 2). No secret that both know proves anything here. What is proved is `Evidence`
like every other; whether it was used before is asked of `Replay` at once, for an assertion counts once
whatever becomes of the request.
"""

from __future__ import annotations

import hmac
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

from msgspec import Struct
from msgspec.structs import replace

from pdp.access.patterns import caller_pattern
from pdp.evidence.evidence import Evidence
from pdp.evidence.jws import Jws, encode, load
from pdp.evidence.jwt import JTI_LIMIT, check_signature, media_type, name, texts, time
from pdp.evidence.keys import ALGORITHMS, KeysError, KeySet, parse_keys
from pdp.evidence.refusals import EvidenceError
from pdp.evidence.verify import Peer, Presented, Verifier
from pdp.registered import ClientTable
from pdp.state.replay import Replay, Use
from pdp.tasks.known import OWN
from pdp.tasks.oauth_errors import OAuthError

SIGNED: Final = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer"
SVID: Final = "urn:ietf:params:oauth:client-assertion-type:jwt-spiffe"
METHODS: Final = (
    "private_key_jwt", "tls_client_auth", "self_signed_tls_client_auth", "spiffe_jwt", "spiffe_x509",
)  # fmt: skip
"""How clients may prove who they are, as metadata calls it."""

# An assertion is made for one request, but libraries have it live for an hour. Its `iat` is optional
# (RFC 7523 section 3): its end is held to this.
_LIFETIME: Final = 3_600
_TYPES: Final = frozenset({"", "jwt", "client-authentication+jwt"})


@dataclass(frozen=True, slots=True)
class Client:
    """A client as it is registered. `fits` tells whether a SPIFFE ID is one of its own."""

    id: str
    kind: str
    services: tuple[str, ...]
    exchange: bool
    thumbprint: str | None
    fits: Callable[[str], bool] | None


class Asking(Struct, frozen=True, gc=False):
    """A client that has proved who it is, by `evidence`; `peer` is the certificate that it came with."""

    client: Client
    evidence: Evidence
    peer: Peer | None

    @property
    def name(self) -> str:
        """Who acts when it does: its SPIFFE ID, where it has shown one, and else its id."""
        identity: str = self.evidence.caller["id"]
        return identity


class Clients:
    """The clients of the settings; their keys change as they are read. `audiences` are the names by which an
    assertion may mean us: as issuer, or by the URL that it is sent to (RFC 7523 section 3).
    """

    def __init__(
        self,
        tables: Iterable[ClientTable],
        keys: Mapping[str, KeySet],
        verifier: Verifier,
        replay: Replay,
        audiences: frozenset[str],
    ) -> None:
        """`keys` are those that are kept elsewhere than in the settings, and may change. Raises `KeysError`
        for keys in the settings that cannot be used."""
        self._verifier = verifier
        self._replay = replay
        self._audiences = audiences
        self._clients: dict[str, Client] = {}
        self._kept = keys
        self._keys: dict[str, KeySet] = {}
        for table in tables:
            fits = None if table.spiffe is None else caller_pattern(table.spiffe)
            self._clients[table.id] = Client(
                table.id, table.kind, table.services, table.exchange, table.thumbprint, fits
            )
            if table.jwks:
                found = parse_keys(table.jwks, use="sig", algorithms=ALGORITHMS)
                if not found.keys:
                    raise KeysError(f"`{table.id}` has no key that can be used")
                self._keys[table.id] = found

    def authenticate(self, form: Mapping[str, str], presented: Presented, now: datetime) -> Asking:
        """Who sent a form; raises `OAuthError`, and `StoreError`. `presented` has the certificate, if any.

        1. The certificate. 2. The assertion, where there is one: a JWT that the client signed, or its SVID.
        3. Else the certificate is what proves it. 4. It is who it says it is.
        """
        try:
            # 1.
            peer = self._verifier.certificate(presented, now)
            # 2.
            kind, assertion = form.get("client_assertion_type"), form.get("client_assertion")
            if (kind is None) is not (assertion is None):
                raise OAuthError("invalid_request", "an assertion has a type, and a type an assertion")
            if kind == SIGNED and assertion is not None:
                asking = self._signed(load(assertion), peer, now)
            elif kind == SVID and assertion is not None:
                svid = self._verifier.verify(Presented(assertion, "Bearer"), OWN, now)
                # An issuer may speak of workloads, too; but it does not vouch for who presents that.
                if svid.form != "jwt_svid":
                    raise _unknown()
                asking = self._workload(svid, form.get("client_id"), peer)
            elif kind is not None:
                raise _unknown()
            # 3.
            else:
                asking = self._certified(presented, form.get("client_id"), peer, now)
        except EvidenceError:
            raise _unknown() from None
        # 4.
        if form.get("client_id", asking.client.id) not in (asking.client.id, asking.name):
            raise _unknown()
        return asking

    def _signed(self, jws: Jws, peer: Peer | None, now: datetime) -> Asking:
        """The client that made an assertion (RFC 7523 section 3), and made it for us, now, and once."""
        claims, seconds = jws.claims, now.timestamp()
        said = name(claims, "iss")
        client, keys = self._clients.get(said), self._keys.get(said) or self._kept.get(said)
        if client is None or keys is None or name(claims, "sub") != said:
            raise _unknown()
        if media_type(jws.header.get("typ")) not in _TYPES:
            raise _unknown()
        check_signature(jws, keys, ALGORITHMS)
        # For several it would be good at another's token endpoint, too.
        audiences = texts(claims, "aud")
        if len(audiences) != 1 or audiences[0] not in self._audiences:
            raise _unknown()
        expires, jti = time(claims, "exp"), name(claims, "jti", JTI_LIMIT)
        issued = time(claims, "iat") if "iat" in claims else expires - _LIFETIME
        # Made by the same clocks as proofs are.
        ahead = self._verifier.trust.proofs.max_ahead
        begins = max(issued, time(claims, "nbf") if "nbf" in claims else issued) - ahead
        if not begins <= seconds < expires <= seconds + _LIFETIME:
            raise _unknown()
        use = Use(("client assertion", said, jti), begins, expires, said)
        outcome = self._replay.use((use,), seconds)
        if outcome in ("full", "before"):
            raise OAuthError("temporarily_unavailable", "it cannot be known whether this was used before")
        if outcome != "first":
            raise _unknown()
        key = keys.get(jws.header["kid"])
        assert key is not None
        return Asking(client, _evidence(client, jws.digest, issued, expires, key.thumbprint), peer)

    def _workload(self, evidence: Evidence, said: str | None, peer: Peer | None) -> Asking:
        """The client whose workload has this identity."""
        identity = evidence.caller["id"]
        fitting = [one for one in self._clients.values() if one.fits is not None and one.fits(identity)]
        # Where several have it, the client says which of them it is.
        if len(fitting) > 1:
            fitting = [one for one in fitting if one.id == said]
        if len(fitting) != 1:
            raise _unknown()
        (client,) = fitting
        caller: dict[str, Any] = {**evidence.caller, "kind": client.kind}
        return Asking(client, replace(evidence, client=client.id, caller=caller), peer)

    def _certified(self, presented: Presented, said: str | None, peer: Peer | None, now: datetime) -> Asking:
        """The client that has this certificate (RFC 8705 section 2), or this X.509-SVID."""
        if peer is None:
            raise _unknown()
        if peer.identity is not None:
            return self._workload(self._verifier.verify(presented, OWN, now), said, peer)
        thumbprint = encode(peer.digest)
        for client in self._clients.values():
            if client.thumbprint is not None and hmac.compare_digest(client.thumbprint, thumbprint):
                # A proxy need not tell more of it than its digest.
                seconds = now.timestamp()
                times = (peer.begins, peer.expires) if peer.expires else (seconds, seconds + _LIFETIME)
                evidence = _evidence(client, peer.digest, *times, thumbprint)
                evidence = replace(evidence, binding="mtls", bound=True)
                return Asking(client, evidence, peer)
        raise _unknown()


def _evidence(client: Client, identity: bytes, issued: float, expires: float, key: str) -> Evidence:
    return Evidence(
        caller={"id": client.id, "kind": client.kind},
        form="jwt",
        binding="none",
        bound=False,
        issuer=None,
        id=None,
        audiences=(OWN,),
        scopes=(),
        issued=issued,
        expires=expires,
        identity=identity,
        task=None,
        once=(),
        client=client.id,
        keys=(key,),
    )


def _unknown() -> OAuthError:
    """Who asks is told that it is not known, and not why."""
    return OAuthError("invalid_client", "who asks is not known")
