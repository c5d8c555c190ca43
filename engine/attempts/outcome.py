"""What became of an attempt, and the small codes under which the ledger stores it."""

from __future__ import annotations

from enum import IntEnum
from uuid import UUID

# Attempts refused before an agent was known stand under this id; it belongs to nobody.
UNKNOWN_AGENT = UUID(int=0)


class Outcome(IntEnum):
    """How an attempt ended; the number is what the ledger stores."""

    COMMITTED = 1
    REPLAYED = 2
    REJECTED = 3
    CONFLICT = 4
    FAILED = 5
    INDETERMINATE = 6


class Path(IntEnum):
    """Which save path took the attempt."""

    HARDENED = 1
    LEGACY = 2


class Source(IntEnum):
    """What kind of traffic it was; only live traffic counts for objectives and alerts."""

    LIVE = 1
    SYNTHETIC = 2
    DRILL = 3
    LOAD = 4
