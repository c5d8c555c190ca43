"""The save, step by step, on a real PostgreSQL."""

from __future__ import annotations

from decimal import Decimal

import pytest

from engine.quotes.lifecycle import Operation
from tests.support import Agency, quote_body


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
