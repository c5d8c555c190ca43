"""Every request that an edge counted has its log line, and what lacks one shows."""

from __future__ import annotations

import json
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any, Final
from uuid import UUID

import psycopg
import pytest

from engine.attempts.line_counts import forget_old
from engine.attempts.line_recount import Recount
from engine.attempts.lines import FIELDS, WITHHELD
from engine.rollups.series import looking
from engine.slo.coverage import NOT_LOGGED, CoverageState, LogCoverage, measure
from engine.worker import _store_counts
from tests.api.caller import Caller
from tests.api.service import CLOCK, Service

HOUR: Final = timedelta(hours=1)


@pytest.fixture
def app(own_service: Service) -> Iterator[psycopg.Connection[Any]]:
    with psycopg.connect(own_service.runtime.target.app, autocommit=True) as connection:
        yield connection


def measured(connection: psycopg.Connection[Any]) -> LogCoverage:
    """The log's coverage of the last hour, when all of it is over."""
    with looking(connection) as look:
        return measure(connection, look, CLOCK.now() + timedelta(minutes=2), HOUR).log


def files(service: Service) -> list[Path]:
    return list(service.runtime.lines.file.directory.iterdir())


def test_every_request_that_is_saved_or_refused_has_its_line(
    own_service: Service, own_caller: Caller, app: psycopg.Connection[Any]
) -> None:
    assert measured(app) == NOT_LOGGED
    assert measured(app).state is CoverageState.UNKNOWN
    quote_id = own_caller.sent()
    own_caller.call("PATCH", f"/{quote_id}", {"version": 9})
    own_caller.call("POST", body=b"{")
    own_caller.call("GET", f"/{quote_id}")  # no save
    _store_counts(own_service.runtime)

    assert measured(app) == LogCoverage(requests=4, missing=0, lost=0)
    assert measured(app).state is CoverageState.COMPLETE
    (path,) = files(own_service)
    assert len([json.loads(line) for line in path.read_bytes().splitlines()]) == 4


def test_a_line_has_every_column_of_the_ledger_but_those_that_are_withheld(
    own_service: Service, app: psycopg.Connection[Any]
) -> None:
    assert own_service is not None
    columns = [each.name for each in app.execute("SELECT * FROM ledger").description or ()]

    assert [each for each in columns if each not in WITHHELD] == list(FIELDS)
    assert set(columns) > WITHHELD


def test_a_line_that_could_not_be_written_is_told_apart_from_one_that_went_astray(
    own_service: Service, own_caller: Caller, app: psycopg.Connection[Any]
) -> None:
    own_caller.create()
    own_service.runtime.lines.file.close()
    own_caller.create()
    own_caller.create()
    _store_counts(own_service.runtime)
    lost = measured(app)
    own_service.execute("UPDATE line_count SET lost = 1")

    assert lost == LogCoverage(requests=3, missing=0, lost=2)
    assert (lost.state, lost.share) == (CoverageState.MISSING, 1 / 3)
    assert measured(app) == LogCoverage(requests=3, missing=1, lost=1)


def test_a_process_that_counts_no_lines_is_not_judged(
    own_service: Service, own_caller: Caller, app: psycopg.Connection[Any]
) -> None:
    own_caller.create()
    _store_counts(own_service.runtime)
    older = "INSERT INTO edge_count SELECT bucket, %s, 1, 50, 0 FROM edge_count"
    app.execute(older, [UUID(int=7)])

    assert measured(app) == LogCoverage(requests=1, missing=0, lost=0)


def test_a_minute_whose_lines_all_went_astray_is_not_taken_for_one_without_logs(
    own_service: Service,
    own_caller: Caller,
    app: psycopg.Connection[Any],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(own_service.runtime.lines, "ended", lambda _row: None)
    own_caller.create()
    _store_counts(own_service.runtime)

    assert measured(app) == LogCoverage(requests=1, missing=1, lost=0)


def test_the_last_lines_of_a_killed_process_are_counted_from_its_files(
    own_service: Service, own_caller: Caller, app: psycopg.Connection[Any]
) -> None:
    own_caller.create()
    own_caller.create()
    _store_counts(own_service.runtime)
    own_service.execute("UPDATE line_count SET written = 0")  # as if killed before it stored them
    directory = own_service.runtime.lines.file.directory
    (path,) = files(own_service)
    with path.open("ab") as file:
        file.write(b'{"event": "attempt", "started_at": "half a li')
    recount = Recount(directory)

    assert recount.run(app, CLOCK.now()) == 0  # it still lives
    assert measured(app).missing == 2
    own_service.runtime.lines.file.close()
    assert recount.run(app, CLOCK.now()) == 1
    assert measured(app) == LogCoverage(requests=2, missing=0, lost=0)
    assert recount.run(app, CLOCK.now()) == 0
    assert Recount(directory).run(app, CLOCK.now()) == 1  # somebody else changes nothing by it
    assert measured(app) == LogCoverage(requests=2, missing=0, lost=0)
    assert Recount(directory).run(app, CLOCK.now() + timedelta(hours=3)) == 0


def test_counts_of_which_edges_have_no_minutes_any_more_are_dropped(
    own_service: Service, own_caller: Caller
) -> None:
    own_caller.create()
    _store_counts(own_service.runtime)
    target, now = own_service.runtime.target, CLOCK.now()
    with psycopg.connect(target.owner, autocommit=True) as owner:
        forget_old(owner, now + timedelta(days=15))
        kept = owner.execute("SELECT count(*) FROM line_count").fetchone()
        forget_old(owner, now + timedelta(days=17))
        left = owner.execute("SELECT count(*) FROM line_count").fetchone()

    assert (kept, left) == ((1,), (0,))
