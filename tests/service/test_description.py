"""The OpenAPI document describes what is really taken and answered, the hot path too."""

from __future__ import annotations

import ast
import importlib
import inspect
import json
import re
import subprocess
import sys
from datetime import UTC, datetime
from typing import Any, ClassVar

import pytest
from pydantic import BaseModel

from pdp.access import request
from pdp.access.request import Request
from pdp.answer import Answer, Encoder
from pdp.evidence import refusals
from pdp.evidence.refusals import REFUSALS
from pdp.point import denial
from pdp.service import messages
from service.conftest import REQUEST, Service


@pytest.fixture(scope="module")
def document(service: Service) -> dict[str, Any]:
    return service.get("/openapi.json").json()


class Invalid(Exception):
    """A value does not have the shape that its schema says."""


class Validator:
    """As much of JSON Schema as the document uses; what it does not know, it refuses to judge."""

    KNOWN = frozenset(
        ("$ref", "anyOf", "type", "const", "enum", "properties", "required", "additionalProperties", "items",
         "minLength", "maxItems", "not", "pattern", "title", "description", "default", "examples",
         "uniqueItems")
    )  # fmt: skip
    TYPES: ClassVar = {
        "object": dict, "array": list, "string": str, "integer": int, "number": (int, float),
        "null": type(None), "boolean": bool,
    }  # fmt: skip

    def __init__(self, document: dict[str, Any]) -> None:
        self.schemas = document["components"]["schemas"]

    def __call__(self, schema: dict[str, Any], value: Any) -> None:
        assert schema.keys() <= self.KNOWN, schema
        if "$ref" in schema:
            self(self.schemas[schema["$ref"].removeprefix("#/components/schemas/")], value)
        if "anyOf" in schema:
            self._any(schema["anyOf"], value)
        if "type" in schema:
            expected = self.TYPES[schema["type"]]
            if not isinstance(value, expected) or (isinstance(value, bool) and schema["type"] != "boolean"):
                raise Invalid(f"{value!r} is no {schema['type']}")
        if "const" in schema and value != schema["const"]:
            raise Invalid(f"{value!r} is not {schema['const']!r}")
        if "enum" in schema and value not in schema["enum"]:
            raise Invalid(f"{value!r} is none of {schema['enum']}")
        if len(value if isinstance(value, str) else "") < schema.get("minLength", 0):
            raise Invalid("too short")
        if "not" in schema and self.takes(schema["not"], value):
            raise Invalid(f"{value!r} is {schema['not']}")
        if isinstance(value, dict):
            self._members(schema, value)
        if isinstance(value, list):
            if len(value) > schema.get("maxItems", len(value)):
                raise Invalid("too many")
            for member in value:
                self(schema.get("items", {}), member)

    def takes(self, schema: dict[str, Any], value: Any) -> bool:
        try:
            self(schema, value)
        except Invalid:
            return False
        return True

    def _any(self, schemas: list[dict[str, Any]], value: Any) -> None:
        problems = []
        for schema in schemas:
            try:
                return self(schema, value)
            except Invalid as problem:
                problems.append(str(problem))
        raise Invalid("; ".join(problems))

    def _members(self, schema: dict[str, Any], value: dict[str, Any]) -> None:
        known = schema.get("properties", {})
        missing = set(schema.get("required", ())) - value.keys()
        if missing:
            raise Invalid(f"{missing} are missing")
        for name, member in value.items():
            if name in known:
                self(known[name], member)
            elif schema.get("additionalProperties", True) is False:
                raise Invalid(f"{name} is unknown")


def of_operation(document: dict[str, Any], path: str) -> tuple[dict[str, Any], dict[str, dict[str, Any]]]:
    """The schema that an operation takes, and those it answers with, by status."""
    operation = document["paths"][path]["post"]
    takes = operation["requestBody"]["content"]["application/json"]["schema"]
    gives = {
        status: next(iter(answer["content"].values()))["schema"]
        for status, answer in operation["responses"].items()
    }
    return takes, gives


def takes(document: dict[str, Any], request: Any, path: str = "/decide") -> bool:
    schema, _ = of_operation(document, path)
    return Validator(document).takes(schema, request)


CREDENTIAL = {"age": "1m", "lifetime": 300}
TASK = {"id": "t-9", "expires": "2099-01-01T00:00:00Z"}


