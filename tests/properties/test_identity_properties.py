"""Ids, instants, amounts and delays: the small laws that everything else leans on."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any
from uuid import UUID

import pytest
from hypothesis import assume, example, given
from hypothesis import strategies as st

from engine.access.keys import bearer_key
from engine.clock import epoch_microseconds, uuid7
from engine.correlation import (
    PREFIX,
    accepted_correlation_id,
    accepted_traceparent,
    has_valid_check,
    make_correlation_id,
)
from engine.quotes.money import AMOUNT_MAX, MINOR_DIGITS, fits_minor, round_to_minor
from engine.quotes.shape import Unfit, as_decimal, day, decimal, instant, integer
from engine.saving.retry import RetrySchedule
from tests.properties.strategies import TRIED, TRIED_OFTEN, currencies, leaves, offsets

ALPHABET = "0123456789ABCDEFGHJKMNPQRSTVWXYZ"
ids = st.builds(uuid7, st.integers(0, 2**48 - 1), st.binary(min_size=10, max_size=10))
places = st.integers(0, 26)


def cleaned(rule: Any, value: object) -> Any:
    """What a rule makes of a value, or None when it does not fit."""
    try:
        return rule.clean(value)
    except Unfit:
        return None


# Ids.


@TRIED_OFTEN
@given(st.integers(0, 2**48 - 1), st.binary(min_size=10, max_size=10))
def test_a_uuid7_holds_its_milliseconds(milliseconds: int, chance: bytes) -> None:
    made = uuid7(milliseconds, chance)

    assert made.int >> 80 == milliseconds
    assert (made.version, made.variant) == (7, "specified in RFC 4122")


@TRIED_OFTEN
@given(ids)
def test_a_made_id_has_its_form_and_is_accepted_back(request_id: UUID) -> None:
    made = make_correlation_id(request_id)

    assert re.fullmatch(rf"REQ-[{ALPHABET}]{{27}}", made)
    assert has_valid_check(made)
    assert accepted_correlation_id(made) == made


@TRIED_OFTEN
@given(ids, ids)
def test_made_ids_sort_like_what_they_were_made_of(one: UUID, other: UUID) -> None:
    assert (make_correlation_id(one) < make_correlation_id(other)) is (one < other)


@TRIED_OFTEN
@given(ids, places, st.sampled_from(ALPHABET))
def test_any_wrong_character_shows(request_id: UUID, place: int, letter: str) -> None:
    body = make_correlation_id(request_id).removeprefix(PREFIX)
    assume(body[place] != letter)

    assert not has_valid_check(PREFIX + body[:place] + letter + body[place + 1 :])


@TRIED_OFTEN
@given(ids, places, places)
def test_any_swap_of_different_characters_shows(request_id: UUID, one: int, other: int) -> None:
    swapped = list(make_correlation_id(request_id).removeprefix(PREFIX))
    assume(swapped[one] != swapped[other])
    swapped[one], swapped[other] = swapped[other], swapped[one]

    assert not has_valid_check(PREFIX + "".join(swapped))


@TRIED
@given(st.text())
def test_any_header_is_taken_whole_or_not_at_all(header: str) -> None:
    taken = accepted_correlation_id(header)

    assert taken in {header, None}
    assert (taken is None) is (re.fullmatch(r"[A-Za-z0-9._-]{8,64}", header) is None)
    assert accepted_traceparent(header) in {header, None}
    assert bearer_key(header) is None
    assert not has_valid_check(header)


# Instants.

aware = st.datetimes(datetime(1, 1, 3), datetime(9999, 12, 29), timezones=offsets)  # noqa: DTZ001


@TRIED_OFTEN
@given(
    aware, st.sampled_from(["T", "t", " "]), st.sampled_from(["auto", "minutes", "milliseconds"])
)
def test_an_instant_with_an_offset_is_kept_as_it_is(
    moment: datetime, between: str, precision: str
) -> None:
    spelled = moment.isoformat(between, precision)

    assert cleaned(instant(), spelled) == datetime.fromisoformat(spelled)
    assert cleaned(instant(), spelled).tzinfo is UTC
    assert cleaned(day(), spelled) == spelled


@TRIED
@given(st.datetimes())
def test_an_instant_without_an_offset_is_none(moment: datetime) -> None:
    assert cleaned(instant(), moment.isoformat()) is None
    assert cleaned(instant(), moment) is None


@TRIED
@given(st.dates())
def test_a_bare_date_is_its_midnight_in_utc(date: Any) -> None:
    for spelled in (date.isoformat(), f"{date:%Y%m%d}".rjust(8, "0")):
        assert cleaned(instant(), spelled) == datetime(date.year, date.month, date.day, tzinfo=UTC)


@TRIED_OFTEN
@given(st.text("0123456789-:.,+TtZzW ", max_size=32))
def test_what_looks_like_an_instant_is_one_with_a_separator_and_an_offset(spelled: str) -> None:
    moment = cleaned(instant(), spelled)

    if moment is not None:
        assert re.fullmatch(r"[0-9W-]{7,10}([Tt ][0-9:.,]+([Zz]|[+-][0-9:.]+))?", spelled)


@TRIED
@given(st.datetimes(timezones=st.just(UTC)), st.integers(-(10**15), 10**15))
def test_microseconds_since_1970_are_exact(moment: datetime, step: int) -> None:
    assert (
        datetime(1970, 1, 1, tzinfo=UTC) + timedelta(microseconds=epoch_microseconds(moment))
        == moment
    )
    assert (
        epoch_microseconds(datetime(1970, 1, 1, tzinfo=UTC) + timedelta(microseconds=step)) == step
    )


# Numbers.

exact = st.decimals(-(10**13), 10**13, allow_nan=False, allow_infinity=False)


@TRIED_OFTEN
@given(exact, st.integers(0, 6))
def test_an_amount_fits_exactly_when_it_is_within_and_fine_enough(
    amount: Decimal, digits: int
) -> None:
    scaled = amount.as_integer_ratio()
    fits = 0 <= amount <= AMOUNT_MAX and scaled[0] * 10**digits % scaled[1] == 0

    found = cleaned(decimal(AMOUNT_MAX, digits=digits), amount)

    assert (found is not None) is fits
    assert found is None or (found == amount and not found.is_signed())


@TRIED_OFTEN
@given(leaves)
@example(Decimal("NaN"))
@example(Decimal("sNaN"))
@example(Decimal("1E+999999999"))
@example(float("nan"))
def test_any_value_fits_a_number_rule_or_does_not(value: object) -> None:
    whole = cleaned(integer(1, 50), value)
    amount = cleaned(decimal(AMOUNT_MAX, digits=2), value)

    assert whole is None or (type(whole) is int and 1 <= whole <= 50)
    assert amount is None or (type(amount) is Decimal and 0 <= amount <= AMOUNT_MAX)
    if amount is not None:
        assert amount == as_decimal(value)


@TRIED_OFTEN
@given(st.decimals(0, 10**12, allow_nan=False, places=6), currencies)
def test_rounding_goes_to_the_nearest_minor_unit_and_up_from_the_middle(
    amount: Decimal, currency: str
) -> None:
    unit = Decimal(1).scaleb(-MINOR_DIGITS[currency])

    rounded = round_to_minor(amount, currency)

    assert -unit / 2 < rounded - amount <= unit / 2
    assert rounded.as_tuple().exponent == -MINOR_DIGITS[currency]
    assert fits_minor(amount, currency) is (rounded == amount)


# Delays.


@TRIED_OFTEN
@given(
    st.integers(0, 5),
    st.floats(0, 10),
    st.floats(0, 100),
    st.integers(0, 7),
    st.floats(0, 110),
    st.floats(0, 1, exclude_max=True),
)
def test_a_retry_waits_within_its_bound_and_starts_before_the_deadline(
    limit: int, delay_s: float, deadline: float, retries: int, now: float, chance: float
) -> None:
    schedule = RetrySchedule(limit, delay_s, deadline)

    delay = schedule.delay(retries, now, chance)

    if delay is None:
        assert retries >= limit or now + chance * delay_s * 2**retries >= deadline
    else:
        assert retries < limit
        assert 0 <= delay <= delay_s * 2**retries
        assert now + delay < deadline


def test_a_schedule_ends_whatever_chance_says() -> None:
    schedule = RetrySchedule(limit=5, delay_s=0.0, deadline=1.0)

    made = [schedule.delay(retries, now=0.0, chance=0.0) for retries in range(7)]

    assert made == [pytest.approx(0.0)] * 5 + [None] * 2
