"""A release as the page shows it: tiles of its phases, tables of boxes, and the way on.

Pure functions. Whatever somebody has written, the checklist's words among it, is text in a table or
for `st.text`, and is escaped where a label takes Markdown.
"""

from __future__ import annotations

import json
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import groupby
from typing import Any, Final

import pandas as pd

from dashboard import readiness_words as words
from dashboard.quote_words import cut, title
from dashboard.wording import Words, inside, literal
from engine.readiness.assessment import Standing, State
from engine.readiness.box_history import Said
from engine.readiness.checklist import Box
from engine.readiness.items import Gate, Item
from engine.readiness.looking import Readiness
from engine.readiness.path import Action, path_to_phase
from engine.readiness.standing import PhaseStanding

OPEN: Final = "Box"
STATE: Final = "State"
_INDENT: Final = "\u2003"
_BOXES_NAMED: Final = 5
# A step has one line; the table says the rest.
_STEP_LONGEST: Final = 150
# As the icons of Material Symbols are named.
_ICONS: Final = {
    "green": ":material/check_circle:",
    "red": ":material/error:",
    "orange": ":material/update:",
    "blue": ":material/draw:",
    "gray": ":material/radio_button_unchecked:",
}


@dataclass(frozen=True, slots=True)
class Tile:
    """A phase at a glance.

    Attributes:
        phase_id: of the phase.
        label: its name, for a link.
        icon: that repeats how it stands.
        title: what it is about, for a link.
        settled: how many of its boxes are, in words.
        verdict: how it stands, in words.
        picture: its boxes, as Markdown.
        window: where it is in time; empty for one that is not bound to any.
    """

    phase_id: str
    label: str
    icon: str
    title: str
    settled: str
    verdict: Words
    picture: str
    window: str


@dataclass(frozen=True, slots=True)
class BoxLink:
    """A box, to be opened.

    Attributes:
        box_id: of it.
        phase_id: of the phase that it is of.
        label: its id and how it stands, for a link.
        icon: that repeats how it stands.
    """

    box_id: str
    phase_id: str
    label: str
    icon: str


@dataclass(frozen=True, slots=True)
class Step:
    """One step on the shortest path.

    Attributes:
        kind: what is to be done, in a word.
        words: the same in a sentence, as a text.
    """

    kind: str
    words: str


def groups(readiness: Readiness) -> Sequence[tuple[str, Sequence[Tile]]]:
    """The phases at a glance, under the headings that they stand under, as texts."""
    return [
        (cut(name), [_tile(readiness, each) for each in phases])
        for name, phases in groupby(readiness.phases, key=lambda each: each.phase.group)
    ]


def next_phase(readiness: Readiness) -> PhaseStanding:
    """Where a release is: the first phase that is not signed off; the last when all are."""
    return next((each for each in readiness.phases if not each.is_signed_off), readiness.phases[-1])


def release_lines(readiness: Readiness) -> Sequence[str]:
    """How far a release is, which it is, and when it goes out; texts."""
    release = readiness.release
    settled = sum(each.state.is_settled for each in readiness.standings.values())
    signed = sum(each.is_signed_off for each in readiness.phases)
    return (
        (
            f"{settled} of {len(readiness.standings)} boxes settled"
            f" · {signed} of {len(readiness.phases)} phases signed off"
        ),
        (
            f"commit {cut(release.commit)} · for {cut(release.environment)}"
            f" · made by {cut(release.author)}"
        ),
        words.goes_out(release, readiness.read_at),
    )


def steps(readiness: Readiness, phase: PhaseStanding, runnable: Collection[str]) -> Sequence[Step]:
    """The shortest path to a phase that is signed off."""
    return [_step(each) for each in path_to_phase(readiness, phase, runnable)]


def summary(readiness: Readiness, phase: PhaseStanding) -> str:
    """A phase's boxes by state: 3 passing, 1 failing."""
    return words.tally(readiness.standings[box.id].state for box in phase.phase.boxes)


