"""The rules about what an agent has: clients (DI-10), quote numbers (DI-11), statistics (DI-14)."""

from __future__ import annotations

from typing import Final

from engine.integrity.relations import Check
from engine.integrity.rules import RULES

_CLIENTS: Final = """
    SELECT
        q.agent_id,
        q.id AS quote_id,
        q.client_id,
        c.id IS NOT NULL AS holds
    FROM quote q
    LEFT JOIN client c ON c.agent_id = q.agent_id AND c.id = q.client_id
    WHERE q.client_id IS NOT NULL
"""

# A number of another form would be looked at by no rule about numbers: DI-14 could not read it.
_NUMBERS: Final = """
    SELECT
        agent_id,
        quote_number,
        count(*) AS quotes,
        (array_agg(id ORDER BY id))[1:5] AS quote_ids,
        count(*) = 1
            AND quote_number ~ '^QT-[0-9]{4}-[0-9]{6,9}$' AS holds
    FROM quote
    GROUP BY agent_id, quote_number
"""

# Nothing counts while saving: an agent's statistics are what its quotes say, and what its quotes
# say must be what their histories ended with.
_QUOTES_BY_STATUS: Final = """
    SELECT
        coalesce(q.agent_id, h.agent_id) AS agent_id,
        coalesce(q.status, h.status) AS status,
        coalesce(q.quotes, 0) AS quotes,
        coalesce(h.quotes, 0) AS quotes_by_history,
        q.quotes = h.quotes AS holds
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
            r.agent_id,
            r.snapshot ->> 'status' AS status,
            count(*) AS quotes
        FROM quote_revision r
        JOIN (
            SELECT
                agent_id,
                quote_id,
                max(version) AS version
            FROM quote_revision
            GROUP BY agent_id, quote_id
        ) newest USING (agent_id, quote_id, version)
        GROUP BY r.agent_id, r.snapshot ->> 'status'
    ) h ON h.agent_id = q.agent_id AND h.status = q.status
"""

# A number in use beyond those given would be given again.
_NUMBERS_GIVEN: Final = """
    SELECT
        used.agent_id,
        used.year,
        used.highest AS highest_number,
        b.given AS numbers_given,
        b.given >= used.highest AS holds
    FROM (
        SELECT
            agent_id,
            substring(quote_number FROM 4 FOR 4)::integer AS year,
            max(substring(quote_number FROM 9)::integer) AS highest
        FROM quote
        WHERE quote_number ~ '^QT-[0-9]{4}-[0-9]{6,9}$'
        GROUP BY 1, 2
    ) used
    LEFT JOIN quote_number_block b ON b.agent_id = used.agent_id AND b.year = used.year
"""

CHECKS: Final = (
    Check(
        RULES["DI-10"],
        "the quote's client is not one of its agent's",
        _CLIENTS,
    ),
    Check(
        RULES["DI-11"],
        "several quotes have this number, or it has not its form",
        _NUMBERS,
    ),
    Check(
        RULES["DI-14"],
        "the quotes in this status are not as many as the histories say",
        _QUOTES_BY_STATUS,
    ),
    Check(
        RULES["DI-14"],
        "a quote has a number that the agent was never given",
        _NUMBERS_GIVEN,
    ),
)
