"""The results as one SVG, made by hand: six panels, one a claim, readable on light and on dark pages.

Knows the figures of `results.json` and how to draw lines and bars. What was not measured has no panel.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from html import escape
from math import ceil, floor, log10
from typing import Any

from benchmarks.report import duration, size

WIDTH, HEIGHT, GAP = 440, 270, 24
# The plot within a panel: its left, top, right and bottom edge. What is right of it holds the lines' names.
_LEFT, _TOP, _RIGHT, _BOTTOM = 58, 52, 300, 228
_LABEL = 14

# Of lines, in their order; the first is pdp's where peers stand beside it.
_INK = {
    "light": ("#0969da", "#bc4c00", "#8250df", "#1a7f37", "#bf3989"),
    "dark": ("#58a6ff", "#f0883e", "#bc8cff", "#3fb950", "#f778ba"),
}
_STYLE = """\
svg { color-scheme: light dark; font: 12px system-ui, -apple-system, "Segoe UI", sans-serif; }
text { fill: #24292f; }
.title { font-size: 14px; font-weight: 600; }
.faint { fill: #656d76; font-size: 11px; }
.grid { stroke: #d0d7de; }
.line { fill: none; stroke-width: 2.25; stroke-linejoin: round; }
.name { font-weight: 600; }
.bar { fill: #afb8c1; }
"""
_DARK = """\
text { fill: #e6edf3; }
.faint { fill: #9198a1; }
.grid { stroke: #3d444d; }
.bar { fill: #656c76; }
"""

_Points = Sequence[tuple[float, float]]


def draw(results: Mapping[str, Any]) -> str:
    """The document that shows what is in the results."""
    panels = [
        draw_panel(results[claim]["figures"])
        for claim, draw_panel in _PANELS.items()
        if claim in results and _measured(claim, results[claim]["figures"])
    ]
    rows = max(1, ceil(len(panels) / 2))
    width, height = 2 * WIDTH + GAP, rows * (HEIGHT + GAP)
    placed = "".join(
        f'<g transform="translate({number % 2 * (WIDTH + GAP)} {number // 2 * (HEIGHT + GAP)})">{panel}</g>\n'
        for number, panel in enumerate(panels)
    )
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {height}" width="{width}"'
        f' height="{height}" role="img" aria-label="Benchmarks of pdp beside its peers">\n'
        f"<style>\n{_STYLE}{_inks('light')}"
        f"@media (prefers-color-scheme: dark) {{\n{_DARK}{_inks('dark')}}}\n</style>\n{placed}</svg>\n"
    )


def _inks(page: str) -> str:
    return "".join(
        f".c{number} .line {{ stroke: {ink}; }}\n"
        f".c{number} .dot, .c{number} .name, .c{number}.bar {{ fill: {ink}; }}\n"
        for number, ink in enumerate(_INK[page])
    )


def _measured(claim: str, figures: Mapping[str, Any]) -> bool:
    return claim != "service" or "servers" in figures


def _decide(figures: Mapping[str, Any]) -> str:
    lines = {
        name: [(step["rules"], step["median"]) for step in steps]
        for name, steps in figures["decision"].items()
    }
    return _lines(
        "One decision in-process", "time by number of rules; both axes logarithmic", lines, low=None
    )


def _growth(figures: Mapping[str, Any]) -> str:
    lines = {
        name: [(step["rules"], step["timing"]["median"]) for step in found["steps"]]
        for name, found in figures["shapes"].items()
    }
    held = ", ".join(f"{name} {size(found['bytes'])}" for name, found in figures["shapes"].items())
    return _lines("Time a decision as rules grow", f"memory a rule: {held}", lines, low=0.0)


def _service(figures: Mapping[str, Any]) -> str:
    bars = {name: (server["rate"], f"{server['rate']:,.0f}") for name, server in figures["servers"].items()}
    return _bars("/decide over HTTP on one core", "requests a second; more is better", bars)


def _load(figures: Mapping[str, Any]) -> str:
    seconds = figures["seconds"]
    bars = {name: (found["cold"], duration(found["cold"])) for name, found in seconds.items()}
    changed = seconds["pdp"]["changed"]
    bars = {"pdp": bars["pdp"], "pdp, one file changed": (changed, duration(changed)), **bars}
    return _bars(f"Loading {figures['rules']:,} rules", "time; less is better", bars)


def _evidence(figures: Mapping[str, Any]) -> str:
    seconds = {name: found["median"] for name, found in figures["verification"]["fresh"].items()}
    seen = figures["verification"]["seen"]["pdp"]["median"]
    bars: dict[str, tuple[float, str]] = {}
    for name, median in seconds.items():
        bars[name] = (median, duration(median))
        if name == "pdp":
            bars["pdp, seen before"] = (seen, duration(seen))
    return _bars("Verifying a token (ES256)", "time; less is better", bars)


def _tokens(figures: Mapping[str, Any]) -> str:
    seconds = {name: found["median"] for name, found in figures["exchange"].items()}
    bars = {name: (median, duration(median)) for name, median in seconds.items()}
    return _bars("Exchanging a token (ES256)", "processor time; less is better", bars)


_PANELS = {
    "decide": _decide,
    "growth": _growth,
    "service": _service,
    "load": _load,
    "evidence": _evidence,
    "tokens": _tokens,
}


def _lines(title: str, about: str, lines: Mapping[str, _Points], *, low: float | None) -> str:
    """Lines over a logarithmic x; y is linear from `low`, or logarithmic where that is None."""
    xs = [x for points in lines.values() for x, _ in points]
    ys = [y for points in lines.values() for _, y in points]
    first, last = log10(min(xs)), max(log10(max(xs)), log10(min(xs)) + 1)

    def across(x: float) -> float:
        return _LEFT + (log10(x) - first) / (last - first) * (_RIGHT - _LEFT)

    if low is None:
        bottom, top = floor(log10(min(ys))), ceil(log10(max(ys)))
        marks = [10.0**power for power in range(bottom, top + 1)]

        def up(y: float) -> float:
            return _BOTTOM - (log10(y) - bottom) / (top - bottom) * (_BOTTOM - _TOP)
    else:
        highest = _round(max(ys) * 1.1)
        marks = [low + (highest - low) * part / 4 for part in range(5)]

        def up(y: float) -> float:
            return _BOTTOM - (y - low) / (highest - low) * (_BOTTOM - _TOP)

    parts = [_heading(title, about)]
    for mark in marks:
        y = up(mark)
        parts.append(f'<line class="grid" x1="{_LEFT}" y1="{y:.1f}" x2="{_RIGHT}" y2="{y:.1f}"/>')
        told = re.sub(r"\.0+ ", " ", duration(mark)) if mark else "0"
        parts.append(_text(_LEFT - 6, y + 4, told, "faint", anchor="end"))
    parts += [
        _text(across(x), _BOTTOM + 18, f"{x:,.0f}", "faint", anchor="middle")
        for x in sorted(set(xs))
        if log10(x) % 1 == 0
    ]
    heights = _apart({name: up(points[-1][1]) for name, points in lines.items()})
    for number, (name, points) in enumerate(lines.items()):
        path = " ".join(f"{across(x):.1f},{up(y):.1f}" for x, y in points)
        parts.append(f'<g class="c{number % len(_INK["light"])}"><polyline class="line" points="{path}"/>')
        parts += [f'<circle class="dot" cx="{across(x):.1f}" cy="{up(y):.1f}" r="2.75"/>' for x, y in points]
        parts.append(_text(_RIGHT + 10, heights[name] + 4, name, "name") + "</g>")
    return "".join(parts)


def _bars(title: str, about: str, bars: Mapping[str, tuple[float, str]]) -> str:
    left, room = 150, 205
    longest = max(value for value, _ in bars.values())
    step = min(34.0, (_BOTTOM - _TOP + 20) / len(bars))
    parts = [_heading(title, about)]
    for number, (name, (value, told)) in enumerate(bars.items()):
        y = _TOP + 6 + number * step
        length = max(1.5, value / longest * room)
        ours = " c0" if name.startswith("pdp") else ""
        parts.append(_text(left - 10, y + step / 2, name, "", anchor="end"))
        parts.append(
            f'<rect class="bar{ours}" x="{left}" y="{y + step / 2 - 12:.1f}" width="{length:.1f}"'
            ' height="16" rx="2"/>'
        )
        parts.append(_text(left + length + 8, y + step / 2, told, ""))
    return "".join(parts)


def _heading(title: str, about: str) -> str:
    return _text(0, 16, title, "title") + _text(0, 34, about, "faint")


def _text(x: float, y: float, text: str, style: str, *, anchor: str = "start") -> str:
    return f'<text class="{style}" x="{x:.1f}" y="{y:.1f}" text-anchor="{anchor}">{escape(text)}</text>'


def _apart(heights: Mapping[str, float]) -> dict[str, float]:
    """Heights of labels, moved down where they would cover each other."""
    placed: dict[str, float] = {}
    free = 0.0
    for name, height in sorted(heights.items(), key=lambda item: item[1]):
        placed[name] = max(height, free)
        free = placed[name] + _LABEL
    return placed


def _round(number: float) -> float:
    """The next number of one digit, times 1, 2, 4 or 8: its quarters are short to write."""
    power = 10.0 ** floor(log10(number))
    return next(power * step for step in (1, 2, 4, 8, 10) if power * step >= number)
