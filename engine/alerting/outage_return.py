"""The database is back: what was told of its absence goes into the tables, once.

It is written outside of any tick, under the lock of the tick. From then on the rule is evaluated
like any other: it goes on firing for as long as it is to be kept, so that what the outage leaves
behind (attempts that had waited, a tick that came late) is known for what it is.
"""

from __future__ import annotations

from datetime import datetime
from typing import Any, Final

import psycopg
import structlog
from psycopg.types.json import Jsonb

from engine.alerting import records
from engine.alerting.composing import compose
from engine.alerting.deciding import Transition, Verdict
from engine.alerting.notices import NoticeKind
from engine.alerting.outage import database_rule
from engine.alerting.outage_file import Copy, Outage, OutageFile
from engine.alerting.outbox import put_in, urgency_of
from engine.alerting.remembered import remembered
from engine.alerting.rules import Rule
from engine.alerting.states import Memory, RuleState
from engine.alerting.telling import Telling, Why, of_end
from engine.clock import Clock
from engine.correlation import make_correlation_id
from engine.database.pool import Pool
from engine.settings import Settings


def settle(pool: Pool, file: OutageFile, settings: Settings, clock: Clock) -> bool:
    """Puts down what the file has, and takes it away; whether nothing is left to be put down.

    Args:
        pool: of connections to the database that is back.
        file: of this data directory; another process may have it just now.
        settings: who we are.
        clock: for instants and ids.

    Raises:
        psycopg.Error: the database could not be asked; the file stays.
        PoolTimeout: the same.
        OSError: the directory cannot be used.
    """
    if not file.is_there:
        return True
    with file.held() as is_ours:
        if not is_ours:
            return False
        outage = file.read()
        try:
            if outage is not None:
                with pool.connection() as connection:
                    if not put_down(connection, settings, clock, outage):
                        return False
        except _REFUSED as error:
            # It would be refused for ever, and every tick would wait for it.
            structlog.get_logger().error("outage_not_put_down", error=type(error).__name__)
            file.put_aside()
        else:
            file.remove()
    return True


def put_down(
    connection: psycopg.Connection[Any], settings: Settings, clock: Clock, outage: Outage
) -> bool:
    """Writes it into the tables unless it stands there; False while somebody has the lock.

    Args:
        connection: in autocommit.
        settings: who we are.
        clock: for instants and ids.
        outage: what was told, and how far it has come.

    Raises:
        psycopg.Error: the database could not be asked; nothing is written.
    """
    with connection.transaction():
        if not records.lock(connection):
            return False
        # Whoever was killed before it took the file away has written all of it.
        if connection.execute(_IS_THERE, [outage.alert_id]).fetchone() is None:
            _write(connection, settings, clock, outage)
    return True


def _write(
    connection: psycopg.Connection[Any], settings: Settings, clock: Clock, outage: Outage
) -> None:
    now, rule = clock.now(), database_rule()
    known = remembered(connection, now)
    before = known.memories.get(rule.id) or Memory(RuleState.INACTIVE, outage.since)
    # Another machine has told of it, too, or the one before is not over yet.
    earlier = known.alerts.get(rule.id)
    memory = Memory(
        RuleState.FIRING,
        since=outage.fired_at if earlier is None else before.since,
        true_since=outage.since,
        last_true=now,
        alert_id=outage.alert_id if earlier is None else earlier.id,
    )
    told = Verdict(
        rule=rule,
        memory=memory,
        reason=outage.reason,
        numbers=outage.numbers,
        transition=Transition(
            outage.transition_id, before.state, make_correlation_id(outage.transition_id)
        ),
        alert=outage.alert(rule),
        is_new=True,
        told=Telling(NoticeKind.FIRING, Why.BEGINS),
    )
    records.write_verdicts(
        connection, [told], outage.fired_at, tick=None, environment=settings.environment
    )
    for copy in outage.copies:
        _write_copy(connection, outage, copy, now)
    if earlier is not None:
        _end_at_once(connection, settings, outage, rule, now)


def _write_copy(
    connection: psycopg.Connection[Any], outage: Outage, copy: Copy, now: datetime
) -> None:
    """A row of the outbox as far as it has come; the outbox goes on with one that is open."""
    is_open = copy.is_open
    connection.execute(
        _INSERT_COPY,
        {
            "id": copy.id,
            "alert_id": outage.alert_id,
            "kind": NoticeKind.FIRING.value,
            "channel": copy.channel,
            "escalates_to": copy.escalates_to,
            "urgency": urgency_of(str(outage.body["severity"])),
            "body": Jsonb(outage.body),
            "made_at": outage.fired_at,
            "state": "waiting" if is_open else copy.state,
            "tries": len(copy.tries),
            "next_at": now if is_open else None,
            "reason": copy.reason,
            "answer": copy.answer,
            "receipt": copy.receipt,
            "ended_at": copy.ended_at,
            # Its sender was killed in the middle of it.
            "is_perhaps_repeated": copy.is_perhaps_repeated or copy.state == "sending",
        },
    )
    for number, tried in enumerate(copy.tries, 1):
        connection.execute(
            _INSERT_TRY,
            [
                copy.id, number, tried.started_at, tried.ended_at, tried.result, tried.reason,
                tried.status, tried.answer,
            ],
        )  # fmt: skip


def _end_at_once(
    connection: psycopg.Connection[Any],
    settings: Settings,
    outage: Outage,
    rule: Rule,
    now: datetime,
) -> None:
    """A second alert of one outage: whoever opened something for it is told that it is over."""
    connection.execute(_END_ALERT, [now, outage.alert_id])
    over = Verdict(
        rule=rule,
        memory=Memory(RuleState.FIRING, now),
        reason=_ONE_OUTAGE,
        numbers=outage.numbers,
        alert=outage.alert(rule),
        is_over=True,
        told=of_end(outage.fired_at),
    )
    put_in(connection, compose(settings, [over], now))


_REFUSED: Final = (psycopg.IntegrityError, psycopg.DataError, psycopg.ProgrammingError)
_ONE_OUTAGE: Final = "Another alert tells of the same outage; this one ends here."
_IS_THERE: Final = "SELECT 1 FROM alert WHERE id = %s"
_END_ALERT: Final = "UPDATE alert SET resolved_at = %s WHERE id = %s"
_INSERT_COPY: Final = """
    INSERT INTO alert_outbox (
        id, alert_id, kind, channel, escalates_to, urgency, body, made_at, state, tries, next_at,
        reason, answer, receipt, ended_at, is_perhaps_repeated
    ) VALUES (
        %(id)s, %(alert_id)s, %(kind)s, %(channel)s, %(escalates_to)s, %(urgency)s, %(body)s,
        %(made_at)s, %(state)s, %(tries)s, %(next_at)s, %(reason)s, %(answer)s, %(receipt)s,
        %(ended_at)s, %(is_perhaps_repeated)s
    )
"""
_INSERT_TRY: Final = """
    INSERT INTO alert_delivery (
        outbox_id, number, started_at, ended_at, result, reason, status, answer
    ) VALUES (%s, %s, %s, %s, %s, %s, %s, %s)
"""
