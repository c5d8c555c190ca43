"""Whether a browser sends something because a page of ours made it do so."""

from __future__ import annotations

from collections.abc import Mapping
from urllib.parse import urlsplit


def is_from_our_page(headers: Mapping[str, str], origin: str) -> bool:
    """Whether a form was sent by one of our pages.

    Args:
        headers: of the request, in lower case.
        origin: of our public address.

    Returns:
        False for what another site's page sends, and for what does not say where it comes from.
    """
    site = headers.get("sec-fetch-site")
    if site is not None and site != "same-origin":
        return False
    said = headers.get("origin")
    return site is not None if said is None else _is_ours(said, headers.get("host"), origin)


def is_foreign_socket(headers: Mapping[str, str], origin: str) -> bool:
    """Whether another site's page opens a websocket; programs say no origin, and hold no cookie."""
    said = headers.get("origin")
    return said is not None and not _is_ours(said, headers.get("host"), origin)


def _is_ours(said: str, host: str | None, origin: str) -> bool:
    if said.lower() == origin:
        return True
    try:
        named = urlsplit(said).netloc
    except ValueError:  # as of half an IPv6 address
        return False
    # The host is a name of ours, or the request would not have come this far.
    return host is not None and named == host
