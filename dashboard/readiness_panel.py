"""The page of readiness: a release's way through its phases, and what somebody may do about it.

What refreshes itself (`readiness_live`) stands beside and above what is filled in. Whether somebody
may is decided by the engine at each write. Stored text is in tables, `st.text` and lists, or
escaped.
"""

from __future__ import annotations

from typing import Final
from uuid import UUID

import streamlit as st

from dashboard import (
    entry,
    quote_drawing,
    readiness_address,
    readiness_box,
    readiness_forms,
    readiness_live,
    readiness_reads,
    readiness_release,
    readiness_release_forms,
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
from engine.readiness.looking import Readiness
from engine.readiness.running import runnable
from engine.readiness.standing import PhaseStanding

_REFRESH_S: Final = 10
_RELEASE: Final = "readiness_release"
# Where it is said what a machine found.
_RUN: Final = "run"


def readiness() -> None:
    """The whole page below its title."""
    if not entry.allows("readiness"):
        return
    looking = viewer.current()
    known = readiness_reads.listed(looking, told.last())
    if known.value is None:
        told.draw()
        quote_drawing.stale(known, "The releases could not be read")
        return
    if not known.value:
        quote_drawing.stale(known, "The releases could not be read")
        _none(looking)
        return
    asked = readiness_address.read(st.query_params.to_dict())
    if not asked.is_understood:
        st.warning("The address names a release by what is no id.", icon=":material/link_off:")
    _release(looking, asked, known.value)


def _none(looking: Viewer) -> None:
    st.info(
        "There is no release yet. Make one, and it gets a run of the checklist of its own: a"
        " machine looks at what it can, people vouch for the rest, leads sign phase by phase.",
        icon=":material/flag:",
    )
    if looking.may(Permission.SIGN_OFF):
        readiness_release_forms.new_release(is_first=True)
    else:
        st.caption("A lead makes it, here or with: saveguard readiness release add")
    told.draw()


def _release(looking: Viewer, asked: Asked, listed: tuple[Listed, ...]) -> None:
    release_id = asked.release_id or listed[0].id
    known = readiness_reads.whole(looking, release_id, told.last())
    if known.value is None:
        told.draw()
        _chooser(release_id, listed)
        if not known.freshness.is_stale:
            st.warning("There is no release with this id.", icon=":material/search_off:")
        else:
            quote_drawing.stale(known, "The release could not be read")
        return
    found = known.value
    phase = (
        None if asked.phase_id is None else found.phase(asked.phase_id)
    ) or readiness_view.next_phase(found)
    with st.container(key="way-and-phase"):
        left, right = st.columns([1, 3])
    with left, st.container(key="way-column"):
        _chooser(release_id, listed)
        st.fragment(readiness_live.way, run_every=_REFRESH_S)(release_id, phase.phase.id)
    with right:
        live = st.fragment(readiness_live.live, run_every=_REFRESH_S)
        live(release_id, phase.phase.id, phase.seen)
        _phase(looking, found, phase, asked)
    readiness_release.whole(looking, found, listed)
    # Nothing stays unsaid, wherever it was to be.
    told.draw()


def _phase(looking: Viewer, found: Readiness, phase: PhaseStanding, asked: Asked) -> None:
    """What is filled in below the phase that is chosen."""
    may_act = looking.may(Permission.SIGN_OFF)
    if may_act:
        _runs(found, phase)
        _own_release(looking, found)
    readiness_box.one_box(looking, found, phase, asked)
    st.header(f"Signatures of {literal(phase.phase.id)}", anchor=False)
    readiness_forms.signatures(phase)
    if may_act:
        readiness_forms.sign(found, phase)
        told.draw(readiness_forms.SIGNATURES)
        readiness_forms.withdraw(found, phase)


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
    told.draw(_RUN)
    if wanted:
        readiness_runs.watch(found.release, wanted, place=_RUN)
        st.rerun()
