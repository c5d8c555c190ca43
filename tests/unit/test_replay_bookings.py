"""Reading a file of bookings: every row as it is written, and one line when it is no such file."""

from __future__ import annotations

from datetime import date
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from engine.errors import SetupError
from engine.replay.bookings import as_number, as_whole, read_bookings
from tests.unit.replay_examples import booking, row, write_csv

SAMPLE = Path(__file__).parents[2] / "docs" / "how-to" / "bookings-sample.csv.gz"


@pytest.mark.parametrize("compressed", [False, True])
def test_a_file_is_read_plain_or_compressed(tmp_path: Path, *, compressed: bool) -> None:
    path = write_csv(tmp_path / "file", [row(), row(hotel="Resort Hotel")], compressed=compressed)

    bookings = read_bookings(path)

    assert [(each.number, each.hotel) for each in bookings] == [
        (1, "City Hotel"),
        (2, "Resort Hotel"),
    ]


def test_the_columns_of_the_published_file_are_enough(tmp_path: Path) -> None:
    (read,) = read_bookings(write_csv(tmp_path / "hotels.csv", [row()]))

    assert "row" not in row()
    assert (read.row, read.number) == ("", 1)


def test_the_sample_of_the_checkout_is_small_and_has_every_kind_of_booking() -> None:
    bookings = read_bookings(SAMPLE)

    assert SAMPLE.stat().st_size < 100_000
    assert 300 < len(bookings) < 1_000
    assert {each.reservation_status for each in bookings} == {"Check-Out", "Canceled", "No-Show"}
    assert any(each.nights == 0 for each in bookings)
    assert any(each.adults == "0" for each in bookings)


def test_the_columns_may_stand_in_any_order_and_others_are_passed_over(tmp_path: Path) -> None:
    reversed_row = dict(reversed((row() | {"row": "77", "arrival_weather": "fine"}).items()))

    (read,) = read_bookings(write_csv(tmp_path / "file.csv", [reversed_row]))

    assert (read.row, read.adr, read.agent) == ("77", "96.14", "9")


def test_the_first_rows_are_taken_in_the_order_of_the_file(tmp_path: Path) -> None:
    path = write_csv(tmp_path / "file.csv", [row(adr=str(rate)) for rate in range(5)])

    assert [each.adr for each in read_bookings(path, 3)] == ["0", "1", "2"]


def test_rows_that_repeat_an_earlier_one_are_bookings_of_their_own(tmp_path: Path) -> None:
    bookings = read_bookings(write_csv(tmp_path / "file.csv", [row()] * 3))

    assert [each.number for each in bookings] == [1, 2, 3]


def test_nothing_is_cleaned(tmp_path: Path) -> None:
    dirty = {"adr": "-6.38", "children": "NA", "country": "NULL", "meal": " HB ", "babies": ""}

    (read,) = read_bookings(write_csv(tmp_path / "file.csv", [row(**dirty)]))

    assert {name: getattr(read, name) for name in dirty} == dirty


def test_a_row_that_ends_early_lacks_its_last_texts(tmp_path: Path) -> None:
    path = write_csv(tmp_path / "file.csv", [row()])
    header, line = path.read_text().splitlines()
    path.write_text("\n".join([header, line.rpartition("Check-Out")[0].rstrip(","), "", line]))

    cut, whole = read_bookings(path)

    assert (cut.reservation_status, cut.reservation_status_date) == ("", "")
    assert whole.reservation_status == "Check-Out"
    assert whole.number == 2


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (b"", "no column"),
        (b"a,b\n1,2\n", "no column adr, adults, agent"),
        (b"\x1f\x8b and then nothing of the kind", "cannot be read|not a file of bookings"),
        (b"\xff\xfe\x00", "not a file of bookings"),
        (",".join(row()).encode(), "holds no booking"),
    ],
    ids=["empty", "other columns", "damaged", "other encoding", "header alone"],
)
def test_what_is_no_file_of_bookings_is_refused_in_a_line(
    tmp_path: Path, content: bytes, said: str
) -> None:
    path = tmp_path / "file.csv"
    path.write_bytes(content)

    with pytest.raises(SetupError, match=said) as caught:
        read_bookings(path)

    assert "\n" not in str(caught.value)


def test_a_compressed_file_that_breaks_off_is_refused(tmp_path: Path) -> None:
    path = write_csv(tmp_path / "file", [row(adr=str(n)) for n in range(200)], compressed=True)
    path.write_bytes(path.read_bytes()[:-30])

    with pytest.raises(SetupError, match="not a file of bookings"):
        read_bookings(path)


@pytest.mark.parametrize("name", ["missing.csv", "."])
def test_a_file_that_cannot_be_opened_is_refused_with_where_to_get_one(
    tmp_path: Path, name: str
) -> None:
    with pytest.raises(SetupError, match=r"cannot be read .*: docs/how-to/replay.md says where"):
        read_bookings(tmp_path / name)


@pytest.mark.parametrize(
    ("text", "number"),
    [
        ("2", 2),
        ("-6.38", Decimal("-6.38")),
        ("2.0", Decimal("2.0")),
        ("NA", "NA"),
        ("", ""),
        ("1e9", "1e9"),
        ("NaN", "NaN"),
        ("٣", "٣"),
        ("9" * 5000, "9" * 5000),
    ],
)
def test_only_what_reads_as_a_number_is_one(text: str, number: Any) -> None:
    read = as_number(text)

    assert read == number
    assert type(read) is type(number)


def test_a_whole_number_may_carry_a_point() -> None:
    assert [as_whole(text) for text in ("2", "2.0", "2.5", "NULL")] == [2, 2, None, None]


def test_the_day_of_booking_is_the_lead_time_before_arrival() -> None:
    assert booking().booked_day == date(2016, 2, 9).toordinal()


@pytest.mark.parametrize("lead_time", ["NA", "-3", "99999"])
def test_a_lead_time_that_cannot_be_is_none(lead_time: str) -> None:
    assert booking(lead_time=lead_time).booked_day == date(2016, 3, 10).toordinal()


@pytest.mark.parametrize(
    "changes",
    [
        {"arrival_date_month": "Brumaire"},
        {"arrival_date_day_of_month": "31", "arrival_date_month": "June"},
        {"arrival_date_year": "NULL"},
        {"arrival_date_year": "99999"},
    ],
)
def test_a_date_that_cannot_be_is_none(changes: dict[str, Any]) -> None:
    assert booking(**changes).arrival is None
    assert booking(**changes).booked_day is None
