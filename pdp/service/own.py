"""pdp asked about itself: a request to one of its own routes, decided like every other.

Its audience is `pdp`: the policies say who may, and the decision log tells who did. Knows HTTP and the
decision point, and nothing of what a route does. What a client says of the host it calls is not believed:
proofs are held to the URL that the settings say.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Collection, Coroutine, Mapping
from dataclasses import dataclass
from typing import Any, Final

from fastapi import Request, Response
from fastapi.exceptions import RequestValidationError
from fastapi.routing import APIRoute

from pdp.access import request as access
from pdp.access.decision import FORBIDDEN, NO_RULE
from pdp.access.document import RequestError
from pdp.answer import Answer
from pdp.evidence import refusals
from pdp.evidence.evidence import Evidence
from pdp.evidence.introspection import Introspection
from pdp.evidence.jws import is_opaque
from pdp.point import UNIX, DecisionPoint
from pdp.service.problems import Problem, unfit
from pdp.service.strict import Strict
from pdp.tasks.known import OWN

log = logging.getLogger("pdp.service")


# What is wrong with these is here, and asking again later may help.
_UNAVAILABLE: Final = frozenset(
    (
        refusals.INTERNAL_ERROR, refusals.STATE_UNAVAILABLE, refusals.KEYS_STALE, refusals.REPLAY_STORE_FULL,
        refusals.INTROSPECTION_UNAVAILABLE,
    )
)  # fmt: skip
# And these are no matter of the credential: another one would not help.
_NOT_ALLOWED: Final = frozenset(
    (
        NO_RULE, FORBIDDEN, refusals.NOT_ENFORCEMENT_POINT, refusals.ASSERTION_NOT_ALLOWED,
        refusals.AUDIENCE_NOT_ALLOWED, refusals.OUTSIDE_TASK,
    )
)  # fmt: skip
_SCHEMES: Final = {"bearer": "Bearer", "dpop": "DPoP"}


@dataclass(frozen=True, slots=True)
class Own:
    """What the routes of pdp ask by. `url` is where clients find it, without a slash at the end; empty
    where that is not known, and then no proof holds. `algorithms` are those that proofs may be signed
    with, `nonce` gives the one that they must hold now, `unix` says that it listens on a Unix socket, and
    `introspection` knows about tokens that say nothing themselves.
    """

    point: DecisionPoint
    url: str
    algorithms: Collection[str]
    nonce: Callable[[], str] | None = None
    unix: bool = False
    introspection: Introspection | None = None

    async def ask(
        self,
        request: Request,
        action: str,
        *,
        resource_type: str = "",
        resource_id: str = "",
        resource: Mapping[str, Any] | None = None,
        attributes: Mapping[str, Any] | None = None,
        understood: Mapping[str, Mapping[str, type]] | None = None,
    ) -> tuple[Answer, Evidence]:
        """Whether the policies let the client do `action`: the answer that does, and who it is.

        `attributes` are the action's. Raises `Problem` for everything else: nobody is let in without a
        credential, nor where an obligation is not among those that are `understood`, by their names and
        the types of their members.
        """
        peer = UNIX if self.unix else request.client.host if request.client else ""
        asked = access.Request(
            OWN, action, dict(attributes or {}), resource_type, resource_id, dict(resource or {}),
            None, self._credential(request), None, {}, self._sent(request) | {"peer": peer or "nobody"},
        )  # fmt: skip
        token = (asked.credential or {}).get("token")
        if self.introspection is not None and token is not None and is_opaque(token):
            await self.introspection.ask(token, time.time())
        try:
            answer = self.point.evaluate(asked, self.point.stands_before_us(peer))
        except RequestError as error:
            log.error("the policies declare something else than what pdp asks of them: %s", error)
            raise self._refused(refusals.INTERNAL_ERROR, asked) from None
        decision = answer.decision
        if asked.credential is None or decision.code is not None:
            raise self._refused(decision.code, asked)
        # An allow comes with the evidence that it was decided on.
        assert answer.evidence is not None
        for duty in decision.obligations:
            members = (understood or {}).get(duty.name)
            if members is None or any(type(v) is not members.get(name) for name, v in duty.values.items()):
                log.error("`%s` of rule %s cannot be done for %s", duty.name, duty.rule, action)
                raise self._refused(FORBIDDEN, asked)
        return answer, answer.evidence

    def _credential(self, request: Request) -> dict[str, Any] | None:
        headers = request.headers
        authorizations = headers.getlist("authorization")
        if len(authorizations) > 1:
            raise Problem(400, "invalid-request", "The request is not valid", "there are several credentials")
        presented: dict[str, Any] = {}
        scheme, _, token = "".join(authorizations).partition(" ")
        if scheme.lower() in _SCHEMES:
            presented |= {"scheme": _SCHEMES[scheme.lower()], "token": token}
        certificates = headers.getlist("x-forwarded-client-cert")
        if certificates:
            presented["xfcc"] = ",".join(certificates)
        if not presented:
            return None
        return presented | {"proofs": {"dpop": headers.getlist("dpop")}}

    def _sent(self, request: Request) -> dict[str, str]:
        sent = {"method": request.method}
        if self.url:
            path: bytes = request.scope["raw_path"]
            sent["uri"] = self.url + path.partition(b"?")[0].decode("latin-1")
        return sent

    def _refused(self, code: str | None, asked: access.Request) -> Problem:
        """The answer to a denial: its code, and nothing of what led to it."""
        if asked.credential is None:
            headers = {"WWW-Authenticate": f"{self._challenge('DPoP', '')}, Bearer"}
            detail = "present a credential"
            return Problem(401, "no-credential", "Who asks is not known", detail, headers=headers)
        if code in _NOT_ALLOWED:
            return Problem(403, "denied", "This is not allowed", "the policies do not allow it", code=code)
        if code in _UNAVAILABLE:
            return Problem(503, "unavailable", "Not available", "ask again later", code=code)
        assert code is not None
        scheme = asked.credential.get("scheme", "DPoP")
        headers = {"WWW-Authenticate": self._challenge(scheme, _error(code))}
        title, detail = "The credential is refused", refusals.REFUSALS[code].meaning
        return Problem(401, "credential-refused", title, detail, headers=headers, code=code)

    def _challenge(self, scheme: str, error: str) -> str:
        """`WWW-Authenticate` (RFC 9449 section 7.1, RFC 6750 section 3)."""
        parts = [f'error="{error}"'] if error else []
        if scheme == "DPoP":
            parts.append(f'algs="{" ".join(sorted(self.algorithms))}"')
        return f"{scheme} {', '.join(parts)}"

    def headers(self) -> dict[str, str]:
        """What goes with every answer."""
        headers = {"Cache-Control": "no-store"}
        if self.nonce is not None:
            headers["DPoP-Nonce"] = self.nonce()
        return headers

    def told(self, problem: Problem) -> Problem:
        """A problem with these headers."""
        problem.headers = {**self.headers(), **(problem.headers or {})}
        return problem

    def route(self) -> type[APIRoute]:
        """What the routes are made of, as `APIRouter(route_class=…)`: bodies are read as strictly as those
        of `/decide`, and every answer has `headers`."""
        own = self

        class Route(APIRoute):
            def get_route_handler(self) -> Callable[[Request], Coroutine[Any, Any, Response]]:
                answered = super().get_route_handler()

                async def handler(request: Request) -> Response:
                    try:
                        response = await answered(Strict(request.scope, request.receive, own.point.limits))
                    except RequestValidationError as error:
                        raise own.told(unfit(error)) from None
                    except Problem as problem:
                        raise own.told(problem) from None
                    response.headers.update(own.headers())
                    return response

                return handler

        return Route


def _error(code: str) -> str:
    if code == refusals.PROOF_NONCE:
        return "use_dpop_nonce"
    return "invalid_dpop_proof" if code.startswith("proof_") else "invalid_token"
