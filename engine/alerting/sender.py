"""Sends what waits in the outbox, channel by channel, each in a thread of its own.

Nothing of a save is touched: no lock that it takes, no connection that it could want, no thread
that it waits for. What is sent is claimed right before, and settled right after.
"""

from __future__ import annotations

import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from datetime import datetime
from typing import Any, Final

import psycopg
import structlog

from engine.alerting.channels.channel import (
    Channel,
    ChannelName,
    FailureReason,
    Permanent,
    Result,
    Retry,
    Sent,
)
from engine.alerting.channels.opening import open_channels
from engine.alerting.claimed import Claimed
from engine.alerting.claims import Tried, claim, drop, settle
from engine.alerting.notices import NoticeKind
from engine.alerting.schedule import Timing, hold, next_try, patience
from engine.alerting.standing_in import bring_back, give_up, set_aside
from engine.clock import Clock
from engine.database.pool import Pool
from engine.database.target import Target
from engine.logs import report
from engine.saving.retry import chance
from engine.settings import Settings

# A run ends after so long, so that whoever runs it can end, too: with the longest send, and what
# the database may take, within what a worker waits for its jobs.
_RUN_S: Final = 2.0
_BRING_BACK_EVERY_S: Final = 60.0
_DATABASE_S: Final = 5.0
# Longer than pacing ever takes: the channel has asked to be left alone, once for all that wait.
_LONG_WAIT_S: Final = 60.0
# What was set aside for so long tells of things long past.
_STALE: Final = patience(NoticeKind.FIRING, has_stand_in=False).age
_OVERDUE: Final = patience(NoticeKind.FIRING, has_stand_in=True).age


class Sender:
    """What all channels of a process share: one connection, and who they are."""

    def __init__(
        self,
        settings: Settings,
        target: Target,
        clock: Clock,
        *,
        channels: Mapping[ChannelName, Channel] | None = None,
        timing: Timing | None = None,
    ) -> None:
        """Connects to nothing yet.

        Args:
            settings: of the channels, and of waiting for the database.
            target: the database.
            clock: the system's unless a test brings its own.
            channels: those of the settings unless given.
            timing: the usual one unless given.
        """
        self.clock = clock
        self.timing = timing or Timing()
        self.channels = channels if channels is not None else open_channels(settings, clock)
        # Two processes may be configured under one name; their claims must not be one.
        self.claims_as = f"{settings.instance} {clock.uuid7()}"
        self.deliveries = [Delivery(self, each) for each in self.channels.values()]
        self._settings, self._target = settings, target
        self._pool: Pool | None = None
        self._lock = threading.Lock()
        self._running = len(self.deliveries)

    @property
    def configured(self) -> frozenset[ChannelName]:
        """The channels that can be sent to."""
        return frozenset(name for name, each in self.channels.items() if each.missing is None)

    @property
    def pool(self) -> Pool:
        """One connection, which saves and pages know nothing of; opened when first used."""
        with self._lock:
            if self._pool is None:
                self._pool = Pool(self._target, self._settings, self.clock, size=1)
                self._pool.open()
            return self._pool

    def left_by_one(self) -> None:
        """One channel's delivery has ended; with the last one the connection is closed."""
        with self._lock:
            self._running -= 1
            if self._running <= 0 and self._pool is not None:
                self._pool.close()
                self._pool = None


