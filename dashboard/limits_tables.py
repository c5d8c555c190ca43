"""The tables of the page of limits: settings, agents, refusals; stored text is only text.

Pure functions.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import timedelta
from typing import Any, Final

import pandas as pd

from dashboard import people_tables, receipts
from dashboard.limits_reads import Limits
from dashboard.quote_words import cut
from engine.access.limit_use import Use
from engine.access.tables import Agent
from engine.attempts.words import instant
from engine.quotes.quota_use import DEFAULT_QUOTA
from engine.rollups.grid import Window
from engine.rollups.selection import Filter, Selection
from engine.settings import Settings, environment_name

LINK: Final = "Show"
USED: Final = "Quota used, %"
LAST_MINUTE: Final = "In the last minute"


def _duration(value: timedelta) -> str:
    """12 h, 5 min, 2 s: the longest unit of which it is a whole number."""
    seconds = value.total_seconds()
    for unit, length in (("h", 3600), ("min", 60)):
        if seconds and seconds % length == 0:
            return f"{seconds / length:,g} {unit}"
    return f"{seconds:,g} s"


def _whole(value: int) -> str:
    return f"{value:,}"


# Each setting that limits somebody; none of them is a secret.
SETTINGS: Final[Mapping[str, Callable[[Any], str]]] = {
    "bad_credentials_per_minute": _whole,
    "bad_passwords": _whole,
    "session_lifetime": _duration,
    "identity_lifetime": _duration,
    "body_limit": _whole,
    "body_time": _duration,
    "save_budget": _duration,
    "pool_size": _whole,
}


def settings(found: Settings, *, has_people: bool) -> pd.DataFrame:
    """What limits everybody: the two that agents begin with, then the settings.

    Args:
        found: of this process.
        has_people: whether whoever looks can change limits of agents themselves.
    """
    where = "on People" if has_people else "an administrator, on People"
    rows = [
        (
            "Requests a minute of an agent",
            people_tables.rate_limit(Agent.model_fields["rate_limit_per_minute"].default),
            f"{where}, or saveguard agent set --rate-limit",
        ),
        (
            "Active quotes of an agent",
            _whole(DEFAULT_QUOTA),
            f"{where}, or saveguard agent set --quota",
        ),
    ]
    rows += [
        (
            str(Settings.model_fields[name].description),
            spell(getattr(found, name)),
            environment_name(name),
        )
        for name, spell in SETTINGS.items()
    ]
    return pd.DataFrame(rows, columns=["Limit", "Value", "Changed by"])


def agents(found: Limits) -> pd.DataFrame:
    """Agents with limits of their own or near their quota, nearest first."""
    used = {use.who: use for use in found.used if use.kind == "agent"}
    return pd.DataFrame(
        {
            "Agent": [cut(each.name) for each in found.agents],
            "Rate limit": [
                people_tables.rate_limit(each.rate_limit_per_minute) for each in found.agents
            ],
            LAST_MINUTE: [
                _last_minute(each.rate_limit_per_minute, used.get(str(each.agent_id)))
                for each in found.agents
            ],
            "Quota": [each.max_active_quotes for each in found.agents],
            "Active quotes": [
                f"at most {min(each.given, each.max_active_quotes):,}"
                if each.active is None
                else f"{each.active:,}"
                for each in found.agents
            ],
            USED: [
                _share(each.given if each.active is None else each.active, each.max_active_quotes)
                for each in found.agents
            ],
            "Status": [each.status for each in found.agents],
            "Agent's id": [str(each.agent_id) for each in found.agents],
        }
    )


def addresses(found: Limits, limit: int) -> pd.DataFrame:
    """Networks that showed wrong keys in the last minute, those with most first.

    Args:
        found: what was read.
        limit: how many there may be.
    """
    shown = [each for each in found.used if each.kind == "address" and each.used]
    return pd.DataFrame(
        {
            "Address": [cut(each.who) for each in shown],
            "Wrong keys in the last minute": [each.used for each in shown],
            "Limit": [limit for _ in shown],
            "Has to wait": ["yes" if each.is_waiting else "" for each in shown],
        }
    )


def _last_minute(limit: int | None, use: Use | None) -> str:
    """17 of 60, of which the last had to wait; nothing is counted of who has no limit."""
    if limit is None:
        return "not counted"
    if use is None:
        return f"0 of {limit:,}"
    return f"{use.used:,} of {limit:,}{', has to wait' if use.is_waiting else ''}"


def refused(found: Limits, back: timedelta) -> pd.DataFrame:
    """Whom limits refused, most often first."""
    window = Window(found.read_at - back, found.read_at)
    names = {each.agent_id: each.name for each in found.agents}
    rows = found.refused.refused
    return pd.DataFrame(
        {
            "Agent": [cut(names.get(each.agent_id, "")) for each in rows],
            "Code": [each.code.value for each in rows],
            "Refused": [each.times for each in rows],
            "Last, UTC": [instant(each.last_at)[: -len(" UTC")] for each in rows],
            LINK: [receipts.href(Selection(window, Filter(), code=each.code)) for each in rows],
            "Agent's id": [str(each.agent_id) for each in rows],
        }
    )


def _share(used: int, quota: int) -> int:
    """Whole per cent, cut: a hundred is a quota that is used up."""
    return 100 if used >= quota else used * 100 // quota
