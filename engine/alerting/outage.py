"""The database does not answer: that is told straight to the channels, from memory.

While it is away nobody can evaluate, and no outbox takes a notice. So whoever watches tells it from
memory. What is told, and how far it has come, stands in a file of the data directory before and
after each try: a process that is killed leaves it to the next one, a notice that may have gone out
is marked as perhaps repeated, and when the database is back all of it goes into the tables (see
`engine.alerting.outage_return`). One process of a data directory tells, the others see its lock.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Final

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
from engine.alerting.loading import own_rules
from engine.alerting.measuring import Moved, Readings, measure
from engine.alerting.notices import NoticeKind
from engine.alerting.outage_file import Copy, Outage, OutageFile, Try
from engine.alerting.outbox import entries, entry_id
from engine.alerting.rules import Rule, Standstill, Watched
from engine.clock import Clock
from engine.settings import Settings

# Doubling from there: a receiver that is down as well is down for minutes.
_FIRST_WAIT: Final = timedelta(seconds=10)
_LONGEST_WAIT: Final = timedelta(minutes=5)
_DOUBLINGS_MAX: Final = 6


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

    def down(self, since: datetime, *, why: str = "") -> int:
        """Tells it, once it has been so for long enough, until every channel has it.

        Args:
            since: when the database answered last.
            why: what it is, if not that it does not answer.

        Returns:
            How many notices went out.

        Raises:
            OSError: the file that is there cannot be read.
        """
        with self._file.held() as is_ours:
            if not is_ours:
                return 0
            outage = self._file.read()
            if outage is None:
                outage = self._begin(since, why)
            if outage is None:
                return 0
            return sum(self._send(outage, copy) for copy in list(outage.copies))

    def _begin(self, since: datetime, why: str) -> Outage | None:
        now, settings = self._clock.now(), self._settings
        rule = database_rule()
        moved = Moved(since, settings.alert_interval)
        measured = measure(rule.condition, Readings(now, {}, {Watched.DATABASE: moved}))
        if not measured.is_true:
            return None
        reason = why or measured.reason
        outage = Outage(
            alert_id=self._clock.uuid7(),
            transition_id=self._clock.uuid7(),
            rule_id=rule.id,
            since=since,
            fired_at=now,
            reason=reason,
            numbers=dict(measured.numbers),
            body={},
            copies=[],
        )
        notice = notice_of(
            settings, rule, outage.alert(rule), NoticeKind.FIRING, reason, measured.numbers,
            now,
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
