"""From what was presented to what is proved: the numbered procedure, the only maker of `Evidence`.

It fetches nothing and reads no clock: keys are brought beside the request line, and one reading of the time
holds for the whole decision. It remembers nothing of a proof, and of a token only that it was verified, until
it expires or the trust changes.
"""

from __future__ import annotations

import dataclasses
import hmac
from collections.abc import Callable, Mapping
from datetime import datetime
from hashlib import sha256
from typing import Any, Final, get_args

from msgspec import Struct
from msgspec.structs import replace

from pdp.access.patterns import SPIFFE
from pdp.evidence.dpop import verify_proof
from pdp.evidence.evidence import Evidence, Form, Once
from pdp.evidence.jws import Jws, encode, is_opaque, load
from pdp.evidence.jwt import (
    AccessToken,
    Confirmation,
    Times,
    access_token,
    from_claims,
    lineage,
    media_type,
    name,
    texts,
    time,
)
from pdp.evidence.keys import KeySet
from pdp.evidence.refusals import (
    BINDING_MISMATCH,
    BINDING_REQUIRED,
    CERTIFICATE_EXPIRED,
    CERTIFICATE_INVALID,
    CERTIFICATE_NOT_TRUSTED,
    CERTIFICATE_UNTRUSTED,
    CLAIM_INVALID,
    CREDENTIAL_MALFORMED,
    ISSUER_UNKNOWN,
    KEY_UNKNOWN,
    KEYS_STALE,
    PROOF_MALFORMED,
    PROOF_MISMATCH,
    PROOF_REPLAYED,
    SCHEME_MISMATCH,
    TOKEN_REPLAYED,
    TOKEN_TYPE_REFUSED,
    TRUST_DOMAIN_UNKNOWN,
    EvidenceError,
)
from pdp.evidence.spiffe import domain_of, jwt_svid
from pdp.evidence.trust import Audiences, Issuer, Keys, Kind, Required, Trust
from pdp.evidence.wimse import workload_identity, workload_proof
from pdp.evidence.x509 import check_chain, fingerprint, load_chain, names_workload, spiffe_id
from pdp.evidence.xfcc import nearest

# How many tokens are remembered. Full, it begins anew: what is forgotten is verified again.
REMEMBERED: Final = 16_384
# What newer keys may cure: a token or certificate may be the first that a new one signed. And after a sleep
# of the machine, or a step of its clock, keys have had their time before it is time to read them again.
_WANTING: Final = frozenset({KEY_UNKNOWN, KEYS_STALE, CERTIFICATE_UNTRUSTED})
_WIT: Final = "wit+jwt"


class Presented(Struct, frozen=True, gc=False):
    """What came with a request. `method` and `uri` are those of the request that is decided, as the
    enforcement point knows them; `forwards`: it may say which certificate a client had."""

    token: str | None = None
    scheme: str | None = None
    dpop: tuple[str, ...] = ()
    wpt: str | None = None
    certificate: str | None = None
    xfcc: str | None = None
    method: str | None = None
    uri: str | None = None
    forwards: bool = False


class Peer(Struct, frozen=True, gc=False):
    """The client's certificate. `caller` is who that is, where it has a SPIFFE ID that was verified here.

    `believed`: until then (epoch seconds) what stands behind it is; no longer than it `expires`.
    """

    digest: bytes
    caller: dict[str, Any] | None
    begins: float
    expires: float
    believed: float

    @property
    def identity(self) -> str | None:
        """The SPIFFE ID of who that is."""
        return None if self.caller is None else str(self.caller["id"])


class Verified(Struct, frozen=True, gc=False):
    """A token that holds, whoever presents it: what it takes to present it, and what is proved then.

    `evidence` is complete for a bearer token; for a bound one the proof is still to come. `believed`: until
    then (epoch seconds) its keys are.
    """

    times: Times
    believed: float
    confirmation: Confirmation | None
    required: Required
    evidence: Evidence


