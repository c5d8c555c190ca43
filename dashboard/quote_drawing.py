"""What the sections of a quote's page draw alike."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

import pandas as pd
import pyarrow as pa
import streamlit as st

from dashboard import wording
from dashboard.memory import Known
from dashboard.panels import ROW_HEIGHT

# Longer tables scroll by themselves: what stands below them must not be out of reach.
_ROWS_MAX: Final = 25


def stale(known: Known[Any], what: str) -> None:
    """Says that something could not be read, and why."""
    if known.freshness.is_stale:
        st.error(f"{what}: {known.freshness.reason}.", icon=":material/cloud_off:")


def verdicts(words: tuple[wording.Words, ...]) -> Any:  # noqa: ANN401  # no public name for it
    """A column of one coloured word."""
    return coloured({each.text: each.colour for each in words})


def coloured(colours: Mapping[str, str]) -> Any:  # noqa: ANN401  # likewise
    """The same by word."""
    return st.column_config.MultiselectColumn(
        options=list(colours), color=list(colours.values()), width=115
    )


def table(
    shown: pd.DataFrame | pa.Table,
    key: str,
    alt: str,
    columns: dict[str, Any],
    *,
    rows_max: int = _ROWS_MAX,
) -> None:
    """A table of text that nobody interprets; one with more rows scrolls by itself."""
    with st.container(key=f"{key}-table"):
        st.dataframe(
            shown,
            hide_index=True,
            row_height=ROW_HEIGHT,
            height="content" if len(shown) <= rows_max else (rows_max + 1) * ROW_HEIGHT + 2,
            key=key,
            alt=alt,
            column_config=columns,
        )
