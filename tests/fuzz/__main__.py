"""Looks for inputs that break a parser, for as long as it is told.

    python -m tests.fuzz [TARGET …] [--seconds 60]

What breaks one is printed with its trace, and the exit code is 1. atheris is needed, which has no wheels but
for Linux on x86-64: elsewhere hypothesis looks alone, in `tests/evidence/test_fuzz.py`.
"""

from __future__ import annotations

import argparse
import re
import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path
from tempfile import TemporaryDirectory

from tests.fuzz.targets import TARGETS

# Longer inputs than this find nothing that shorter ones do not, and fewer of them are tried.
LONGEST = 4_096


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.fuzz")
    parser.add_argument("targets", nargs="*", metavar="TARGET", help=", ".join(TARGETS))
    parser.add_argument("--seconds", type=int, default=60)
    asked = parser.parse_args()
    names = asked.targets or [*TARGETS]
    for name in names:
        if name not in TARGETS:
            parser.error(f"there is no target `{name}`; there are {', '.join(TARGETS)}")
    if find_spec("atheris") is None:
        print("fuzz: atheris has no wheel for this machine; hypothesis looks alone")
        return 0
    with TemporaryDirectory() as place:
        return fuzz(names, asked.seconds, Path(place))


def fuzz(names: list[str], seconds: int, place: Path) -> int:
    """Whether something was found, 0 or 1. libFuzzer reads and writes in `place`."""
    corpus, words = place / "corpus", place / "words"
    corpus.mkdir()
    for index, name in enumerate(names):
        for number, seed in enumerate(TARGETS[name].seeds()):
            (corpus / f"{name}{number}").write_bytes(bytes((index,)) + seed)
    pieces = {piece for name in names for piece in TARGETS[name].pieces}
    words.write_text("".join(map(_word, sorted(pieces))))
    run = subprocess.run(
        [
            sys.executable, "-m", "tests.fuzz.under_atheris", ",".join(names), str(corpus),
            f"-max_total_time={seconds}", f"-max_len={LONGEST}", f"-dict={words}",
            f"-artifact_prefix={place}/",
            "-timeout=10", "-rss_limit_mb=2048", "-print_final_stats=1",
        ],
        capture_output=True, text=True, errors="replace", check=False,
    )  # fmt: skip
    tried = re.search(r"number_of_executed_units: (\d+)", run.stderr)
    if run.returncode == 0 and tried is not None:
        print(f"fuzz: {tried[1]} inputs in {seconds} s, none of which broke anything")
        return 0
    print(run.stdout, run.stderr, sep="\n")
    for found in sorted(place.glob("*-*")):
        data = found.read_bytes()
        print(f"fuzz: {found.name.partition('-')[0]} in {names[data[0] % len(names)]} of {data[1:]!r}")
    return 1


def _word(piece: bytes) -> str:
    """A line of libFuzzer's dictionary."""
    return '"' + "".join(f"\\x{byte:02x}" for byte in piece) + '"\n'


if __name__ == "__main__":
    sys.exit(main())
