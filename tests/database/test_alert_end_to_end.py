"""A lock held in the database pages both channels, leads to the attempt, and is over by itself."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from uuid import UUID

import psycopg
import pytest

from engine.attempts.lookup import Certainty, find
from engine.database.target import Target
from engine.quotes.lifecycle import Operation
from engine.saving.answer import Refused
from engine.settings import Settings
from tests.database.alerting import Bench, alert_bench
from tests.support import Agency, new_agency, quote_body

RULE = "CRITICAL-003"


@pytest.fixture
def bench(settings: Settings, target: Target) -> Iterator[Bench]:
    impatient = settings.model_copy(update={"lock_timeout": timedelta(milliseconds=50)})
    with alert_bench(impatient, target) as opened:
        yield opened


@contextmanager
def locked(bench: Bench, quote_id: UUID) -> Iterator[None]:
    """Somebody holds a quote's row and does not let go."""
    with psycopg.connect(bench.runtime.target.owner) as other:
        other.execute("SELECT 1 FROM quote WHERE id = %s FOR UPDATE", [quote_id])
        yield


def goes_well(agency: Agency, count: int = 5) -> None:
    for _ in range(count):
        agency.save(Operation.CREATE, body=quote_body())


def test_a_burst_of_database_timeouts_pages_both_channels_within_two_intervals(
    bench: Bench,
) -> None:
    agency = new_agency(bench.runtime)
    quote_id = agency.create()
    goes_well(agency)
    bench.tick()
    assert bench.outbox() == []

    began = bench.clock.now()
    with locked(bench, quote_id):
        results = [agency.update(quote_id, 1, tripName="Porto") for _ in range(3)]
    goes_well(agency)
    bench.tick()

    assert all(isinstance(each, Refused) for each in results)
    failed = [each for each in agency.attempts() if each["error_code"] == "DATABASE_TIMEOUT"]
    assert len(failed) == len(results)
    paged = bench.outbox(RULE)
    assert [(each["kind"], each["channel"]) for each in paged] == [
        ("firing", "telegram"), ("firing", "webhook"),
    ]  # fmt: skip
    assert all(each["made_at"] - began <= timedelta(seconds=20) for each in paged)
    body = paged[1]["body"]
    assert (body["errorCode"], body["severity"], body["ruleId"]) == (
        "DATABASE_TIMEOUT", "CRITICAL", RULE,
    )  # fmt: skip
    assert body["environment"] == bench.runtime.settings.environment
    assert {"attempts", "bad", "share", "window_s", "p95_ms", "p99_ms"} <= body["metrics"].keys()
    with psycopg.connect(bench.runtime.target.app, autocommit=True) as connection:
        (hit,) = find(connection, body["correlationId"], bench.clock.now()).hits
    assert hit.certainty is Certainty.EXACT
    # They began at one instant of a clock that stands: each is the newest.
    assert body["correlationId"] in {each["correlation_id"] for each in failed}

    for _ in range(3):
        bench.clock.advance(timedelta(seconds=290))
        goes_well(agency)
        bench.tick()
    told = [(each["kind"], each["channel"]) for each in bench.outbox(RULE)]
    assert told[2:] == [("resolved", "telegram"), ("resolved", "webhook")]
    assert bench.alert(RULE)["resolved_at"] is not None
    assert bench.states()[RULE] == "resolved"
