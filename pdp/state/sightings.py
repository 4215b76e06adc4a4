"""How often, and from how many peers, a credential was seen."""

from __future__ import annotations

from pdp.state.store import Store


class Sightings:
    """Counts in this process."""

    def __init__(self, *, room: int = 100_000, store: Store | None = None) -> None:
        self._seen: dict[bytes, tuple[int, set[str]]] = {}

    def saw(self, identity: bytes, source: str, expires: float, seconds: float) -> tuple[int, int]:
        """Earlier uses, and distinct sources now."""
        uses, sources = self._seen.get(identity, (0, set()))
        sources.add(source)
        self._seen[identity] = (uses + 1, sources)
        return uses, len(sources)
