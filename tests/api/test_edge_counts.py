"""The edge counts what arrives, the ledger what became of it, and the two agree."""

from __future__ import annotations

import socket
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

import psycopg
import pytest

from engine.attempts.edge_counts import EdgeCounts
from engine.database.target import Target
from engine.rollups.roller import roll
from engine.rollups.series import looking
from engine.runtime import open_runtime
from engine.slo.coverage import NOT_LOGGED, Coverage, CoverageState, measure
from engine.slo.objectives import LIMITS
from engine.worker import _store_counts
from tests.api.caller import Caller, calling, client_of
from tests.api.service import CLOCK, QUOTES, Service, eventually, served, settings_in
from tests.database.databases import cloned
from tests.support import new_agency

PROCESS = UUID(int=7)
HOUR = timedelta(hours=1)


@pytest.fixture
def app(own_service: Service) -> Any:
    with psycopg.connect(own_service.runtime.target.app, autocommit=True) as connection:
        yield connection


@pytest.fixture
def own_caller(own_service: Service) -> Any:
    with calling(own_service) as made:
        yield made


def measured(connection: psycopg.Connection[Any]) -> Coverage:
    """The ledger's coverage of the last hour, when all of it is over; the log has its own tests."""
    with looking(connection) as look:
        found = measure(connection, look, CLOCK.now() + timedelta(minutes=2), HOUR)
    return replace(found, log=NOT_LOGGED)


def test_whatever_arrives_is_covered(
    own_service: Service, own_caller: Caller, app: psycopg.Connection[Any]
) -> None:
    call = own_caller.call
    assert measured(app).state is CoverageState.UNKNOWN
    quote_id = own_caller.sent()
    answers = [
        call("POST", f"/{quote_id}/accept"),
        call("PATCH", f"/{quote_id}", {"version": 9}),
        call("PATCH", "/no-uuid", {"version": 1}),
        call("DELETE", f"/{UUID(int=5)}"),
        call("POST", body=b"{"),
        call("POST", body={}),
        call("POST", body=b"x" * (1024 * 1024 + 1)),
        call("POST", f"/{quote_id}/send", X_Correlation_ID="x" * 500),
    ]
    for api_key in (None, "nobody's"):
        with client_of(own_service, api_key) as stranger:
            answers.append(stranger.post(QUOTES, json={}))
    call("GET", f"/{quote_id}")  # no saves: reads, and what is nowhere
    call("GET")
    call("PUT", f"/{quote_id}", {})
    saves = 2 + len(answers)
    assert {answer.status_code // 100 for answer in answers} <= {2, 4}

    unstored = measured(app)
    assert _store_counts(own_service.runtime) >= 1

    assert (unstored.state, unstored.uncounted) == (CoverageState.UNKNOWN, saves)
    assert measured(app) == Coverage(requests=saves, missing=0, uncounted=0)
    assert roll(app, CLOCK, LIMITS) == saves
    assert measured(app).state is CoverageState.COMPLETE


def test_a_row_that_goes_missing_is_missed(
    own_service: Service, own_caller: Caller, app: psycopg.Connection[Any]
) -> None:
    own_caller.create()
    own_caller.create()
    _store_counts(own_service.runtime)
    own_service.execute("GRANT DELETE ON attempt TO CURRENT_USER")
    own_service.execute("DELETE FROM attempt WHERE id = (SELECT id FROM attempt LIMIT 1)")

    found = measured(app)

    assert (found.state, found.missing, found.share) == (CoverageState.MISSING, 1, 0.5)


def test_who_leaves_early_is_counted_and_leaves_no_row(
    own_service: Service, own_caller: Caller, app: psycopg.Connection[Any]
) -> None:
    own_caller.create()
    counts = own_service.runtime.edge_counts
    assert counts is not None
    with socket.create_connection(own_service.address) as hasty:
        hasty.sendall(
            f"POST {QUOTES} HTTP/1.1\r\nHost: here\r\nContent-Length: 99\r\n\r\n{{".encode()
        )
        assert eventually(lambda: sum(each[0] for each in counts._minutes.values()) == 2)

    assert eventually(lambda: sum(each[1] for each in counts._minutes.values()) == 1)
    _store_counts(own_service.runtime)

    assert measured(app) == Coverage(requests=1, missing=0, uncounted=0)
    assert own_service.stock().attempts == 1


def test_the_last_counts_of_a_process_that_dies_make_no_gap(
    own_service: Service, own_caller: Caller, app: psycopg.Connection[Any]
) -> None:
    own_caller.create()
    _store_counts(own_service.runtime)
    own_caller.create()  # and the process is killed before it has stored this one

    found = measured(app)

    assert (found.state, found.missing, found.uncounted) == (CoverageState.COMPLETE, 0, 1)


def test_what_is_saved_within_a_process_without_an_edge_is_not_compared(
    server: str, template: str, tmp_path: Any
) -> None:
    with cloned(server, template) as target:
        settings = settings_in(tmp_path, instance="without-edge")
        with open_runtime(settings, target) as runtime:
            assert runtime.edge_counts is None
            new_agency(runtime).create()
        with (
            served(target, settings_in(tmp_path)) as service,
            calling(service) as caller,
            psycopg.connect(target.app, autocommit=True) as app,
        ):
            caller.create()
            _store_counts(service.runtime)
            assert measured(app) == Coverage(1, 0, 0)


# --- the counts themselves ------------------------------------------------------------------------


def stored(target: Target) -> list[tuple[Any, ...]]:
    with psycopg.connect(target.app) as connection:
        return connection.execute(
            "SELECT bucket, arrivals, left_early FROM edge_count ORDER BY 1"
        ).fetchall()


def test_counts_grow_by_the_minute_and_storing_twice_changes_nothing(target: Target) -> None:
    counts, minute = EdgeCounts(PROCESS, 1), datetime.fromisoformat("2026-03-01T12:01:00Z")
    counts.arrived(minute)
    counts.arrived(minute + timedelta(seconds=59, microseconds=999_999))
    counts.arrived(minute + timedelta(minutes=1))
    assert counts.has_news
    with psycopg.connect(target.app, autocommit=True) as connection:
        assert counts.store(connection, minute) == 2
        assert counts.store(connection, minute) == 0
        # He leaves half a minute later, when another minute has begun and been stored.
        counts.left_early(minute)
        assert counts.store(connection, minute + timedelta(minutes=5)) == 1

    assert stored(target) == [(minute, 2, 1), (minute + timedelta(minutes=1), 1, 0)]


def test_counts_that_cannot_be_stored_are_kept(target: Target) -> None:
    counts, minute = EdgeCounts(PROCESS, 1), datetime.fromisoformat("2026-03-01T12:01:00Z")
    counts.arrived(minute)
    with psycopg.connect(target.app, autocommit=True) as gone:
        gone.close()
        with pytest.raises(psycopg.OperationalError):
            counts.store(gone, minute)
    assert counts.has_news

    with psycopg.connect(target.app, autocommit=True) as connection:
        counts.store(connection, minute + timedelta(days=1))

        assert stored(target) == [(minute, 1, 0)]
        # There was no more of it for long.
        counts.store(connection, minute + timedelta(days=2))
        assert counts._minutes == {}
