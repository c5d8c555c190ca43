"""All that the overview shows of one reading, ready to be drawn.

It is made before the first element is sent: figures take long enough to build, under a busy API,
that a page which sent each part as it was ready would show cards of one reading beside charts of
another.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import datetime
from zoneinfo import ZoneInfo

import pyarrow as pa

from dashboard import duration_chart, error_chart, figures, objectives, status, tables
from dashboard.cards import Card, headline
from dashboard.reads import Reading
from dashboard.wording import Words
from engine.slo.overview import Overview


@dataclass(frozen=True, slots=True)
class Chart:
    """A figure with what stands around it.

    Attributes:
        title: what it is.
        figure: serialised, see `dashboard.plot`.
        told: for those who do not see it.
        notes: what is not in it, a line each.
    """

    title: str
    figure: str
    told: str
    notes: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class View:
    """The overview of one reading.

    Attributes:
        notice: why the numbers are old; empty while they are not.
        badges: how they come about; none of them while they are old.
        as_of: which window it is.
        end: of the window, the same for every part; empty if nothing was read.
        cards: the headline numbers.
        durations: over time.
        errors: by code.
        objectives: the table of all objectives, as Markdown; empty while nothing was read.
        burns: the table of burn rates, likewise.
        newest: attempts, one a row.
        nothing: what to say in their place when there are none.
        shows_attempts: whether there is anything in it of single attempts.
    """

    notice: str
    badges: tuple[Words, ...]
    as_of: str
    end: str
    cards: tuple[Card, ...]
    durations: Chart
    errors: Chart
    objectives: str
    burns: str
    newest: pa.Table
    nothing: str
    shows_attempts: bool


def compose(reading: Reading, refresh_s: int | None, zone: ZoneInfo | None, now: datetime) -> View:
    """Arranges a reading.

    Args:
        reading: the newest numbers there are.
        refresh_s: seconds between refreshes; None while paused.
        zone: the viewer's; None where that is UTC.
        now: the present instant.
    """
    summary, freshness = reading.summary, reading.freshness
    fresh = None if freshness.is_stale else summary
    # A page that stands still may be read on another day.
    read_at = None if refresh_s is None else now
    return View(
        notice=status.outage(
            freshness,
            None if summary is None else summary.now,
            zone,
            read_at,
            waiting=reading.waiting,
        ),
        badges=()
        if fresh is None
        else status.badges(fresh, refresh_s, reading.waiting, reading.roll_every),
        as_of="" if fresh is None else status.as_of(fresh, zone, read_at),
        end="" if summary is None else summary.now.isoformat(),
        cards=tuple(_shown(each, reading) for each in headline(summary, freshness)),
        durations=_durations(summary, zone),
        errors=_errors(summary),
        objectives=""
        if summary is None
        else objectives.table(summary, has_links=reading.shows_attempts),
        burns="" if summary is None else objectives.burn_table(summary),
        newest=_newest(summary, zone),
        nothing=status.nothing_in_window(summary),
        shows_attempts=reading.shows_attempts,
    )


def _shown(card: Card, reading: Reading) -> Card:
    """A card leads to its attempts only for who may see them."""
    return card if reading.shows_attempts else replace(card, receipt=None)


def _newest(summary: Overview | None, zone: ZoneInfo | None) -> pa.Table:
    if summary is None:
        return tables.packed(tables.newest((), zone))
    # The date goes without saying where none but today's attempts can be among them.
    has_date = summary.window.start.date() != summary.now.date()
    return tables.packed(tables.newest(summary.newest, zone, has_date=has_date))


def _durations(summary: Overview | None, zone: ZoneInfo | None) -> Chart:
    if summary is None:
        return _nothing_read(duration_chart.TITLE)
    title = duration_chart.title(summary)
    return Chart(title, duration_chart.draw(summary, zone), duration_chart.told(summary))


def _errors(summary: Overview | None) -> Chart:
    title = error_chart.TITLE
    if summary is None:
        return _nothing_read(title)
    notes = (
        error_chart.without_a_bar(summary),
        status.refused_before_agent(summary.errors_before_agent),
    )
    return Chart(
        title,
        error_chart.draw(summary),
        error_chart.told(summary),
        tuple(note for note in notes if note),
    )


def _nothing_read(title: str) -> Chart:
    words = status.NOTHING_READ
    return Chart(title, figures.nothing(words), f"{title}: {words}.")
