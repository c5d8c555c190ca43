"""Test results are read with suspicion, and decide only what they prove."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Final

import pytest

from engine.readiness import junit
from engine.readiness.assessment import Verdict
from engine.readiness.checklist import read_checklist
from engine.readiness.items import read_items
from engine.readiness.junit import JUnitError, Outcome, Result, read_junit
from engine.readiness.probes.absent import IMPORTED
from engine.readiness.releases import own_checklist, own_items
from engine.readiness.results import Suite, is_same_commit, judged, suites

TOP: Final = Path(__file__).resolve().parent.parent.parent
SUITE: Final = Suite(
    "locking",
    ("PRE-3.2",),
    ("tests/unit/test_a.py", "tests/api"),
    ("tests/api/test_p.py::test_sabotage",),
)


def written(*cases: str, head: str = "", tail: str = "") -> bytes:
    """A file as pytest writes it."""
    body = "".join(cases)
    suite = f'<testsuite name="pytest" errors="0" failures="0">{body}</testsuite>'
    declared = '<?xml version="1.0" encoding="utf-8"?>'
    return f"{declared}{head}<testsuites>{suite}</testsuites>{tail}".encode()


def case(classname: str, name: str, inside: str = "") -> str:
    return f'<testcase classname="{classname}" name="{name}" time="0.1">{inside}</testcase>'


def test_a_test_is_known_by_its_file_and_name() -> None:
    results = read_junit(
        written(
            case("tests.unit.test_a", "test_one[x-1]"),
            case("tests.api.test_b.TestClass", "test_two", '<skipped type="pytest.skip"/>'),
            case("tests.api.test_c", "test_three", '<failure message="m">trace</failure>'),
            case("", "tests.api.test_d", '<error message="collection failure"/>'),
        )
    )

    assert [(each.id, each.outcome) for each in results] == [
        ("tests/unit/test_a.py::test_one[x-1]", Outcome.PASSED),
        ("tests/api/test_b.py::TestClass::test_two", Outcome.SKIPPED),
        ("tests/api/test_c.py::test_three", Outcome.FAILED),
        ("tests/api/test_d.py::tests.api.test_d", Outcome.BROKE),
    ]


def test_a_test_that_is_there_twice_counts_at_its_worst() -> None:
    passed = case("tests.unit.test_a", "test_one")
    broke = case("tests.unit.test_a", "test_one", "<error/>")

    assert [each.outcome for each in read_junit(written(passed, broke))] == [Outcome.BROKE]
    assert [each.outcome for each in read_junit(written(broke, passed))] == [Outcome.BROKE]


LAUGHS: Final = (
    '<!DOCTYPE lolz [<!ENTITY a "ha"><!ENTITY b "&a;&a;&a;&a;"><!ENTITY c "&b;&b;&b;&b;">]>'
)
OUTSIDE: Final = '<!DOCTYPE a [<!ENTITY x SYSTEM "file:///etc/passwd">]>'


@pytest.mark.parametrize(
    ("xml", "words"),
    [
        (written(case("t.test_a", "&c;"), head=LAUGHS), "document type"),
        (written(case("t.test_a", "&x;"), head=OUTSIDE), "document type"),
        (written(head='<!DOCTYPE a SYSTEM "http://192.0.2.1/a.dtd">'), "document type"),
        (written(case("t.test_a", "&nothing;")), "no XML"),
        (written(tail="<"), "no XML"),
        (b"", "no XML"),
        (b"PK\x03\x04", "no XML"),
        (b"<html/>", "no test suites"),
        (b'<testsuite failures="1" errors="0"/>', "does not list"),
        (b'<testsuite failures="many"/>', "is none"),
    ],
    ids=["laughs", "file", "remote", "entity", "tail", "empty", "zip", "html", "claims", "count"],
)
def test_what_is_no_results_or_worse_is_refused(xml: bytes, words: str) -> None:
    with pytest.raises(JUnitError, match=words):
        read_junit(xml)


def test_a_file_is_not_read_beyond_any_size_of_ours(monkeypatch: pytest.MonkeyPatch) -> None:
    xml = written(case("tests.unit.test_a", "test_one"))
    monkeypatch.setattr(junit, "BYTES_MAX", len(xml))
    assert read_junit(xml)
    monkeypatch.setattr(junit, "BYTES_MAX", len(xml) - 1)

    with pytest.raises(JUnitError, match="larger"):
        read_junit(xml)


def test_tests_are_not_counted_beyond_any_number_of_ours(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(junit, "_TESTS_MAX", 1)

    with pytest.raises(JUnitError, match="more than 1"):
        read_junit(written(case("t.test_a", "test_one"), case("t.test_a", "test_two")))


def result(file: str, name: str, outcome: Outcome = Outcome.PASSED) -> Result:
    return Result(file, name, outcome)


GOOD: Final = (
    result("tests/unit/test_a.py", "test_one"),
    result("tests/api/test_b.py", "test_two[x]"),
    result("tests/api/test_p.py", "test_sabotage[a]"),
)


def verdict(results: Sequence[Result], before: int = 0, suite: Suite = SUITE) -> Verdict:
    return judged(suite, results, before, "00", "0123abc").verdict


def test_a_suite_that_passed_with_its_sabotage_is_green() -> None:
    found = judged(SUITE, GOOD, 0, "00", "0123abc")

    assert found.verdict is Verdict.PASSING
    assert (found.numbers["tests"], found.numbers["sabotage"]) == (3, 1)


@pytest.mark.parametrize("outcome", [Outcome.FAILED, Outcome.BROKE, Outcome.SKIPPED])
@pytest.mark.parametrize("place", [0, 1, 2])
def test_one_test_that_did_not_pass_turns_it_red(place: int, outcome: Outcome) -> None:
    results = [*GOOD]
    results[place] = results[place]._replace(outcome=outcome)

    found = judged(SUITE, results, 0, "00", "0123abc")

    assert found.verdict is Verdict.FAILING
    assert results[place].id in found.reason


def test_a_suite_of_which_a_file_has_no_test_is_red_and_an_empty_one_is_not_green() -> None:
    assert verdict(GOOD[1:]) is Verdict.FAILING
    assert verdict([result("tests/unit/test_other.py", "test_one")]) is Verdict.INSUFFICIENT
    assert verdict([]) is Verdict.INSUFFICIENT


def test_without_its_sabotage_a_suite_proves_nothing() -> None:
    assert verdict(GOOD[:2]) is Verdict.INSUFFICIENT


def test_no_suite_may_shrink() -> None:
    assert verdict(GOOD, before=3) is Verdict.PASSING
    assert verdict(GOOD, before=4) is Verdict.FAILING


@pytest.mark.parametrize(
    ("given", "wanted", "is_same"),
    [
        ("0123abcdef", "0123abc", True),
        ("0123ABC", "0123abcdef", True),
        ("0123abd", "0123abcdef", False),
        ("0123ab", "0123abcdef", False),
        ("", "0123abc", False),
        ("0123abcdef", "", False),
    ],
)
def test_commits_are_told_by_seven_characters_or_more(
    given: str, wanted: str, *, is_same: bool
) -> None:
    assert is_same_commit(given, wanted) is is_same


def test_each_suite_is_in_the_tree_and_decides_boxes_that_are_decided_so() -> None:
    items = read_items(own_items(), read_checklist(own_checklist()))
    decided = [box for suite in suites() for box in suite.boxes]

    for suite in suites():
        for path in suite.paths:
            found = TOP / path
            assert found.is_file() or list(found.glob("test_*.py")), path
        for name in suite.sabotage:
            file, _, test = name.partition("::")
            function = test.partition("[")[0]
            assert f"def {function}(" in (TOP / file).read_text("utf-8"), name
    assert {items[box].probe for box in decided} == IMPORTED
    assert sorted(decided) == sorted(box for box, item in items.items() if item.probe in IMPORTED)
