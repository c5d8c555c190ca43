"""The database does not answer: that is told straight to the channels, and kept in a file.

While it is away nobody can evaluate, and no outbox takes a notice. So whoever watches tells it from
memory. What is told, and how far it has come, stands in a file of the data directory before and
after each try: a process that is killed leaves it to the next one, a notice that may have gone out
is marked as perhaps repeated, and when the database is back all of it goes into the tables (see
`engine.alerting.outage_return`). One process of a data directory tells, the others see its lock.
"""

from __future__ import annotations

import fcntl
import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any, Final
from uuid import UUID

import msgspec

from engine.alerting.channels.channel import (
    Channel,
    ChannelName,
    FailureReason,
    Letter,
    Permanent,
    Result,
    Retry,
    Sent,
)
from engine.alerting.composing import notice_of
from engine.alerting.deciding import OpenAlert, message
from engine.alerting.loading import own_rules
from engine.alerting.measuring import Moved, Readings, measure
from engine.alerting.notices import NoticeKind
from engine.alerting.outbox import entries, entry_id
from engine.alerting.rules import AlertCode, Rule, Standstill, Watched
from engine.clock import Clock
from engine.correlation import make_correlation_id
from engine.settings import Settings

_FILE: Final = "outage.json"
_LOCK: Final = "outage.lock"
# Doubling from there: a receiver that is down as well is down for minutes.
_FIRST_WAIT: Final = timedelta(seconds=10)
_LONGEST_WAIT: Final = timedelta(minutes=5)
_DOUBLINGS_MAX: Final = 6
_OPEN: Final = frozenset({"waiting", "sending"})


class Try(msgspec.Struct):
    """One try to send it, with the columns of `alert_delivery`."""

    started_at: datetime
    ended_at: datetime
    result: str
    reason: str | None
    status: int | None
    answer: str | None


class Copy(msgspec.Struct):
    """The notice for one channel, with the columns of `alert_outbox`."""

    id: UUID
    channel: str
    escalates_to: list[str]
    next_at: datetime | None
    state: str = "waiting"
    reason: str | None = None
    answer: str | None = None
    receipt: str | None = None
    ended_at: datetime | None = None
    is_perhaps_repeated: bool = False
    tries: list[Try] = msgspec.field(default_factory=list)

    @property
    def is_open(self) -> bool:
        """Whether it is still to be sent."""
        return self.state in _OPEN


class Outage(msgspec.Struct):
    """What was told of the database, as an alert of its rule."""

    alert_id: UUID
    transition_id: UUID
    rule_id: str
    # When the database answered for the last time, and when that was told.
    since: datetime
    fired_at: datetime
    reason: str
    numbers: dict[str, Any]
    body: dict[str, Any]
    copies: list[Copy]

    def alert(self, rule: Rule) -> OpenAlert:
        """The alert that this is."""
        return OpenAlert(
            id=self.alert_id,
            rule_id=self.rule_id,
            severity=rule.severity,
            error_code=AlertCode.WATCHDOG_STALLED.value,
            correlation_id=make_correlation_id(self.transition_id),
            message=message(rule, self.reason),
            numbers=self.numbers,
            fired_at=self.fired_at,
            told_at=self.fired_at,
        )


class OutageFile:
    """The file, for all processes of a data directory."""

    def __init__(self, directory: Path) -> None:
        """Makes nothing yet.

        Args:
            directory: of this installation, beside no other's.
        """
        self._directory = directory
        self._path = directory / _FILE

    @property
    def is_there(self) -> bool:
        """Whether something was told that no table has yet."""
        return self._path.exists()

    @contextmanager
    def held(self) -> Iterator[bool]:
        """Whether it is ours until the block ends; another process may have it.

        Raises:
            OSError: the directory cannot be written.
        """
        self._directory.mkdir(parents=True, exist_ok=True)
        lock = os.open(self._directory / _LOCK, os.O_CREAT | os.O_RDWR | os.O_CLOEXEC, 0o600)
        try:
            try:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                yield False
            else:
                yield True
        finally:
            os.close(lock)

    def read(self) -> Outage | None:
        """What was told; None when nothing is there. A file that cannot be read is put aside."""
        try:
            written = self._path.read_bytes()
        except FileNotFoundError:
            return None
        try:
            return msgspec.json.decode(written, type=Outage)
        except msgspec.DecodeError:
            self._path.rename(self._path.with_suffix(".unreadable"))
            return None

    def write(self, outage: Outage) -> None:
        """Puts it there, whole or not at all.

        Raises:
            OSError: it could not be written.
        """
        unfinished = self._path.with_suffix(".new")
        file = os.open(unfinished, os.O_CREAT | os.O_TRUNC | os.O_WRONLY | os.O_CLOEXEC, 0o600)
        with os.fdopen(file, "wb") as writing:
            writing.write(msgspec.json.encode(outage))
            writing.flush()
            os.fsync(writing.fileno())
        unfinished.replace(self._path)

    def remove(self) -> None:
        """Takes it away: the tables have it."""
        self._path.unlink(missing_ok=True)


