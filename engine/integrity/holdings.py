"""The rules about what an agent has: clients (DI-10), quote numbers (DI-11), statistics (DI-14)."""

from __future__ import annotations

from typing import Final

from engine.integrity.relations import Judgment, Relation
from engine.integrity.rules import RULES

CLIENTS: Final = Relation(
    """
    (
        SELECT *
        FROM quote
        WHERE client_id IS NOT NULL
    ) q
    LEFT JOIN client c ON c.agent_id = q.agent_id AND c.id = q.client_id
    """,
    (
        Judgment(
            RULES["DI-10"],
            "the quote's client is not one of its agent's",
            "c.id IS NOT NULL",
            "q.agent_id, q.id AS quote_id, q.client_id",
        ),
    ),
)

# A number of another form would be looked at by no rule about numbers: DI-14 could not read it.
NUMBERS: Final = Relation(
    """
    (
        SELECT
            agent_id,
            quote_number,
            count(*) AS quotes,
            min(id::text) AS first_quote_id,
            max(id::text) AS last_quote_id
        FROM quote
        GROUP BY agent_id, quote_number
    ) AS numbers
    """,
    (
        Judgment(
            RULES["DI-11"],
            "several quotes have this number, or it has not its form",
            """
            quotes = 1
            AND quote_number ~ '^QT-[0-9]{4}-[0-9]{6,9}$'
            """,
            "*",
        ),
    ),
)

# Nothing counts while saving: an agent's statistics are what its quotes say, and what its quotes
# say must be what their histories ended with. A history without a quote shows here, too.
QUOTES_BY_STATUS: Final = Relation(
    """
    (
        SELECT
            coalesce(q.agent_id, h.agent_id) AS agent_id,
            coalesce(q.status, h.status) AS status,
            q.quotes,
            h.quotes AS quotes_by_history
        FROM (
            SELECT
                agent_id,
                status,
                count(*) AS quotes
            FROM quote
            GROUP BY agent_id, status
        ) q
        FULL JOIN (
            SELECT
                agent_id,
                status,
                count(*) AS quotes
            FROM (
                SELECT DISTINCT ON (agent_id, quote_id)
                    agent_id,
                    snapshot ->> 'status' AS status
                FROM quote_revision
                ORDER BY agent_id, quote_id, version DESC
            ) newest
            GROUP BY agent_id, status
        ) h ON h.agent_id = q.agent_id AND h.status = q.status
    ) AS statistics
    """,
    (
        Judgment(
            RULES["DI-14"],
            "the quotes in this status are not as many as the histories say",
            "quotes = quotes_by_history",
            "*",
        ),
    ),
)

# A number in use beyond those given would be given again.
NUMBERS_GIVEN: Final = Relation(
    """
    (
        SELECT
            agent_id,
            substring(quote_number FROM 4 FOR 4)::integer AS year,
            max(substring(quote_number FROM 9)::integer) AS highest
        FROM quote
        WHERE quote_number ~ '^QT-[0-9]{4}-[0-9]{6,9}$'
        GROUP BY 1, 2
    ) used
    LEFT JOIN quote_number_block b ON b.agent_id = used.agent_id AND b.year = used.year
    """,
    (
        Judgment(
            RULES["DI-14"],
            "a quote has a number that the agent was never given",
            "b.given >= used.highest",
            """
            used.agent_id, used.year, used.highest AS highest_number, b.given AS numbers_given
            """,
        ),
    ),
)
