"""The report of a replay: one value, and its spelling as tables, as plain text and as JSON."""

from __future__ import annotations

import io
from array import array
from collections import Counter
from collections.abc import Sequence
from typing import Final

import msgspec
from rich import box
from rich.console import Console
from rich.table import Table

from engine.attempts.outcome import Outcome
from engine.integrity.rules import RULES, RuleResult
from engine.payload import encode
from engine.quotes.lifecycle import Operation
from engine.replay.reconciliation import Reconciliation
from engine.replay.tally import Fate, Percentiles, Tally, percentiles
from engine.replay.workers import Ending

UNANSWERED: Final = "unanswered"
ALL: Final = "all"
_OUTCOMES: Final = (*(outcome.name.lower() for outcome in Outcome), UNANSWERED)
_PLAIN_WIDTH: Final = 160  # of a file or a pipe, which has none


class Latency(msgspec.Struct, frozen=True, rename="camel"):
    """Milliseconds from sending to the answer, exact percentiles by the nearest rank."""

    p50_ms: float
    p95_ms: float
    p99_ms: float


class Attempts(msgspec.Struct, frozen=True, rename="camel"):
    """The attempts of one operation, or of all.

    Attributes:
        operation: which, or `all`.
        by_outcome: how many ended how; only outcomes that there were.
        sent: all of them.
        latency: None when none was answered.
    """

    operation: str
    by_outcome: dict[str, int]
    sent: int
    latency: Latency | None


class Reason(msgspec.Struct, frozen=True, rename="camel"):
    """Bookings refused at their creation for one reason."""

    code: str
    reason: str
    bookings: int


class Difference(msgspec.Struct, frozen=True, rename="camel"):
    """A kind of attempt of which the ledger has another number than was answered."""

    operation: str
    outcome: str
    code: str | None
    answered: int
    in_ledger: int


class BrokenRule(msgspec.Struct, frozen=True, rename="camel"):
    """An integrity rule that does not hold; of the whole database, not of the run alone."""

    rule: str
    violations: int


class Report(msgspec.Struct, frozen=True, rename="camel", kw_only=True):
    """What a replay did.

    Attributes:
        run: its name; every correlation id of it starts with `RPL-<run>-`.
        via: engine or http.
        workers: attempts at once.
        ending: complete, interrupted, or why not.
        bookings: rows taken from the file.
        fates: the same by how they came out.
        steps: operations in the stories of those rows.
        unsent: of these, not sent because of an earlier refusal or the end of the run.
        repeats: attempts that repeat a step.
        attempts: by operation, the last one all together; sent = steps - unsent + repeats.
        codes: attempts by the code that refused them.
        reasons: bookings refused at their creation.
        seconds: from the first attempt to the last answer.
        saves: committed attempts.
        saves_per_second: the same by time.
        ledger_rows: rows of the ledger with the run's correlation ids; None when it could not be
            asked.
        unanswered_in_ledger: of these, attempts whose answer was lost.
        agrees: whether each answered attempt has one row that says what the sender was told.
        differences: where it does not.
        is_verified: whether all integrity rules were checked.
        broken_rules: those that do not hold.
    """

    run: str
    via: str
    workers: int
    ending: str
    bookings: int
    fates: dict[str, int]
    steps: int
    unsent: int
    repeats: int
    attempts: list[Attempts]
    codes: dict[str, int]
    reasons: list[Reason]
    seconds: float
    saves: int
    saves_per_second: float
    ledger_rows: int | None
    unanswered_in_ledger: int
    agrees: bool
    differences: list[Difference]
    is_verified: bool
    broken_rules: list[BrokenRule]

    @property
    def total(self) -> Attempts:
        """All attempts together."""
        return self.attempts[-1]

    @property
    def is_clean(self) -> bool:
        """Whether the ledger agrees and every rule holds; what is not known does not count."""
        return self.agrees and self.is_verified and not self.broken_rules


