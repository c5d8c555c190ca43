"""Reading the audit trail: newest first, page by page, or by a correlation id.

Every read goes by an index. What an index does not know is looked for among a bounded number of
events, and the page says how far back that was.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final, NamedTuple
from uuid import UUID

import psycopg
from psycopg.rows import class_row

PAGE: Final = 50
# So many events are looked through for a page (measured: 30 ms); what is older is for the next one.
LOOKED_THROUGH: Final = 20_000
# A correlation id is of one request; whatever has more is no longer told event by event.
_OF_ONE: Final = 200


class Place(NamedTuple):
    """Where an event stands among the others, which are ordered by this."""

    happened_at: datetime
    id: UUID


@dataclass(frozen=True, slots=True)
class Event:
    """An event of the trail; attributes are columns of `audit_event`, see `tables.AuditEvent`."""

    id: UUID
    happened_at: datetime
    action: str
    outcome: str
    error_code: str | None
    account_id: UUID | None
    actor: str
    way: str
    address: str | None
    subject_kind: str | None
    subject_id: str | None
    correlation_id: str
    details: dict[str, Any]

    @property
    def place(self) -> Place:
        """Where it stands among the others."""
        return Place(self.happened_at, self.id)


@dataclass(frozen=True, slots=True)
class Wanted:
    """Which events to look for.

    Attributes:
        start: from this instant; None for the first there is.
        end: until before this one; None for the last.
        action: only this one.
        actor: only those with this in their actor's name, however its letters are written.
        outcome: done or refused.
    """

    start: datetime | None = None
    end: datetime | None = None
    action: str | None = None
    actor: str | None = None
    outcome: str | None = None


@dataclass(frozen=True, slots=True)
class Page:
    """Some events, newest first.

    Attributes:
        events: at most `PAGE`.
        older: where to go on; None when there is nothing older.
        reached: how far back it was looked, when that was not as far as the window goes.
    """

    events: tuple[Event, ...]
    older: Place | None
    reached: datetime | None


def read(
    connection: psycopg.Connection[Any],
    wanted: Wanted,
    before: Place | None = None,
    *,
    most: int = PAGE,
) -> Page:
    """A page of the trail.

    Args:
        connection: of the application.
        wanted: which events.
        before: only those older than this one.
        most: how many at most.

    Raises:
        psycopg.Error: the database could not be asked.
    """
    values = {
        "start": wanted.start,
        "end": wanted.end,
        "before_at": None if before is None else before.happened_at,
        "before_id": None if before is None else before.id,
        "action": wanted.action,
        "actor": None if wanted.actor is None else wanted.actor.casefold(),
        "outcome": wanted.outcome,
        "looked_through": LOOKED_THROUGH,
        "most": most + 1,
    }
    statement = _read(wanted, before)
    with connection.cursor(row_factory=class_row(_Found)) as cursor:
        found = cursor.execute(statement, values).fetchall()
    events = tuple(each.event() for each in found if each.action is not None)
    if len(events) > most:
        return Page(events[:most], events[most - 1].place, None)
    last = next((each for each in found if each.last_at is not None), None)
    if last is None or last.last_at is None or last.last_id is None:
        return Page(events, None, None)
    return Page(events, Place(last.last_at, last.last_id), last.last_at)


def find(connection: psycopg.Connection[Any], correlation_id: str) -> tuple[Event, ...]:
    """The events of one request, newest first.

    Raises:
        psycopg.Error: the database could not be asked.
    """
    with connection.cursor(row_factory=class_row(Event)) as cursor:
        return tuple(
            cursor.execute(_FIND, {"correlation_id": correlation_id, "most": _OF_ONE}).fetchall()
        )


@dataclass(frozen=True, slots=True)
class _Found:
    """An event, or only how far the look went."""

    id: UUID | None
    happened_at: datetime | None
    action: str | None
    outcome: str | None
    error_code: str | None
    account_id: UUID | None
    actor: str | None
    way: str | None
    address: str | None
    subject_kind: str | None
    subject_id: str | None
    correlation_id: str | None
    details: dict[str, Any] | None
    last_at: datetime | None
    last_id: UUID | None

    def event(self) -> Event:
        """The event that it is."""
        return Event(**{name: getattr(self, name) for name in Event.__dataclass_fields__})


_COLUMNS: Final = ", ".join(Event.__dataclass_fields__)


def _read(wanted: Wanted, before: Place | None) -> bytes:
    """The statement for a page; only what is asked for stands in it, so that each is planned so."""
    bounds = [
        clause
        for clause, is_asked in (
            ("happened_at >= %(start)s", wanted.start is not None),
            ("happened_at < %(end)s", wanted.end is not None),
            ("(happened_at, id) < (%(before_at)s, %(before_id)s)", before is not None),
        )
        if is_asked
    ]
    filters = [
        clause
        for clause, is_asked in (
            ("action = %(action)s", wanted.action is not None),
            ("strpos(lower(actor), %(actor)s) > 0", wanted.actor is not None),
            ("outcome = %(outcome)s", wanted.outcome is not None),
        )
        if is_asked
    ]
    return _READ.format(
        columns=_COLUMNS,
        bounds=f"WHERE {' AND '.join(bounds)}" if bounds else "",
        filters=f"WHERE {' AND '.join(filters)}" if filters else "",
        nothing=", ".join(f"NULL::{kind}" for kind in _TYPES),
    ).encode()


_TYPES: Final = (
    "uuid", "timestamptz", "text", "text", "text", "uuid", "text", "text", "text", "text", "text",
    "text", "jsonb",
)  # fmt: skip
_READ: Final = """
    -- A page of the trail, and the last event that was looked at if there may be more behind it.
    WITH looked AS MATERIALIZED (
        SELECT {columns}
        FROM audit_event
        {bounds}
        ORDER BY happened_at DESC, id DESC
        LIMIT %(looked_through)s
    ),
    found AS (
        SELECT {columns}
        FROM looked
        {filters}
        ORDER BY happened_at DESC, id DESC
        LIMIT %(most)s
    ),
    last AS (
        SELECT happened_at, id
        FROM looked
        ORDER BY happened_at, id
        LIMIT (SELECT CASE WHEN count(*) = %(looked_through)s THEN 1 ELSE 0 END FROM looked)
    )
    SELECT {columns}, NULL::timestamptz AS last_at, NULL::uuid AS last_id
    FROM found
    UNION ALL
    SELECT {nothing}, happened_at, id
    FROM last
    ORDER BY happened_at DESC NULLS LAST, id DESC
"""
_FIND: Final = f"""
    -- The events of one request.
    SELECT {_COLUMNS}
    FROM audit_event
    WHERE correlation_id = %(correlation_id)s
    ORDER BY happened_at DESC, id DESC
    LIMIT %(most)s
""".encode()  # noqa: S608  # put together from constants of ours
