"""The forms of a phase and of its boxes: each is one act of the engine's, with one button.

A callback does it before the page is drawn, so that what is drawn is how it stands afterwards. What
somebody has written is taken away only once it was put down.
"""

from __future__ import annotations

from datetime import timedelta
from typing import Any, Final
from uuid import UUID

import streamlit as st

from dashboard import (
    quote_drawing,
    readiness_actions,
    readiness_view,
    readiness_words,
    told,
)
from dashboard.actions import Outcome
from dashboard.wording import literal
from engine.readiness.assessment import Standing, is_for_one, waits_for_second
from engine.readiness.box_history import Said
from engine.readiness.items import Kind
from engine.readiness.looking import Readiness
from engine.readiness.signoff import WAIVER_MAX, seen_at_gate
from engine.readiness.standing import Meaning, PhaseStanding

_WORDS_MAX: Final = 2_000
_IS_SO, _IS_NOT_SO = "It is so", "It is not so"
_WAIVED, _DOES_NOT_APPLY = "Waive it for some days", "It does not apply to this release"
_DAYS: Final = 7
# Where it is said what became of them: beside the form that was sent.
SIGNATURES: Final = "signatures"
BOX: Final = "box"


def sign(readiness: Readiness, phase: PhaseStanding) -> None:
    """One's name under a phase as it was seen."""
    phase_id, is_open = phase.phase.id, bool(phase.blocking) or not phase.is_in_time
    likely = Meaning.WAIVED if phase.exempt else Meaning.APPROVED
    key = f"{readiness.release.id}_{phase_id}"
    _suggest(key, Meaning.REVIEWED if is_open else likely)
    with st.form(f"sign_{key}", enter_to_submit=False):
        st.selectbox("Meaning", [each.value for each in Meaning], key=f"meaning_{key}", width=240)
        st.text_area(
            "Comment",
            key=f"comment_{key}",
            max_chars=_WORDS_MAX,
            height=80,
            placeholder="What a review has found; an approval may go without",
        )
        why = (
            f"{readiness_words.boxes(len(phase.blocking))} still open"
            if phase.blocking
            else "its time is not over"
        )
        st.caption(
            f"You sign what is drawn here as of {readiness.read_at:%H:%M:%S} UTC, digest"
            f" {readiness_words.short(phase.seen)}"
            + (f" · {why}: only a review" if is_open else "")
        )
        st.form_submit_button(
            f"Sign {literal(phase_id)}",
            icon=":material/draw:",
            type="secondary" if is_open or phase.is_signed_off else "primary",
            on_click=_sign,
            args=(readiness.release.id, phase_id, phase.seen, key),
        )


def _suggest(key: str, meaning: Meaning) -> None:
    """Chooses what a signature may say as the phase stands; whatever somebody chose before that."""
    state: Any = st.session_state
    if state.get(f"suggested_{key}") != meaning:
        state[f"suggested_{key}"] = meaning
        state[f"meaning_{key}"] = meaning.value


def _sign(release_id: UUID, phase_id: str, seen: str, key: str) -> None:
    state: Any = st.session_state
    meaning = Meaning(state[f"meaning_{key}"])
    done = readiness_actions.sign(release_id, phase_id, meaning, state[f"comment_{key}"], seen)
    told.leave(done, f"{phase_id} is signed: {meaning.value}.", place=SIGNATURES)
    _emptied(done, f"comment_{key}")


def withdraw(readiness: Readiness, phase: PhaseStanding) -> None:
    """Takes a signature back."""
    titles = {str(each.id): readiness_words.signature(each, phase) for each in phase.sign_offs}
    if titles:
        with st.expander("Take a signature back", key="revoking-signature"):
            _revocation(
                readiness,
                f"signature_{phase.phase.id}",
                "Signature to take back",
                titles,
                SIGNATURES,
            )


def attest(readiness: Readiness, standing: Standing) -> None:
    """Somebody's word for a box that takes one."""
    item = standing.item
    if item.kind is not Kind.ATTESTED and item.signatures == 1:
        return
    key = f"{readiness.release.id}_{item.id}"
    with st.form(f"attest_{key}", enter_to_submit=False):
        st.radio("Your word", [_IS_SO, _IS_NOT_SO], key=f"word_{key}", horizontal=True)
        st.text_area("What you did to know it", key=f"said_{key}", max_chars=_WORDS_MAX, height=80)
        st.form_submit_button(
            f"Vouch for {literal(item.id)}",
            icon=":material/how_to_reg:",
            on_click=_attest,
            args=(readiness.release.id, item.id, key, seen_at_gate(readiness, item.id)),
        )


def _attest(release_id: UUID, box_id: str, key: str, seen: str) -> None:
    state: Any = st.session_state
    is_good = state[f"word_{key}"] == _IS_SO
    done = readiness_actions.attest(
        release_id, box_id, state[f"said_{key}"].strip(), seen, is_good=is_good
    )
    told.leave(
        done, f"Your word {'for' if is_good else 'against'} {box_id} was put down.", place=BOX
    )
    _emptied(done, f"said_{key}")


