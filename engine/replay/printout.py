"""The report of a replay as text: tables on a terminal, plain columns elsewhere."""

from __future__ import annotations

import io
from typing import Final

from rich import box
from rich.console import Console
from rich.table import Table

from engine.integrity.rules import RULES
from engine.replay.report import ALL, IN_DOUBT, OUTCOMES, UNANSWERED, Report
from engine.replay.tally import Fate
from engine.replay.workers import Ending

_PLAIN_WIDTH: Final = 160  # of a file or a pipe, which has none
_REASONS_SHOWN: Final = 15
_TOLD_MEANS: Final = (
    "Told to the end: accepted, rejected, deleted as a draft, or left SENT, as a No-Show's quote is"
)


def as_text(report: Report, *, width: int | None = None) -> str:
    """The report as tables.

    Args:
        report: what to show.
        width: of the terminal; None for a file or a pipe, which gets no lines and no colours.
    """
    is_plain = width is None
    console = Console(
        file=io.StringIO(),
        width=width or _PLAIN_WIDTH,
        force_terminal=not is_plain,
        no_color=is_plain,
        highlight=False,
        markup=False,  # a reason may hold brackets
        legacy_windows=False,
    )
    style = None if is_plain else box.SIMPLE_HEAD
    with console.capture() as captured:
        console.print(_table_of_attempts(report, style))
        if report.codes:
            console.print(_table("Refusals by code", ["code", "attempts"], report.codes, style))
        console.print(_table("Bookings", ["story", "bookings"], report.fates, style))
        if report.reasons:
            console.print(_table_of_reasons(report, style))
    tables = [line.rstrip() for line in captured.get().splitlines()]
    return "\n".join([*tables, *_lines(report)])


def _table_of_attempts(report: Report, style: box.Box | None) -> Table:
    outcomes = [name for name in OUTCOMES if name in report.total.by_outcome]
    # The dashboard's durations end inside the engine; these are what a caller waited.
    title = "Attempts, with latency as the caller sees it"
    table = Table(title=title, title_justify="left", box=style)
    table.add_column("operation")
    for name in (*outcomes, "sent", "p50 ms", "p95 ms", "p99 ms"):
        table.add_column(name, justify="right")
    for row in report.attempts:
        latency = row.latency
        figures = (
            ("", "", "")
            if latency is None
            else tuple(f"{ms:.2f}" for ms in (latency.p50_ms, latency.p95_ms, latency.p99_ms))
        )
        counts = [f"{row.by_outcome.get(name, 0):,}" for name in outcomes]
        if row.operation == ALL:
            table.add_section()
        table.add_row(row.operation, *counts, f"{row.sent:,}", *figures)
    return table


def _table(title: str, columns: list[str], counts: dict[str, int], style: box.Box | None) -> Table:
    table = Table(title=title, title_justify="left", box=style)
    table.add_column(columns[0])
    table.add_column(columns[1], justify="right")
    for name, count in counts.items():
        table.add_row(name, f"{count:,}")
    return table


def _table_of_reasons(report: Report, style: box.Box | None) -> Table:
    table = Table(title="Bookings refused at their creation", title_justify="left", box=style)
    for name in ("code", "reason"):
        table.add_column(name, overflow="fold")
    table.add_column("bookings", justify="right")
    shown = report.reasons[:_REASONS_SHOWN]
    for each in shown:
        table.add_row(each.code, each.reason, f"{each.bookings:,}")
    others = report.reasons[_REASONS_SHOWN:]
    if others:
        count = sum(each.bookings for each in others)
        table.add_row("", f"{len(others)} other reasons", f"{count:,}")
    return table


def _lines(report: Report) -> list[str]:
    repeated = f" + {report.repeats:,} repeated" if report.repeats else ""
    lines = [
        (
            f"{report.saves:,} saves in {report.seconds:,.1f} s, {report.saves_per_second:,.0f} a"
            f" second, via {report.via} with {report.workers} workers"
        ),
        (
            f"Steps: {report.steps:,} in {report.bookings:,} bookings"
            f" - {report.unsent:,} not sent{repeated} = {report.total.sent:,} attempts sent"
        ),
        _agreement(report),
    ]
    lines += [
        f"  {each.operation} {each.outcome} {each.code or ''}: "
        f"{each.answered:,} answered, {each.in_ledger:,} in the ledger"
        for each in report.differences
    ]
    if Fate.TOLD.value in report.fates:
        lines.append(_TOLD_MEANS)
    lines.append(f"Verify: {_verdict(report)}")
    if report.ending != Ending.COMPLETE.value:
        lines.append(f"The run did not come to its end: {report.ending}")
    return lines


def _agreement(report: Report) -> str:
    sent, rows = report.total.sent, report.ledger_rows
    if rows is None:
        return "Ledger: could not be asked"
    counts = f"Ledger: {rows:,} rows of run {report.run} for {sent:,} attempts sent"
    notes = [
        note.format(count, found)
        for note, count, found in (
            (
                "{:,} had no answer, of which {:,} arrived",
                report.total.by_outcome.get(UNANSWERED, 0),
                report.unanswered_in_ledger,
            ),
            (
                "{:,} were in doubt when they were answered, of which the ledger knows {:,} by now",
                report.total.by_outcome.get(IN_DOUBT, 0),
                report.in_doubt_in_ledger,
            ),
        )
        if count
    ]
    verdict = "they agree" if report.agrees else "they DO NOT agree"
    return f"{counts}: {verdict}" + (f" ({'; '.join(notes)})" if notes else "")


def _verdict(report: Report) -> str:
    broken = [f"{each.rule} ({each.violations:,})" for each in report.broken_rules]
    if broken:
        return f"BROKEN: {', '.join(broken)}; see: saveguard verify"
    return f"clean, all {len(RULES)} rules hold" if report.is_verified else "could not be run"
