"""The rules between a quote and its history: DI-2, DI-16, and what of DI-13 shows in it.

What every revision shows by itself is looked at, too (DI-2, DI-4, DI-5), as far as it is cheap: an
old price is added up and not computed again.
"""

from __future__ import annotations

from typing import Final

from engine.integrity.relations import Judgment, Relation
from engine.integrity.rules import RULES

# The distinct count tells 1, 2, 3 from 1, 3, 3. Only a first revision that a migration made, which
# has no attempt, may have another number than 1.
_NO_GAP: Final = Judgment(
    RULES["DI-2"],
    "the quote's version and its revisions do not fit together",
    """
    highest = version
    AND revisions = highest - lowest + 1
    AND distinct_revisions = revisions
    AND (lowest = 1 OR lowest = lowest_without_attempt)
    """,
    """
    agent_id, quote_id, version, lowest AS lowest_revision, highest AS highest_revision, revisions
    """,
)

# A migration gives a quote that it finds its first revision, and no other. Without any revision
# there is nothing to say here: that is DI-2.
_NO_ATTEMPT: Final = Judgment(
    RULES["DI-13"],
    "a revision that is not the quote's first has no attempt",
    "coalesce(highest_without_attempt, lowest) IS NOT DISTINCT FROM lowest",
    "agent_id, quote_id, lowest AS lowest_revision, highest_without_attempt",
)

# Changes from before `ledger_from` are counted by their revisions, later ones by their attempts.
# The version at which a migration found a quote counts for the changes before it.
_CHANGES: Final = Judgment(
    RULES["DI-16"],
    "the version is not the number of committed changes",
    """
    version
        = coalesce(lowest_without_attempt, 0)
        + coalesce(changes_before_ledger, 0)
        + coalesce(changes_in_ledger, 0)
    """,
    """
    agent_id, quote_id, version, lowest_without_attempt AS found_at_version,
    changes_before_ledger, coalesce(changes_in_ledger, 0) AS changes_in_ledger
    """,
)

HISTORIES: Final = Relation(
    """
    (
        SELECT
            q.agent_id,
            q.id AS quote_id,
            q.version,
            r.revisions,
            r.distinct_revisions,
            r.lowest,
            r.highest,
            r.lowest_without_attempt,
            r.highest_without_attempt,
            r.changes_before_ledger,
            a.changes_in_ledger
        FROM quote q
        LEFT JOIN (
            SELECT
                agent_id,
                quote_id,
                count(*) AS revisions,
                count(DISTINCT version) AS distinct_revisions,
                min(version) AS lowest,
                max(version) AS highest,
                min(version) FILTER (WHERE attempt_id IS NULL) AS lowest_without_attempt,
                max(version) FILTER (WHERE attempt_id IS NULL) AS highest_without_attempt,
                count(*) FILTER (
                    WHERE attempt_started_at < %(ledger_from)s::timestamptz
                ) AS changes_before_ledger
            FROM quote_revision
            GROUP BY agent_id, quote_id
        ) r ON r.agent_id = q.agent_id AND r.quote_id = q.id
        LEFT JOIN (
            SELECT
                agent_id,
                quote_id,
                count(*) AS changes_in_ledger
            FROM attempt
            WHERE outcome = %(committed)s
                AND started_at >= %(ledger_from)s::timestamptz
            GROUP BY agent_id, quote_id
        ) a ON a.agent_id = q.agent_id AND a.quote_id = q.id
    ) AS history
    """,
    (_NO_GAP, _NO_ATTEMPT, _CHANGES),
)

# The snapshot is read back into a row, since its texts may differ where its meaning does not: a
# migration writes instants in its own session's zone. The first comparison is the cheaper one and
# settles almost every row. A snapshot from before a column was added does not hold it, and is no
# fault as long as it holds what every version of the engine wrote.
_NEWEST_IS_THE_QUOTE: Final = Judgment(
    RULES["DI-2"],
    "the newest revision does not say what the quote says",
    """
    jsonb_populate_record(NULL::quote, r.snapshot) IS NOT DISTINCT FROM q
    OR (
        r.snapshot ?& %(snapshot_columns)s
        AND jsonb_populate_record(q, r.snapshot) IS NOT DISTINCT FROM q
    )
    """,
    # The names of the columns only: what they hold may be somebody's notes.
    """
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
    ) AS columns_that_differ
    """,
)

# A quote without its newest revision is not here: `HISTORIES` has it. Nor is a revision without a
# quote, which the statistics of DI-14 show.
NEWEST_REVISIONS: Final = Relation(
    """
    quote q
    JOIN quote_revision r
        ON r.agent_id = q.agent_id AND r.quote_id = q.id AND r.version = q.version
    """,
    (_NEWEST_IS_THE_QUOTE,),
    workers=1,
)

_OWN_VERSION: Final = Judgment(
    RULES["DI-2"],
    "the revision says that it is another version",
    "snapshot -> 'version' = to_jsonb(version)",
    "agent_id, quote_id, version, snapshot ->> 'version' AS version_told",
)

# An account's id or system:…, as on the quote.
_MODIFIER: Final = Judgment(
    RULES["DI-4"],
    "the revision does not say who made it",
    "modified_by <> ''",
    "agent_id, quote_id, version, modified_at",
)

# A path adds up exactly, reads the snapshot once, and is null over what is no number where a cast
# would end the run.
_OLD_TOTAL: Final = Judgment(
    RULES["DI-5"],
    "the parts of the price do not add up in the revision",
    """
    jsonb_path_match(
        snapshot,
        '$.subtotal == $.base_price + $.product_markup
            && $.total == $.subtotal + $.agent_markup + $.taxes + $.fees - $.discount',
        '{}',
        true
    )
    """,
    # As texts: a number of JSON would lose its digits on the way.
    """
    agent_id, quote_id, version, snapshot ->> 'base_price' AS base_price,
    snapshot ->> 'product_markup' AS product_markup, snapshot ->> 'subtotal' AS subtotal,
    snapshot ->> 'agent_markup' AS agent_markup, snapshot ->> 'taxes' AS taxes,
    snapshot ->> 'fees' AS fees, snapshot ->> 'discount' AS discount, snapshot ->> 'total' AS total
    """,
)

REVISIONS: Final = Relation(
    "quote_revision",
    (_OWN_VERSION, _MODIFIER, _OLD_TOTAL),
    workers=1,
)
