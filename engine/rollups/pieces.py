"""Rows of the rollups in pieces of time, each of one tier: the SQL that finds them, and its values.

What is put together from them comes before `FOUND` in a query; see `grid.cover` for the pieces.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, Final

from engine.rollups.counts import ALL_OPERATIONS
from engine.rollups.grid import Piece
from engine.rollups.selection import Filter

# One index range for each piece: without the OFFSET the planner might read a whole tier instead.
FOUND: Final = """
    FROM unnest(
        %(numbers)s::integer[], %(tiers)s::smallint[], %(starts)s::timestamptz[],
        %(ends)s::timestamptz[]
    ) AS piece (number, tier, start, finish)
    CROSS JOIN LATERAL (
        SELECT *
        FROM attempt_rollup
        WHERE tier = piece.tier
            AND bucket >= piece.start
            AND bucket < piece.finish
            AND operation = %(operation)s
            AND (%(traffic)s::smallint IS NULL OR traffic = %(traffic)s)
            AND (%(path)s::smallint IS NULL OR path = %(path)s)
        OFFSET 0
    ) AS r
"""


def values_of(pieces: Iterable[tuple[int, Piece]], wanted: Filter) -> dict[str, Any]:
    """The values that `FOUND` wants.

    Args:
        pieces: each with the number by which the query knows it; several may have one.
        wanted: which attempts the rows are to count.
    """
    pieces = list(pieces)
    return {
        "numbers": [number for number, _ in pieces],
        "tiers": [piece.tier.value for _, piece in pieces],
        "starts": [piece.start for _, piece in pieces],
        "ends": [piece.end for _, piece in pieces],
        "operation": ALL_OPERATIONS if wanted.operation is None else wanted.operation.value,
        "traffic": None if wanted.traffic is None else wanted.traffic.value,
        "path": None if wanted.path is None else wanted.path.value,
    }
