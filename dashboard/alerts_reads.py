"""What is read of alerting, each as one question that all its viewers share; see `memory`.

Whoever may see numbers may see what fires; what leads to single attempts, and what channels have
answered, is for those who may read the ledger.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Final, NamedTuple, TypeVar, cast
from uuid import UUID

import psycopg
from sqlmodel import Session

from dashboard import engine_in_process
from dashboard.memory import Known, recall, remembered
from dashboard.session_reads import in_session
from dashboard.viewer import Viewer
from engine.access.roles import Permission
from engine.alerting import journal, rule_changes, silences
from engine.alerting.channel_status import ChannelStatus, channel_statuses
from engine.alerting.channels.opening import open_channels
from engine.alerting.journal import (
    LoggedAlert,
    LoggedNotice,
    LoggedSilence,
    LoggedTransition,
    LoggedTry,
)
from engine.alerting.loading import own_rules
from engine.alerting.matching import Matcher
from engine.alerting.rule_changes import RuleChange
from engine.alerting.rules import Rule
from engine.alerting.rules_in_force import read_rules_in_force
from engine.alerting.status import AlertingStatus, read_status

T = TypeVar("T")

# More rows than that nobody reads on a page; the filters narrow.
ALERTS_MOST: Final = 300
TRANSITIONS_MOST: Final = 300
NOTICES_MOST: Final = 300
SILENCES_MOST: Final = 200
_OF_ONE_MOST: Final = 50
_PAGE: Final = "alerts"
_FIRING: Final = "firing"
_EVER: Final = timedelta(days=365)


@dataclass(frozen=True, slots=True)
class Standing:
    """How alerting stands.

    Attributes:
        status: all that the engine says of it.
        rules: those in force.
        silences: the newest, those that are over among them, newest first.
        has_channel: whether any channel is configured here.
    """

    status: AlertingStatus
    rules: tuple[Rule, ...]
    silences: tuple[LoggedSilence, ...]
    has_channel: bool

    @property
    def reasons(self) -> Mapping[UUID, str]:
        """Why each silence was made."""
        return {each.id: each.reason for each in self.silences}


@dataclass(frozen=True, slots=True)
class History:
    """What has happened within a time.

    Attributes:
        since: from when on.
        until: when this was read.
        alerts: that fired, newest first.
        transitions: of rules, newest first.
    """

    since: datetime
    until: datetime
    alerts: tuple[LoggedAlert, ...]
    transitions: tuple[LoggedTransition, ...]


@dataclass(frozen=True, slots=True)
class OneAlert:
    """All of an alert.

    Attributes:
        alert: itself.
        rule: as it is in force; None when it is not.
        transitions: that began and ended it, newest first.
        notices: of it, newest first.
        tries: of those, oldest first.
        silences: why each silence was made that holds or has held.
    """

    alert: LoggedAlert
    rule: Rule | None
    transitions: tuple[LoggedTransition, ...]
    notices: tuple[LoggedNotice, ...]
    tries: tuple[LoggedTry, ...]
    silences: Mapping[UUID, str]


@dataclass(frozen=True, slots=True)
class Deliveries:
    """What was to be told.

    Attributes:
        since: from when on.
        notices: newest first.
        channels: how each stands, by the last week.
        tests: the newest test of each channel.
    """

    since: datetime
    notices: tuple[LoggedNotice, ...]
    channels: tuple[ChannelStatus, ...]
    tests: Mapping[str, LoggedNotice]


class Hidden(NamedTuple):
    """An alert that a silence would have hidden.

    Attributes:
        rule_id: of its rule.
        severity: name of its severity.
        message: what was the matter.
        fired_at: when it began.
        resolved_at: when it was over; None while it is not.
    """

    rule_id: str
    severity: str
    message: str
    fired_at: datetime
    resolved_at: datetime | None


@dataclass(frozen=True, slots=True)
class RuleBook:
    """The rules of this installation.

    Attributes:
        own: those of the release.
        changes: what is changed of each of which anything is, by its id.
        made: the changes of the rule that was asked for, newest first.
    """

    own: tuple[Rule, ...]
    changes: Mapping[str, Mapping[str, Any]]
    made: tuple[RuleChange, ...]


def standing(viewer: Viewer, since: Hashable) -> Known[Standing]:
    """How alerting stands now.

    Args:
        viewer: who asks.
        since: what tells this question from the same one before a change.

    Raises:
        RuntimeError: this process has no engine.
        PermissionError: the viewer may not see numbers; so do all functions here.
    """
    runtime = engine_in_process.runtime()

    def read(connection: psycopg.Connection[Any]) -> Standing:
        now = runtime.clock.now()
        rules = tuple(read_rules_in_force(connection))
        status = read_status(connection, runtime.settings, rules, now)
        opened = open_channels(runtime.settings, runtime.clock)
        has_channel = any(each.missing is None for each in opened.values())
        return Standing(status, rules, _silences(connection), has_channel)

    return _ask(viewer, ("standing", since), read)


def firing(viewer: Viewer) -> Known[tuple[LoggedAlert, ...]]:
    """The alerts that fire, the oldest first: one look at a small index, for every page."""
    return _ask(viewer, _FIRING, journal.read_open_alerts)


def fired_before() -> tuple[LoggedAlert, ...]:
    """The same as somebody was told last, if anybody was; waits for nothing."""
    return cast("tuple[LoggedAlert, ...]", remembered((_PAGE, _FIRING)) or ())


def history(
    viewer: Viewer, back: timedelta, rule_id: str | None, severity: str | None, since: Hashable
) -> Known[History]:
    """What has happened within a time.

    Args:
        viewer: who asks.
        back: how far back.
        rule_id: only of this rule.
        severity: only of this one.
        since: see `standing`.
    """
    runtime = engine_in_process.runtime()

    def read(connection: psycopg.Connection[Any]) -> History:
        now = runtime.clock.now()
        rule_ids = _rules_of(read_rules_in_force(connection), rule_id, severity)
        start = now - back
        alerts = journal.read_alerts(
            connection, start, rule_id=rule_id, severity=severity, most=ALERTS_MOST
        )
        moved = journal.read_transitions(
            connection, start, rule_ids=rule_ids, most=TRANSITIONS_MOST
        )
        return History(start, now, alerts, moved)

    return _ask(viewer, ("history", back, rule_id, severity, since), read)


def one(viewer: Viewer, alert_id: UUID, since: Hashable) -> Known[OneAlert | None]:
    """All of an alert; None when there is none with this id."""
    runtime = engine_in_process.runtime()

    def read(connection: psycopg.Connection[Any]) -> OneAlert | None:
        found = journal.read_alert(connection, alert_id)
        if found is None:
            return None
        rules = {rule.id: rule for rule in read_rules_in_force(connection)}
        notices = journal.notices_of(connection, alert_id, _OF_ONE_MOST)
        now = runtime.clock.now()
        return OneAlert(
            alert=found,
            rule=rules.get(found.rule_id),
            transitions=journal.read_transitions(
                connection,
                now - _EVER,
                rule_ids=[found.rule_id],
                alert_id=alert_id,
                most=_OF_ONE_MOST,
            ),
            notices=notices,
            tries=journal.read_tries(connection, [each.id for each in notices]),
            silences={each.id: each.reason for each in _silences(connection)},
        )

    return _ask(viewer, ("alert", alert_id, since), read)


def deliveries(
    viewer: Viewer, back: timedelta, channel: str | None, state: str | None, since: Hashable
) -> Known[Deliveries]:
    """What was to be told within a time, only for those who may read the ledger.

    Args:
        viewer: who asks.
        back: how far back.
        channel: only this one.
        state: only those that have come so far.
        since: see `standing`.
    """
    runtime = engine_in_process.runtime()

    def read(connection: psycopg.Connection[Any]) -> Deliveries:
        now, settings = runtime.clock.now(), runtime.settings
        start, opened = now - back, open_channels(settings, runtime.clock)
        return Deliveries(
            start,
            journal.read_notices(
                connection, start, channel=channel, state=state, most=NOTICES_MOST
            ),
            tuple(channel_statuses(connection, opened.values(), now)),
            journal.newest_tests(connection),
        )

    question = ("deliveries", back, channel, state, since)
    return _ask(viewer, question, read, Permission.READ_LEDGER)


def preview(viewer: Viewer, matcher: Matcher, since: Hashable) -> Known[tuple[Hidden, ...]]:
    """What a silence would have hidden in the last day, newest first."""
    runtime = engine_in_process.runtime()

    def read(connection: psycopg.Connection[Any]) -> tuple[Hidden, ...]:
        rules, now = read_rules_in_force(connection), runtime.clock.now()

        def found(session: Session) -> tuple[Hidden, ...]:
            return tuple(
                Hidden(each.rule_id, each.severity, each.message, each.fired_at, each.resolved_at)
                for each in silences.preview(session, rules, matcher, now)
            )

        return in_session(runtime, found)

    return _ask(viewer, ("preview", matcher, since), read)


def rule_book(viewer: Viewer, rule_id: str | None, since: Hashable) -> Known[RuleBook]:
    """The rules of this installation, and what was changed of one of them."""
    runtime = engine_in_process.runtime()

    def read(session: Session) -> RuleBook:
        made = () if rule_id is None else rule_changes.changes_of(session, rule_id)
        return RuleBook(own_rules(), rule_changes.newest_changes(session), made)

    return _ask(viewer, ("rules", rule_id, since), lambda _: in_session(runtime, read))


def _silences(connection: psycopg.Connection[Any]) -> tuple[LoggedSilence, ...]:
    return journal.read_silences(connection, SILENCES_MOST)


def _rules_of(
    rules: Sequence[Rule], rule_id: str | None, severity: str | None
) -> Sequence[str] | None:
    """The rules that are asked for; None for all."""
    if rule_id is not None:
        return [rule_id]
    if severity is None:
        return None
    return [rule.id for rule in rules if rule.severity.name == severity]


def _ask(
    viewer: Viewer,
    question: Hashable,
    read: Callable[[psycopg.Connection[Any]], T],
    permission: Permission = Permission.SEE_NUMBERS,
) -> Known[T]:
    """What is known of alerting may be shared by all who pass here."""
    if not viewer.may(permission):
        raise PermissionError
    return recall(engine_in_process.runtime(), (_PAGE, question), read)
