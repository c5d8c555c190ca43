"""The save, step by step, on a real PostgreSQL."""

from __future__ import annotations

from decimal import Decimal
from pathlib import Path

import pytest

from engine.database.target import Target
from engine.quotes.lifecycle import Operation
from engine.runtime import open_runtime
from engine.settings import Settings
from tests.support import Agency, new_agency, quote_body


def test_a_created_quote_has_version_1_and_one_committed_attempt(agency: Agency) -> None:
    quote_id = agency.create()

    quote = agency.runtime.quotes.get(agency.agent_id, quote_id)
    assert quote is not None
    assert quote.version == 1
    assert str(quote.total) == "2443.50"
    assert [(row["operation"], row["outcome"]) for row in agency.attempts()] == [
        ("CREATE", "committed")
    ]


def test_a_stale_version_is_refused_and_names_the_winner(agency: Agency) -> None:
    quote_id = agency.create()
    winner = agency.update(quote_id, 1, tripName="Porto")

    loser = agency.save(Operation.UPDATE, quote_id, {"version": 1, "tripName": "Faro"})

    assert loser.http_status == 409
    assert loser.refusal.details["winnerCorrelationId"] == winner.correlation_id  # type: ignore[union-attr]


@pytest.mark.parametrize(
    "body", [{"tripName": "\ud800"}, {"discount": Decimal("NaN")}, {"discount": object()}]
)
def test_a_body_that_json_cannot_say_is_refused_with_its_row(
    agency: Agency, body: dict[str, object]
) -> None:
    result = agency.save(Operation.CREATE, body=quote_body(**body))

    assert result.http_status == 400
    assert [row["outcome"] for row in agency.attempts()] == ["rejected"]


@pytest.mark.parametrize("write_form", ["one-statement", "several-statements"])
@pytest.mark.parametrize("key", [None, "a-key"])
def test_a_refused_change_says_in_the_ledger_what_it_wanted(
    tmp_path: Path, target: Target, write_form: str, key: str | None
) -> None:
    settings = Settings.model_validate({"data_dir": tmp_path, "write_form": write_form})
    with open_runtime(settings, target) as runtime:
        agency = new_agency(runtime)
        quote_id = agency.create()
        elsewhere = runtime.clock.uuid7()
        change = {"version": 1, "clientId": str(elsewhere), "tripName": "Porto"}

        result = agency.save(Operation.UPDATE, quote_id, change, idempotency_key=key)

        assert result.http_status == 404
        row = agency.attempts()[-1]
        assert row["client_id"] == elsewhere
        assert set(row["changed_fields"]) == {"client_id", "trip_name"}


def test_an_attempt_longer_than_the_ledger_can_say_has_its_row(agency: Agency) -> None:
    long_ago = agency.runtime.clock.monotonic() - 3_600

    result = agency.save(Operation.CREATE, body={"adults": 0}, received=long_ago)

    assert result.http_status == 400
    assert [row["duration_us"] for row in agency.attempts()] == [2**31 - 1]
