"""Alerts: what fires, what has fired, and whether somebody has seen to each."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Any, Final, NamedTuple
from uuid import UUID

from engine.alerting.rules import AlertSeverity, Standstill
from engine.alerting.states import RuleState
from engine.readiness.probes.alerting import Kept, kept, rules_and_status
from engine.readiness.probes.asking import SHOWN, rows
from engine.readiness.probes.probe import (
    Found,
    Question,
    failing,
    insufficient,
    passing,
    unknown,
)
from engine.readiness.probes.spans import Span, of_phase, since_deployment

_FIRED: Final = """
    -- Alerts that fired at some time of a span, whether somebody was told or not.
    SELECT id, rule_id, severity, fired_at, resolved_at
    FROM alert
    WHERE fired_at <= %(end)s AND (resolved_at IS NULL OR resolved_at >= %(start)s)
    ORDER BY fired_at, id
"""
_JOURNAL: Final = """
    -- Alerts of a span, with all that is known of each; one of a group is told with the others.
    SELECT a.id, a.rule_id, a.fired_at, a.resolved_at, a.acknowledged_at, a.disposition,
        a.muted_by IS NOT NULL AND a.told_at IS NULL AS is_muted,
        EXISTS (
            SELECT FROM alert_outbox AS o
            WHERE o.alert_id = a.id AND o.state = 'delivered' AND o.kind IN ('firing', 'repeat')
        ) OR EXISTS (
            SELECT FROM alert_outbox AS o
            WHERE o.body -> 'others' @> jsonb_build_array(
                    jsonb_build_object('alertId', a.id::text)
                )
                AND o.state = 'delivered' AND o.kind IN ('firing', 'repeat')
        ) AS is_told
    FROM alert AS a
    WHERE a.fired_at >= %(start)s AND a.fired_at <= %(end)s
    ORDER BY a.fired_at, a.id
"""


class Fired(NamedTuple):
    """An alert that has fired.

    Attributes:
        id: of the alert.
        rule_id: of its rule.
        severity: the name of its severity.
        fired_at: since when.
        resolved_at: until when; None while it fires.
    """

    id: UUID
    rule_id: str
    severity: str
    fired_at: datetime
    resolved_at: datetime | None

    def fires_at(self, at: datetime) -> bool:
        """Whether it fires at an instant."""
        return self.fired_at <= at and (self.resolved_at is None or self.resolved_at > at)


class Journalled(NamedTuple):
    """An alert and what became of it.

    Attributes:
        id: of the alert.
        rule_id: of its rule.
        fired_at: since when.
        resolved_at: until when; None while it fires.
        acknowledged_at: when somebody took it in hand; None if nobody has.
        disposition: what it turned out to be; None while nobody has said.
        is_muted: whether nobody was to be told.
        is_told: whether a channel has taken it.
    """

    id: UUID
    rule_id: str
    fired_at: datetime
    resolved_at: datetime | None
    acknowledged_at: datetime | None
    disposition: str | None
    is_muted: bool
    is_told: bool

    @property
    def lacks(self) -> str | None:
        """What of it is open; None when nothing is."""
        if self.acknowledged_at is None:
            return "nobody has it in hand"
        if not self.is_told and not self.is_muted:
            return "no channel has taken it"
        if self.resolved_at is not None and self.disposition is None:
            return "it is over, and nobody has said what it was"
        return None


def quiet(question: Question) -> Found:
    """`alerts.quiet`: no alert has begun in the phase's time, and none fires at its end.

    One of before the deployment that came to its end speaks of another release.
    """
    span = of_phase(question)
    if isinstance(span, Found):
        return span
    fired = [
        each
        for each in _fired(question, span)
        if each.fired_at >= span.start or each.fires_at(span.end)
    ]
    _, status = rules_and_status(question)
    counting = [
        each
        for each in status.rules
        if each.rule is not None and not isinstance(each.rule.condition, Standstill)
    ]
    blind = [each for each in counting if each.state is RuleState.UNKNOWN]
    found = kept(question, span)
    numbers = _numbers(span, fired, found) | {
        "rulesUnknownNow": len(blind),
        "rulesNow": len(counting),
    }
    if fired:
        return failing(_told(fired, span), _FIRED, **numbers)
    if found.why_blind is not None:
        return unknown(f"{found.why_blind}, so that nothing could fire", _FIRED, **numbers)
    if not span.is_over and len(blind) == len(counting):
        reason = f"All {len(counting)} rules that count attempts know too little to fire"
        return insufficient(reason + span.so_far, _FIRED, **numbers)
    return passing(
        f"No alert fires or has begun in {found.count} ticks{span.so_far}; {len(blind)} of"
        f" {len(counting)} rules know too little to fire now",
        _FIRED,
        **numbers,
    )


def critical(question: Question) -> Found:
    """`alerts.critical`: no critical alert fired in the phase's time, and each would have."""
    span = of_phase(question)
    if isinstance(span, Found):
        return span
    fired = [
        each for each in _fired(question, span) if each.severity == AlertSeverity.CRITICAL.name
    ]
    found = kept(question, span)
    numbers = _numbers(span, fired, found)
    if fired:
        return failing(_told(fired, span), _FIRED, **numbers)
    if found.why_blind is not None:
        return unknown(f"{found.why_blind}, so that nothing could fire", _FIRED, **numbers)
    return span.settled(
        passing(
            f"No critical alert in {found.count} ticks without a gap{span.so_far}",
            _FIRED,
            **numbers,
        )
    )


