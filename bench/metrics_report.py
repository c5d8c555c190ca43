"""The metrics bench's results as lines of verdict, tables for the terminal and Markdown."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Final, NamedTuple

from rich.console import Console
from rich.table import Table

from bench.document import link_to_numbers, markdown_table, measured_on
from bench.holds import Hold, worst
from bench.holds import markdown as markdown_of_holds
from bench.ledgers import size_name

# What architecture.md promises.
_HEADLINE_TIMES: Final = 3.0
_HEADLINE_MS: Final = 50.0
_LOOKUP_TIMES: Final = 2.0
_LOOKUP_P99_MS: Final = 5.0
_ROLLER_LOSS_PERCENT: Final = 5.0
_ERROR_PERCENT: Final = 1.0

Results = Mapping[str, Any]


class Section(NamedTuple):
    """A table of results."""

    title: str
    headings: Sequence[str]
    rows: Sequence[Sequence[str]]


def holds(results: Results) -> list[Hold]:
    """What is held of the ledger, the largest size against the smallest one."""
    small, large = _ends(results)
    names = f"{large.upper()} against {small.upper()} attempts"
    return [
        worst(
            f"headline numbers, any window, database time, {names}",
            list(_headline_ratios(results)),
            _HEADLINE_TIMES,
            "times",
        ),
        worst(
            f"headline numbers, any window, database time, {large.upper()} attempts",
            [(case["window"], case["sizes"][large]["database_ms"]) for case in _headline(results)],
            _HEADLINE_MS,
            "ms",
        ),
        worst(
            f"look-up of a correlation id, median database time, {names}",
            list(_lookup_ratios(results, small, large)),
            _LOOKUP_TIMES,
            "times",
        ),
        worst(
            f"look-up of a correlation id, p99 database time, {large.upper()} attempts",
            [
                (name, found[large]["database_ms_p99"])
                for name, found in results.get("lookup", {}).get("passes", {}).items()
            ],
            _LOOKUP_P99_MS,
            "ms",
        ),
        Hold(
            "saves lost to the roller, median of the pairs",
            100 * results["saves"]["loss"] if "saves" in results else None,
            _ROLLER_LOSS_PERCENT,
            "%",
        ),
        worst(
            "percentiles against exact ones, relative error",
            [
                (f"p{100 * float(share):g}", 100 * error)
                for share, error in results.get("accuracy", {}).get("largest_error", {}).items()
            ],
            _ERROR_PERCENT,
            "%",
        ),
        Hold(
            "windows whose number of attempts is not exact",
            results["accuracy"]["miscounted"] if "accuracy" in results else None,
            0,
        ),
    ]


def slow(results: Results) -> list[str]:
    """Questions that take longer than the headline numbers may, and which statement it is."""
    lines = []
    for case in results.get("questions", ()):
        for size, found in case["sizes"].items():
            if found["database_ms"] > _HEADLINE_MS:
                name, taken = max(
                    found["statements_ms"].items(), key=lambda each: each[1], default=("?", 0.0)
                )
                lines.append(
                    f"{case['question']}, {case['window']}, {size.upper()} attempts:"
                    f" {found['database_ms']:.1f} ms; most of it, {taken:.1f} ms, for: {name}"
                )
    return lines


def sections(results: Results) -> Iterator[Section]:
    """The tables, those that were not measured left out."""
    sizes = [name.upper() for name in _sizes(results)]
    if "questions" in results:
        yield Section(
            "Database time, in parentheses wall time of the client, medians in milliseconds",
            ["asked", "window", *sizes],
            [
                [case["question"], case["window"], *map(_times, case["sizes"].values())]
                for case in results["questions"]
            ],
        )
    if "lookup" in results:
        yield Section(
            f"Look-up of {results['lookup']['ids']:,} correlation ids, milliseconds",
            ["memory", "attempts", "database p50", "p99", "max", "wall p50", "p99"],
            [
                [
                    name, size.upper(),
                    *(f"{found[key]:.2f}" for key in (
                        "database_ms_p50", "database_ms_p99", "database_ms_max",
                        "wall_ms_p50", "wall_ms_p99",
                    )),
                ]
                for name, by_size in (
                    results["lookup"]["passes"] | results["lookup"].get("guesses", {})
                ).items()
                for size, found in by_size.items()
            ] + [
                ["planned anew", size.upper(), f"{found:.2f}", "", "", "", ""]
                for size, found in results["lookup"]["first_on_a_connection_ms"].items()
            ],
        )  # fmt: skip
    if "roller" in results:
        yield Section(
            "One run of the roller, medians in milliseconds: database time (wall time)",
            ["new attempts", *sizes],
            [
                [f"{runs[0]['attempts']:,}", *map(_times, runs)]
                for runs in zip(*(each["runs"] for each in results["roller"]), strict=True)
            ],
        )
    if "saves" in results:
        saves = results["saves"]
        yield Section(
            f"Saves per second, 8 at once, {saves['size'].upper()} attempts in the ledger",
            ["pair", "without the roller", "with it", "loss"],
            [
                [str(number), f"{without:,.0f}", f"{with_:,.0f}", f"{loss:.1%}"]
                for number, (without, with_, loss) in enumerate(
                    zip(saves["without"], saves["with"], saves["loss_of_pairs"], strict=True), 1
                )
            ],
        )
    if "storage" in results:
        yield from _storage(results["storage"])
    if "accuracy" in results:
        found = results["accuracy"]
        yield Section(
            f"Percentiles of {found['series']} series against exact ones,"
            f" {found['size'].upper()} attempts",
            ["percentile", "largest relative error"],
            [
                [f"p{100 * float(share):g}", f"{error:.3%}"]
                for share, error in found["largest_error"].items()
            ],
        )


def _storage(found: Sequence[Results]) -> Iterator[Section]:
    parts = list(found[-1]["bytes_per_attempt"])
    yield Section(
        "Bytes per attempt",
        ["part", *(each["size"].upper() for each in found)],
        [
            *(
                [part, *(f"{each['bytes_per_attempt'].get(part, 0):.1f}" for each in found)]
                for part in parts
            ),
            ["all", *(f"{sum(each['bytes_per_attempt'].values()):.1f}" for each in found)],
            ["rollups", *(f"{each['rollup_bytes'] / each['attempts']:.1f}" for each in found)],
        ],
    )
    yield Section(
        "Rollups, all of them in MB; rows of a tier (bytes of one, buckets of its histogram)",
        ["tier", *(each["size"].upper() for each in found)],
        [
            ["all", *(f"{each['rollup_bytes'] / 1e6:,.0f} MB" for each in found)],
            *(
                [
                    tiers[0]["tier"],
                    *(
                        f"{tier['rows']:,} ({tier['bytes_per_row']:,.0f},"
                        f" {tier['slots_per_row']:.0f})"
                        for tier in tiers
                    ),
                ]
                for tiers in zip(*(each["rollup_tiers"] for each in found), strict=True)
            ),
        ],
    )


def print_tables(results: Results) -> None:
    """Prints everything, the verdicts last."""
    console = Console(width=130)
    for section in sections(results):
        shown = Table(*section.headings, title=section.title)
        for row in section.rows:
            shown.add_row(*row)
        console.print(shown)
    for line in slow(results):
        print(f"slow: {line}")
    for hold in holds(results):
        print(hold.line())


def markdown(results: Results) -> list[str]:
    """The bench's part of the performance page."""
    lines = [
        "",
        measured_on(results["machine"]),
        link_to_numbers("bench.metrics"),
        "",
        *markdown_of_holds(holds(results)),
        "",
    ]
    for section in sections(results):
        lines += [f"### {section.title}", "", *markdown_table(section.headings, section.rows), ""]
    found = slow(results)
    if found:
        lines += [f"### Slower than {_HEADLINE_MS:g} ms", "", *(f"- {each}" for each in found), ""]
    return lines


def _sizes(results: Results) -> list[str]:
    return [size_name(rows) for rows in results["sizes"]]


def _ends(results: Results) -> tuple[str, str]:
    names = _sizes(results)
    return names[0], names[-1]


def _headline(results: Results) -> list[Results]:
    return [case for case in results.get("questions", ()) if case["is_headline"]]


def _headline_ratios(results: Results) -> Iterator[tuple[str, float]]:
    small, large = _ends(results)
    if small == large:
        return
    for case in _headline(results):
        sizes = case["sizes"]
        yield case["window"], sizes[large]["database_ms"] / sizes[small]["database_ms"]


def _lookup_ratios(results: Results, small: str, large: str) -> Iterator[tuple[str, float]]:
    if small == large:
        return
    for name, found in results.get("lookup", {}).get("passes", {}).items():
        yield name, found[large]["database_ms_p50"] / found[small]["database_ms_p50"]


def _times(found: Results) -> str:
    return f"{found['database_ms']:.2f} ({found['wall_ms']:.1f})"
