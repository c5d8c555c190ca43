"""An outbox with channels that do as they are told, on a clock that moves when it is told to."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from datetime import timedelta
from typing import Any, Final
from uuid import UUID

import psycopg
from psycopg.rows import dict_row

from engine.alerting.channels.channel import (
    ChannelName,
    FailureReason,
    Letter,
    Permanent,
    Result,
    Retry,
    Sent,
)
from engine.alerting.notices import Notice
from engine.alerting.outbox import entries, put_in
from engine.alerting.schedule import Timing
from engine.alerting.sender import Delivery, Sender
from engine.clock import FrozenClock, SystemClock
from engine.database.target import Target
from engine.settings import Settings
from tests.alerting_notices import AT, notice

SENT: Final = Sent("receipt", 200, "taken")
FAILING: Final = Retry(FailureReason.SERVER_ERROR, status=500, answer="out of order")
IN_DOUBT: Final = Retry(FailureReason.TIMEOUT, may_have_arrived=True)
REFUSED: Final = Permanent(FailureReason.REFUSED, 400, "no")


class Scripted:
    """A channel that answers as it is told.

    Attributes:
        sent: the letters that it was given.
        answer: what it says to the next one.
        missing: why it is not configured.
        before: what happens while it sends.
    """

    def __init__(self, name: ChannelName) -> None:
        self.name = name
        self.sent: list[Letter] = []
        self.answer: Result = SENT
        self.missing: str | None = None
        self.before: Callable[[], object] = lambda: None
        self.seconds = 0.0

    def wait(self) -> float:
        """As long as it is told."""
        return self.seconds

    def send(self, letter: Letter) -> Result:
        """Answers as it is told."""
        self.before()
        self.sent.append(letter)
        return self.answer


class _Clock(FrozenClock):
    """Stands still, and makes ids that no other test makes: what cannot be emptied is shared."""

    def uuid7(self) -> UUID:
        return SystemClock().uuid7()


class Scene:
    """One process that sends, and what lies in the outbox."""

    def __init__(self, target: Target, timing: Timing | None = None) -> None:
        self.target = target
        self.clock = _Clock(AT)
        self.channels = {name: Scripted(name) for name in ChannelName}
        self.telegram, self.webhook, self.apprise = self.channels.values()
        self.sender = self.another(timing)

    def another(self, timing: Timing | None = None) -> Sender:
        """Another process that sends to the same receivers."""
        channels: Mapping[ChannelName, Any] = self.channels
        return Sender(
            Settings(instance="here"),
            self.target,
            self.clock,
            channels=channels,
            timing=timing or Timing(),
        )

    def delivery(self, name: str, sender: Sender | None = None) -> Delivery:
        """What sends to one channel."""
        found = (sender or self.sender).deliveries
        return next(each for each in found if each.channel.name == name)

    def run(self, *names: str) -> int:
        """Sends what is due on some channels, or on all."""
        return sum(self.delivery(name).run() for name in names or self.channels)

    def put(self, notice: Notice, *channels: str, **more: Any) -> int:
        """Puts a notice in, now."""
        with psycopg.connect(self.target.app, autocommit=True) as connection:
            made = entries(notice, channels, self.clock.now(), **more)
            return put_in(connection, made)

    def put_many(self, count: int, *channels: str) -> None:
        """Puts so many notices in at once."""
        with psycopg.connect(self.target.app) as connection:
            for _ in range(count):
                put_in(connection, entries(notice(), channels, self.clock.now()))

    def pass_time(self, seconds: float) -> None:
        """Moves the clock."""
        self.clock.advance(timedelta(seconds=seconds))

    def rows(self, query: str = "SELECT * FROM alert_outbox ORDER BY made_at, channel") -> Any:
        """Rows of the outbox, or of a query, as dictionaries."""
        with psycopg.connect(self.target.app, autocommit=True, row_factory=dict_row) as connection:
            return connection.execute(query.encode()).fetchall()

    def states(self) -> list[tuple[str, str, str]]:
        """Channel, kind and state of each row."""
        return [(row["channel"], row["kind"], row["state"]) for row in self.rows()]

    def tries(self) -> list[tuple[int, str, str | None]]:
        """Number, result and reason of each try."""
        query = "SELECT * FROM alert_delivery ORDER BY started_at, number"
        return [(row["number"], row["result"], row["reason"]) for row in self.rows(query)]


@contextmanager
def open_scene(target: Target, timing: Timing | None = None) -> Iterator[Scene]:
    """A scene that lets go of its connections."""
    scene = Scene(target, timing)
    try:
        yield scene
    finally:
        for each in scene.sender.deliveries:
            each.end()
