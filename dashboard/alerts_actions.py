"""What is done on the page of alerts: each is one act of the engine's."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlmodel import Session

from dashboard import actions, engine_in_process, runbook
from dashboard.actions import Outcome
from engine.access.audit import Actor
from engine.alerting import acknowledging, rule_changes, silences
from engine.alerting.acknowledging import Disposition
from engine.alerting.channel_tests import confirm_test, put_tests
from engine.alerting.channels.channel import ChannelName
from engine.alerting.matching import Matcher
from engine.clock import Clock
from engine.errors import Refusal


def acknowledge(alert_id: UUID, disposition: Disposition | None, remark: str) -> Outcome[None]:
    """Takes an alert in hand, or says what it turned out to be."""
    return actions.act(
        lambda session, clock, actor: acknowledging.acknowledge(
            session, clock, actor, alert_id, disposition=disposition, remark=remark
        )
    )


def add_silence(matcher: Matcher, expires_at: datetime, reason: str) -> Outcome[UUID]:
    """Makes a silence."""

    def change(session: Session, clock: Clock, actor: Actor) -> UUID | Refusal:
        rules = rule_changes.rules_of(session)
        return silences.add_silence(
            session, clock, actor, rules, matcher=matcher, expires_at=expires_at, reason=reason
        )

    return actions.act(change)


def end_silence(silence_id: UUID) -> Outcome[None]:
    """Ends a silence before its time."""
    return actions.act(
        lambda session, clock, actor: silences.end_silence(session, clock, actor, silence_id)
    )


def test_channel(channel: ChannelName) -> Outcome[bool]:
    """Puts a test alert in for a channel."""
    settings = engine_in_process.runtime().settings

    def change(session: Session, clock: Clock, actor: Actor) -> bool | Refusal:
        put = put_tests(session, settings, clock, actor, [channel])
        return put if isinstance(put, Refusal) else bool(put)

    return actions.act(change)


def confirm(typed: str) -> Outcome[str]:
    """Notes that somebody has typed a nonce back; which channel it came from."""

    def change(session: Session, clock: Clock, actor: Actor) -> str | Refusal:
        found = confirm_test(session, clock, actor, typed)
        return found if isinstance(found, Refusal) else found.channel

    return actions.act(change)


def change_rule(rule_id: str, body: Mapping[str, Any], reason: str) -> Outcome[UUID]:
    """Switches a changed rule on."""
    sections = runbook.alert_sections()
    return actions.act(
        lambda session, clock, actor: rule_changes.change_rule(
            session,
            clock,
            actor,
            rule_id=rule_id,
            body=body,
            reason=reason,
            sections=sections,
        )
    )
