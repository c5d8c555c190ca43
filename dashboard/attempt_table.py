"""The rows of a selection as a table: text that nobody interprets."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

import pandas as pd
import streamlit as st

from dashboard import lookup_link, receipt_words, tables, wording
from dashboard.panels import ROW_HEIGHT
from engine.rollups.rows import Row

_DATABASE: Final = "Database, ms"
_VERSIONS: Final = "Versions"
_NEWEST: Final = "Attempts, newest first"
_WIDTHS: Final = {tables.STARTED: 190, tables.OUTCOME: 90, tables.CODE: 200, tables.QUOTE: 100}


def frame(rows: Sequence[Row]) -> pd.DataFrame:
    """The rows as a data frame, in their order; what became of an attempt stands first."""
    return pd.DataFrame(
        {
            tables.STARTED: [receipt_words.instant(each.started_at)[:-4] for each in rows],
            tables.OUTCOME: [each.outcome for each in rows],
            tables.CODE: [each.error_code or "" for each in rows],
            tables.CORRELATION_ID: [each.correlation_id for each in rows],
            "Operation": [each.operation for each in rows],
            tables.DURATION: [wording.known_tenths(each.duration_us) for each in rows],
            _DATABASE: [
                wording.tenths(each.database_us) if each.duration_us else None for each in rows
            ],
            "Retries": [each.retries for each in rows],
            _VERSIONS: [_versions(each) for each in rows],
            tables.QUOTE: [wording.short_id(each.quote_id) for each in rows],
            "Path": [each.path for each in rows],
            "Source": [each.source for each in rows],
        }
    )


def draw(rows: Sequence[Row]) -> None:
    """The table; a correlation id in it leads to its story."""
    shown, leading = lookup_link.leading(
        tables.packed(frame(rows)), tables.CORRELATION_ID, key="pick_attempt"
    )
    st.dataframe(
        shown,
        hide_index=True,
        row_height=ROW_HEIGHT,
        height="content",
        key="attempts",
        alt=_NEWEST,
        column_config={
            **{name: st.column_config.TextColumn(width=width) for name, width in _WIDTHS.items()},
            **leading,
            tables.DURATION: st.column_config.NumberColumn(format="%,.1f"),
            _DATABASE: st.column_config.NumberColumn(format="%,.1f"),
        },
    )


def _versions(row: Row) -> str:
    """3 → 4: the version it started from, and that of the quote; only what is known."""
    if row.expected_version is None and row.actual_version is None:
        return ""
    started_from = "" if row.expected_version is None else row.expected_version
    return f"{started_from} → {'' if row.actual_version is None else row.actual_version}".strip()
