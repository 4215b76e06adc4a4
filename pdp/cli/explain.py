"""`pdp explain`: a decision as a tree of rules and clauses."""

from __future__ import annotations

import sys
from enum import StrEnum
from typing import TYPE_CHECKING, Annotated

import typer

from pdp.cli.policies import ConfigOption, Place, PoliciesOption, check_policies, deciding, locate, sound
from pdp.cli.requests import REQUEST_HELP, NowOption, read_request, read_time, refuse
from pdp.cli.terminal import painter, stop

if TYPE_CHECKING:
    from pdp.access.decision import Decision
    from pdp.access.facts import Facts
    from pdp.load import Checked
    from pdp.program.program import Program


class Format(StrEnum):
    """How an explanation is written."""

    text = "text"
    json = "json"


def explain(
    policies: PoliciesOption = None,
    request: Annotated[
        str | None, typer.Option("--request", "-r", metavar="FILE|-", help=REQUEST_HELP, show_default=False)
    ] = None,
    test: Annotated[
        str | None,
        typer.Option(
            "--test",
            "-t",
            metavar="NAME",
            help="Explain the request of this test instead, by its name or a part of it.",
            show_default=False,
        ),
    ] = None,
    rule: Annotated[
        list[str] | None,
        typer.Option(
            "--rule",
            metavar="NAME",
            help="Tell this rule too, whatever it came to: `module.rule`, or `rule`. May be repeated.",
            show_default=False,
        ),
    ] = None,
    now: NowOption = None,
    format: Annotated[
        Format, typer.Option("--format", "-f", help="`text` for people, `json` for programs.")
    ] = Format.text,
    config: ConfigOption = None,
) -> None:
    """Show why a request is decided as it is: each rule that counted, clause by clause, with its values.

    A denied request is also told the nearest permit, and what it lacked: the permit whose head matches (or
    misses in the fewest clauses), and of those the one with the fewest clauses that do not hold.

    Examples:

    - `pdp explain --policies policies --request request.json`
    - `pdp explain -p policies -r request.json --rule payments.write_entry` — and this rule, too
    - `pdp explain -p policies --test "payments writes while its task runs"` — a test's request
    - `pdp explain -p policies -r - --format json < request.json`

    Exit codes: as for `pdp decide`.
    """
    from pdp.access.request import RequestError
    from pdp.cli import story
    from pdp.explain import explain as told

    if (request is None) == (test is None):
        stop("give one of `--request` and `--test`", "see `pdp explain --help`")
    place = locate(policies, config)
    checked = check_policies(place, serving=True)
    program = sound(checked)
    also = [_rule(checked, name) for name in rule or ()]
    try:
        if request is not None:
            facts, decision = _asked(place, program, request, now)
        else:
            facts, decision = _tested(place, program, checked, test or "", now)
    except RequestError as error:
        refuse(error)
    explanation = told(checked.policies, checked.sources, facts, decision, also=also)
    if format is Format.json:
        typer.echo(story.json_text(explanation))
    else:
        typer.echo(story.text(explanation, painter(sys.stdout)))


def _asked(place: Place, program: Program, request: str, now: str | None) -> tuple[Facts | None, Decision]:
    from pdp.access.request import Request
    from pdp.point import OPERATOR

    point = deciding(place, program)
    at = read_time(now)
    answer = point.evaluate(Request.parse(read_request(request), point.limits), OPERATOR, now=at)
    return answer.facts, answer.decision


def _tested(
    place: Place, program: Program, checked: Checked, name: str, now: str | None
) -> tuple[Facts | None, Decision]:
    from pdp.testing.cases import read_cases, selected, written
    from pdp.testing.run import ask

    if now is not None:
        stop("a test says itself what time it is", "leave out `--now`")
    trials = (*written(checked.policies.cases), *read_cases(place.path)[0])
    exact = [trial for trial in trials if trial.label == name]
    found = exact or selected(trials, name)
    if not found:
        stop(f"no test is called `{name}`", "`pdp test --format json` lists all of them")
    if len(found) > 1:
        names = "\n".join(f"  {trial.module}: {trial.label}" for trial in found[:10])
        stop(f"{len(found)} tests are called `{name}`\n{names}", "give the whole name")
    return ask(program, place.settings, found[0])


def _rule(checked: Checked, name: str) -> str:
    from pdp.language.suggest import suggest

    known = [rule.identity for rule in checked.policies.rules]
    found = [identity for identity in known if name in (identity, identity.rpartition(".")[2])]
    if not found:
        stop(f"there is no rule `{name}`", suggest(name, known))
    if len(found) > 1:
        stop(f"`{name}` is a rule of several modules", "one of " + ", ".join(f"`{one}`" for one in found))
    return found[0]