@pytest.mark.parametrize(
    ("changes", "valid"),
    [
        ({}, True),
        ({"caller": None, "credential": None, "resource": None, "task": None, "context": None}, True),
        ({"action": {"name": "entry.create", "dry_run": True}}, True),
        ({"action": {}}, False),
        ({"action": 1}, False),
        ({"audience": ""}, False),
        ({"audience": None}, False),
        ({"other": 1}, False),
        ({"caller": {"kind": "human", "id": "alice", "shoe": 42, "actors": ["a"], "depth": 1}}, True),
        ({"caller": {"kind": "anonymous"}}, True),
        ({"caller": {"id": "alice"}}, False),
        ({"caller": {"kind": "robot", "id": "r"}}, False),
        ({"caller": {"kind": "human", "id": "a", "issuer": None}}, False),
        ({"caller": {"kind": "human", "id": "a", "depth": None}}, False),
        ({"caller": {"kind": "human", "id": "a", "groups": None}}, False),
        ({"credential": {}}, False),
        ({"credential": {"asserted": {"age": 1}}}, False),
        ({"credential": {"asserted": CREDENTIAL}}, True),
        ({"credential": {"asserted": {**CREDENTIAL, "binding": "tls"}}}, False),
        ({"credential": {"asserted": {**CREDENTIAL, "issuer": None}}}, False),
        ({"credential": {"asserted": {**CREDENTIAL, "issuer": "i", "id": "j", "scopes": ["s", "s"]}}}, True),
        ({"credential": {"asserted": {**CREDENTIAL, "uses": 1}}}, False),
        ({"credential": {"token": "a.b.c"}}, True),
        ({"credential": {"token": "a.b.c", "scheme": "DPoP", "proofs": {"dpop": ["a.b.c"]}}}, True),
        ({"credential": {"token": "a.b.c", "proofs": {"wpt": "a.b.c", "dpop": []}}}, True),
        ({"credential": {"token": "a.b.c", "certificate": "x"}}, True),
        ({"credential": {"token": "a.b.c", "xfcc": "x"}}, True),
        ({"credential": {"certificate": "x", "xfcc": "x"}}, False),
        ({"credential": {"scheme": "Bearer"}}, False),
        ({"credential": {"proofs": {}}}, False),
        ({"credential": {"token": 1}}, False),
        ({"credential": {"token": None}}, False),
        ({"credential": {"token": "a.b.c", "scheme": "Basic"}}, False),
        ({"credential": {"token": "a.b.c", "scheme": None}}, False),
        ({"credential": {"token": "a.b.c", "proofs": None}}, False),
        ({"credential": {"token": "a.b.c", "proofs": {"jwt": "x"}}}, False),
        ({"credential": {"token": "a.b.c", "proofs": {"dpop": "a.b.c"}}}, False),
        ({"credential": {"token": "a.b.c", "proofs": {"dpop": ["a.b.c"] * 8}}}, True),
        ({"credential": {"token": "a.b.c", "proofs": {"dpop": ["a.b.c"] * 9}}}, False),
        ({"credential": {"token": "a.b.c", "asserted": CREDENTIAL}}, False),
        ({"request": None}, True),
        ({"request": {}}, True),
        ({"request": {"method": "POST", "uri": "https://a.example/", "peer": "10.0.0.1"}}, True),
        ({"request": {"method": ""}}, False),
        ({"request": {"uri": None}}, False),
        ({"request": {"url": "https://a.example/"}}, False),
        ({"resource": {"id": "e-1"}}, False),
        ({"resource": {"type": "file"}}, True),
        ({"resource": {"type": "file", "id": 1}}, False),
        ({"task": TASK}, True),
        ({"task": {**TASK, "owner": "a", "purpose": "b", "started": 0, "uses_left": 3, "actions": []}}, True),
        ({"task": {**TASK, "owner": None}}, False),
        ({"task": {**TASK, "started": None}}, False),
        ({"task": {**TASK, "active": True}}, False),
        ({"task": {"id": "t-9"}}, False),
        ({"context": []}, False),
    ],
)
def test_a_request_is_described_as_it_is_taken(
    service: Service, document: dict[str, Any], changes: dict[str, Any], valid: bool
) -> None:
    request = {**REQUEST, **changes}
    assert takes(document, request) is valid
    answer = service.post("/decide", json.dumps(request).encode())
    assert answer.status_code == (200 if valid else 400)
    assert takes(document, {"requests": [REQUEST, request]}, "/decide/batch") is valid


