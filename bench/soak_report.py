"""The soak's result as lines of verdict and Markdown."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from bench.document import link_to_numbers, markdown_table, measured_on
from bench.holds import Hold
from bench.holds import markdown as markdown_of_holds

# Half a gigabyte in a week without a restart; a machine that runs the dashboard has that.
_MB_PER_HOUR: Final = 3.0
# In less time a slope by the hour says nothing.
_LEAST_MINUTES: Final = 10.0

Results = Mapping[str, Any]


def holds(results: Results) -> list[Hold]:
    """What is held of a page that is left open.

    Memory counts as growing only when that is certain, and goes on: the lower end of each slope's
    interval, and the smaller one of them.
    """
    slopes = [slope for slope in results["slopes_mb_per_hour"].values() if slope is not None]
    is_known = bool(slopes) and results["minutes"] >= _LEAST_MINUTES
    return [
        Hold(
            "growth of resident memory that is certain (95 %) and goes on",
            max(min(slope["at_least"] for slope in slopes), 0.0) if is_known else None,
            _MB_PER_HOUR,
            "MB/h",
        ),
        Hold("refreshes that failed, or showed an exception", results["failed"], 0),
    ]


def facts(results: Results) -> list[list[str]]:
    """What was seen, one row each."""
    rows = [
        ["minutes", f"{results['minutes']:g}"],
        ["page", f"{results['page']}, {results['viewers']} viewers"],
        ["saves per second", f"{results['saves_per_second']:g}"],
        ["resident at the start", f"{results['resident_mb_at_start']:.1f} MB"],
        ["after warm-up", f"{results['resident_mb_after_warm_up']:.1f} MB"],
        ["at the end", f"{results['resident_mb_at_end']:.1f} MB"],
        ["at most", f"{results['resident_mb_most']:.1f} MB"],
        *(
            [f"slope {name}", _spelled(slope)]
            for name, slope in results["slopes_mb_per_hour"].items()
        ),
        ["refreshes", f"{results['refreshes']:,}, {results['missed']} missed"],
    ]
    rows += [
        [f"latency, {name}", ", ".join(f"{key} {value:.0f} ms" for key, value in part.items())]
        for name, part in results["latency_ms"].items()
    ]
    return rows


def _spelled(slope: Mapping[str, float] | None) -> str:
    if slope is None:
        return "no data"
    return f"{slope['estimate']:.2f} MB/h (95 %: {slope['at_least']:.2f} to {slope['at_most']:.2f})"


def print_tables(results: Results) -> None:
    """Prints everything, the verdicts last."""
    for name, value in facts(results):
        print(f"{name}: {value}")
    for hold in holds(results):
        print(hold.line())


def markdown(results: Results) -> list[str]:
    """The bench's part of the performance page."""
    return [
        "",
        measured_on(results["machine"]),
        link_to_numbers("bench.soak"),
        "",
        *markdown_of_holds(holds(results)),
        "",
        *markdown_table(["", "seen"], facts(results)),
        "",
    ]
