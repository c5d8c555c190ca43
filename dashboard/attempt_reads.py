"""What the page of attempts reads: receipts and rows as all pages do, long work one at a time."""

from __future__ import annotations

import io
import tempfile
from typing import Any, Final

import psycopg

from dashboard import addresses, downloads, engine_in_process
from dashboard.long_reads import PATIENCE, long_reading
from dashboard.memory import Known, recall
from dashboard.viewer import Viewer
from engine.access.audit import Actor
from engine.access.roles import Permission
from engine.rollups import listing, receipt
from engine.rollups.export import export
from engine.rollups.receipt import Receipt
from engine.rollups.rows import Page, Place
from engine.rollups.selection import Selection

# What one download has at most; it passes through this process's memory.
CSV_ROWS: Final = 100_000
# A file of that many rows is not kept in memory while it is written.
_IN_MEMORY: Final = 1_000_000


def read_receipt(viewer: Viewer, selection: Selection) -> Known[Receipt]:
    """How many attempts a selection has; rows are counted when there are few.

    Raises:
        RuntimeError: this process has no engine.
        PermissionError: the viewer may not read the ledger.
    """
    _ask(viewer)
    runtime = engine_in_process.runtime()
    return recall(
        runtime,
        ("receipt", selection),
        lambda connection: receipt.read(connection, selection, runtime.clock.now()),
    )


def read_page(viewer: Viewer, selection: Selection, before: Place | None) -> Known[Page]:
    """Some rows of a selection, newest first.

    Args:
        viewer: who asks.
        selection: of the attempts.
        before: only those that are older than this one.

    Raises:
        RuntimeError: this process has no engine.
        PermissionError: the viewer may not read the ledger.
    """
    _ask(viewer)
    runtime = engine_in_process.runtime()
    return recall(
        runtime,
        ("rows", selection, before),
        lambda connection: listing.newest(connection, selection, runtime.clock.now(), before),
    )


def recount(viewer: Viewer, selection: Selection) -> Receipt:
    """The receipt with the rows counted, however many there are.

    Raises:
        BusyError: another long read is under way.
        psycopg.Error: the database could not be asked, or was not done in time.
        PermissionError: the viewer may not read the ledger.
    """
    _ask(viewer)
    clock = engine_in_process.runtime().clock
    with long_reading(wait_s=0) as connection:
        return receipt.read(connection, selection, clock.now(), PATIENCE)


def csv(actor: Actor, selection: Selection) -> bytes:
    """The newest rows of a selection as CSV, at most `CSV_ROWS`; see `downloads.made`.

    Args:
        actor: who clicked.
        selection: of the attempts.

    Raises:
        BusyError: another long read is under way.
        psycopg.Error: the database could not be asked, or was not done in time.
    """
    with long_reading(wait_s=PATIENCE.total_seconds()) as connection:
        return downloads.made(
            connection,
            engine_in_process.runtime().clock,
            actor,
            Permission.READ_LEDGER,
            "attempt",
            addresses.attempts(selection),
            lambda connection: _exported(connection, selection),
        )


def _exported(connection: psycopg.Connection[Any], selection: Selection) -> bytes:
    with tempfile.SpooledTemporaryFile(_IN_MEMORY) as file:
        text = io.TextIOWrapper(file, encoding="utf-8", newline="")
        export(connection, selection, text, at_most=CSV_ROWS)
        text.detach()
        file.seek(0)
        return file.read()


def _ask(viewer: Viewer) -> None:
    """What is known of all agents' attempts may be shared by all who pass here."""
    if not viewer.may(Permission.READ_LEDGER):
        raise PermissionError
