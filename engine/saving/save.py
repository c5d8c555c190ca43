"""The save: begin in the journal, take the attempt's course, see its row into the ledger, answer.

`Saver.save` does not raise for anything that can happen to a save: it returns what the caller is
told. By then the attempt's row is in the ledger, or in the journal on its way there.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

import psycopg
from psycopg_pool import PoolTimeout

from engine.attempts import ledger
from engine.attempts.journal import Journal
from engine.attempts.ledger import AttemptRow
from engine.attempts.line_writer import LineWriter
from engine.clock import Clock
from engine.database.pool import Pool
from engine.errors import Refusal
from engine.quotes.numbers import QuoteNumbers
from engine.saving.answer import SaveResult
from engine.saving.course import Course, Ending, Standing, Tools
from engine.saving.refusals import journal_full
from engine.saving.request import SaveRequest, payload_hash, well_formed_key
from engine.settings import Settings

# A refusal's row may take this long to be written before it goes to the spool instead.
_RECORD_S: Final = 2.0

# The attempt's row, what the caller is told, and the seconds from arrival to now.
Observer = Callable[[AttemptRow, SaveResult, float], None]
Reporter = Callable[[str, BaseException], None]


class Saver:
    """Saves quotes, from any number of threads."""

    def __init__(
        self,
        pool: Pool,
        journal: Journal,
        settings: Settings,
        clock: Clock,
        *,
        lines: LineWriter,
        observe: Observer,
        report: Reporter,
    ) -> None:
        """Takes what it works with.

        Args:
            pool: connections of the application role.
            journal: this process's.
            settings: budget, retries, form of the write.
            clock: time and chance.
            lines: writes the log line of every attempt.
            observe: told of every ended attempt; must be quick and not raise.
            report: told of what should never happen, with the correlation id.
        """
        self._pool = pool
        self._journal = journal
        self._clock = clock
        self._lines = lines
        self._observe = observe
        self._report = report
        self._tools = Tools(pool, settings, clock, QuoteNumbers(), report)
        self._origin_id = ledger.origin_id(settings)

    def save(self, request: SaveRequest) -> SaveResult:
        """Does what the request asks, or refuses it; one row in the ledger either way."""
        return self._attempt(request, Course.run)

    def refuse(self, request: SaveRequest, refusal: Refusal) -> SaveResult:
        """Ends an attempt that was refused before the engine could look at it."""
        return self._attempt(request, lambda course: course.refused(refusal))

    def _attempt(self, request: SaveRequest, proceed: Callable[[Course], Ending]) -> SaveResult:
        row = self._row_of(request)
        course = Course(self._tools, request, row)
        try:
            self._journal.begin(row)
        except OSError as error:
            self._report(request.correlation_id, error)
            ending = course.refused(journal_full())
        else:
            try:
                ending = proceed(course)
            except Exception as error:  # noqa: BLE001  # whatever it is, the attempt gets its row
                self._report(request.correlation_id, error)
                ending = course.broke_off()
        self._conclude(ending)
        passed = self._clock.monotonic() - request.received
        self._observe(ending.row, ending.result, passed)
        return ending.result

    def _row_of(self, request: SaveRequest) -> AttemptRow:
        return AttemptRow(
            agent_id=request.agent_id,
            started_at=request.started_at,
            id=request.attempt_id,
            quote_id=request.quote_id,
            origin_id=self._origin_id,
            operation=request.operation.value,
            source=request.source.value,
            correlation_id=request.correlation_id,
            traceparent=request.traceparent,
            payload_hash=payload_hash(request),
            idempotency_key=well_formed_key(request.idempotency_key),
        )

    def _conclude(self, ending: Ending) -> None:
        match ending.standing:
            case Standing.IN_LEDGER:
                self._end(ending.row)
            case Standing.TO_RECORD:
                self._record(ending.row)
            case Standing.IN_DOUBT:
                self._lines.waits(ending.row)
                self._journal.doubt(ending.row)

    def _record(self, row: AttemptRow) -> None:
        """Writes the row of an attempt that changed nothing; spools it while that fails."""
        if not self._journal.is_ledger_away:
            try:
                with self._pool.connection(self._clock.monotonic() + _RECORD_S) as connection:
                    # A tombstone may have been faster; then its row is the attempt's.
                    recorded = ledger.settle(connection, row)
            except (psycopg.Error, PoolTimeout):
                pass
            else:
                self._end(recorded)
                return
        self._lines.waits(row)
        self._journal.spool(row)

    def _end(self, row: AttemptRow) -> None:
        """Closes an attempt whose row, this one, is in the ledger.

        In this order: a kill in between leaves two lines of it, and never none.
        """
        self._lines.ended(row)
        self._journal.end(row.id)
