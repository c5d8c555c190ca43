"""What a quote says of people: shown to those who may see it, after a click, until the next one.

Nothing of it is kept: neither in the address nor in the session, nor for other viewers.
"""

from __future__ import annotations

from typing import Final
from uuid import UUID

import psycopg
import streamlit as st
from psycopg_pool import PoolTimeout

from dashboard import acting, engine_in_process, entry, quote_words, viewer
from dashboard.viewer import Viewer
from engine.access.roles import Permission
from engine.errors import ErrorCode, Refusal
from engine.logs import report
from engine.quotes.personal_data import PersonalData, personal_data
from engine.quotes.record import QuoteRecord

_PATIENCE_S: Final = 3.0
_BUTTON: Final = "Show personal data"
_NOTHING: Final = "none"
_FIELDS: Final = (
    ("Important information", "important_info"),
    ("Custom notes", "custom_notes"),
    ("Agent notes", "agent_notes"),
)


def section(shown: QuoteRecord) -> None:
    """The button, and what it shows; a click draws no other part of the page anew."""
    with st.expander("Personal data", icon=":material/person:", key="quote-personal"):
        st.fragment(_section)(shown.agent_id, shown.id)


def _section(agent_id: UUID, quote_id: UUID) -> None:
    if not entry.allows("quote"):
        return
    if not _may_ask(viewer.current(), agent_id):
        st.caption(
            "The client's name and e-mail address and the notes are shown to leads and"
            " administrators, and to the agent whose quote this is."
        )
        return
    st.caption(
        "The client's name and e-mail address, and the notes. Each look is written into the audit"
        " trail; what is shown goes with the next click or a reload."
    )
    if st.button(_BUTTON, icon=":material/visibility:", key="show_personal_data"):
        _look(agent_id, quote_id)


def _may_ask(looking: Viewer, agent_id: UUID) -> bool:
    """Whether the button is drawn; whether anything is shown is the engine's to say."""
    return looking.may(Permission.SEE_PERSONAL_DATA) or looking.own_agent_id == agent_id


def _look(agent_id: UUID, quote_id: UUID) -> None:
    runtime = engine_in_process.runtime()
    actor = acting.actor(viewer.current(), runtime.clock)
    seen: PersonalData | Refusal
    try:
        deadline = runtime.clock.monotonic() + _PATIENCE_S
        with runtime.read_pool.connection(deadline) as connection:
            seen = personal_data(connection, runtime.clock, actor, agent_id, quote_id)
    except (psycopg.Error, PoolTimeout) as error:
        report(actor.correlation_id, error)
        seen = Refusal(
            ErrorCode.DATABASE_TIMEOUT,
            "This look could not be written into the audit trail, so nothing is shown.",
        )
    if isinstance(seen, Refusal):
        st.error(
            f"{seen.code.value}: {seen.message} Correlation id: {actor.correlation_id}",
            icon=":material/lock:",
        )
        return
    _draw(seen)
    st.caption(f"Written into the audit trail. Correlation id: {actor.correlation_id}")


def _draw(seen: PersonalData) -> None:
    """Stored text, so nothing interprets it."""
    name = " ".join(part for part in (seen.first_name, seen.last_name) if part)
    with st.container(key="personal-data"):
        st.text(f"Client: {quote_words.legible(name) or _NOTHING}")
        st.text(f"E-mail: {quote_words.legible(seen.email or '') or _NOTHING}")
        for label, field in _FIELDS:
            said: str | None = getattr(seen, field)
            st.caption(label)
            st.code(quote_words.legible(said or "") or _NOTHING, language=None, wrap_lines=True)
