"""Why a request is denied before any rule is asked: the one table of refusal codes.

A refusal is a denial like every other for whoever obeys it; its code tells the client what to do. Knows
nothing of how a refusal comes about.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final


@dataclass(frozen=True, slots=True)
class Refusal:
    """What a code means, and what helps against it."""

    code: str
    meaning: str
    cure: str


class EvidenceError(Exception):
    """The evidence does not hold; `code` is a key of `REFUSALS`."""

    def __init__(self, code: str) -> None:
        super().__init__(code)
        self.code = code


NOT_ENFORCEMENT_POINT: Final = "not_enforcement_point"
ASSERTION_NOT_ALLOWED: Final = "assertion_not_allowed"
AUDIENCE_NOT_ALLOWED: Final = "audience_not_allowed"
TASK_UNKNOWN: Final = "task_unknown"
CREDENTIAL_EXPIRED: Final = "credential_expired"
INTERNAL_ERROR: Final = "internal_error"

CREDENTIAL_MALFORMED: Final = "credential_malformed"
CREDENTIAL_TOO_LARGE: Final = "credential_too_large"
TOKEN_TYPE_REFUSED: Final = "token_type_refused"
ALGORITHM_REFUSED: Final = "algorithm_refused"
ISSUER_UNKNOWN: Final = "issuer_unknown"
TRUST_DOMAIN_UNKNOWN: Final = "trust_domain_unknown"
KEY_UNKNOWN: Final = "key_unknown"
KEYS_STALE: Final = "keys_stale"
SIGNATURE_INVALID: Final = "signature_invalid"
CLAIM_MISSING: Final = "claim_missing"
CLAIM_INVALID: Final = "claim_invalid"
AUDIENCE_MISMATCH: Final = "audience_mismatch"
TOKEN_EXPIRED: Final = "token_expired"
TOKEN_NOT_YET_VALID: Final = "token_not_yet_valid"
TOKEN_TOO_OLD: Final = "token_too_old"
LIFETIME_TOO_LONG: Final = "lifetime_too_long"
BINDING_REQUIRED: Final = "binding_required"
BINDING_MISMATCH: Final = "binding_mismatch"
SCHEME_MISMATCH: Final = "scheme_mismatch"
PROOF_MALFORMED: Final = "proof_malformed"
PROOF_INVALID: Final = "proof_invalid"
PROOF_MISMATCH: Final = "proof_mismatch"
PROOF_EXPIRED: Final = "proof_expired"
PROOF_NONCE: Final = "proof_nonce"
PROOF_REPLAYED: Final = "proof_replayed"
TOKEN_REPLAYED: Final = "token_replayed"
REPLAY_STORE_FULL: Final = "replay_store_full"
STATE_UNAVAILABLE: Final = "state_unavailable"
STATE_STALE: Final = "state_stale"
CERTIFICATE_INVALID: Final = "certificate_invalid"
CERTIFICATE_EXPIRED: Final = "certificate_expired"
CERTIFICATE_UNTRUSTED: Final = "certificate_untrusted"
XFCC_MALFORMED: Final = "xfcc_malformed"
CERTIFICATE_NOT_TRUSTED: Final = "certificate_not_trusted"
SPIFFE_ID_INVALID: Final = "spiffe_id_invalid"
DELEGATION_INVALID: Final = "delegation_invalid"
CONTRADICTION: Final = "contradiction"
CREDENTIAL_REVOKED: Final = "credential_revoked"
TASK_ENDED: Final = "task_ended"
OUTSIDE_TASK: Final = "outside_task"
TOKEN_INACTIVE: Final = "token_inactive"
INTROSPECTION_UNAVAILABLE: Final = "introspection_unavailable"

REFUSALS: Final[dict[str, Refusal]] = {
    refusal.code: refusal
    for refusal in (
        Refusal(
            NOT_ENFORCEMENT_POINT,
            "the request tells of a caller or credential, and who sent it is no configured enforcement point",
            "send it from an enforcement point, or add the sender to `[[enforcement_point]]`",
        ),
        Refusal(
            ASSERTION_NOT_ALLOWED,
            "the enforcement point asserts a caller, credential or task that it may not assert",
            "leave the member out, or add it to `may_assert` of the enforcement point",
        ),
        Refusal(
            AUDIENCE_NOT_ALLOWED,
            "the enforcement point asks for an audience that is not one of its own",
            "ask for an audience that it stands before, or add it to `audiences` of the enforcement point",
        ),
        Refusal(
            TASK_UNKNOWN,
            "the request gives the id of a task that is not known here",
            "begin the task first, assert it whole, or add it to `[[task]]`",
        ),
        Refusal(
            CREDENTIAL_EXPIRED,
            "the credential's lifetime has passed",
            "get a new credential and ask again",
        ),
        Refusal(
            CREDENTIAL_MALFORMED,
            "what was presented is no credential: its form, encoding or JSON has not its one spelling",
            "present the token exactly as it was issued",
        ),
        Refusal(
            CREDENTIAL_TOO_LARGE,
            "the token, its header or the certificate chain is larger than is read",
            "ask for a token with fewer claims",
        ),
        Refusal(
            TOKEN_TYPE_REFUSED,
            "the token says by its `typ` that it is another kind of token",
            "present an access token, not an ID token or a proof",
        ),
        Refusal(
            ALGORITHM_REFUSED,
            "the signature algorithm is not one that this issuer may use",
            "have the issuer sign with a configured algorithm",
        ),
        Refusal(
            ISSUER_UNKNOWN,
            "nobody that is trusted here issued the token",
            "get a token from a configured issuer, or add `[[issuer]]`",
        ),
        Refusal(
            TRUST_DOMAIN_UNKNOWN,
            "the identity belongs to a trust domain that is not trusted here",
            "use an identity of a configured domain, or add `[[trust_domain]]`",
        ),
        Refusal(
            KEY_UNKNOWN,
            "the issuer has no such key",
            "get a new token; the issuer's keys may have rotated",
        ),
        Refusal(
            KEYS_STALE,
            "the issuer's keys could not be refreshed for too long, so none is believed",
            "ask again later; the operator sees why keys cannot be fetched",
        ),
        Refusal(
            SIGNATURE_INVALID,
            "the signature does not hold",
            "get a new token",
        ),
        Refusal(
            CLAIM_MISSING,
            "the token lacks a claim that it must have",
            "have the issuer add the claim",
        ),
        Refusal(
            CLAIM_INVALID,
            "a claim of the token has a value that it cannot have",
            "have the issuer mend the claim",
        ),
        Refusal(
            AUDIENCE_MISMATCH,
            "the token was issued for another service",
            "get a token for this audience",
        ),
        Refusal(
            TOKEN_EXPIRED,
            "the token's time is over",
            "get a new token",
        ),
        Refusal(
            TOKEN_NOT_YET_VALID,
            "the token is from the future",
            "check the clocks, and ask again",
        ),
        Refusal(
            TOKEN_TOO_OLD,
            "the token was issued longer ago than is accepted",
            "get a new token",
        ),
        Refusal(
            LIFETIME_TOO_LONG,
            "the token lives longer than is accepted",
            "have the issuer give out shorter tokens",
        ),
        Refusal(
            BINDING_REQUIRED,
            "the token is for its holder's key alone, or must be, and no proof of the key was presented",
            "present a DPoP proof, or come over mutual TLS",
        ),
        Refusal(
            BINDING_MISMATCH,
            "the proof or certificate is of another key than the token is bound to",
            "prove the key that the token was issued for",
        ),
        Refusal(
            SCHEME_MISMATCH,
            "the token was presented under another scheme than its binding asks for",
            "send a bound token with `DPoP`, an unbound one with `Bearer`",
        ),
        Refusal(
            PROOF_MALFORMED,
            "the proof is none, or there are several",
            "send one proof, made as its standard says",
        ),
        Refusal(
            PROOF_INVALID,
            "the proof's own signature, key or type does not hold",
            "sign the proof with the token's key, and never send the private part",
        ),
        Refusal(
            PROOF_MISMATCH,
            "the proof was made for another request or another token",
            "make a proof for this method, URI and token",
        ),
        Refusal(
            PROOF_EXPIRED,
            "the proof was made too long ago, or for the future",
            "make a new proof; check the clock",
        ),
        Refusal(
            PROOF_NONCE,
            "the proof lacks the nonce that was asked for, or has an old one",
            "make a new proof with the nonce that came with this answer",
        ),
        Refusal(
            PROOF_REPLAYED,
            "the proof was seen before",
            "make a new proof for each request",
        ),
        Refusal(
            TOKEN_REPLAYED,
            "the token may be used once, and was",
            "get a new token",
        ),
        Refusal(
            REPLAY_STORE_FULL,
            "there is no room to remember that this was seen, so it is not accepted",
            "ask again later",
        ),
        Refusal(
            STATE_UNAVAILABLE,
            "what the decision depends on could not be read or written",
            "ask again later",
        ),
        Refusal(
            STATE_STALE,
            "whether the credential was revoked is not known: who would tell was not heard for too long",
            "get a new credential; the operator sees who is silent",
        ),
        Refusal(
            CERTIFICATE_INVALID,
            "the certificate is none, or none that identifies a workload",
            "present an X.509-SVID",
        ),
        Refusal(
            CERTIFICATE_EXPIRED,
            "the certificate's time is over, or has not come",
            "present a current certificate",
        ),
        Refusal(
            CERTIFICATE_UNTRUSTED,
            "no authority of its trust domain signed the certificate",
            "use a certificate of a configured trust domain",
        ),
        Refusal(
            XFCC_MALFORMED,
            "the forwarded certificate cannot be read in one way only",
            "have the proxy send one well-formed element",
        ),
        Refusal(
            CERTIFICATE_NOT_TRUSTED,
            "who sent the request may not say which certificate the client has",
            "configure the enforcement point with `certificates = true`",
        ),
        Refusal(
            SPIFFE_ID_INVALID,
            "the identity is no SPIFFE ID",
            "use an identity in the one form that the standard has",
        ),
        Refusal(
            DELEGATION_INVALID,
            "the chain of actors is malformed, too long, circular, or not allowed by `may_act`",
            "exchange the token again, with a shorter chain",
        ),
        Refusal(
            CONTRADICTION,
            "what the enforcement point asserts is not what was verified",
            "leave the assertion out, or mend it",
        ),
        Refusal(
            CREDENTIAL_REVOKED,
            "the credential, or what it comes from, was revoked",
            "get a new credential, if you still may",
        ),
        Refusal(
            TASK_ENDED,
            "the task that the credential is for has ended, or has not begun",
            "open a new task for new work",
        ),
        Refusal(
            OUTSIDE_TASK,
            "what is asked is not part of the task that the credential is for",
            "use another credential for other work",
        ),
        Refusal(
            TOKEN_INACTIVE,
            "the issuer says that the token is not active",
            "get a new token",
        ),
        Refusal(
            INTROSPECTION_UNAVAILABLE,
            "the issuer could not be asked whether the token is active",
            "ask again later",
        ),
        Refusal(
            INTERNAL_ERROR,
            "the decision point could not come to a decision",
            "ask again; the log of the decision point says what went wrong",
        ),
    )
}
