"""The lookup page: one box for whatever is at hand, and the story of the attempt behind it."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import Any, Final
from uuid import UUID

import pandas as pd
import streamlit as st

from dashboard import (
    audit_address,
    audit_reads,
    entry,
    lookup_address,
    lookup_export,
    lookup_logs,
    lookup_race,
    lookup_reads,
    lookup_view,
    navigation,
    quote_address,
    quote_drawing,
    runbook,
    viewer,
    wording,
)
from dashboard.lookup_address import Asked
from dashboard.lookup_reads import Looked
from dashboard.memory import Known
from dashboard.plot import plot
from dashboard.status import stale_since
from engine.access.audit_trail import Wanted
from engine.alerting.tested import Tested
from engine.attempts.story import NEAR, NEXT, Neighbour, Story
from engine.correlation import accepted_correlation_id
from engine.errors import TAXONOMY

_BOX: Final = "lookup_text"
# An address has no room for a long text; this viewer's is kept in whole.
_ENTERED: Final = "entered_lookup_text"
_PAGES: Final = Path(__file__).resolve().parent.parent / "pages"
_QUOTE_PAGE: Final = _PAGES / "quote.py"
_ATTEMPTS_PAGE: Final = _PAGES / "attempts.py"
_PICK: Final = "pick_attempt_of_several"
_HINT: Final = (
    "A correlation id, or whatever has one in it: an answer, a log line, an address. Half of one"
    " will do, a mistyped one, too; so will a quote number, an agent's e-mail address, an"
    " idempotency key, or an error code and a time. Enter looks it up; the address of this page"
    " then leads back to it."
)
_ROWS_MAX: Final = 12
_ID_WIDTH: Final = 270
_STARTED_WIDTH: Final = 190
_CODE_WIDTH: Final = 200
# That of "before, made the version it met".
_WHERE_WIDTH: Final = 220


def lookup() -> None:
    """The whole page below its title."""
    if not entry.allows("lookup"):
        return
    asked = lookup_address.completed(
        lookup_address.read(st.query_params.to_dict()), st.session_state.get(_ENTERED, "")
    )
    _box(asked)
    for remark in asked.remarks:
        st.warning(remark, icon=":material/link_off:")
    if not asked.text.strip():
        st.caption(_HINT)
        return
    _audited(asked)
    is_of_alerting = _of_alerting(asked)
    known = lookup_reads.look_up(viewer.current(), asked.text, asked.attempt)
    _outage(known)
    if known.value is not None:
        _looked(asked, known.value, is_of_alerting=is_of_alerting)


def _box(asked: Asked) -> None:
    """Shows what the address asks for, whatever it showed before."""
    st.session_state[_BOX] = asked.text
    st.text_input(
        "What became of",
        key=_BOX,
        on_change=_ask,
        placeholder="REQ-…, QT-…, an e-mail address, or any text with one in it",
        icon=":material/search:",
        label_visibility="collapsed",
        autocomplete="off",
    )


def _ask() -> None:
    """Puts what was entered into the address."""
    entered: str = st.session_state[_BOX]
    st.session_state[_ENTERED] = entered
    st.query_params.from_dict(lookup_address.asking(entered))


def _audited(asked: Asked) -> None:
    """Leads to the audit trail where it has the id: a read that was refused is in no ledger."""
    request = accepted_correlation_id(asked.text.strip())
    known = None if request is None else audit_reads.is_known(viewer.current(), request)
    if request is None or known is None or not known.value:
        return
    with st.container(horizontal=True, vertical_alignment="center", key="is-audited"):
        st.text("The audit trail has it.", width="content")
        st.page_link(
            navigation.PATHS["audit"],
            label="Audit trail",
            icon=":material/policy:",
            query_params=audit_address.parameters(Wanted(), request),
            width="content",
        )


def _outage(known: Known[Looked]) -> None:
    freshness = known.freshness
    if freshness.failing_since is None:
        return
    zone = wording.zone_of(st.context.timezone, freshness.failing_since)
    shown = (
        "Nothing can be looked up until it does."
        if known.value is None
        else "What is below was read before that."
    )
    st.error(
        f"{stale_since(freshness, zone, None)} {shown} Reload to ask again.",
        icon=":material/cloud_off:",
    )


def _of_alerting(asked: Asked) -> bool:
    """Tells of alert rules evaluated, and channels tested, under the id; if it is no attempt's."""
    known = lookup_reads.alerting(viewer.current(), asked.text)
    found = () if known is None else known.value or ()
    if found:
        with st.container(border=True, key="evaluations"):
            for each in found:
                st.text(each.sentence)
    return any(isinstance(each, Tested) or each.is_own for each in found)


