"""What an attempt costs to keep: its row, each of its indexes, and its part of the rollups."""

from __future__ import annotations

from typing import Any, Final

from bench.ledgers import Ledger
from engine.rollups.grid import Tier

_LEDGER: Final = """
    SELECT
        coalesce(p.relname, 'rows') AS part,
        sum(pg_total_relation_size(c.oid) - coalesce(pg_indexes_size(c.oid), 0))
            FILTER (WHERE c.relkind = 'r') AS heap,
        sum(pg_relation_size(c.oid)) FILTER (WHERE c.relkind = 'i') AS index
    FROM (
        SELECT relid AS oid FROM pg_partition_tree('attempt') WHERE isleaf
        UNION ALL
        SELECT i.indexrelid
        FROM pg_partition_tree('attempt') AS t
        JOIN pg_index i ON i.indrelid = t.relid
        WHERE t.isleaf
    ) AS leaf
    JOIN pg_class c ON c.oid = leaf.oid
    LEFT JOIN pg_inherits h ON h.inhrelid = c.oid AND c.relkind = 'i'
    LEFT JOIN pg_class p ON p.oid = h.inhparent
    GROUP BY 1
"""
_ROLLUPS: Final = """
    SELECT tier, count(*), sum(pg_column_size(r.*)), avg(cardinality(slots))
    FROM attempt_rollup AS r
    GROUP BY tier
    ORDER BY tier
"""


def measure(ledger: Ledger) -> dict[str, Any]:
    """Bytes of each part of the ledger, and of the rollups by tier."""
    parts = {
        str(part): int(heap or index or 0)
        for part, heap, index in ledger.superuser.execute(_LEDGER).fetchall()
    }
    whole = ledger.superuser.execute(
        "SELECT pg_total_relation_size('attempt_rollup'), pg_indexes_size('attempt_rollup'),"
        " (SELECT sum(rolled) FROM rollup_state)"
    ).fetchone()
    if whole is None:
        raise SystemExit("the rollups say nothing of their size")
    total, indexes, attempts = map(int, whole)
    return {
        "size": ledger.name,
        "attempts": attempts,
        "bytes_per_attempt": {
            name: size / attempts for name, size in sorted(parts.items(), key=lambda p: -p[1])
        },
        "rollup_bytes": total,
        "rollup_index_bytes": indexes,
        "rollup_tiers": [
            {
                "tier": Tier(tier).name.lower().replace("_", " "),
                "rows": int(rows),
                "bytes_per_row": float(size) / rows,
                "slots_per_row": float(slots),
            }
            for tier, rows, size, slots in ledger.superuser.execute(_ROLLUPS).fetchall()
        ],
    }
