"""casbin, as its `FastEnforcer`, which finds policies by caller and audience instead of scanning."""

from __future__ import annotations

import json
import logging
from importlib.metadata import version
from typing import Any

import casbin  # type: ignore[import-untyped]  # it has no types
from casbin.model import FastModel  # type: ignore[import-untyped]  # nor here

from benchmarks import estate
from benchmarks.estate import Question
from benchmarks.measure import Contender

# By the first two of a policy: its caller and its audience.
_BY = (0, 1)
_MODEL = f"""
[request_definition]
r = sub, aud, act, kind, amount, bound, age, scopes, ip

[policy_definition]
p = sub, aud, act, kind, limit

[policy_effect]
e = some(where (p.eft == allow))

[matchers]
m = r.sub == p.sub && r.aud == p.aud && r.act == p.act && r.kind == p.kind && r.bound \
&& r.age <= {estate.MAX_AGE} && "{estate.SCOPE}" in r.scopes && ipMatch(r.ip, "{estate.NETWORK}") \
&& at_most(r.amount, p.limit)
"""


class Casbin:
    version = version("casbin")

    def __init__(self, count: int) -> None:
        logging.getLogger("casbin").setLevel(logging.ERROR)
        model = FastModel(_BY)
        model.load_model_from_text(_MODEL)
        self._enforcer = casbin.FastEnforcer(model, cache_key_order=_BY)
        self._enforcer.add_function("at_most", _at_most)
        policies = self._enforcer.get_model().model["p"]["p"].policy
        for grant in estate.grants(count):
            policies.append([grant.caller, grant.audience, estate.ACTION, estate.RESOURCE, str(grant.limit)])

    def allows(self, question: Question) -> bool:
        return bool(self._enforcer.enforce(*_asked(question)))

    def decision(self, question: Question) -> Contender:
        names = {"enforce": self._enforcer.enforce, "asked": _asked(question)}
        return Contender("casbin", "enforce(*asked)", names)

    def whole(self, question: Question) -> Contender:
        enforce = self._enforcer.enforce

        def answer(body: bytes) -> bytes:
            return json.dumps({"allowed": enforce(*json.loads(body))}).encode()

        body = json.dumps(_asked(question)).encode()
        return Contender("casbin", "answer(body)", {"answer": answer, "body": body})


def start(count: int) -> Casbin:
    return Casbin(count)


def _at_most(amount: int, limit: str) -> bool:
    # A casbin policy holds texts alone.
    return amount <= int(limit)


def _asked(question: Question) -> list[Any]:
    return [
        question.caller, question.audience, question.action, question.resource, question.amount,
        question.bound, question.age, list(question.scopes), question.source_ip,
    ]  # fmt: skip
