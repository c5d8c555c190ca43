"""What a replay counts while it runs: attempts, latencies, bookings."""

from __future__ import annotations

import threading
from array import array
from collections import Counter
from enum import StrEnum
from typing import Final, NamedTuple

from engine.attempts.outcome import Outcome
from engine.errors import ErrorCode
from engine.quotes.lifecycle import Operation
from engine.replay.sender import Message, Reply

_MICRO: Final = 1_000_000
_COMMITTED: Final = Outcome.COMMITTED


class Ended(NamedTuple):
    """What attempts are counted by; the same words as in the ledger."""

    operation: Operation
    outcome: Outcome
    code: ErrorCode | None


class Fate(StrEnum):
    """How a booking's story came out."""

    TOLD = "told to the end"
    REFUSED = "refused at its creation"
    BROKEN_OFF = "broken off by a later refusal"
    CUT_SHORT = "cut short by the end of the run"


class Tally:
    """Counts of one run; safe to use from any thread.

    Attributes:
        attempts: answered attempts.
        in_doubt: correlation ids of those answered as indeterminate: the ledger finds out later.
        unanswered: correlation ids of attempts without an answer, with their operation.
        repeats: attempts that were made again, of the answered and the unanswered.
        fates: bookings by how they came out.
        reasons: bookings refused at their creation, by code and reason.
        unsent: steps that were not sent because of an earlier refusal or the end of the run.
        saves: committed attempts.
        latencies_us: of answered attempts as the sender saw them, in microseconds.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self.attempts: Counter[Ended] = Counter()
        self.in_doubt: list[str] = []
        self.unanswered: dict[str, Operation] = {}
        self.repeats = 0
        self.fates: Counter[Fate] = Counter()
        self.reasons: Counter[tuple[ErrorCode | None, str]] = Counter()
        self.unsent = 0
        self.saves = 0
        self.latencies_us: dict[Operation, array[int]] = {}

    def answered(self, message: Message, reply: Reply, seconds: float, *, is_repeat: bool) -> None:
        """Counts an attempt that was answered."""
        operation = message.operation
        with self._lock:
            self.attempts[Ended(operation, reply.outcome, reply.code)] += 1
            self.latencies_us.setdefault(operation, array("Q")).append(int(seconds * _MICRO))
            self.saves += reply.outcome is _COMMITTED
            self.repeats += is_repeat
            if reply.outcome is Outcome.INDETERMINATE:
                self.in_doubt.append(message.correlation_id)

    def not_answered(self, message: Message, *, is_repeat: bool) -> None:
        """Counts an attempt of whose end nothing was heard."""
        with self._lock:
            self.unanswered[message.correlation_id] = message.operation
            self.repeats += is_repeat

    def ended(self, fate: Fate, unsent: int = 0, refusal: Reply | None = None) -> None:
        """Counts a booking whose story is over.

        Args:
            fate: how it came out.
            unsent: steps that were not sent.
            refusal: of a booking that was refused at its creation.
        """
        with self._lock:
            self.fates[fate] += 1
            self.unsent += unsent
            if refusal is not None:
                self.reasons[refusal.code, refusal.reason] += 1

    @property
    def bookings(self) -> int:
        """Bookings whose story is over."""
        return sum(self.fates.values())

    @property
    def sent(self) -> int:
        """Attempts sent, answered or not."""
        return sum(self.attempts.values()) + len(self.unanswered)


class Percentiles(NamedTuple):
    """Latencies in milliseconds."""

    p50: float
    p95: float
    p99: float


def percentiles(latencies_us: array[int]) -> Percentiles | None:
    """Exact percentiles by the nearest rank, None of nothing.

    Args:
        latencies_us: in microseconds, in any order.
    """
    if not latencies_us:
        return None
    ordered = sorted(latencies_us)
    last = len(ordered) - 1

    def at(percent: int) -> float:
        rank = -(-len(ordered) * percent // 100)
        return round(ordered[min(rank - 1, last)] / 1000, 3)

    return Percentiles(at(50), at(95), at(99))
