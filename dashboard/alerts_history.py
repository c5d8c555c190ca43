"""What has fired: a picture, the alerts, and every change of a rule's state with its numbers."""

from __future__ import annotations

from typing import Final

import streamlit as st

from dashboard import (
    alerts_drawing,
    alerts_filters,
    alerts_reads,
    alerts_timeline,
    alerts_view,
    alerts_words,
    entry,
    quote_drawing,
    told,
    viewer,
)
from dashboard.alerts_address import Asked
from dashboard.alerts_reads import History
from dashboard.alerts_timeline import Timeline
from dashboard.plot import plot
from dashboard.wording import counted
from engine.alerting.loading import own_rules

_PICK: Final = "pick_alert"
_PICKED: Final = "alert_picked"
_ROWS_MAX: Final = 12


def filters(asked: Asked) -> None:
    """Which alerts and changes of state are shown; an alert that is looked at is closed."""
    rules = [rule.id for rule in own_rules()]
    alerts_filters.draw(
        asked,
        alerts_filters.rule(rules),
        alerts_filters.SEVERITY,
        alerts_filters.SPAN,
        alert_id=None,
    )


def history(asked: Asked) -> None:
    """The live part: what has fired within the span."""
    if not entry.allows("alerts"):
        return
    if st.session_state.pop(_PICKED, False):
        # What is chosen here is shown below, outside of what refreshes itself.
        st.rerun()
    known = alerts_reads.history(
        viewer.current(), asked.back, asked.rule_id, asked.severity, told.last()
    )
    quote_drawing.stale(known, "The history could not be read")
    if known.value is not None:
        _picture(known.value)
        _alerts(asked, known.value)
        _transitions(asked, known.value)


def _picture(found: History) -> None:
    timeline = Timeline.of_alerts(found.alerts, found.since, found.until)
    with st.container(border=True, gap="xxsmall", key="timeline"):
        st.header(alerts_timeline.TITLE, anchor=False)
        plot(
            alerts_timeline.draw(timeline),
            alt=alerts_timeline.told(timeline),
            end=found.until.isoformat(),
            key="alerts_timeline",
        )
        if timeline.left_out:
            st.caption(timeline.left_out)


def _alerts(asked: Asked, found: History) -> None:
    st.header("Alerts", anchor=False)
    if not found.alerts:
        st.caption(f"None in the last {asked.span}")
        return
    rules = {rule.id: rule for rule in own_rules()}
    alerts_drawing.table(
        alerts_view.alerts(found.alerts, rules, found.until),
        "alerts",
        "Alerts, newest first",
        {
            alerts_view.OPEN: st.column_config.ButtonColumn(
                type="tertiary",
                key=_PICK,
                on_click=_open,
                args=(asked, found),
                width=220,
                alignment="left",
                help="Click for its numbers, what was told of it, and the runbook",
            )
        },
        rows_max=_ROWS_MAX,
    )
    if len(found.alerts) == alerts_reads.ALERTS_MOST:
        st.caption(
            f"The newest {counted(len(found.alerts), 'alert')}; narrow the filters for others"
        )


def _open(asked: Asked, found: History) -> None:
    position = st.session_state[_PICK].row
    if 0 <= position < len(found.alerts):
        alerts_drawing.go(asked, alert_id=found.alerts[position].id)
        st.session_state[_PICKED] = True


def _transitions(asked: Asked, found: History) -> None:
    st.header("Changes of state", anchor=False)
    if not found.transitions:
        st.caption(f"None in the last {asked.span}")
        return
    alerts_drawing.table(
        alerts_view.transitions(found.transitions, has_ids=alerts_drawing.may_read()),
        "transitions",
        "Changes of state, newest first",
        {alerts_view.WENT_TO: alerts_drawing.coloured(alerts_words.STATES)},
        rows_max=_ROWS_MAX,
    )
    if len(found.transitions) == alerts_reads.TRANSITIONS_MOST:
        st.caption(f"The newest {len(found.transitions)}; narrow the filters for others")
