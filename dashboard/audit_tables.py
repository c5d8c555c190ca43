"""The audit trail as a table and as a file: text that nobody interprets.

Pure functions.
"""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Sequence
from typing import Final

import pandas as pd

from dashboard.quote_words import cut
from engine.access.audit_trail import Event
from engine.attempts.words import instant
from engine.rollups.export import cell_text

WHEN: Final = "When, UTC"
OUTCOME: Final = "Outcome"
CORRELATION_ID: Final = "Correlation id"
OUTCOMES: Final = {"done": "green", "refused": "orange"}
_FILE: Final = (
    "id", "happened_at", "action", "outcome", "error_code", "account_id", "actor", "way",
    "address", "subject_kind", "subject_id", "correlation_id", "details",
)  # fmt: skip


def table(events: Sequence[Event]) -> pd.DataFrame:
    """Events, one a row, in their order."""
    return pd.DataFrame(
        {
            WHEN: [instant(each.happened_at)[: -len(" UTC")] for each in events],
            "Actor": [cut(each.actor) for each in events],
            "Action": [cut(each.action) for each in events],
            OUTCOME: [[each.outcome] for each in events],
            "Details": [cut(details(each)) for each in events],
            CORRELATION_ID: [cut(each.correlation_id) for each in events],
            "Subject": [_subject(each) for each in events],
            "Code": [each.error_code or "" for each in events],
            "Where": [_where(each) for each in events],
        }
    )


def details(event: Event) -> str:
    """The facts of an event as one line: name: value; name: value."""
    ordered = sorted(event.details, key=_order)
    return "; ".join(f"{name}: {_plain(event.details[name])}" for name in ordered)


def as_csv(events: Sequence[Event]) -> str:
    """Events as a file for spreadsheets: a text that would run as a formula gets an apostrophe."""
    out = io.StringIO(newline="")
    writer = csv.writer(out, lineterminator="\r\n")
    writer.writerow(_FILE)
    for each in events:
        values = [getattr(each, name) for name in _FILE[:-1]]
        values.append(json.dumps(each.details, default=str, sort_keys=True))
        writer.writerow(cell_text(value) for value in values)
    return out.getvalue()


def _order(name: str) -> tuple[bool, str]:
    """What was before stands before what is now; the database keeps no order."""
    return name != "old", name


def _plain(value: object) -> str:
    match value:
        case None:
            return "none"
        case dict():
            return ", ".join(f"{name} {_plain(value[name])}" for name in sorted(value, key=_order))
        case _:
            return str(value)


def _subject(event: Event) -> str:
    return cut(" ".join(each for each in (event.subject_kind, event.subject_id) if each))


def _where(event: Event) -> str:
    return cut(" ".join(each for each in (event.way, event.address) if each))
