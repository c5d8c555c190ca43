"""Test alerts: a nonce goes out through the outbox, and comes back from a receiver or a person.

That a channel has taken a message proves little: it may go to a chat that nobody reads. Whoever
types the nonce back has read it.
"""

from __future__ import annotations

import hmac
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import timedelta
from typing import Final
from uuid import UUID

from sqlmodel import Session, col, select

from engine.access.audit import Action, Actor, Subject
from engine.access.permits import Permit
from engine.access.roles import Permission
from engine.alerting.channels.channel import ChannelName
from engine.alerting.links import home_url
from engine.alerting.notices import Notice, NoticeKind, body_of
from engine.alerting.outbox import entry_id
from engine.alerting.rules import AlertCode, AlertSeverity
from engine.alerting.tables import AlertOutbox
from engine.clock import Clock
from engine.correlation import make_correlation_id
from engine.errors import ErrorCode, Refusal
from engine.settings import Settings

TEST_RULE: Final = "TEST"
# To be read aloud and typed on a telephone: no letter that is taken for another.
_LETTERS: Final = "23456789ABCDEFGHJKMNPQRSTVWXYZ"
_NONCE_LENGTH: Final = 8
# A nonce that is older was read too late to prove anything.
_CONFIRMED_WITHIN: Final = timedelta(hours=24)
_NO_SUCH_TEST: Final = Refusal(
    ErrorCode.QUOTE_VALIDATION_FAILED, "No test of the last 24 hours has that nonce."
)


@dataclass(frozen=True, slots=True)
class TestAlert:
    """A test on its way.

    Attributes:
        outbox_id: of its row.
        channel: which is tested.
        nonce: what its message holds.
    """

    __test__ = False  # its name means something else to pytest

    outbox_id: UUID
    channel: ChannelName
    nonce: str


def put_tests(
    session: Session,
    settings: Settings,
    clock: Clock,
    actor: Actor,
    channels: Iterable[ChannelName],
) -> list[TestAlert] | Refusal:
    """Puts a test alert in for each of some channels, with a nonce of its own.

    Args:
        session: committed by the caller, also after a refusal.
        settings: for the name of the installation and its address.
        clock: for ids, chance and the instant.
        actor: who tests; needs to be one who handles alerts.
        channels: which.
    """
    permit = Permit(session, clock, actor, Permission.HANDLE_ALERTS)
    made = []
    for channel in channels:
        subject = Subject("alert channel", channel.value)
        refusal = permit.refusal(Action.CHANNEL_TESTED, subject)
        if refusal is not None:
            return refusal
        row = _row(settings, clock, actor, channel)
        session.add(row)
        permit.done(Action.CHANNEL_TESTED, subject, {"outboxId": str(row.id)})
        made.append(TestAlert(row.id, channel, str(row.nonce)))
    return made


def confirm_test(session: Session, clock: Clock, actor: Actor, typed: str) -> AlertOutbox | Refusal:
    """Notes that somebody has typed the nonce of a test back.

    Args:
        session: committed by the caller, also after a refusal.
        clock: for the instant.
        actor: who has read it.
        typed: the nonce, in letters of any case, with or without spaces and hyphens.

    Returns:
        The test's row; a refusal where there is none that is younger than a day.
    """
    permit = Permit(session, clock, actor, Permission.HANDLE_ALERTS)
    nonce = as_typed(typed)
    now = clock.now()
    tests = session.exec(
        select(AlertOutbox)
        .where(
            col(AlertOutbox.made_at) >= now - _CONFIRMED_WITHIN,
            col(AlertOutbox.kind) == NoticeKind.TEST.value,
        )
        .order_by(col(AlertOutbox.made_at).desc())
        .with_for_update()
    ).all()
    found = next(
        (each for each in tests if each.nonce and hmac.compare_digest(each.nonce, nonce)), None
    )
    subject = None if found is None else Subject("alert channel", found.channel)
    refusal = permit.refusal(Action.CHANNEL_TESTED, subject)
    if refusal is not None:
        return refusal
    if found is None or subject is None:
        return permit.refused(Action.CHANNEL_TESTED, None, _NO_SUCH_TEST)
    if found.echoed_at is None:
        found.echoed_at, found.echoed_by = now, actor.name
        session.add(found)
    permit.done(Action.CHANNEL_TESTED, subject, {"outboxId": str(found.id), "confirmed": True})
    return found


def as_typed(text: str) -> str:
    """A nonce as it was made, from what somebody typed."""
    kept = "".join(each for each in text.upper() if each.isalnum())
    return kept if kept.isascii() else ""


def _row(settings: Settings, clock: Clock, actor: Actor, channel: ChannelName) -> AlertOutbox:
    now, nonce, alert_id = clock.now(), _nonce(clock), clock.uuid7()
    notice = Notice(
        kind=NoticeKind.TEST,
        alert_id=alert_id,
        error_code=AlertCode.TEST_ALERT.value,
        severity=AlertSeverity.MEDIUM.name,
        message=f"{actor.name} tests the channel {channel.value}. Nothing is the matter.",
        metrics={},
        timestamp=now,
        environment=settings.environment,
        correlation_id=make_correlation_id(clock.uuid7()),
        rule_id=TEST_RULE,
        rule_name="Test of a channel",
        runbook_url=settings.alert_runbook_url,
        dashboard_url=home_url(settings),
    )
    return AlertOutbox(
        id=entry_id(alert_id, NoticeKind.TEST, channel),
        alert_id=alert_id,
        kind=NoticeKind.TEST.value,
        channel=channel.value,
        escalates_to=[],
        # Somebody waits for it.
        urgency=AlertSeverity.CRITICAL.value,
        body=body_of(notice),
        made_at=now,
        state="waiting",
        tries=0,
        next_at=now,
        is_perhaps_repeated=False,
        nonce=nonce,
    )


def _nonce(clock: Clock) -> str:
    """Of the letters' whole alphabet each is as likely as any other."""
    number = int.from_bytes(clock.token(16), "big")
    letters = []
    for _ in range(_NONCE_LENGTH):
        number, place = divmod(number, len(_LETTERS))
        letters.append(_LETTERS[place])
    return "".join(letters)
