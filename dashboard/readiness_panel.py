"""The page of readiness: a release's way through its phases, and what somebody may do about it.

What refreshes itself stands above (`readiness_live`), what is filled in below. Whether somebody may
is decided by the engine at each write. Stored text is in tables, `st.text` and lists, or escaped.
"""

from __future__ import annotations

from functools import partial
from typing import Any, Final
from uuid import UUID

import streamlit as st

from dashboard import (
    acting,
    engine_in_process,
    entry,
    quote_drawing,
    readiness_address,
    readiness_export,
    readiness_forms,
    readiness_live,
    readiness_reads,
    readiness_runs,
    readiness_view,
    readiness_words,
    told,
    viewer,
)
from dashboard.quote_words import cut
from dashboard.readiness_address import Asked
from dashboard.readiness_reads import Listed
from dashboard.viewer import Viewer
from dashboard.wording import literal
from engine.access.roles import Permission
from engine.readiness.assessment import Standing
from engine.readiness.looking import Readiness
from engine.readiness.running import runnable
from engine.readiness.standing import PhaseStanding

_REFRESH_S: Final = 10
_RELEASE: Final = "readiness_release"
_BOX: Final = "readiness_box"


def readiness() -> None:
    """The whole page below its title."""
    if not entry.allows("readiness"):
        return
    looking = viewer.current()
    known = readiness_reads.listed(looking, told.last())
    quote_drawing.stale(known, "The releases could not be read")
    if known.value is None:
        return
    if not known.value:
        _none(looking)
        return
    asked = readiness_address.read(st.query_params.to_dict())
    if not asked.is_understood:
        st.warning("The address names a release by what is no id.", icon=":material/link_off:")
    _release(looking, asked, known.value)


def _none(looking: Viewer) -> None:
    told.draw()
    st.info(
        "There is no release yet. Make one, and it gets a run of the checklist of its own: a"
        " machine looks at what it can, people vouch for the rest, leads sign phase by phase.",
        icon=":material/flag:",
    )
    if looking.may(Permission.SIGN_OFF):
        readiness_forms.new_release(is_first=True)
    else:
        st.caption("A lead makes it, here or with: saveguard readiness release add")


def _release(looking: Viewer, asked: Asked, listed: tuple[Listed, ...]) -> None:
    release_id = asked.release_id or listed[0].id
    _chooser(release_id, listed)
    known = readiness_reads.whole(looking, release_id, told.last())
    if known.value is None:
        if not known.freshness.is_stale:
            st.warning("There is no release with this id.", icon=":material/search_off:")
        else:
            quote_drawing.stale(known, "The release could not be read")
        return
    found = known.value
    phase = (
        None if asked.phase_id is None else found.phase(asked.phase_id)
    ) or readiness_view.next_phase(found)
    st.fragment(readiness_live.live, run_every=_REFRESH_S)(release_id, phase.phase.id, phase.seen)
    told.draw()
    may_act = looking.may(Permission.SIGN_OFF)
    if may_act:
        _own_release(looking, found)
        _runs(found, phase)
    _box(looking, found, phase, asked)
    st.header(f"Signatures of {literal(phase.phase.id)}", anchor=False)
    readiness_forms.signatures(phase)
    if may_act:
        left, right = st.columns(2)
        with left:
            readiness_forms.sign(found, phase)
        with right:
            readiness_forms.withdraw(found, phase)
    _of_release(looking, found, listed, may_act=may_act)


def _chooser(release_id: UUID, listed: tuple[Listed, ...]) -> None:
    """It shows what the address says, and rewrites it; the picture of a release has the rest."""
    titles = {str(each.id): f"{cut(each.name)} · {cut(each.environment)}" for each in listed}
    titles.setdefault(str(release_id), "a release that is not there")
    st.session_state[_RELEASE] = str(release_id)
    st.selectbox(
        "Release",
        list(titles),
        key=_RELEASE,
        format_func=lambda id_: titles.get(id_, id_),
        on_change=_choose_release,
        label_visibility="collapsed",
        width=360,
    )


def _choose_release() -> None:
    st.query_params.from_dict({readiness_address.RELEASE: st.session_state[_RELEASE]})


def _own_release(looking: Viewer, found: Readiness) -> None:
    release = found.release
    called = {each.casefold() for each in (looking.email, looking.name) if each}
    made_by = {release.author_id, release.maker_id} - {None}
    if looking.account_id in made_by or release.author.casefold() in called:
        st.info(
            "You are this release's author, or have put it down: somebody else vouches, waives"
            " and signs.",
            icon=":material/person:",
        )


