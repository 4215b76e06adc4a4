"""`pdp trust`: who is believed, about what, with which keys, and until when."""

from __future__ import annotations

import asyncio
import json
import logging
import sys
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Annotated, Any

import typer

from pdp.answer import duration_text
from pdp.cli.kept import check_format
from pdp.cli.policies import ConfigOption, PoliciesOption, locate, serving
from pdp.cli.terminal import count, painter
from pdp.evidence.urls import shown

if TYPE_CHECKING:
    from pdp.believed import IssuerTable, TrustDomainTable
    from pdp.cli.policies import Place
    from pdp.evidence.kept import Status
    from pdp.evidence.keys import KeySet
    from pdp.evidence.trust import Trust
    from pdp.settings import EnforcementPoint

app = typer.Typer(
    help="Show who is believed: issuers, trust domains and enforcement points.",
    no_args_is_help=True,
    rich_markup_mode="markdown",
)

Record = dict[str, Any]


@app.callback()
def trust() -> None:
    pass


@app.command()
def check(
    policies: PoliciesOption = None,
    config: ConfigOption = None,
    format: Annotated[str, typer.Option(help="`text` or `json`.")] = "text",
) -> None:
    """Read the keys of everybody who is believed, and tell what that comes to.

    Shows for each issuer and trust domain what it may say and about whom, which keys it has now, each with
    its SHA-256 thumbprint (RFC 7638), and until when they are believed if they cannot be read again; and
    what each enforcement point may say on its own word. Reads what the service would read, and changes
    nothing.

    - `pdp trust check --policies policies`
    - `pdp trust check --config pdp.toml --format json`

    Exit codes: 0 no problem, 1 keys that could not be read or used, a claim that is taken for an attribute
    that no schema declares, an enforcement point that nothing is known by, or errors in the policies, 2 no
    policies, or settings that cannot be used.
    """
    check_format(format)
    place = locate(policies, config)
    told = _told(place)
    problems = [problem for group in told.values() for one in group for problem in one["problems"]]
    if format == "json":
        typer.echo(json.dumps(told, indent=2))
    else:
        for line in _lines(told):
            typer.echo(line)
        if problems:
            typer.echo(count(len(problems), "problem"))
        else:
            typer.echo(_whole(told))
    raise typer.Exit(1 if problems else 0)


def _told(place: Place) -> Record:
    from pdp.schema.schema import CALLER
    from pdp.trusted import Trusted

    settings = place.settings
    schema = serving(place).schema
    # Where rules may read what nobody declared, there is nothing to compare with.
    declared = None
    if schema.strict:
        declared = {name for record in (CALLER, schema.caller) for name, _ in record.attributes}
    trusted = Trusted(settings)
    # What is wrong is told below, in its place.
    logging.getLogger("pdp.keys").addHandler(logging.NullHandler())
    asyncio.run(trusted.sources.first())
    held = trusted.verifier.trust
    by_name = {one.name: one for one in trusted.sources.status}
    return {
        "issuers": [_issuer(table, by_name.get(table.id), held, declared) for table in settings.issuer],
        "trust_domains": [_domain(table, by_name[table.name], held) for table in settings.trust_domain],
        "enforcement_points": [_point(point) for point in settings.enforcement_point],
    }


def _issuer(table: IssuerTable, status: Status | None, held: Trust, declared: set[str] | None) -> Record:
    found = held.keys.get(table.id)
    keys = [] if found is None else _keys(found.keys)
    problems = _problems(status, "it has no key that can be used" if found is not None and not keys else None)
    for attribute in sorted(table.claims.keys() - declared if declared is not None else ()):
        problems.append(f"`{attribute}` is taken from a claim, and no schema declares it")
    return {
        "id": table.id,
        "kind": table.kind,
        "actor": table.actor,
        "caller": table.caller,
        "task": table.task,
        "types": list(table.typ),
        "algorithms": list(table.algorithms or ()),
        "introspected_at": None if table.introspection is None else shown(table.introspection.url),
        "audiences": {audience: list(values) for audience, values in table.audiences.items()},
        "claims": dict(table.claims),
        "binding": table.binding,
        "single_use": table.single_use,
        "max_lifetime": duration_text(table.max_lifetime),
        "max_age": duration_text(table.max_age),
        "spiffe_ids_of": list(table.trust_domains),
        "keys": keys,
        **_fresh(status),
        "problems": problems,
    }


def _domain(table: TrustDomainTable, status: Status, held: Trust) -> Record:
    from pdp.evidence.x509 import fingerprint

    found = held.bundles.get(table.name)
    authorities, keys = [], []
    if found is not None:
        authorities = [
            {
                "subject": authority.subject.rfc4514_string(),
                "sha256": fingerprint(authority).hex(),
                "until": _time(authority.not_valid_after_utc.timestamp()),
            }
            for authority in found.authorities
        ]
        keys = [*_keys(found.jwt, "jwt_svid"), *_keys(found.wit, "wit")]
    nothing = "its bundle is empty" if found is not None and not authorities and not keys else None
    return {
        "name": table.name,
        "kind": table.kind,
        "forms": list(table.forms),
        "audiences": {audience: list(values) for audience, values in table.audiences.items()},
        "max_lifetime": duration_text(table.max_lifetime),
        "authorities": authorities,
        "keys": keys,
        **_fresh(status),
        "problems": _problems(status, nothing),
    }


