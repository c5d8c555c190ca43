"""What is promised of saves, as data; see the domain page's section 9.

Every objective is a share of bad attempts that must stay below a limit, so that one exact test
serves them all. "P95 below 500 ms" says that fewer than 5 % of the attempts take 500 ms or longer;
"success above 99 %" that fewer than 1 % do not succeed.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import timedelta
from types import MappingProxyType
from typing import Final

from engine.rollups import parts
from engine.rollups.parts import Part
from engine.rollups.roller import Limits

# What the latency objectives stay below, in microseconds. The rollups count against these when they
# are written, so a change of them takes `saveguard rollup rebuild`.
LIMITS: Final = Limits(p95_us=500_000, p99_us=1_000_000)

# The windows that every objective is judged in.
WINDOWS: Final = (
    timedelta(minutes=5),
    timedelta(hours=1),
    timedelta(hours=24),
    timedelta(days=30),
)
# What an error budget is for.
BUDGET_PERIOD: Final = timedelta(days=30)


@dataclass(frozen=True, slots=True)
class Objective:
    """A promise.

    Attributes:
        key: names it in addresses and in code; never changes.
        title: names it on screens.
        target: the promise in words.
        limit: the share of bad attempts that must not be reached.
        bad: counts those that break the promise.
        of: counts those that it is made for.
        meaning: what is counted, in one sentence.
        burns: whether it has burn-rate alerts.
    """

    key: str
    title: str
    target: str
    limit: float
    bad: Part
    of: Part
    meaning: str
    burns: bool = False


SLOWER_THAN_P95: Final = parts.slower(
    "over_p95",
    "attempts that took 500 ms or longer",
    lambda counts: counts.over_p95,
    LIMITS.p95_us,
)
SLOWER_THAN_P99: Final = parts.slower(
    "over_p99",
    "attempts that took 1,000 ms or longer",
    lambda counts: counts.over_p99,
    LIMITS.p99_us,
)

_OBJECTIVES: Final = (
    Objective(
        "success_rate",
        "Success rate",
        "> 99 %",
        0.01,
        parts.UNSUCCESSFUL,
        parts.ALL,
        "Committed and replayed attempts of all, as the checklist counts it.",
    ),
    Objective(
        "service_success_rate",
        "Service success rate",
        "> 99 %",
        0.01,
        parts.SERVICE_FAILURES,
        parts.ALL,
        "All but those that failed through our fault; what callers got wrong does not count.",
        burns=True,
    ),
    Objective(
        "latency_p95",
        "P95 latency",
        "< 500 ms",
        0.05,
        SLOWER_THAN_P95,
        parts.TIMED,
        "Fewer than 5 % of the attempts may take 500 ms or longer, from arrival to the written"
        " row.",
        burns=True,
    ),
    Objective(
        "latency_p99",
        "P99 latency",
        "< 1,000 ms",
        0.01,
        SLOWER_THAN_P99,
        parts.TIMED,
        "Fewer than 1 % of the attempts may take 1,000 ms or longer, from arrival to the written"
        " row.",
        burns=True,
    ),
    Objective(
        "error_rate",
        "Error rate",
        "< 1 %",
        0.01,
        parts.UNSUCCESSFUL,
        parts.ALL,
        "What is left of the success rate, as the checklist counts it.",
    ),
    Objective(
        "critical_error_rate",
        "Critical error rate",
        "< 0.1 %",
        0.001,
        parts.CRITICAL_ERRORS,
        parts.ALL,
        "Codes of severity CRITICAL but QUOTE_ALREADY_SENT, which is the caller's doing.",
        burns=True,
    ),
    Objective(
        "conflict_rate",
        "Conflict rate",
        "< 0.1 %",
        0.001,
        parts.CONFLICTS,
        parts.ALL,
        "Saves that lost a race for a version.",
    ),
    Objective(
        "rollback_rate",
        "Rollback rate",
        "< 0.5 %",
        0.005,
        parts.ROLLED_BACK,
        parts.ALL,
        "Attempts with a transaction that the database rolled back, mended by a retry or not.",
    ),
    Objective(
        "validation_rate",
        "Validation errors",
        "< 0.5 %",
        0.005,
        parts.VALIDATIONS,
        parts.ALL,
        "QUOTE_VALIDATION_FAILED.",
    ),
    Objective(
        "internal_rate",
        "Internal errors",
        "< 0.1 %",
        0.001,
        parts.INTERNAL_ERRORS,
        parts.ALL,
        "INTERNAL_ERROR: what nobody foresaw.",
    ),
)

OBJECTIVES: Final[Mapping[str, Objective]] = MappingProxyType(
    {objective.key: objective for objective in _OBJECTIVES}
)

# Every part that a number on a screen may be made of, by its key.
PARTS: Final[Mapping[str, Part]] = MappingProxyType(
    {
        part.key: part
        for part in (
            parts.ALL,
            parts.SUCCEEDED,
            parts.UNSUCCESSFUL,
            parts.SERVICE_FAILURES,
            parts.CALLERS_ERRORS,
            parts.CRITICAL_ERRORS,
            parts.CRITICAL_AND_ALREADY_SENT,
            parts.CONFLICTS,
            parts.NOT_PERSISTED,
            parts.VALIDATIONS,
            parts.UNFIT,
            parts.NOT_ALLOWED,
            parts.INTERNAL_ERRORS,
            parts.TIMEOUTS,
            parts.ABORTED,
            parts.RETRIED,
            parts.ROLLED_BACK,
            parts.TIMED,
            SLOWER_THAN_P95,
            SLOWER_THAN_P99,
        )
    }
)
