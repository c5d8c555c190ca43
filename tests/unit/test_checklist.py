"""The checklist: read from Markdown with ids that stay, and written back as it was."""

from __future__ import annotations

import re
from collections import Counter
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

import engine.readiness
from engine.readiness.assessment import Known, State, assess, counts
from engine.readiness.checklist import (
    Checklist,
    ChecklistError,
    Window,
    read_checklist,
    refuse_what_is_overlooked,
)
from engine.readiness.items import Kind, attested_items, read_items
from engine.readiness.rendering import Mark, render

NOW = datetime(2026, 11, 26, 12, tzinfo=UTC)
_FILES = Path(engine.readiness.__file__).parent
MARKDOWN = (_FILES / "checklist.md").read_text("utf-8")
ITEMS = (_FILES / "items.toml").read_text("utf-8")

# Boxes of each phase, counted by hand.
PHASES = {
    "PRE-1": 10, "PRE-2": 5, "PRE-3": 23, "PRE-4": 12, "PRE-5": 4, "PRE-6": 6, "PRE-7": 12,
    "PRE-8": 7, "PRE-9": 7, "PRE-10": 10, "POST-1": 7, "POST-2": 7, "POST-3": 7, "POST-4": 6,
    "POST-5": 10, "POST-6": 5, "POST-7": 5, "POST-8": 7, "READY": 10, "STABLE": 10,
}  # fmt: skip


@pytest.fixture
def checklist() -> Checklist:
    return read_checklist(MARKDOWN)


def test_the_checklist_has_a_hundred_and_seventy_boxes_in_twenty_phases(
    checklist: Checklist,
) -> None:
    assert {phase.id: len(phase.boxes) for phase in checklist.phases} == PHASES
    assert len({box.id for box in checklist.boxes}) == 170


@pytest.mark.parametrize(
    ("box_id", "text", "parent_id"),
    [
        ("PRE-1.1", "Semantic error taxonomy implemented (16 error codes)", None),
        ("PRE-2.3", "Check new columns exist (version, lastModifiedBy, lastModifiedAt)", None),
        ("PRE-3.8", "All integration tests passing (100% pass rate)", None),
        ("PRE-3.17.6", "Rollback rate < 0.5%", "PRE-3.17"),
        ("PRE-4.5.1", "`TELEGRAM_BOT_TOKEN` set", "PRE-4.5"),
        ("POST-5.3.1", "errorCode", "POST-5.3"),
        ("READY-4", "All load tests passed", None),
        ("STABLE-9", "No data corruption", None),
    ],
)
def test_a_box_has_the_id_that_its_place_gives_it(
    checklist: Checklist, box_id: str, text: str, parent_id: str | None
) -> None:
    box = next(each for each in checklist.boxes if each.id == box_id)

    assert (box.text, box.parent_id) == (text, parent_id)


def test_phases_after_a_deployment_have_their_windows(checklist: Checklist) -> None:
    windows = {phase.id: phase.window for phase in checklist.phases}

    assert windows["PRE-3"] is None
    assert windows["POST-1"] == Window(timedelta(0), timedelta(minutes=15))
    assert windows["POST-8"] == Window(timedelta(hours=24), timedelta(hours=48))
    assert windows["STABLE"] == Window(timedelta(hours=24), None)


def test_titles_are_said_without_numbers_windows_and_decoration(checklist: Checklist) -> None:
    titles = {phase.id: phase.title for phase in checklist.phases}

    assert titles["PRE-1"] == "Implementation"
    assert titles["PRE-4"] == "Monitoring & Alerting"
    assert titles["POST-1"] == "Immediate Verification"
    assert titles["READY"] == "Production Ready"


# Writing it back.


def without_marks(markdown: str) -> str:
    """A checklist without what is allowed to change: ticks and footnotes."""
    text = re.sub(r"^(\s*- \[)[ x](\])", r"\1 \2", markdown, flags=re.MULTILINE)
    text = re.sub(r"\[\^[A-Z]+-[\d.]+\]$", "", text, flags=re.MULTILINE)
    return re.sub(r"\n*(^\[\^[A-Z]+-[\d.]+\]: .*\n)+\Z", "", text, flags=re.MULTILINE)