def _looked(asked: Asked, looked: Looked, *, is_of_alerting: bool) -> None:
    if looked.story is None:
        if not is_of_alerting:
            _nothing(asked, looked)
        return
    if lookup_view.is_astray(looked, asked.attempt):
        st.warning(
            "The attempt that the address names is not among those that were found; the surest of"
            " them is told instead.",
            icon=":material/link_off:",
        )
    doubt, how = lookup_view.doubt(looked), lookup_view.how_found(looked)
    if doubt is not None:
        # Whoever reads the first line only must not take it for what was asked.
        with st.container(horizontal=True, vertical_alignment="center", key="story-doubt"):
            st.badge(doubt.text, color=doubt.colour, icon=":material/help:")
            st.text(how, width="content")
    _told(looked.story)
    if doubt is None:
        st.text(how)
    for each in lookup_view.left_out(looked.found):
        st.text(each)
    if len(looked.candidates) > 1:
        _candidates(looked)
    _others(looked)
    _details(looked.story)


def _nothing(asked: Asked, looked: Looked) -> None:
    with st.container(border=True, key="nothing-found"):
        st.text(lookup_view.nothing_found(asked.text))
        st.text(looked.found.ignored or lookup_view.NO_ATTEMPT)
        if viewer.current().agent_id is not None:
            st.text(lookup_view.OWN_ONLY)
        for each in lookup_view.left_out(looked.found):
            st.text(each)
        st.markdown("\n".join(f"- {each}" for each in lookup_view.WHAT_TO_TRY))
        if navigation.has(viewer.current(), "attempts"):
            st.page_link(_ATTEMPTS_PAGE, label="Attempts", icon=":material/list:", width="content")
    _others(looked)


def _told(story: Story) -> None:
    """What happened, whether anything was stored, and whether it is safe to try again."""
    with st.container(border=True, key="story"):
        st.text(story.sentence)
        with st.container(horizontal=True, key="story-badges"):
            for badge in lookup_view.badges(story.row):
                st.badge(badge.text, color=badge.colour)
        _take_along(story)


def _take_along(story: Story) -> None:
    """The id and the link to be copied, and the files for a ticket."""
    row = story.row
    link = lookup_address.shared(st.context.url, row["correlation_id"], row["id"])
    with st.container(horizontal=True, vertical_alignment="center", key="take-along"):
        st.code(lookup_view.correlation_id(story), language=None, width=_ID_WIDTH + 50)
        st.code(link, language=None, width="stretch")
        for label, ending, mime, write in (
            ("Markdown", "md", "text/markdown", lookup_export.as_markdown),
            ("JSON", "json", "application/json", lookup_export.as_json),
        ):
            st.download_button(
                label,
                # Written for whoever clicks: a fifth of the time of the page's run.
                partial(write, story, link),
                file_name=lookup_export.file_name(story, ending),
                mime=mime,
                icon=":material/download:",
                on_click="ignore",
                key=f"story-{ending}",
            )


def _candidates(looked: Looked) -> None:
    """Several attempts, the surest first; one that is opened is named in the address."""
    _table(
        lookup_view.candidates(looked),
        key="candidates",
        alt="Attempts that were found",
        pick=(_PICK, _open_candidate, (looked,)),
    )


def _open_candidate(looked: Looked) -> None:
    position = st.session_state[_PICK].row
    if 0 <= position < len(looked.candidates):
        attempt: UUID = looked.candidates[position].row["id"]
        st.query_params[lookup_address.ATTEMPT] = str(attempt)


def _others(looked: Looked) -> None:
    found = lookup_view.others(looked.found.hits)
    if not found.empty:
        st.caption("What else it may mean; there is no attempt of it")
        _table(found, key="others", alt="What else the text may mean")