class Verifier:
    """Verifies by a `Trust`. `trust` is replaced whole, and with it what is remembered under it.

    `wanted` is told whose keys lack one that was presented: it may be the first that is signed by a new one.
    `opaque` gives the claims of a token that is no JWT, as its issuer told them, or raises `EvidenceError`.
    """

    def __init__(
        self,
        trust: Trust,
        *,
        wanted: Callable[[str], None] = lambda _: None,
        opaque: Callable[[str, float], Mapping[str, Any]] | None = None,
    ) -> None:
        self._memory = _Memory(trust, wanted)
        self._opaque = opaque

    @property
    def trust(self) -> Trust:
        """What is believed now."""
        return self._memory.trust

    def replace(self, trust: Trust) -> None:
        """Believe `trust` from the next request on; what was verified under another one is forgotten."""
        self._memory = _Memory(trust, self._memory.wanted)

    def prolong(self, trust: Trust) -> None:
        """Believe `trust`, which differs from the last in nothing but how long its keys are believed."""
        self._memory.trust = trust

    def verify(self, presented: Presented, audience: str, now: datetime) -> Evidence:
        """What is proved by `presented` to the service `audience`; raises `EvidenceError`.

        1. The certificate that the client came with, if any. 2. The token, if any: its form, issuer, type,
        signature, claims and delegation. 3. How it must be presented, and was; the proof of its key, for this
        very request. 4. Who that is.

        Whether token or proof was seen before is asked afterwards, by `Evidence.once`: what fails here burns
        nothing.
        """
        memory, seconds = self._memory, now.timestamp()
        # 1.
        peer = _peer(presented, memory, now, seconds)
        token = presented.token
        if token is None:
            return _certified(presented, peer)
        # 2.
        verified = memory.tokens.get((token, audience))
        if verified is None and self._opaque is not None and is_opaque(token):
            verified = _introspected(token, self._opaque(token, seconds), memory.trust, audience, seconds)
        elif verified is None or seconds >= verified.believed:
            jws = load(token)
            try:
                if media_type(jws.header.get("typ")) == _WIT:
                    return _workload(presented, jws, memory.trust, seconds)
                verified = _verified(jws, memory.trust, audience, seconds)
            except EvidenceError as error:
                if error.code in _WANTING:
                    memory.wanted(_owner(jws, memory.trust))
                raise
            memory.remember(token, audience, verified)
        else:
            verified.times.check(seconds)
        # 3. and 4.
        return _held(presented, token, verified, peer, memory.trust, seconds)

    def certificate(self, presented: Presented, now: datetime) -> Peer | None:
        """The certificate that a client came with; see `verify`."""
        return _peer(presented, self._memory, now, now.timestamp())

    def token(self, token: str, audience: str, now: datetime) -> Verified:
        """What holds of a token that nobody presents for himself: it is handed in to be exchanged.

        Who holds the key that it is bound to is for who takes it to ask.
        """
        return self._taken(load(token), self.trust, audience, now)

    def stated(self, token: str, now: datetime, types: frozenset[str] | None = None) -> Verified:
        """What holds of a token by itself, whatever it is for: who takes it does not act on it. `types`,
        where it is another kind of token than those that its issuer makes for services."""
        jws, trust = load(token), self.trust
        changes: dict[str, Any] = {"audiences": Audiences()}
        if types is not None:
            changes["types"] = types
        # By any name that it says, then.
        trust = dataclasses.replace(
            trust,
            issuers={name: dataclasses.replace(one, **changes) for name, one in trust.issuers.items()},
            domains={
                name: dataclasses.replace(one, audiences=Audiences()) for name, one in trust.domains.items()
            },
        )
        return self._taken(jws, trust, texts(jws.claims, "aud")[0], now)

    def _taken(self, jws: Jws, trust: Trust, audience: str, now: datetime) -> Verified:
        # A workload identity token is nothing without the proof for the request that it comes with.
        if media_type(jws.header.get("typ")) == _WIT:
            raise EvidenceError(TOKEN_TYPE_REFUSED)
        try:
            return _verified(jws, trust, audience, now.timestamp())
        except EvidenceError as error:
            if error.code in _WANTING:
                self._memory.wanted(_owner(jws, trust))
            raise


class _Memory:
    """What was verified under one `Trust`. A proof is never remembered: it proves one request."""

    __slots__ = ("chains", "tokens", "trust", "wanted")

    def __init__(self, trust: Trust, wanted: Callable[[str], None]) -> None:
        self.trust, self.wanted = trust, wanted
        # By its exact text, which is the one spelling there is, and by what it was presented to.
        self.tokens: dict[tuple[str, str], Verified] = {}
        self.chains: dict[tuple[bytes, ...], Peer] = {}

    def remember(self, token: str, audience: str, verified: Verified) -> None:
        if len(self.tokens) >= REMEMBERED:
            self.tokens.clear()
        self.tokens[token, audience] = verified


# 1. The certificate.


