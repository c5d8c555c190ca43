"""A picture of when rules fired: a row for each, a bar for each time that it did.

From bars to a serialised Plotly figure. Colours say how bad; what each bar is stands under the
pointer, and in a table beside the picture.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from html import escape
from typing import Final

from dashboard import alerts_words, figures, plot
from dashboard.quote_words import cut
from dashboard.wording import counted
from engine.alerting.journal import LoggedAlert
from engine.alerting.walking import Firing

TITLE: Final = "When rules fired"
_ROW_HEIGHT: Final = 26
_HEAD_HEIGHT: Final = 72
_ROWS_MAX: Final = 14
_ROWS_ROOM: Final = 2
# A bar narrower than this, as a share of the width, could not be seen.
_NARROWEST: Final = 0.003
_COLOURS: Final = {"CRITICAL": figures.RED, "HIGH": figures.AMBER, "MEDIUM": "#2563EB"}
_MILLI: Final = 1_000


@dataclass(frozen=True, slots=True)
class Bar:
    """One time that a rule fired.

    Attributes:
        row: in which it stands: a rule's id, or ours.
        severity: name of an `AlertSeverity`.
        began_at: when.
        ended_at: when it was over; None while it is not.
        is_muted: whether nobody was told.
    """

    row: str
    severity: str
    began_at: datetime
    ended_at: datetime | None
    is_muted: bool = False


@dataclass(frozen=True, slots=True)
class Timeline:
    """Some bars within a time.

    Attributes:
        since: where the picture begins.
        until: where it ends.
        bars: the newest first.
        rows: in their order from the top.
    """

    since: datetime
    until: datetime
    bars: Sequence[Bar]
    rows: Sequence[str]

    @classmethod
    def of_alerts(cls, alerts: Iterable[LoggedAlert], since: datetime, until: datetime) -> Timeline:
        """Alerts that fired, newest first: the rule that fired last stands above."""
        bars = [
            Bar(each.rule_id, each.severity, each.fired_at, each.resolved_at, bool(each.muted_by))
            for each in alerts
        ]
        rows = list(dict.fromkeys(each.row for each in bars))
        return cls(since, until, bars, rows[:_ROWS_MAX])

    @property
    def left_out(self) -> str:
        """How many rules have no row; empty if all have one."""
        rules = len({each.row for each in self.bars})
        shown = len(self.rows)
        return f"The {shown} rules that fired last; {rules} did" if rules > shown else ""


def bars_of(row: str, severity: str, firings: Iterable[Firing]) -> list[Bar]:
    """What a rule would have fired, in a row of its own."""
    return [
        Bar(row, severity, each.began.at, None if each.ended is None else each.ended.at)
        for each in firings
    ]


def draw(timeline: Timeline) -> str:
    """Bars per row over time; muted ones are hatched."""
    if not timeline.bars:
        return figures.nothing("No rule fired in this time")
    shown = [each for each in timeline.bars if each.row in timeline.rows]
    traces = [
        _bars(severity, is_muted, shown, timeline)
        for severity in _COLOURS
        for is_muted in (False, True)
    ]
    layout = figures.layout(
        _HEAD_HEIGHT + _ROW_HEIGHT * max(len(timeline.rows), _ROWS_ROOM),
        barmode="overlay",
        bargap=0.3,
        hovermode="closest",
        xaxis={
            "type": "date",
            "range": [_instant(timeline.since), _instant(timeline.until)],
            "tickformat": "%H:%M\n%-d %b %Y, UTC",
            "ticklabelstandoff": figures.STANDOFF,
        },
        yaxis={
            "categoryorder": "array",
            # Plotly counts the rows of such a chart from below.
            "categoryarray": [_label(each) for each in reversed(timeline.rows)],
            "range": [-0.5, max(len(timeline.rows), 1) - 0.5],
            "ticklabelstandoff": figures.STANDOFF,
        },
    )
    return plot.serialised([each for each in traces if each["y"]], layout)


def told(timeline: Timeline) -> str:
    """The picture for those who do not see it."""
    if not timeline.bars:
        return f"{TITLE}: none did."
    times = Counter(each.row for each in timeline.bars)
    said = "; ".join(f"{row} {counted(times[row], 'time')}" for row in timeline.rows)
    return f"{TITLE}: {said}."


def _bars(
    severity: str,
    is_muted: bool,  # noqa: FBT001  # private
    shown: Sequence[Bar],
    timeline: Timeline,
) -> plot.Trace:
    bars = [each for each in shown if (each.severity, each.is_muted) == (severity, is_muted)]
    least = (timeline.until - timeline.since) * _NARROWEST
    # One that has only begun has to be seen as well: it ends at the edge, and not beyond it.
    begins = [min(max(each.began_at, timeline.since), timeline.until - least) for each in bars]
    ends = [each.ended_at or timeline.until for each in bars]
    return {
        "type": "bar",
        "orientation": "h",
        "name": f"{severity}, muted" if is_muted else severity,
        "y": [_label(each.row) for each in bars],
        "base": [_instant(each) for each in begins],
        "x": [
            _milliseconds(max(end - begin, least)) for begin, end in zip(begins, ends, strict=True)
        ],
        "marker": {
            "color": _COLOURS[severity],
            "pattern": {"shape": "/" if is_muted else "", "fillmode": "overlay"},
        },
        "customdata": [_words(each, timeline.until) for each in bars],
        "hovertemplate": "%{customdata}<extra></extra>",
    }


def _words(bar: Bar, now: datetime) -> str:
    """A bar under the pointer; only what is ours, since Plotly takes it for markup."""
    lasted = alerts_words.ticking((bar.ended_at or now) - bar.began_at)
    ended = "over" if bar.ended_at is not None else "still fires"
    muted = ", muted" if bar.is_muted else ""
    return (
        f"<b>{bar.severity}</b><br>{bar.began_at.astimezone(UTC):%-d %b %H:%M:%S} UTC"
        f"<br>{lasted}, {ended}{muted}"
    )


def _label(row: str) -> str:
    """A row's name as Plotly shows just that: it takes labels for markup, too."""
    return escape(cut(row))


def _instant(moment: datetime) -> str:
    """As Plotly's axes have it: in UTC, and not saying so."""
    return moment.astimezone(UTC).replace(tzinfo=None).isoformat()


def _milliseconds(span: timedelta) -> int:
    return int(span.total_seconds() * _MILLI)
