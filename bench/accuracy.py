"""How far percentiles of merged histograms are from exact ones of the rows."""

from __future__ import annotations

import time
from typing import Any, Final

from psycopg import sql

from bench.ledgers import Ledger
from bench.questions import LENGTHS
from engine.quotes.lifecycle import Operation
from engine.rollups.grid import window_until
from engine.rollups.histogram import TOLD_SHARES, percentiles_us
from engine.rollups.selection import Filter, Selection
from engine.rollups.series import looking

_PATIENCE_S: Final = 600.0
_EXACT: Final = """
    SELECT count(*), percentile_disc({shares}::float8[]) WITHIN GROUP (ORDER BY duration_us)
    FROM attempt
    WHERE {condition} AND duration_us > 0
"""


def measure(ledger: Ledger) -> dict[str, Any]:
    """The largest relative error of each percentile, over all windows and operations."""
    largest = dict.fromkeys(TOLD_SHARES, 0.0)
    compared = miscounted = 0
    with ledger.pool.connection(time.monotonic() + _PATIENCE_S) as connection:
        for length in LENGTHS.values():
            window = window_until(ledger.newest, length)
            for operation in (None, *Operation):
                wanted = Filter(operation)
                statement = sql.SQL(_EXACT).format(
                    shares=sql.Literal(list(TOLD_SHARES)),
                    condition=Selection(window, wanted).condition(),
                )
                row = connection.execute(statement, prepare=False).fetchone()
                with looking(connection) as look:
                    counts = look.whole(window, wanted)
                found = percentiles_us(counts.histogram, TOLD_SHARES)
                if row is None or row[1] is None or found is None:
                    miscounted += bool(counts.timed) or bool(row and row[0])
                    continue
                compared += 1
                miscounted += counts.timed != row[0]
                for share, exact, estimate in zip(TOLD_SHARES, row[1], found, strict=True):
                    largest[share] = max(largest[share], abs(estimate - exact) / exact)
    return {
        "size": ledger.name,
        "series": compared,
        "miscounted": miscounted,
        "largest_error": {f"{share:g}": error for share, error in largest.items()},
    }
