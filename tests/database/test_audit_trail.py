"""Reading the audit trail: newest first, page by page, filtered, and never by reading it whole."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from datetime import UTC, datetime, timedelta
from typing import Any, Final

import psycopg
import pytest

from engine.access import audit, audit_trail
from engine.access.audit import Action, Actor, Way
from engine.access.audit_trail import PAGE, Page, Place, Wanted
from engine.clock import FrozenClock
from engine.database.target import Target
from engine.errors import ErrorCode

_NOW: Final = datetime(2026, 11, 26, 12, tzinfo=UTC)
_MANY: Final = """
    INSERT INTO audit_event (
        id, happened_at, action, outcome, error_code, actor, way, correlation_id, details
    )
    SELECT
        gen_random_uuid(),
        %(now)s - n * interval '1 minute',
        CASE WHEN n %% 1000 = 0 THEN 'role changed' ELSE 'call refused' END,
        CASE WHEN n %% 1000 = 0 THEN 'done' ELSE 'refused' END,
        CASE WHEN n %% 1000 = 0 THEN NULL ELSE 'AUTHORIZATION_FAILED' END,
        'actor-' || n %% 7,
        'API',
        'callers-' || n,
        '{}'
    FROM generate_series(1, %(rows)s) AS n
"""


@pytest.fixture
def connection(target: Target) -> Iterator[psycopg.Connection[Any]]:
    with psycopg.connect(target.app, autocommit=True) as opened:
        yield opened


def happen(
    connection: psycopg.Connection[Any], number: int, *, clock: FrozenClock, at_once: bool = False
) -> None:
    """Some events of two actors, every third refused."""
    for each in range(number):
        actor = Actor(None, f"Actor-{each % 2}", Way.PAGE, None, f"REQ-OF-{each:04}")
        refused = ErrorCode.AUTHORIZATION_FAILED if each % 3 == 0 else None
        action = Action.ROLE_CHANGED if each % 2 else Action.KEY_ADDED
        audit.write(connection, audit.event(clock, actor, action, refused=refused))
        if not at_once:
            clock.advance(timedelta(seconds=1))


def pages(connection: psycopg.Connection[Any], wanted: Wanted, most: int = PAGE) -> list[Page]:
    """Every page, one after the other."""
    found, before = [], None
    while True:
        page = audit_trail.read(connection, wanted, before, most=most)
        found.append(page)
        before = page.older
        if before is None:
            return found


@pytest.mark.parametrize("at_once", [False, True], ids=["apart", "at-one-instant"])
def test_pages_hold_every_event_once_newest_first(
    connection: psycopg.Connection[Any], *, at_once: bool
) -> None:
    happen(connection, 120, clock=FrozenClock(_NOW), at_once=at_once)

    found = pages(connection, Wanted())

    assert [len(page.events) for page in found] == [50, 50, 20]
    events = [each for page in found for each in page.events]
    assert len({each.id for each in events}) == 120
    assert [each.place for each in events] == sorted((each.place for each in events), reverse=True)


@pytest.mark.parametrize(
    ("wanted", "condition"),
    [
        (Wanted(action="role changed"), "action = 'role changed'"),
        (Wanted(outcome="refused"), "outcome = 'refused'"),
        (Wanted(actor="ACTOR-1"), "actor = 'Actor-1'"),
        (Wanted(actor="%"), "false"),
        (
            Wanted(start=_NOW + timedelta(seconds=10), end=_NOW + timedelta(seconds=20)),
            (
                f"happened_at >= '{_NOW + timedelta(seconds=10)}'"
                f" AND happened_at < '{_NOW + timedelta(seconds=20)}'"
            ),
        ),
        (
            Wanted(action="key added", outcome="done", actor="actor-0"),
            "action = 'key added' AND outcome = 'done'",
        ),
    ],
    ids=["action", "outcome", "actor", "no-pattern", "window", "all-of-it"],
)
def test_a_filter_finds_what_plain_sql_finds(
    connection: psycopg.Connection[Any], wanted: Wanted, condition: str
) -> None:
    happen(connection, 60, clock=FrozenClock(_NOW))
    plainly = connection.execute(
        f"SELECT id FROM audit_event WHERE {condition} ORDER BY happened_at DESC, id DESC".encode()  # noqa: S608  # ours
    ).fetchall()

    found = pages(connection, wanted, most=7)

    assert [(each.id,) for page in found for each in page.events] == plainly


def test_what_is_rare_is_looked_for_among_so_many_and_the_page_says_how_far_back(
    connection: psycopg.Connection[Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(audit_trail, "LOOKED_THROUGH", 100)
    connection.execute(_MANY, {"now": _NOW, "rows": 2_050})

    first, *others = pages(connection, Wanted(action="role changed"))

    assert first.events == ()
    assert first.older == (first.reached, first.older and first.older.id)
    assert first.reached == _NOW - timedelta(minutes=100)
    assert len(others) == 20
    assert sum(len(page.events) for page in others) == 2
    assert others[-1].reached is None


def test_no_look_into_the_trail_reads_it_whole(
    connection: psycopg.Connection[Any], target: Target
) -> None:
    connection.execute(_MANY, {"now": _NOW, "rows": 60_000})
    with psycopg.connect(target.owner, autocommit=True) as owner:
        owner.execute("ANALYZE audit_event")
    asked: list[tuple[bytes, Mapping[str, Any]]] = []

    class Noting(psycopg.Cursor[Any]):
        def execute(self, query: Any, params: Any = None, **more: Any) -> Any:
            asked.append((query, params))
            return super().execute(query, params, **more)

    connection.cursor_factory = Noting
    middle = Place(_NOW - timedelta(minutes=30_000), FrozenClock(_NOW).uuid7())
    for wanted in (
        Wanted(),
        Wanted(action="role changed"),
        Wanted(actor="actor-3", outcome="done"),
        Wanted(start=_NOW - timedelta(minutes=50_000), end=_NOW - timedelta(minutes=40_000)),
    ):
        for before in (None, middle):
            audit_trail.read(connection, wanted, before)
    audit_trail.find(connection, "callers-777")
    connection.cursor_factory = psycopg.Cursor

    assert len(asked) == 9
    for query, values in asked:
        lines = connection.execute(b"EXPLAIN (ANALYZE, BUFFERS, TIMING OFF) " + query, values)
        plan = "\n".join(line for (line,) in lines)
        assert "Seq Scan on audit_event" not in plan, plan
        assert "Index" in plan


def test_a_request_is_found_by_its_correlation_id_alone(
    connection: psycopg.Connection[Any],
) -> None:
    happen(connection, 9, clock=FrozenClock(_NOW))

    assert [each.correlation_id for each in audit_trail.find(connection, "REQ-OF-0004")] == [
        "REQ-OF-0004"
    ]
    assert audit_trail.find(connection, "REQ-OF-000") == ()
