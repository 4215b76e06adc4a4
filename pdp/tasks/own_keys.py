"""The keys that sign here, believed here: read from the state as often as another process may change them."""

from __future__ import annotations

import asyncio
import time
from contextlib import suppress
from typing import Final

from pdp.evidence.kept import Kept, Publish
from pdp.state.store import StoreError
from pdp.tasks.signing import SigningKeys

# A key is published long before it signs, but for one that is told to sign at once.
_EVERY: Final = 0.5
# How long they are believed when the state cannot be read: no decision is made without it anyway.
_STALE: Final = 30.0
# How often to look whether a key is to be made, activated or retired.
_TENDED: Final = 10.0


class OwnKeys(Kept):
    """The signing keys of this decision point, as keys of an issuer that is believed."""

    def __init__(self, name: str, publish: Publish, keys: SigningKeys) -> None:
        super().__init__(name, publish, _EVERY, _STALE)
        self._keys = keys
        self._asked = asyncio.Event()
        self._tended = 0.0

    def where(self) -> str:
        return "the state"

    async def refresh(self) -> bool:
        began = time.time()
        self.next = began + _EVERY
        try:
            if began >= self._tended:
                await asyncio.to_thread(self._keys.tend, began)
                self._tended = began + _TENDED
            data = self._keys.jwks(began)
        except StoreError as error:
            return self.failed(str(error))
        return self.took(data, began)

    async def keep(self) -> None:
        while True:
            with suppress(TimeoutError):
                async with asyncio.timeout(_EVERY):
                    await self._asked.wait()
            self._asked.clear()
            await self.refresh()

    def ask(self) -> None:
        self._asked.set()
