"""Documents that can be laid out on one line or on several, and the way to lay them out in a given width.

A group stands on one line if it fits there; else its own lines break, and each group within is asked again.
After Wadler, "A prettier printer". Knows nothing of policies.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TypeAlias

WIDTH = 110
INDENT = 2


@dataclass(frozen=True, slots=True)
class Line:
    """A place where a group may break; `flat` stands there if it does not. A `hard` one always breaks, and
    `blank` leaves an empty line."""

    flat: str = " "
    hard: bool = False
    blank: bool = False


@dataclass(frozen=True, slots=True)
class Broken:
    """`text` where the group around it is broken, else nothing."""

    text: str


@dataclass(frozen=True, slots=True)
class Trailing:
    """`text` at the end of the line, whatever else comes there. The group around it breaks."""

    text: str


@dataclass(frozen=True, slots=True)
class Nest:
    """The lines within stand `INDENT` further in or, `aligned`, below the place where it begins."""

    content: Doc
    aligned: bool
    breaks: bool


@dataclass(frozen=True, slots=True)
class Group:
    """On one line if it fits, and if nothing in it `breaks`."""

    content: Doc
    breaks: bool


Doc: TypeAlias = "str | Line | Broken | Trailing | Nest | Group | tuple[Doc, ...]"

SOFT = Line("")
SPACE = Line()
HARD = Line(hard=True)
BLANK = Line(hard=True, blank=True)


def group(*parts: Doc) -> Group:
    return Group(parts, breaks(parts))


def indent(*parts: Doc) -> Nest:
    return Nest(parts, False, breaks(parts))


def align(*parts: Doc) -> Nest:
    return Nest(parts, True, breaks(parts))


def breaks(doc: Doc) -> bool:
    """Whether `doc` cannot stand on one line."""
    match doc:
        case Line():
            return doc.hard
        case Nest() | Group():
            return doc.breaks
        case tuple():
            return any(map(breaks, doc))
        case _:
            return isinstance(doc, Trailing)


def lay_out(doc: Doc, width: int = WIDTH) -> str:
    """The text of `doc`, in lines of at most `width` characters where it allows that."""
    out: list[str] = []
    trailing: list[str] = []
    column = 0
    # What is to come, the next at the end: how far in its lines stand, whether they break, and the document.
    rest: list[tuple[int, bool, Doc]] = [(0, True, doc)]
    while rest:
        margin, broken, doc = rest.pop()
        match doc:
            case str():
                out.append(doc)
                column += len(doc)
            case tuple():
                rest.extend((margin, broken, part) for part in reversed(doc))
            case Line():
                if broken:
                    out += trailing
                    trailing.clear()
                    out.append(("\n\n" if doc.blank else "\n") + " " * margin)
                    column = margin
                else:
                    out.append(doc.flat)
                    column += len(doc.flat)
            case Broken():
                if broken:
                    out.append(doc.text)
                    column += len(doc.text)
            case Trailing():
                trailing.append(doc.text)
            case Nest():
                rest.append((column if doc.aligned else margin + INDENT, broken, doc.content))
            case _:
                flat = not doc.breaks and _fits(doc.content, rest, width - column)
                rest.append((margin, not flat, doc.content))
    return "".join(out + trailing)


def _fits(doc: Doc, after: list[tuple[int, bool, Doc]], room: int) -> bool:
    """Whether `doc`, flat, and what follows it up to the next line end take no more than `room`."""
    at = len(after)
    stack: list[tuple[bool, Doc]] = [(False, doc)]
    while room >= 0:
        if not stack:
            if at == 0:
                return True
            at -= 1
            _, broken, doc = after[at]
            stack.append((broken, doc))
        broken, doc = stack.pop()
        match doc:
            case str():
                room -= len(doc)
            case tuple():
                stack.extend((broken, part) for part in reversed(doc))
            case Line():
                if broken:
                    return True
                room -= len(doc.flat)
            case Broken():
                room -= len(doc.text) if broken else 0
            case Trailing():
                pass
            case Nest():
                stack.append((broken, doc.content))
            case _:
                # A group behind it that must break ends the line at its first chance.
                stack.append((doc.breaks, doc.content))
    return False
