"""What a receipt says of attempts and of the ways in which they were counted."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any, Final

import pytest

from dashboard import receipt_words
from engine.attempts.outcome import Path
from engine.errors import ErrorCode
from engine.quotes.lifecycle import Operation
from engine.rollups import parts
from engine.rollups.counts import Traffic
from engine.rollups.grid import Window
from engine.rollups.receipt import Receipt, Untold
from engine.rollups.selection import Filter, Selection

_START: Final = datetime(2026, 11, 25, 21, tzinfo=UTC)
_WINDOW: Final = Window(_START, _START + timedelta(minutes=5))
_NOW: Final = _START + timedelta(hours=1)
_WHEN: Final = "that started from 2026-11-25 21:00:00 UTC until 21:05:00 UTC"


def receipt(**more: Any) -> Receipt:
    """Three attempts, told alike by rollups and rows, unless said otherwise."""
    given: dict[str, Any] = {
        "rolled": 3,
        "untold": None,
        "kept": _WINDOW,
        "rolled_kept": 3,
        "counted": 3,
        "to_look_at": 3,
    }
    return Receipt(**given | more)


def remarks(found: Receipt, window: Window = _WINDOW) -> str:
    return "\n".join(receipt_words.remarks(found, Selection(window, Filter()), _NOW))


@pytest.mark.parametrize(
    ("selection", "said"),
    [
        (Selection(_WINDOW, Filter()), "Attempts, live traffic"),
        (
            Selection(_WINDOW, Filter(Operation.UPDATE), parts.UNSUCCESSFUL),
            "UPDATE attempts neither committed nor replayed, live traffic",
        ),
        (
            Selection(_WINDOW, Filter(Operation.SEND, Traffic.DRILL), parts.CONFLICTS),
            "Version conflicts, operation SEND, drill traffic",
        ),
        (
            Selection(
                _WINDOW, Filter(traffic=None, path=Path.LEGACY), code=ErrorCode.INTERNAL_ERROR
            ),
            "Attempts, with code INTERNAL_ERROR, traffic of every kind, on the legacy path",
        ),
        (
            Selection(_WINDOW, Filter(), at_least_us=12_345, below_us=20_000),
            "Attempts, live traffic, that took 12.345 ms or longer, that took less than 20.000 ms",
        ),
    ],
)
def test_a_sentence_says_all_that_was_selected(selection: Selection, said: str) -> None:
    assert receipt_words.sentence(selection) == f"{said}, {_WHEN}"


def test_what_fields_were_changed_is_never_part_of_the_sentence() -> None:
    sentence = receipt_words.sentence(Selection(_WINDOW, Filter(), changed_fields="**bold**"))

    assert "bold" not in sentence
    assert "that changed just the fields below" in sentence


def test_a_span_of_several_days_names_both() -> None:
    window = Window(_START, _START + timedelta(days=1, microseconds=5))

    assert receipt_words.span(window) == (
        "from 2026-11-25 21:00:00 UTC until 2026-11-26 21:00:00.000005 UTC"
    )


def test_a_file_is_named_by_its_selection() -> None:
    selection = Selection(
        _WINDOW,
        Filter(Operation.UPDATE, None, Path.HARDENED),
        parts.SERVICE_FAILURES,
        ErrorCode.DATABASE_TIMEOUT,
    )

    assert receipt_words.file_name(selection) == (
        "attempts-service-failures-UPDATE-DATABASE-TIMEOUT-any-traffic-hardened"
        "-20261125T210000Z-20261125T210500Z"
    )


@pytest.mark.parametrize(
    ("found", "numbers", "verdict"),
    [
        (None, ("No data", "No data"), receipt_words.NOT_COMPARED),
        (receipt(), ("3", "3"), receipt_words.AGREE),
        (receipt(counted=2), ("3", "2"), receipt_words.DISAGREE),
        (receipt(rolled=0, rolled_kept=0, counted=0), ("0", "0"), receipt_words.NONE_IN_BOTH),
        (receipt(counted=None), ("3", "Not counted"), receipt_words.NOT_COMPARED),
        (
            receipt(rolled=None, rolled_kept=None, untold=Untold.FIELDS),
            ("Unknown", "3"),
            receipt_words.NOT_COMPARED,
        ),
        (
            receipt(kept=None, rolled_kept=None, counted=None),
            ("3", "No data"),
            receipt_words.NOT_COMPARED,
        ),
    ],
)
def test_only_two_equal_counts_of_something_are_green(
    found: Receipt | None, numbers: tuple[str, str], verdict: object
) -> None:
    assert (receipt_words.by_rollups(found), receipt_words.by_rows(found)) == numbers
    assert receipt_words.verdict(found) == verdict


def test_nothing_remains_to_be_said_of_two_counts_that_agree() -> None:
    assert remarks(receipt()) == ""


def test_what_retention_has_dropped_is_told_in_numbers() -> None:
    kept = _WINDOW._replace(start=_START + timedelta(minutes=1))

    said = remarks(receipt(rolled=10, kept=kept))

    assert said == (
        "Retention has dropped the rows from before 2026-11-25 21:01:00 UTC: 7 of the attempts"
        " cannot be counted again. Of the others the rollups count 3."
    )
    assert "whole window" in remarks(receipt(kept=None, rolled_kept=None, counted=None))


@pytest.mark.parametrize("untold", Untold)
def test_why_the_rollups_cannot_tell_is_said(untold: Untold) -> None:
    assert remarks(receipt(rolled=None, rolled_kept=None, untold=untold)).startswith(
        "The rollups cannot tell: "
    )
