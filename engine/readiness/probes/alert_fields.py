"""What must stand in each field of an alert that somebody was sent; pure."""

from __future__ import annotations

import re
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from math import isclose
from types import MappingProxyType
from typing import Any, Final, TypeAlias

from engine.alerting.notices import NoticeKind
from engine.alerting.rules import AlertCode, AlertSeverity, Burning, Rule, Share
from engine.errors import TAXONOMY
from engine.rollups.counts import Traffic

# Of a notice: told so long after its alert began (or ended) it would mislead.
_APART_MAX: Final = timedelta(minutes=1)
_CODES: Final = frozenset({*(code.value for code in TAXONOMY), *(code.value for code in AlertCode)})
_MARKUP: Final = re.compile(r"<[A-Za-z/!]")
# What a rule that counts attempts is told with when it fires; watchdogs count none.
_COUNTED: Final = ("attempts", "bad", "share", "threshold", "window_s")
# Those besides that tell of live attempts; callers who were turned away need not have been timed.
_TIMED: Final = ("p95_ms", "p99_ms")
# Shorter ones stand in a sentence by chance.
_SECRET_LENGTH_MIN: Final = 8


@dataclass(frozen=True, slots=True)
class Sent:
    """One alert as a receiver got it.

    Attributes:
        notice: its fields, decoded from the bytes.
        text: all that the receiver got, in which it was perhaps one of several.
        rule: as it is in force; None when it is not any more.
        began_at: when its alert did; None where the journal has no such alert.
        ended_at: when that was resolved; None while it fires.
        environment: that it has to name.
        secrets: that must not stand in it.
    """

    notice: Mapping[str, Any]
    text: str
    rule: Rule | None
    began_at: datetime | None
    ended_at: datetime | None
    environment: str
    secrets: Collection[str] = ()


def error_code(sent: Sent) -> str | None:
    """It is of the registry of error codes, or one of those that alerts have."""
    code = sent.notice.get("errorCode")
    return None if code in _CODES else f"{_shown(code)} is no code of the registry"


def severity(sent: Sent) -> str | None:
    """It is of the one scale, and the rule's."""
    told = sent.notice.get("severity")
    if told not in AlertSeverity.__members__:
        return f"{_shown(told)} is no severity"
    if sent.rule is not None and told != sent.rule.severity.name:
        return f"{told}, while {sent.rule.id} is {sent.rule.severity.name}"
    return None


def message(sent: Sent) -> str | None:
    """It says something, in plain text, and nothing that must be kept secret is sent."""
    told = sent.notice.get("message")
    if not isinstance(told, str) or not told.strip():
        return "is empty"
    if not told.isprintable() or _MARKUP.search(told):
        return "is not plain text"
    if any(len(each) >= _SECRET_LENGTH_MIN and each in sent.text for each in sent.secrets):
        return "comes with a secret of the settings"
    return None


def metrics(sent: Sent) -> str | None:
    """The rule's numbers are there, and agree with each other."""
    told = sent.notice.get("metrics")
    if not isinstance(told, Mapping):
        return "is no object"
    needed = _needed(sent)
    missing = [each for each in needed if not _is_number(told.get(each))]
    if missing:
        return f"has no {missing[0]}"
    if not told and _is_of_watchdog(sent):
        return "is empty"
    attempts, bad, share = (told.get(each) for each in ("attempts", "bad", "share"))
    if not (_is_number(attempts) and _is_number(bad)) or share is None:
        return None
    if not attempts or not _is_number(share) or not isclose(share, bad / attempts, abs_tol=1e-6):
        return f"says a share of {share} of {bad} in {attempts}"
    return None


def timestamp(sent: Sent) -> str | None:
    """It is an instant as RFC 3339 writes it, in UTC, and that of its alert."""
    told = sent.notice.get("timestamp")
    at = instant_of(told)
    if at is None:
        return f"{_shown(told)} is no instant in UTC"
    is_over = sent.notice.get("kind") == NoticeKind.RESOLVED.value
    right = sent.ended_at if is_over else sent.began_at
    if right is None:
        return "belongs to no alert of the journal"
    if abs(at - right) > _APART_MAX:
        return f"is {abs(at - right).total_seconds():.0f} s from its alert's"
    return None


def environment(sent: Sent) -> str | None:
    """It is that of the deployment."""
    told = sent.notice.get("environment")
    return None if told == sent.environment else f"{_shown(told)} is not {sent.environment}"


def correlation_id(sent: Sent) -> str | None:
    """It is there; whether it leads anywhere the ledger says."""
    told = sent.notice.get("correlationId")
    return None if isinstance(told, str) and told.strip() else "is empty"


FieldCheck: TypeAlias = Callable[[Sent], str | None]
# What is wrong with a field, by its name; None when nothing is.
CHECKS: Final[Mapping[str, FieldCheck]] = MappingProxyType(
    {
        "errorCode": error_code,
        "severity": severity,
        "message": message,
        "metrics": metrics,
        "timestamp": timestamp,
        "environment": environment,
        "correlationId": correlation_id,
    }
)


def instant_of(told: object) -> datetime | None:
    """An instant that is written in UTC; None for anything else."""
    if not isinstance(told, str) or not told.endswith("Z") or "T" not in told:
        return None
    try:
        return datetime.fromisoformat(told)
    except ValueError:
        return None


def _needed(sent: Sent) -> tuple[str, ...]:
    """The numbers without which nobody could judge why a rule fires; none of a watchdog."""
    condition = None if sent.rule is None else sent.rule.condition
    is_first = sent.notice.get("kind") == NoticeKind.FIRING.value
    if not is_first or sent.notice.get("errorCode") == AlertCode.NO_DATA.value:
        return ()
    if isinstance(condition, Share) and condition.traffic is not Traffic.LIVE:
        return _COUNTED
    return (*_COUNTED, *_TIMED) if isinstance(condition, Share | Burning) else ()


def _is_of_watchdog(sent: Sent) -> bool:
    """Whether it tells that something stands still, which takes a number as well."""
    is_first = sent.notice.get("kind") == NoticeKind.FIRING.value
    return is_first and sent.notice.get("errorCode") == AlertCode.WATCHDOG_STALLED.value


def _is_number(told: object) -> bool:
    return isinstance(told, int | float) and not isinstance(told, bool)


def _shown(told: object) -> str:
    """A value for a reason: short, and on one line."""
    return repr(told)[:60]
