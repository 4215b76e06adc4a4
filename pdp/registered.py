"""Which clients may ask for tokens, as `pdp.toml` says it: who each is, and what it proves that with.

Knows the table `[[client]]` and what may stand in it. Reads no key: that is for `pdp.tasks.clients`.
"""

from __future__ import annotations

import re
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, Field, ValidationInfo, field_validator, model_validator

from pdp.access.patterns import check_caller_pattern
from pdp.believed import KeysFrom, Name
from pdp.sections import Section, differ

# SHA-256 as base64url, as in `x5t#S256`, in its one spelling.
_THUMBPRINT = re.compile(r"[A-Za-z0-9_-]{42}[AEIMQUYcgkosw048]")


def _pattern(text: str) -> str:
    if not text.startswith("spiffe://"):
        raise ValueError(f"`{text}` fits no SPIFFE ID: write `spiffe://domain/path`")
    try:
        check_caller_pattern(text)
    except ValueError as error:
        raise ValueError(f"`{text}` fits no SPIFFE ID: {error}") from None
    return text


def _thumbprint(text: str) -> str:
    if _THUMBPRINT.fullmatch(text) is None:
        raise ValueError(f"`{text}` is no SHA-256 thumbprint in base64url")
    return text


class ClientTable(Section):
    """`[[client]]`: who may ask for tokens, by its `id`.

    It proves who it is in one way or several: with an assertion that it signs (RFC 7523) with a key of the
    JWK set at `keys`, or among `jwks`, which are written here; with the certificate of this SHA-256
    `thumbprint`, told by an enforcement point that may (`certificates`); or with the SVID of a workload whose
    ID fits `spiffe`, a pattern as rules have it. There are no secrets that both know.

    `services` are the audiences that it is itself: it may exchange what was made for them. Without `exchange`
    it may ask about tokens, and for none.
    """

    id: Name
    keys: KeysFrom | None = None
    jwks: tuple[dict[str, Any], ...] = ()
    thumbprint: Annotated[str, AfterValidator(_thumbprint)] | None = None
    spiffe: Annotated[str, AfterValidator(_pattern)] | None = None
    kind: Literal["workload", "agent"] = "workload"
    services: tuple[Annotated[str, Field(min_length=1)], ...] = ()
    exchange: bool = True

    @field_validator("keys")
    @classmethod
    def _are_somewhere(cls, keys: KeysFrom | None) -> KeysFrom | None:
        if keys is not None and keys.discovery:
            raise ValueError("a client has no metadata to discover its keys by: say `file` or `url`")
        return keys

    @field_validator("services")
    @classmethod
    def _differ(cls, services: tuple[str, ...], info: ValidationInfo) -> tuple[str, ...]:
        differ(services)
        return services

    @model_validator(mode="after")
    def _can_prove_itself(self) -> ClientTable:
        if self.keys is not None and self.jwks:
            raise ValueError("`keys` and `jwks` are two places for the same keys")
        if self.keys is None and not self.jwks and self.thumbprint is None and self.spiffe is None:
            raise ValueError("say what it proves itself with: `keys`, `jwks`, `thumbprint` or `spiffe`")
        return self