def _peer(presented: Presented, memory: _Memory, now: datetime, seconds: float) -> Peer | None:
    if presented.certificate is None and presented.xfcc is None:
        return None
    if presented.certificate is not None and presented.xfcc is not None:
        raise EvidenceError(CREDENTIAL_MALFORMED)
    # Certificates are no secret: that a client holds the key of one is the word of who has seen it prove so.
    if not presented.forwards:
        raise EvidenceError(CERTIFICATE_NOT_TRUSTED)
    if presented.xfcc is None:
        assert presented.certificate is not None
        return _client(presented.certificate, memory, now, seconds)
    told = nearest(presented.xfcc)
    pem = told.chain or told.certificate
    if not pem:
        # Enough to compare with a token's `x5t#S256`, and not enough to be anybody.
        return Peer(told.digest, None, 0.0, 0.0, 0.0)
    peer = _client(pem, memory, now, seconds)
    # A name that is no SPIFFE ID is nobody here: the certificate is only compared with a token's.
    named = peer.identity is not None or told.uri.lower().startswith("spiffe:")
    if peer.digest != told.digest or (told.uri and named and told.uri != peer.identity):
        raise EvidenceError(CERTIFICATE_INVALID)
    return peer


def _client(pem: str, memory: _Memory, now: datetime, seconds: float) -> Peer:
    """A client's certificate; with an identity where it is an X.509-SVID, which is then verified here.

    One of another kind only serves to be compared with a token's `x5t#S256`: the token says whose it is, and
    TLS proved that the client holds its key (RFC 8705 section 6.2).
    """
    chain = load_chain(pem)
    digests = tuple(map(fingerprint, chain))
    known = memory.chains.get(digests)
    if known is not None and known.begins <= seconds < known.believed:
        return known
    leaf, caller = chain[0], None
    begins, expires = leaf.not_valid_before_utc.timestamp(), leaf.not_valid_after_utc.timestamp()
    if not begins <= seconds < expires:
        raise EvidenceError(CERTIFICATE_EXPIRED)
    believed = expires
    if names_workload(leaf):
        identity = spiffe_id(leaf)
        domain = memory.trust.domain(domain_of(identity))
        if "x509_svid" not in domain.forms:
            raise EvidenceError(TRUST_DOMAIN_UNKNOWN)
        try:
            bundle = memory.trust.bundle_of(domain, seconds)
            believed = min(check_chain(chain, bundle.authorities, now).timestamp(), bundle.until)
        except EvidenceError as error:
            if error.code in _WANTING:
                memory.wanted(domain.name)
            raise
        caller = {"id": identity, "kind": domain.kind}
    peer = Peer(digests[0], caller, begins, expires, believed)
    if len(memory.chains) >= REMEMBERED:
        memory.chains.clear()
    memory.chains[digests] = peer
    return peer


def _certified(presented: Presented, peer: Peer | None) -> Evidence:
    """Who came with a certificate alone: TLS has proved for this request that it holds its key."""
    if presented.dpop or presented.wpt is not None or presented.scheme is not None:
        raise EvidenceError(CREDENTIAL_MALFORMED)
    if peer is None or peer.caller is None:
        raise EvidenceError(CERTIFICATE_INVALID)
    return Evidence(
        caller=peer.caller,
        form="x509_svid",
        binding="mtls",
        bound=True,
        issuer=None,
        id=peer.digest.hex(),
        audiences=(),
        scopes=(),
        issued=peer.begins,
        expires=peer.expires,
        identity=peer.digest,
        task=None,
        once=(),
        keys=(encode(peer.digest),),
    )


# 2. The token.


def _verified(jws: Jws, trust: Trust, audience: str, seconds: float) -> Verified:
    """The token, by whose rules it says it is; nothing is taken from it but what those rules prove."""
    stated = jws.claims.get("iss")
    if type(stated) is str and stated in trust.issuers:
        issuer = trust.issuers[stated]
        return _of_issuer(jws, issuer, trust.keys_of(issuer, seconds), audience, seconds)
    subject = jws.claims.get("sub")
    if type(subject) is not str or not subject.startswith(SPIFFE):
        raise EvidenceError(ISSUER_UNKNOWN)
    domain = trust.domain(domain_of(subject))
    bundle = trust.bundle_of(domain, seconds)
    audiences, times = jwt_svid(jws, domain, bundle.jwt, audience, seconds)
    evidence = _evidence(
        {"id": subject, "kind": domain.kind}, "jwt_svid", None, jws.claims, jws.digest,
        audiences, (), times, None, (),
        keys=(_signer(jws, bundle.jwt),),
    )  # fmt: skip
    return Verified(times, bundle.until, None, "none", evidence)


