"""The SQL that folds attempts into rollups: counted once, in tens of seconds, and added up.

Which attempts is the source's matter, see `engine.rollups.feeds`. Parameters are written into the
text as literals by their callers: the planner has to see them.
"""

# ruff: noqa: S608 - put together from constants of ours

from __future__ import annotations

from typing import Final

from engine.attempts.outcome import UNKNOWN_AGENT, Outcome, Source
from engine.errors import TAXONOMY, ErrorCode
from engine.quotes.lifecycle import Operation
from engine.rollups.counts import ALL_OPERATIONS, Traffic
from engine.rollups.grid import Tier
from engine.rollups.histogram import INDEX_SQL

# What a source has to have of each attempt.
COLUMNS: Final = (
    "agent_id",
    "started_at",
    "origin_id",
    "duration_us",
    "database_us",
    "operation",
    "outcome",
    "error_code",
    "retries",
    "path",
    "source",
)

_ABORTED: Final = TAXONOMY[ErrorCode.DATABASE_TRANSACTION_ABORTED].number
_GRAIN: Final = Tier.TEN_SECONDS.length.total_seconds()

# Who shows an ended key is nobody that we know, though the ledger says whose it was: otherwise a
# key that leaked and was revoked could still spend the error budget.
# Failures count against us although nobody was known yet: an absent database knows nobody.
BEFORE_AGENT_SQL: Final = (
    f"(outcome = {Outcome.REJECTED.value} AND (agent_id = '{UNKNOWN_AGENT}'"
    f" OR error_code IS NOT DISTINCT FROM {TAXONOMY[ErrorCode.AUTHENTICATION_FAILED].number}))"
)
TRAFFIC_SQL: Final = f"""
        CASE
            WHEN source = {Source.LIVE} AND {BEFORE_AGENT_SQL}
            THEN {Traffic.UNKNOWN_CALLER}
            ELSE source
        END"""

# An attempt without a duration is one whose process died.
CELLS: Final = f"""
    SELECT
        date_bin('{_GRAIN} seconds', started_at, TIMESTAMPTZ 'epoch') AS grain,
        operation,
        {TRAFFIC_SQL.strip()}::smallint AS traffic,
        path,
        outcome,
        coalesce(error_code, 0) AS code,
        CASE WHEN duration_us > 0 THEN {INDEX_SQL.format(us="duration_us")} END AS slot,
        count(*) AS attempts,
        count(*) FILTER (WHERE retries > 0 AND error_code IS DISTINCT FROM {_ABORTED}) AS retried,
        count(*) FILTER (WHERE has_edge AND operation <> {Operation.EXPIRE.value}) AS at_edge,
        count(*) FILTER (WHERE duration_us >= {{p95_us}}) AS over_p95,
        count(*) FILTER (WHERE duration_us >= {{p99_us}}) AS over_p99,
        sum(duration_us) AS duration_us,
        sum(database_us) AS database_us,
        max(duration_us) AS longest_us
    FROM ({{source}}) AS fresh
    LEFT JOIN origin ON origin.id = fresh.origin_id
    WHERE {{condition}}
    GROUP BY 1, 2, 3, 4, 5, 6, 7
"""

_OUTCOMES_COUNTED: Final = ", ".join(
    f"coalesce(sum(attempts) FILTER (WHERE outcome = {outcome}), 0)" for outcome in Outcome
)
_OUTCOMES_ADDED: Final = ", ".join(
    f"r.outcomes[{outcome}] + excluded.outcomes[{outcome}]" for outcome in Outcome
)
_KEY: Final = "tier, bucket, operation, traffic, path"


def _added(names: str, counts: str) -> str:
    """Two columns of a row that is there and of one that comes, counted by name: sorted arrays."""
    return f"""
                SELECT
                    coalesce(array_agg(name ORDER BY name), '{{{{}}}}'),
                    coalesce(array_agg(count ORDER BY name), '{{{{}}}}')
                FROM (
                    SELECT name, sum(count)::integer AS count
                    FROM (
                        SELECT * FROM unnest(r.{names}, r.{counts})
                        UNION ALL
                        SELECT * FROM unnest(excluded.{names}, excluded.{counts})
                    ) AS either (name, count)
                    GROUP BY name
                ) AS both_
            """