class Delivery:
    """Delivers to one channel; used by one thread."""

    def __init__(self, sender: Sender, channel: Channel) -> None:
        self.channel = channel
        self._sender = sender
        self._clock = sender.clock
        self._failures = 0
        self._held_until = 0.0
        self._bring_back_at = 0.0
        # Sent, and not written down yet because the database was away.
        self._unsettled: tuple[Tried, datetime | FailureReason | None] | None = None

    def run(self) -> int:
        """Sends what is due, for a moment at most; returns how many notices it has dealt with.

        Raises:
            psycopg.Error: the database could not be asked; what was sent is settled next time.
            PoolTimeout: the same.
        """
        self._settle()
        if self.channel.missing is not None:
            return self._set_aside()
        self._bring_back()
        done, until = 0, self._clock.monotonic() + _RUN_S
        while self._clock.monotonic() < until and not self._is_held():
            if not self._deliver_one():
                break
            done += 1
        is_failing = self._failures >= self._sender.timing.forgiven
        if is_failing or self.channel.wait() > _LONG_WAIT_S:
            done += self._give_up()
        return done

    def end(self) -> None:
        """Lets go of the connection, if no other channel needs it."""
        self._sender.left_by_one()

    def _is_held(self) -> bool:
        return self._clock.monotonic() < self._held_until or self.channel.wait() > 0

    def _deliver_one(self) -> bool:
        """Sends the next notice; whether there was one."""
        with self._transaction() as connection:
            claimed = claim(
                connection,
                self.channel.name,
                self._sender.claims_as,
                self._clock.now(),
                self._sender.timing.lease,
            )
        if claimed is None:
            return False
        if not claimed.is_owed:
            stand_ins = self._stand_ins()
            with self._transaction() as connection:
                drop(connection, claimed, self._clock.now(), stand_ins)
            return True
        started_at = self._clock.now()
        result = self._send(claimed)
        tried = Tried(claimed, result, started_at, self._clock.now())
        again = self._again(tried)
        self._unsettled = (tried, again)
        self._note(tried, again)
        self._settle()
        return True

    def _send(self, claimed: Claimed) -> Result:
        try:
            return self.channel.send(claimed.letter)
        except Exception as error:  # noqa: BLE001  # a mistake of ours must not lose a notice
            report(str(claimed.letter.body.get("correlationId")), error)
            return Retry(FailureReason.INTERNAL, may_have_arrived=True)

    def _again(self, tried: Tried) -> datetime | FailureReason | None:
        if not isinstance(tried.result, Retry):
            return None
        claimed = tried.claimed
        has_stand_in = bool(self._stand_ins() & set(claimed.escalates_to))
        return next_try(
            claimed.number,
            claimed.made_at,
            tried.ended_at,
            chance(self._clock),
            tried.result.after,
            patience(claimed.kind, has_stand_in=has_stand_in),
            self._sender.timing,
        )

    def _note(self, tried: Tried, again: datetime | FailureReason | None) -> None:
        """Counts failures in a row, and says what came of a notice once that is final."""
        claimed, result = tried.claimed, tried.result
        if isinstance(result, Retry):
            self._failures += 1
            pause = hold(self._failures, chance(self._clock), self._sender.timing)
            self._held_until = self._clock.monotonic() + pause.total_seconds()
        else:
            # It answers, if only to refuse.
            self._failures = 0
        log = structlog.get_logger().bind(
            correlation_id=str(claimed.letter.body.get("correlationId")),
            alert_id=str(claimed.alert_id),
            channel=self.channel.name.value,
            kind=claimed.kind.value,
            tries=claimed.number,
        )
        if isinstance(result, Sent):
            seconds = (tried.ended_at - claimed.made_at).total_seconds()
            log.info("alert_delivered", seconds=round(seconds, 3))
        elif isinstance(result, Permanent) or not isinstance(again, datetime):
            gave_up = again.value if isinstance(again, FailureReason) else None
            log.warning("alert_not_delivered", reason=result.reason.value, gave_up=gave_up)

    def _settle(self) -> None:
        if self._unsettled is None:
            return
        tried, again = self._unsettled
        stand_ins = self._stand_ins()
        with self._transaction() as connection:
            held = settle(connection, tried, again, stand_ins)
        self._unsettled = None
        if not held:
            structlog.get_logger().warning(
                "alert_claim_lost",
                outbox_id=str(tried.claimed.letter.id),
                channel=self.channel.name.value,
            )

    def _set_aside(self) -> int:
        stand_ins, grace = self._stand_ins(), self._sender.timing.grace
        with self._transaction() as connection:
            return set_aside(connection, self.channel.name, self._clock.now(), grace, stand_ins)

    def _bring_back(self) -> None:
        if self._clock.monotonic() < self._bring_back_at:
            return
        with self._transaction() as connection:
            bring_back(connection, self.channel.name, self._clock.now(), _STALE)
        self._bring_back_at = self._clock.monotonic() + _BRING_BACK_EVERY_S

    def _give_up(self) -> int:
        stand_ins = self._stand_ins()
        with self._transaction() as connection:
            return give_up(connection, self.channel.name, self._clock.now(), _OVERDUE, stand_ins)

    def _stand_ins(self) -> frozenset[ChannelName]:
        """The other channels that can be sent to.

        Asked outside of transactions: the first time it may import what Apprise brings along.
        """
        return self._sender.configured - {self.channel.name}

    @contextmanager
    def _transaction(self) -> Iterator[psycopg.Connection[Any]]:
        deadline = self._clock.monotonic() + _DATABASE_S
        with (
            self._sender.pool.connection(deadline) as connection,
            connection.transaction(),
        ):
            yield connection
