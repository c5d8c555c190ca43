"""The page of alerts: what is wrong now and what to do, and behind it what was, and who was told.

Each view is a module of its own. What refreshes itself stands in fragments, and what is filled in
stands outside of them. Whether somebody may is decided by the engine at each write. Stored text is
in tables and `st.text`, or escaped.
"""

from __future__ import annotations

from typing import Any, Final

import streamlit as st

from dashboard import (
    alerts_address,
    alerts_deliveries,
    alerts_drawing,
    alerts_history,
    alerts_live,
    alerts_one,
    alerts_rules,
    alerts_silences,
    entry,
    told,
)
from dashboard.alerts_address import Asked, Show

_SHOW: Final = "alerts_show"
_UNREAD: Final = {
    alerts_address.SHOW: "a view that there is not (show)",
    alerts_address.ALERT: "an alert by what is no id (alert)",
    alerts_address.SEVERITY: "a severity that there is not (severity)",
    alerts_address.SPAN: "a span that there is not (span)",
    alerts_address.CHANNEL: "a channel that there is not (channel)",
    alerts_address.STATE: "a state that there is not (came_to)",
}


def alerts(refresh_s: int | None) -> None:
    """The whole page below its title."""
    if not entry.allows("alerts"):
        return
    # After a link from this page to itself the browser still shows the address before it, and would
    # ask for that at the next click: it is told once more, changed or not.
    st.query_params.update({})
    asked = alerts_address.read(st.query_params.to_dict())
    _views(asked)
    if asked.unread:
        # Alerts of another time than somebody believes to look at would mislead.
        named = ", ".join(_UNREAD[each] for each in asked.unread)
        st.warning(f"The address asks for {named}.", icon=":material/link_off:")
    st.fragment(alerts_live.head, run_every=refresh_s)(refresh_s)
    told.draw()
    _view(asked, refresh_s)


def _views(asked: Asked) -> None:
    """They show what the address says, and rewrite it."""
    state: Any = st.session_state
    state[_SHOW] = asked.show.value
    st.segmented_control(
        "View",
        [each.value for each in Show],
        key=_SHOW,
        required=True,
        on_change=_choose,
        args=(asked,),
        label_visibility="collapsed",
    )


def _choose(asked: Asked) -> None:
    chosen = st.session_state[_SHOW]
    alerts_drawing.go(Asked(span=asked.span), show=Show(chosen or Show.NOW))


def _view(asked: Asked, refresh_s: int | None) -> None:
    match asked.show:
        case Show.NOW:
            # First what somebody was called to: a message leads here, and others may fire, too.
            alerts_one.one(asked)
            st.fragment(alerts_live.firing, run_every=refresh_s)(asked)
            st.fragment(alerts_live.watch, run_every=refresh_s)()
        case Show.HISTORY:
            alerts_history.filters(asked)
            alerts_one.one(asked)
            st.fragment(alerts_history.history, run_every=refresh_s)(asked)
        case Show.DELIVERIES:
            st.fragment(alerts_deliveries.channels, run_every=refresh_s)(asked)
            alerts_deliveries.forms()
            alerts_deliveries.filters(asked)
            st.fragment(alerts_deliveries.notices, run_every=refresh_s)(asked)
        case Show.SILENCES:
            st.fragment(alerts_silences.silences, run_every=refresh_s)()
            alerts_silences.forms()
        case Show.RULES:
            alerts_rules.rules(asked)
