"""A replay on a real PostgreSQL, both ways: every row sent, the right code, an exact ledger."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Final

import psycopg
import pytest

from engine.attempts.outcome import Outcome, Source
from engine.clock import FrozenClock
from engine.quotes.lifecycle import Operation
from engine.replay.agencies import needed
from engine.replay.bookings import Booking, read_bookings
from engine.replay.reconciliation import reconcile
from engine.replay.report import Report
from engine.replay.sender import Reply
from engine.replay.tally import Ended, Tally
from engine.replay.ways import engine_way
from engine.runtime import Runtime
from tests.api.service import Service, served, settings_in
from tests.database.databases import cloned
from tests.database.replay_harness import (
    DIRT,
    INVALID,
    agency_at,
    asked,
    message_of,
    replayed,
    some_rows,
    via_engine,
    via_http,
)
from tests.unit.examples import attempt_row
from tests.unit.replay_examples import row, write_csv


@pytest.fixture
def bookings(tmp_path: Path) -> list[Booking]:
    return read_bookings(write_csv(tmp_path / "bookings.csv.gz", some_rows(), compressed=True))


@pytest.fixture
def service(server: str, template: str, tmp_path: Path) -> Iterator[Service]:
    """A server with a database of its own."""
    with cloned(server, template) as target, served(target, settings_in(tmp_path / "api")) as made:
        yield made


# --- every row, the right code ---


def test_dirty_rows_are_refused_by_the_engine_and_everything_else_is_saved(
    runtime: Runtime, bookings: list[Booking]
) -> None:
    report = via_engine(runtime, bookings)

    assert report.is_clean, report
    assert report.codes == {INVALID: len(DIRT)}
    assert {each.reason: each.bookings for each in report.reasons} == Counter(
        said for _, said in DIRT
    )
    assert report.fates == {
        "told to the end": len(bookings) - len(DIRT),
        "refused at its creation": len(DIRT),
    }
    assert asked(runtime.target, "SELECT count(*) FROM quote") == [(len(bookings) - len(DIRT),)]


def test_the_figures_add_up_with_the_ledger_and_the_quotes(
    runtime: Runtime, bookings: list[Booking]
) -> None:
    report = via_engine(runtime, bookings)

    in_ledger = asked(
        runtime.target,
        "SELECT operation, outcome, error_code, count(*) FROM ledger GROUP BY 1, 2, 3",
    )
    assert report.total.sent == report.ledger_rows == sum(count for *_, count in in_ledger)
    assert report.total.sent == report.steps - report.unsent
    assert report.total.by_outcome["committed"] == report.saves
    by_operation = {each.operation: each.sent for each in report.attempts[:-1]}
    assert set(by_operation) == {"CREATE", "UPDATE", "DELETE", "SEND", "ACCEPT", "REJECT"}
    for operation, sent in by_operation.items():
        assert sent == sum(count for name, *_, count in in_ledger if name == operation)
    (saves,) = asked(runtime.target, "SELECT sum(version) FROM quote")[0]
    assert saves == report.saves
    statuses = dict(asked(runtime.target, "SELECT status, count(*) FROM quote GROUP BY 1"))
    assert statuses["ACCEPTED"] == by_operation["ACCEPT"]
    assert statuses["REJECTED"] == by_operation["REJECT"]
    assert statuses["CANCELLED"] == by_operation["DELETE"]
    assert (
        statuses["SENT"] == by_operation["SEND"] - by_operation["ACCEPT"] - by_operation["REJECT"]
    )
    assert "DRAFT" not in statuses


def test_rows_that_repeat_an_earlier_row_are_all_saved(runtime: Runtime, tmp_path: Path) -> None:
    bookings = read_bookings(write_csv(tmp_path / "same.csv", [row() | {"row": "7"}] * 30))

    report = via_engine(runtime, bookings)

    assert report.fates == {"told to the end": 30}
    assert "replayed" not in report.total.by_outcome
    assert asked(runtime.target, "SELECT count(DISTINCT quote_number) FROM quote") == [(30,)]
    bodies = "SELECT count(*), count(DISTINCT payload_hash) FROM ledger WHERE operation = 'CREATE'"
    assert asked(runtime.target, bodies) == [(30, 1)]


def test_the_steps_of_a_booking_stand_in_the_ledger_in_their_order(
    runtime: Runtime, bookings: list[Booking]
) -> None:
    via_engine(runtime, bookings)

    histories = asked(
        runtime.target,
        "SELECT quote_id, string_agg(operation, ' ' ORDER BY started_at), "
        "array_agg(actual_version ORDER BY started_at) "
        "FROM ledger WHERE quote_id IS NOT NULL GROUP BY 1",
    )
    assert len(histories) == len(bookings) - len(DIRT)
    for _, operations, versions in histories:
        assert versions == list(range(1, len(versions) + 1))
        assert operations.split()[0] == "CREATE"
        assert operations.split()[-1] in {"SEND", "ACCEPT", "REJECT", "DELETE"}


def test_what_is_saved_is_what_the_row_says(runtime: Runtime, tmp_path: Path) -> None:
    one = row(booking_changes="3", adr="96.14", adults="2", children="1")
    via_engine(runtime, read_bookings(write_csv(tmp_path / "one.csv", [one])))

    ((total, travelers, hotels, destination, status, days),) = asked(
        runtime.target,
        "SELECT total, travelers, hotels, destination, status, duration_days FROM quote",
    )

    assert str(total) == "333.68"  # 96.14 for three nights, 15 % on it, and taxes of 2 by change 2
    assert (travelers, destination, status, days) == (3, "Lisbon", "ACCEPTED", 3)
    assert [(each["roomType"], each["nights"]) for each in hotels] == [("D", 3)]


def test_a_second_replay_on_the_same_database_makes_other_agents(
    runtime: Runtime, bookings: list[Booking]
) -> None:
    first = via_engine(runtime, bookings[:50])
    second = via_engine(runtime, bookings[:50])

    assert first.run != second.run
    assert first.total.sent == second.total.sent == second.ledger_rows
    assert second.is_clean
    (agents,) = asked(runtime.target, "SELECT count(*) FROM agent")[0]
    (emails,) = asked(runtime.target, "SELECT count(DISTINCT lower(email)) FROM account")[0]
    assert agents == emails == 2 * len(needed(bookings[:50]))


def test_agencies_and_guests_may_have_any_name(runtime: Runtime, tmp_path: Path) -> None:
    odd = {"agent": "a\x00b", "country": "\x1b[31m" * 50, "customer_type": ""}
    path = write_csv(tmp_path / "odd.csv", [row(**odd), row(meal="a\x00b"), row(hotel="Zürich")])

    report = via_engine(runtime, read_bookings(path))

    assert report.is_clean, report
    assert [each.reason for each in report.reasons] == [
        "customNotes must not contain the NUL character"
    ]
    assert report.fates["told to the end"] == 2


def test_the_ledger_calls_it_what_it_is_told_to(runtime: Runtime, bookings: list[Booking]) -> None:
    replayed(engine_way(runtime, Source.LOAD), runtime.target, runtime, bookings[:20])

    assert asked(runtime.target, "SELECT DISTINCT source FROM ledger") == [("load",)]


# --- both ways ---


def test_both_ways_leave_the_same_ledger(
    runtime: Runtime, service: Service, bookings: list[Booking]
) -> None:
    straight, over_http = via_engine(runtime, bookings), via_http(service, bookings)

    assert over_http.is_clean, over_http
    assert kinds(over_http) == kinds(straight)
    assert over_http.reasons == straight.reasons
    assert over_http.ledger_rows == straight.ledger_rows
    assert asked(service.runtime.target, CONTENT) == asked(runtime.target, CONTENT)


def kinds(report: Report) -> list[tuple[str, dict[str, int], int]]:
    return [(each.operation, each.by_outcome, each.sent) for each in report.attempts]


CONTENT: Final = """
    SELECT agent_notes, trip_name, total, status, version, hotels, custom_notes, travelers
    FROM quote
    ORDER BY agent_notes, version
