"""One alert: its numbers, what to do, who has it in hand, what was told of it."""

from __future__ import annotations

from typing import Any, Final

import streamlit as st

from dashboard import (
    alerts_actions,
    alerts_drawing,
    alerts_live,
    alerts_reads,
    alerts_view,
    alerts_words,
    engine_in_process,
    entry,
    quote_drawing,
    told,
    viewer,
)
from dashboard.alerts_address import Asked
from dashboard.alerts_reads import OneAlert
from engine.alerting.acknowledging import Disposition

_REMARK_MAX: Final = 2_000
_UNKNOWN: Final = "Not known yet"


def one(asked: Asked) -> None:
    """The alert that the address names, and the form of whoever takes it in hand."""
    if asked.alert_id is None:
        return
    known = alerts_reads.one(viewer.current(), asked.alert_id, told.last())
    quote_drawing.stale(known, "The alert could not be read")
    if known.value is None:
        if not known.freshness.is_stale:
            st.warning("There is no alert with this id.", icon=":material/search_off:")
        return
    found = known.value
    with st.container(border=True, key="one-alert"):
        _head(asked, found)
        left, right = st.columns([3, 2])
        with left:
            _facts(found)
        with right:
            if alerts_drawing.may_handle():
                acknowledge(found)
            else:
                st.caption("Whoever is on call takes an alert in hand here.")
        alerts_live.section_of(found.rule, is_open=True)
        _came_to(found)


def _head(asked: Asked, found: OneAlert) -> None:
    alert = found.alert
    with st.container(horizontal=True, vertical_alignment="center"):
        alerts_live.name_of(alert.rule_id, found.rule)
        if alert.severity in alerts_words.SEVERITIES:
            st.badge(alert.severity, color=alerts_words.SEVERITIES[alert.severity])
        over = alert.resolved_at is not None
        st.badge("over" if over else "fires", color="blue" if over else "red")
        alerts_drawing.link(asked, "Close", alert_id=None)
    st.text(alerts_words.message(alert.message, found.rule))


def _facts(found: OneAlert) -> None:
    now = engine_in_process.runtime().clock.now()
    may_read = alerts_drawing.may_read()
    facts = alerts_view.facts_of(found, now, may_read=may_read)
    alerts_drawing.table(facts, "alert", "Facts of the alert", rows_max=len(facts))
    if may_read:
        with st.container(horizontal=True, vertical_alignment="center", key="alert-leads"):
            alerts_live.story_link(found.alert.correlation_id)
            alerts_live.window_link(found.rule, found.alert.fired_at)


def _came_to(found: OneAlert) -> None:
    now = engine_in_process.runtime().clock.now()
    may_read = alerts_drawing.may_read()
    if found.transitions:
        st.caption("How it began and ended")
        alerts_drawing.table(
            alerts_view.transitions(found.transitions, has_ids=may_read),
            "alert_transitions",
            "Transitions of the alert",
            {
                alerts_view.WENT_TO: alerts_drawing.coloured(alerts_words.STATES),
            },
        )
    if not may_read:
        return
    if not found.notices:
        st.caption("No channel was to be told of it")
        return
    st.caption("What channels were told")
    alerts_drawing.table(
        alerts_view.notices(found.notices, now),
        "alert_notices",
        "Notices of the alert",
        {alerts_view.STATE: alerts_drawing.coloured(alerts_words.NOTICE_STATES, 120)},
    )
    if found.tries:
        alerts_drawing.table(
            alerts_view.tries(found.tries), "alert_tries", "Tries to tell of the alert"
        )


def acknowledge(found: OneAlert) -> None:
    """Takes it in hand, with a note; who came first stays named."""
    alert = found.alert
    is_taken = alert.acknowledged_at is not None
    key = str(alert.id)
    with st.form(f"acknowledge_{key}", enter_to_submit=False):
        st.text_area(
            "Note",
            key=f"note_{key}",
            max_chars=_REMARK_MAX,
            height=80,
            placeholder="What you see, and what you do about it",
        )
        st.selectbox(
            "It turned out to be",
            [_UNKNOWN, *(each.value for each in Disposition)],
            key=f"disposition_{key}",
            width=220,
        )
        st.form_submit_button(
            "Put it down" if is_taken else "Take it in hand",
            icon=":material/front_hand:",
            type="secondary" if is_taken else "primary",
            on_click=_acknowledge,
            args=(found, key),
        )
        st.caption("Once somebody has it in hand, channels are not told of it again.")


def _acknowledge(found: OneAlert, key: str) -> None:
    if not entry.allows("alerts"):
        return
    state: Any = st.session_state
    said = state[f"disposition_{key}"]
    done = alerts_actions.acknowledge(
        found.alert.id,
        None if said == _UNKNOWN else Disposition(said),
        state[f"note_{key}"].strip(),
    )
    is_taken = found.alert.acknowledged_at is not None
    told.leave(done, "It is put down." if is_taken else f"You have {found.alert.rule_id} in hand.")
    if done.refusal is None:
        state[f"note_{key}"] = ""
