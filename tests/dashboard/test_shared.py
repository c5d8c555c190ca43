"""What viewers share: a view is made once for each reading and each way to look at it."""

from __future__ import annotations

import gc
from concurrent.futures import ThreadPoolExecutor
from functools import partial

import pytest

from dashboard.shared import shared


class Reading:
    """Something that was read; each is its own, whatever is in it."""


def test_a_view_is_made_once_for_all_who_look_at_a_reading_alike() -> None:
    reading, made = Reading(), list[int]()

    def make() -> int:
        made.append(1)
        return len(made)

    with ThreadPoolExecutor(8) as viewers:
        seen = set(viewers.map(lambda _: shared((reading,), ("page", None), make), range(64)))

    assert (seen, made) == ({1}, [1])


def test_another_reading_or_another_way_to_look_makes_another_view() -> None:
    first, second = Reading(), Reading()

    seen = [
        shared((first,), ("page", 2), lambda: "first"),
        shared((second,), ("page", 2), lambda: "second"),
        shared((first,), ("page", None), lambda: "first, paused"),
        shared((first, second), ("page", 2), lambda: "both"),
    ]

    assert seen == ["first", "second", "first, paused", "both"]
    assert shared((first,), ("page", 2), lambda: "made again") == "first"


def test_a_reading_that_nobody_holds_any_more_is_taken_for_no_other() -> None:
    for number in range(500):
        reading = Reading()
        assert shared((reading,), ("page",), partial(int, number)) == number
        del reading  # so that the next one may be put in the same place
        gc.collect(0)


def test_readings_do_not_pile_up() -> None:
    for number in range(500):
        shared((Reading(),), ("page",), partial(int, number))

    assert sum(isinstance(each, Reading) for each in gc.get_objects()) < 100


def test_what_cannot_be_made_is_tried_again() -> None:
    reading = Reading()

    def fails() -> str:
        raise LookupError

    with pytest.raises(LookupError):
        shared((reading,), ("page",), fails)

    assert shared((reading,), ("page",), lambda: "made") == "made"