"""


# --- the comparison ---


def test_the_comparison_waits_for_rows_that_are_still_on_their_way(
    runtime: Runtime, tmp_path: Path
) -> None:
    # While a row waits in the journal, the rows of refusals queue up behind it.
    runtime.journal.spool(attempt_row(origin_id=0))
    dirty = [row(**changes) for changes, _ in DIRT]

    report = via_engine(runtime, read_bookings(write_csv(tmp_path / "dirty.csv", dirty)))

    assert report.is_clean, report
    assert report.ledger_rows == len(DIRT)
    assert not runtime.journal.is_spooling


def test_an_attempt_that_the_ledger_lacks_is_named(
    runtime: Runtime, bookings: list[Booking]
) -> None:
    report = via_engine(runtime, bookings[:5])
    tally, saved = Tally(), Reply(Outcome.COMMITTED)
    one = message_of(agency_at(1))
    for each in report.attempts[:-1]:
        of_that_kind = replace(one, operation=Operation[each.operation])
        for _ in range(each.sent):
            tally.answered(of_that_kind, saved, 0, is_repeat=False)
    tally.answered(replace(one, operation=Operation.EXPIRE), saved, 0, is_repeat=False)
    clock = FrozenClock(runtime.clock.now())

    with psycopg.connect(runtime.target.app, autocommit=True) as connection:
        found = reconcile(connection, clock, f"RPL-{report.run}-", tally, lambda: None)

    assert not found.agrees
    assert found.differences == [(Ended(Operation.EXPIRE, Outcome.COMMITTED, None), 1, 0)]
    assert clock.monotonic() > 0  # it asked again before it gave up
