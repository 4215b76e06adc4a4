"""The estate's rules in Rego, and its questions as Rego's input: what regorus and OPA are given alike."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from benchmarks import estate
from benchmarks.estate import Grant, Question

RULE = "data.bench.allow"
_HEAD = "package bench\nimport rego.v1\n"


def policy(grant: Grant) -> str:
    """One rule in Rego. Equalities stand first: where an engine has an index, it is made of them."""
    return (
        f'allow if {{ input.caller == "{grant.caller}"; input.audience == "{grant.audience}";'
        f' input.action == "{estate.ACTION}"; input.resource.type == "{estate.RESOURCE}";'
        f" input.credential.bound; input.credential.age <= {estate.MAX_AGE};"
        f' "{estate.SCOPE}" in input.credential.scopes;'
        f' net.cidr_contains("{estate.NETWORK}", input.source_ip);'
        f" input.resource.amount <= {grant.limit} }}\n"
    )


def modules(count: int) -> Iterator[tuple[str, str]]:
    """The files of a policy set, by name."""
    yield "default.rego", f"{_HEAD}default allow := false\n"
    for number, texts in enumerate(estate.files([policy(grant) for grant in estate.grants(count)])):
        yield f"team_{number}.rego", _HEAD + "".join(texts)


def given(question: Question) -> dict[str, Any]:
    """The `input` of a question."""
    return {
        "caller": question.caller,
        "audience": question.audience,
        "action": question.action,
        "resource": {"type": question.resource, "amount": question.amount},
        "credential": {"bound": question.bound, "age": question.age, "scopes": list(question.scopes)},
        "source_ip": question.source_ip,
    }
