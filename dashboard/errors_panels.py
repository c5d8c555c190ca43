"""The parts of the errors page; each draws what it is given."""

from __future__ import annotations

from datetime import timedelta
from typing import Any, Final

import pyarrow as pa
import streamlit as st

from dashboard import (
    engine_in_process,
    entry,
    errors_tables,
    filters,
    lookup_link,
    receipts,
    runbook,
    status_line,
    viewer,
    wording,
)
from dashboard.error_codes import SEVERITY_COLOURS, UNKNOWN
from dashboard.errors_reads import what_went_wrong
from dashboard.errors_view import Said, View, compose
from dashboard.panels import ROW_HEIGHT
from dashboard.plot import plot
from dashboard.shared import shared
from engine.errors import TAXONOMY, ErrorCode
from engine.rollups.selection import Filter

_PICK: Final = "pick_code"
_PICKED: Final = "is_code_picked"
_CODE_WIDTH: Final = 235
_ID_WIDTH: Final = lookup_link.WIDTH
_SHOW: Final = "Attempts ↗"
_AGAINST: Final = " The links show the attempts that count against a rate."
# Longer tables scroll by themselves: what stands below them must not be out of reach.
_ROWS_MAX: Final = 12


def about(code: ErrorCode) -> None:
    """What a code means, and what the runbook says about it."""
    meaning = TAXONOMY[code]
    with st.container(border=True, key="runbook"):
        st.header(code.value, anchor=False)
        st.caption(f"{meaning.title}. {meaning.when} The caller: {meaning.action}")
        said = runbook.section(code)
        if said is None:
            st.info(runbook.not_installed(code))
        else:
            st.markdown(said)


def errors(
    length: timedelta, wanted: Filter, code: ErrorCode | None, refresh_s: int | None
) -> None:
    """What goes wrong: the whole live part of the page."""
    if st.session_state.pop(_PICKED, False):
        # The choice of codes and the runbook stand outside of the live part.
        st.rerun()
    if not entry.allows("errors"):
        return
    reading = what_went_wrong(viewer.current(), length, wanted, code)
    now = engine_in_process.runtime().clock.now()
    zone = wording.zone_of(st.context.timezone, now)
    view = shared(
        (reading.failures,),
        (
            "errors",
            reading.shows_attempts,
            reading.freshness,
            reading.waiting,
            refresh_s,
            zone,
            wording.days(now, zone),
        ),
        lambda: compose(reading, length, refresh_s, zone, now),
    )
    status_line.draw(view.notice, view.badges, view.as_of)
    _said(view.headline, "failed")
    _chart(view)
    _codes(view)
    _shapes(view)
    if view.shows_attempts:
        _newest(view)
    _paths(view)
    _unknown_caller(view)


def _said(said: Said, key: str) -> None:
    with st.container(horizontal=True, vertical_alignment="center", key=key):
        st.text(said.text, width="content")
        if said.receipt is not None:
            receipts.link(said.receipt, "Show them")


def _chart(view: View) -> None:
    with st.container(border=True, gap="xxsmall"):
        st.header(view.chart_title, anchor=False)
        plot(view.figure, alt=view.told, end=view.end, key="codes_chart")
        if view.notes:
            st.caption("  \n".join(view.notes))


def _codes(view: View) -> None:
    st.header("Codes", anchor=False)
    if not view.codes.num_rows:
        st.caption(f"{view.nothing}.")
        return
    shown, leading = _leading(view, view.codes, errors_tables.NEWEST_ID, key="pick_newest")
    _table(
        shown,
        "codes",
        "Error codes",
        {
            errors_tables.CODE: st.column_config.ButtonColumn(
                type="tertiary",
                key=_PICK,
                on_click=_pick,
                width=_CODE_WIDTH,
                alignment="left",
                help="Click to look at this code alone and to read its runbook",
            ),
            errors_tables.SEVERITY: st.column_config.MultiselectColumn(
                options=[*(each.name for each in SEVERITY_COLOURS), UNKNOWN],
                color=[*SEVERITY_COLOURS.values(), "gray"],
                width=100,
            ),
            errors_tables.LINK: _link(_SHOW),
            errors_tables.RUNBOOK: _link("Runbook ↗"),
            **leading,
        },
        rows_max=view.codes.num_rows,
    )
    st.caption(view.codes_note)
    if view.correlation_ids and view.code is not None:
        st.caption(f"Newest correlation ids of {view.code.value}")
        with st.container(horizontal=True, key="newest-ids"):
            for each in view.correlation_ids:
                with st.container(width="content", gap="xxsmall"):
                    # The copy button must not cover the end of an id of ours.
                    st.code(each, language=None, width=_ID_WIDTH + 50)
                    lookup_link.link(each)