def _owner(jws: Jws, trust: Trust) -> str:
    """Whose key it takes to verify this token: an issuer's, or a trust domain's."""
    stated = jws.claims.get("iss")
    # A workload identity token may name an issuer, and its key is its trust domain's all the same.
    if type(stated) is str and stated in trust.issuers and media_type(jws.header.get("typ")) != _WIT:
        return stated
    return domain_of(jws.claims["sub"])


def _introspected(
    token: str, claims: Mapping[str, Any], trust: Trust, audience: str, seconds: float
) -> Verified:
    """A token that says nothing by itself, by what its issuer said of it (RFC 7662 section 2.2)."""
    issuer = trust.issuers[claims["iss"]]
    digest = sha256(token.encode()).digest()
    return _of_token(from_claims(claims, issuer, audience, seconds), issuer, digest, (), seconds)


def _of_issuer(jws: Jws, issuer: Issuer, keys: Keys, audience: str, seconds: float) -> Verified:
    token = access_token(jws, issuer, keys.keys, audience, seconds)
    return _of_token(token, issuer, jws.digest, (_signer(jws, keys.keys),), keys.until)


def _of_token(
    token: AccessToken, issuer: Issuer, digest: bytes, signers: tuple[str, ...], until: float
) -> Verified:
    """Who an issuer's token speaks of, and what it takes to present it."""
    chain = token.chain
    for identity in (token.subject,) if chain is None else (chain.subject, chain.actor, *chain.earlier):
        # A SPIFFE ID is its trust domain's to give; an issuer names only those it is configured to, and says
        # of no others that they acted before.
        if (
            identity[: len("spiffe:")].lower() == "spiffe:"
            and domain_of(identity) not in issuer.trust_domains
        ):
            raise EvidenceError(TRUST_DOMAIN_UNKNOWN)
    caller: dict[str, Any]
    if issuer.own:
        caller = told_caller(token.claims)
    else:
        caller = {
            attribute: token.claims[claim] for attribute, claim in issuer.claims if claim in token.claims
        }
        caller["kind"] = issuer.kind if chain is None else issuer.actor
    caller |= {"id": token.subject, "issuer": issuer.id}
    if chain is not None:
        caller |= {
            "id": chain.actor,
            "on_behalf_of": chain.subject,
            "actors": list(chain.earlier),
            "depth": 1 + len(chain.earlier),
        }
    once: tuple[Once, ...] = ()
    if issuer.single_use:
        fields, times = ("token", issuer.id, token.jti), token.times
        once = (Once(fields, times.begins, times.expires, f"{issuer.id} {token.subject}", TOKEN_REPLAYED),)
    form: Form = "task_token" if issuer.own else "jwt"
    evidence = _evidence(
        caller, form, issuer.id, token.claims, digest,
        token.audiences, token.scopes, token.times, token.task, once,
        client=name(token.claims, "client_id") if "client_id" in token.claims else None,
        keys=(*signers, *_bound_to(token.confirmation)),
        lineage=lineage(token.claims) if issuer.own else (),
        descends=time(token.claims, "since") if issuer.own and "since" in token.claims else None,
        aliases=tuple(
            (kind, name(token.claims, claim)) for kind, claim in issuer.aliases if claim in token.claims
        ),
        told=frozenset([attribute for attribute, _ in issuer.claims]),
    )  # fmt: skip
    return Verified(token.times, until, token.confirmation, issuer.binding, evidence)


def told_caller(claims: Mapping[str, Any]) -> dict[str, Any]:
    """What a token of our own tells of its caller: what was known of it when it was exchanged."""
    told = claims.get("caller")
    if type(told) is not dict or told.get("kind") not in get_args(Kind) or not _PROVED.isdisjoint(told):
        raise EvidenceError(CLAIM_INVALID)
    return {**told}


# What is said of a caller by a token's own names and chain, and by nothing else.
_PROVED: Final = frozenset(("id", "issuer", "on_behalf_of", "actors", "depth"))


def _signer(jws: Jws, keys: KeySet) -> str:
    """The thumbprint of the key that signed a token, which is verified by now."""
    key = keys.get(jws.header["kid"])
    assert key is not None
    return key.thumbprint


def _bound_to(confirmation: Confirmation | None) -> tuple[str, ...]:
    if confirmation is None:
        return ()
    thumbprint = confirmation.jkt or confirmation.x5t
    return () if thumbprint is None else (thumbprint,)


