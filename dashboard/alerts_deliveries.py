"""Whether people hear of alerts: the channels, their tests, and every notice with its answer."""

from __future__ import annotations

from typing import Any, Final

import streamlit as st

from dashboard import (
    alerts_actions,
    alerts_drawing,
    alerts_filters,
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
from dashboard.alerts_reads import Deliveries
from dashboard.quote_words import cut
from engine.alerting.channels.channel import ChannelName

_NONCE: Final = "alerts_nonce"
_NONCE_MAX: Final = 40
_ROWS_MAX: Final = 15
_CONFIGURED: Final = {"configured": "green", "not configured": "red"}


def channels(asked: Asked) -> None:
    """The live part above the forms: whether each channel would take something."""
    if not entry.allows("alerts"):
        return
    if not alerts_drawing.may_read():
        st.caption("What channels were told is for those who are on call.")
        return
    known = _known(asked)
    quote_drawing.stale(known, "The deliveries could not be read")
    if known.value is None:
        return
    now, found = engine_in_process.runtime().clock.now(), known.value
    st.header("Channels", anchor=False)
    alerts_drawing.table(
        alerts_view.channels(found.channels, found.tests, now),
        "channels",
        "Channels in the last week",
        {
            alerts_view.STATE: alerts_drawing.coloured(_CONFIGURED, 120),
            "Channel": st.column_config.TextColumn(width=90),
        },
    )
    _missing(found)


def _missing(found: Deliveries) -> None:
    """Channels that nobody has configured tell nobody, and that has to be seen."""
    if all(each.missing for each in found.channels):
        st.error(
            "No channel is configured: alerts fire, and nobody hears of them. How to:"
            " `docs/how-to/receive-alerts.md`",
            icon=":material/notifications_off:",
        )


def forms() -> None:
    """A test of each channel, and a box for what came back."""
    if not alerts_drawing.may_handle():
        return
    st.header("Test a channel", anchor=False)
    st.caption(
        "A test goes out as an alert would, with a nonce in it. That a channel accepted it proves"
        " little: it may go to a chat that nobody reads. A receiver may echo the nonce; else type"
        " it in below, as you read it there."
    )
    with st.container(horizontal=True, vertical_alignment="bottom", key="channel-tests"):
        for channel in ChannelName:
            st.button(
                f"Test {channel.value}",
                key=f"test_{channel.value}",
                icon=":material/send:",
                on_click=_test,
                args=(channel,),
            )
    with (
        st.form("confirm_test", border=False, enter_to_submit=True),
        st.container(horizontal=True, vertical_alignment="bottom"),
    ):
        st.text_input(
            "Nonce that you have read",
            key=_NONCE,
            max_chars=_NONCE_MAX,
            width=240,
            autocomplete="off",
        )
        st.form_submit_button("It arrived", icon=":material/done_all:", on_click=_confirm)


def _test(channel: ChannelName) -> None:
    if entry.allows("alerts"):
        done = alerts_actions.test_channel(channel)
        told.leave(done, f"A test is on its way to {channel.value}; the table says how far it is.")


def _confirm() -> None:
    state: Any = st.session_state
    typed = state[_NONCE].strip()
    if not typed or not entry.allows("alerts"):
        return
    done = alerts_actions.confirm(typed)
    told.leave(done, f"The test of {cut(done.value or '')} came back: somebody reads it.")
    if done.refusal is None:
        state[_NONCE] = ""


def filters(asked: Asked) -> None:
    """Which notices are listed below."""
    if not alerts_drawing.may_read():
        return
    st.header("Notices", anchor=False)
    alerts_filters.draw(asked, alerts_filters.CHANNEL, alerts_filters.STATE, alerts_filters.SPAN)


def notices(asked: Asked) -> None:
    """The live part below: every notice within the span."""
    if not entry.allows("alerts") or not alerts_drawing.may_read():
        return
    known = _known(asked)
    if known.value is None:
        return
    found, now = known.value.notices, engine_in_process.runtime().clock.now()
    if not found:
        st.caption(f"Nobody was to be told of anything in the last {asked.span}")
        return
    alerts_drawing.table(
        alerts_view.notices(found, now),
        "notices",
        "Notices, newest first",
        {alerts_view.STATE: alerts_drawing.coloured(alerts_words.NOTICE_STATES, 120)},
        rows_max=_ROWS_MAX,
    )
    if len(found) == alerts_reads.NOTICES_MOST:
        st.caption(f"The newest {len(found)}; narrow the filters for others")


def _known(asked: Asked) -> Any:  # noqa: ANN401  # what is known of deliveries
    return alerts_reads.deliveries(
        viewer.current(), asked.back, asked.channel, asked.state, told.last()
    )
