"""What a page says of the last thing that was done on it, once: the next click takes it away.

A form's callback leaves it here before the page is drawn, for the place where the form stands. A
key that was made is the exception: it stays until whoever made it says that they have it.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from itertools import count
from typing import Any, Final

import streamlit as st

from dashboard.actions import Outcome
from dashboard.notebook import Note, notebook
from engine.errors import ErrorCode


@dataclass(slots=True)
class _Latest:
    """What was done last on any page of this process.

    Attributes:
        number: of it; 0 before the first.
        numbers: of those to come.
    """

    number: int = 0
    numbers: Iterator[int] = field(default_factory=lambda: count(1))


_LATEST: Final = _Latest()


def leave(
    outcome: Outcome[Any],
    done: str,
    api_key: str | None = None,
    *,
    place: str = "",
    then: str = "",
) -> None:
    """Leaves words on what became of something.

    Args:
        outcome: of it.
        done: a sentence for when it was done.
        api_key: a key that was made, in clear for the one time.
        place: of the page, where they are to be said; see `draw`.
        then: what is left to do when it was done; a line of its own.
    """
    is_done = outcome.refusal is None
    left = Note(
        outcome.words(done),
        is_done,
        api_key,
        place,
        then if is_done else "",
        "" if outcome.refusal is None else outcome.refusal.code.value,
    )
    # The outcome's, and no other: see there.
    if api_key is None:
        outcome.notebook.note = left
    else:
        outcome.notebook.keys.append(left)
    if outcome.refusal is None or outcome.refusal.code is not ErrorCode.DATABASE_TIMEOUT:
        # While the database is silent what was read before is all that there is to show.
        _LATEST.number = next(_LATEST.numbers)


def last() -> int:
    """Number of the last thing that was done by anybody: what was read before it is of the past.

    Somebody who has looked on may act on it in the next moment, as a second lead on a waiver.
    """
    return _LATEST.number


def draw(place: str | None = None) -> None:
    """Says it; there may be names in it, so nothing interprets it.

    Args:
        place: only what was left for this one; anything if None, so that nothing stays unsaid.
    """
    kept = notebook()
    told = kept.note
    if told is not None and place in {None, told.place}:
        with st.container(border=True, key="told"):
            _say(told)
        # Whoever goes on before it was drawn is told in the next run.
        kept.note = None


def draw_keys(place: str) -> None:
    """Shows the keys that were made and are not copied yet, each until that is said.

    Args:
        place: only those that were left for this one.
    """
    kept = notebook().keys
    for position, told in enumerate(kept):
        if told.place != place or told.api_key is None:
            continue
        with st.container(border=True, key=f"new-key-{position}"):
            _say(told)
            st.warning(
                "This is the key. It is shown this once and stored nowhere: copy it now, into a"
                " place for secrets. Whoever has it may do what it is for.",
                icon=":material/key:",
            )
            st.code(told.api_key, language=None)
            st.button(
                "I have copied it",
                key=f"copied_{position}",
                icon=":material/check:",
                on_click=kept.remove,
                args=(told,),
            )


def _say(told: Note) -> None:
    with st.container(horizontal=True, vertical_alignment="center"):
        st.badge("Done" if told.is_done else "Not done", color="green" if told.is_done else "red")
        st.text(told.words)
        if told.code:
            st.caption(told.code)
    if told.then:
        st.text(told.then)
