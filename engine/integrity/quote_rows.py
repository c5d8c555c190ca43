"""The rules that a quote's own row shows: DI-1, 3, 4, 5, 7, 8, 9 and 12.

Most stand as constraints on the table, too. They are looked at all the same: a constraint that was
dropped, or never validated, says nothing about the rows. One scan of the table serves all of them.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final, LiteralString

from psycopg import sql

from engine.integrity.rules import RULES, Rule


@dataclass(frozen=True, slots=True)
class RowRule:
    """A rule over the columns of one row of `quote`.

    Attributes:
        rule: which.
        holds: true for a good row; false and null are violations alike.
        shown: the columns that an offender is shown with, beside its ids.
    """

    rule: Rule
    holds: LiteralString
    shown: LiteralString


ROW_RULES: Final = (
    RowRule(
        RULES["DI-1"],
        "version >= 1",
        "version",
    ),
    RowRule(
        RULES["DI-3"],
        "(status = 'CANCELLED') = (deleted_at IS NOT NULL)",
        "status, deleted_at",
    ),
    # Whoever it was is an account's id or system:…; an empty text names nobody.
    RowRule(
        RULES["DI-4"],
        """
        last_modified_by <> ''
        AND last_modified_at IS NOT NULL
        """,
        "version, last_modified_by IS NULL AS is_modifier_missing, last_modified_at",
    ),
    # Exactly: every part is rounded before it is added.
    RowRule(
        RULES["DI-5"],
        """
        subtotal = base_price + product_markup
        AND total = subtotal + agent_markup + taxes + fees - discount
        """,
        "base_price, product_markup, subtotal, agent_markup, taxes, fees, discount, total",
    ),
    RowRule(
        RULES["DI-7"],
        """
        adults >= 1
        AND children >= 0
        AND infants >= 0
        AND travelers = adults + children + infants
        AND travelers <= %(travelers_max)s
        """,
        "adults, children, infants, travelers",
    ),
    # A day that was begun counts whole. The table's constraint knows nothing of the duration.
    RowRule(
        RULES["DI-8"],
        """
        end_date > start_date
        AND duration_days <= %(trip_days_max)s
        AND duration_days
            = ceil((extract(epoch FROM end_date) - extract(epoch FROM start_date)) / 86400)
        """,
        "start_date, end_date, duration_days",
    ),
    # For PostgreSQL NaN is greater than every number, so that a mere >= 0 lets it through.
    RowRule(
        RULES["DI-9"],
        """
        currency = ANY (%(currencies)s)
        AND agent_markup_percent BETWEEN 0 AND 100
        AND least(
            base_price, product_markup, subtotal, agent_markup, taxes, fees, discount, total,
            per_person
        ) >= 0
        AND greatest(
            base_price, product_markup, subtotal, agent_markup, taxes, fees, discount, total,
            per_person
        ) < 'Infinity'
        """,
        """
        currency, agent_markup_percent, base_price, product_markup, subtotal, agent_markup, taxes,
        fees, discount, total, per_person
        """,
    ),
    # A status that is not in this list is in no order, and so breaks the rule.
    RowRule(
        RULES["DI-12"],
        """
        CASE status
            WHEN 'DRAFT' THEN true
            WHEN 'CANCELLED' THEN true
            WHEN 'SENT' THEN sent_at IS NOT NULL
            WHEN 'EXPIRED' THEN sent_at IS NOT NULL
            WHEN 'ACCEPTED' THEN sent_at IS NOT NULL AND accepted_at IS NOT NULL
            WHEN 'REJECTED' THEN sent_at IS NOT NULL AND rejected_at IS NOT NULL
        END
        """,
        "status, sent_at, accepted_at, rejected_at",
    ),
)


def counting() -> sql.Composed:
    """The scan: one row with the number of quotes, then of offenders for each rule in order."""
    return sql.SQL("SELECT count(*), {} FROM quote").format(
        sql.SQL(", ").join(
            sql.SQL("count(*) FILTER (WHERE ({}) IS NOT TRUE)").format(sql.SQL(row_rule.holds))
            for row_rule in ROW_RULES
        )
    )


def offending(row_rule: RowRule) -> sql.Composed:
    """The first quotes that break a rule."""
    return sql.SQL(
        "SELECT agent_id, id AS quote_id, {shown} FROM quote WHERE ({holds}) IS NOT TRUE"
        " ORDER BY agent_id, id LIMIT %(offenders_max)s"
    ).format(shown=sql.SQL(row_rule.shown), holds=sql.SQL(row_rule.holds))
