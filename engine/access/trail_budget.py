"""How much of the audit trail anybody who is nobody may fill.

Refusals leave a row each, and rows stay. So only so many of them are written within a minute for
one network, and for all of them together; whatever is refused beyond that is a line in the log.
"""

from __future__ import annotations

import threading
from collections import Counter
from typing import Final

from engine.access.addresses import network_of
from engine.clock import Clock

_MINUTE_S: Final = 60.0
PER_NETWORK: Final = 1_000
IN_ALL: Final = 5_000


class TrailBudget:
    """Counts rows of one process, by the minute; safe to use from any thread."""

    def __init__(self, clock: Clock, per_network: int = PER_NETWORK, in_all: int = IN_ALL) -> None:
        """Starts a minute.

        Args:
            clock: for when it is over.
            per_network: most rows of one network within it.
            in_all: most rows of all.
        """
        self._clock = clock
        self._per_network, self._in_all = per_network, in_all
        self._lock = threading.Lock()
        self._began = clock.monotonic()
        # No more networks than rows, and those are few.
        self._written: Counter[str] = Counter()

    def may_write(self, address: str | None) -> bool:
        """Whether there is room for a row; it is counted then.

        Args:
            address: of whoever is refused; None where it is not known.
        """
        now, network = self._clock.monotonic(), network_of(address)
        with self._lock:
            if now - self._began >= _MINUTE_S:
                self._began = now
                self._written.clear()
            has_room = (
                self._written[network] < self._per_network and self._written.total() < self._in_all
            )
            if has_room:
                self._written[network] += 1
            else:
                self._written += Counter()  # drops the zero that looking has left
            return has_room
