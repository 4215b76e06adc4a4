"""How pdp grows with its rules: time a decision, memory a rule and loading, from 10² to 10⁵ rules.

Each shape of policy set (`benchmarks.shapes`) has processes of its own, so that no other's memory is counted.
"""

from __future__ import annotations

import gc
import random
import tempfile
import tracemalloc
from collections.abc import Sequence
from dataclasses import asdict
from itertools import zip_longest
from pathlib import Path
from typing import Any

from benchmarks import estate
from benchmarks.measure import Contender, Progress, Scale, isolated, once, quiet, race
from benchmarks.report import Aim, Outcome, Table, duration, size, times
from benchmarks.shapes import SEED, SHAPES, Shape

SIZES = (100, 1_000, 10_000, 100_000)
QUICK = (100, 1_000)
# Memory is what is between these two, so that what any policy set needs is not counted.
TRACED = (1_000, 5_000)
QUICK_TRACED = (100, 1_000)
# So many different requests are decided in turn: as many as the smallest set has rules.
ASKED = 100
# A set that would take longer than this to load, by what the one before it took, is left out of a usual run.
LONGEST = 120.0


def run(progress: Progress, scale: Scale) -> Outcome:
    """The claim, measured."""
    sizes, traced = (QUICK, QUICK_TRACED) if scale is Scale.quick else (SIZES, TRACED)
    figures: dict[str, Any] = {}
    for number, shape in enumerate(SHAPES):
        progress(f"{shape.name}: time and loading, up to {sizes[-1]:,} rules")
        steps = isolated(_grow, number, sizes, scale)
        progress(f"{shape.name}: memory, up to {traced[-1]:,} rules")
        figures[shape.name] = {"steps": steps, "bytes": isolated(_memory, number, traced)}
    return Outcome(
        tables=[_table(figures, sizes)],
        aims=_aims(figures, sizes),
        figures={"shapes": figures, "traced": list(traced)},
        notes=(
            *(f"{shape.name}: {shape.about}." for shape in SHAPES),
            f"A decision is one of {ASKED} requests for {ASKED} different rules, in turn.",
            "Memory is what the program holds, as tracemalloc counts it, a rule more from"
            f" {traced[0]:,} to {traced[1]:,} rules;",
            "resident is what the process grew by when the set was loaded, what loading left over included.",
        ),
    )


def _table(figures: dict[str, Any], sizes: Sequence[int]) -> Table:
    rows = []
    for name, found in figures.items():
        steps = found["steps"]
        first = steps[0]["timing"]["median"]
        for step, count in zip_longest(steps, sizes):
            cells = ["" if step is not steps[0] else name, f"{count:,}"]
            if step is None:
                left_out = f"not loaded: about {duration(_expected(steps[-1], count))}"
                rows.append([*cells, "", "", left_out, "", "", ""])
                continue
            timing = step["timing"]
            rows.append(
                [
                    *cells,
                    f"{duration(timing['median'])} ±{timing['spread'] / 2:.0%}",
                    times(timing["median"] / first),
                    duration(step["load"]),
                    f"{count / step['load']:,.0f}",
                    size(found["bytes"]) if step is steps[-1] else "",
                    # In a small set this is mostly what Python took in advance.
                    size(step["resident"] / count) if count >= 10_000 else "",
                ]
            )
    columns = [
        "",
        "rules",
        "a decision",
        "of the first",
        "load",
        "rules/s",
        "memory a rule",
        "resident a rule",
    ]
    return Table("Growth with the number of rules", columns, rows)


