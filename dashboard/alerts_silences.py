"""Silences: those that hold and held, and a form for a new one with what it would have hidden."""

from __future__ import annotations

from datetime import timedelta
from typing import Any, Final
from uuid import UUID

import streamlit as st

from dashboard import (
    alerts_actions,
    alerts_drawing,
    alerts_reads,
    alerts_view,
    alerts_words,
    engine_in_process,
    entry,
    quote_drawing,
    told,
    viewer,
)
from dashboard.alerts_address import SEVERITIES
from dashboard.alerts_filters import ANY_RULE, ANY_SEVERITY
from dashboard.alerts_reads import Standing
from dashboard.quote_words import cut
from dashboard.readiness_words import instant
from dashboard.storable import storable
from dashboard.wording import counted
from engine.alerting.loading import own_rules
from engine.alerting.matching import Matcher
from engine.alerting.rules import AlertCode, AlertSeverity
from engine.errors import ErrorCode

_RULE, _SEVERITY, _CODE = "silence_rule", "silence_severity", "silence_code"
_REASON, _LASTS = "silence_reason", "silence_lasts"
_ANY_CODE: Final = "Any code"
_REASON_MAX: Final = 1_000
_ROWS_MAX: Final = 8
_STATES: Final = {"holds": "orange", "ended": "gray", "over": "gray"}
_LENGTHS: Final = {
    "30 min": timedelta(minutes=30),
    "1 h": timedelta(hours=1),
    "2 h": timedelta(hours=2),
    "8 h": timedelta(hours=8),
    "24 h": timedelta(hours=24),
    "7 d": timedelta(days=7),
    "30 d": timedelta(days=30),
}


def silences() -> None:
    """The live part: the silences that there are and were."""
    if not entry.allows("alerts"):
        return
    known = alerts_reads.standing(viewer.current(), told.last())
    quote_drawing.stale(known, "The silences could not be read")
    if known.value is None:
        return
    found, now = known.value.silences, engine_in_process.runtime().clock.now()
    st.header("Silences", anchor=False)
    if not found:
        st.caption("There never was any: everything that fires is told")
        return
    ordered = sorted(found, key=lambda each: not each.holds(now))
    alerts_drawing.table(
        alerts_view.silences(ordered, now),
        "silences",
        "Silences, those that hold first",
        {
            alerts_view.STATE: alerts_drawing.coloured(_STATES, 90),
            "Why": st.column_config.TextColumn(width=360),
        },
    )


def forms() -> None:
    """A new silence, and the end of one; for those who handle alerts."""
    if not alerts_drawing.may_handle():
        return
    known = alerts_reads.standing(viewer.current(), told.last())
    if known.value is None:
        return
    left, right = st.columns([3, 2])
    with left, st.container(border=True, key="new-silence"):
        _new(known.value)
    with right:
        _end(known.value)


def _new(found: Standing) -> None:
    st.header("New silence", anchor=False)
    st.caption(
        "What it hides is evaluated, opened and kept in the journal all the same; nobody is told."
        " All that you choose has to fit. The watchdog cannot be silenced."
    )
    rules = [rule.id for rule in own_rules() if rule.is_silenceable]
    groups = sorted({f"{each.split('-')[0]}-*" for each in rules})
    codes = [*(each.value for each in AlertCode), *(each.value for each in ErrorCode)]
    with st.container(horizontal=True, vertical_alignment="bottom"):
        st.selectbox("Rule", [ANY_RULE, *rules, *groups], key=_RULE, width=260)
        st.selectbox("Severity", [ANY_SEVERITY, *SEVERITIES], key=_SEVERITY, width=150)
        st.selectbox("Code", [_ANY_CODE, *codes], key=_CODE, width=270)
    chosen = _chosen()
    if chosen.is_empty:
        st.caption("Choose a rule, a severity or a code to see what it would have hidden.")
        return
    _preview(chosen)
    with st.form("silence", border=False, enter_to_submit=False):
        st.text_area(
            "Why",
            key=_REASON,
            max_chars=_REASON_MAX,
            height=80,
            placeholder="For those who wonder why nobody was told",
        )
        with st.container(horizontal=True, vertical_alignment="bottom"):
            st.selectbox("For", list(_LENGTHS), index=1, key=_LASTS, width=110)
            st.form_submit_button(
                "Silence them", icon=":material/notifications_off:", on_click=_add, args=(chosen,)
            )
    del found


def _chosen() -> Matcher:
    state: Any = st.session_state
    rule, severity, code = state[_RULE], state[_SEVERITY], state[_CODE]
    return Matcher(
        None if rule == ANY_RULE else storable(rule),
        None if severity == ANY_SEVERITY else AlertSeverity[severity],
        None if code == _ANY_CODE else code,
    )


def _preview(chosen: Matcher) -> None:
    known = alerts_reads.preview(viewer.current(), chosen, told.last())
    quote_drawing.stale(known, "What it would have hidden could not be read")
    if known.value is None:
        return
    now = engine_in_process.runtime().clock.now()
    hidden = known.value
    if not hidden:
        st.text("In the last 24 hours it would have hidden nothing.")
        return
    still = sum(1 for each in hidden if each.resolved_at is None)
    st.text(
        f"In the last 24 hours it would have hidden {counted(len(hidden), 'alert')}"
        + (f"; {still} of them still {'fires' if still == 1 else 'fire'}." if still else ".")
    )
    alerts_drawing.table(
        alerts_view.hidden(hidden, now), "hidden", "What it would have hidden", rows_max=_ROWS_MAX
    )


def _add(chosen: Matcher) -> None:
    if not entry.allows("alerts"):
        return
    state: Any = st.session_state
    now = engine_in_process.runtime().clock.now()
    # The engine wants an end within its limit, reckoned a moment later.
    expires_at = now + _LENGTHS[state[_LASTS]]
    done = alerts_actions.add_silence(chosen, expires_at, state[_REASON].strip())
    told.leave(done, f"Silenced until {instant(expires_at)}: {chosen}.")
    if done.refusal is None:
        state[_REASON] = ""


def _end(found: Standing) -> None:
    now = engine_in_process.runtime().clock.now()
    titles = {
        str(each.id): f"{alerts_words.matcher(each.matcher)} until {instant(each.expires_at)}:"
        f" {cut(each.reason)}"
        for each in found.silences
        if each.holds(now)
    }
    if not titles:
        return
    with st.form("end_silence", enter_to_submit=False):
        st.selectbox(
            "Silence to end",
            list(titles),
            key="silence_to_end",
            format_func=lambda id_: titles.get(id_, id_),
        )
        st.caption("What still fires is told at the next evaluation.")
        st.form_submit_button("End it now", icon=":material/notifications_active:", on_click=_over)


def _over() -> None:
    silence_id: str | None = st.session_state["silence_to_end"]
    if silence_id is not None and entry.allows("alerts"):
        told.leave(alerts_actions.end_silence(UUID(silence_id)), "The silence is over.")