def exempt(readiness: Readiness, standing: Standing) -> None:
    """A box that is not asked for: until some time, or at all."""
    box_id = standing.item.id
    key = f"{readiness.release.id}_{box_id}"
    with st.form(f"exempt_{key}", enter_to_submit=False):
        with st.container(horizontal=True, vertical_alignment="bottom"):
            st.selectbox("What", [_WAIVED, _DOES_NOT_APPLY], key=f"what_{key}", width=270)
            st.number_input(
                "Days, for a waiver",
                min_value=1,
                max_value=WAIVER_MAX.days,
                value=_DAYS,
                step=1,
                key=f"days_{key}",
                width=150,
            )
        st.text_area("Reason", key=f"reason_{key}", max_chars=_WORDS_MAX, height=80)
        st.caption(
            "A waiver counts once somebody else has agreed, and is shown apart: not proved. So does"
            " that a box does not apply which a machine or several people would decide."
        )
        st.form_submit_button(
            f"Exempt {literal(box_id)}",
            icon=":material/event_busy:",
            on_click=_exempt,
            args=(readiness.release.id, box_id, key),
            kwargs={"is_alone": is_for_one(standing.item)},
        )


def _exempt(release_id: UUID, box_id: str, key: str, *, is_alone: bool) -> None:
    state: Any = st.session_state
    days: int = state[f"days_{key}"]
    # The engine wants an end within its limit, reckoned a moment later.
    life = timedelta(days=days) if state[f"what_{key}"] == _WAIVED else None
    apart = f"That {box_id} does not apply waits for somebody else to agree."
    done = readiness_actions.exempt(release_id, box_id, state[f"reason_{key}"].strip(), life)
    told.leave(
        done,
        (f"{box_id} does not apply." if is_alone else apart)
        if life is None
        else f"A waiver of {box_id} for {days} days waits for somebody else to agree.",
        place=BOX,
    )
    _emptied(done, f"reason_{key}")


def second(readiness: Readiness, standing: Standing) -> None:
    """Agrees to an exemption that waits for it."""
    box_id = standing.item.id
    exemption = readiness.knowledge.exemptions.get(box_id)
    if exemption is None or not waits_for_second(standing.item, exemption, readiness.read_at):
        return
    until = exemption.expires_at
    with st.form(f"second_{readiness.release.id}_{box_id}", enter_to_submit=False):
        asks = (
            f"says that {box_id} does not apply"
            if until is None
            else f"asks to waive {box_id} until {readiness_words.instant(until)}"
        )
        # One line: another one would pass for ours.
        st.text(" ".join(f"{exemption.granted_by} {asks}: {exemption.reason}".split()))
        st.form_submit_button(
            "Agree that it does not apply" if until is None else "Agree to the waiver",
            icon=":material/handshake:",
            on_click=_second,
            args=(
                readiness.release.id,
                readiness.knowledge.exemption_ids[box_id],
                f"{box_id} does not apply." if until is None else f"{box_id} is waived.",
            ),
        )


def _second(release_id: UUID, record_id: UUID, words: str) -> None:
    told.leave(readiness_actions.second(release_id, record_id), words, place=BOX)


def take_back(readiness: Readiness, box_id: str, said: tuple[Said, ...]) -> None:
    """Takes back what somebody said of a box."""
    titles = {
        str(each.id): f"{each.kind} by {each.recorded_by}, "
        f"{readiness_words.instant(each.recorded_at)}"
        for each in said
        if each.can_be_revoked
    }
    if titles:
        _revocation(readiness, f"word_{box_id}", "What to take back", titles, BOX)


def _revocation(
    readiness: Readiness, of: str, label: str, titles: dict[str, str], place: str
) -> None:
    key = f"{readiness.release.id}_{of}"
    with st.form(f"revoke_{key}", enter_to_submit=False):
        st.selectbox(
            label,
            list(titles),
            key=f"revoked_{key}",
            format_func=lambda id_: titles.get(id_, id_),
        )
        st.text_area("Why", key=f"why_{key}", max_chars=_WORDS_MAX, height=80)
        st.form_submit_button(
            "Take it back",
            icon=":material/undo:",
            on_click=_revoke,
            args=(readiness.release.id, key, place),
        )


def _revoke(release_id: UUID, key: str, place: str) -> None:
    state: Any = st.session_state
    record_id: str | None = state[f"revoked_{key}"]
    if record_id is None:
        return
    done = readiness_actions.revoke(release_id, UUID(record_id), state[f"why_{key}"].strip())
    told.leave(done, "It is taken back; its record stays.", place=place)
    _emptied(done, f"why_{key}")


def signatures(phase: PhaseStanding) -> None:
    """Who has signed a phase, and whether it still holds."""
    if not phase.sign_offs:
        st.caption("Nobody has signed it yet")
        return
    quote_drawing.table(
        readiness_view.signatures(phase), "signatures", "Signatures of the phase", {}
    )


def _emptied(done: Outcome[Any], *keys: str) -> None:
    """Takes away what was written, once it was put down."""
    if done.refusal is None:
        for key in keys:
            st.session_state[key] = ""
