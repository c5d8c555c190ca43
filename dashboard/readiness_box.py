"""One box on the page of readiness: what is known of it, and what somebody may do about it."""

from __future__ import annotations

from typing import Any, Final
from uuid import UUID

import streamlit as st

from dashboard import (
    navigation,
    quote_drawing,
    readiness_address,
    readiness_forms,
    readiness_reads,
    readiness_runs,
    readiness_view,
    readiness_words,
    told,
)
from dashboard.quote_words import cut
from dashboard.readiness_address import Asked
from dashboard.viewer import Viewer
from dashboard.wording import literal
from engine.access.roles import Permission
from engine.readiness.assessment import Standing
from engine.readiness.box_history import Said
from engine.readiness.items import Kind
from engine.readiness.looking import Readiness
from engine.readiness.running import runnable
from engine.readiness.standing import PhaseStanding

_BOX: Final = "readiness_box"
# More of them scroll by themselves.
_PARTS_SHOWN, _PARTS_HEIGHT = 12, 420
_FACTS: Final = {
    "Fact": st.column_config.TextColumn(width=140),
    "Value": st.column_config.TextColumn(width=430),
}


def one_box(looking: Viewer, found: Readiness, phase: PhaseStanding, asked: Asked) -> None:
    """The box that is chosen, or the choice of one.

    Args:
        looking: who looks.
        found: the release.
        phase: whose boxes may be chosen.
        asked: what the address asks for.
    """
    boxes = [box.id for box in phase.phase.boxes]
    titles = {box: readiness_view.box_title(found, phase, box) for box in boxes}
    state: Any = st.session_state
    state[_BOX] = chosen = readiness_address.box_in(found, boxes, asked)
    st.header("One box", anchor=False)
    st.selectbox(
        "Box",
        boxes,
        index=None,
        key=_BOX,
        format_func=lambda box: titles.get(box, box),
        placeholder="Choose a box: its evidence, and what you may do",
        on_change=_choose_box,
        args=(found.release.id, phase.phase.id),
        label_visibility="collapsed",
    )
    told.draw(readiness_forms.BOX)
    if chosen is not None:
        _chosen(looking, found, found.standings[chosen])


def _choose_box(release_id: UUID, phase_id: str) -> None:
    chosen: str | None = st.session_state[_BOX]
    st.query_params.from_dict(readiness_address.parameters(release_id, phase_id, chosen))


def _chosen(looking: Viewer, found: Readiness, standing: Standing) -> None:
    box_id = standing.item.id
    known = readiness_reads.history(looking, found, box_id, told.last())
    if known.value is None:
        quote_drawing.stale(known, "The box's records could not be read")
    said = known.value or ()
    left, right = st.columns([3, 2])
    with left:
        # In full: a table has one line for it.
        with st.container(horizontal=True, gap="small", key="box-reason"):
            st.badge(standing.state.value, color=readiness_words.COLOURS[standing.state])
            st.text(cut(standing.reason))
        quote_drawing.table(
            readiness_view.box_facts(found, box_id), "box", "Facts of the box", _FACTS
        )
        numbers = readiness_view.numbers(standing, has_rows=looking.may(Permission.READ_LEDGER))
        if not numbers.empty:
            quote_drawing.table(numbers, "numbers", "Numbers of the box", _FACTS)
        witness = next((each.witness for each in said if each.witness), "")
        if witness:
            st.caption("What anybody can look at again")
            st.code(cut(witness), language=None, wrap_lines=True)
    with right:
        if standing.item.kind is Kind.DERIVED:
            _parts(found, standing)
        elif looking.may(Permission.SIGN_OFF):
            _forms(found, standing, said)
        elif standing.item.is_of_each and looking.may(Permission.READ_LEDGER):
            # Who is on call vouches for themselves, lead or not.
            readiness_forms.attest(found, standing)
    if said:
        quote_drawing.table(
            readiness_view.history(said), "box_history", "What was put down of the box", {}
        )


def _parts(found: Readiness, standing: Standing) -> None:
    """What a derived box follows from, each a link: it changes with those, and by nobody's word."""
    found_parts = readiness_view.parts(found, standing)
    height: Any = _PARTS_HEIGHT if len(found_parts) > _PARTS_SHOWN else "content"
    with st.container(border=True, gap="xxsmall", height=height, key="parts"):
        st.caption(
            "It follows from these, and changes with them: nobody vouches for it or waives it."
        )
        for each in found_parts:
            st.page_link(
                navigation.PATHS["readiness"],
                label=each.label,
                icon=each.icon,
                query_params=readiness_address.parameters(
                    found.release.id, each.phase_id, each.box_id
                ),
            )


def _forms(found: Readiness, standing: Standing, said: tuple[Said, ...]) -> None:
    _act(found, standing)
    readiness_forms.attest(found, standing)
    readiness_forms.second(found, standing)
    with st.expander("Waive it, or say that it does not apply", key="exempting"):
        readiness_forms.exempt(found, standing)
    if any(each.can_be_revoked for each in said):
        with st.expander("Take something back", key="revoking"):
            readiness_forms.take_back(found, standing.item.id, said)


def _act(found: Readiness, standing: Standing) -> None:
    items = [each for each in runnable(found.release) if each.id == standing.item.id]
    if items and st.button(
        f"Look at {literal(standing.item.id)} now", icon=":material/play_arrow:", key="run-box"
    ):
        readiness_runs.watch(found.release, items, place=readiness_forms.BOX)
        st.rerun()
