"""The overview's two charts, from a summary to a serialised Plotly figure.

Colours come from the theme's palette, except where they mean something: then they are written here
and read well on both the light and the dark ground, so that switching the theme needs no redraw.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Any, Final

import plotly.graph_objects as go
import streamlit as st

from dashboard import plot, wording
from engine.attempts.summary import BUCKET, Bucket, ErrorCount, Summary

# What callers got wrong, what we did, and what is promised.
AMBER: Final = "#D97706"
RED: Final = "#DC2626"
SLATE: Final = "#64748B"

HEIGHT: Final = 280
_ROWS_MAX: Final = 8
_ROWS_ROOM: Final = 7
_KEPT: Final = 16
# Below this share of a target the line would only press the curves to the floor.
_TARGET_IN_SIGHT: Final = 0.4
_MILLI: Final = 1_000
_PERCENTILES: Final = ("P50", "P95", "P99")
_BAR_SHARE: Final = 0.8
# Pixels between an axis and its labels.
_STANDOFF: Final = 6

_TARGET_DASHES: Final = {"P95": "dash", "P99": "longdashdot"}

DURATIONS_ALT: Final = (
    "Line chart: P50, P95 and P99 duration of attempts in milliseconds, for each ten seconds of the"
    " window. Times without attempts are left blank."
)
ERRORS_ALT: Final = (
    "Bar chart: number of attempts for each error code, those of callers in amber, our failures in"
    " red."
)

_TARGETS: Final = (
    (wording.LIMITS.p95_us / _MILLI, "P95"),
    (wording.LIMITS.p99_us / _MILLI, "P99"),
)


def _version(summary: Summary) -> tuple[object, ...]:
    """What tells one summary from another, much cheaper than all that is in it."""
    return summary.end, summary.window, summary.operation


# A figure costs more to build than to send; viewers of the same numbers share its text.
@st.cache_resource(max_entries=_KEPT, show_spinner=False, hash_funcs={Summary: _version})
def durations(summary: Summary) -> str:
    """Percentiles of duration over time, and under them how many attempts they rest on."""
    if not summary.attempts:
        return nothing("No attempts in this window")
    figure = go.Figure(layout=_layout())
    # A bucket stands in the middle of what is known of it, so that its bar covers that time.
    known = [min(BUCKET, summary.end - bucket.started_at) for bucket in summary.buckets]
    times = [
        bucket.started_at + part / 2 for bucket, part in zip(summary.buckets, known, strict=True)
    ]
    words = [_bucket_words(bucket) for bucket in summary.buckets]
    for position, name in enumerate(_PERCENTILES):
        values = [_milliseconds(bucket, position) for bucket in summary.buckets]
        figure.add_trace(_percentile_line(name, times, values, words))
    figure.add_trace(_attempt_bars(summary.buckets, times, known, words))
    for limit, name in _targets_in_sight(summary):
        figure.add_trace(_target_line(name, limit, summary))
    upper = {"domain": [0.3, 1], "rangemode": "tozero", "tickformat": ",~r", "nticks": 6}
    lower = {"domain": [0, 0.2], "rangemode": "tozero", "tickformat": ",~r", "nticks": 3}
    figure.update_layout(
        xaxis={
            "range": [summary.start, summary.end],
            "tickformat": "%H:%M UTC",
            "dtick": 60 * _MILLI,
            "anchor": "y2",
        },
        yaxis={**upper, "ticksuffix": " ms", "ticklabelstandoff": _STANDOFF},
        yaxis2={**lower, "fixedrange": True, "ticklabelstandoff": _STANDOFF},
    )
    return plot.serialised(figure)


def targets_out_of_sight(summary: Summary) -> str:
    """Says that the targets are there although the scale of the chart does not reach them."""
    in_sight = _targets_in_sight(summary)
    hidden = [
        f"{name} {limit:,.0f} ms" for limit, name in _TARGETS if (limit, name) not in in_sight
    ]
    if not hidden or not summary.attempts:
        return ""
    return f"{'Targets' if len(hidden) > 1 else 'Target'} above this scale: {', '.join(hidden)}"


def _targets_in_sight(summary: Summary) -> list[tuple[float, str]]:
    highest = max((_milliseconds(bucket, -1) or 0.0 for bucket in summary.buckets), default=0.0)
    return [target for target in _TARGETS if highest >= target[0] * _TARGET_IN_SIGHT]


@st.cache_resource(max_entries=_KEPT, show_spinner=False, hash_funcs={Summary: _version})
def errors(summary: Summary) -> str:
    """Attempts by error code, ours and the callers'."""
    if not summary.attempts:
        return nothing("No attempts in this window")
    if not summary.errors:
        return nothing(f"No errors among {wording.counted(summary.attempts, 'attempt')}")
    figure = go.Figure(layout=_layout())
    shown, left_out = _worth_a_bar(summary.errors)
    order = [wording.code_name(error.error_code) for error in reversed(shown)]
    if left_out:
        order.insert(0, wording.counted(len(left_out), "other code"))
    groups = (("Our failures", RED, True), ("Callers' errors", AMBER, False))
    for name, colour, is_ours in groups:
        bars = [
            (wording.code_name(error.error_code), error.count)
            for error in shown
            if error.is_ours is is_ours
        ]
        if left_out and not is_ours:
            bars.append((order[0], sum(error.count for error in left_out)))
        if bars:
            figure.add_trace(_bars(name, colour, bars, summary.attempts))
    # Room for the number beyond the longest bar.
    longest = max(error.count for error in summary.errors)
    figure.update_xaxes(visible=False, range=[0, longest * 1.12])
    # A few bars stand at the top and stay slim, instead of filling the height.
    rows = max(len(order), _ROWS_ROOM)
    figure.update_yaxes(
        categoryorder="array",
        categoryarray=order,
        range=[len(order) - 0.5 - rows, len(order) - 0.5],
        ticklabelstandoff=_STANDOFF,
    )
    figure.update_layout(barmode="stack", bargap=0.35)
    return plot.serialised(figure)