def test_written_back_untouched_it_is_the_same_but_for_the_boxes(checklist: Checklist) -> None:
    written = render(checklist, {})

    assert without_marks(written) == without_marks(MARKDOWN)
    assert "- [x]" not in written


def test_boxes_and_footnotes_are_all_that_changes(checklist: Checklist) -> None:
    marks = {box.id: Mark(index % 2 == 0, f"why\n{box.id}") for index, box in
             enumerate(checklist.boxes)}  # fmt: skip

    written = render(checklist, marks)

    assert without_marks(written) == without_marks(MARKDOWN)
    assert written.count("- [x]") == 85
    assert "- [x] Semantic error taxonomy implemented (16 error codes)[^PRE-1.1]\n" in written
    assert written.endswith("[^STABLE-10]: why STABLE-10\n")


@pytest.mark.parametrize("ending", ["\r\n", "\n"])
@pytest.mark.parametrize("last", ["", "\n", "\n\n"])
def test_line_endings_and_the_end_of_the_file_are_kept(ending: str, last: str) -> None:
    text = ending.join(["## Pre", "### Phase 1: One", "", "- [X] a  ", "  * [ ] b"]) + last

    assert render(read_checklist(text), {"PRE-1.1": Mark(is_ticked=True)}) == text.replace(
        "[X]", "[x]"
    )


def test_what_was_written_back_reads_as_the_same_boxes(checklist: Checklist) -> None:
    again = read_checklist(render(checklist, {"PRE-1.1": Mark(is_ticked=True)}))

    assert [box.id for box in again.boxes] == [box.id for box in checklist.boxes]
    assert [box.id for box in again.boxes if box.is_ticked] == ["PRE-1.1"]


# Other checklists.


def test_any_checklist_of_the_shape_is_read() -> None:
    other = read_checklist(
        "# Launch\n## Before-flight\n### Phase 7: Fuel (after 2 days)\n- [ ] tank\n\t- [x] cap\n"
        "```\n- [ ] no box\n```\n### Go ✅\n+ [ ] all\n## Notes\n### Links\n- none\n"
    )

    assert other.title == "Launch"
    assert [box.id for box in other.boxes] == ["BEFORE-7.1", "BEFORE-7.1.1", "GO-1"]
    assert other.phases[0].window == Window(timedelta(days=2), None)
    kinds = {item.id: item.kind for item in attested_items(other).values()}
    assert kinds == {
        "BEFORE-7.1": Kind.DERIVED, "BEFORE-7.1.1": Kind.ATTESTED, "GO-1": Kind.ATTESTED,
    }  # fmt: skip


@pytest.mark.parametrize(
    "line",
    ["-  [ ] a", "1. [x] a", "2) [ ] a", "> - [x] a", "-\t[ ] a", "- [x]"],
)
def test_what_is_drawn_as_a_box_and_would_not_be_read_is_refused(line: str) -> None:
    with pytest.raises(ChecklistError, match="line 3: a box is written as"):
        refuse_what_is_overlooked(f"### P\n- [ ] a\n{line}\n")


def test_of_our_own_checklist_nothing_is_overlooked_nor_of_a_link() -> None:
    refuse_what_is_overlooked(MARKDOWN)
    refuse_what_is_overlooked("- [x](there) and [ ] alone\n```\n1. [x] code\n```\n")


@pytest.mark.parametrize(
    "code",
    [
        "```one``` in a line",
        "~~~\n```\n~~~",
        "```\n~~~\n```",
        "````\n```\n````",
        "```sh\n- [ ] b\n```",
    ],
)
def test_boxes_after_code_are_read(code: str) -> None:
    assert [box.text for box in read_checklist(f"### P\n{code}\n- [ ] a\n").boxes] == ["a"]


