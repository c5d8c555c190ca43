"""The rules in force, as an installation has them: those of the release, with what was changed."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Final

import psycopg
import structlog

from engine.alerting.changes import in_force
from engine.alerting.loading import own_rules
from engine.alerting.rules import Rule
from engine.errors import SetupError


def read_rules_in_force(connection: psycopg.Connection[Any]) -> Sequence[Rule]:
    """The rules in force; a change that this release cannot make is left out, and said.

    Raises:
        psycopg.Error: the database could not be asked.
    """
    rules = own_rules()
    changes: dict[str, Mapping[str, Any]] = dict(connection.execute(_NEWEST).fetchall())
    try:
        return in_force(rules, changes)
    except SetupError:
        return _one_by_one(rules, changes)


def _one_by_one(rules: Sequence[Rule], changes: Mapping[str, Mapping[str, Any]]) -> Sequence[Rule]:
    """A change of another release must not put all the others out of force."""
    found: list[Rule] = []
    for rule in rules:
        try:
            found += in_force([rule], changes)
        except SetupError as error:
            structlog.get_logger().warning("alert_rule_change_left_out", reason=str(error))
            found.append(rule)
    return found


_NEWEST: Final = """
    SELECT DISTINCT ON (rule_id) rule_id, body
    FROM alert_rule_change
    ORDER BY rule_id, made_at DESC, id DESC
"""
