"""From verdicts to the outbox: notices, grouped so that one cause rings once; pure."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from datetime import datetime
from typing import Any

from engine.alerting.deciding import OpenAlert, Verdict, message
from engine.alerting.links import alert_url, dashboard_url, runbook_url
from engine.alerting.notices import Notice, NoticeKind, body_of
from engine.alerting.outbox import Entry, entries
from engine.alerting.rules import Rule
from engine.settings import Settings


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
        alert_url=alert_url(settings, alert.id),
        duration_s=(now - alert.fired_at).total_seconds() if is_over else None,
    )


def compose(settings: Settings, verdicts: Sequence[Verdict], now: datetime) -> list[Entry]:
    """What goes into the outbox for one tick.

    Args:
        settings: where people read, and the name of the installation.
        verdicts: of all rules.
        now: the present instant.
    """
    groups: defaultdict[tuple[NoticeKind, str, str], list[tuple[Rule, Notice]]] = defaultdict(list)
    for each in verdicts:
        if each.alert is None or each.told is None or each.told.kind is None:
            continue
        kind = each.told.kind
        notice = notice_of(settings, each.rule, each.alert, kind, each.reason, each.numbers, now)
        for channel in each.rule.channels:
            groups[kind, each.rule.group or each.rule.id, channel].append((each.rule, notice))
    return [
        entry
        for (_kind, _group, channel), told in groups.items()
        for entry in _entries(told, channel, now)
    ]


def _entries(told: Sequence[tuple[Rule, Notice]], channel: str, now: datetime) -> Iterator[Entry]:
    """The one entry of a group on a channel; none of one that is sent nothing."""
    # Of equals the first in the order of the rules, which is that of the domain page.
    (rule, top), *others = sorted(told, key=lambda each: -each[0].severity)
    top = replace(top, others=tuple(body_of(notice) for _rule, notice in others))
    told_at = now if top.kind is NoticeKind.REPEAT else None
    for entry in entries(top, rule.channels, now, told_at=told_at):
        if entry.channel.value == channel:
            yield entry
