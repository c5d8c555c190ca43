"""The answer bench's results as lines of verdict, a table for the terminal and Markdown."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from rich.console import Console
from rich.table import Table

from bench.document import link_to_numbers, markdown_table, measured_on
from bench.holds import Hold
from bench.holds import markdown as markdown_of_holds
from bench.measure import percentile

# What the issue asks for: an answer in a blink.
_ANSWER_MS: Final = 300.0
_ALL: Final = "all"
_HEADINGS: Final = (
    "entered",
    "look-ups",
    "answer p50 ms",
    "answer p95 ms",
    "whole page p50 ms",
    "whole page p95 ms",
    "one st.write p50 ms",
    "one st.write p95 ms",
)
_COLUMNS: Final = ("answer_ms", "page_ms", "yardstick_answer_ms")

Results = Mapping[str, Any]


def holds(results: Results) -> list[Hold]:
    """What is held of answers."""
    return [
        Hold(
            f"from Enter to {what}, {name}",
            _percentile(results, _ALL, column, share),
            _ANSWER_MS,
            "ms",
        )
        for what, column in (
            ("the answer on the page", "answer_ms"),
            ("the whole page", "page_ms"),
        )
        for name, share in (("p50", 0.5), ("p95", 0.95))
    ]


def rows(results: Results) -> list[list[str]]:
    """One row for each kind of text, and one for all."""
    kinds = list(dict.fromkeys(run["kind"] for run in results["runs"]))
    return [
        [
            kind,
            str(len(_ordered(results, kind, "answer_ms"))),
            *(
                f"{_percentile(results, kind, column, share) or 0:,.0f}"
                for column in _COLUMNS
                for share in (0.5, 0.95)
            ),
        ]
        for kind in (*kinds, _ALL)
    ]


def print_tables(results: Results) -> None:
    """Prints the results."""
    table = Table(*_HEADINGS)
    for row in rows(results):
        table.add_row(*row)
    console = Console()
    console.print(table)
    for hold in holds(results):
        console.print(hold.line())
    console.print(_circumstances(results))


def markdown(results: Results) -> list[str]:
    """The part of the performance page."""
    return [
        "",
        measured_on(results["machine"]),
        f"Meanwhile there were {results['saves_per_second']:g} saves a second.",
        _circumstances(results),
        link_to_numbers("bench.answer"),
        "",
        *markdown_of_holds(holds(results)),
        "",
        *markdown_table(_HEADINGS, rows(results)),
        "",
    ]


def _circumstances(results: Results) -> str:
    """What else the machine did, and whether the bench went first."""
    return (
        f"The machine's load before was {results['load_before']:.1f}; the bench ran at niceness"
        f" {results['niceness']}."
    )


def _percentile(results: Results, kind: str, column: str, share: float) -> float | None:
    ordered = _ordered(results, kind, column)
    return percentile(ordered, share) if ordered else None


def _ordered(results: Results, kind: str, column: str) -> list[float]:
    return sorted(run[column] for run in results["runs"] if kind in {run["kind"], _ALL})
