"""How the difference of two versions is told: items are followed, values compared by meaning."""

from __future__ import annotations

from datetime import timedelta
from decimal import Decimal
from typing import Any

import msgspec
import pytest

from engine.quotes.difference import Fate, FieldChange, difference
from tests.unit.examples import stored_quote

QUOTE = stored_quote()


def hotel(name: str, price: Any = 100, **more: Any) -> dict[str, Any]:
    return {
        "name": name,
        "checkIn": "2026-06-01",
        "checkOut": "2026-06-06",
        "price": price,
        "priceType": "total",
        **more,
    }


A, B, C = hotel("Avenida"), hotel("Baixa", 200), hotel("Chiado", 300)


def fates(older: list[Any], newer: list[Any]) -> list[tuple[str, int | None, int | None]]:
    found = difference(
        msgspec.structs.replace(QUOTE, hotels=older), msgspec.structs.replace(QUOTE, hotels=newer)
    )
    assert found.fields == ()
    return [(each.fate.value, each.before_at, each.after_at) for each in found.items]


@pytest.mark.parametrize(
    ("older", "newer", "expected"),
    [
        ([], [], []),
        ([A, B], [A, B], []),
        ([A], [A, B], [("added", None, 1)]),
        ([A, B], [C | {"checkIn": "2027-01-01", "price": 7}, A, B], [("added", None, 0)]),
        ([A, B, C], [A, C], [("removed", 1, None)]),
        ([A, B, C], [C, A, B], [("moved", 2, 0)]),
        ([A, B], [A, B | {"price": 250}], [("changed", 1, 1)]),
        ([A, B, C], [B, C, A | {"price": 9}], [("moved and changed", 0, 2)]),
        ([A, A], [A], [("removed", 1, None)]),
        ([A], [A, A], [("added", None, 1)]),
        (
            [hotel("Avenida", 1, checkIn="x", checkOut="y")],
            [hotel("Lapa", 2)],
            [("removed", 0, None), ("added", None, 0)],
        ),
    ],
)
def test_what_became_of_items_is_told_shortly(
    older: list[Any], newer: list[Any], expected: list[Any]
) -> None:
    assert fates(older, newer) == expected


def test_two_items_that_changed_and_swapped_places_are_told_apart_by_their_names() -> None:
    found = difference(
        msgspec.structs.replace(QUOTE, hotels=[A, B]),
        msgspec.structs.replace(QUOTE, hotels=[B | {"price": 1}, A | {"price": 2}]),
    ).items

    assert {each.after["name"]: each.fields for each in found if each.after} == {
        "Baixa": (FieldChange("price", 200, 1),),
        "Avenida": (FieldChange("price", 100, 2),),
    }


def test_amounts_and_instants_are_compared_by_what_they_mean() -> None:
    same = msgspec.structs.replace(
        QUOTE,
        total=QUOTE.total + Decimal("0.000"),
        hotels=[hotel("Avenida", Decimal("100.00"))],
        insurance={"price": 1, "priceType": "total", "name": None},
    )
    older = msgspec.structs.replace(
        QUOTE, hotels=[A], insurance={"price": Decimal("1.0"), "priceType": "total"}
    )

    assert difference(older, same).is_empty


def test_true_is_not_one() -> None:
    older, newer = (
        msgspec.structs.replace(QUOTE, transfers=[{"provider": "Carris", "meetAndGreet": each}])
        for each in (True, 1)
    )

    assert [each.fate for each in difference(older, newer).items] == [Fate.CHANGED]


def test_fields_stand_in_the_order_of_the_table_with_both_values() -> None:
    newer = msgspec.structs.replace(
        QUOTE,
        fees=Decimal("1.00"),
        end_date=QUOTE.end_date + timedelta(days=1),
        inclusions=["Breakfast"],
        agent_notes="called",
    )

    assert difference(QUOTE, newer).fields == (
        FieldChange("end_date", QUOTE.end_date, newer.end_date),
        FieldChange("fees", QUOTE.fees, Decimal("1.00")),
        FieldChange("inclusions", [], ["Breakfast"]),
        FieldChange("agent_notes", None, "called"),
    )


@pytest.mark.parametrize(
    ("older", "newer", "fate"),
    [
        (None, {"price": 1}, "added"),
        ({"price": 1}, None, "removed"),
        ({"price": 1}, {"price": 2}, "changed"),
    ],
)
def test_insurance_is_one_item_or_none(older: Any, newer: Any, fate: str) -> None:
    (found,) = difference(
        msgspec.structs.replace(QUOTE, insurance=older),
        msgspec.structs.replace(QUOTE, insurance=newer),
    ).items

    assert (found.kind, found.fate) == ("insurance", fate)
