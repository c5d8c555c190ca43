"""From a pasted text to the tests of channels that it names: their messages carry an id, too."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

import psycopg
from psycopg.rows import tuple_row

from engine.alerting.evaluations import ids_in
from engine.attempts.words import instant, printable

# More would be a list, not an answer.
_TOLD_MAX: Final = 20
_STANDING: Final = {
    "waiting": "it waits to be sent",
    "sending": "it is being sent",
    "delivered": "the channel has taken it",
    "failed": "the channel has not taken it",
    "not configured": "the channel is not configured",
    "dropped": "it was given up",
}


@dataclass(frozen=True, slots=True)
class Tested:
    """Somebody has tested a channel.

    Attributes:
        correlation_id: by which it was found.
        channel: which.
        made_at: when.
        state: of its message, as in the outbox.
        echoed_at: when its nonce came back; None while it has not.
    """

    correlation_id: str
    channel: str
    made_at: datetime
    state: str
    echoed_at: datetime | None

    @property
    def sentence(self) -> str:
        """What it was, in words that a terminal and a page may show."""
        back = f", and its nonce came back at {instant(self.echoed_at)}" if self.echoed_at else ""
        return printable(
            f"{self.correlation_id} is the test of channel {self.channel} that was made at"
            f" {instant(self.made_at)}: {_STANDING[self.state]}{back}."
        )


def find(connection: psycopg.Connection[Any], text: str, now: datetime) -> tuple[Tested, ...]:
    """The tests of channels that a text names by a correlation id, newest first.

    Args:
        connection: of the application.
        text: anything.
        now: the present instant.

    Raises:
        psycopg.Error: the database could not be asked.
    """
    named = ids_in(text, now)
    if not named:
        return ()
    with connection.cursor(row_factory=tuple_row) as cursor:
        found = cursor.execute(_FIND, [named, _TOLD_MAX]).fetchall()
    return tuple(Tested(*row) for row in found)


_FIND: Final = """
    -- Tests of channels by the correlation id of their message; an index has all tests.
    SELECT body ->> 'correlationId', channel, made_at, state, echoed_at
    FROM alert_outbox
    WHERE kind = 'test' AND body ->> 'correlationId' = ANY(%s)
    ORDER BY made_at DESC, id DESC
    LIMIT %s
"""
