"""The parts of the page of readiness that refresh themselves: the way, and the chosen phase.

They have no form in them: what somebody fills in stands below, and is left alone.
"""

from __future__ import annotations

from typing import Final
from uuid import UUID

import streamlit as st

from dashboard import (
    entry,
    navigation,
    quote_drawing,
    readiness_address,
    readiness_reads,
    readiness_view,
    readiness_words,
    told,
    viewer,
)
from dashboard.quote_words import cut
from dashboard.readiness_view import Tile
from dashboard.wording import literal
from engine.readiness.looking import Readiness
from engine.readiness.running import runnable
from engine.readiness.standing import PhaseStanding

_PICK: Final = "pick_box"
_CHOSEN: Final = "readiness_box_chosen"
_STEPS_SHOWN: Final = 6
_WIDTHS: Final[dict[str, int]] = {
    "What has to be so": 250,
    "Why it stands so": 360,
    "Decided": 85,
    "Looked at": 95,
    "By": 110,
    "Stale": 150,
    "Numbers": 260,
}
STATES: Final = st.column_config.MultiselectColumn(
    options=list(readiness_words.COLOURS), color=list(readiness_words.COLOURS.values()), width=130
)


def way(release_id: UUID, phase_id: str) -> None:
    """A release's phases at a glance, in their order: the way that it has to go.

    Args:
        release_id: which.
        phase_id: the phase that is chosen.
    """
    if not entry.allows("readiness"):
        return
    readiness = readiness_reads.whole(viewer.current(), release_id, told.last()).value
    if readiness is None:
        # The chosen phase, beside it, says why.
        return
    with st.container(key="release-facts"):
        st.text("\n".join(readiness_view.release_lines(readiness)))
    with st.container(key="way", gap="xxsmall"):
        for name, tiles in readiness_view.groups(readiness):
            st.caption(literal(name))
            with st.container(key=f"group-{tiles[0].phase_id}", gap="xxsmall"):
                for tile in tiles:
                    _tile(release_id, tile, is_chosen=tile.phase_id == phase_id)


def _tile(release_id: UUID, tile: Tile, *, is_chosen: bool) -> None:
    key = f"{'chosen' if is_chosen else 'tile'}-{tile.phase_id}"
    with st.container(gap=None, key=key):
        with st.container(horizontal=True, vertical_alignment="center", gap="xxsmall"):
            st.page_link(
                navigation.PATHS["readiness"],
                label=f"{tile.label} {tile.title}",
                icon=tile.icon,
                query_params=readiness_address.parameters(release_id, tile.phase_id),
                width="stretch",
            )
            st.caption(tile.settled, width="content")
        with st.container(horizontal=True, vertical_alignment="center", gap="xsmall"):
            st.markdown(tile.picture, width="content")
            window = f" · {tile.window}" if tile.window else ""
            st.caption(f":{tile.verdict.colour}[{tile.verdict.text}]{window}", width="content")


def live(release_id: UUID, phase_id: str, seen: str) -> None:
    """The chosen phase as it stands now.

    Args:
        release_id: of which release.
        phase_id: which.
        seen: its digest when the forms below were drawn.
    """
    if not entry.allows("readiness"):
        return
    if st.session_state.pop(_CHOSEN, False):
        # What is chosen here is shown below, outside of what refreshes itself.
        st.rerun()
    known = readiness_reads.whole(viewer.current(), release_id, told.last())
    quote_drawing.stale(known, "The release could not be read")
    readiness = known.value
    phase = None if readiness is None else readiness.phase(phase_id)
    if readiness is None or phase is None:
        return
    _phase(readiness, phase, has_changed=phase.seen != seen)


def _phase(readiness: Readiness, phase: PhaseStanding, *, has_changed: bool) -> None:
    verdict = readiness_words.verdict(phase)
    with st.container(horizontal=True, vertical_alignment="center", key="phase-head"):
        st.header(
            f"{literal(phase.phase.id)} {literal(cut(phase.phase.title))}",
            anchor=False,
            width="content",
        )
        st.badge(verdict.text, color=verdict.colour)
        window = readiness_words.window(phase, readiness.read_at)
        if window:
            st.badge(window, color="gray", icon=":material/schedule:")
    st.progress(
        phase.settled / phase.total,
        text=f"{phase.settled} of {phase.total} boxes settled: "
        f"{readiness_view.summary(readiness, phase)}",
    )
    if has_changed:
        with st.container(horizontal=True, vertical_alignment="center", key="changed"):
            st.badge("Changed", color="orange", icon=":material/update:")
            st.text("This phase has changed since the forms below were drawn: look again to sign.")
            st.button("Look again", key="look-again", on_click=_look_again)
    _steps(readiness, phase)
    quote_drawing.table(
        readiness_view.boxes(readiness, phase),
        "boxes",
        "Boxes of the phase",
        {
            readiness_view.OPEN: st.column_config.ButtonColumn(
                type="tertiary", key=_PICK, on_click=_open, args=(readiness, phase), width=90
            ),
            readiness_view.STATE: STATES,
            **{name: st.column_config.TextColumn(width=width) for name, width in _WIDTHS.items()},
        },
    )
    st.caption(f"As of {readiness.read_at:%H:%M:%S} UTC")


def _steps(readiness: Readiness, phase: PhaseStanding) -> None:
    able = {item.id for item in runnable(readiness.release)}
    steps = readiness_view.steps(readiness, phase, able)
    if not steps:
        return
    with st.container(border=True, gap="xxsmall", key="path"):
        st.caption("The shortest way to a signed phase")
        for number, step in enumerate(steps[:_STEPS_SHOWN], 1):
            with st.container(horizontal=True, gap="small"):
                st.badge(f"{number} · {step.kind}", color="blue", width="content")
                st.text(step.words)
        more = len(steps) - _STEPS_SHOWN
        if more > 0:
            with st.expander(f"And {more} more", key="path-more"):
                for step in steps[_STEPS_SHOWN:]:
                    st.text(f"{step.kind}: {step.words}")


def _look_again() -> None:
    st.session_state[_CHOSEN] = True


def _open(readiness: Readiness, phase: PhaseStanding) -> None:
    position = st.session_state[_PICK].row
    if 0 <= position < len(phase.phase.boxes):
        st.query_params.from_dict(
            readiness_address.parameters(
                readiness.release.id, phase.phase.id, phase.phase.boxes[position].id
            )
        )
        st.session_state[_CHOSEN] = True