FOLD: Final = f"""
    -- Every tier is counted from the same cells; operation {ALL_OPERATIONS} is all of them.
    WITH {{beforehand}} cells AS MATERIALIZED ({{cells}}),
    spread AS MATERIALIZED (
        SELECT
            tier.tier,
            date_bin(tier.length, cells.grain, TIMESTAMPTZ 'epoch') AS bucket,
            operations.operation,
            cells.traffic,
            cells.path,
            cells.outcome,
            cells.code,
            cells.slot,
            sum(cells.attempts) AS attempts,
            sum(cells.retried) AS retried,
            sum(cells.at_edge) AS at_edge,
            sum(cells.over_p95) AS over_p95,
            sum(cells.over_p99) AS over_p99,
            sum(cells.duration_us) AS duration_us,
            sum(cells.database_us) AS database_us,
            max(cells.longest_us) AS longest_us
        FROM cells
        JOIN (VALUES {{tiers}}) AS tier (tier, length, kept_from)
            ON tier.kept_from IS NULL OR cells.grain >= tier.kept_from
        CROSS JOIN LATERAL (VALUES (cells.operation), ({ALL_OPERATIONS}::smallint))
            AS operations (operation)
        GROUP BY 1, 2, 3, 4, 5, 6, 7, 8
    ),
    totals AS (
        SELECT
            {_KEY},
            sum(attempts)::integer AS attempts,
            ARRAY[{_OUTCOMES_COUNTED}]::integer[] AS outcomes,
            sum(retried)::integer AS retried,
            sum(at_edge)::integer AS at_edge,
            coalesce(sum(attempts) FILTER (WHERE slot IS NOT NULL), 0)::integer AS timed,
            sum(over_p95)::integer AS over_p95,
            sum(over_p99)::integer AS over_p99,
            sum(duration_us)::bigint AS duration_us,
            sum(database_us)::bigint AS database_us,
            max(longest_us) AS longest_us
        FROM spread
        GROUP BY {_KEY}
    ),
    codes AS (
        SELECT
            {_KEY},
            array_agg(code ORDER BY code) AS codes,
            array_agg(attempts ORDER BY code) AS code_counts
        FROM (
            SELECT {_KEY}, code::smallint AS code, sum(attempts)::integer AS attempts
            FROM spread
            WHERE code <> 0
            GROUP BY {_KEY}, code
        ) AS coded
        GROUP BY {_KEY}
    ),
    slots AS (
        SELECT
            {_KEY},
            array_agg(slot ORDER BY slot) AS slots,
            array_agg(attempts ORDER BY slot) AS slot_counts
        FROM (
            SELECT {_KEY}, slot, sum(attempts)::integer AS attempts
            FROM spread
            WHERE slot IS NOT NULL
            GROUP BY {_KEY}, slot
        ) AS timed
        GROUP BY {_KEY}
    ),
    folded AS (
        INSERT INTO attempt_rollup AS r (
            {_KEY}, attempts, outcomes, codes, code_counts, retried, at_edge, timed, over_p95,
            over_p99, duration_us, database_us, longest_us, slots, slot_counts
        )
        SELECT
            {_KEY}, attempts, outcomes,
            coalesce(codes, '{{{{}}}}'), coalesce(code_counts, '{{{{}}}}'), retried, at_edge, timed,
            over_p95, over_p99, duration_us, database_us, longest_us,
            coalesce(slots, '{{{{}}}}'), coalesce(slot_counts, '{{{{}}}}')
        FROM totals
        LEFT JOIN codes USING ({_KEY})
        LEFT JOIN slots USING ({_KEY})
        -- Always in the same order, so that two who write the same rows never wait in a circle.
        ORDER BY {_KEY}
        ON CONFLICT ({_KEY}) DO UPDATE SET
            attempts = r.attempts + excluded.attempts,
            outcomes = ARRAY[{_OUTCOMES_ADDED}],
            (codes, code_counts) = ({_added("codes", "code_counts")}),
            retried = r.retried + excluded.retried,
            at_edge = r.at_edge + excluded.at_edge,
            timed = r.timed + excluded.timed,
            over_p95 = r.over_p95 + excluded.over_p95,
            over_p99 = r.over_p99 + excluded.over_p99,
            duration_us = r.duration_us + excluded.duration_us,
            database_us = r.database_us + excluded.database_us,
            longest_us = greatest(r.longest_us, excluded.longest_us),
            (slots, slot_counts) = ({_added("slots", "slot_counts")})
    )
    SELECT coalesce(sum(attempts), 0)::bigint FROM cells
"""