def _point(point: EnforcementPoint) -> Record:
    return {
        "name": point.name,
        "known_by": [*point.addresses, *(["the Unix socket"] if point.unix else [])],
        "may_assert": list(point.may_assert),
        "may_forward_certificates": point.certificates,
        "audiences": None if point.audiences is None else list(point.audiences),
        "problems": [] if point.addresses or point.unix else ["nothing is known by which it could ask"],
    }


def _keys(held: KeySet, form: str | None = None) -> list[Record]:
    """The keys of a set; `form` is what a trust domain signs with them."""
    of = {} if form is None else {"form": form}
    return [
        {"kid": kid, "algorithm": key.algorithm, **of, "thumbprint": key.thumbprint}
        for kid, key in held.keys.items()
    ]


def _fresh(status: Status | None) -> Record:
    if status is None:
        return {"from": None, "read": None, "until": None}
    return {
        "from": status.place,
        "read": None if status.read is None else _time(status.read),
        "until": None if status.until is None else _time(status.until),
    }


def _problems(status: Status | None, other: str | None) -> list[str]:
    found = None if status is None else status.problem
    return [problem for problem in (found, other) if problem is not None]


def _time(seconds: float) -> str:
    return datetime.fromtimestamp(seconds, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def _lines(told: Record) -> Iterator[str]:
    """What people read: one block for each, the name first, then what it may and what it has."""
    paint = painter(sys.stdout)

    def block(title: str, name: str, facts: dict[str, str], problems: list[str]) -> Iterator[str]:
        yield f"{title} {paint(name, 'strong')}"
        for label, text in facts.items():
            for line in text.splitlines():
                yield f"  {label:<12} {line}"
                label = ""
        for problem in problems:
            yield f"  {paint('problem:', 'bad')}     {problem}"
        yield ""

    for one in told["issuers"]:
        yield from block("issuer", one["id"], _of_issuer(one), one["problems"])
    for one in told["trust_domains"]:
        yield from block("trust domain", one["name"], _of_domain(one), one["problems"])
    for one in told["enforcement_points"]:
        facts = {
            "known by": ", ".join(one["known_by"]),
            "may assert": _list(one["may_assert"]),
            "forwards": "certificates of clients (XFCC)" if one["may_forward_certificates"] else "",
            "asks for": "every audience" if one["audiences"] is None else _list(one["audiences"]),
        }
        yield from block("enforcement point", one["name"], facts, one["problems"])


_BOUND = {
    "none": "to a key or not",
    "any": "to a key, by DPoP or mutual TLS",
    "dpop": "to a key, by DPoP",
    "mtls": "to a certificate, by mutual TLS",
}


def _of_issuer(one: Record) -> dict[str, str]:
    return {
        "callers": f"{one['kind']}s by `{one['caller']}`, acted for by {one['actor']}s",
        "SPIFFE IDs": f"of {', '.join(one['spiffe_ids_of'])}" if one["spiffe_ids_of"] else "",
        "tokens": "\n".join(_tokens(one)),
        "live": f"at most {one['max_lifetime']}, believed for {one['max_age']} from their issuing",
        "bound": _BOUND[one["binding"]],
        "audiences": _named(one["audiences"]),
        "attributes": ", ".join(f"{name} from `{claim}`" for name, claim in one["claims"].items()),
        "task": f"from `{one['task']}`" if one["task"] else "",
        **_kept(one),
    }


def _of_domain(one: Record) -> dict[str, str]:
    return {
        "callers": f"{one['kind']}s, as {', '.join(one['forms'])}",
        "live": f"at most {one['max_lifetime']}, but for certificates",
        "audiences": _named(one["audiences"]),
        "authorities": "\n".join(
            f"{at['subject']} until {at['until']}, {at['sha256']}" for at in one["authorities"]
        ),
        **_kept(one),
    }


def _named(audiences: dict[str, list[str]]) -> str:
    told = [f"{audience} as {', '.join(values)}" for audience, values in audiences.items()]
    return "; ".join([*told, "others under their own name"]) if told else "each under its own name"


def _kept(one: Record) -> dict[str, str]:
    return {
        "keys": "\n".join(f"{key['kid']} ({_purpose(key)}) {key['thumbprint']}" for key in one["keys"]),
        "from": one["from"] or "",
        "believed": _until(one) if one["from"] else "",
    }


def _tokens(one: Record) -> Iterator[str]:
    once = ", each once" if one["single_use"] else ""
    if one["algorithms"]:
        yield f"{', '.join(one['types'])} signed with {', '.join(one['algorithms'])}{once}"
    if one["introspected_at"]:
        yield f"without a signature, asked about at {one['introspected_at']}{once}"


def _until(one: Record) -> str:
    return f"until {one['until']}, unless they are read again" if one["until"] else "not now"


def _purpose(key: Record) -> str:
    return f"{key['algorithm']} for {key['form']}" if "form" in key else str(key["algorithm"])


def _list(names: list[str]) -> str:
    return ", ".join(names) or "nothing"


def _whole(told: Record) -> str:
    """The last line where nothing is wrong. Nobody who is believed is no problem, and worth a word."""
    if not any(told.values()):
        return "nobody is believed: there is no `[[issuer]]`, `[[trust_domain]]` or `[[enforcement_point]]`"
    return "everybody's keys could be read"
