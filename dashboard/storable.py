"""Text as the database takes it: it knows no NUL, and no half of a surrogate pair."""

from __future__ import annotations


def storable(text: str) -> str:
    """The text with something harmless in place of what cannot be stored."""
    return text.replace("\0", " ").encode("utf-8", "replace").decode()


def is_storable(text: str) -> bool:
    """Whether a text can be stored as it is."""
    return storable(text) == text
