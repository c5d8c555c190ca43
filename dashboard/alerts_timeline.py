"""The picture of a history of alerts: a row for each rule, a bar for each time that it fired.

From alerts to a serialised Plotly figure. Colours say how bad; what each bar is stands under the
pointer, and in the table below.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from html import escape
from typing import Final

from dashboard import alerts_words, figures, plot
from dashboard.alerts_reads import History
from dashboard.quote_words import cut
from dashboard.wording import counted
from engine.alerting.journal import LoggedAlert

TITLE: Final = "When rules fired"
_ROW_HEIGHT: Final = 26
_HEAD_HEIGHT: Final = 64
_ROWS_MAX: Final = 14
# A bar narrower than this, as a share of the width, could not be seen.
_NARROWEST: Final = 0.003
_COLOURS: Final = {"CRITICAL": figures.RED, "HIGH": figures.AMBER, "MEDIUM": "#2563EB"}
_MILLI: Final = 1_000


def draw(history: History) -> str:
    """Bars per rule over time; a muted one is hatched."""
    if not history.alerts:
        return figures.nothing("No rule fired in this time")
    rows = _rows(history.alerts)
    shown = [each for each in history.alerts if each.rule_id in rows]
    traces = [
        _bars(severity, [each for each in shown if each.severity == severity], history)
        for severity in _COLOURS
    ]
    layout = figures.layout(
        _HEAD_HEIGHT + _ROW_HEIGHT * max(len(rows), 2),
        barmode="overlay",
        bargap=0.3,
        hovermode="closest",
        xaxis={
            "type": "date",
            "range": [_instant(history.since), _instant(history.until)],
            "tickformat": "%H:%M\n%-d %b %Y, UTC",
            "ticklabelstandoff": figures.STANDOFF,
        },
        yaxis={
            "categoryorder": "array",
            # Plotly counts the rows of such a chart from below.
            "categoryarray": [_label(each) for each in reversed(rows)],
            "ticklabelstandoff": figures.STANDOFF,
        },
    )
    return plot.serialised([each for each in traces if each["y"]], layout)


def told(history: History) -> str:
    """The picture for those who do not see it."""
    if not history.alerts:
        return f"{TITLE}: none did."
    times = Counter(each.rule_id for each in history.alerts)
    said = "; ".join(
        f"{rule_id} {counted(times[rule_id], 'time')}" for rule_id in _rows(history.alerts)
    )
    return f"{TITLE}: {said}."


def left_out(history: History) -> str:
    """How many rules have no row; empty if all have one."""
    rules = len({each.rule_id for each in history.alerts})
    return f"The {_ROWS_MAX} rules that fired last; {rules} did" if rules > _ROWS_MAX else ""


def _rows(alerts: Sequence[LoggedAlert]) -> Sequence[str]:
    """The rules that have a row, the one that fired last first."""
    return list(dict.fromkeys(each.rule_id for each in alerts))[:_ROWS_MAX]


def _bars(severity: str, alerts: Sequence[LoggedAlert], history: History) -> plot.Trace:
    least = (history.until - history.since) * _NARROWEST
    begins = [max(each.fired_at, history.since) for each in alerts]
    ends = [each.resolved_at or history.until for each in alerts]
    return {
        "type": "bar",
        "orientation": "h",
        "name": severity,
        "y": [_label(each.rule_id) for each in alerts],
        "base": [_instant(each) for each in begins],
        "x": [
            _milliseconds(max(end - begin, least)) for begin, end in zip(begins, ends, strict=True)
        ],
        "marker": {
            "color": _COLOURS[severity],
            "pattern": {"shape": ["/" if each.muted_by else "" for each in alerts]},
        },
        "customdata": [_words(each, history.until) for each in alerts],
        "hovertemplate": "%{customdata}<extra></extra>",
    }


def _words(alert: LoggedAlert, now: datetime) -> str:
    """A bar under the pointer; only what is ours, since Plotly takes it for markup."""
    lasted = alerts_words.ticking(alert.lasted(now))
    ended = "over" if alert.resolved_at is not None else "still fires"
    muted = ", muted" if alert.muted_by else ""
    return (
        f"<b>{alert.severity}</b><br>{alert.fired_at.astimezone(UTC):%-d %b %H:%M:%S} UTC"
        f"<br>{lasted}, {ended}{muted}"
    )


def _label(rule_id: str) -> str:
    """A rule's id as Plotly shows just that: it takes labels for markup, too."""
    return escape(cut(rule_id))


def _instant(moment: datetime) -> str:
    """As Plotly's axes have it: in UTC, and not saying so."""
    return moment.astimezone(UTC).replace(tzinfo=None).isoformat()


def _milliseconds(span: timedelta) -> int:
    return int(span.total_seconds() * _MILLI)
