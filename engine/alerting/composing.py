"""From verdicts to the outbox: notices, grouped so that one cause rings once; pure but for ids."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any, Final
from uuid import UUID

from engine.alerting.deciding import OpenAlert, Verdict, message
from engine.alerting.links import dashboard_url, runbook_url
from engine.alerting.notices import Notice, NoticeKind, body_of
from engine.alerting.rules import Rule
from engine.settings import Settings

# Everything that notices can be sent through, in the order in which one stands in for another.
CHANNELS: Final = ("telegram", "webhook", "apprise")


@dataclass(frozen=True, slots=True)
class Entry:
    """A notice for one channel, as it goes into the outbox.

    Attributes:
        id: of the entry.
        alert_id: of the most severe of its alerts.
        kind: why somebody is told.
        channel: where it goes.
        escalates_to: where it goes when that one has failed for good, in order.
        body: the notice as JSON has it.
    """

    id: UUID
    alert_id: UUID
    kind: NoticeKind
    channel: str
    escalates_to: tuple[str, ...]
    body: Mapping[str, Any]


def channels_of(rule: Rule) -> tuple[str, ...]:
    """The channels of a rule that something can be sent to; a heartbeat tells by its absence."""
    return tuple(each for each in rule.channels if each in CHANNELS)


def escalation(channels: Sequence[str]) -> tuple[str, ...]:
    """Where a notice goes when a channel fails: those that it does not go to anyway."""
    return tuple(each for each in CHANNELS if each not in channels)


def notice_of(
    settings: Settings,
    rule: Rule,
    alert: OpenAlert,
    kind: NoticeKind,
    reason: str,
    numbers: Mapping[str, Any],
    now: datetime,
) -> Notice:
    """What is told of one alert.

    Args:
        settings: where people read, and the name of the installation.
        rule: of the alert.
        alert: as it is.
        kind: why somebody is told.
        reason: why the rule is in its state.
        numbers: that decided.
        now: the present instant.
    """
    is_over = kind is NoticeKind.RESOLVED
    return Notice(
        kind=kind,
        alert_id=alert.id,
        error_code=alert.error_code,
        severity=alert.severity.name,
        message=message(rule, reason),
        metrics=numbers,
        timestamp=now if is_over else alert.fired_at,
        environment=settings.environment,
        correlation_id=alert.correlation_id,
        rule_id=rule.id,
        rule_name=rule.name,
        runbook_url=runbook_url(settings, rule),
        dashboard_url=dashboard_url(settings, rule, now),
        duration_s=(now - alert.fired_at).total_seconds() if is_over else None,
    )


def compose(
    settings: Settings, verdicts: Sequence[Verdict], now: datetime, new_id: Callable[[], UUID]
) -> tuple[Entry, ...]:
    """What goes into the outbox for one tick.

    Args:
        settings: where people read, and the name of the installation.
        verdicts: of all rules.
        now: the present instant.
        new_id: makes ids.
    """
    groups: defaultdict[tuple[NoticeKind, str, str], list[tuple[Rule, Notice]]] = defaultdict(list)
    for each in verdicts:
        if each.alert is None or each.told is None or each.told.kind is None:
            continue
        kind = each.told.kind
        notice = notice_of(settings, each.rule, each.alert, kind, each.reason, each.numbers, now)
        for channel in channels_of(each.rule):
            groups[kind, each.rule.group or each.rule.id, channel].append((each.rule, notice))
    return tuple(
        _entry(kind, channel, told, new_id()) for (kind, _group, channel), told in groups.items()
    )


def _entry(
    kind: NoticeKind, channel: str, told: Sequence[tuple[Rule, Notice]], entry_id: UUID
) -> Entry:
    # Of equals the first in the order of the rules, which is that of the domain page.
    ordered = sorted(told, key=lambda each: -each[0].severity)
    (rule, top), *others = ordered
    top = replace(top, others=tuple(body_of(notice) for _rule, notice in others))
    return Entry(entry_id, top.alert_id, kind, channel, escalation(channels_of(rule)), body_of(top))
