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

from dashboard import audit_words
from dashboard.audit_words import Names
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


def table(events: Sequence[Event], names: Names) -> pd.DataFrame:
    """Events, one a row, in their order.

    Args:
        events: of the trail.
        names: e-mail addresses of the accounts that they speak of, those that there are.
    """
    return pd.DataFrame(
        {
            WHEN: [instant(each.happened_at)[: -len(" UTC")] for each in events],
            "Actor": [cut(audit_words.actor(each)) for each in events],
            "Action": [cut(audit_words.action(each.action)) for each in events],
            OUTCOME: [[each.outcome] for each in events],
            "Subject": [cut(audit_words.subject(each, names)) for each in events],
            "Code": [each.error_code or "" for each in events],
            "Where": [_where(each) for each in events],
            "Details": [cut(audit_words.details(each, names)) for each in events],
            CORRELATION_ID: [cut(each.correlation_id) for each in events],
        }
    )


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


def _where(event: Event) -> str:
    return cut(" ".join(each for each in (event.way, event.address) if each))
