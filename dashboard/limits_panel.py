"""The page of limits: what limits everybody, who is near a limit, whom limits refused.

It stands still; stored text is in tables only.
"""

from __future__ import annotations

from typing import Final

import streamlit as st

from dashboard import (
    engine_in_process,
    entry,
    limits_reads,
    limits_tables,
    navigation,
    quote_drawing,
    viewer,
    wording,
)
from dashboard.limits_reads import BACK, Limits
from engine.quotes.quota_use import LISTED
from engine.rollups.refused_by_agent import COUNTED

_ROWS_MAX: Final = 12


def limits() -> None:
    """The whole page below its title."""
    if not entry.allows("limits"):
        return
    runtime = engine_in_process.runtime()
    known = limits_reads.limits(viewer.current())
    quote_drawing.stale(known, "The limits could not be read")
    if known.value is not None:
        zone = wording.zone_of(st.context.timezone, runtime.clock.now())
        as_of = wording.clock_time(known.value.read_at, zone, runtime.clock.now())
        st.caption(f"Read at {as_of}; reload to read it again")
        _agents(known.value)
        _refused(known.value)
        _addresses(known.value, runtime.settings.bad_credentials_per_minute)
    st.header("What limits everybody", anchor=False)
    shown = limits_tables.settings(
        runtime.settings, has_people=navigation.has(viewer.current(), "people")
    )
    quote_drawing.table(
        shown,
        "settings",
        "Limits of everybody",
        {
            "Limit": st.column_config.TextColumn(width=680),
            "Value": st.column_config.TextColumn(width=140, alignment="right"),
            "Changed by": st.column_config.TextColumn(width=360),
        },
        rows_max=len(shown),
    )


def _agents(found: Limits) -> None:
    st.header("Agents with limits of their own, and those near their quota", anchor=False)
    if not found.agents:
        st.caption("No agent has a limit of its own, and none has used half of its quota")
        return
    quote_drawing.table(
        limits_tables.agents(found),
        "agents",
        "Agents and their limits",
        {
            "Agent": st.column_config.TextColumn(width=220),
            "Rate limit": st.column_config.TextColumn(width=160),
            limits_tables.LAST_MINUTE: st.column_config.TextColumn(width=170),
            "Quota": st.column_config.NumberColumn(format="%,d"),
            limits_tables.USED: st.column_config.ProgressColumn(
                format="%d %%", min_value=0, max_value=100, width=130
            ),
        },
        rows_max=_ROWS_MAX,
    )
    more = f" The {LISTED} nearest are listed." if len(found.agents) == LISTED else ""
    st.caption(
        "Active quotes are drafts, sent and rejected ones. They are counted for the nearest; of"
        f" the others no more are active than numbers were given.{more}"
    )


def _refused(found: Limits) -> None:
    st.header("Whom limits refused in the last day", anchor=False)
    if not found.refused.refused:
        st.caption("Nobody")
        return
    quote_drawing.table(
        limits_tables.refused(found, BACK),
        "refused",
        "Refused by limits",
        {
            "Agent": st.column_config.TextColumn(width=220),
            "Code": st.column_config.TextColumn(width=200),
            "Refused": st.column_config.NumberColumn(format="%,d"),
            limits_tables.LINK: st.column_config.LinkColumn(
                display_text="Attempts ↗", width=110, help="All attempts with this code"
            ),
        },
        rows_max=_ROWS_MAX,
    )
    if found.refused.is_cut:
        st.caption(f"Of the newest {COUNTED:,} refusals of each code and day")


def _addresses(found: Limits, limit: int) -> None:
    st.header("Addresses that showed wrong keys in the last minute", anchor=False)
    shown = limits_tables.addresses(found, limit)
    if shown.empty:
        st.caption("None")
        return
    quote_drawing.table(shown, "addresses", "Addresses with wrong keys", {}, rows_max=_ROWS_MAX)
