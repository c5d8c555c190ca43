"""The course of one attempt: from a request to an ending, whatever happens on the way."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from enum import Enum
from typing import Any, Final, TypeVar
from uuid import UUID

import msgspec
import psycopg
from psycopg_pool import PoolTimeout

from engine.attempts import ledger
from engine.attempts.ledger import AttemptRow
from engine.attempts.outcome import Outcome
from engine.clock import Clock
from engine.database.pool import EngineConnection, Pool
from engine.database.sqlstate import Failure, Remedy, classify
from engine.errors import ErrorCode, Refusal
from engine.quotes.lifecycle import Operation
from engine.quotes.numbers import QuoteNumbers
from engine.quotes.record import COLUMNS, QuoteRecord
from engine.saving import idempotency, statements
from engine.saving.answer import Refused, Replayed, Saved, SaveResult, saved_body
from engine.saving.decision import Plan, joined, named_columns, plan_change, plan_creation
from engine.saving.idempotency import StoredAnswer, stored_answer
from engine.saving.refusals import (
    client_not_found,
    from_failure,
    from_row,
    from_verdict,
    indeterminate,
    with_winner,
)
from engine.saving.request import Creation, Edit, Intent, SaveRequest, fingerprint, read_request
from engine.saving.resolution import resolve
from engine.saving.retry import RetrySchedule, chance
from engine.saving.write import Keyed, Verdict, Write, write_save
from engine.settings import Settings

# Kept back from the save's budget, so that a broken line can still be asked about; of a small
# budget at most this part, or nothing would be left for the save.
_RESOLUTION_RESERVE_S: Final = 1.0
_RESOLUTION_PART: Final = 0.5
# A move that names no version tries again when it loses a race; more losses than this are refused.
_RACES_MAX: Final = 5
_MICRO: Final = 1_000_000
_LONGEST_US: Final = 2**31 - 1
_OK, _CREATED, _CONFLICT, _PRECONDITION_FAILED = 200, 201, 409, 412

_PRICE_CODES: Final = frozenset({ErrorCode.PRICING_VALIDATION_FAILED, ErrorCode.ITEMS_INCONSISTENT})

T = TypeVar("T")


class Standing(Enum):
    """Where an attempt's row is when its save is over."""

    IN_LEDGER = "written"
    TO_RECORD = "to be written on its own"
    IN_DOUBT = "unknown; the sweeper finds out"


@dataclass(frozen=True, slots=True)
class Ending:
    """How an attempt ended: what the caller is told, its row, and where that row is."""

    result: SaveResult
    row: AttemptRow
    standing: Standing


@dataclass(frozen=True, slots=True)
class Tools:
    """What every course of a process works with."""

    pool: Pool
    settings: Settings
    clock: Clock
    numbers: QuoteNumbers
    report: Callable[[str, BaseException], None]


