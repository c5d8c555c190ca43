"""The chart of durations over time, from a summary to a serialised Plotly figure."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import datetime, timedelta
from math import floor, log10
from typing import Any, Final, Literal, NamedTuple
from zoneinfo import ZoneInfo

from dashboard import figures, plot, wording
from engine.rollups.grid import Tier
from engine.slo.objectives import LIMITS
from engine.slo.overview import Bucket, Overview, Percentiles

TITLE: Final = "Duration"
_HEIGHT: Final = 280
_MILLI: Final = 1_000
_BAR_SHARE: Final = 0.8
# Shares of the height: the bars take the lower part, the curves begin above them.
_BARS_TOP: Final = 0.2
_CURVES_BOTTOM: Final = 0.3
# Above the highest curve or target, as a factor: room for the words on the highest target.
_HEADROOM: Final = 2.5
_CURVES: Final[tuple[tuple[str, Callable[[Percentiles], int]], ...]] = (
    ("P50", lambda found: found.p50_us),
    ("P95", lambda found: found.p95_us),
    ("P99", lambda found: found.p99_us),
)


class _Target(NamedTuple):
    """What a percentile should stay below.

    Attributes:
        name: of the percentile.
        limit_us: in microseconds.
        dash: of its line.
        side: of its words that touches the line, so that two targets' words keep apart.
    """

    name: str
    limit_us: int
    dash: str
    side: Literal["top", "bottom"]

    @property
    def words(self) -> str:
        """The percentile and its limit."""
        return f"{self.name} {wording.limit(self.limit_us)}"


_TARGETS: Final = (
    _Target("P95", LIMITS.p95_us, "dash", side="top"),
    _Target("P99", LIMITS.p99_us, "longdashdot", side="bottom"),
)


def draw(summary: Overview, zone: ZoneInfo | None) -> str:
    """Percentiles of duration over time, and under them how many attempts they rest on.

    The scale is logarithmic: one attempt that took ten seconds must not press all the others to
    the floor, and the targets are in sight however far below them the curves run.

    Args:
        summary: what is drawn.
        zone: the viewer's; None where that is UTC.
    """
    if not summary.attempts:
        return figures.nothing(wording.no_attempts(summary.wanted, summary.length))
    # A bucket stands in the middle of what is known of it, so that its bar covers that time.
    known = [min(bucket.length, summary.now - bucket.started_at) for bucket in summary.buckets]
    times = [
        bucket.started_at + part / 2 for bucket, part in zip(summary.buckets, known, strict=True)
    ]
    percentiles = [bucket.percentiles for bucket in summary.buckets]
    traces = [
        _percentile_line(name, times, [None if each is None else of(each) for each in percentiles])
        for name, of in _CURVES
    ]
    traces.append(_attempt_bars(summary.buckets, times, known, zone))
    traces += [_target_line(target, summary) for target in _TARGETS]
    labels = [
        # On a logarithmic axis places are told by their logarithm.
        _label(f"Target {each.words}", each.side, y=log10(_drawn(each.limit_us)))
        for each in _TARGETS
    ]
    labels.append(_label("Attempts", "bottom", y=_BARS_TOP, yref="paper"))
    lowest, highest = _scale(percentiles)
    powers = [10**power for power in range(lowest, floor(log10(highest)) + 1)]
    layout = figures.layout(
        _HEIGHT,
        annotations=labels,
        hovermode="x unified",
        hoversubplots="axis",
        xaxis={
            "range": _span(summary),
            # The second line is drawn once, and again where the day changes.
            "tickformat": "%H:%M\n%-d %b %Y, UTC",
            "tickangle": 0,
            "unifiedhovertitle": {"text": "%{x|%-d %b %Y}"},
            "spikecolor": figures.SLATE,
            "spikethickness": 1,
            "ticklabelstandoff": figures.STANDOFF,
            "anchor": "y2",
        },
        yaxis={
            "domain": [_CURVES_BOTTOM, 1],
            "type": "log",
            "range": [lowest, log10(highest * _HEADROOM)],
            "tickvals": powers,
            "ticktext": [f"{power:,} ms" for power in powers],
            "ticklabelstandoff": figures.STANDOFF,
        },
        yaxis2={
            "domain": [0, _BARS_TOP],
            "rangemode": "tozero",
            "tickformat": ",~r",
            "nticks": 3,
            "fixedrange": True,
            "ticklabelstandoff": figures.STANDOFF,
        },
    )
    return plot.serialised(traces, layout)


def title(summary: Overview) -> str:
    """What it is, and how much time each of its points is about."""
    length = summary.buckets[0].length if summary.buckets else None
    return TITLE if length is None else f"{TITLE}, {_PER[length]}"


def told(summary: Overview) -> str:
    """The chart for those who do not see it."""
    found = summary.percentiles
    if found is None:
        return f"{title(summary)}: {wording.no_attempts(summary.wanted, summary.length)}."
    curves = ", ".join(f"{name} {wording.milliseconds(of(found))}" for name, of in _CURVES)
    targets = ", ".join(target.words for target in _TARGETS)
    return (
        f"{title(summary)}: line chart. {wording.window_words(summary.length)} in all: {curves}, of"
        f" {wording.counted(summary.attempts, 'attempt')}.{_peak(summary)} Targets: {targets}."
    )


_PER: Final = {
    Tier.TEN_SECONDS.length: "per 10 s",
    Tier.MINUTE.length: "per minute",
    Tier.HOUR.length: "per hour",
    Tier.DAY.length: "per day, UTC",
}


def _span(summary: Overview) -> list[datetime]:
    """What the time axis shows: its first point is whole."""
    first = summary.buckets[0].started_at if summary.buckets else summary.window.start
    return [min(first, summary.window.start), summary.now]


def _peak(summary: Overview) -> str:
    """Where the chart is highest."""
    peaks = [
        (bucket.percentiles.p99_us, bucket.started_at)
        for bucket in summary.buckets
        if bucket.percentiles is not None
    ]
    if not peaks:
        return ""
    highest_us, since = max(peaks)
    return f" The highest P99 is {wording.milliseconds(highest_us)}, from {_when(since, summary)}."


def _when(since: datetime, summary: Overview) -> str:
    """The date goes without saying where all of the window is of the same day as now."""
    is_today = since.date() == summary.now.date()
    return f"{since:%H:%M:%S} UTC" if is_today else f"{since:%Y-%m-%d %H:%M} UTC"


def _scale(percentiles: Sequence[Percentiles | None]) -> tuple[int, float]:
    """The power of ten that the axis begins at, and the highest value on it in milliseconds."""
    drawn = [each for each in percentiles if each is not None]
    lowest_us = min((each.p50_us for each in drawn), default=_MILLI)
    highest_us = max([LIMITS.p99_us, *(each.p99_us for each in drawn)])
    return floor(log10(_drawn(lowest_us))), _drawn(highest_us)


def _drawn(duration_us: int) -> float:
    """In milliseconds; a logarithmic scale has no zero."""
    return max(duration_us, 1) / _MILLI


def _percentile_line(
    name: str, times: list[datetime], durations: Sequence[int | None]
) -> plot.Trace:
    """One percentile; times without attempts stay blank."""
    return {
        "type": "scatter",
        "x": times,
        "y": [None if each is None else _drawn(each) for each in durations],
        "name": name,
        "mode": "lines+markers",
        "marker": {"size": 4},
        "line": {"width": 2, "dash": "dot" if name == "P50" else "solid"},
        "connectgaps": False,
        "cliponaxis": False,
        "customdata": ["" if each is None else wording.milliseconds(each) for each in durations],
        "hovertemplate": f"{name} %{{customdata}}<extra></extra>",
    }


def _attempt_bars(
    buckets: Sequence[Bucket],
    times: list[datetime],
    known: list[timedelta],
    zone: ZoneInfo | None,
) -> plot.Trace:
    """How many attempts; paler where the bucket's time is not over."""
    return {
        "type": "bar",
        "x": times,
        "y": [bucket.attempts for bucket in buckets],
        "name": "Attempts",
        "showlegend": False,
        "yaxis": "y2",
        "width": [part.total_seconds() * _MILLI * _BAR_SHARE for part in known],
        "marker": {
            "color": figures.SLATE,
            "opacity": [0.7 if bucket.is_complete else 0.35 for bucket in buckets],
        },
        "customdata": [_bucket_words(bucket, zone) for bucket in buckets],
        "hovertemplate": "%{customdata}<extra></extra>",
    }


def _target_line(target: _Target, summary: Overview) -> plot.Trace:
    return {
        "type": "scatter",
        "x": _span(summary),
        "y": [_drawn(target.limit_us)] * 2,
        "mode": "lines",
        "line": {"color": figures.SLATE, "width": 1.5, "dash": target.dash},
        "showlegend": False,
        "hoverinfo": "skip",
    }


def _label(words: str, side: Literal["top", "bottom"], **place: object) -> dict[str, Any]:
    """Names something in its place: in the legend it would leave a phone no room for curves.

    Args:
        words: its name.
        side: of the words that touches the place.
        place: its height, as Plotly's annotations take it.
    """
    return {
        "text": words,
        "x": 0,
        "xref": "paper",
        "xanchor": "left",
        "yanchor": side,
        "showarrow": False,
        "font": {"size": 11},
        **place,
    }


def _bucket_words(bucket: Bucket, zone: ZoneInfo | None) -> str:
    since = wording.clock_time(bucket.started_at, zone, bucket.started_at)
    words = f"{wording.counted(bucket.attempts, 'attempt')} from {since}"
    return words if bucket.is_complete else f"{words}, so far"
