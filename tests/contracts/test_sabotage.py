"""No box that a machine decides is without a planted fault that turns it red."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

import pytest

from engine.readiness.assessment import Verdict
from engine.readiness.checklist import read_checklist
from engine.readiness.items import read_items
from engine.readiness.probes.absent import IMPORTED
from engine.readiness.probes.registry import PROBES
from engine.readiness.releases import own_checklist, own_items
from tests import sabotage as planting
from tests.sabotage import Sabotage, must_have_shown, sabotage, sabotages, seen

_ITEMS: Final = read_items(own_items(), read_checklist(own_checklist()))
# What looks, or what results that are imported decide.
_DECIDING: Final = {*PROBES, *IMPORTED}


@pytest.fixture(scope="module")
def planted() -> list[Sabotage]:
    return sabotages()


def test_every_probe_turns_each_of_its_boxes_red_once_a_fault_is_planted(
    planted: list[Sabotage],
) -> None:
    """Probes serve several boxes with arguments of their own; each has to be seen to work."""
    decided = {(each.probe, each.id) for each in _ITEMS.values() if each.probe in _DECIDING}

    assert sorted(decided - {(each.probe, each.box) for each in planted}) == []
    assert sorted(_DECIDING - {each.probe for each in planted}) == []


def test_no_fault_is_planted_for_a_probe_or_a_box_that_there_is_not(
    planted: list[Sabotage],
) -> None:
    strangers = [
        each
        for each in planted
        if each.probe not in _DECIDING
        or each.box not in _ITEMS
        or _ITEMS[each.box].probe != each.probe
    ]

    assert strangers == []


@pytest.fixture
def _another_test() -> Iterator[None]:
    """These look at the book-keeping itself."""
    planting.begin()
    yield
    planting.begin()


@pytest.mark.usefixtures("_another_test")
@pytest.mark.parametrize("verdict", [each for each in Verdict if each is not Verdict.FAILING])
def test_a_box_that_is_not_seen_failing_is_not_shown_red(verdict: Verdict) -> None:
    seen("mig.columns", "PRE-2.3", verdict)
    seen("mig.index", "PRE-2.4", Verdict.FAILING)

    with pytest.raises(AssertionError, match=r"PRE-2\.3"):
        must_have_shown([sabotage("mig.columns", "PRE-2.3").mark])


@pytest.mark.usefixtures("_another_test")
def test_a_box_that_is_seen_failing_is_shown_red() -> None:
    seen("mig.columns", "PRE-2.3", Verdict.FAILING)

    must_have_shown([sabotage("mig.columns", "PRE-2.3").mark])


def test_a_mark_that_names_no_box_is_refused() -> None:
    with pytest.raises(AssertionError, match="names no box"):
        must_have_shown([sabotage("mig.columns").mark])