@pytest.mark.timeout(30)  # of the hours that a pattern with a lazy middle would take
def test_spaces_in_a_heading_or_a_box_are_read_at_once_however_many() -> None:
    spaces = " " * 120_000

    read = read_checklist(f"### Two{spaces}words\n- [ ] a{spaces}b{spaces}\n")

    assert [(each.id, each.text) for each in read.boxes] == [("WORDS-1", f"a{spaces}b")]


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("", "no box"),
        ("- [ ] a", "line 1: a box outside"),
        ("## Pre\n### Phase 1: x\n## Post\n- [ ] a", "line 4: a box outside"),
        ("## Pre\n### Phase 1: x\n  - [ ] a", "line 3: a box that stands under none"),
        ("## P\n### Phase 1: x\n- [ ] a\n### Phase 1: y\n- [ ] b", "the name P-1"),
        ("## P\n### ✅\n- [ ] a", "of no word"),
        (f"### {'long' * 11}\n- [ ] a", "line 1: the phase would have a name of more than 40"),
        ("### P\n" + "".join(f"{' ' * n}- [ ] a\n" for n in range(11)), "line 12: boxes stand"),
        ("### P (after 999999999 days)\n- [ ] a", "line 1: a phase ends 366 days after"),
        ("### P (0-99999999999999 hours)\n- [ ] a", "line 1: a phase ends 366 days after"),
        (f"### P (0-{'9' * 5_000} days)\n- [ ] a", "line 1: a phase ends 366 days after"),
    ],
    ids=range(11),
)
def test_what_is_no_checklist_is_refused_with_the_reason(text: str, words: str) -> None:
    with pytest.raises(ChecklistError, match=words):
        read_checklist(text)


# How boxes are decided.


def test_as_many_boxes_of_each_kind_as_the_plan_says(checklist: Checklist) -> None:
    kinds = Counter(item.kind for item in read_items(ITEMS, checklist).values())

    assert kinds == {
        Kind.AUTOMATIC: 112, Kind.DRILL: 26, Kind.DERIVED: 22, Kind.ATTESTED: 10,
    }  # fmt: skip


def test_a_derived_box_names_what_it_follows_from(checklist: Checklist) -> None:
    items = read_items(ITEMS, checklist)

    assert items["PRE-4.5"].of == ("PRE-4.5.1", "PRE-4.5.2")
    assert items["READY-4"].of == tuple(f"PRE-3.{number}" for number in range(13, 18))
    assert items["READY-9"].of == ("PRE-6.6", "POST-7.4")
    assert len(items["PRE-10.1"].of) == sum(
        1 for box in checklist.boxes
        if box.parent_id is None and box.id.startswith("PRE-") and not box.id.startswith("PRE-10.")
    )  # fmt: skip


def test_nothing_is_known_of_a_new_release_and_no_box_is_green(checklist: Checklist) -> None:
    items = read_items(ITEMS, checklist)

    found = counts(assess(items, Known({}, {}, {}, {}), NOW))

    assert found == {state: 170 if state is State.UNKNOWN else 0 for state in State}


@pytest.mark.parametrize(
    ("table", "words"),
    [
        ('["PRE-99.1"]\nkind = "automatic"\nprobe = "x"', "no box PRE-99.1"),
        ('["PRE-1.1"]\nkind = "magic"', "PRE-1.1: 'magic'"),
        ('["PRE-1.1"]\nprobe = "x"', "PRE-1.1: 'kind'"),
        ('["PRE-1.1"]\nkind = "automatic"', "PRE-1.1: nothing is named that looks"),
        ('["PRE-1.1"]\nkind = "derived"', "PRE-1.1: follows from nothing"),
        ('["PRE-1.1"]\nkind = "derived"\nof = ["PRE-77"]', "which there is not"),
        ('["PRE-1.1"]\nkind = "attested"\nage = "soon"', "soon is no age"),
        (
            (
                '["PRE-1.1"]\nkind = "derived"\nof = ["PRE-1.2"]\n'
                '["PRE-1.2"]\nkind = "derived"\nof = ["PRE-1.1"]'
            ),
            "PRE-1.1 follows from itself",
        ),
    ],
)
def test_an_item_that_cannot_be_decided_is_refused(
    checklist: Checklist, table: str, words: str
) -> None:
    with pytest.raises(ChecklistError, match=words):
        read_items(table, checklist)
