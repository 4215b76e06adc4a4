"""`pdp decide`: one request, answered as the service would answer it."""

from __future__ import annotations

from typing import Annotated

import typer

from pdp.cli.policies import ConfigOption, PoliciesOption, deciding, locate, serving
from pdp.cli.requests import REQUEST_HELP, NowOption, read_request, read_time, refuse


def decide(
    request: Annotated[str, typer.Option("--request", "-r", metavar="FILE|-", help=REQUEST_HELP)],
    policies: PoliciesOption = None,
    now: NowOption = None,
    config: ConfigOption = None,
) -> None:
    """Decide one request and print the answer as `/decide` gives it.

    Whoever runs this command is taken at their word: the request may assert any caller, credential and
    task. A credential that it presents is verified as the service would, and not used up by it.

    Examples:

    - `pdp decide --policies policies --request request.json`
    - `pdp decide -p policies -r request.json --now 2027-04-01` — as of another day
    - `echo '{"audience": "ledger", "action": "entry.read"}' | pdp decide -p policies -r -`

    To see why, give the same request to `pdp explain`.

    Exit codes: 0 a decision, allow or deny alike, 1 errors in the policies, 2 no valid request, policies or
    settings.
    """
    from pdp.access.request import RequestError
    from pdp.point import OPERATOR

    at = read_time(now)
    place = locate(policies, config)
    point = deciding(place, serving(place))
    try:
        answer = point.answer(read_request(request), OPERATOR, now=at)
    except RequestError as error:
        refuse(error)
    typer.echo(answer.decode())
