"""Test results as JUnit XML, read with suspicion: the file may come from anywhere.

Of XML only elements, attributes and text are read. A document type, which is where entities come
from, is refused at its first character, before anything could be expanded; so is a file larger
than any of ours.
"""

from __future__ import annotations

from enum import IntEnum
from typing import Final, NamedTuple
from xml.parsers import expat  # no document type gets past _Reader.doctype

BYTES_MAX: Final = 32 * 1024 * 1024
_TESTS_MAX: Final = 200_000
_NAME_MAX: Final = 500


class JUnitError(Exception):
    """A file is no test results; its message says why, and quotes nothing of it."""


class Outcome(IntEnum):
    """How a test ended, the worst last."""

    PASSED = 0
    SKIPPED = 1
    FAILED = 2
    BROKE = 3


class Result(NamedTuple):
    """One test.

    Attributes:
        file: that it is in, from the top of the repository.
        name: within the file, with its parameters.
        outcome: how it ended.
    """

    file: str
    name: str
    outcome: Outcome

    @property
    def id(self) -> str:
        """As pytest names it."""
        return f"{self.file}::{self.name}"


_OUTCOMES: Final = {
    "failure": Outcome.FAILED,
    "error": Outcome.BROKE,
    "skipped": Outcome.SKIPPED,
}


def read_junit(xml: bytes) -> tuple[Result, ...]:
    """The tests of a file, each once, at its worst.

    Raises:
        JUnitError: it is none, too large, or says other than it lists.
    """
    if len(xml) > BYTES_MAX:
        raise JUnitError(f"it is larger than {BYTES_MAX} bytes")
    reader = _Reader()
    parser = expat.ParserCreate()
    parser.StartDoctypeDeclHandler = reader.doctype
    parser.StartElementHandler = reader.begin
    parser.EndElementHandler = reader.end
    try:
        parser.Parse(xml, True)  # noqa: FBT003  # expat's own
    except expat.ExpatError:
        raise JUnitError("it is no XML") from None
    if not reader.is_junit:
        raise JUnitError("it has no test suites")
    results = tuple(reader.results.values())
    bad = sum(each.outcome in {Outcome.FAILED, Outcome.BROKE} for each in results)
    if bad < reader.claimed_bad and not bad:
        raise JUnitError("it speaks of failures that it does not list")
    return results


class _Reader:
    """Puts results together from what the parser comes across."""

    def __init__(self) -> None:
        self.results: dict[tuple[str, str], Result] = {}
        self.is_junit = False
        self.claimed_bad = 0
        self._current: tuple[str, str] | None = None
        self._outcome = Outcome.PASSED

    def doctype(self, *_declared: object) -> None:
        raise JUnitError("it declares a document type, which no test results do")

    def begin(self, element: str, attributes: dict[str, str]) -> None:
        if element in {"testsuites", "testsuite"}:
            self.is_junit = True
            self.claimed_bad += _count(attributes, "failures") + _count(attributes, "errors")
        elif element == "testcase":
            self._current = _place(attributes)
            self._outcome = Outcome.PASSED
        elif self._current is not None and element in _OUTCOMES:
            self._outcome = max(self._outcome, _OUTCOMES[element])

    def end(self, element: str) -> None:
        if element != "testcase" or self._current is None:
            return
        if len(self.results) >= _TESTS_MAX:
            raise JUnitError(f"it has more than {_TESTS_MAX} tests")
        place, outcome = self._current, self._outcome
        before = self.results.get(place)
        # A test that fails and whose clearing up breaks is there twice.
        worst = outcome if before is None else max(before.outcome, outcome)
        self.results[place] = Result(*place, worst)
        self._current = None


def _count(attributes: dict[str, str], name: str) -> int:
    written = attributes.get(name, "0")
    if not (written.isascii() and written.isdigit()):
        raise JUnitError(f"its number of {name} is none")
    return int(written[:9])


def _place(attributes: dict[str, str]) -> tuple[str, str]:
    """File and name of a test: its module's dotted name, and classes, are one attribute."""
    # Of a file that could not be read there is no test, only its name.
    dotted = attributes.get("classname") or attributes.get("name", "")
    parts = dotted[:_NAME_MAX].split(".")
    module = next((n for n, each in enumerate(parts) if each.startswith("test_")), len(parts) - 1)
    name = "::".join([*parts[module + 1 :], attributes.get("name", "")[:_NAME_MAX]])
    return "/".join(parts[: module + 1]) + ".py", name
