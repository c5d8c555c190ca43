"""The parts that pages are put together from; each draws what it is given."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import timedelta
from typing import Final

import pyarrow as pa
import streamlit as st

from dashboard import (
    engine_in_process,
    entry,
    lookup_link,
    reads,
    receipts,
    status_line,
    tables,
    viewer,
    wording,
)
from dashboard.cards import Card
from dashboard.plot import plot
from dashboard.shared import shared
from dashboard.status import NOTHING_READ
from dashboard.view import Chart, View, compose
from engine.rollups.selection import Filter

_READING: Final = (
    "Met and broken are said with 95 % confidence; too few means that the attempts decide nothing"
    " yet. A pair of windows burns when both rates are above its limit."
)
_LEADING: Final = " What is underlined leads to the attempts that it counts."
_NEWEST: Final = "Newest attempts"
ROW_HEIGHT: Final = 32
# Widths of columns. Left open they would be those of the first rows that were shown, and cut off
# what comes later. The first three say on a phone, without scrolling, what became of an attempt.
_WIDTHS: Final = {tables.STARTED: 135, tables.OUTCOME: 90, tables.CODE: 200, tables.QUOTE: 100}


def title(words: str) -> None:
    """The page's title, and quietly which installation it is of."""
    settings = engine_in_process.runtime().settings
    with st.container(
        horizontal=True, width="content", vertical_alignment="bottom", key="page-title"
    ):
        st.title(words, anchor=False, width="content")
        st.caption(wording.installation(settings.environment, settings.release), width="content")


def overview(length: timedelta, wanted: Filter, refresh_s: int | None) -> None:
    """How saves are doing right now: the whole live part of the page.

    Every refresh draws the same elements in the same places, so that nothing flickers.
    """
    if not entry.allows("overview"):
        return
    reading = reads.how_saves_are(viewer.current(), length, wanted)
    now = engine_in_process.runtime().clock.now()
    zone = wording.zone_of(st.context.timezone, now)
    view = shared(
        (reading.summary,),
        (
            "overview",
            reading.shows_attempts,
            reading.freshness,
            reading.waiting,
            refresh_s,
            zone,
            wording.days(now, zone),
        ),
        lambda: compose(reading, refresh_s, zone, now),
    )
    status_line.draw(view.notice, view.badges, view.as_of)
    cards(view.cards)
    _charts(view)
    _objectives(view)
    if view.shows_attempts:
        _newest(view)


def cards(shown: Sequence[Card]) -> None:
    """Headline numbers side by side."""
    with st.container(key="cards"), st.grid(len(shown)):
        for card in shown:
            st.metric(
                card.label,
                receipts.mark(card.value, card.receipt),
                delta=card.verdict.text if card.verdict else None,
                delta_color=card.verdict.colour if card.verdict else "off",
                delta_arrow="off",
                delta_description=card.basis,
                help=card.help,
                border=True,
                height="stretch",
            )


def _charts(view: View) -> None:
    left, right = st.columns([3, 2])
    with left:
        _chart(view.durations, view.end, key="durations")
    with right:
        _chart(view.errors, view.end, key="errors")


def _chart(chart: Chart, end: str, *, key: str) -> None:
    with st.container(border=True, height="stretch", gap="xxsmall"):
        st.header(chart.title, anchor=False)
        plot(chart.figure, alt=chart.told, end=end, key=key)
        if chart.notes:
            st.caption("  \n".join(chart.notes))


def _objectives(view: View) -> None:
    with st.container(border=True, gap="xxsmall", key="objectives"):
        st.header("Objectives", anchor=False)
        if not view.objectives:
            st.caption(f"{NOTHING_READ}.")
            return
        st.markdown(view.objectives)
        st.markdown(view.burns)
        st.caption(_READING + (_LEADING if view.shows_attempts else ""))


def _newest(view: View) -> None:
    is_empty = not view.newest.num_rows
    with st.container(horizontal=True, vertical_alignment="center"):
        st.header(_NEWEST, anchor=False, width="content")
        if not is_empty:
            st.caption(lookup_link.HINT, width="content")
    if is_empty:
        st.caption(view.nothing)
    else:
        _table(view.newest)


def _table(newest: pa.Table) -> None:
    shown, leading = lookup_link.leading(newest, tables.CORRELATION_ID, key="pick")
    st.dataframe(
        shown,
        hide_index=True,
        row_height=ROW_HEIGHT,
        height="content",
        key="newest",
        alt=_NEWEST,
        column_config={
            **{name: st.column_config.TextColumn(width=width) for name, width in _WIDTHS.items()},
            **leading,
            tables.DURATION: st.column_config.NumberColumn(format="%,.1f"),
        },
    )
