"""Patterns for names: globs, caller patterns and URL path patterns. Knows nothing of policies or requests.

Each is compiled once to a function from text to bool that takes time linear in the text. What a pattern
may look like is told by the `check_…` functions, which raise `ValueError` with a sentence for its author.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import lru_cache

Matcher = Callable[[str], bool]

SPIFFE = "spiffe://"
# SPIFFE-ID, section 2: the trust domain name, the path, and the length of the whole.
TRUST_DOMAIN_CHARACTERS = frozenset("abcdefghijklmnopqrstuvwxyz0123456789.-_")
SEGMENT_CHARACTERS = TRUST_DOMAIN_CHARACTERS | frozenset("ABCDEFGHIJKLMNOPQRSTUVWXYZ")
TRUST_DOMAIN_LIMIT = 255
SPIFFE_ID_LIMIT = 2048


# Globs: `*` is any run of characters, `\*` a literal star, everything else itself.


def _parts(pattern: str) -> list[str]:
    """The literal text between the stars of a glob: one part more than there are stars."""
    if "*" not in pattern:
        return [pattern]
    parts, part, at = [], "", 0
    while at < len(pattern):
        if pattern.startswith("\\*", at):
            part += "*"
            at += 2
        elif pattern[at] == "*":
            parts.append(part)
            part = ""
            at += 1
        else:
            part += pattern[at]
            at += 1
    parts.append(part)
    return parts


def exact(pattern: str) -> str | None:
    """The one text that `pattern` matches, or None where it has a wildcard."""
    parts = _parts(pattern)
    return parts[0] if len(parts) == 1 else None


def literal_prefix(pattern: str) -> str:
    """What every text that `pattern` matches begins with: the pattern before its first wildcard."""
    return _parts(pattern)[0]


@lru_cache(maxsize=65536)
def glob(pattern: str) -> Matcher:
    """Whether a whole text matches the glob `pattern`. Every text is a legal glob."""
    first, *rest = _parts(pattern)
    if not rest:
        return lambda text: text == first
    middle, last = [part for part in rest[:-1] if part], rest[-1]
    if not middle and not last:
        return lambda text: text.startswith(first)
    shortest = len(first) + sum(map(len, middle)) + len(last)

    def matches(text: str) -> bool:
        if len(text) < shortest or not text.startswith(first) or not text.endswith(last):
            return False
        # The leftmost place of each part leaves most for those after it, so there is no going back.
        at, end = len(first), len(text) - len(last)
        for part in middle:
            found = text.find(part, at, end)
            if found < 0:
                return False
            at = found + len(part)
        return True

    return matches


# SPIFFE IDs: the SPIFFE-ID specification, section 2.


def _check_trust_domain(text: str, name: str) -> None:
    if not name:
        raise ValueError(f"`{text}` names no trust domain")
    if len(name) > TRUST_DOMAIN_LIMIT:
        raise ValueError(f"a trust domain is at most {TRUST_DOMAIN_LIMIT} characters long")
    for character in name:
        if character not in TRUST_DOMAIN_CHARACTERS:
            if character == "*":
                raise ValueError("a SPIFFE ID pattern has no `*` in its trust domain")
            raise ValueError(f"`{character}` is not allowed in the trust domain of a SPIFFE ID")


def _check_segment(text: str, segment: str, allowed: frozenset[str]) -> None:
    if not segment:
        raise ValueError(f"`{text}` has an empty path segment")
    if segment in (".", ".."):
        raise ValueError(f"`{text}` has a relative path segment `{segment}`")
    for character in segment:
        if character not in allowed:
            raise ValueError(f"`{character}` is not allowed in the path of a SPIFFE ID")


def _check_frame(text: str, what: str) -> tuple[str, list[str]]:
    if not text.startswith(SPIFFE):
        raise ValueError(f"a {what} begins with `spiffe://`")
    if len(text.encode("utf-8", "replace")) > SPIFFE_ID_LIMIT:
        raise ValueError(f"a {what} is at most {SPIFFE_ID_LIMIT} bytes long")
    trust_domain, *segments = text[len(SPIFFE) :].split("/")
    _check_trust_domain(text, trust_domain)
    return trust_domain, segments


def check_spiffe_id(text: str) -> None:
    """Raise `ValueError` unless `text` is a SPIFFE ID (of a workload, or of a trust domain alone)."""
    _, segments = _check_frame(text, "SPIFFE ID")
    for segment in segments:
        _check_segment(text, segment, SEGMENT_CHARACTERS)


@lru_cache(maxsize=4096)
def is_spiffe_id(text: str) -> bool:
    """Whether `text` is a SPIFFE ID."""
    try:
        check_spiffe_id(text)
    except ValueError:
        return False
    return True


def trust_domain(text: str) -> str | None:
    """The trust domain of the SPIFFE ID `text`; None when it is none."""
    return text[len(SPIFFE) :].split("/", 1)[0] if is_spiffe_id(text) else None


# Caller patterns: SPIFFE ID patterns where they begin with `spiffe://`, else globs.


def check_caller_pattern(text: str) -> None:
    """Raise `ValueError` unless `text` is a pattern for callers' ids that can match one."""
    if not text:
        raise ValueError("an empty pattern matches no caller")
    if not text.startswith(SPIFFE):
        if text.lower().startswith("spiffe:"):
            raise ValueError(f"`{text}` is no SPIFFE ID pattern: it begins with `spiffe://`, in lower case")
        return
    _, segments = _check_frame(text, "SPIFFE ID pattern")
    if segments and segments[-1] == "**":
        segments.pop()
    for segment in segments:
        if "**" in segment:
            raise ValueError("`**` stands alone, as the last segment of a SPIFFE ID pattern")
        _check_segment(text, segment, SEGMENT_CHARACTERS | {"*"})


