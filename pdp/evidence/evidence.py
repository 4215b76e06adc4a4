"""What verification established about who is asking: the only thing that `verify` makes."""

from __future__ import annotations

from typing import Any, Literal

from msgspec import Struct

Form = Literal["jwt", "jwt_svid", "x509_svid", "task_token", "none"]
Binding = Literal["none", "dpop", "mtls", "wimse"]


class Once(Struct, frozen=True, gc=False):
    """What may be seen once: a token or proof, as the fields that name it.

    From `begins` until `expires` (epoch seconds) it is accepted at all. `holder` is whose quota it counts
    against; `code` what a second time is refused with.
    """

    fields: tuple[str, ...]
    begins: float
    expires: float
    holder: str
    code: str


class Evidence(Struct, frozen=True, gc=False):
    """Who asks, proved, for one request.

    `caller` has the members of LANGUAGE.md's `caller` and what the issuer's claims say of it; its values are
    JSON, to be typed by the schema. `credential` has the members that are known from the credential alone.
    `issued` and `expires` are epoch seconds. `identity` names the credential, to be counted by. `task` is the
    id of the task that the credential is for, `client` whom it was given to. `keys` are thumbprints (SHA-256,
    base64url) of the key that signed it and of the one it is bound to; `lineage` are the names by which the
    credentials that it was exchanged for may be revoked, and `descends` is when the earliest of those was
    issued. `aliases` are by what else the issuer knows whom it speaks of: a kind of name and the name.
    `told` are the attributes of the caller that are the issuer's to tell, also those that it does not.
    """

    caller: dict[str, Any]
    form: Form
    binding: Binding
    bound: bool
    issuer: str | None
    id: str | None
    audiences: tuple[str, ...]
    scopes: tuple[str, ...]
    issued: float
    expires: float
    identity: bytes
    task: str | None
    once: tuple[Once, ...]
    client: str | None = None
    keys: tuple[str, ...] = ()
    lineage: tuple[bytes, ...] = ()
    descends: float | None = None
    aliases: tuple[tuple[str, str], ...] = ()
    told: frozenset[str] = frozenset()

    @property
    def since(self) -> float:
        """When the earliest of what it is, and comes from, was issued (epoch seconds)."""
        return self.issued if self.descends is None else min(self.issued, self.descends)
