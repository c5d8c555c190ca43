"""The bench's results as tables for the terminal and for docs/reference/performance.md."""

from __future__ import annotations

import statistics
from dataclasses import dataclass
from typing import Any

from rich.console import Console
from rich.table import Table

from bench.document import markdown_table, measured_on, write_part
from bench.measure import Sample

_NAMES = {
    "pgbench": "pgbench, the engine's SQL",
    "engine": "the engine's save",
    "bare": "the same without ledger and journal",
    "http": "the save over HTTP, 80 % update",
    "peer": "Node + Prisma over HTTP, 80 % update",
}
# A claim of architecture.md: this kind against that one, at so many workers, and what must hold.
_CLAIMS = (
    ("engine", "pgbench", 8, "throughput", ">=", 0.60),
    ("engine", "bare", 8, "throughput", ">=", 0.85),
    ("http", "peer", 8, "throughput", ">=", 8.0),
    ("http", "peer", 8, "CPU per save", "<=", 0.25),
)


@dataclass(frozen=True)
class Results:
    """Everything that one run of the bench found."""

    machine: dict[str, Any]
    samples: list[Sample]
    hot: dict[str, Any]

    def of(self, kind: str, workers: int) -> list[Sample]:
        """The rounds of one kind."""
        return [s for s in self.samples if s.kind == kind and s.workers == workers]

    def as_dict(self) -> dict[str, Any]:
        """For JSON."""
        return {
            "machine": self.machine,
            "samples": [sample.as_dict() for sample in self.samples],
            "hot_quote": self.hot,
            "claims": claims(self),
        }


def claims(results: Results) -> list[dict[str, Any]]:
    """Each claim with its ratio, the median of the rounds' ratios, and whether it holds."""
    found = []
    for kind, against, workers, what, relation, hold in _CLAIMS:
        pairs = list(zip(results.of(kind, workers), results.of(against, workers), strict=True))
        if not pairs:
            continue
        ratios = [
            a.per_second / b.per_second if what == "throughput" else _cpu(a) / _cpu(b)
            for a, b in pairs
        ]
        ratio = statistics.median(ratios)
        found.append(
            {
                "kind": kind,
                "against": against,
                "workers": workers,
                "what": what,
                "ratio": ratio,
                "rounds": ratios,
                "hold": f"{relation} {hold}",
                "holds": ratio >= hold if relation == ">=" else ratio <= hold,
            }
        )
    return found


def _cpu(sample: Sample) -> float:
    """CPU per save of both sides together."""
    return sample.client_us + sample.server_us


def rows(results: Results) -> list[list[str]]:
    """One row for each kind and number of workers: medians of the rounds."""
    table = []
    for workers in sorted({sample.workers for sample in results.samples}):
        for kind, name in _NAMES.items():
            rounds = results.of(kind, workers)
            if not rounds:
                continue

            def median(attribute: str, rounds: list[Sample] = rounds) -> float:
                return float(statistics.median(getattr(each, attribute) for each in rounds))

            table.append(
                [
                    name,
                    str(workers),
                    f"{median('per_second'):,.0f}",
                    f"{median('p50_ms'):.2f}",
                    f"{median('p95_ms'):.2f}",
                    f"{median('p99_ms'):.2f}",
                    f"{median('client_us'):,.0f}",
                    f"{median('server_us'):,.0f}",
                ]
            )
    return table


_HEADINGS = ["what", "at once", "saves/s", "p50 ms", "p95 ms", "p99 ms", "CPU µs", "server CPU µs"]


def print_tables(results: Results) -> None:
    """Prints everything."""
    console = Console()
    table = Table(*_HEADINGS, title="Saves, medians of the rounds; CPU per save")
    for row in rows(results):
        table.add_row(*row)
    console.print(table)
    held = Table("claim", "ratio", "hold", "holds", title="Claims")
    for claim in claims(results):
        held.add_row(
            f"{claim['kind']} / {claim['against']}, {claim['what']}, {claim['workers']} at once",
            f"{claim['ratio']:.2f}",
            claim["hold"],
            "yes" if claim["holds"] else "NO",
        )
    console.print(held)
    lost = Table("who", "acknowledged", "version rose by", "lost", title="32 workers on one quote")
    for who, found in results.hot.items():
        lost.add_row(
            who,
            str(found["acknowledged"]),
            str(found["rise"]),
            f"{found['lost']} ({found['lost_share']:.0%})",
        )
    console.print(lost)
    console.print(results.machine)


def write_document(results: Results) -> None:
    """Replaces the part of the performance page that this bench owns."""
    write_part("bench.save", _markdown(results))


def _markdown(results: Results) -> list[str]:
    lines = [
        "",
        measured_on(results.machine),
        "",
        "| Claim | Ratio | Hold | |",
        "|---|---|---|---|",
    ]
    lines += [
        f"| {_NAMES[claim['kind']]} against {_NAMES[claim['against']]}, {claim['what']},"
        f" {claim['workers']} at once | {claim['ratio']:.2f} | {claim['hold']} |"
        f" {'holds' if claim['holds'] else '**missed**'} |"
        for claim in claims(results)
    ]
    lines += [
        "",
        *markdown_table(_HEADINGS, rows(results)),
        "",
        "| 32 workers on one quote | acknowledged | version rose by | overwritten |",
        "|---|---|---|---|",
    ]
    lines += [
        f"| {who} | {found['acknowledged']} | {found['rise']} | {found['lost']}"
        f" ({found['lost_share']:.0%}) |"
        for who, found in results.hot.items()
    ]
    lines.append("")
    return lines