def census(question: Question) -> Found:
    """`alerts.census`: each alert since the deployment was told, taken in hand, and judged."""
    span = since_deployment(question, must_end=True)
    if isinstance(span, Found):
        return span
    alerts = [
        Journalled(*row) for row in rows(question, _JOURNAL, {"start": span.start, "end": span.end})
    ]
    lacking = [(each, each.lacks) for each in alerts if each.lacks is not None]
    found = kept(question, span)
    numbers: dict[str, Any] = {
        **span.numbers,
        **found.numbers,
        "alerts": len(alerts),
        "open": sum(each.resolved_at is None for each in alerts),
        "openWithoutOwner": sum(
            each.resolved_at is None and each.acknowledged_at is None for each in alerts
        ),
        "told": sum(each.is_told for each in alerts),
        "muted": sum(each.is_muted for each in alerts),
        "judged": sum(each.disposition is not None for each in alerts),
        "lacking": [f"{each.rule_id} {each.id}: {lacks}" for each, lacks in lacking[:SHOWN]],
    }
    if lacking:
        first, lacks = lacking[0]
        reason = f"{len(lacking)} of {len(alerts)} alerts are open: of {first.rule_id} {lacks}"
        return failing(reason + span.so_far, _JOURNAL, **numbers)
    if found.why_blind is not None:
        return unknown(f"{found.why_blind}: there may be more alerts", _JOURNAL, **numbers)
    return span.settled(
        passing(
            f"{len(alerts)} alerts since the deployment, 0 without owner or disposition"
            f"{span.so_far}",
            _JOURNAL,
            **numbers,
        )
    )


def _fired(question: Question, span: Span) -> list[Fired]:
    return [Fired(*row) for row in rows(question, _FIRED, {"start": span.start, "end": span.end})]


def _numbers(span: Span, fired: Sequence[Fired], found: Kept) -> dict[str, Any]:
    return {
        **span.numbers,
        **found.numbers,
        "alerts": len(fired),
        "rules": sorted({each.rule_id for each in fired})[:SHOWN],
    }


def _told(fired: Sequence[Fired], span: Span) -> str:
    first = fired[0]
    still = ", which fires" if first.fires_at(span.end) else ", which is over"
    return (
        f"{len(fired)} alerts, {first.rule_id} of {first.fired_at:%Y-%m-%d %H:%M:%S} UTC among"
        f" them{still}{span.so_far}"
    )