def _details(story: Story) -> None:
    left, right = st.columns([2, 3])
    with left:
        st.header("Facts", anchor=False)
        _table(lookup_view.facts(story), key="facts", alt="Facts of the attempt", rows_max=32)
        _quote(story)
    with right:
        st.header("What happened when", anchor=False)
        _table(lookup_view.steps(story), key="steps", alt="What happened when")
        st.caption(
            "The ledger stores when it began and how long it took in all and in the database"
        )
        _race(story)
        _meaning(story)
    _around(story)
    lookup_logs.section(story)


def _quote(story: Story) -> None:
    """Leads to the whole history of the quote that it is about."""
    agent_id, quote_id = story.row["agent_id"], story.row["quote_id"]
    if quote_id is not None:
        st.page_link(
            _QUOTE_PAGE,
            label="The quote's history",
            icon=":material/history:",
            query_params=quote_address.parameters(agent_id, quote_id),
        )


def _race(story: Story) -> None:
    found = lookup_race.runs(story)
    if found:
        with st.container(border=True, gap="xxsmall"):
            st.header(lookup_race.TITLE, anchor=False)
            plot(
                lookup_race.draw(found),
                alt=lookup_race.told(found),
                end=story.row["started_at"].isoformat(),
                key="race",
            )


def _meaning(story: Story) -> None:
    """What the code means, and what the runbook says about it."""
    code = lookup_view.code_of(story.row)
    if code is None:
        return
    meaning = TAXONOMY[code]
    st.header(code.value, anchor=False)
    st.caption(f"{meaning.title}. {meaning.when} The caller: {meaning.action}")
    said = runbook.section(code)
    with st.expander("Runbook", icon=":material/menu_book:", key="story-runbook"):
        if said is None:
            st.info(runbook.not_installed(code))
        else:
            st.markdown(said)


def _around(story: Story) -> None:
    for title, found, nobody, key in (
        (
            "On the same quote",
            story.on_quote,
            "No other attempt on this quote was found"
            if story.row["quote_id"]
            else "It names no quote",
            "on_quote",
        ),
        (
            "With the same idempotency key",
            story.on_key,
            "No other attempt with this key was found"
            if story.row["idempotency_key"]
            else "It has no idempotency key",
            "on_key",
        ),
        (
            "By the same agent",
            story.by_agent,
            "No other attempt by this agent within a day",
            "by_agent",
        ),
    ):
        st.header(title, anchor=False)
        if not found:
            st.caption(nobody)
            continue
        pick = f"pick_{key}"
        _table(
            lookup_view.neighbours(found, story),
            key=key,
            alt=title,
            pick=(pick, _open_neighbour, (pick, found)),
        )
    st.caption(
        f"By the same agent: the {NEXT} before and the {NEXT} after, within a day. Those that"
        f" share the quote or the key are looked for among its {NEAR} nearest on either side, and"
        " by the quote's versions."
    )


def _open_neighbour(pick: str, found: Sequence[Neighbour]) -> None:
    position = st.session_state[pick].row
    if 0 <= position < len(found):
        chosen = found[position]
        st.query_params.from_dict(lookup_address.naming(chosen.correlation_id, chosen.id))


def _table(
    shown: pd.DataFrame,
    *,
    key: str,
    alt: str,
    pick: tuple[str, Any, tuple[Any, ...]] | None = None,
    rows_max: int = _ROWS_MAX,
) -> None:
    """A table of text that nobody interprets; its first column may lead on.

    Args:
        shown: its rows.
        key: on the page.
        alt: what it is.
        pick: state of the column that leads on, what a click calls, and its arguments.
        rows_max: longer tables scroll by themselves.
    """
    columns: dict[str, Any] = {
        name: st.column_config.TextColumn(width=width)
        for name, width in {
            "How sure": 80,
            "Shown": 65,
            "Where": _WHERE_WIDTH,
            "Outcome": 100,
            "Operation": 90,
            "Agent": 100,
            "Version": 70,
            "Started, UTC": _STARTED_WIDTH,
            "When": _STARTED_WIDTH + 30,
            "Code": _CODE_WIDTH,
            "Correlation id": _ID_WIDTH,
        }.items()
        if name in shown
    }
    if pick is not None:
        state, on_click, args = pick
        columns[lookup_view.OPEN] = st.column_config.ButtonColumn(
            type="tertiary", key=state, on_click=on_click, args=args, width=80, alignment="left"
        )
    quote_drawing.table(shown, key, alt, columns, rows_max=rows_max)
