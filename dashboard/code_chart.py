"""The chart of error codes over time, from what was read to a serialised Plotly figure."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Final
from zoneinfo import ZoneInfo

from dashboard import errors_wording, figures, plot, wording
from dashboard.error_codes import facts, worth_drawing
from engine.rollups.failures import CodeFailures, Failures
from engine.rollups.grid import Tier
from engine.rollups.series import Bucket

_HEIGHT: Final = 320
_MILLI: Final = 1_000
_BAR_SHARE: Final = 0.85
_PER: Final = {
    Tier.TEN_SECONDS: "10 s",
    Tier.MINUTE: "minute",
    Tier.HOUR: "hour",
    Tier.DAY: "day, UTC",
}
_CLOCK: Final = "%H:%M\n%-d %b %Y, UTC"
_TICKS: Final = {Tier.HOUR: "%-d %b %H:%M\n%Y, UTC", Tier.DAY: "%-d %b\n%Y, UTC"}
# Ours are warm, callers' are not; a code keeps its own colour while no other needs it.
_OURS: Final = ("#DC2626", "#FCA5A5", "#9F1239", "#FB923C")
_CALLERS: Final = (
    "#2563EB",
    "#0D9488",
    "#7C3AED",
    "#65A30D",
    "#0EA5E9",
    "#C084FC",
    "#5EEAD4",
    "#4D7C0F",
)


def title(found: Failures) -> str:
    """What the chart is."""
    return f"Share of attempts that failed, per {_PER[found.tier]}"


def draw(found: Failures, zone: ZoneInfo | None) -> str:
    """Attempts by error code over time, as shares of all attempts.

    Args:
        found: what is drawn; with a code, only that.
        zone: the viewer's; None where that is UTC.
    """
    said = nothing(found)
    if said:
        return figures.nothing(said)
    drawn, folded = worth_drawing(shown(found))
    known = [min(found.tier.length, found.window.end - bucket.start) for bucket in found.series]
    times = [bucket.start + part / 2 for bucket, part in zip(found.series, known, strict=True)]
    colours = _colours(drawn)
    # What is ours stands on the ground, where its height is read without effort.
    stacked = [
        ([each.number], facts(each.number).name, colours[each.number])
        for each in sorted(drawn, key=lambda each: not each.is_ours)
    ]
    if folded:
        numbers = [each.number for each in folded]
        stacked.append((numbers, wording.counted(len(folded), "other code"), figures.SLATE))
    traces = [_bars(found.series, times, known, *each) for each in stacked]
    traces.append(_attempts(found, times, zone))
    layout = figures.layout(
        _HEIGHT,
        barmode="stack",
        hovermode="x unified",
        legend={"traceorder": "normal"},
        xaxis={
            "range": [found.series[0].start, found.window.end],
            # The second line is drawn once, and again where the day changes.
            "tickformat": _TICKS.get(found.tier, _CLOCK),
            "tickangle": 0,
            "unifiedhovertitle": {"text": "%{x|%-d %b %Y}"},
            "ticklabelstandoff": figures.STANDOFF,
        },
        yaxis={
            "rangemode": "tozero",
            "ticksuffix": " %",
            "tickformat": ",~r",
            "ticklabelstandoff": figures.STANDOFF,
        },
    )
    return plot.serialised(traces, layout)


def shown(found: Failures) -> list[CodeFailures]:
    """The codes that are looked at."""
    if found.code is None:
        return list(found.codes)
    return [each for each in found.codes if facts(each.number).code is found.code]


def nothing(found: Failures) -> str:
    """Why there is nothing to draw; empty if there is."""
    if not found.counts.attempts:
        return errors_wording.no_attempts(found.wanted)
    if not shown(found):
        what = "errors" if found.code is None else found.code.value
        return f"No {what} among {wording.counted(found.counts.attempts, 'attempt')}"
    return ""


def notes(found: Failures) -> tuple[str, ...]:
    """What is not to be seen in the chart, a line each."""
    if nothing(found):
        return ()
    said = ["Reds and orange are our failures, the other colours callers' errors."]
    _, folded = worth_drawing(shown(found))
    if folded:
        said.append(f"Other codes: {_listed(folded)}")
    if found.series[0].start < found.window.start:
        said.append("The first bar is whole: it begins before the window does.")
    return tuple(said)


def told(found: Failures) -> str:
    """The chart for those who do not see it."""
    said = nothing(found)
    return f"{title(found)}: {said or f'stacked bars. In all: {_listed(shown(found))}'}."


def _listed(codes: Sequence[CodeFailures]) -> str:
    return ", ".join(f"{facts(each.number).name} {wording.count(each.count)}" for each in codes)


def _colours(drawn: Sequence[CodeFailures]) -> dict[int, str]:
    """A colour for each code, no two alike while there are enough."""
    found: dict[int, str] = {}
    for each in sorted(drawn, key=lambda each: each.number):
        palette = _OURS if each.is_ours else _CALLERS
        turned = [palette[(each.number + step) % len(palette)] for step in range(len(palette))]
        free = [colour for colour in turned if colour not in found.values()]
        found[each.number] = (free or turned)[0]
    return found


def _bars(
    series: Sequence[Bucket],
    times: Sequence[datetime],
    known: Sequence[timedelta],
    numbers: Sequence[int],
    name: str,
    colour: str,
) -> plot.Trace:
    """Some codes' share of the attempts over time; none where there is nothing of it."""
    counts = [sum(bucket.counts.by_code.get(number, 0) for number in numbers) for bucket in series]
    of = [bucket.counts.attempts for bucket in series]
    return {
        "type": "bar",
        "x": times,
        "y": [
            100 * count / all_ if count else None for count, all_ in zip(counts, of, strict=True)
        ],
        "name": name,
        "width": [part.total_seconds() * _MILLI * _BAR_SHARE for part in known],
        "marker": {"color": colour},
        "customdata": [
            f"{wording.count(count)} ({errors_wording.share(count, all_)})" if count else ""
            for count, all_ in zip(counts, of, strict=True)
        ],
        "hovertemplate": f"{name} %{{customdata}}<extra></extra>",
    }


def _attempts(found: Failures, times: Sequence[datetime], zone: ZoneInfo | None) -> plot.Trace:
    """What the shares are of, told under the pointer: no bar may mean no attempts as well."""
    return {
        "type": "scatter",
        "x": times,
        "y": [0] * len(times),
        "name": "Attempts",
        "mode": "markers",
        "marker": {"opacity": 0, "color": figures.SLATE},
        "showlegend": False,
        "customdata": [_bucket_words(bucket, zone) for bucket in found.series],
        "hovertemplate": "%{customdata}<extra></extra>",
    }


def _bucket_words(bucket: Bucket, zone: ZoneInfo | None) -> str:
    number = bucket.counts.attempts
    what = f"of {wording.counted(number, 'attempt')}" if number else "No attempts"
    return f"{what} from {wording.clock_time(bucket.start, zone, None)}"
