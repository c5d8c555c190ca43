"""Who is let into a page: each asks by itself, however it was reached.

A session that is still open goes on asking when a role has been taken away, and what refreshes
itself asks every two seconds. So a refusal is written down once for each session and page.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

import psycopg
import streamlit as st
from psycopg_pool import PoolTimeout

from dashboard import acting, engine_in_process, navigation, viewer
from engine.access import audit
from engine.access.audit import Action, Subject
from engine.access.roles import Role
from engine.errors import ErrorCode
from engine.logs import report

_REFUSED: Final = "pages_refused"
_PATIENCE_S: Final = 3.0
_UNTOLD: Final = (
    "Nobody can say at the moment who is signed in: the database does not answer. What stands here"
    " comes back by itself."
)


def allows(name: str) -> bool:
    """Whether whoever looks has a page; if not, the page says so, and the audit trail.

    Args:
        name: of the page, see `navigation.PAGES`.
    """
    looking = viewer.current()
    if navigation.has(looking, name):
        st.session_state.setdefault(_REFUSED, {}).pop(name, None)
        return True
    if not looking.is_told:
        # What refreshes itself asks on while the database is silent: that is no refusal.
        st.error(_UNTOLD, icon=":material/cloud_off:")
        return False
    refused: dict[str, str] = st.session_state.setdefault(_REFUSED, {})
    if name not in refused:
        refused[name] = _written_down(name)
    st.error(_sentence(looking.role, navigation.PAGES[name].title), icon=":material/lock:")
    st.caption(f"{ErrorCode.AUTHORIZATION_FAILED.value} · Quote the correlation id {refused[name]}")
    return False


def stand_in(name: str) -> Callable[[], None]:
    """What stands at the address of a page for who does not have it: says so, and reads nothing.

    Args:
        name: of the page, see `navigation.PAGES`.
    """

    def refuse() -> None:
        allows(name)

    return refuse


def lead_to(name: str) -> Callable[[], None]:
    """What stands at the own address of the page where somebody begins.

    Args:
        name: of the page, see `navigation.PAGES`.
    """

    def lead() -> None:
        st.switch_page(navigation.PATHS[name])

    return lead


def _sentence(role: Role | None, title: str) -> str:
    if role is None:
        return f"Without a role the page {title} does not open. Ask an administrator for one."
    return (
        f"Your role ({role.value}) does not open the page {title}."
        " Ask an administrator if you need it."
    )


def _written_down(name: str) -> str:
    """Writes a refusal into the audit trail; its correlation id, whether or not that worked."""
    runtime = engine_in_process.runtime()
    actor = acting.actor(viewer.current(), runtime.clock)
    happened = audit.event(
        runtime.clock,
        actor,
        Action.PAGE_REFUSED,
        subject=Subject("page", name),
        refused=ErrorCode.AUTHORIZATION_FAILED,
    )
    try:
        with runtime.read_pool.connection(runtime.clock.monotonic() + _PATIENCE_S) as connection:
            audit.write(connection, happened)
    except (psycopg.Error, PoolTimeout) as error:
        # Nothing is shown either way; that it is not in the trail stands in the log.
        report(actor.correlation_id, error)
    return actor.correlation_id
