"""What is fuzzed, with what. Knows no fuzzer: hypothesis and atheris both come here."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from pdp.access.patterns import SPIFFE_ID_LIMIT
from pdp.access.request import LIMITS
from pdp.evidence.dpop import PROOF_LIMIT
from pdp.evidence.jws import TOKEN_LIMIT
from pdp.evidence.keys import SET_LIMIT
from pdp.evidence.x509 import PEM_LIMIT
from pdp.evidence.xfcc import LIMIT as XFCC_LIMIT
from tests.fuzz import checks, seeds


@dataclass(frozen=True)
class Target:
    """A check, inputs that it takes, pieces to damage them with, and the most bytes that its parser reads."""

    check: Callable[[bytes], bool]
    seeds: Callable[[], list[bytes]]
    pieces: Sequence[bytes]
    limit: int


TARGETS = {
    "token": Target(checks.token, seeds.tokens, seeds.BASE64, TOKEN_LIMIT),
    "segments": Target(checks.segments, seeds.segments, seeds.JSON, TOKEN_LIMIT),
    "claims": Target(checks.claims, seeds.claims, seeds.CLAIMS, TOKEN_LIMIT),
    "delegation": Target(checks.delegation, seeds.claims, seeds.CLAIMS, TOKEN_LIMIT),
    "proof": Target(checks.proof, seeds.proofs, seeds.KEYS, PROOF_LIMIT),
    "uri": Target(checks.uri, seeds.uris, seeds.URIS, PROOF_LIMIT),
    "jwks": Target(checks.jwks, seeds.sets, seeds.KEYS, SET_LIMIT),
    "bundle": Target(checks.bundle, seeds.bundles, seeds.KEYS, SET_LIMIT),
    "certificates": Target(checks.certificates, seeds.chains, seeds.PEM, PEM_LIMIT),
    "certificate": Target(checks.certificate, seeds.certificates, seeds.DER, PEM_LIMIT),
    "xfcc": Target(checks.xfcc, seeds.headers, seeds.XFCC, XFCC_LIMIT),
    "identity": Target(checks.identity, seeds.identities, seeds.NAMES, SPIFFE_ID_LIMIT),
    "request": Target(checks.request, seeds.requests, seeds.REQUEST, LIMITS.body),
}