class OutageTeller:
    """Tells people that the database does not answer."""

    def __init__(
        self,
        file: OutageFile,
        channels: Mapping[ChannelName, Channel],
        settings: Settings,
        clock: Clock,
    ) -> None:
        """Tells nothing yet.

        Args:
            file: where it stands what was told.
            channels: by their names.
            settings: who we are.
            clock: for instants and ids.
        """
        self._file = file
        self._channels = channels
        self._settings = settings
        self._clock = clock

    def down(self, since: datetime) -> int:
        """Tells it, once it has been so for long enough, until every channel has it.

        Args:
            since: when the database answered last.

        Returns:
            How many notices went out.

        Raises:
            OSError: the file cannot be written; then nothing is sent, or it would be sent again
                and again.
        """
        with self._file.held() as is_ours:
            if not is_ours:
                return 0
            outage = self._file.read()
            if outage is None:
                outage = self._begin(since)
            if outage is None:
                return 0
            return sum(self._send(outage, copy) for copy in list(outage.copies))

    def _begin(self, since: datetime) -> Outage | None:
        now, settings = self._clock.now(), self._settings
        rule = database_rule()
        moved = Moved(since, settings.alert_interval)
        measured = measure(rule.condition, Readings(now, {}, {Watched.DATABASE: moved}))
        if not measured.is_true:
            return None
        outage = Outage(
            alert_id=self._clock.uuid7(),
            transition_id=self._clock.uuid7(),
            rule_id=rule.id,
            since=since,
            fired_at=now,
            reason=measured.reason,
            numbers=dict(measured.numbers),
            body={},
            copies=[],
        )
        notice = notice_of(
            settings, rule, outage.alert(rule), NoticeKind.FIRING, measured.reason,
            measured.numbers, now,
        )  # fmt: skip
        for entry in entries(notice, rule.channels, now):
            outage.body = dict(entry.body)
            outage.copies.append(
                Copy(entry.id, entry.channel.value, [*map(str, entry.escalates_to)], now)
            )
        self._file.write(outage)
        return outage

    def _send(self, outage: Outage, copy: Copy) -> int:
        """Tries one channel, if it is its time; whether it has it now."""
        now = self._clock.now()
        if not copy.is_open or (copy.next_at is not None and now < copy.next_at):
            return 0
        channel = self._channels.get(ChannelName(copy.channel))
        if channel is None or channel.missing is not None:
            _end(copy, "not configured", now, FailureReason.NOT_CONFIGURED.value)
            self._escalate(outage, copy, now)
            self._file.write(outage)
            return 0
        if channel.wait() > 0:
            return 0
        # Somebody was killed over it: nobody knows whether it went out.
        copy.is_perhaps_repeated |= copy.state == "sending"
        copy.state = "sending"
        self._file.write(outage)
        result = channel.send(Letter(copy.id, outage.body, copy.is_perhaps_repeated))
        self._note(outage, copy, result, now)
        self._file.write(outage)
        return int(isinstance(result, Sent))

    def _note(self, outage: Outage, copy: Copy, result: Result, started_at: datetime) -> None:
        now = self._clock.now()
        name, reason = _said(result)
        tried = Try(started_at, now, name, reason, result.status, result.answer)
        copy.tries = [*copy.tries, tried]
        copy.answer = result.answer
        match result:
            case Sent():
                copy.receipt = result.receipt
                _end(copy, "delivered", now, None)
            case Retry():
                copy.state, copy.reason = "waiting", reason
                copy.is_perhaps_repeated |= result.may_have_arrived
                doublings = min(len(copy.tries) - 1, _DOUBLINGS_MAX)
                own = min(_FIRST_WAIT * 2**doublings, _LONGEST_WAIT)
                copy.next_at = now + max(own, result.after or timedelta(0))
            case Permanent():
                _end(copy, "failed", now, reason)
                self._escalate(outage, copy, now)

    def _escalate(self, outage: Outage, copy: Copy, now: datetime) -> None:
        """Another channel stands in for one that has failed for good; each only once."""
        used = {each.channel for each in outage.copies}
        able = {name.value for name, each in self._channels.items() if each.missing is None}
        ahead = [name for name in copy.escalates_to if name in able - used]
        if ahead:
            first, *others = ahead
            new_id = entry_id(outage.alert_id, NoticeKind.FIRING, ChannelName(first))
            outage.copies.append(Copy(new_id, first, others, now))


def database_rule() -> Rule:
    """The rule that fires while the database does not answer, as the release has it.

    What an installation has changed of it stands in the database.
    """
    for rule in own_rules():
        if isinstance(rule.condition, Standstill) and rule.condition.watched is Watched.DATABASE:
            return rule
    raise AssertionError("the watchdog's rules are part of every release")


def _end(copy: Copy, state: str, now: datetime, reason: str | None) -> None:
    copy.state, copy.reason, copy.ended_at, copy.next_at = state, reason, now, None


def _said(result: Result) -> tuple[str, str | None]:
    """How a try ended, in the words of `alert_delivery`."""
    match result:
        case Sent():
            return "sent", None
        case Retry():
            return "retry", result.reason.value
        case Permanent():
            return "permanent", result.reason.value
