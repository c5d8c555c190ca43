"""Pricing a stored quote again, and the report of a verification: values in, values out."""

from __future__ import annotations

import json
from decimal import Decimal
from typing import Any
from uuid import UUID

import pytest

from engine.integrity.report import as_json, report_lines
from engine.integrity.repricing import StoredQuote, disagreement
from engine.integrity.rules import RULES, RuleResult, is_clean
from engine.quotes.pricing import Price

AGENT, QUOTE = UUID(int=1), UUID(int=2)


def price(*amounts: str) -> Price:
    return Price._make((*map(Decimal, amounts), "standard-2026"))


# The seventh and first vectors of the domain page, and a yen trip of our own.
CUSTOM = StoredQuote(
    agent_id=AGENT,
    quote_id=QUOTE,
    version=3,
    adults=2,
    children=0,
    infants=0,
    currency="USD",
    agent_markup_percent=Decimal(15),
    flights="[]",
    hotels="[]",
    activities="[]",
    transfers="[]",
    car_rentals="[]",
    custom_items='[{"name": "fee", "price": 99.99, "priceType": "total"}]',
    insurance=None,
    price=price("99.99", "0", "99.99", "15.00", "0", "0", "0", "114.99", "57.50"),
)
FLIGHT = CUSTOM._replace(
    custom_items="[]",
    flights='[{"airline": "TAP", "price": 200, "priceType": "total", "stops": 1}]',
    price=price("200", "22", "222", "30", "0", "0", "0", "252", "126"),
)
YEN = CUSTOM._replace(
    custom_items="[]",
    currency="JPY",
    hotels='[{"price": 10000, "priceType": "per_night", "nights": 3}]',
    insurance='{"price": 501, "priceType": "per_person"}',
    price=price("31002", "0", "31002", "4650", "0", "0", "0", "35652", "17826"),
)


@pytest.mark.parametrize("quote", [CUSTOM, FLIGHT, YEN], ids=["custom", "flight", "yen"])
def test_a_price_that_follows_from_the_items_is_no_disagreement(quote: StoredQuote) -> None:
    assert disagreement(quote) is None


@pytest.mark.parametrize("component", Price._fields[:-1])
def test_every_component_of_the_price_is_compared(component: str) -> None:
    stored = getattr(CUSTOM.price, component) + Decimal("0.01")

    found = disagreement(CUSTOM._replace(price=CUSTOM.price._replace(**{component: stored})))

    assert found is not None
    # What is stored of taxes, fees and discount is what the price is made from.
    wrong = "total" if component in {"taxes", "fees", "discount"} else component
    assert f"{wrong}_stored" in found
    assert found[f"{wrong}_stored"] != found[f"{wrong}_repriced"]


@pytest.mark.parametrize(
    ("changes", "problem"),
    [
        ({"custom_items": '[{"priceType": "total"}]'}, "ValidationError"),
        ({"custom_items": '[{"price": 1}]'}, "ValidationError"),
        ({"custom_items": '[{"price": "much", "priceType": "total"}]'}, "ValidationError"),
        ({"custom_items": "[nonsense"}, "DecodeError"),
        ({"hotels": '[{"price": 1, "priceType": "per_night"}]'}, "KeyError"),
        ({"currency": "XXX"}, "KeyError"),
        ({"adults": 0}, "DivisionByZero"),
        ({"adults": None}, "TypeError"),
        ({"agent_markup_percent": Decimal("NaN")}, "InvalidOperation"),
        ({"price": CUSTOM.price._replace(pricing_policy="summer")}, "policy"),
        ({"price": CUSTOM.price._replace(discount=Decimal(500))}, "PRICING_VALIDATION_FAILED"),
    ],
)
def test_a_quote_that_cannot_be_priced_is_told_of_and_does_not_end_the_run(
    changes: dict[str, Any], problem: str
) -> None:
    found = disagreement(CUSTOM._replace(**changes))

    assert found is not None
    assert problem in found["problem"]
    assert (found["agent_id"], found["quote_id"], found["version"]) == (AGENT, QUOTE, 3)


def clean_results() -> list[RuleResult]:
    return [RuleResult(rule, 1_000, 0, [], 0.5) for rule in RULES.values()]


def results_with(id_: str, **changes: Any) -> list[RuleResult]:
    given: dict[str, Any] = {"checked": 1_000, "violations": 0, "offenders": [], "duration_s": 0.5}
    return [
        RuleResult(result.rule, **given | changes) if result.rule.id == id_ else result
        for result in clean_results()
    ]


def test_a_clean_report_has_a_line_for_each_rule_and_says_so() -> None:
    lines = report_lines(clean_results())

    assert lines[:2] == [
        "rule   verdict      wrong of        rows       time  what holds",
        "DI-1   holds            0 of       1,000     0.50 s  A quote's version is at least 1.",
    ]
    assert lines[-2:] == ["", "Nothing found: 16 rules checked."]
    assert len(lines) == 19


def test_a_broken_rule_is_followed_by_its_offenders_and_how_many_more() -> None:
    offender = {"problem": "too dear", "quote_id": QUOTE, "total": Decimal("1.10"), "sent_at": None}

    lines = report_lines(results_with("DI-5", violations=3, offenders=[offender]))

    assert lines[5].startswith("DI-5   BROKEN           3 of       1,000")
    assert lines[6:8] == [
        f"       too dear: quote_id={QUOTE} total=1.10 sent_at=null",
        "       and 2 more",
    ]
    assert lines[-1] == "Broken: DI-5; 16 rules checked."


def test_a_rule_without_rows_is_not_said_to_hold() -> None:
    assert report_lines(results_with("DI-6", checked=0))[6].startswith("DI-6   no rows ")


def test_a_database_without_quotes_is_not_called_sound() -> None:
    assert report_lines(results_with("DI-1", checked=0))[-1] == (
        "The database holds no quotes. 16 rules checked, nothing found."
    )


def test_rules_that_were_not_checked_are_not_clean() -> None:
    some = clean_results()[:3]

    assert not is_clean(some)
    assert report_lines(some)[-1] == ("Only 3 rules were checked; nothing is known of the others.")


def test_the_json_names_each_rule_with_its_numbers() -> None:
    offender = {"problem": "too dear", "quote_id": QUOTE, "columns_that_differ": ["total"]}

    report = json.loads(as_json(results_with("DI-2", violations=1, offenders=[offender])))

    assert report["is_clean"] is False
    assert [rule["id"] for rule in report["rules"]] == list(RULES)
    assert report["rules"][1] == {
        "id": "DI-2",
        "statement": RULES["DI-2"].statement,
        "checked": 1_000,
        "violations": 1,
        "offenders": [{**offender, "quote_id": str(QUOTE)}],
        "duration_s": 0.5,
    }