@pytest.mark.parametrize(
    "body",
    [
        REQUEST,
        {**REQUEST, "task": "t-2"},
        {**REQUEST, "action": "entry.reverse", "context": {}},
        {**REQUEST, "audience": 1},
        {**REQUEST, "context": {"x": "x" * 70_000}},
    ],
)
def test_an_answer_is_what_is_described_for_its_status(
    service: Service, document: dict[str, Any], body: Any
) -> None:
    validate = Validator(document)
    _, gives = of_operation(document, "/decide")
    answer = service.post("/decide", json.dumps(body).encode())
    validate(gives[str(answer.status_code)], answer.json())
    _, gives = of_operation(document, "/decide/batch")
    answer = service.post("/decide/batch", json.dumps({"requests": [REQUEST, body]}).encode())
    validate(gives[str(answer.status_code)], answer.json())


@pytest.mark.parametrize("path", ["/healthz", "/readyz"])
def test_the_rare_routes_answer_what_is_described(
    service: Service, document: dict[str, Any], path: str
) -> None:
    schema = document["paths"][path]["get"]["responses"]["200"]["content"]["application/json"]["schema"]
    Validator(document)(schema, service.get(path).json())


def test_every_reference_leads_somewhere(document: dict[str, Any]) -> None:
    references = set(re.findall(r'"#/components/schemas/(\w+)"', json.dumps(document)))
    assert {"DecideRequest", "DecideAnswer", "BatchRequest", "BatchAnswer", "Problem"} <= references
    assert references <= document["components"]["schemas"].keys()


def given_by_the_service() -> set[str]:
    """The codes that any module names which a serving process has loaded."""
    program = "import sys, pdp.service.serve; print(*(m for m in sys.modules if m.startswith('pdp.')))"
    loaded = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    codes: set[str] = set()
    for module in set(loaded.stdout.split()) - {"pdp.evidence.refusals", "pdp.service.messages"}:
        source = inspect.getsource(importlib.import_module(module))
        for node in ast.walk(ast.parse(source)):
            # Wherever it is used; what is only imported is used nowhere.
            name = node.id if isinstance(node, ast.Name) else getattr(node, "attr", None)
            code = getattr(refusals, name, None) if isinstance(name, str) and name.isupper() else None
            if isinstance(code, str):
                codes.add(code)
    return codes


def test_the_refusal_codes_that_can_be_given_are_described_and_no_others(document: dict[str, Any]) -> None:
    given = given_by_the_service()
    assert given <= REFUSALS.keys()
    for path in ("/decide", "/decide/batch"):
        told = document["paths"][path]["post"]["description"]
        assert set(re.findall(r"^- `(\w+)`: ", told, re.MULTILINE)) == given
        assert all(f"`{code}`: {REFUSALS[code].meaning}" in told for code in given)


def test_the_examples_are_requests(service: Service, document: dict[str, Any]) -> None:
    examples = document["paths"]["/decide"]["post"]["requestBody"]["content"]["application/json"]["examples"]
    assert examples.keys() == {"presented", "asserted"}
    for name, example in examples.items():
        assert takes(document, example["value"])
        answer = service.post("/decide", json.dumps(example["value"]).encode())
        assert answer.status_code == 200
        # What is shown of a token is none.
        assert (answer.json()["code"] == "credential_malformed") is (name == "presented")


def test_what_is_described_is_what_is_read() -> None:
    def members(model: type[BaseModel]) -> set[str]:
        return set(model.model_fields)

    assert members(messages.Asserted) == request.ASSERTED
    assert members(messages.Presented) == request.PRESENTED
    assert members(messages.Task) == request.TASK
    assert (
        members(messages.DecideAnswer)
        == json.loads(
            Encoder().encode(
                Answer("", datetime.now(UTC), "", Request.parse(REQUEST), None, denial("x", "sha256:00"))
            )
        ).keys()
    )


def test_the_document_is_shown_to_people(service: Service) -> None:
    page = service.get("/docs")
    assert page.headers["content-type"].startswith("text/html")
    assert "/openapi.json" in page.text


def test_it_need_not_be_shown(serve: Any) -> None:
    service = serve(PDP_SERVER__DOCS="false")
    assert service.get("/docs").status_code == service.get("/openapi.json").status_code == 404
    assert service.decide()["decision"] == "allow"
