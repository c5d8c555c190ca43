"""Parts of the attempts that numbers are made of, each told twice: from counters and from rows.

The counter makes a number fast, the condition finds the attempts behind it in the ledger. They are
kept side by side so that a number's receipt cannot speak of something else than the number does.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Final, LiteralString

from engine.attempts.outcome import Outcome, Source
from engine.errors import TAXONOMY, ErrorCode
from engine.rollups.counts import CRITICAL, Counts, Traffic
from engine.rollups.fold import BEFORE_AGENT_SQL


@dataclass(frozen=True, slots=True)
class Part:
    """Some of the attempts of a window.

    Attributes:
        key: names it in addresses and in code; never changes.
        title: names it on screens, as a plural.
        count: how many there are, from the counters.
        sql: the same as a condition on a row of `attempt`.
    """

    key: str
    title: str
    count: Callable[[Counts], int]
    sql: LiteralString


def _outcomes(*outcomes: Outcome) -> LiteralString:
    return _is_in("outcome", *outcomes)


def _codes(*codes: ErrorCode) -> LiteralString:
    return _is_in("error_code", *(TAXONOMY[each].number for each in codes))


def _is_in(column: LiteralString, *numbers: int) -> LiteralString:
    listed = ", ".join(str(int(each)) for each in sorted(numbers))
    return f"{column} IN ({listed})"


# Said although it follows from the outcome: the few rows that have a code have an index.
_HAS_CODE: Final = "error_code IS NOT NULL AND"
_SUCCEEDED: Final = (Outcome.COMMITTED, Outcome.REPLAYED)
_FAILED: Final = (Outcome.FAILED, Outcome.INDETERMINATE)
_ABORTED: Final = ErrorCode.DATABASE_TRANSACTION_ABORTED
_CALLERS_DOING: Final = ErrorCode.QUOTE_ALREADY_SENT


def _coded(key: str, title: str, code: ErrorCode) -> Part:
    return Part(key, title, lambda counts: counts.coded(code), _codes(code))


ALL: Final = Part("all", "attempts", lambda counts: counts.attempts, "true")
SUCCEEDED: Final = Part(
    "succeeded",
    "committed and replayed attempts",
    lambda counts: counts.succeeded,
    _outcomes(*_SUCCEEDED),
)
UNSUCCESSFUL: Final = Part(
    "unsuccessful",
    "attempts neither committed nor replayed",
    lambda counts: counts.unsuccessful,
    f"{_HAS_CODE} NOT {_outcomes(*_SUCCEEDED)}",
)
SERVICE_FAILURES: Final = Part(
    "service_failures",
    "attempts that failed through us",
    lambda counts: counts.service_failures,
    f"{_HAS_CODE} {_outcomes(*_FAILED)}",
)
CALLERS_ERRORS: Final = Part(
    "callers_errors",
    "attempts rejected or in conflict",
    lambda counts: counts.unsuccessful - counts.service_failures,
    f"{_HAS_CODE} {_outcomes(Outcome.REJECTED, Outcome.CONFLICT)}",
)
CRITICAL_ERRORS: Final = Part(
    "critical",
    f"attempts with a critical code but {_CALLERS_DOING}",
    lambda counts: counts.critical,
    _codes(*(code for code in CRITICAL if code is not _CALLERS_DOING)),
)
CRITICAL_AND_ALREADY_SENT: Final = Part(
    "critical_and_already_sent",
    "attempts with a critical code",
    lambda counts: counts.critical_and_already_sent,
    _codes(*CRITICAL),
)
CONFLICTS: Final = _coded("conflicts", "version conflicts", ErrorCode.QUOTE_CONFLICT_VERSION)
NOT_PERSISTED: Final = _coded(
    "not_persisted", "quotes that could not be stored", ErrorCode.QUOTE_PERSISTENCE_FAILED
)
VALIDATIONS: Final = _coded("validations", "invalid quotes", ErrorCode.QUOTE_VALIDATION_FAILED)
INTERNAL_ERRORS: Final = _coded("internal_errors", "internal errors", ErrorCode.INTERNAL_ERROR)
TIMEOUTS: Final = _coded("timeouts", "database timeouts", ErrorCode.DATABASE_TIMEOUT)
ABORTED: Final = _coded("aborted", "attempts given up after rollbacks", _ABORTED)
RETRIED: Final = Part(
    "retried",
    "attempts rolled back and tried again",
    lambda counts: counts.retried,
    f"retries > 0 AND error_code IS DISTINCT FROM {TAXONOMY[_ABORTED].number}",
)
ROLLED_BACK: Final = Part(
    "rolled_back",
    "attempts with a transaction that was rolled back",
    lambda counts: counts.rolled_back,
    f"({RETRIED.sql} OR {ABORTED.sql})",
)
_UNFIT: Final = (
    ErrorCode.QUOTE_VALIDATION_FAILED,
    ErrorCode.PRICING_VALIDATION_FAILED,
    ErrorCode.CURRENCY_INVALID,
)
UNFIT: Final = Part(
    "unfit",
    "invalid quotes, prices and currencies",
    lambda counts: counts.coded(*_UNFIT),
    _codes(*_UNFIT),
)
_NOT_ALLOWED: Final = (
    ErrorCode.QUOTE_STATE_INVALID,
    ErrorCode.QUOTE_ALREADY_SENT,
    ErrorCode.AUTHORIZATION_FAILED,
    ErrorCode.CLIENT_NOT_FOUND,
    ErrorCode.QUOTE_NOT_FOUND,
    ErrorCode.QUOTA_EXCEEDED,
    ErrorCode.RATE_LIMIT_EXCEEDED,
)
NOT_ALLOWED: Final = Part(
    "not_allowed",
    "attempts at what is not there, not permitted or over a limit",
    lambda counts: counts.coded(*_NOT_ALLOWED),
    _codes(*_NOT_ALLOWED),
)
TIMED: Final = Part(
    "timed",
    "attempts whose duration is known",
    lambda counts: counts.timed,
    "duration_us > 0",
)


def slower(key: str, title: str, count: Callable[[Counts], int], limit_us: int) -> Part:
    """The attempts that reached a duration that the rollups count against.

    Args:
        key: of the part.
        title: of the part.
        count: how many there are, from the counters.
        limit_us: in microseconds.
    """
    return Part(key, title, count, f"duration_us >= {limit_us}")


# Which of the attempts a kind of traffic has; the same as `fold.TRAFFIC_SQL` says.
TRAFFIC: Final[Mapping[Traffic, str]] = MappingProxyType(
    {
        Traffic.LIVE: f"source = {Source.LIVE.value} AND NOT {BEFORE_AGENT_SQL}",
        Traffic.SYNTHETIC: f"source = {Source.SYNTHETIC.value}",
        Traffic.DRILL: f"source = {Source.DRILL.value}",
        Traffic.LOAD: f"source = {Source.LOAD.value}",
        Traffic.UNKNOWN_CALLER: f"source = {Source.LIVE.value} AND {BEFORE_AGENT_SQL}",
    }
)