def _percentile_line(
    name: str, times: list[datetime], values: list[float | None], words: list[str]
) -> go.Scatter:
    """One percentile; times without attempts stay blank."""
    return go.Scatter(
        x=times,
        y=values,
        name=name,
        mode="lines+markers",
        marker={"size": 4},
        line={"width": 2, "dash": "dot" if name == "P50" else "solid"},
        connectgaps=False,
        customdata=words,
        hovertemplate=f"{name} %{{y:,.1f}} ms, %{{customdata}}<extra></extra>",
    )


def _attempt_bars(
    buckets: Sequence[Bucket], times: list[datetime], known: list[timedelta], words: list[str]
) -> go.Bar:
    """How many attempts; paler where the bucket's time is not over."""
    return go.Bar(
        x=times,
        y=[bucket.attempts for bucket in buckets],
        name="Attempts",
        yaxis="y2",
        width=[part.total_seconds() * _MILLI * _BAR_SHARE for part in known],
        marker={
            "color": SLATE,
            "opacity": [0.7 if bucket.is_complete else 0.35 for bucket in buckets],
        },
        customdata=words,
        hovertemplate="%{customdata}<extra></extra>",
    )


def _target_line(name: str, limit: float, summary: Summary) -> go.Scatter:
    """What a percentile should stay below; named in the legend, where no curve hides it."""
    return go.Scatter(
        x=[summary.start, summary.end],
        y=[limit, limit],
        name=f"Target {name} {limit:,.0f} ms",
        mode="lines",
        line={"color": SLATE, "width": 1.5, "dash": _TARGET_DASHES[name]},
        hoverinfo="skip",
    )


def _bars(name: str, colour: str, bars: Sequence[tuple[str, int]], attempts: int) -> go.Bar:
    return go.Bar(
        x=[number for _, number in bars],
        y=[code for code, _ in bars],
        name=name,
        orientation="h",
        marker={"color": colour},
        text=[wording.count(number) for _, number in bars],
        textposition="outside",
        cliponaxis=False,
        customdata=[wording.percent(number / attempts) for _, number in bars],
        hovertemplate="%{y}: %{x:,} (%{customdata} of attempts)<extra></extra>",
    )


def _worth_a_bar(
    found: Sequence[ErrorCount],
) -> tuple[list[ErrorCount], list[ErrorCount]]:
    """The codes to draw, most frequent first, and the rest; a failure of ours is always drawn."""
    if len(found) <= _ROWS_MAX:
        return list(found), []
    by_worth = sorted(found, key=lambda error: (not error.is_ours, -error.count))
    drawn, rest = by_worth[: _ROWS_MAX - 1], by_worth[_ROWS_MAX - 1 :]
    return sorted(drawn, key=lambda error: -error.count), rest


def nothing(words: str) -> str:
    """The same frame with a sentence instead of a curve."""
    figure = go.Figure(layout=_layout())
    figure.update_layout(showlegend=False, xaxis={"visible": False}, yaxis={"visible": False})
    figure.add_annotation(
        text=words, x=0.5, y=0.5, xref="paper", yref="paper", showarrow=False, font={"size": 14}
    )
    return plot.serialised(figure)


def _layout() -> dict[str, Any]:
    return {
        "height": HEIGHT,
        "margin": {"l": 8, "r": 8, "t": 8, "b": 8},
        # The same for every refresh: what the viewer did to the chart stays.
        "uirevision": "overview",
        "dragmode": False,
        "xaxis": {"fixedrange": True},
        "yaxis": {"fixedrange": True},
        "legend": {"orientation": "h", "x": 0, "y": 1.02, "yanchor": "bottom"},
        "showlegend": True,
    }


def _milliseconds(bucket: Bucket, position: int) -> float | None:
    """One of the percentiles, by its place among them."""
    found = bucket.percentiles
    if found is None:
        return None
    return round((found.p50_us, found.p95_us, found.p99_us)[position] / _MILLI, 1)


def _bucket_words(bucket: Bucket) -> str:
    words = f"{wording.counted(bucket.attempts, 'attempt')} from {bucket.started_at:%H:%M:%S} UTC"
    return words if bucket.is_complete else f"{words}, so far"
