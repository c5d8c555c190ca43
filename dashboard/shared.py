"""What all viewers of one reading share: a view is made once, for whoever asks first.

Composing a page takes longer than drawing it, and most of its viewers look at it alike. Streamlit's
own caches are not for this: they keep a lock for every key that there ever was, and each reading is
a new one, so that a page left open would eat memory without end.
"""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Callable, Hashable
from typing import Any, Final, TypeVar, cast

import streamlit as st

T = TypeVar("T")

# Of as many readings and ways to look at one; what is displaced is made again.
_KEPT: Final = 32


def shared(reading: tuple[object, ...], how: tuple[Hashable, ...], make: Callable[[], T]) -> T:
    """The view of a reading.

    Args:
        reading: what was read; told from others by being the same object, not by what is in it.
        how: whatever else the view depends on, beginning with the name of the page.
        make: composes it; must depend on nothing else.
    """
    return cast("T", _views().view(reading, how, make))


class _Views:
    """The newest views; safe to use from any thread."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        # With each view what it was made of: nothing else can have its identity as long as it is
        # kept.
        self._kept: OrderedDict[Hashable, tuple[tuple[object, ...], Any]] = OrderedDict()

    def view(
        self, reading: tuple[object, ...], how: tuple[Hashable, ...], make: Callable[[], Any]
    ) -> Any:  # noqa: ANN401  # whatever is made
        """The view that was made before, or is made now while others wait for it."""
        key = (tuple(map(id, reading)), how)
        with self._lock:
            kept = self._kept.get(key)
            if kept is None:
                kept = self._kept[key] = (reading, make())
            self._kept.move_to_end(key)
            if len(self._kept) > _KEPT:
                self._kept.popitem(last=False)
        return kept[1]


@st.cache_resource(show_spinner=False)
def _views() -> _Views:
    return _Views()
