"""People, their keys and their sign-ins as tables and sentences: stored text is only text.

Pure functions.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Final

import pandas as pd

from dashboard.quote_words import cut
from dashboard.wording import counted
from engine.access.people import Key, Person, SignedInBrowser
from engine.access.roles import PERMISSIONS, Permission, Role, role_of
from engine.attempts.words import instant

OPEN: Final = "Account"
STATUS: Final = "Status"
STATUSES: Final = {"active": "green", "disabled": "red"}
KEY_STATES: Final = {"works": "green", "expired": "gray", "revoked": "red"}
SIGN_IN_STATES: Final = {"signed in": "green", "over": "gray"}
NO_ROLE: Final = "none"
_OPEN: Final = "Open"
_NEVER: Final = "never"
_NONE: Final = "none"
# What each permission lets somebody do, in the words of a page.
ALLOWED: Final = {
    Permission.SEE_NUMBERS: (
        "see the numbers over all agents, what fires, and how releases stand: Overview, Latency,"
        " Errors, Alerts, Readiness"
    ),
    Permission.READ_LEDGER: (
        "read any agent's attempts, quotes and log lines: Lookup, Attempts, Quote, Limits"
    ),
    Permission.SEE_PERSONAL_DATA: "see clients' names and addresses, and notes, on Quote",
    Permission.HANDLE_ALERTS: "acknowledge and silence alerts, and test their channels, on Alerts",
    Permission.CHANGE_RULES: "change alert rules, on Alerts",
    Permission.SIGN_OFF: "make releases, and vouch, waive and sign on Readiness",
    Permission.MANAGE_ACCESS: (
        "change accounts, roles, keys and limits, and read the audit trail: People, Audit trail"
    ),
}


def people(found: Sequence[Person]) -> pd.DataFrame:
    """Accounts, one a row."""
    return pd.DataFrame(
        {
            OPEN: [_OPEN for _ in found],
            "E-mail": [cut(each.email) for each in found],
            "Name": [cut(each.name or "") for each in found],
            "Role": [each.role or NO_ROLE for each in found],
            "Agent": [cut(each.agent_name or "") for each in found],
            STATUS: [[status(each)] for each in found],
            "Last sign-in, UTC": [_at(each.last_sign_in_at) for each in found],
            "Signed in now": [each.live_sign_ins for each in found],
            "Keys": [each.live_keys for each in found],
        }
    )


def named(name: str) -> str:
    """What somebody is called, as a text."""
    return cut(name) or "nobody known"


def status(person: Person) -> str:
    """In one word."""
    return "active" if person.disabled_at is None else "disabled"


def facts(person: Person) -> pd.DataFrame:
    """An account, a fact a row."""
    ways = [
        way
        for way, has in (
            ("a password", person.has_password),
            ("the identity provider", person.is_of_provider),
        )
        if has
    ]
    disabled = _NONE if person.disabled_at is None else instant(person.disabled_at)
    rows = [
        ("E-mail", cut(person.email)),
        ("Name", cut(person.name or _NONE)),
        ("Role", person.role or NO_ROLE),
        ("Status", status(person) if person.disabled_at is None else f"disabled at {disabled}"),
        ("Signs in with", " and ".join(ways) or "nothing yet"),
        ("Made", instant(person.created_at)),
        ("Account", str(person.account_id)),
    ]
    if person.agent_id is not None:
        rows += [
            ("Agent", cut(person.agent_name or "")),
            ("Agent's id", str(person.agent_id)),
            ("Agent's status", person.agent_status or _NONE),
            ("Rate limit", rate_limit(person.rate_limit_per_minute)),
            ("Quota", f"{person.max_active_quotes:,} active quotes"),
        ]
    return pd.DataFrame(rows, columns=["Fact", "Value"])


def rate_limit(per_minute: int | None) -> str:
    """60 → 60 requests a minute."""
    return _NONE if per_minute is None else f"{counted(per_minute, 'request')} a minute"


def keys(found: Sequence[Key], now: datetime) -> pd.DataFrame:
    """Keys, one a row; of a key itself nothing is known."""
    return pd.DataFrame(
        {
            "Key": [str(each.id) for each in found],
            "Name": [cut(each.name or "") for each in found],
            STATUS: [[key_state(each, now)] for each in found],
            "Scope": [each.scope for each in found],
            "Made, UTC": [_at(each.created_at) for each in found],
            "Expires, UTC": [_at(each.expires_at) for each in found],
            "Last used, UTC": [_at(each.last_used_at) for each in found],
            "Revoked, UTC": [
                "" if each.revoked_at is None else _at(each.revoked_at) for each in found
            ],
            "Replaced by": [
                "" if each.replaced_by is None else str(each.replaced_by) for each in found
            ],
        }
    )


def key_state(key: Key, now: datetime) -> str:
    """In one word."""
    if key.revoked_at is not None:
        return "revoked"
    return "works" if key.is_live(now) else "expired"


def key_title(key: Key) -> str:
    """A key in a list to choose from; the end of its id tells it from others of the same name."""
    ends = "never ends" if key.expires_at is None else f"ends {_at(key.expires_at)[:16]}"
    named = (cut(key.name),) if key.name else ()
    return " · ".join((*named, key.scope, ends, f"…{str(key.id)[-12:]}"))


def sign_ins(found: Sequence[SignedInBrowser], now: datetime) -> pd.DataFrame:
    """Browsers that somebody has signed in with, one a row."""
    return pd.DataFrame(
        {
            "Began, UTC": [_at(each.began_at) for each in found],
            STATUS: [["signed in" if each.is_live(now) else "over"] for each in found],
            "With": [each.method for each in found],
            "From": [cut(each.address or "this machine") for each in found],
            "Ends, UTC": [_at(each.ended_at or each.expires_at) for each in found],
        }
    )


def allowed(role: str | None) -> list[str]:
    """What a role lets somebody do, a sentence's part each."""
    known: Role | None = role_of(role)
    return (
        []
        if known is None
        else [ALLOWED[each] for each in Permission if each in PERMISSIONS[known]]
    )


def _at(moment: datetime | None) -> str:
    return _NEVER if moment is None else instant(moment)[: -len(".123 UTC")]
