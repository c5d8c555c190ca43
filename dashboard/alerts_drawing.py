"""What the views of the page of alerts draw alike: tables of them, links, and their columns."""

from __future__ import annotations

from typing import Any, Final

import pandas as pd
import streamlit as st

from dashboard import (
    alerts_address,
    alerts_view,
    alerts_words,
    lookup_link,
    navigation,
    quote_drawing,
    tables,
    viewer,
)
from dashboard.alerts_address import Asked
from engine.access.roles import Permission

_ROWS_MAX: Final = 10
_WIDTHS: Final[dict[str, int]] = {
    alerts_view.RULE: 200,
    "For": 90,
    "Why": 620,
    "Name": 260,
    "Fired, UTC": 150,
    "When, UTC": 150,
    "Decided, UTC": 150,
    "Began, UTC": 150,
    "Since, UTC": 150,
    "Until, UTC": 150,
    "Lasted": 120,
    "Message": 420,
    "Code": 200,
    "In hand": 150,
    "Turned out": 100,
    "Remark": 260,
    "From": 80,
    "After": 100,
    "Numbers": 420,
    "Channel": 90,
    "Kind": 120,
    "Took": 90,
    "Why not": 220,
    "Answer": 320,
    "Receipt": 120,
    "Fires when": 460,
    "Threshold": 110,
    "Told to": 150,
    "Timing": 320,
    "Guards": 200,
    "What": 260,
    "Fact": 150,
    "Value": 420,
    "Usually takes": 100,
    "Last delivered": 130,
    "Test": 300,
}
_SEVERITIES: Final = st.column_config.MultiselectColumn(
    options=list(alerts_words.SEVERITIES), color=list(alerts_words.SEVERITIES.values()), width=95
)


def link(asked: Asked, label: str, **changes: Any) -> None:  # noqa: ANN401  # fields of `Asked`
    """A link to this page with something else chosen."""
    st.page_link(
        navigation.PATHS["alerts"],
        label=label,
        query_params=alerts_address.changed(asked, **changes),
        width="content",
    )


def go(asked: Asked, **changes: Any) -> None:  # noqa: ANN401  # fields of `Asked`
    """Rewrites the address, in a callback; how often the page refreshes is left as it is."""
    wanted = alerts_address.changed(asked, **changes)
    for name in alerts_address.NAMES:
        if name in st.query_params and name not in wanted:
            del st.query_params[name]
    st.query_params.update(wanted)


def coloured(colours: Any, width: int = 105) -> Any:  # noqa: ANN401  # no public name for it
    """A column of one coloured word."""
    return st.column_config.MultiselectColumn(
        options=list(colours), color=list(colours.values()), width=width
    )


def table(
    shown: pd.DataFrame,
    key: str,
    alt: str,
    columns: dict[str, Any] | None = None,
    *,
    rows_max: int = _ROWS_MAX,
) -> None:
    """A table of alerting; a correlation id in it leads to its story."""
    configured: dict[str, Any] = {
        **{
            name: st.column_config.TextColumn(width=width)
            for name, width in _WIDTHS.items()
            if name in shown
        },
        alerts_view.SEVERITY: _SEVERITIES,
        **(columns or {}),
    }
    packed = tables.packed(shown)
    if alerts_view.CORRELATION_ID in shown:
        packed, leading = lookup_link.leading(packed, alerts_view.CORRELATION_ID, key=f"pick_{key}")
        configured |= leading
    quote_drawing.table(packed, key, alt, configured, rows_max=rows_max)


def may_read() -> bool:
    """Whether whoever looks may be led to single attempts."""
    return viewer.current().may(Permission.READ_LEDGER)


def may_handle() -> bool:
    """Whether whoever looks may acknowledge, silence and test."""
    return viewer.current().may(Permission.HANDLE_ALERTS)