def _aims(figures: dict[str, Any], sizes: Sequence[int]) -> list[Aim]:
    held = figures[SHAPES[0].name]["bytes"]
    memory = Aim("at most 2 KiB a rule where all have one shape", size(held), held <= 2048)
    text = f"at {sizes[-1]:,} rules at most 1.5 times the time at {sizes[0]:,}, in every shape"
    slopes = {
        name: found["steps"][-1]["timing"]["median"] / found["steps"][0]["timing"]["median"]
        for name, found in figures.items()
    }
    measured = ", ".join(
        f"{times(slope)} {name}" + ("" if full else f" (at {figures[name]['steps'][-1]['rules']:,} only)")
        for name, slope in slopes.items()
        for full in [len(figures[name]["steps"]) == len(sizes)]
    )
    if any(slope > 1.5 for slope in slopes.values()):
        return [Aim(text, measured, False), memory]
    complete = all(len(found["steps"]) == len(sizes) for found in figures.values())
    return [Aim(text, measured, True if complete else None), memory]


def _grow(number: int, sizes: Sequence[int], scale: Scale) -> list[dict[str, Any]]:
    """In a process of its own: each size loaded, and then all of them asked in turns."""
    from pdp.decide import decide
    from pdp.load import load

    shape = SHAPES[number]
    steps: list[dict[str, Any]] = []
    contenders = []
    with tempfile.TemporaryDirectory() as folder:
        # Loading for the first time makes the parser, too, which is not a matter of rules.
        shape.write(Path(folder, "first"), 1)
        load(Path(folder, "first"))
        for count in sizes:
            if steps and scale is not Scale.whole and _expected(steps[-1], count) > LONGEST:
                break
            path = Path(folder, str(count))
            shape.write(path, count)
            gc.collect()
            before = _resident()
            names: dict[str, Any] = {"load": load, "path": path}
            seconds = once("program = load(path)", names)
            gc.collect()
            steps.append({"rules": count, "load": seconds, "resident": _resident() - before})
            # What is loaded stays, and need not be looked through when the next one is.
            gc.freeze()
            asked = questions(shape, names["program"], count)
            statement = "for request, facts in asked: decide(program, request, facts)"
            known = {"decide": decide, "program": names["program"], "asked": asked}
            contenders.append(Contender(str(count), statement, known, work=len(asked)))
    with quiet():
        timings = race(contenders, scale)
    for step in steps:
        step["timing"] = asdict(timings[str(step["rules"])])
    return steps


def _expected(step: dict[str, Any], count: int) -> float:
    """Seconds that loading so many rules will take, by the largest set that was loaded."""
    return float(step["load"] / step["rules"] * count)


def _memory(number: int, sizes: tuple[int, int]) -> float:
    """In a process of its own: bytes a rule, from one size of the set to the other."""
    from pdp.load import load

    held = []
    with tempfile.TemporaryDirectory() as folder:
        SHAPES[number].write(Path(folder, "first"), 1)
        load(Path(folder, "first"))
        programs = []
        for count in sizes:
            path = Path(folder, str(count))
            SHAPES[number].write(path, count)
            gc.collect()
            tracemalloc.start()
            programs.append(load(path))
            gc.collect()
            held.append(tracemalloc.get_traced_memory()[0])
            tracemalloc.stop()
    return (held[1] - held[0]) / (sizes[1] - sizes[0])


def questions(shape: Shape, program: Any, count: int) -> list[tuple[Any, Any]]:
    """Requests for rules all over the set, in no order; each is allowed by its rule, which is checked."""
    from pdp.access.request import Request
    from pdp.decide import decide
    from pdp.gather import asserted

    asked = []
    for number in random.Random(SEED).sample(range(count), ASKED):
        request = Request.parse(shape.request(number))
        facts = asserted(program, request, now=estate.NOW)
        decided = decide(program, request, facts)
        wanted = f".write_{number}"
        if decided.decision != "allow" or [not rule.endswith(wanted) for rule in decided.rules] != [False]:
            raise AssertionError(f"rule {number} of {shape.name} does not decide its request: {decided}")
        asked.append((request, facts))
    return asked


def _resident() -> int:
    """Bytes of memory that this process has. On systems without /proc, the most it ever had."""
    try:
        line = next(line for line in Path("/proc/self/status").read_text().splitlines() if "VmRSS" in line)
        return int(line.split()[1]) * 1024
    except OSError:
        import resource

        return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
