"""The rules between revisions, idempotency keys and the ledger: DI-13 and DI-15.

Retention drops the ledger's oldest days, and with them attempts whose revisions stay. What started
before `ledger_from`, where the kept days begin, is compared when its attempt is still there and
otherwise not missed.
"""

from __future__ import annotations

from typing import Final

from engine.integrity.relations import Judgment, Relation
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

# Either side may stand alone. What retention dropped is not missed.
REVISIONS_AND_ATTEMPTS: Final = Relation(
    """
    (
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
            a.correlation_id AS attempt_correlation_id
        FROM (
            SELECT *
            FROM quote_revision
            WHERE attempt_id IS NOT NULL
        ) r
        FULL JOIN (
            SELECT *
            FROM attempt
            WHERE outcome = %(committed)s
        ) a
            ON a.agent_id = r.agent_id
            AND a.started_at = r.attempt_started_at
            AND a.id = r.attempt_id
        WHERE a.id IS NOT NULL
            OR (r.attempt_started_at < %(ledger_from)s::timestamptz) IS NOT TRUE
    ) AS pair
    """,
    (
        Judgment(
            RULES["DI-13"],
            "the revision and the committed attempt do not agree, or one of them is missing",
            """
            attempt_quote_id = revision_quote_id
            AND attempt_version = revision_version
            AND attempt_operation = revision_operation
            AND attempt_correlation_id = revision_correlation_id
            """,
            "*",
        ),
    ),
)

# What an idempotency key would answer with was committed, by the attempt that it names. The key
# itself is the caller's text and is not shown.
ANSWERS: Final = Relation(
    """
    idempotency_key k
    LEFT JOIN quote_revision r
        ON r.agent_id = k.agent_id AND r.quote_id = k.quote_id AND r.version = k.version
    """,
    (
        Judgment(
            RULES["DI-13"],
            "an idempotency key answers with what its attempt did not save",
            """
            r.version IS NOT NULL
            AND coalesce(r.attempt_id, k.attempt_id) = k.attempt_id
            """,
            """
            k.agent_id, k.attempt_id, k.quote_id, k.version, r.attempt_id AS revision_attempt_id
            """,
        ),
    ),
)

REPLAYS: Final = Relation(
    """
    (
        SELECT *
        FROM attempt
        WHERE outcome = %(replayed)s
    ) a
    LEFT JOIN quote_revision r
        ON r.agent_id = a.agent_id AND r.quote_id = a.quote_id AND r.version = a.actual_version
    """,
    (
        Judgment(
            RULES["DI-13"],
            "an attempt was answered with a version that was never saved",
            "r.version IS NOT NULL",
            "a.agent_id, a.id AS attempt_id, a.started_at, a.quote_id, a.actual_version AS version",
        ),
    ),
)

# The ledger's key has the agent and the day in it, so that no constraint can see the same id twice.
ATTEMPT_IDS: Final = Relation(
    """
    (
        SELECT
            id AS attempt_id,
            count(*) AS attempts,
            min(started_at) AS first_started_at,
            max(started_at) AS last_started_at
        FROM attempt
        GROUP BY id
    ) AS ids
    """,
    (
        Judgment(
            RULES["DI-15"],
            "several attempts have this id",
            "attempts = 1",
            "attempt_id, first_started_at, last_started_at, attempts",
        ),
    ),
)

ATTEMPTS: Final = Relation(
    "attempt",
    (
        Judgment(
            RULES["DI-15"],
            "the attempt has no correlation id",
            "correlation_id <> ''",
            "agent_id, id AS attempt_id, started_at",
        ),
        Judgment(
            RULES["DI-13"],
            "the attempt was committed or replayed, and answered as if it had been refused",
            """
            outcome NOT IN (%(committed)s, %(replayed)s)
            OR http_status BETWEEN 200 AND 299
            """,
            "agent_id, id AS attempt_id, started_at, quote_id, http_status",
        ),
    ),
)

# By the attempt's id alone: this is about two requests under one id, whoever sent them.
REVISIONS_BY_ATTEMPT_ID: Final = Relation(
    """
    (
        SELECT *
        FROM quote_revision
        WHERE attempt_id IS NOT NULL
    ) r
    LEFT JOIN attempt a ON a.id = r.attempt_id
    """,
    (
        Judgment(
            RULES["DI-15"],
            "revision and attempt of one id have different correlation ids, or the revision none",
            """
            r.correlation_id <> ''
            AND coalesce(a.correlation_id, r.correlation_id) = r.correlation_id
            """,
            """
            r.agent_id, r.quote_id, r.version, r.attempt_id,
            r.correlation_id AS revision_correlation_id,
            a.correlation_id AS attempt_correlation_id
            """,
        ),
    ),
)
