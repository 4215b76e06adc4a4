"""Whom a signal is about: from a subject identifier to the names under which credentials are known here.

Knows the formats of RFC 9493 and the OpenID Shared Signals Framework 1.0 (section 3), and of whom a
transmitter may speak. Knows no events.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final, Literal, TypeAlias

from pdp.access.patterns import SPIFFE
from pdp.evidence.jwt import name
from pdp.evidence.spiffe import domain_of
from pdp.tasks.revocation import Kind

Err = Literal[
    "invalid_request", "invalid_key", "invalid_issuer", "invalid_audience", "authentication_failed",
    "access_denied", "invalid_state",
]  # fmt: skip
"""What a transmitter is answered (RFC 8935 section 2.4, SSF 1.0 section 8.1.4)."""
Subject: TypeAlias = tuple[Kind, tuple[str, ...]]

_MEMBERS: Final = 64


class SignalError(Exception):
    """A token is refused, and has no effect. `str` tells the transmitter why, and holds nothing secret.
    `newer`: it would be taken, perhaps, by newer keys."""

    def __init__(self, err: Err, description: str, *, newer: bool = False) -> None:
        super().__init__(description)
        self.err, self.newer = err, newer


@dataclass(frozen=True, slots=True)
class Transmitter:
    """Who signals: `issuer` signs, for one of `audiences`.

    It is believed about whom the issuers in `aliases` issue tokens to, which it may call by those kinds of
    names that their tokens have, and about the workloads of `domains`.
    """

    name: str
    issuer: str
    audiences: frozenset[str]
    algorithms: frozenset[str]
    aliases: Mapping[str, frozenset[str]]
    domains: frozenset[str]


def about(subject: Mapping[str, Any], transmitter: Transmitter) -> tuple[Subject, ...]:
    """Under which names those are known here whom a subject identifier is about; none where there are none.

    Raises `SignalError` for one that is about others' subjects alone, and `EvidenceError` for what is none.
    """
    named: list[Subject] = []
    foreign = _add(subject, transmitter, named)
    if foreign and not named:
        raise SignalError("access_denied", "its transmitter does not speak for whom it is about")
    return tuple(dict.fromkeys(named))


def _add(subject: Mapping[str, Any], transmitter: Transmitter, named: list[Subject]) -> bool:
    """Add the names of a subject; whether it is somebody else's to speak of."""
    match name(subject, "format"):
        case "iss_sub":
            return _issued(name(subject, "iss"), "subject", name(subject, "sub"), transmitter, named)
        case "jwt_id":
            return _issued(name(subject, "iss"), "token", name(subject, "jti"), transmitter, named)
        case "uri":
            uri = name(subject, "uri")
            if not uri.startswith(SPIFFE):
                return False
            if domain_of(uri) not in transmitter.domains:
                return True
            named.append(("party", (uri,)))
        case "aliases":
            identifiers = subject.get("identifiers")
            if type(identifiers) is not list or not 0 < len(identifiers) <= _MEMBERS:
                raise SignalError("invalid_request", "its `sub_id` has no `identifiers`")
            # They do not nest (RFC 9493 section 3.2.8).
            members = [_member(one, "aliases", "complex") for one in identifiers]
            foreign = [_add(one, transmitter, named) for one in members]
            return any(foreign)
        case "complex":
            return _add_complex(subject, transmitter, named)
        case "opaque":
            _add_alias("subject", name(subject, "id"), transmitter, named)
        case "email":
            _add_alias("email", name(subject, "email"), transmitter, named)
        case _:
            pass
    return False


def _add_complex(subject: Mapping[str, Any], transmitter: Transmitter, named: list[Subject]) -> bool:
    """Add the names of a complex subject (SSF 1.0 section 3.3): by its session where that is known here, else
    by its user; by a tenant only if that is all that it says, for then it means everybody in it."""
    members = {member: _member(value, "complex") for member, value in subject.items() if member != "format"}
    session, user, tenant = members.get("session"), members.get("user"), members.get("tenant")
    if session is not None:
        foreign = _add_part("session", session, transmitter, named)
        if named or foreign or user is None:
            return foreign
    if user is not None:
        return _add(user, transmitter, named)
    return tenant is not None and len(members) == 1 and _add_part("tenant", tenant, transmitter, named)


def _add_part(
    kind: Literal["session", "tenant"],
    part: Mapping[str, Any],
    transmitter: Transmitter,
    named: list[Subject],
) -> bool:
    match name(part, "format"):
        case "opaque":
            _add_alias(kind, name(part, "id"), transmitter, named)
        case "iss_sub":
            return _issued(name(part, "iss"), kind, name(part, "sub"), transmitter, named)
        case _:
            pass
    return False


def _issued(iss: str, kind: Kind, value: str, transmitter: Transmitter, named: list[Subject]) -> bool:
    """Add what an issuer calls so; whether it is another's."""
    if iss not in transmitter.aliases:
        return True
    if kind == "token" or kind in transmitter.aliases[iss]:
        named.append((kind, (iss, value)))
    return False


def _add_alias(kind: Kind, value: str, transmitter: Transmitter, named: list[Subject]) -> None:
    """Add what is called so by the issuer that the transmitter is, or else by those that it speaks for."""
    own = kind != "email" and transmitter.issuer in transmitter.aliases
    for iss in (transmitter.issuer,) if own else transmitter.aliases:
        _issued(iss, kind, value, transmitter, named)


def _member(value: Any, *but: str) -> Mapping[str, Any]:
    """A subject identifier within another, of another format than those."""
    if type(value) is not dict or value.get("format") in but:
        raise SignalError("invalid_request", "its `sub_id` holds what is no subject")
    return value
