"""The rules between quotes, their revisions and the ledger: DI-2, 13, 15 and 16.

Retention drops the ledger's oldest days, and with them attempts whose revisions stay. What started
before `ledger_from`, where the kept days begin, is compared when its attempt is still there and
otherwise not missed.
"""

from __future__ import annotations

from typing import Final

from engine.integrity.relations import Check
from engine.integrity.rules import RULES

# The lower bound of the oldest day that has a partition of its own, as text: Python has no word for
# minus infinity, which it is when there is none.
LEDGER_FROM: Final = """
    SELECT coalesce(
        min(
            coalesce(
                substring(
                    pg_get_expr(c.relpartbound, c.oid)
                    FROM $$^FOR VALUES FROM \\('([^']+)'\\)$$
                )::timestamptz,
                '-infinity'
            )
        ),
        '-infinity'
    )::text
    FROM pg_inherits i
    JOIN pg_class c ON c.oid = i.inhrelid
    WHERE i.inhparent = 'attempt'::regclass
        AND pg_get_expr(c.relpartbound, c.oid) <> 'DEFAULT'
"""

# The distinct count tells 1, 2, 3 from 1, 3, 3. Only a first revision that a migration made, which
# has no attempt, may have another number than 1.
_VERSIONS_WITHOUT_A_GAP: Final = """
    SELECT
        q.agent_id,
        q.id AS quote_id,
        q.version,
        h.lowest AS lowest_revision,
        h.highest AS highest_revision,
        h.revisions,
        h.highest = q.version
            AND h.revisions = h.highest - h.lowest + 1
            AND h.distinct_revisions = h.revisions
            AND (h.lowest = 1 OR h.lowest = h.lowest_without_attempt) AS holds
    FROM quote q
    LEFT JOIN (
        SELECT
            agent_id,
            quote_id,
            count(*) AS revisions,
            count(DISTINCT version) AS distinct_revisions,
            min(version) AS lowest,
            max(version) AS highest,
            min(version) FILTER (WHERE attempt_id IS NULL) AS lowest_without_attempt
        FROM quote_revision
        GROUP BY agent_id, quote_id
    ) h ON h.agent_id = q.agent_id AND h.quote_id = q.id
"""

# The snapshot is read back into a row, since its texts may differ where its meaning does not: a
# migration writes instants in its own session's zone. A snapshot from before a column was added
# does not hold it; it must hold what every version of the engine wrote.
_NEWEST_REVISION_IS_THE_QUOTE: Final = """
    SELECT
        q.agent_id,
        q.id AS quote_id,
        q.version,
        ARRAY(
            SELECT stands.key
            FROM jsonb_each(to_jsonb(q)) AS stands
            JOIN jsonb_each(
                to_jsonb(jsonb_populate_record(NULL::quote, r.snapshot))
            ) AS told ON told.key = stands.key
            WHERE told.value <> stands.value
            ORDER BY stands.key
        ) AS columns_that_differ,
        jsonb_populate_record(NULL::quote, r.snapshot) IS NOT DISTINCT FROM q
            OR (
                r.snapshot ?& %(snapshot_columns)s
                AND jsonb_populate_record(q, r.snapshot) IS NOT DISTINCT FROM q
            ) AS holds
    FROM quote q
    JOIN quote_revision r
        ON r.agent_id = q.agent_id AND r.quote_id = q.id AND r.version = q.version
"""

# Either side may stand alone. What retention dropped is not missed.
_REVISIONS_AND_ATTEMPTS: Final = """
    SELECT
        coalesce(r.agent_id, a.agent_id) AS agent_id,
        coalesce(r.attempt_id, a.id) AS attempt_id,
        coalesce(r.attempt_started_at, a.started_at) AS started_at,
        r.quote_id AS revision_quote_id,
        r.version AS revision_version,
        r.operation AS revision_operation,
        r.correlation_id AS revision_correlation_id,
        a.quote_id AS attempt_quote_id,
        a.actual_version AS attempt_version,
        a.operation AS attempt_operation,
        a.correlation_id AS attempt_correlation_id,
        a.quote_id = r.quote_id
            AND a.actual_version = r.version
            AND a.operation = r.operation
            AND a.correlation_id = r.correlation_id AS holds
    FROM (
        SELECT *
        FROM quote_revision
        WHERE attempt_id IS NOT NULL
    ) r
    FULL JOIN (
        SELECT *
        FROM attempt
        WHERE outcome = %(committed)s
    ) a ON a.agent_id = r.agent_id AND a.started_at = r.attempt_started_at AND a.id = r.attempt_id
    WHERE a.id IS NOT NULL
        OR (r.attempt_started_at < %(ledger_from)s::timestamptz) IS NOT TRUE
"""

# A migration gives a quote that it finds its first revision, and no other.
_REVISIONS_WITHOUT_ATTEMPT: Final = """
    SELECT
        agent_id,
        quote_id,
        min(version) AS first_revision,
        count(*) FILTER (WHERE attempt_id IS NULL) AS revisions_without_attempt,
        max(version) FILTER (WHERE attempt_id IS NULL) AS last_without_attempt,
        max(version) FILTER (WHERE attempt_id IS NULL) = min(version) AS holds
    FROM quote_revision
    GROUP BY agent_id, quote_id
    HAVING count(*) FILTER (WHERE attempt_id IS NULL) > 0
"""

