"""The viewers bench's results as lines of verdict, tables for the terminal and Markdown."""

from __future__ import annotations

import statistics
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Final

from rich.console import Console
from rich.table import Table

from bench.document import link_to_numbers, markdown_table, measured_on
from bench.holds import Hold, worst
from bench.holds import markdown as markdown_of_holds

YARDSTICK: Final = "one st.write"
# What architecture.md promises.
_CPU_TIMES: Final = 4.0
_STATEMENTS_TIMES: Final = 2.0

Results = Mapping[str, Any]
_HEADINGS: Final = (
    "page",
    "viewers",
    "refreshes/s",
    "p50 ms",
    "p95 ms",
    "p99 ms",
    "kB each",
    "CPU ms each",
    "statements/s of viewers",
    "of all",
    "resident MB",
    "missed",
    "failed",
)


def holds(results: Results) -> list[Hold]:
    """What is held of viewers."""
    counts = _counts(results)
    few, many = counts[0], counts[-1]
    return [
        # One by one: what many viewers share, a single one pays for alone.
        *(
            worst(
                f"CPU of a refresh against a page of {YARDSTICK}, viewers: {count}",
                [
                    (page, ratio)
                    for page in results["pages"]
                    if (ratio := _cpu_ratio(results, page, count)) is not None
                ],
                _CPU_TIMES,
                "times",
            )
            for count in counts
        ),
        worst(
            f"statements of {many} viewers against those of {few}",
            [
                (page, ratio)
                for page in results["pages"]
                if few != many
                and (ratio := _statements_ratio(results, page, few, many)) is not None
            ],
            _STATEMENTS_TIMES,
            "times",
        ),
        Hold(
            "refreshes that failed, or showed an exception",
            sum(run["failures"] + run["exceptions"] for run in results["runs"]),
            0,
        ),
    ]


def rows(results: Results) -> Iterator[list[str]]:
    """One row for each page and number of viewers: medians of the rounds."""
    for page in (*results["pages"], YARDSTICK):
        for count in _counts(results):
            runs = _runs(results, page, count)
            if not all(run["refreshes_itself"] for run in runs):
                yield [page, str(count), "it does not refresh itself", *([""] * 10)]
                continue

            def spelled(name: str, digits: int, each: Sequence[Results] = runs) -> str:
                found = _median(each, name)
                return "no data" if found is None else f"{found:,.{digits}f}"

            size = _median(runs, "bytes_per_refresh")
            yield [
                page,
                str(count),
                spelled("per_second", 1),
                spelled("p50_ms", 0),
                spelled("p95_ms", 0),
                spelled("p99_ms", 0),
                "no data" if size is None else f"{size / 1e3:.1f}",
                spelled("cpu_ms_per_refresh", 1),
                spelled("statements_of_viewers", 1),
                spelled("statements", 1),
                spelled("resident_mb", 0),
                str(sum(run["missed"] for run in runs)),
                str(sum(run["failures"] + run["exceptions"] for run in runs)),
            ]


def print_tables(results: Results) -> None:
    """Prints everything, the verdicts last."""
    console = Console(width=150)
    shown = Table(*_HEADINGS, title="Viewers of a live page, medians of the rounds")
    for row in rows(results):
        shown.add_row(*row)
    console.print(shown)
    for hold in holds(results):
        print(hold.line())


def markdown(results: Results) -> list[str]:
    """The bench's part of the performance page."""
    return [
        "",
        measured_on(results["machine"]),
        f"Meanwhile there were {results['saves_per_second']:g} saves a second.",
        link_to_numbers("bench.viewers"),
        "",
        *markdown_of_holds(holds(results)),
        "",
        *markdown_table(_HEADINGS, list(rows(results))),
        "",
    ]


def _counts(results: Results) -> list[int]:
    return sorted({run["viewers"] for run in results["runs"]})


def _runs(results: Results, page: str, count: int) -> list[Results]:
    return [run for run in results["runs"] if run["page"] == page and run["viewers"] == count]


def _median(runs: Sequence[Results], name: str) -> float | None:
    """The median of a number over some runs; None where none of them has it."""
    found = [float(run[name]) for run in runs if run[name] is not None]
    return statistics.median(found) if found else None


def _cpu_ratio(results: Results, page: str, count: int) -> float | None:
    """How many times the CPU of a refresh of the yardstick; None if either was not measured."""
    found, against = (
        _median(_runs(results, each, count), "cpu_ms_per_refresh") for each in (page, YARDSTICK)
    )
    return None if found is None or not against or against < 0 else found / against


def _statements_ratio(results: Results, page: str, few: int, many: int) -> float | None:
    found, against = (
        _median(_runs(results, page, count), "statements_of_viewers") for count in (many, few)
    )
    return None if found is None or not against or against < 0 else found / against
