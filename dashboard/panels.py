"""The parts that pages are put together from; each draws what it is given."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import timedelta
from typing import Final
from zoneinfo import ZoneInfo

import streamlit as st

from dashboard import cards, charts, reads, tables, wording
from dashboard.cards import Card
from dashboard.plot import plot
from engine.attempts.summary import Summary
from engine.quotes.lifecycle import Operation

_WINDOW: Final = timedelta(minutes=5)
_PICKED: Final = "picked_correlation_id"
_PICK: Final = "pick"
ROW_HEIGHT: Final = 32
# The picked id is taller than the hint in its place; the table must not move under the pointer.
_PICK_HEIGHT: Final = 52
# The copy button must not cover the end of an id of ours.
_PICK_WIDTH: Final = 320
_NOTHING: Final = "Nothing could be read yet"


def overview(operation: Operation | None, refresh_s: int | None) -> None:
    """How saves are doing right now: the whole live part of the page.

    Every refresh draws the same elements in the same places, so that nothing flickers.
    """
    reading = reads.last_attempts(_WINDOW, operation)
    zone = wording.zone_of(st.context.timezone, reads.now())
    with st.container(key="notice"):
        if reading.freshness.is_stale:
            st.error(
                wording.outage(reading.freshness, reading.summary, zone),
                icon=":material/cloud_off:",
            )
    _status(reading, refresh_s, zone)
    _cards(cards.headline(reading.summary, reading.freshness, _WINDOW))
    _charts(reading.summary)
    _newest(reading.summary, zone)


def _status(reading: reads.Reading, refresh_s: int | None, zone: ZoneInfo | None) -> None:
    summary = reading.summary
    with st.container(
        horizontal=True, horizontal_alignment="distribute", vertical_alignment="center"
    ):
        with st.container(horizontal=True, width="content", key="badges"):
            for badge in wording.badges(summary, reading.freshness, refresh_s, reading.waiting):
                st.badge(badge.text, color=badge.colour)
        with st.container(width="content", key="as-of"):
            words = wording.window_words(_WINDOW)
            if summary is not None:
                words = f"{words}, as of {wording.clock_time(summary.end, zone)}"
            st.caption(words)


def _cards(shown: Sequence[Card]) -> None:
    for column, card in zip(st.columns(len(shown)), shown, strict=True):
        with column:
            st.metric(
                card.label,
                card.value,
                delta=card.verdict.text if card.verdict else None,
                delta_color=card.verdict.colour if card.verdict else "off",
                delta_arrow="off",
                delta_description=card.basis,
                help=card.help,
                border=True,
                height="stretch",
            )


def _charts(summary: Summary | None) -> None:
    left, right = st.columns([3, 2])
    with left, st.container(border=True, height="stretch", gap="xxsmall"):
        st.subheader("Duration for each 10 s", anchor=False)
        drawn = charts.nothing(_NOTHING) if summary is None else charts.durations(summary)
        plot(drawn, alt=charts.DURATIONS_ALT, key="durations")
        st.caption("" if summary is None else charts.targets_out_of_sight(summary))
    with right, st.container(border=True, height="stretch", gap="xxsmall"):
        st.subheader("Errors by code", anchor=False)
        drawn = charts.nothing(_NOTHING) if summary is None else charts.errors(summary)
        plot(drawn, alt=charts.ERRORS_ALT, key="errors")
        st.caption(
            "" if summary is None else wording.refused_before_agent(summary.errors_before_agent)
        )


def _newest(summary: Summary | None, zone: ZoneInfo | None) -> None:
    with st.container(horizontal=True, vertical_alignment="center"):
        st.subheader("Newest attempts", anchor=False, width="content")
        with st.container(
            width="content",
            height=_PICK_HEIGHT,
            border=False,
            vertical_alignment="center",
            key="picked",
        ):
            picked = st.session_state.get(_PICKED)
            if picked:
                st.code(picked, language=None, width=_PICK_WIDTH)
            else:
                st.caption("Click a correlation id to keep it here for copying")
    if summary is None or not summary.newest:
        st.caption("None in this window.")
        return
    st.dataframe(
        tables.newest(summary.newest, zone),
        hide_index=True,
        row_height=ROW_HEIGHT,
        height="content",
        key="newest",
        column_config={
            tables.CORRELATION_ID: st.column_config.ButtonColumn(
                type="tertiary", key=_PICK, on_click=_remember_pick, width=270, alignment="left"
            ),
            tables.DURATION: st.column_config.NumberColumn(format="%.1f"),
        },
    )


def _remember_pick() -> None:
    """Keeps the id that was clicked, by what it said: the rows move on meanwhile."""
    st.session_state[_PICKED] = st.session_state[_PICK].label
