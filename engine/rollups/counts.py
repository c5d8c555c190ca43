"""What is counted of the attempts of a span of time: one value that adds up."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from enum import IntEnum
from typing import Final

from engine.attempts.outcome import Outcome
from engine.errors import TAXONOMY, ErrorCode, Severity
from engine.rollups.histogram import merged

ALL_OPERATIONS: Final = 0


class Traffic(IntEnum):
    """Where attempts come from, as the rollups keep them apart; the first four are `Source`s."""

    LIVE = 1
    SYNTHETIC = 2
    DRILL = 3
    LOAD = 4
    # Live, but refused before an agent was known: in no objective's denominator.
    UNKNOWN_CALLER = 5


@dataclass(frozen=True, slots=True)
class Counts:
    """Counters and the latency histogram of some attempts.

    Attributes:
        attempts: all of them.
        by_outcome: how many ended how.
        by_code: how many carry which error code, by its number.
        retried: attempts that were rolled back at least once, tried again, and did not end as
            aborted.
        at_edge: attempts of requests that an edge counted, too.
        timed: attempts whose duration is known; a killed process takes it along.
        over_p95: timed attempts that reached the limit of the P95 objective.
        over_p99: the same for the P99 objective.
        duration_us: sum of durations.
        database_us: sum of the database's part in them.
        longest_us: the longest duration.
        histogram: bucket → timed attempts.
    """

    attempts: int = 0
    by_outcome: Mapping[Outcome, int] = field(default_factory=dict)
    by_code: Mapping[int, int] = field(default_factory=dict)
    retried: int = 0
    at_edge: int = 0
    timed: int = 0
    over_p95: int = 0
    over_p99: int = 0
    duration_us: int = 0
    database_us: int = 0
    longest_us: int = 0
    histogram: Mapping[int, int] = field(default_factory=dict)

    def ended(self, *outcomes: Outcome) -> int:
        """How many ended in one of these ways."""
        return sum(self.by_outcome.get(each, 0) for each in outcomes)

    def coded(self, *codes: ErrorCode) -> int:
        """How many carry one of these codes."""
        return sum(self.by_code.get(TAXONOMY[each].number, 0) for each in codes)

    @property
    def succeeded(self) -> int:
        """Committed and replayed."""
        return self.ended(Outcome.COMMITTED, Outcome.REPLAYED)

    @property
    def unsuccessful(self) -> int:
        """Neither committed nor replayed, whosever fault."""
        return self.attempts - self.succeeded

    @property
    def service_failures(self) -> int:
        """Failed through no fault of the caller; what stays indeterminate counts against us."""
        return self.ended(Outcome.FAILED, Outcome.INDETERMINATE)

    @property
    def critical(self) -> int:
        """Codes of severity CRITICAL but QUOTE_ALREADY_SENT, which is the caller's doing."""
        return self.critical_and_already_sent - self.coded(ErrorCode.QUOTE_ALREADY_SENT)

    @property
    def critical_and_already_sent(self) -> int:
        """Codes of severity CRITICAL, as the checklist plainly reads."""
        return self.coded(*CRITICAL)

    @property
    def rolled_back(self) -> int:
        """Attempts with a transaction that the database rolled back, mended by a retry or not."""
        return self.retried + self.coded(ErrorCode.DATABASE_TRANSACTION_ABORTED)


CRITICAL: Final = tuple(
    code for code, meaning in TAXONOMY.items() if meaning.severity is Severity.CRITICAL
)
# What is added up where counts are; the others are merged, or the greatest counts.
ADDED: Final = (
    "attempts",
    "retried",
    "at_edge",
    "timed",
    "over_p95",
    "over_p99",
    "duration_us",
    "database_us",
)

NOTHING: Final = Counts()


def total(parts: Iterable[Counts]) -> Counts:
    """Everything that any of them counted."""
    parts = list(parts)
    if len(parts) == 1:
        return parts[0]
    by_outcome: dict[Outcome, int] = {}
    by_code: dict[int, int] = {}
    for part in parts:
        for outcome, count in part.by_outcome.items():
            by_outcome[outcome] = by_outcome.get(outcome, 0) + count
        for code, count in part.by_code.items():
            by_code[code] = by_code.get(code, 0) + count
    return Counts(
        **{name: sum(getattr(part, name) for part in parts) for name in ADDED},
        by_outcome=by_outcome,
        by_code=by_code,
        longest_us=max((part.longest_us for part in parts), default=0),
        histogram=merged(part.histogram for part in parts),
    )