class Course:
    """One attempt on its way: what it has found out and how far it has come."""

    def __init__(self, tools: Tools, request: SaveRequest, row: AttemptRow) -> None:
        """Sets out.

        Args:
            tools: pool, settings, clock.
            request: what is asked.
            row: the attempt's row as a tombstone would write it.
        """
        self._tools = tools
        self._clock = tools.clock
        self._request = request
        self._row = row
        budget_s = tools.settings.save_budget.total_seconds()
        self._deadline = request.received + budget_s
        reserve_s = min(_RESOLUTION_RESERVE_S, _RESOLUTION_PART * budget_s)
        self._write_deadline = self._deadline - reserve_s
        self._schedule = RetrySchedule.of(tools.settings, self._deadline)
        self._fingerprint = b""
        self._plan: Plan | None = None
        self._write_was_sent = False
        self._database_s = 0.0
        self._retries = 0
        self._races = 0

    # --- the way through ---

    def run(self) -> Ending:
        """Reads what is wanted, then tries until there is an ending."""
        intent = read_request(self._request)
        if isinstance(intent, Refusal):
            return self.refused(intent)
        if self._request.idempotency_key is not None:
            self._fingerprint = fingerprint(self._request, self._row.payload_hash)
        self._note(intent)
        while True:
            ending = self._try(intent)
            if ending is not None:
                return ending

    def _note(self, intent: Intent) -> None:
        """Writes down what is asked: the row of a refusal says it like that of a save."""
        if isinstance(intent, Creation):
            self._row.client_id = intent.draft.client_id
            return
        self._row.expected_version = intent.expected_version
        if isinstance(intent, Edit):
            self._row.changed_fields = joined(named_columns(intent))
            self._row.client_id = intent.change.values.get("client_id")

    def _try(self, intent: Intent) -> Ending | None:
        """One try on one connection; None asks for another."""
        self._write_was_sent = False
        try:
            with self._tools.pool.connection(self._write_deadline) as connection:
                if isinstance(intent, Creation):
                    return self._create(connection, intent)
                return self._change(connection, intent)
        except (psycopg.Error, PoolTimeout) as error:
            failure = classify(error, write_was_sent=self._write_was_sent)
            if failure.code is ErrorCode.INTERNAL_ERROR:
                self._tools.report(self._request.correlation_id, error)
        return self._after(failure)

    def _create(self, connection: EngineConnection, intent: Creation) -> Ending | None:
        request = self._request
        if (ending := self._earlier_answer(connection)) is not None:
            return ending
        now = self._clock.now()
        number = self._timed(
            lambda: self._tools.numbers.take(
                connection, request.agent_id, now.year, request.max_active_quotes
            )
        )
        if isinstance(number, Refusal):
            # The last of the quota may have gone to an earlier save under this very key.
            return self._earlier_answer(connection) or self.refused(number)
        plan = plan_creation(
            intent,
            agent_id=request.agent_id,
            quote_id=self._clock.uuid7(),
            quote_number=number,
            modified_by=request.modified_by,
            now=now,
        )
        if isinstance(plan, Refusal):
            return self.refused(self._client_first(connection, plan, intent.draft.client_id))
        return self._write(connection, plan, is_race_final=True)

    def _change(self, connection: EngineConnection, intent: Any) -> Ending | None:  # noqa: ANN401
        request = self._request
        current, answer = self._read(connection)
        if answer is not None and (ending := self._replayed(connection, answer)) is not None:
            return ending
        plan = plan_change(
            request.operation,
            intent,
            current,
            modified_by=request.modified_by,
            now=self._clock.now(),
        )
        if isinstance(plan, Refusal):
            return self.refused(self._in_order(connection, plan, intent, current))
        return self._write(connection, plan, is_race_final=intent.expected_version is not None)

    def _read(self, connection: EngineConnection) -> tuple[QuoteRecord | None, StoredAnswer | None]:
        request = self._request
        is_keyed = request.idempotency_key is not None
        values = {
            "agent_id": request.agent_id,
            "id": request.quote_id,
            "idempotency_key": request.idempotency_key,
        }
        statement = statements.read_quote(keyed=is_keyed)
        row = self._timed(lambda: statement.run(connection, values).fetchone())
        if row is None:
            raise psycopg.InternalError("a read that always returns a row returned none")
        count = len(COLUMNS)
        current = None if row[0] is None else QuoteRecord(*row[:count])
        return current, stored_answer(row[count:]) if is_keyed else None

    def _write(
        self, connection: EngineConnection, plan: Plan, *, is_race_final: bool
    ) -> Ending | None:
        """Writes the plan; a refusal by the write may still be a replay, or a race to run again."""
        request = self._request
        self._plan = plan
        self._row.client_id = plan.record.client_id
        self._row.changed_fields = joined(plan.changed_fields)
        keyed = self._keyed(plan)
        write = Write(
            operation=request.operation,
            plan=plan,
            attempt=self._committed_row(plan),
            elapsed=self._elapsed_since(self._clock.monotonic()),
            conflict_status=self._conflict_status,
            row_if_refused=keyed is None and is_race_final,
            keyed=keyed,
        )
        verdict, is_row_written = self._timed(
            lambda: write_save(connection, write, self._tools.settings, self._sending)
        )
        self._write_was_sent = False  # the server has answered: nothing is in doubt any more
        if verdict.is_saved:
            return Ending(self._saved(plan), write.attempt, Standing.IN_LEDGER)
        if not is_row_written and (ending := self._earlier_answer(connection)) is not None:
            return ending
        if verdict.code is ErrorCode.QUOTE_CONFLICT_VERSION and not is_race_final:
            self._races += 1
            if self._races <= _RACES_MAX:
                return None
        return self._refused_by(
            verdict, connection, plan, written=write.attempt if is_row_written else None
        )

    def _refused_by(
        self,
        verdict: Verdict,
        connection: EngineConnection,
        plan: Plan,
        *,
        written: AttemptRow | None,
    ) -> Ending:
        """A refusal by the write, which may have written its row, too."""
        refusal = from_verdict(
            self._request.operation, verdict, plan.record.id, plan.expected_version
        )
        if refusal.code is ErrorCode.QUOTE_CONFLICT_VERSION:
            refusal = self._naming_winner(connection, refusal)
        ending = self.refused(refusal)
        if written is not None:
            return Ending(ending.result, written, Standing.IN_LEDGER)
        return ending

    # --- endings ---

    def refused(self, refusal: Refusal) -> Ending:
        """Nothing was changed; the row is still to be written."""
        row = self._ended().refused(refusal)
        row.actual_version = refusal.details.get("actualVersion")
        return Ending(self._told(refusal), row, Standing.TO_RECORD)

    def broke_off(self) -> Ending:
        """Our own program failed; nothing is said before the database has been asked."""
        if self._write_was_sent:
            return self._resolved(ErrorCode.INTERNAL_ERROR)
        return self.refused(from_failure(ErrorCode.INTERNAL_ERROR))

    def _after(self, failure: Failure) -> Ending | None:
        """What follows from a failure; None asks for another try."""
        match failure.remedy:
            case Remedy.RETRY:
                now = self._clock.monotonic()
                delay = self._schedule.delay(self._retries, now, chance(self._clock))
                if delay is None:
                    return self.refused(from_failure(failure.code))
                self._retries += 1
                self._clock.sleep(delay)
                return None
            case Remedy.RECONSIDER:
                return self._reconsidered(failure.code)
            case Remedy.RESOLVE:
                return self._resolved(failure.code)
            case Remedy.REFUSE:
                return self.refused(from_failure(failure.code))

    def _reconsidered(self, code: ErrorCode) -> Ending | None:
        """A unique key was taken: by a save under the same key, a tombstone, or a number."""
        try:
            with self._tools.pool.connection(self._deadline) as connection:
                if (ending := self._earlier_answer(connection)) is not None:
                    return ending
                found = ledger.find(connection, self._row)
        except (psycopg.Error, PoolTimeout):
            return self.refused(from_failure(code))
        if found is not None:
            return self._as_found(found)
        self._races += 1
        if self._races > _RACES_MAX:
            return self.refused(from_failure(code))
        self._tools.numbers.forget(self._request.agent_id, self._clock.now().year)
        return None

    def _resolved(self, code: ErrorCode) -> Ending:
        """The line broke after the write was sent: find out before saying anything."""
        refusal = from_failure(code)
        tombstone = self._ended().refused(refusal)
        found = resolve(self._tools.pool.connection, tombstone, self._clock, self._deadline)
        if found is None:
            refusal = indeterminate()
            return Ending(self._told(refusal), self._ended().refused(refusal), Standing.IN_DOUBT)
        if found is tombstone:
            return Ending(self._told(refusal), found, Standing.IN_LEDGER)
        return self._as_found(found)

    def _as_found(self, found: AttemptRow) -> Ending:
        """What the ledger says of this attempt is what its caller hears."""
        if found.outcome == Outcome.COMMITTED and self._plan is not None:
            return Ending(self._saved(self._plan), found, Standing.IN_LEDGER)
        return Ending(self._told(from_row(found)), found, Standing.IN_LEDGER)

    def _earlier_answer(self, connection: EngineConnection) -> Ending | None:
        """The ending under the same idempotency key, if an earlier save was committed."""
        key = self._request.idempotency_key
        if key is None:
            return None
        answer = self._timed(
            lambda: idempotency.find_answer(connection, self._request.agent_id, key)
        )
        return None if answer is None else self._replayed(connection, answer)

    def _replayed(self, connection: EngineConnection, answer: StoredAnswer) -> Ending | None:
        request, now = self._request, self._clock.now()
        if answer.expires_at <= now:
            key = request.idempotency_key or ""
            idempotency.forget_expired(connection, request.agent_id, key, now)
            return None
        if answer.fingerprint != self._fingerprint:
            return self.refused(idempotency.key_reused())
        row = self._ended().accepted(Outcome.REPLAYED, answer.http_status)
        row.quote_id, row.actual_version = answer.quote_id, answer.version
        result = Replayed(
            answer.quote_id,
            answer.version,
            request.correlation_id,
            answer.http_status,
            answer.response,
        )
        return Ending(result, row, Standing.TO_RECORD)

    # --- the order of checks ---

    def _in_order(
        self,
        connection: EngineConnection,
        refusal: Refusal,
        intent: Any,  # noqa: ANN401
        current: QuoteRecord | None,
    ) -> Refusal:
        if refusal.code is ErrorCode.QUOTE_CONFLICT_VERSION:
            return self._naming_winner(connection, refusal)
        if isinstance(intent, Edit) and current is not None:
            client_id = intent.change.values.get("client_id", current.client_id)
            return self._client_first(connection, refusal, client_id)
        return refusal

    def _client_first(
        self, connection: EngineConnection, refusal: Refusal, client_id: UUID | None
    ) -> Refusal:
        """A client that does not fit is reported before a price that does not.

        The write decides on the client; a refused price never gets there, so it is asked here.
        """
        if refusal.code not in _PRICE_CODES or client_id is None:
            return refusal
        values = {"agent_id": self._request.agent_id, "checked_client_id": client_id}
        row = self._timed(lambda: statements.client_fits().run(connection, values).fetchone())
        return refusal if row is not None and row[0] else client_not_found()

    def _naming_winner(self, connection: EngineConnection, refusal: Refusal) -> Refusal:
        return self._timed(
            lambda: with_winner(
                connection, refusal, self._request.agent_id, http_status=self._conflict_status
            )
        )

    # --- parts of rows and answers ---

    @property
    def _conflict_status(self) -> int:
        """412 when the version came as a precondition of the request itself."""
        tag = self._request.if_match
        return _CONFLICT if tag is None or tag.strip() == "*" else _PRECONDITION_FAILED

    @property
    def _success_status(self) -> int:
        return _CREATED if self._request.operation is Operation.CREATE else _OK

    def _keyed(self, plan: Plan) -> Keyed | None:
        request = self._request
        if request.idempotency_key is None:
            return None
        return Keyed(
            self._fingerprint,
            saved_body(request.operation, plan.record, request.correlation_id),
            self._clock.now() + self._tools.settings.idempotency_lifetime,
        )

    def _committed_row(self, plan: Plan) -> AttemptRow:
        """The row as it is when the write commits; the server adds its own time to it."""
        row = self._ended().accepted(Outcome.COMMITTED, self._success_status)
        row.quote_id = plan.record.id
        row.expected_version = plan.expected_version or None
        row.actual_version = plan.record.version
        return row

    def _ended(self) -> AttemptRow:
        """The row with the time that has passed until now."""
        duration_us, database_us = self._elapsed_since(self._clock.monotonic())()
        return msgspec.structs.replace(
            self._row, duration_us=duration_us, database_us=database_us, retries=self._retries
        )

    def _elapsed_since(self, sent: float) -> Callable[[], tuple[int, int]]:
        """What tells how long the attempt, and the database, have taken until it is asked.

        Args:
            sent: when the database got what it is at now.
        """
        spent_s = self._database_s

        def elapsed() -> tuple[int, int]:
            now = self._clock.monotonic()
            return _microseconds(now - self._request.received), _microseconds(spent_s + now - sent)

        return elapsed

    def _saved(self, plan: Plan) -> Saved:
        request = self._request
        return Saved(request.operation, plan.record, request.correlation_id, self._success_status)

    def _told(self, refusal: Refusal) -> Refused:
        return Refused(refusal, self._request.correlation_id, self._clock.now())

    def _sending(self) -> None:
        self._write_was_sent = True

    def _timed(self, call: Callable[[], T]) -> T:
        started = self._clock.monotonic()
        try:
            return call()
        finally:
            self._database_s += self._clock.monotonic() - started


def _microseconds(seconds: float) -> int:
    """As the ledger's columns hold them; what is longer than 35 minutes is 35 minutes there."""
    return min(int(seconds * _MICRO), _LONGEST_US)
