"""What a page says of the last thing that was done on it, once: the next click takes it away.

A form's callback leaves it here before the page is drawn.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, Final

import streamlit as st

from dashboard.actions import Outcome

_TOLD: Final = "told_of_an_action"
_LAST: Final = "last_action"


@dataclass(frozen=True, slots=True)
class _Told:
    words: str
    is_done: bool
    api_key: str | None = field(repr=False)


def leave(outcome: Outcome[Any], done: str, api_key: str | None = None) -> None:
    """Leaves words on what became of something.

    Args:
        outcome: of it.
        done: a sentence for when it was done.
        api_key: a key that was made, in clear for the one time.
    """
    st.session_state[_TOLD] = _Told(outcome.words(done), outcome.refusal is None, api_key)
    st.session_state[_LAST] = outcome.correlation_id


def last() -> str:
    """The last thing that was done: what was read before it is not of the present any more."""
    found: str = st.session_state.get(_LAST, "")
    return found


def draw() -> None:
    """Says it; there may be names in it, so nothing interprets it."""
    told: _Told | None = st.session_state.pop(_TOLD, None)
    if told is None:
        return
    with st.container(border=True, key="told"):
        with st.container(horizontal=True, vertical_alignment="center"):
            st.badge(
                "Done" if told.is_done else "Not done", color="green" if told.is_done else "red"
            )
            st.text(told.words)
        if told.api_key is not None:
            st.warning(
                "This is the key. It is shown this once and stored nowhere: copy it now, into a"
                " place for secrets. Whoever has it may do what it is for.",
                icon=":material/key:",
            )
            st.code(told.api_key, language=None)
