"""Planted faults: each test that plants one names the boxes that it turns red, and is held to it.

`@sabotage("mig.columns", "PRE-2.3")` says of a test that its fault makes that very box FAILING when
that probe looks. A box that is merely unknown is not red: a marked test that has not seen it fail
fails itself. `tests/contracts/test_sabotage.py` holds the marks against the registry of probes, and
`python -m tests.sabotage` prints the table of all of them.
"""

from __future__ import annotations

import importlib
import sys
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any, Final, NamedTuple

import pytest

from engine.readiness.assessment import Verdict

_TESTS: Final = Path(__file__).resolve().parent
_MARK: Final = "sabotage"
# A test with one of these need not run, and then shows nothing.
_MAY_NOT_RUN: Final = frozenset({"skip", "skipif", "slow", "xfail"})
# What the test that runs has seen red: probe and box.
_red: set[tuple[str, str]] = set()


class Sabotage(NamedTuple):
    """One box that a test turns red.

    Attributes:
        probe: that looks.
        box: that it looks for.
        test: as pytest names it, without parameters.
    """

    probe: str
    box: str
    test: str


def sabotage(probe: str, *boxes: str) -> pytest.MarkDecorator:
    """Marks a test, or one set of its parameters, with the boxes that its fault turns red."""
    return pytest.mark.sabotage(probe, *boxes)


def seen(probe: str, box: str, verdict: Verdict) -> None:
    """Is told of every look of a test."""
    if verdict is Verdict.FAILING:
        _red.add((probe, box))


def begin() -> None:
    """Forgets what the test before has seen."""
    _red.clear()


def must_have_shown(marks: Iterable[pytest.Mark]) -> None:
    """Makes sure that a test has seen every box red that it names.

    Raises:
        AssertionError: it has not.
    """
    wanted = {each for mark in marks for each in _named(mark)}
    pale = sorted(wanted - _red)
    if pale:
        raise AssertionError(f"Not seen FAILING, whatever else was: {pale}")


def sabotages() -> list[Sabotage]:
    """Every fault that the tests plant, of tests that always run."""
    return sorted({each for path in sorted(_TESTS.rglob("test_*.py")) for each in _in(path)})


def _in(path: Path) -> Iterator[Sabotage]:
    if f"from {__name__} import" not in path.read_text():
        return
    relative = path.relative_to(_TESTS.parent)
    module = importlib.import_module(".".join(relative.with_suffix("").parts))
    for name, test in vars(module).items():
        marks: list[pytest.Mark] = getattr(test, "pytestmark", [])
        if name.startswith("test_") and not any(each.name in _MAY_NOT_RUN for each in marks):
            for each in _with_parameters(marks):
                yield from (Sabotage(*of, f"{relative.as_posix()}::{name}") for of in _named(each))


def _with_parameters(marks: Iterable[pytest.Mark]) -> Iterator[pytest.Mark]:
    """The marks of a test, and those of its sets of parameters."""
    for mark in marks:
        if mark.name == _MARK:
            yield mark
        elif mark.name == "parametrize":
            for given in mark.args[1]:
                of_set: Iterable[Any] = getattr(given, "marks", ())
                if not any(each.name in _MAY_NOT_RUN for each in of_set):
                    yield from (each for each in of_set if each.name == _MARK)


def _named(mark: pytest.Mark) -> list[tuple[str, str]]:
    probe, *boxes = mark.args
    if not boxes:
        raise AssertionError(f"A fault that {probe} is to find names no box")
    return [(probe, box) for box in boxes]


def _print() -> None:
    """Prints the table: probe, box, tests."""
    tests: dict[tuple[str, str], list[str]] = {}
    for each in sabotages():
        tests.setdefault((each.probe, each.box), []).append(each.test)
    for (probe, box), names in tests.items():
        sys.stdout.write(f"{probe:<20} {box:<11} {', '.join(names)}\n")


if __name__ == "__main__":
    # The tests mark with the module of this name, not with the program.
    importlib.import_module("tests.sabotage")._print()
