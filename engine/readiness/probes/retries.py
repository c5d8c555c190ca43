"""Retries: a save is made to lose a deadlock, and must be made again by the engine itself.

A real one, with what any client of the database could do. Ours holds the idempotency key that the
save is about to write, so that the save, which holds its quote by then, waits for us; then we wait
for the quote. Whoever has waited for `deadlock_timeout` first finds the circle and is the victim:
the save. It is made again, finds us gone, and is done.
"""

from __future__ import annotations

from collections.abc import Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from datetime import timedelta
from typing import Any, Final
from uuid import UUID

import psycopg
from psycopg.rows import dict_row

from engine.errors import ErrorCode
from engine.quotes.lifecycle import Operation
from engine.readiness.probes.probe import Found, Question, unknown
from engine.readiness.probes.saving import Hand, code_of, hand_of
from engine.readiness.probes.transcript import Transcript
from engine.saving.answer import SaveResult

_HOLD_KEY: Final = """
    INSERT INTO idempotency_key
        (agent_id, key, fingerprint, attempt_id, quote_id, version, http_status, response,
        expires_at)
    VALUES (%s, %s, %s, %s, %s, 1, 200, '', now())
"""
_WAIT_FOR_QUOTE: Final = "SELECT version FROM quote WHERE agent_id = %s AND id = %s FOR UPDATE"
_WAITS_FOR_US: Final = """
    SELECT count(*) FROM pg_stat_activity WHERE pg_backend_pid() = ANY(pg_blocking_pids(pid))
"""
_DEADLOCK_TIMEOUT: Final = """
    SELECT setting::int FROM pg_settings WHERE name = 'deadlock_timeout'
"""
_ROW: Final = """
    SELECT outcome, error_code, retries, duration_us FROM ledger
    WHERE agent_id = %s AND correlation_id = %s
"""
_REVISIONS: Final = "SELECT count(*) FROM quote_revision WHERE agent_id = %s AND quote_id = %s"
_PAUSE_S: Final = 0.01
_PATIENCE_S: Final = 5.0
# On a machine that is too busy it is we who wait for longer, and lose.
_TRIES: Final = 3
_WITNESS: Final = f"a deadlock of a canary's save: {_HOLD_KEY}; {_WAIT_FOR_QUOTE}"


def inject(question: Question) -> Found:
    """`retry.inject`: what lost a deadlock is made again, once; what is wrong is not."""
    hand = hand_of(question)
    settings = question.runtime.settings
    timeout = _deadlock_timeout(hand)
    if timeout >= settings.lock_timeout or settings.pooler != "none":
        return unknown(
            f"No deadlock is found out within {settings.lock_timeout.total_seconds():g} s, the"
            " longest that a save waits for a lock: none can be made",
            _DEADLOCK_TIMEOUT,
            deadlockTimeoutMs=int(timeout.total_seconds() * 1000),
        )
    log = Transcript()
    for _ in range(_TRIES):
        quote_id = hand.create()
        result = _deadlocked(hand, quote_id)
        if result is not None:
            break
    else:
        return unknown(f"No save lost a deadlock in {_TRIES} tries", _WITNESS)
    row = _row(hand, result)
    log.equal("a save that lost a deadlock is saved", code_of(result), "")
    retries = int(row.get("retries", 0))
    log.equal("after one retry", retries, 1)
    log.check("within the cap", retries <= settings.retry_limit, retries)
    budget_us = int(settings.save_budget.total_seconds() * 1_000_000)
    log.check("within the budget", row.get("duration_us", budget_us) < budget_us, "longer")
    log.equal("with one effect", _revisions(hand, quote_id), 2)
    for name, wanted, body in (
        ("what is not valid", ErrorCode.QUOTE_VALIDATION_FAILED, {"version": 2, "adults": 0}),
        ("a conflict", ErrorCode.QUOTE_CONFLICT_VERSION, {"version": 1, "adults": 3}),
    ):
        refused = hand.save(Operation.UPDATE, quote_id, dict(body))
        got = (code_of(refused), _row(hand, refused).get("retries"))
        log.equal(f"{name} is not made again", got, (wanted.value, 0))
    hand.save(Operation.SEND, quote_id)
    refused = hand.save(Operation.UPDATE, quote_id, {"version": 3, "adults": 3})
    got = (code_of(refused), _row(hand, refused).get("retries"))
    log.equal("a state is not made again", got, (ErrorCode.QUOTE_ALREADY_SENT.value, 0))
    return log.found(
        "Retries",
        _WITNESS,
        retries=retries,
        cap=settings.retry_limit,
        durationUs=row.get("duration_us"),
        budgetUs=budget_us,
    )


def _deadlocked(hand: Hand, quote_id: UUID) -> SaveResult | None:
    """A save that has been the victim of a deadlock; None when it could not be made one."""
    clock = hand.runtime.clock
    key = f"readiness-{clock.uuid7()}"
    with (
        ThreadPoolExecutor(1, "deadlock") as threads,
        psycopg.connect(hand.runtime.target.app) as ours,
    ):
        values = [hand.agent_id, key, bytes(32), clock.uuid7(), quote_id]
        ours.execute(_HOLD_KEY, values)
        saving = threads.submit(
            hand.save,
            Operation.UPDATE,
            quote_id,
            {"version": 1, "adults": 3},
            idempotency_key=key,
        )
        is_waiting = _waits(hand, ours, saving)
        if is_waiting:
            try:
                ours.execute(_WAIT_FOR_QUOTE, [hand.agent_id, quote_id])
            except psycopg.errors.DeadlockDetected:
                is_waiting = False  # we were the victim, not the save
        ours.rollback()
        result = saving.result()
    return result if is_waiting else None


def _waits(hand: Hand, ours: psycopg.Connection[Any], saving: Future[SaveResult]) -> bool:
    """Whether the save waits for us, now or soon."""
    clock = hand.runtime.clock
    deadline = clock.monotonic() + _PATIENCE_S
    while not saving.done() and clock.monotonic() < deadline:
        (waiting,) = ours.execute(_WAITS_FOR_US).fetchone() or (0,)
        if waiting:
            return True
        clock.sleep(_PAUSE_S)
    return False


def _deadlock_timeout(hand: Hand) -> timedelta:
    with hand.runtime.read_pool.connection() as connection:
        (milliseconds,) = connection.execute(_DEADLOCK_TIMEOUT).fetchone() or (0,)
    return timedelta(milliseconds=milliseconds)


def _row(hand: Hand, result: SaveResult) -> Mapping[str, Any]:
    with (
        hand.runtime.read_pool.connection() as connection,
        connection.cursor(row_factory=dict_row) as cursor,
    ):
        cursor.execute(_ROW, [hand.agent_id, result.correlation_id])
        return cursor.fetchone() or {}


def _revisions(hand: Hand, quote_id: UUID) -> int:
    with hand.runtime.read_pool.connection() as connection:
        (count,) = connection.execute(_REVISIONS, [hand.agent_id, quote_id]).fetchone() or (0,)
    return int(count)
