"""Where somebody wanted to go: an address of ours, or nothing."""

from __future__ import annotations

import re
from typing import Final

# An address longer than that is none of our pages'.
_LENGTH_MAX: Final = 2_048
# What a browser takes for a path of this server and nothing else: it begins with one slash, and has
# no backslash, which browsers take for one, no space, and nothing that cannot be seen.
_LOCAL: Final = re.compile(r"/[!-\[\]-~]*", re.ASCII)
# Not pages: going there after signing in would sign in again, or out.
_NO_PAGES: Final = ("/auth", "/oauth2callback", "/api", "/_stcore", "/media", "/static")
START: Final = "/"
# The forms are below it; it is itself the page of one's own account.
_FORMS: Final = "/account/"


def local_path(text: str | None) -> str:
    """A path with its query, fit for a Location header.

    Args:
        text: whatever an address or a cookie has brought.

    Returns:
        The text if it is the address of a page of ours, else that of the first page.
    """
    if not text or len(text) > _LENGTH_MAX or not _LOCAL.fullmatch(text):
        return START
    path = re.split(r"[?#]", text, maxsplit=1)[0]
    # A browser takes the steps out before it asks: /./api is /api.
    if "//" in path or any(
        step in {".", ".."} for step in path.lower().replace("%2e", ".").split("/")
    ):
        return START
    if path.startswith(_FORMS) or any(
        path == each or path.startswith(each + "/") for each in _NO_PAGES
    ):
        return START
    return text