def boxes(readiness: Readiness, phase: PhaseStanding) -> pd.DataFrame:
    """A phase's boxes in their order and nesting, one a row."""
    found = [(box, readiness.standings[box.id]) for box in phase.phase.boxes]
    now = readiness.read_at
    return pd.DataFrame(
        {
            OPEN: [box.id for box, _ in found],
            STATE: [[standing.state.value] for _, standing in found],
            "What has to be so": [indented(phase, box) for box, _ in found],
            "Why it stands so": [cut(standing.reason) for _, standing in found],
            "Looked at": [words.looked_at(standing, now) for _, standing in found],
            "Decided": [standing.item.kind.value for _, standing in found],
            "By": [
                "" if standing.evidence is None else cut(standing.evidence.runner)
                for _, standing in found
            ],
            "Stale": [words.stale_when(standing, now) for _, standing in found],
            "Numbers": [_number(readiness, standing) for _, standing in found],
        }
    )


def indented(phase: PhaseStanding, box: Box) -> str:
    """A box's words, as far to the right as it is nested."""
    parents = {each.id: each.parent_id for each in phase.phase.boxes}
    depth, parent = 0, box.parent_id
    while parent is not None:
        depth, parent = depth + 1, parents.get(parent)
    return _INDENT * depth + cut(box.text)


def box_title(readiness: Readiness, phase: PhaseStanding, box_id: str) -> str:
    """A box in a list to choose from."""
    box = next(each for each in phase.phase.boxes if each.id == box_id)
    return f"{box.id} · {readiness.standings[box.id].state.value} · {cut(box.text)}"


def box_facts(readiness: Readiness, box_id: str) -> pd.DataFrame:
    """A box, a fact a row."""
    standing = readiness.standings[box_id]
    return _facts(_box_facts(readiness, standing))


def parts(readiness: Readiness, standing: Standing) -> Sequence[BoxLink]:
    """What a derived box follows from, what keeps it first."""
    order = list(State)
    found = sorted(standing.item.of, key=lambda each: order.index(readiness.standings[each].state))
    return [box_link(readiness, each, has_words=True) for each in found]


def box_link(readiness: Readiness, box_id: str, *, has_words: bool = False) -> BoxLink:
    """A box that can be opened.

    Args:
        readiness: the release.
        box_id: one of its boxes.
        has_words: whether the label has the box's words as well.
    """
    phase = readiness.release.checklist.phase_of(box_id)
    box = next(each for each in phase.boxes if each.id == box_id)
    state = readiness.standings[box_id].state
    said = f"{box_id} · {state.value}" + (f" · {cut(box.text)}" if has_words else "")
    return BoxLink(box_id, phase.id, literal(said), words.ICONS[state])


def numbers(standing: Standing, *, has_rows: bool) -> pd.DataFrame:
    """What was measured for a box's last evidence.

    Args:
        standing: of the box.
        has_rows: whether lists are shown, which name attempts, quotes and agents.
    """
    found = {} if standing.evidence is None else standing.evidence.numbers
    return _facts(
        (cut(name), _told(value))
        for name, value in found.items()
        if has_rows or not isinstance(value, Mapping | list)
    )


def history(said: Sequence[Said]) -> pd.DataFrame:
    """What was put down of a box, newest first."""
    return pd.DataFrame(
        {
            "When": [words.instant(each.recorded_at) for each in said],
            "What": [each.kind + (", taken back" if each.is_revoked else "") for each in said],
            "Came to": [each.verdict for each in said],
            "In words": [cut(each.words) for each in said],
            "By": [cut(each.recorded_by) for each in said],
            "Digest": [words.short(each.digest) for each in said],
        }
    )


def signatures(phase: PhaseStanding) -> pd.DataFrame:
    """Who has signed a phase, and whether it still holds."""
    return pd.DataFrame(
        {
            "Who": [cut(each.who) for each in phase.sign_offs],
            "Role": [each.role for each in phase.sign_offs],
            "Meaning": [cut(each.meaning) for each in phase.sign_offs],
            "When": [words.instant(each.signed_at) for each in phase.sign_offs],
            "Holds": [
                "still" if each.states == phase.states else "no: boxes stand otherwise now"
                for each in phase.sign_offs
            ],
            "Comment": [cut(each.comment) for each in phase.sign_offs],
            "Saw": [words.short(each.seen) for each in phase.sign_offs],
        }
    )


def side_by_side(found: Sequence[Readiness]) -> pd.DataFrame:
    """Releases, one a row."""
    return pd.DataFrame(
        {
            "Release": [cut(each.release.name) for each in found],
            "Environment": [cut(each.release.environment) for each in found],
            "Is at": [next_phase(each).phase.id for each in found],
            "Settled": [
                f"{sum(one.state.is_settled for one in each.standings.values())}"
                f" of {len(each.standings)}"
                for each in found
            ],
            "Signed phases": [
                f"{sum(one.is_signed_off for one in each.phases)} of {len(each.phases)}"
                for each in found
            ],
            "Deployed": [
                "not yet"
                if each.release.deployed_at is None
                else words.instant(each.release.deployed_at)
                for each in found
            ],
        }
    )


