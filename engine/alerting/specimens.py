"""One attempt of each kind that counters tell apart: what a part counts is seen by trying them."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from itertools import product
from typing import Final

from engine.attempts.ledger import outcome_of
from engine.attempts.outcome import Outcome
from engine.errors import TAXONOMY, ErrorCode
from engine.rollups.counts import Counts
from engine.rollups.histogram import bucket_of
from engine.rollups.parts import Part
from engine.slo.objectives import LIMITS

# One for each way that a duration is counted: unknown, fast, over one limit, over both.
_DURATIONS_US: Final = (None, 1_000, LIMITS.p95_us, LIMITS.p99_us)


@dataclass(frozen=True, slots=True)
class Specimen:
    """One attempt.

    Attributes:
        outcome: how it ended.
        code: with which code, if it was refused.
        is_retried: whether it was rolled back and tried again.
        duration_us: None if it is not known.
    """

    outcome: Outcome
    code: ErrorCode | None = None
    is_retried: bool = False
    duration_us: int | None = None

    @property
    def counts(self) -> Counts:
        """The counters of this one attempt."""
        us = self.duration_us
        return Counts(
            attempts=1,
            by_outcome={self.outcome: 1},
            by_code={} if self.code is None else {TAXONOMY[self.code].number: 1},
            retried=int(self.is_retried),
            timed=int(us is not None),
            over_p95=int(us is not None and us >= LIMITS.p95_us),
            over_p99=int(us is not None and us >= LIMITS.p99_us),
            duration_us=us or 0,
            longest_us=us or 0,
            histogram={} if us is None else {bucket_of(us): 1},
        )


def of_code(code: ErrorCode) -> Specimen:
    """An attempt that was refused with a code."""
    return Specimen(outcome_of(code), code)


def comprises(whole: Part, part: Part) -> bool:
    """Whether one part counts every attempt that another one counts."""
    return all(whole.count(each) for each in _counts() if part.count(each))


@cache
def _counts() -> tuple[Counts, ...]:
    return tuple(each.counts for each in _specimens())


def _specimens() -> Iterator[Specimen]:
    ends = [
        (Outcome.COMMITTED, None),
        (Outcome.REPLAYED, None),
        (Outcome.INDETERMINATE, ErrorCode.QUOTE_PERSISTENCE_FAILED),
        *((outcome_of(code), code) for code in ErrorCode),
    ]
    for (outcome, code), us, is_retried in product(ends, _DURATIONS_US, (False, True)):
        # Of an attempt that was given up, its retries are not counted once more.
        if not (is_retried and code is ErrorCode.DATABASE_TRANSACTION_ABORTED):
            yield Specimen(outcome, code, is_retried, us)
