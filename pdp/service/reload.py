"""Keeps the decision point on the newest policies that can be used.

Knows when to look (a change on disk, a signal) and what to do with what it finds: a good program replaces the
old one whole; a broken edit leaves the last good one deciding, and says so. Knows nothing of policies.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path

import watchfiles

from pdp.language.diagnostic import Diagnostic, PolicyError
from pdp.point import DecisionPoint
from pdp.program.program import Program
from pdp.service.metrics import Metrics

log = logging.getLogger("pdp.policies")

# How many findings of a broken edit the log shows; `pdp check` shows them all.
_SHOWN = 5
# How long to wait before a folder that cannot be watched is tried again.
_AGAIN = 2.0


@dataclass(frozen=True, slots=True)
class Status:
    """Which policies decide, and whether they are the ones on disk. `problems` counts what is wrong there."""

    loaded: datetime
    stale: bool = False
    problems: int = 0


class Reloader:
    """Loads again when asked or when files change. `status` is what changes; loads never overlap."""

    def __init__(
        self, point: DecisionPoint, load: Callable[[], Program], path: Path, metrics: Metrics, *, watch: bool
    ) -> None:
        self._point = point
        self._load = load
        self._path = path
        self._metrics = metrics
        self._watch = watch
        self._asked = asyncio.Event()
        self._stop = asyncio.Event()
        self.status = Status(datetime.now(UTC))
        metrics.loaded(len(point.program.rules))

    def ask(self) -> None:
        """Have the policies loaded again, soon. From the event loop only."""
        self._asked.set()

    async def run(self) -> None:
        """Until cancelled: loads whenever asked."""
        watching = asyncio.create_task(self._watching()) if self._watch else None
        try:
            while True:
                await self._asked.wait()
                # Cleared first: what changes while loading asks for another turn.
                self._asked.clear()
                await self.reload()
        finally:
            self._stop.set()
            if watching is not None:
                watching.cancel()
                with contextlib.suppress(asyncio.CancelledError):
                    await watching

    async def reload(self) -> None:
        """Load once, and decide by the result if it can be used."""
        before = self._point.program.digest
        try:
            program = await asyncio.to_thread(self._load)
        except PolicyError as error:
            wrong = [found for found in error.diagnostics if found.severity == "error"]
            self._keep(len(wrong), "; ".join(_told(found, error) for found in wrong[:_SHOWN]))
        except OSError as error:
            self._keep(1, f"cannot be read: {error.strerror}")
        except Exception:
            log.exception("the policies could not be loaded")
            self._keep(1, "they could not be loaded")
        else:
            self._point.replace(program)
            self.status = Status(datetime.now(UTC))
            self._metrics.loaded(len(program.rules))
            if program.digest != before:
                log.info("policies reloaded: %d rules, %s", len(program.rules), program.digest)

    def _keep(self, problems: int, why: str) -> None:
        self.status = replace(self.status, stale=True, problems=problems)
        self._metrics.kept()
        log.error(
            "the policies on disk cannot be used, %s keeps deciding; %d problem%s: %s",
            self._point.program.digest, problems, "" if problems == 1 else "s", why,
        )  # fmt: skip

    async def _watching(self) -> None:
        polling = False
        # What changed between the first load and the first look would be missed otherwise.
        asyncio.get_running_loop().call_later(_AGAIN, self.ask)
        while not self._stop.is_set():
            # A single file is watched through its folder: editors replace a file rather than write into it.
            folder = self._path.parent if self._path.is_file() else self._path
            if not folder.exists():
                await asyncio.sleep(_AGAIN)
                self.ask()
                continue
            try:
                async for _ in watchfiles.awatch(
                    folder,
                    watch_filter=self._is_ours,
                    debounce=400,
                    step=50,
                    stop_event=self._stop,
                    recursive=folder is self._path,
                    force_polling=polling or None,
                    poll_delay_ms=1_000,
                ):
                    self.ask()
                    if not folder.exists():
                        break
            except Exception as error:
                if folder.exists():
                    log.warning("the policies cannot be watched, looking every second instead: %s", error)
                    polling = True

    def _is_ours(self, change: watchfiles.Change, path: str) -> bool:
        # Not only *.policy: a folder that is moved into place, or a link that is turned, names itself alone.
        return ".git" not in Path(path).parts


def _told(found: Diagnostic, error: PolicyError) -> str:
    source = error.sources.get(found.span.path)
    line = f":{source.place(found.span.start).line}" if source is not None else ""
    return f"{found.span.path}{line}: {found.code} {found.message}"
