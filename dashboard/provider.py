"""The identity provider: how Streamlit is told of it, and what it says of somebody."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from contextlib import suppress
from datetime import UTC, datetime
from typing import Any, Final

from streamlit.auth_util import get_cookie_with_chunks
from streamlit.web.server.starlette.starlette_app_utils import decode_signed_value
from streamlit.web.server.starlette.starlette_server_config import USER_COOKIE_NAME

from dashboard.public_address import public_address
from dashboard.storable import is_storable, storable
from engine.access.roles import Role
from engine.access.signing_in import OutsideIdentity
from engine.settings import Settings

CALLBACK: Final = "/oauth2callback"
# Together they are of one login and no other.
_OF_ONE_LOGIN: Final = ("iss", "sub", "aud", "iat", "nonce", "jti", "sid", "at_hash")
# From the most that somebody may do to the least.
_HIGHEST_FIRST: Final = (Role.ADMIN, Role.LEAD, Role.ON_CALL, Role.VIEWER)

Claims = Mapping[str, Any]


def streamlit_secrets(settings: Settings, cookie_secret: str) -> dict[str, Any]:
    """What `st.login` reads, as `st.App` takes it.

    Args:
        settings: of the provider, see `dashboard.way_in.require_way_in`.
        cookie_secret: what Streamlit signs its cookies with.
    """
    secret = settings.oidc_client_secret
    return {
        "auth": {
            "redirect_uri": public_address(settings) + CALLBACK,
            "cookie_secret": cookie_secret,
            "client_id": settings.oidc_client_id or "",
            "client_secret": "" if secret is None else secret.get_secret_value(),
            "server_metadata_url": settings.oidc_metadata_url or "",
            "client_kwargs": {"scope": settings.oidc_scope, "prompt": settings.oidc_prompt},
        }
    }


def claims_of(cookies: Mapping[str, str], cookie_secret: str, origin: str) -> Claims | None:
    """What the cookie that Streamlit has set says of whoever holds it; None for none.

    Args:
        cookies: of a request.
        cookie_secret: what Streamlit signs them with.
        origin: of our public address: a login holds for no other.
    """

    def piece(name: str) -> bytes | None:
        value = cookies.get(name)
        if value is None:
            return None
        return decode_signed_value(cookie_secret, name, value.encode("latin-1", "replace"))

    whole = get_cookie_with_chunks(piece, USER_COOKIE_NAME)
    with suppress(ValueError):
        claims = json.loads(whole or b"")
        if isinstance(claims, dict) and claims.get("origin") == origin:
            return claims
    return None


def identity_of(claims: Claims, settings: Settings) -> OutsideIdentity | None:
    """Somebody as the provider knows them; None when it does not say who, or since when.

    Args:
        claims: as they were when it let them in.
        settings: which of them has the roles.
    """
    issuer, subject, issued = (claims.get(name) for name in ("iss", "sub", "iat"))
    if not (isinstance(issuer, str) and issuer and isinstance(subject, str) and subject):
        return None
    # Changed so that it can be stored, one subject could become another.
    if not (is_storable(issuer) and is_storable(subject)):
        return None
    if isinstance(issued, bool) or not isinstance(issued, int | float):
        return None
    try:
        issued_at = datetime.fromtimestamp(issued, UTC)
    except (ValueError, OverflowError, OSError):
        return None
    return OutsideIdentity(
        issuer=issuer,
        subject=subject,
        email=_text(claims, "email"),
        is_email_verified=claims.get("email_verified") in (True, "true"),
        name=_text(claims, "name") or _text(claims, "preferred_username"),
        role=highest_role(claims, settings),
        has_roles=settings.oidc_role_claim is not None,
        token_hash=token_hash(claims),
        issued_at=issued_at,
    )


def token_hash(claims: Claims) -> bytes:
    """SHA-256 of what makes a login different from every other."""
    of_login = [claims.get(name) for name in _OF_ONE_LOGIN]
    return hashlib.sha256(json.dumps(of_login, sort_keys=True, default=str).encode()).digest()


def highest_role(claims: Claims, settings: Settings) -> Role | None:
    """The highest role that the claim gives, by the settings' words for them; None for none."""
    if settings.oidc_role_claim is None:
        return None
    said = _claim(claims, settings.oidc_role_claim)
    values = said if isinstance(said, list | tuple) else [said]
    words = dict(_pair(entry) for entry in settings.oidc_roles.split(","))
    given = {words[value] for value in values if isinstance(value, str) and value in words}
    return next((role for role in _HIGHEST_FIRST if role in given), None)


def _pair(entry: str) -> tuple[str, Role]:
    value, _, role = entry.rpartition("=")
    return value.strip(), Role(role.strip())


def _claim(claims: Claims, name: str) -> Any:  # noqa: ANN401  # whatever the provider says
    """A claim by its name; one inside of others by theirs, with dots between."""
    if name in claims:
        return claims[name]
    found: Any = claims
    for part in name.split("."):
        if not isinstance(found, Mapping):
            return None
        found = found.get(part)
    return found


def _text(claims: Claims, name: str) -> str | None:
    value = claims.get(name)
    if not isinstance(value, str):
        return None
    return storable(value).strip()[:320] or None