# What an idempotency key would answer with was committed, by the attempt that it names. The key
# itself is the caller's text and is not shown.
_ANSWERS_OF_KEYS: Final = """
    SELECT
        k.agent_id,
        k.attempt_id,
        k.quote_id,
        k.version,
        r.attempt_id AS revision_attempt_id,
        r.version IS NOT NULL
            AND coalesce(r.attempt_id, k.attempt_id) = k.attempt_id AS holds
    FROM idempotency_key k
    LEFT JOIN quote_revision r
        ON r.agent_id = k.agent_id AND r.quote_id = k.quote_id AND r.version = k.version
"""

_REPLAYS: Final = """
    SELECT
        a.agent_id,
        a.id AS attempt_id,
        a.started_at,
        a.quote_id,
        a.actual_version AS version,
        r.version IS NOT NULL AS holds
    FROM attempt a
    LEFT JOIN quote_revision r
        ON r.agent_id = a.agent_id AND r.quote_id = a.quote_id AND r.version = a.actual_version
    WHERE a.outcome = %(replayed)s
"""

# The ledger's key has the agent and the day in it, so that no constraint can see the same id twice.
_ATTEMPT_IDS: Final = """
    SELECT
        id AS attempt_id,
        count(*) AS attempts,
        min(started_at) AS first_started_at,
        max(started_at) AS last_started_at,
        (array_agg(DISTINCT agent_id))[1:5] AS agent_ids,
        (array_agg(DISTINCT correlation_id))[1:5] AS correlation_ids,
        count(*) = 1 AS holds
    FROM attempt
    GROUP BY id
"""

_CORRELATION_OF_ATTEMPTS: Final = """
    SELECT
        agent_id,
        id AS attempt_id,
        started_at,
        correlation_id <> '' AS holds
    FROM attempt
"""

# By the attempt's id alone: this is about two requests under one id, whoever sent them.
_CORRELATION_OF_REVISIONS: Final = """
    SELECT
        r.agent_id,
        r.quote_id,
        r.version,
        r.attempt_id,
        r.correlation_id AS revision_correlation_id,
        a.correlation_id AS attempt_correlation_id,
        r.correlation_id <> ''
            AND coalesce(a.correlation_id, r.correlation_id) = r.correlation_id AS holds
    FROM quote_revision r
    LEFT JOIN attempt a ON a.id = r.attempt_id
    WHERE r.attempt_id IS NOT NULL
"""

# Changes from before `ledger_from` are counted by their revisions, later ones by their attempts.
# The version at which a migration found a quote counts for the changes before it.
_VERSIONS_AND_CHANGES: Final = """
    SELECT
        q.agent_id,
        q.id AS quote_id,
        q.version,
        coalesce(h.found_at_version, 0) AS found_at_version,
        coalesce(h.changes_before_ledger, 0) AS changes_before_ledger,
        coalesce(a.changes, 0) AS changes_in_ledger,
        q.version
            = coalesce(h.found_at_version, 0)
            + coalesce(h.changes_before_ledger, 0)
            + coalesce(a.changes, 0) AS holds
    FROM quote q
    LEFT JOIN (
        SELECT
            agent_id,
            quote_id,
            min(version) FILTER (WHERE attempt_id IS NULL) AS found_at_version,
            count(*) FILTER (
                WHERE attempt_started_at < %(ledger_from)s::timestamptz
            ) AS changes_before_ledger
        FROM quote_revision
        GROUP BY agent_id, quote_id
    ) h ON h.agent_id = q.agent_id AND h.quote_id = q.id
    LEFT JOIN (
        SELECT
            agent_id,
            quote_id,
            count(*) AS changes
        FROM attempt
        WHERE outcome = %(committed)s
            AND started_at >= %(ledger_from)s::timestamptz
        GROUP BY agent_id, quote_id
    ) a ON a.agent_id = q.agent_id AND a.quote_id = q.id
"""

CHECKS: Final = (
    Check(
        RULES["DI-2"],
        "the quote's version and its revisions do not fit together",
        _VERSIONS_WITHOUT_A_GAP,
    ),
    Check(
        RULES["DI-2"],
        "the newest revision does not say what the quote says",
        _NEWEST_REVISION_IS_THE_QUOTE,
    ),
    Check(
        RULES["DI-13"],
        "the revision and the committed attempt do not agree, or one of them is missing",
        _REVISIONS_AND_ATTEMPTS,
    ),
    Check(
        RULES["DI-13"],
        "a revision that is not the quote's first has no attempt",
        _REVISIONS_WITHOUT_ATTEMPT,
    ),
    Check(
        RULES["DI-13"],
        "an idempotency key answers with what its attempt did not save",
        _ANSWERS_OF_KEYS,
    ),
    Check(
        RULES["DI-13"],
        "an attempt was answered with a version that was never saved",
        _REPLAYS,
    ),
    Check(
        RULES["DI-15"],
        "several attempts have this id",
        _ATTEMPT_IDS,
    ),
    Check(
        RULES["DI-15"],
        "the attempt has no correlation id",
        _CORRELATION_OF_ATTEMPTS,
    ),
    Check(
        RULES["DI-15"],
        "revision and attempt of one id have different correlation ids, or the revision none",
        _CORRELATION_OF_REVISIONS,
    ),
    Check(
        RULES["DI-16"],
        "the version is not the number of committed changes",
        _VERSIONS_AND_CHANGES,
    ),
)
