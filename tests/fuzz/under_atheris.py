"""Targets under atheris, in a process of their own, which libFuzzer ends.

    python -m tests.fuzz.under_atheris TARGET,TARGET… ARGUMENT…

The arguments go to libFuzzer. An input's first byte says for which target the rest of it is. Only `pdp` is
watched for new ways through it.
"""

from __future__ import annotations

import sys
import warnings

import atheris

with atheris.instrument_imports(include=["pdp"], enable_loader_override=False):
    from tests.fuzz.targets import TARGETS


def main() -> None:
    # cryptography warns of serial numbers that are none: of thousands of inputs there is nothing to be told.
    warnings.simplefilter("ignore")
    targets = [TARGETS[name] for name in sys.argv.pop(1).split(",")]

    def test_one_input(data: bytes) -> None:
        targets[data[0] % len(targets) if data else 0].check(data[1:])

    atheris.Setup(sys.argv, test_one_input)
    atheris.Fuzz()


if __name__ == "__main__":
    main()