@lru_cache(maxsize=65536)
def caller_pattern(text: str) -> Matcher:
    """Whether a caller's id matches the pattern `text`, which `check_caller_pattern` has passed.

    `*` stays within one segment of a SPIFFE ID, `**` is one segment or more. An id that begins with
    `spiffe://` is matched by SPIFFE ID patterns only, and only where it is a SPIFFE ID.
    """
    if not text.startswith(SPIFFE):
        plain = glob(text)
        return lambda id: plain(id) and not id.startswith(SPIFFE)
    if "*" not in text:
        return lambda id: id == text
    segments = text.split("/")
    deep = segments[-1] == "**"
    if deep:
        segments.pop()
    fixed = "/".join(segments) + "/"
    if deep and "*" not in fixed:
        return lambda id: id.startswith(fixed) and is_spiffe_id(id)
    prefix, count = literal_prefix(text), len(segments)
    wild = [(at, glob(segment)) for at, segment in enumerate(segments) if "*" in segment]
    same = [(at, segment) for at, segment in enumerate(segments) if "*" not in segment]

    def matches(id: str) -> bool:
        if not id.startswith(prefix):
            return False
        found = id.split("/")
        if len(found) <= count if deep else len(found) != count:
            return False
        return (
            all(found[at] == segment for at, segment in same)
            and all(match(found[at]) for at, match in wild)
            and is_spiffe_id(id)
        )

    return matches


# URL paths: see LANGUAGE.md section 2, `path_like`.

_HEX = frozenset("0123456789abcdefABCDEF")


def _control(text: str) -> bool:
    return any(character < " " or "\x7f" <= character <= "\x9f" for character in text)


def path_segments(path: str) -> list[str]:
    """The percent-decoded segments of an absolute URL path; `ValueError` for a path with two readings.

    Those are: dot segments (`..;a` too, which some servers read so), empty segments, an encoded slash, a
    backslash, a control character, `?` or `#` unencoded, a broken percent escape, and invalid UTF-8.
    """
    if not path.startswith("/"):
        raise ValueError("a path begins with `/`")
    if "?" in path or "#" in path:
        raise ValueError("a path has neither query nor fragment")
    if path == "/":
        return []
    return [_decoded(segment) for segment in path[1:].split("/")]


def _decoded(segment: str) -> str:
    if "%" in segment:
        first, *rest = segment.split("%")
        data = first.encode("utf-8")
        for part in rest:
            if len(part) < 2 or part[0] not in _HEX or part[1] not in _HEX:
                raise ValueError("a percent escape is broken")
            data += bytes((int(part[:2], 16),)) + part[2:].encode("utf-8")
        segment = data.decode("utf-8")
    if "/" in segment or "\\" in segment or _control(segment):
        raise ValueError("a path segment has a slash, a backslash or a control character")
    if segment.split(";", 1)[0] in ("", ".", ".."):
        raise ValueError("a path segment is empty or a dot segment")
    return segment


def _placeholder(segment: str) -> bool:
    if segment == "*":
        return True
    name = segment[1:-1]
    return segment.startswith("{") and segment.endswith("}") and name.isidentifier() and name.isascii()


@lru_cache(maxsize=4096)
def path_pattern(pattern: str) -> Matcher:
    """Whether a URL path matches `pattern`, segment by segment; `ValueError` for a malformed pattern.

    The function it gives raises `ValueError` for a path with two readings (see `path_segments`).
    """
    if not pattern.startswith("/"):
        raise ValueError("a path pattern begins with `/`")
    segments = pattern[1:].split("/") if pattern != "/" else []
    deep = bool(segments) and segments[-1] == "**"
    if deep:
        segments.pop()
    same: list[tuple[int, str]] = []
    for at, segment in enumerate(segments):
        if segment == "**":
            raise ValueError("`**` is the last segment of a path pattern")
        if _placeholder(segment):
            continue
        if any(character in segment for character in "*{}"):
            raise ValueError(f"`{segment}` is neither text nor `*` nor `{{name}}`: each is a whole segment")
        if any(character in segment for character in "%?#"):
            raise ValueError(f"`{segment}` is not a decoded path segment")
        same.append((at, _decoded(segment)))
    count = len(segments)

    def matches(path: str) -> bool:
        found = path_segments(path)
        if len(found) < count if deep else len(found) != count:
            return False
        return all(found[at] == segment for at, segment in same)

    return matches