def _evidence(
    caller: dict[str, Any],
    form: Form,
    issuer: str | None,
    claims: Mapping[str, Any],
    digest: bytes,
    audiences: tuple[str, ...],
    scopes: tuple[str, ...],
    times: Times,
    task: str | None,
    once: tuple[Once, ...],
    *,
    keys: tuple[str, ...],
    client: str | None = None,
    lineage: tuple[bytes, ...] = (),
    descends: float | None = None,
    aliases: tuple[tuple[str, str], ...] = (),
    told: frozenset[str] = frozenset(),
) -> Evidence:
    jti = claims.get("jti")
    return Evidence(
        caller=caller,
        form=form,
        binding="none",
        bound=False,
        issuer=issuer,
        id=jti if type(jti) is str else None,
        audiences=audiences,
        scopes=scopes,
        issued=times.issued,
        expires=times.expires,
        identity=digest,
        task=task,
        once=once,
        client=client,
        keys=keys,
        lineage=lineage,
        descends=descends,
        aliases=aliases,
        told=told,
    )


# 3. and 4. The holder.


def _held(
    presented: Presented, token: str, verified: Verified, peer: Peer | None, trust: Trust, seconds: float
) -> Evidence:
    """The evidence of a token that is presented as it must be.

    A token that is bound to a key never counts as a bearer token, and one that is not never becomes more by a
    proof beside it (RFC 9449 section 7.2, RFC 8705 section 3).
    """
    bound, required = verified.confirmation, verified.required
    if presented.wpt is not None:
        raise EvidenceError(PROOF_MALFORMED)
    if bound is None:
        if required != "none":
            raise EvidenceError(BINDING_REQUIRED)
        if presented.scheme != "Bearer":
            raise EvidenceError(SCHEME_MISMATCH)
        if presented.dpop:
            raise EvidenceError(BINDING_MISMATCH)
        return verified.evidence
    if bound.x5t is not None:
        if required == "dpop":
            raise EvidenceError(BINDING_REQUIRED)
        if presented.scheme != "Bearer" or presented.dpop:
            raise EvidenceError(SCHEME_MISMATCH)
        if peer is None:
            raise EvidenceError(BINDING_REQUIRED)
        if not hmac.compare_digest(encode(peer.digest), bound.x5t):
            raise EvidenceError(BINDING_MISMATCH)
        return replace(verified.evidence, binding="mtls", bound=True)
    if required == "mtls":
        raise EvidenceError(BINDING_REQUIRED)
    if presented.scheme != "DPoP":
        raise EvidenceError(SCHEME_MISMATCH)
    method, uri = _request(presented)
    proof = verify_proof(
        presented.dpop,
        method=method,
        uri=uri,
        seconds=seconds,
        policy=trust.proofs,
        token=token,
        jkt=bound.jkt,
    )
    seen = Once(("proof", proof.jkt, proof.jti), proof.begins, proof.expires, proof.jkt, PROOF_REPLAYED)
    evidence = verified.evidence
    return replace(evidence, binding="dpop", bound=True, once=(*evidence.once, seen))


def _workload(presented: Presented, jws: Jws, trust: Trust, seconds: float) -> Evidence:
    """The evidence of a workload identity token with its proof; neither counts alone, and none is kept."""
    subject = jws.claims.get("sub")
    if type(subject) is not str:
        raise EvidenceError(CLAIM_INVALID)
    domain = trust.domain(domain_of(subject))
    keys = trust.bundle_of(domain, seconds).wit
    identity = workload_identity(jws, domain, keys, trust.proofs.algorithms, seconds)
    if presented.scheme is not None or presented.dpop:
        raise EvidenceError(SCHEME_MISMATCH)
    if presented.wpt is None or presented.token is None:
        raise EvidenceError(BINDING_REQUIRED)
    _, uri = _request(presented)
    proof = workload_proof(presented.wpt, presented.token, identity, uri, seconds)
    thumbprint = identity.key.thumbprint
    once = Once(
        ("workload proof", thumbprint, proof.jti), proof.begins, proof.expires, thumbprint, PROOF_REPLAYED
    )
    evidence = _evidence(
        {"id": subject, "kind": domain.kind}, "jwt_svid", None, jws.claims, jws.digest,
        (), (), identity.times, None, (once,),
        keys=(_signer(jws, keys), thumbprint),
    )  # fmt: skip
    return replace(evidence, binding="wimse", bound=True)


def _request(presented: Presented) -> tuple[str, str]:
    """Method and URI of the request that is decided; a proof for an unknown request proves nothing."""
    if presented.method is None or presented.uri is None:
        raise EvidenceError(PROOF_MISMATCH)
    return presented.method, presented.uri
