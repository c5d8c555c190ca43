"""Writes the canonical line of each attempt: never at the cost of a save, never uncounted."""

from __future__ import annotations

import threading
from collections.abc import Mapping
from typing import Any

import psycopg
import structlog

from engine.attempts.ledger import AttemptRow, Provenance
from engine.attempts.line_counts import LineCounts
from engine.attempts.lines import KIND, Event, encode, line_of
from engine.clock import Clock
from engine.log_files import LogFile
from engine.quotes.lifecycle import Operation


class LineWriter:
    """Writes the lines of this process's attempts, and of those that its sweeper closes.

    Safe to use from any thread; nothing about an attempt raises.
    """

    def __init__(
        self,
        file: LogFile,
        counts: LineCounts,
        origin_id: int,
        provenance: Provenance,
        clock: Clock,
    ) -> None:
        """Takes what it works with.

        Args:
            file: where the lines go.
            counts: of those of requests.
            origin_id: under which the ledger knows this process's attempts.
            provenance: what that number stands for.
            clock: says when a line was written.
        """
        self.file = file
        self.counts = counts
        self._own = {origin_id: provenance}
        self._clock = clock
        self._lost = 0  # in a row
        self._lock = threading.Lock()

    def ended(self, row: AttemptRow) -> None:
        """The save has seen this row into the ledger."""
        self._canonical(row, self._own.get(row.origin_id), Event.ENDED)

    def swept(self, row: AttemptRow, known: Mapping[int, Provenance]) -> None:
        """A sweeper has found or put this row into the ledger.

        Args:
            row: as the ledger has it.
            known: what the ledger knows of the processes that began such attempts.
        """
        self._canonical(row, known.get(row.origin_id), Event.SWEPT)

    def waits(self, row: AttemptRow) -> None:
        """The ledger could not take this row yet, or nobody knows whether it has it."""
        self._write(row, self._own.get(row.origin_id), Event.WAITS)

    def store_counts(self, connection: psycopg.Connection[Any]) -> int:
        """Writes down what was counted; returns how many minutes have changed.

        Raises:
            psycopg.Error: it could not be; the next call tries again.
        """
        return self.counts.store(connection, self._clock.now())

    def close(self) -> None:
        """Lets go of the file."""
        self.file.close()

    def _canonical(self, row: AttemptRow, provenance: Provenance | None, event: Event) -> None:
        is_written = self._write(row, provenance, event)
        passed_edge = provenance is not None and provenance.has_edge
        if passed_edge and row.operation != Operation.EXPIRE:
            self.counts.count(row.started_at, row.origin_id, is_written=is_written)

    def _write(self, row: AttemptRow, provenance: Provenance | None, event: Event) -> bool:
        try:
            fault = self.file.append(encode(line_of(row, provenance, event, self._clock.now())))
        except Exception as error:  # noqa: BLE001  # a log must not fail the save that it is about
            fault = type(error).__name__
        if fault is not None or self._lost:
            self._say(fault)
        return fault is None

    def _say(self, fault: str | None) -> None:
        """Tells of an outage once, and of its end; not of every line."""
        with self._lock:
            lost = self._lost
            self._lost = 0 if fault is None else lost + 1
        if fault is None and lost:
            structlog.get_logger().info("log_lines_written_again", kind=KIND, lost=lost)
        elif fault is not None and not lost:
            structlog.get_logger().warning("log_lines_lost", kind=KIND, error=fault)