def _leading(
    view: View, shown: pa.Table, column: str, *, key: str
) -> tuple[pa.Table, dict[str, Any]]:
    """A table whose correlation ids lead on, for who may see any."""
    return lookup_link.leading(shown, column, key=key) if view.shows_attempts else (shown, {})


def _pick() -> None:
    filters.pick_code(st.session_state[_PICK].label)
    st.session_state[_PICKED] = True


def _shapes(view: View) -> None:
    st.header("Failures of the same shape", anchor=False)
    if not view.shapes.num_rows:
        st.caption(f"{view.nothing}.")
        return
    st.caption(view.shapes_note)
    shown, leading = _leading(view, view.shapes, errors_tables.CORRELATION_ID, key="pick_shape")
    _table(
        shown,
        "shapes",
        "Failures of the same shape",
        {
            errors_tables.CODE: st.column_config.TextColumn(width=_CODE_WIDTH),
            errors_tables.LINK: _link(_SHOW),
            "Path": st.column_config.TextColumn(width=90),
            "Changed fields": st.column_config.TextColumn(width=180),
            **leading,
        },
    )


def _newest(view: View) -> None:
    st.header("Newest failed attempts", anchor=False)
    if not view.newest.num_rows:
        st.caption(f"{view.nothing}.")
        return
    shown, leading = lookup_link.leading(
        view.newest, errors_tables.CORRELATION_ID, key="pick_failed"
    )
    _table(
        shown,
        "newest_failed",
        "Newest failed attempts",
        {
            "Started, UTC": st.column_config.TextColumn(width=150),
            errors_tables.CODE: st.column_config.TextColumn(width=_CODE_WIDTH),
            errors_tables.DURATION: st.column_config.NumberColumn(format="%,.1f"),
            **leading,
            "Quote": st.column_config.TextColumn(width=_ID_WIDTH),
        },
        rows_max=view.newest.num_rows,
    )


def _paths(view: View) -> None:
    st.header("Hardened path against legacy path", anchor=False)
    if not view.paths.num_rows:
        st.caption(f"{view.nothing}.")
        return
    _table(
        view.paths,
        "paths",
        "Rates on the hardened and on the legacy path",
        {
            "Hardened": st.column_config.TextColumn(width=230),
            "Legacy": st.column_config.TextColumn(width=230),
            "Difference": st.column_config.TextColumn(width=250),
            errors_tables.HARDENED_LINK: _link(_SHOW),
            errors_tables.LEGACY_LINK: _link(_SHOW),
        },
    )
    st.caption(
        "In brackets where the true rate lies: exact bounds, each with 95 % confidence. A"
        " difference is more than chance where the bounds of the two paths leave a gap."
        + (_AGAINST if view.shows_attempts else "")
    )


def _unknown_caller(view: View) -> None:
    if view.unknown_caller is None:
        return
    st.header("Refused before an agent was known", anchor=False)
    _said(view.unknown_caller, "unknown-caller")
    if view.unknown_caller_codes.num_rows:
        _table(
            view.unknown_caller_codes,
            "unknown_caller_codes",
            "Codes of attempts refused before an agent was known",
            {
                errors_tables.CODE: st.column_config.TextColumn(width=_CODE_WIDTH),
                errors_tables.LINK: _link(_SHOW),
            },
        )


def _link(words: str) -> Any:  # noqa: ANN401  # Streamlit has no public name for its type
    return st.column_config.LinkColumn(display_text=words, width=110)


def _table(
    shown: pa.Table, key: str, alt: str, columns: dict[str, Any], rows_max: int = _ROWS_MAX
) -> None:
    st.dataframe(
        shown,
        hide_index=True,
        row_height=ROW_HEIGHT,
        height="content" if shown.num_rows <= rows_max else (rows_max + 1) * ROW_HEIGHT + 2,
        key=key,
        alt=alt,
        column_config=columns,
    )