def _runs(found: Readiness, phase: PhaseStanding) -> None:
    able = runnable(found.release)
    own = {box.id for box in phase.phase.boxes}
    of_phase = [item for item in able if item.id in own]
    with st.container(horizontal=True, key="runs"):
        wanted = []
        if of_phase and st.button(
            f"Look at {readiness_words.boxes(len(of_phase))} of {literal(phase.phase.id)}",
            icon=":material/play_arrow:",
            key="run-phase",
        ):
            wanted = of_phase
        if able and st.button(
            f"Look at all {len(able)} that a machine can",
            icon=":material/playlist_play:",
            key="run-all",
        ):
            wanted = list(able)
    if wanted:
        readiness_runs.watch(found.release, wanted)
        st.rerun()


def _box(looking: Viewer, found: Readiness, phase: PhaseStanding, asked: Asked) -> None:
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
    if chosen is not None:
        _chosen(looking, found, found.standings[chosen])


def _choose_box(release_id: UUID, phase_id: str) -> None:
    chosen: str | None = st.session_state[_BOX]
    st.query_params.from_dict(readiness_address.parameters(release_id, phase_id, chosen))


def _chosen(looking: Viewer, found: Readiness, standing: Standing) -> None:
    box_id = standing.item.id
    known = readiness_reads.history(looking, found, box_id, told.last())
    quote_drawing.stale(known, "The box's records could not be read")
    said = known.value or ()
    left, right = st.columns([3, 2])
    with left:
        quote_drawing.table(readiness_view.box_facts(found, box_id), "box", "Facts of the box", {})
        numbers = readiness_view.numbers(standing)
        if not numbers.empty:
            quote_drawing.table(numbers, "numbers", "Numbers of the box", {})
        witness = next((each.witness for each in said if each.witness), "")
        if witness:
            st.caption("What anybody can look at again")
            st.code(cut(witness), language=None, wrap_lines=True)
    with right:
        if looking.may(Permission.SIGN_OFF):
            _act(found, standing)
            readiness_forms.attest(found, standing)
            readiness_forms.second(found, standing)
            with st.expander("Waive it, or say that it does not apply", key="exempting"):
                readiness_forms.exempt(found, standing)
            if any(each.can_be_revoked for each in said):
                with st.expander("Take something back", key="revoking"):
                    readiness_forms.take_back(found, box_id, said)
        elif standing.item.is_of_each and looking.may(Permission.READ_LEDGER):
            # Who is on call vouches for themselves, lead or not.
            readiness_forms.attest(found, standing)
    if said:
        quote_drawing.table(
            readiness_view.history(said), "box_history", "What was put down of the box", {}
        )


def _act(found: Readiness, standing: Standing) -> None:
    items = [each for each in runnable(found.release) if each.id == standing.item.id]
    if items and st.button(
        f"Look at {literal(standing.item.id)} now", icon=":material/play_arrow:", key="run-box"
    ):
        readiness_runs.watch(found.release, items)
        st.rerun()


def _of_release(
    looking: Viewer, found: Readiness, listed: tuple[Listed, ...], *, may_act: bool
) -> None:
    st.header("The release", anchor=False)
    _exports(looking, found)
    if len(listed) > 1:
        with st.expander("Releases side by side", icon=":material/table_rows:", key="side-by-side"):
            _side_by_side(looking, listed)
    if may_act:
        with st.expander("Deployment", icon=":material/rocket_launch:", key="deploying"):
            readiness_forms.deployment(found)
        readiness_forms.new_release(is_first=False)


def _exports(looking: Viewer, found: Readiness) -> None:
    with st.container(horizontal=True, key="exports"):
        for name, form in readiness_export.FORMS.items():
            if looking.may(form.permission):
                st.download_button(
                    form.label,
                    partial(
                        readiness_export.written,
                        acting.actor(looking, engine_in_process.runtime().clock),
                        found.release.id,
                        name,
                    ),
                    file_name=f"readiness-{found.release.id}.{form.ending}",
                    mime=form.mime,
                    help=form.help,
                    icon=":material/download:",
                    on_click="ignore",
                    key=f"export-{name}",
                )


def _side_by_side(looking: Viewer, listed: tuple[Listed, ...]) -> None:
    newest = [each.id for each in listed[: readiness_reads.SIDE_BY_SIDE]]
    known = readiness_reads.side_by_side(looking, newest, told.last())
    quote_drawing.stale(known, "The releases could not be read")
    if known.value:
        quote_drawing.table(
            readiness_view.side_by_side(known.value), "releases", "Releases side by side", {}
        )
    if len(listed) > len(newest):
        st.caption(f"The newest {len(newest)} of {len(listed)}")
