"""What a role may do; one table, read by pages and by the engine's own actions."""

from __future__ import annotations

from collections.abc import Mapping
from enum import StrEnum
from types import MappingProxyType
from typing import Final


class Role(StrEnum):
    """What somebody is here for; each may do what the one before may, and more."""

    VIEWER = "viewer"
    ON_CALL = "on-call"
    LEAD = "lead"
    ADMIN = "admin"


class Permission(StrEnum):
    """Something that not everybody may do."""

    # Numbers over all agents, in which none can be told from another.
    SEE_NUMBERS = "see numbers"
    # Attempts, quotes and log lines of any agent, without personal data.
    READ_LEDGER = "read the ledger"
    # Names and addresses of clients, and notes; each look is written down.
    SEE_PERSONAL_DATA = "see personal data"
    # Silence and acknowledge alerts, and test the channels that they go to.
    HANDLE_ALERTS = "handle alerts"
    # Change what an alert rule asks for, and switch the change on.
    CHANGE_RULES = "change rules"
    # Put a name to a release's phases.
    SIGN_OFF = "sign off"
    # Accounts, roles, keys, limits; and the audit trail.
    MANAGE_ACCESS = "manage access"


_VIEWER: Final = frozenset({Permission.SEE_NUMBERS})
_ON_CALL: Final = _VIEWER | {Permission.READ_LEDGER, Permission.HANDLE_ALERTS}
_LEAD: Final = _ON_CALL | {
    Permission.SEE_PERSONAL_DATA,
    Permission.CHANGE_RULES,
    Permission.SIGN_OFF,
}
_ADMIN: Final = _LEAD | {Permission.MANAGE_ACCESS}

PERMISSIONS: Final[Mapping[Role, frozenset[Permission]]] = MappingProxyType(
    {Role.VIEWER: _VIEWER, Role.ON_CALL: _ON_CALL, Role.LEAD: _LEAD, Role.ADMIN: _ADMIN}
)


def may(role: Role | None, permission: Permission) -> bool:
    """Whether a role has a permission; no role has none."""
    return role is not None and permission in PERMISSIONS[role]


def role_of(stored: str | None) -> Role | None:
    """A role as it is stored; None for none, and for a word that this release does not know."""
    try:
        return None if stored is None else Role(stored)
    except ValueError:
        return None
