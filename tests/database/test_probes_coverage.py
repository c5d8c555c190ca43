"""The probes of the three witnesses: edge, ledger and log agree, or say who is missing."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

import psycopg
import pytest

from engine.database.target import Target
from engine.readiness.assessment import Verdict
from engine.readiness.probes.probe import Found
from engine.runtime import Runtime
from tests.database.attempt_rows import attempt, write
from tests.database.databases import run
from tests.database.releases import Lookout, ago, at_noon, superuser
from tests.sabotage import sabotage
from tests.support import Agency

_EDGE = 77
_PROCESS = UUID(int=77)


def witnessed(
    target: Target, minute: datetime, *, requests: int, rows: int, lines: int | None, lost: int = 0
) -> None:
    """A minute as edge, ledger and log have it; a process without a log counts no lines."""
    write(
        target.app,
        *(refused(minute + timedelta(seconds=number)) for number in range(rows)),
    )
    with psycopg.connect(target.owner) as connection:
        connection.execute(
            """
            INSERT INTO origin VALUES (%s, 'staging', '2026.48', 'edge', now(), true)
            ON CONFLICT DO NOTHING
            """,
            [_EDGE],
        )
        connection.execute(
            "INSERT INTO edge_count VALUES (%s, %s, %s, %s, 0)", [minute, _PROCESS, _EDGE, requests]
        )
        if lines is not None:
            connection.execute(
                "INSERT INTO line_count VALUES (%s, %s, %s, %s, %s)",
                [minute, _PROCESS, _EDGE, lines, lost],
            )


def refused(at: datetime) -> tuple[Any, ...]:
    """An attempt of a request, of which no change is left."""
    return attempt(at, origin_id=_EDGE, outcome=3, error_code=1)


@pytest.fixture
def look(runtime: Runtime) -> Lookout:
    return at_noon(runtime)


# Which box, how long after the deployment, and the minute that it looks at.
BOXES = {"PRE-7.5": 60, "POST-2.7": 20, "POST-3.7": 40}


@pytest.fixture
def asked(look: Lookout) -> Callable[[], Found]:
    """Looks at one of the boxes that ask for coverage."""
    look.deployed(ago(minutes=BOXES["POST-2.7"]))
    return lambda: look("corr.coverage", "POST-2.7")


@pytest.mark.parametrize("box", list(BOXES))
def test_three_witnesses_that_agree_are_green(look: Lookout, target: Target, box: str) -> None:
    look.deployed(ago(minutes=BOXES[box]))
    witnessed(target, ago(minutes=4), requests=3, rows=3, lines=3)

    found = look("corr.coverage", box)

    assert found.verdict is Verdict.PASSING, found
    assert "All 3 requests" in found.reason


@pytest.mark.parametrize(
    "box", [pytest.param(box, marks=sabotage("corr.coverage", box)) for box in BOXES]
)
def test_a_request_without_a_row_is_red(look: Lookout, target: Target, box: str) -> None:
    look.deployed(ago(minutes=BOXES[box]))
    witnessed(target, ago(minutes=4), requests=5, rows=3, lines=3)

    found = look("corr.coverage", box)

    assert found.verdict is Verdict.FAILING
    assert found.reason == "2 of 5 requests have no row in the ledger"


@sabotage("corr.coverage", "POST-2.7")
@pytest.mark.parametrize(("lines", "lost"), [(1, 0), (2, 1)], ids=["missing", "lost"])
def test_lines_that_are_missing_from_the_log_are_red(
    asked: Callable[[], Found], target: Target, lines: int, lost: int
) -> None:
    witnessed(target, ago(minutes=4), requests=3, rows=3, lines=lines, lost=lost)

    found = asked()

    assert found.verdict is Verdict.FAILING, found
    assert "have no line in the log" in found.reason


def test_processes_without_logs_leave_it_open(asked: Callable[[], Found], target: Target) -> None:
    witnessed(target, ago(minutes=4), requests=3, rows=3, lines=None)

    assert asked().verdict is Verdict.INSUFFICIENT


def test_no_request_proves_nothing(asked: Callable[[], Found]) -> None:
    found = asked()

    assert found.verdict is Verdict.INSUFFICIENT
    assert "No request" in found.reason


def test_a_time_that_is_over_is_looked_at_as_it_was(look: Lookout, target: Target) -> None:
    look.deployed(ago(minutes=60))
    witnessed(target, ago(minutes=40), requests=3, rows=3, lines=3)
    witnessed(target, ago(minutes=20), requests=9, rows=3, lines=3)

    assert look("corr.coverage", "POST-2.7").verdict is Verdict.PASSING
    assert look("corr.coverage", "POST-3.7").verdict is Verdict.FAILING


@pytest.fixture
def after_a_day(agency: Agency) -> Lookout:
    """More than a day after the deployment, with a quote that was saved."""
    agency.create()
    return at_noon(agency.runtime).deployed(ago(hours=25))


def test_nothing_was_silent(after_a_day: Lookout, target: Target) -> None:
    witnessed(target, ago(minutes=4), requests=3, rows=3, lines=3)

    found = after_a_day("silent.reconcile")

    assert found.verdict is Verdict.PASSING, found


@sabotage("silent.reconcile", "STABLE-10")
def test_a_change_without_its_attempt_was_silent(
    after_a_day: Lookout, server: str, target: Target
) -> None:
    witnessed(target, ago(minutes=4), requests=3, rows=3, lines=3)
    run(superuser(server, target), "DELETE FROM attempt WHERE operation = 1 AND outcome = 1")

    found = after_a_day("silent.reconcile")

    assert found.verdict is Verdict.FAILING
    assert "changes and attempts do not agree" in found.reason


@sabotage("silent.reconcile", "STABLE-10")
def test_a_request_that_left_nothing_was_silent(after_a_day: Lookout, target: Target) -> None:
    witnessed(target, ago(minutes=4), requests=4, rows=0, lines=0)

    assert after_a_day("silent.reconcile").verdict is Verdict.FAILING
