"""Stored values and verdicts in words: nobody's name, nothing that turns a line round."""

from __future__ import annotations

from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

import msgspec
import pytest

from dashboard import quote_words
from dashboard.wording import Words
from engine.integrity.rules import RULES, RuleResult
from engine.quotes.versions import Version
from tests.unit.examples import NOW, stored_quote


@pytest.mark.parametrize(
    ("name", "said", "shown"),
    [
        ("total", Decimal("2443.50"), "2,443.50"),
        ("adults", 2, "2"),
        ("trip_name", None, "none"),
        ("inclusions", [], "none"),
        ("inclusions", ["Breakfast", "Wi-Fi"], "Breakfast; Wi-Fi"),
        ("meetAndGreet", True, "yes"),
        ("start_date", datetime(2026, 6, 1, tzinfo=UTC), "2026-06-01"),
        ("end_date", datetime(2026, 6, 6, 10, 30, tzinfo=UTC), "2026-06-06 10:30:00.000"),
        ("agent_notes", "call Inês", "9 characters, not shown"),
        ("custom_notes", "x", "1 character, not shown"),
        ("destination", "Lis\u202ebon\x07", "Lis\\u202ebon\\u0007"),
        ("destination", "é" * 500, "é" * 400 + "… (500 characters)"),
        ("", {"name": "Avenida", "price": Decimal("1.50")}, "name: Avenida; price: 1.50"),
    ],
)
def test_a_value_is_told_as_a_text(name: str, said: Any, shown: str) -> None:
    assert quote_words.value(name, said) == shown


@pytest.mark.parametrize(
    ("modified_by", "shown"),
    [
        ("0190f0a0-0000-7000-8000-000000000001", "account 0190f0a0-0000-7000-8000-000000000001"),
        ("system:expiry", "system:expiry"),
        ("unknown", "unknown"),
        ("ines@example.org", "a name or address, not shown"),
        ("Inês Moreira", "a name or address, not shown"),
        ("", "nobody is named"),
        (None, "nobody is named"),
    ],
)
def test_who_made_a_version_is_an_account_or_a_part_of_the_system(
    modified_by: str | None, shown: str
) -> None:
    assert quote_words.who(modified_by) == shown


def version(number: int, operation: str = "UPDATE", **changes: Any) -> Version:
    record = msgspec.structs.replace(stored_quote(), version=number, **changes)
    return Version(number, operation, "x", NOW, "REQ-1", record.id, NOW, ("fees",), record)


def test_the_first_version_is_told_by_its_contents() -> None:
    first = version(1, "CREATE", hotels=[{}], activities=[{}, {}], total=Decimal("9.50"))

    assert quote_words.changed(first, None, is_first=True) == (
        "Created: 1 hotel, 2 activities, 9.50 USD in all."
    )
    assert quote_words.changed(
        first._replace(attempt_id=None, record=stored_quote()), None, is_first=True
    ) == ("Found by a migration: no items, 0.00 USD in all.")


def test_a_change_is_told_by_its_items_and_amounts_and_only_the_names_of_prose() -> None:
    older = version(1, agent_notes="secret", hotels=[{"name": "Avenida", "price": 1}])
    newer = version(
        2,
        agent_notes="more secrets",
        trip_name="**Porto**",
        fees=Decimal("1.00"),
        total=Decimal("1.00"),
        hotels=[{"name": "Avenida", "price": 2}, {"name": "Lapa", "price": 3}],
    )

    assert quote_words.changed(newer, older, is_first=False) == (
        "Updated: hotels: 1 added, 1 changed; fees 0.00 → 1.00; total 0.00 USD → 1.00 USD;"
        " trip name, agent notes changed."
    )


def test_a_version_that_cannot_be_compared_says_so() -> None:
    unreadable = version(2)._replace(record=None)

    assert "cannot be read" in quote_words.changed(unreadable, version(1), is_first=False)
    assert quote_words.changed(version(3), unreadable, is_first=False) == (
        "Updated; not compared. Named: Fees."
    )


def test_a_recomputed_component_is_the_stored_one_unless_the_items_give_another() -> None:
    price = {"total": Decimal(3), "fees": Decimal(1)}
    found = {"problem": "…", "total_stored": Decimal(3), "total_repriced": Decimal(4)}

    assert quote_words.recomputed("total", price, None) == 3
    assert quote_words.recomputed("total", price, found) == 4
    assert quote_words.recomputed("fees", price, found) == 1
    assert quote_words.recomputed("total", price, {"problem": "no policy"}) is None


def test_a_rule_that_looked_at_nothing_is_not_said_to_hold() -> None:
    rule = RULES["DI-1"]
    held, idle, broken = (
        RuleResult(rule, checked, wrong, [], 0.0) for checked, wrong in ((1, 0), (0, 0), (2, 1))
    )

    verdicts = [quote_words.rule_verdict(each) for each in (held, idle, broken, None)]

    assert verdicts == [
        quote_words.HOLDS,
        quote_words.NOTHING_TO_CHECK,
        quote_words.BROKEN,
        quote_words.NOT_ASKED,
    ]
    assert quote_words.rules_summary([held, idle]).text == "1 rule checked, none broken"
    assert quote_words.rules_summary([held, broken]) == Words("Broken: DI-1", "red")
