"""What a session's pages have to say of what was done on them.

It is at hand before something is done, and is written in afterwards without asking Streamlit:
each word with its session state may end the run, because somebody has gone on meanwhile. What was
done would then be said to nobody (docs/decisions/0020-presses-under-load.md).
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Final

import streamlit as st

_KEY: Final = "notebook"


@dataclass(frozen=True, slots=True)
class Note:
    """Words on what became of something that somebody did.

    Attributes:
        words: a text; names may be in it.
        is_done: whether it was done.
        api_key: a key that was made, in clear for the one time.
        place: of the page, where they are to be said.
        then: what is left to do; a line of its own.
        code: of the refusal; empty where it was done.
    """

    words: str
    is_done: bool
    api_key: str | None = field(repr=False)
    place: str = ""
    then: str = ""
    code: str = ""


@dataclass(slots=True)
class Notebook:
    """What one session has to say.

    Attributes:
        note: on the last thing that was done; None once it was said.
        keys: that were made and are not copied yet.
    """

    note: Note | None = None
    keys: list[Note] = field(default_factory=list)


def notebook() -> Notebook:
    """The session's own; whoever is about to do something asks for it before that."""
    found: Notebook = st.session_state.setdefault(_KEY, Notebook())
    return found
