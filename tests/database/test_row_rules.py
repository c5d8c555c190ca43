"""The database itself refuses a row that breaks a rule, whoever writes it."""

from __future__ import annotations

from typing import Any, Final, LiteralString

import psycopg
import pytest
from psycopg import sql

from engine.attempts.tables import ATTEMPT_RULES
from engine.quotes.tables import QUOTE_RULES
from tests.support import Agency

_QUOTE_FAULTS: Final[dict[str, LiteralString]] = {
    "version_positive": "version = 0",
    "status_known": "status = 'LOST'",
    "deleted_is_cancelled": "status = 'CANCELLED'",
    "sent_has_instant": "status = 'EXPIRED'",
    "accepted_has_instant": "status = 'ACCEPTED', sent_at = now()",
    "rejected_has_instant": "status = 'REJECTED', sent_at = now()",
    "travelers_add_up": "travelers = travelers + 1",
    "dates_in_order": "end_date = start_date",
    "currency_known": "currency = 'XXX'",
    "amounts_in_bounds": "taxes = 'NaN', total = 'NaN'",
    "total_adds_up": "total = total + 1",
}
_ATTEMPT_FAULTS: Final[dict[str, LiteralString]] = {
    "operation_known": "8::smallint, 1::smallint, NULL, 'REQ-1'",
    "outcome_known": "1::smallint, 0::smallint, 18::smallint, 'REQ-1'",
    "refusal_has_code": "1::smallint, 3::smallint, NULL, 'REQ-1'",
    "correlation_given": "1::smallint, 1::smallint, NULL, ''",
}


def test_every_rule_has_a_row_that_breaks_it_here() -> None:
    assert list(_QUOTE_FAULTS) == list(QUOTE_RULES)
    assert list(_ATTEMPT_FAULTS) == list(ATTEMPT_RULES)


@pytest.mark.parametrize("rule", _QUOTE_FAULTS)
def test_a_quote_that_breaks_a_rule_is_refused_and_the_rule_has_a_name(
    rule: str, agency: Agency
) -> None:
    agency.create()
    update: Any = sql.SQL("UPDATE quote SET ") + sql.SQL(_QUOTE_FAULTS[rule])
    with psycopg.connect(agency.runtime.target.owner, autocommit=True) as owner:
        with pytest.raises(psycopg.errors.CheckViolation):
            owner.execute(update)
        owner.execute("ALTER TABLE quote DROP CONSTRAINT quote_is_sound")
        owner.execute(update)

        assert owner.execute("SELECT quote_fault(q.*) FROM quote q").fetchall() == [(rule,)]


@pytest.mark.parametrize("rule", _ATTEMPT_FAULTS)
def test_an_attempt_that_breaks_a_rule_has_a_fault_of_its_name(rule: str, agency: Agency) -> None:
    with psycopg.connect(agency.runtime.target.app) as application:
        query: Any = (
            sql.SQL("SELECT attempt_fault(") + sql.SQL(_ATTEMPT_FAULTS[rule]) + sql.SQL(")")
        )

        assert application.execute(query).fetchone() == (rule,)


def test_an_attempt_that_breaks_a_rule_is_refused(agency: Agency) -> None:
    agency.create()
    copy: LiteralString = """
        INSERT INTO attempt
        SELECT (jsonb_populate_record(a, '{"correlation_id": ""}')).*
        FROM attempt a
    """
    with (
        psycopg.connect(agency.runtime.target.app) as application,
        pytest.raises(psycopg.errors.CheckViolation),
    ):
        application.execute(copy)