def make_report(
    *,
    run: str,
    via: str,
    workers: int,
    ending: Ending,
    tally: Tally,
    seconds: float,
    reconciliation: Reconciliation | None,
    verified: Sequence[RuleResult] | None,
) -> Report:
    """Puts a finished run into figures.

    Args:
        run: its name.
        via: how it was sent.
        workers: how many attempts at once.
        ending: how it ended.
        tally: what was counted.
        seconds: how long it took.
        reconciliation: the comparison with the ledger, None when it could not be made.
        verified: what checking the integrity rules found, None when they could not be checked.
    """
    attempts = _attempts(tally)
    codes: Counter[str] = Counter()
    for ended, count in tally.attempts.items():
        if ended.code is not None:
            codes[ended.code.value] += count
    return Report(
        run=run,
        via=via,
        workers=workers,
        ending=ending.value,
        bookings=tally.bookings,
        fates={fate.value: tally.fates[fate] for fate in Fate if tally.fates[fate]},
        steps=attempts[-1].sent - tally.repeats + tally.unsent,
        unsent=tally.unsent,
        repeats=tally.repeats,
        attempts=attempts,
        codes=dict(codes.most_common()),
        reasons=[
            Reason("" if code is None else code.value, reason, count)
            for (code, reason), count in tally.reasons.most_common()
        ],
        seconds=round(seconds, 3),
        saves=tally.saves,
        saves_per_second=round(tally.saves / seconds, 1) if seconds > 0 else 0.0,
        ledger_rows=None if reconciliation is None else reconciliation.rows,
        unanswered_in_ledger=0 if reconciliation is None else reconciliation.recorded_unanswered,
        agrees=reconciliation is not None and reconciliation.agrees,
        differences=[
            Difference(
                kind.operation.name,
                kind.outcome.name.lower(),
                None if kind.code is None else kind.code.value,
                answered,
                recorded,
            )
            for kind, answered, recorded in (reconciliation.differences if reconciliation else ())
        ],
        is_verified=verified is not None and {each.rule.id for each in verified} == RULES.keys(),
        broken_rules=[
            BrokenRule(each.rule.id, each.violations) for each in verified or () if each.violations
        ],
    )


def _attempts(tally: Tally) -> list[Attempts]:
    by_operation: dict[Operation, Counter[str]] = {}
    for ended, count in tally.attempts.items():
        outcomes = by_operation.setdefault(ended.operation, Counter())
        outcomes[ended.outcome.name.lower()] += count
    for operation in tally.unanswered.values():
        by_operation.setdefault(operation, Counter())[UNANSWERED] += 1
    everything: Counter[str] = Counter()
    all_latencies = array("Q")
    rows = []
    for operation in sorted(by_operation):
        latencies = tally.latencies_us.get(operation, array("Q"))
        all_latencies.extend(latencies)
        everything.update(by_operation[operation])
        rows.append(_row(operation.name, by_operation[operation], percentiles(latencies)))
    return [*rows, _row(ALL, everything, percentiles(all_latencies))]


def _row(operation: str, outcomes: Counter[str], latency: Percentiles | None) -> Attempts:
    by_outcome = {name: outcomes[name] for name in _OUTCOMES if outcomes[name]}
    return Attempts(
        operation, by_outcome, outcomes.total(), None if latency is None else Latency(*latency)
    )


def as_json(report: Report) -> str:
    """The report as one JSON object."""
    return encode(report).decode()


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
        console.print("\n".join(_lines(report)), markup=False)
    return "\n".join(line.rstrip() for line in captured.get().splitlines())


def _table_of_attempts(report: Report, style: box.Box | None) -> Table:
    outcomes = [name for name in _OUTCOMES if name in report.total.by_outcome]
    table = Table(title="Attempts", title_justify="left", box=style)
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


_REASONS_SHOWN: Final = 15


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
    sent = report.total.sent
    repeats = f" + {report.repeats:,} repeated" if report.repeats else ""
    lines = [
        f"{report.saves:,} saves in {report.seconds:,.1f} s: {report.saves_per_second:,.0f} a second"
        f" (via {report.via}, {report.workers} workers)",
        f"Steps: {report.steps:,} in {report.bookings:,} bookings - {report.unsent:,} not sent"
        f"{repeats} = {sent:,} attempts sent",
        _agreement(report),
    ]
    lines += [
        f"  {each.operation} {each.outcome} {each.code or ''}: "
        f"{each.answered:,} answered, {each.in_ledger:,} in the ledger"
        for each in report.differences
    ]
    if report.ending != Ending.COMPLETE.value:
        lines.append(f"The run did not come to its end: {report.ending}.")
    lines.append(f"Verify: {_verdict(report)}")
    return lines


def _agreement(report: Report) -> str:
    sent, rows = report.total.sent, report.ledger_rows
    if rows is None:
        return "Ledger: could not be asked"
    counts = f"Ledger: {rows:,} rows of run {report.run} for {sent:,} attempts sent"
    if not report.agrees:
        return f"{counts}: they DO NOT agree"
    lost = report.total.by_outcome.get(UNANSWERED, 0)
    if not lost:
        return f"{counts}: they agree"
    arrived = report.unanswered_in_ledger
    return f"{counts}: they agree ({lost:,} had no answer, of which {arrived:,} arrived)"


def _verdict(report: Report) -> str:
    broken = [f"{each.rule} ({each.violations:,})" for each in report.broken_rules]
    if broken:
        return f"BROKEN: {', '.join(broken)}; see: saveguard verify"
    return f"clean, all {len(RULES)} rules hold" if report.is_verified else "could not be run"
