"""All that the page of durations shows of one reading, ready to be drawn.

It is made before the first element is sent, so that no two parts of the page are of different
readings. What is not known is called so.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from zoneinfo import ZoneInfo

import pandas as pd
import pyarrow as pa

from dashboard import figures, heatmap, latency_chart, latency_tables, wording
from dashboard.heatmap import Cells
from dashboard.latency_reads import Slowest
from dashboard.memory import Known
from dashboard.status import NOTHING_READ, outage
from dashboard.tables import packed
from dashboard.view import Chart
from dashboard.wording import Words
from engine.rollups.latency import Latency
from engine.rollups.slowest import Dropped


@dataclass(frozen=True, slots=True)
class View:
    """The page of durations of one reading.

    Attributes:
        notice: why the numbers are old; empty while they are not.
        badges: how they come about; none of them while they are old.
        as_of: which window it is.
        end: of the window, the same for every part; empty if nothing was read.
        nothing: what to say where there is nothing to draw.
        cells: of the heatmap; None if there is nothing to draw.
        course: the chosen percentile over time.
        heatmap: attempts by time and duration.
        percentiles: by operation, beside those before.
        compared: what they are compared with.
        slowest: attempts, one a row.
        slowest_note: what is not among them, or why there are none; may be empty.
        shows_attempts: whether there is anything in it of single attempts.
    """

    notice: str
    badges: tuple[Words, ...]
    as_of: str
    end: str
    nothing: str
    cells: Cells | None
    course: Chart
    heatmap: Chart
    percentiles: pa.Table
    compared: str
    slowest: pa.Table
    slowest_note: str
    shows_attempts: bool


def compose(
    known: Known[Latency],
    slowest: Known[Slowest] | None,
    percentile: str,
    refresh_s: int | None,
    zone: ZoneInfo | None,
    now: datetime,
) -> View:
    """Arranges a reading.

    Args:
        known: how long attempts took, by the rollups.
        slowest: the slowest ones, by the ledger; None for who may not see any.
        percentile: which one to draw over time.
        refresh_s: seconds between refreshes; None while paused.
        zone: the viewer's; None where that is UTC.
        now: the present instant.
    """
    latency = known.value
    # A page that stands still may be read on another day.
    read_at = None if refresh_s is None else now
    is_stale = known.freshness.is_stale
    nothing = NOTHING_READ if latency is None else _no_attempts(latency)
    drawn = latency if latency is not None and latency.present.counts.timed else None
    return View(
        notice=outage(known.freshness, None if latency is None else latency.now, zone, read_at),
        badges=() if is_stale or latency is None else _badges(latency, refresh_s),
        as_of="" if is_stale or latency is None else _as_of(latency, zone, read_at),
        end="" if latency is None else latency.present.window.end.isoformat(),
        nothing=nothing,
        cells=None if drawn is None else heatmap.cells(drawn),
        course=_course(drawn, percentile, nothing),
        heatmap=_heatmap(drawn, nothing),
        percentiles=pa.table({})
        if latency is None
        else packed(_of_all(latency_tables.percentiles(latency), slowest)),
        compared="" if latency is None else _compared(latency),
        slowest=packed(
            latency_tables.slowest(
                slowest.value.attempts if slowest is not None and slowest.value else (), zone
            )
        ),
        slowest_note="" if slowest is None else _slowest_note(slowest),
        shows_attempts=slowest is not None,
    )


def _of_all(shown: pd.DataFrame, slowest: Known[Slowest] | None) -> pd.DataFrame:
    """Without what leads to attempts, for who may see none."""
    if slowest is not None:
        return shown
    return shown.drop(columns=latency_tables.RECEIPT, errors="ignore")


def _course(latency: Latency | None, percentile: str, nothing: str) -> Chart:
    if latency is None:
        return _nothing(latency_chart.TITLE, nothing)
    return Chart(
        latency_chart.title(latency),
        latency_chart.draw(latency, percentile),
        latency_chart.told(latency, percentile),
    )


def _heatmap(latency: Latency | None, nothing: str) -> Chart:
    if latency is None:
        return _nothing(heatmap.TITLE, nothing)
    return Chart(heatmap.title(latency), heatmap.draw(latency), heatmap.told(latency))


def _nothing(title: str, words: str) -> Chart:
    return Chart(title, figures.nothing(words), f"{title}: {words}.")


def _badges(latency: Latency, refresh_s: int | None) -> tuple[Words, ...]:
    found = [
        Words("Paused", "gray")
        if refresh_s is None
        else Words(f"Live, every {refresh_s} s", "blue")
    ]
    counts = latency.present.counts
    untimed = counts.attempts - counts.timed
    if untimed:
        of = wording.counted(untimed, "attempt")
        found.append(Words(f"{of} of unknown duration, not counted", "gray"))
    return tuple(found)


def _as_of(latency: Latency, zone: ZoneInfo | None, now: datetime | None) -> str:
    words = wording.window_words(latency.length)
    return f"{words}, as of {wording.clock_time(latency.now, zone, now)}"


def _no_attempts(latency: Latency) -> str:
    return f"No data: {wording.inside(wording.no_attempts(latency.wanted, latency.length))}"


def _compared(latency: Latency) -> str:
    before = latency.before
    span = f"{before.window.start:%-d %b %H:%M:%S} to {before.window.end:%-d %b %H:%M:%S} UTC"
    if not before.counts.timed:
        return f"Compared with the window before, {span}: no data there"
    attempts = wording.counted(before.counts.timed, "attempt")
    return (
        f"Compared with the window before, {span}, with {attempts}. Percentiles are within 1 % of"
        " the truth; what differs by less than the histogram can tell is called unchanged"
    )


def _slowest_note(slowest: Known[Slowest]) -> str:
    if slowest.value is None:
        return f"{NOTHING_READ}."
    found = slowest.value
    words = [_dropped(found.dropped)] if found.dropped is not None else []
    if not found.attempts:
        words.insert(0, "No data: no attempts to show.")
    if slowest.freshness.is_stale:
        words.insert(0, f"Stale: {slowest.freshness.reason}.")
    return " ".join(words)


def _dropped(dropped: Dropped) -> str:
    until = f"{dropped.until:%Y-%m-%d}"
    longest = (
        f" The longest of them in this window took {wording.milliseconds(dropped.longest_us)}."
        if dropped.longest_us
        else ""
    )
    return (
        f"Rows of attempts from before {until} UTC have been dropped by retention, so they cannot"
        f" stand here.{longest}"
    )
