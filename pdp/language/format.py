"""The one layout of policies: from a syntax tree back to text.

Two spaces of indent, clause keywords aligned, lines of at most 110 characters where the text allows it. Of
what the author wrote it keeps comments, the spelling of literals, blank lines as at most one, and that a list
has each member on its own line.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from pdp.language.clauses import declaration
from pdp.language.layout import WIDTH, lay_out
from pdp.language.source import Source
from pdp.language.syntax import Declaration, Def, Let, Module, Use
from pdp.language.written import Written


def format(tree: Module, source: Source) -> str:
    """The text of `tree`, which was parsed from `source` without a diagnostic; lines end with LF.

    Parsing the result gives an equal tree, and formatting that the same text.
    """
    pieces = _pieces(tree, Written(source, tree.comments))
    _align_lets(pieces)
    lines: list[str] = []
    for piece in pieces:
        if piece.apart and lines:
            lines.append("\n")
        lines.append(f"{piece.text}{piece.trailing}\n")
    return "".join(lines)


@dataclass(slots=True)
class _Piece:
    """A declaration, or a comment outside all of them. `apart`: a blank line stands before it."""

    text: str
    apart: bool = False
    declaration: Declaration | None = None
    trailing: str = ""

    @property
    def is_block(self) -> bool:
        return "\n" in self.text or not isinstance(self.declaration, Use | Let | Def | None)


def _pieces(tree: Module, written: Written) -> list[_Piece]:
    pieces: list[_Piece] = []
    last: _Piece | None = None
    for node in tree.declarations:
        before = list(_comments(written, node.span.start, last))
        piece = _Piece(lay_out(declaration(node, written)), declaration=node)
        # A comment inside that has no line of its own there goes above.
        after = [*(_Piece(comment.text) for comment in written.take(node.span.end)), piece]
        after[0].apart = written.apart(node.span.start)
        before += after
        if last is not None and not any(one.apart for one in before):
            before[0].apart = _keep_apart(last, piece)
        pieces += before
        last = piece
    return [*pieces, *_comments(written, tree.span.end, last)]


def _keep_apart(one: _Piece, other: _Piece) -> bool:
    """Whether a blank line must stand between two declarations, whatever the author did."""
    uses = isinstance(one.declaration, Use), isinstance(other.declaration, Use)
    return one.is_block or other.is_block or uses == (True, False)


def _comments(written: Written, end: int, last: _Piece | None) -> Iterator[_Piece]:
    """The comments up to `end` as pieces, but for one behind the declaration `last` on its line."""
    for at, comment in enumerate(written.take(end)):
        if at == 0 and last is not None and written.trails(comment):
            last.trailing = f"  {comment.text}"
        else:
            yield _Piece(comment.text, written.apart(comment.span.start))


def _align_lets(pieces: list[_Piece]) -> None:
    """The `=` of lets on following lines stand below each other, where all of them still fit."""
    run: list[tuple[_Piece, Let]] = []
    for piece in pieces:
        node = piece.declaration
        if piece.apart or piece.is_block or not isinstance(node, Let | None):
            _align(run)
            run = []
        if isinstance(node, Let) and not piece.is_block:
            run.append((piece, node))
    _align(run)


def _align(run: list[tuple[_Piece, Let]]) -> None:
    longest = max((len(node.name.text) for _, node in run), default=0)
    pads = [longest - len(node.name.text) for _, node in run]
    if all(len(piece.text) + pad <= WIDTH for (piece, _), pad in zip(run, pads, strict=True)):
        for (piece, node), pad in zip(run, pads, strict=True):
            name = f"let {node.name.text}"
            piece.text = name + " " * pad + piece.text.removeprefix(name)
