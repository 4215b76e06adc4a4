"""What goes wrong at an OAuth endpoint, as clients are told it (RFC 6749 section 5.2, and its extensions)."""

from __future__ import annotations

from typing import Literal

Error = Literal[
    "invalid_request",
    "invalid_client",
    "invalid_scope",
    "invalid_target",
    "invalid_dpop_proof",
    "invalid_authorization_details",
    "unauthorized_client",
    "unsupported_grant_type",
    "use_dpop_nonce",
    "temporarily_unavailable",
]


class OAuthError(Exception):
    """There is no token. `error` is one of the registered codes, `description` is for people, and holds
    nothing secret."""

    def __init__(self, error: Error, description: str) -> None:
        super().__init__(f"{error}: {description}")
        self.error: Error = error
        self.description = description

    @property
    def status(self) -> int:
        """The HTTP status that the error comes with."""
        if self.error == "temporarily_unavailable":
            return 503
        return 401 if self.error == "invalid_client" else 400
