"""What is read of the audit trail; see `memory`."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Final

import psycopg

from dashboard import audit_address, audit_tables, audit_words, downloads, engine_in_process
from dashboard.audit_address import Asked
from dashboard.audit_words import Names
from dashboard.memory import Known, recall
from dashboard.viewer import Viewer
from engine.access import audit_trail, people
from engine.access.audit import Actor
from engine.access.audit_trail import Page
from engine.access.roles import Permission

# What one file has at most; it passes through this process's memory.
CSV_ROWS: Final = 20_000


@dataclass(frozen=True, slots=True)
class Shown:
    """A page of the trail, and who is meant in it.

    Attributes:
        page: its events.
        names: e-mail addresses, as they are now, of the accounts that it speaks of.
    """

    page: Page
    names: Names


def read_page(viewer: Viewer, asked: Asked) -> Known[Shown]:
    """The events that an address asks for, newest first.

    Raises:
        RuntimeError: this process has no engine.
        PermissionError: the viewer may not manage access.
    """
    _ask(viewer)
    if asked.request:
        return recall(
            engine_in_process.runtime(),
            ("audit of", asked.request),
            lambda connection: _with_names(
                connection, Page(audit_trail.find(connection, asked.request), None, None)
            ),
        )
    return recall(
        engine_in_process.runtime(),
        ("audit", asked.wanted, asked.before),
        lambda connection: _with_names(
            connection, audit_trail.read(connection, asked.wanted, asked.before)
        ),
    )


def _with_names(connection: psycopg.Connection[Any], page: Page) -> Shown:
    meant = set().union(*(audit_words.accounts(each) for each in page.events))
    return Shown(page, people.emails(connection, meant) if meant else {})


def is_known(viewer: Viewer, correlation_id: str) -> Known[bool] | None:
    """Whether the trail has a correlation id; None for who may not ask.

    Raises:
        RuntimeError: this process has no engine.
    """
    if not viewer.may(Permission.MANAGE_ACCESS):
        return None
    return recall(
        engine_in_process.runtime(),
        ("is audited", correlation_id),
        lambda connection: bool(audit_trail.find(connection, correlation_id)),
    )


def csv(actor: Actor, asked: Asked) -> bytes:
    """The same events as CSV, at most `CSV_ROWS` of them; see `downloads.made`.

    Raises:
        RuntimeError: this process has no engine.
        psycopg.Error: the database could not be asked.
    """
    runtime = engine_in_process.runtime()

    def write(connection: psycopg.Connection[Any]) -> bytes:
        if asked.request:
            found = audit_trail.find(connection, asked.request)
        else:
            found = audit_trail.read(connection, asked.wanted, most=CSV_ROWS).events
        return audit_tables.as_csv(found).encode()

    with runtime.read_pool.connection() as connection:
        return downloads.made(
            connection,
            runtime.clock,
            actor,
            Permission.MANAGE_ACCESS,
            "audit_event",
            audit_address.parameters(asked.wanted, asked.request),
            write,
        )


def _ask(viewer: Viewer) -> None:
    """What is known of the trail may be shared by all who pass here."""
    if not viewer.may(Permission.MANAGE_ACCESS):
        raise PermissionError
