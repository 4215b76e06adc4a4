"""What the author wrote and the tree does not hold: comments, blank lines, the spelling of literals.

Comments are taken in their order, each once: whoever lays out a node first takes those that stand before it.
"""

from __future__ import annotations

import re
from collections.abc import Sequence

from pdp.language.layout import BLANK, HARD, Doc, Trailing
from pdp.language.literals import spelled
from pdp.language.source import Source
from pdp.language.syntax import Comment, Constant

# A literal within the parentheses that its span may have, and needs nowhere.
_LITERAL = re.compile(r'(?:[(\s]|#[^\n]*\n)*("(?:[^"\\]|\\.)*"|[^\s()#]*)')


class Written:
    """The text of one file on its way through the formatter. `_next` changes: the first comment left."""

    def __init__(self, source: Source, comments: Sequence[Comment]) -> None:
        self._source = source
        self._comments = comments
        self._next = 0

    def literal(self, node: Constant) -> str:
        """A literal as its author spelled it; one that has no author in the plainest way."""
        matched = _LITERAL.match(self._source.text, node.span.start, node.span.end)
        return (matched and matched[1]) or spelled(node)

    def begins_line(self, bracket: str, start: int) -> bool:
        """Whether a new line begins behind the first `bracket` from `start` on."""
        text = self._source.text
        at = text.find(bracket, start)
        end = text.find("\n", at)
        return 0 <= at < end and not text[at + 1 : end].strip()

    def apart(self, offset: int) -> bool:
        """Whether a blank line stands above the line of `offset`."""
        above = self._source.place(offset).line - 1
        return above > 0 and not self._source.line(above).strip()

    def silent(self) -> Written:
        """The same text without its comments, to lay something out and see how it comes."""
        return Written(self._source, ())

    def take(self, end: int) -> list[Comment]:
        """The comments that begin before `end` and were not taken yet."""
        first = self._next
        while self._next < len(self._comments) and self._comments[self._next].span.start < end:
            self._next += 1
        return list(self._comments[first : self._next])

    def trails(self, comment: Comment) -> bool:
        """Whether something else stands before `comment` on its line."""
        text = self._source.text
        start = text.rfind("\n", 0, comment.span.start) + 1
        return bool(text[start : comment.span.start].strip())

    def before(self, offset: int, *, opening: bool = False) -> tuple[Doc, ...]:
        """The comments that stand before `offset`, to be put in front of a line that breaks because of them.

        A blank line above a comment is kept, unless the comment is the first thing after an opening bracket.
        """
        docs: list[Doc] = []
        for comment in self.take(offset):
            if not docs and self.trails(comment):
                docs.append(Trailing(f"  {comment.text}"))
            else:
                first = opening and not any(isinstance(doc, str) for doc in docs)
                docs += (BLANK if self.apart(comment.span.start) and not first else HARD, comment.text)
        return tuple(docs)