def _tile(readiness: Readiness, phase: PhaseStanding) -> Tile:
    verdict = words.verdict(phase)
    return Tile(
        phase_id=phase.phase.id,
        label=literal(phase.phase.id),
        icon=_ICONS[verdict.colour],
        title=literal(cut(phase.phase.title)),
        settled=f"{phase.settled} of {phase.total}",
        verdict=verdict,
        picture=words.picture(readiness.standings[box.id].state for box in phase.phase.boxes),
        window=words.window(phase, readiness.read_at),
    )


def _step(action: Action) -> Step:
    named = ", ".join(action.boxes[:_BOXES_NAMED])
    more = len(action.boxes) - _BOXES_NAMED
    which = f"{named} and {more} more" if more > 0 else named
    # What speaks of one box alone names it already.
    names = "" if not action.boxes or action.boxes[0] in action.words else f": {which}"
    told = cut(f"{action.words}{names}")
    if len(told) > _STEP_LONGEST:
        told = f"{told[: _STEP_LONGEST - 1]}…"
    return Step(action.kind.value, told)


def _box_facts(readiness: Readiness, standing: Standing) -> Iterator[tuple[str, str]]:
    item, evidence, now = standing.item, standing.evidence, readiness.read_at
    yield "State", standing.state.value
    yield "Because", cut(standing.reason)
    yield "Decided", item.kind.value + ("" if item.probe is None else f", by {cut(item.probe)}")
    yield from _people_facts(item)
    if item.depends_on:
        yield "Depends on", ", ".join(sorted(each.value for each in item.depends_on))
    if item.age is not None:
        yield "Lasts", words.length(item.age)
    if item.of:
        yield "Follows from", ", ".join(item.of)
    if standing.blocked_by:
        yield "Blocked by", ", ".join(standing.blocked_by)
    if evidence is not None:
        yield "Last evidence", f"{evidence.verdict.value}: {cut(evidence.reason)}"
        yield "Looked at", f"{words.instant(evidence.ended_at)}, {words.looked_at(standing, now)}"
        yield "By", cut(evidence.runner)
        yield "Stale", words.stale_when(standing, now) or "not by age"
        yield "Digest", evidence.digest
    exemption = readiness.knowledge.exemptions.get(item.id)
    if exemption is not None:
        second = exemption.second or "nobody else yet, so it does not count"
        agreed = f", agreed to by {cut(second)}" if exemption.expires_at is not None else ""
        by = f"{cut(exemption.granted_by)}, {words.instant(exemption.granted_at)}"
        yield (
            f"Asked to be {exemption.state.value}",
            f"by {by}{agreed}: {cut(exemption.reason)}",
        )
        if exemption.expires_at is not None:
            yield "Until", words.instant(exemption.expires_at)


def _number(readiness: Readiness, standing: Standing) -> str:
    """What was measured for a box, in a line; of a derived one, how far it is."""
    parts = [readiness.standings[each].state.is_settled for each in standing.item.of]
    if parts:
        return f"{sum(parts)} of {len(parts)} settled"
    found = {} if standing.evidence is None else standing.evidence.numbers
    plain = [
        f"{inside(title(name))} {value}"
        for name, value in found.items()
        if isinstance(value, int | float) and not isinstance(value, bool)
    ]
    return cut(" · ".join(plain))


def _people_facts(item: Item) -> Iterator[tuple[str, str]]:
    if item.is_of_each:
        yield "People who have to vouch", "each who is on call"
    elif item.signatures > 1:
        yield "People who have to vouch", str(item.signatures)
    if item.gate is Gate.LOOK:
        yield "Before they do", "a machine looks, and they vouch for what it has seen"


def _facts(rows: Iterable[tuple[str, str]]) -> pd.DataFrame:
    return pd.DataFrame(list(rows), columns=["Fact", "Value"])


def _told(value: Any) -> str:  # noqa: ANN401  # whatever JSON has
    if value in ([], {}):
        return "none"
    if isinstance(value, Mapping | list):
        return cut(json.dumps(value, ensure_ascii=False))
    return cut(str(value))
