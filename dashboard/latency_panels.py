"""The parts of the page of durations; each draws what it is given."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import timedelta
from typing import Final, TypeVar

import streamlit as st

from dashboard import (
    addresses,
    engine_in_process,
    entry,
    heatmap,
    latency_reads,
    latency_tables,
    lookup_link,
    receipts,
    status_line,
    viewer,
    wording,
)
from dashboard.heatmap import Cells, Column
from dashboard.latency_view import View, compose
from dashboard.panels import ROW_HEIGHT
from dashboard.plot import pickable_plot, plot
from dashboard.shared import shared
from engine.rollups.bands import Band
from engine.rollups.selection import Filter

T = TypeVar("T")

_SLOWEST: Final = "Slowest attempts"
_PERCENTILES: Final = "Percentiles by operation"
_PERCENTILE: Final = "P95"
_PERCENTILE_KEY: Final = "percentile"
_WHOLE_WINDOW: Final = "Whole window"
_ANY_DURATION: Final = "Any duration"
_VALUE_WIDTH: Final = 72
_CHANGE_WIDTH: Final = 126


def latency(length: timedelta, wanted: Filter, refresh_s: int | None) -> None:
    """How long saves take, and where the time goes: the whole live part of the page.

    Every refresh draws the same elements in the same places, so that nothing flickers.
    """
    if not entry.allows("latency"):
        return
    looking = viewer.current()
    known = latency_reads.durations(looking, length, wanted)
    slowest = latency_reads.slowest_attempts(looking, length, wanted)
    now = engine_in_process.runtime().clock.now()
    zone = wording.zone_of(st.context.timezone, now)
    percentile, days = _percentile(), wording.days(now, zone)
    view = shared(
        (known.value, slowest and slowest.value),
        (
            "latency",
            slowest is not None,
            known.freshness,
            slowest and slowest.freshness,
            percentile,
            refresh_s,
            zone,
            days,
        ),
        lambda: compose(known, slowest, percentile, refresh_s, zone, now),
    )
    status_line.draw(view.notice, view.badges, view.as_of)
    _percentiles(view)
    _course(view)
    _heatmap(view)
    if view.shows_attempts:
        _slowest(view)


def _percentile() -> str:
    """The chosen percentile, before its widget is drawn: the chart has to be ready by then."""
    said = st.session_state.get(_PERCENTILE_KEY, st.query_params.get(_PERCENTILE_KEY))
    return said if said in latency_tables.NAMES else _PERCENTILE


def _percentiles(view: View) -> None:
    with st.container(border=True, gap="xxsmall"):
        st.header(_PERCENTILES, anchor=False)
        if not view.percentiles.num_rows:
            st.caption(f"{view.nothing}.")
            return
        st.dataframe(
            view.percentiles,
            hide_index=True,
            row_height=ROW_HEIGHT,
            height="content",
            key="percentiles",
            alt=_PERCENTILES,
            column_config={
                **{
                    name: st.column_config.NumberColumn(format="%,d")
                    for name in (latency_tables.ATTEMPTS, latency_tables.ATTEMPTS_BEFORE)
                },
                **{
                    latency_tables.value_column(name): st.column_config.NumberColumn(
                        format="%,.1f", width=_VALUE_WIDTH
                    )
                    for name in latency_tables.NAMES
                },
                **{
                    latency_tables.change_column(name): st.column_config.TextColumn(
                        "Change", width=_CHANGE_WIDTH
                    )
                    for name in latency_tables.NAMES
                },
                latency_tables.LONGEST: st.column_config.NumberColumn(format="%,.1f"),
                latency_tables.RECEIPT: st.column_config.LinkColumn(display_text="Show", width=60),
            },
        )
        st.caption(view.compared)


def _course(view: View) -> None:
    with st.container(border=True, gap="xxsmall"):
        with st.container(
            horizontal=True, horizontal_alignment="distribute", vertical_alignment="center"
        ):
            st.header(view.course.title, anchor=False, width="content")
            st.segmented_control(
                "Percentile",
                latency_tables.NAMES,
                default=_PERCENTILE,
                required=True,
                key=_PERCENTILE_KEY,
                bind="query-params",
                persist_state="session",
                label_visibility="collapsed",
            )
        plot(view.course.figure, alt=view.course.told, end=view.end, key="course")


def _heatmap(view: View) -> None:
    with st.container(border=True, gap="xxsmall"):
        st.header(view.heatmap.title, anchor=False)
        if not view.shows_attempts:
            plot(view.heatmap.figure, alt=view.heatmap.told, end=view.end, key="heatmap")
            return
        picked = pickable_plot(
            view.heatmap.figure, alt=view.heatmap.told, end=view.end, key="heatmap"
        )
        if view.cells is None:
            return
        columns, bands = view.cells.chosen(picked) if picked is not None else ((), ())
        if columns and bands:
            selection = view.cells.selection(columns, bands)
            st.switch_page(receipts.PAGE, query_params=addresses.attempts(selection))
        _choice_of_cells(view.cells)


def _choice_of_cells(cells: Cells) -> None:
    """The same without a pointer: lists of what can be clicked on, and a link."""
    with st.container(horizontal=True, vertical_alignment="center"):
        st.caption(
            "Click a cell, or drag a box, to see the attempts in it; or choose here",
            width="content",
        )
        columns = _chosen("Time", _WHOLE_WINDOW, _by_time(cells), cells.columns, key="cell_time")
        bands = _chosen(
            "Duration", _ANY_DURATION, _by_duration(cells), cells.bands, key="cell_duration"
        )
        attempts = wording.counted(cells.count(columns, bands), "attempt")
        receipts.link(cells.selection(columns, bands), f"Show the {attempts}")


def _by_time(cells: Cells) -> dict[str, Column]:
    return {heatmap.column_words(each.window): each for each in reversed(cells.columns)}


def _by_duration(cells: Cells) -> dict[str, Band]:
    return {heatmap.band_words(each): each for each in reversed(cells.bands)}


def _chosen(
    label: str, everything: str, options: dict[str, T], all_of_them: Sequence[T], *, key: str
) -> Sequence[T]:
    """One of some things, or all of them."""
    said: str = st.selectbox(
        label, [everything, *options], key=key, label_visibility="collapsed", width=230
    )
    return [options[said]] if said in options else all_of_them


def _slowest(view: View) -> None:
    is_empty = not view.slowest.num_rows
    with st.container(horizontal=True, vertical_alignment="center"):
        st.header(_SLOWEST, anchor=False, width="content")
        if not is_empty:
            st.caption(lookup_link.HINT, width="content")
    if not is_empty:
        _table(view)
    if view.slowest_note:
        st.caption(view.slowest_note)


def _table(view: View) -> None:
    milliseconds = st.column_config.NumberColumn(format="%,.1f", width=85)
    shown, leading = lookup_link.leading(
        view.slowest, latency_tables.CORRELATION_ID, key="pick_slow"
    )
    st.dataframe(
        shown,
        hide_index=True,
        row_height=ROW_HEIGHT,
        height="content",
        key="slowest",
        alt=_SLOWEST,
        column_config={
            latency_tables.DURATION: milliseconds,
            latency_tables.DATABASE: milliseconds,
            latency_tables.REST: st.column_config.NumberColumn(
                format="%,.1f",
                width=85,
                help="Validation, pricing, waiting for a connection and between retries.",
            ),
            latency_tables.DATABASE_SHARE: st.column_config.ProgressColumn(
                format="%d %%", min_value=0, max_value=100, width=110
            ),
            latency_tables.RETRIES: st.column_config.NumberColumn(width=70),
            **leading,
            latency_tables.CODE: st.column_config.TextColumn(width=150),
        },
    )
