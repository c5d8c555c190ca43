"""The address of the page of the audit trail: which events it asks for.

Pure functions. Its parameters have names that no filter of another page has: see
`dashboard.addresses`.
"""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Final
from uuid import UUID

from dashboard.storable import storable
from engine.access.audit import Action
from engine.access.audit_trail import Place, Wanted

REQUEST: Final = "request"
ACTION: Final = "did"
ACTOR: Final = "actor"
OUTCOME: Final = "ended"
SINCE: Final = "since"
UNTIL: Final = "to"
BEFORE: Final = "events_before"
OUTCOMES: Final = ("done", "refused")
_LONGEST: Final = 200
_SPAN: Final = (datetime(1970, 1, 1, tzinfo=UTC), datetime(2200, 1, 1, tzinfo=UTC))
_DATES: Final = "write 2026-11-26, or 2026-11-26T09:00Z."
_NOT_READ: Final = {
    ACTION: "The address asks for an action that does not exist (did).",
    OUTCOME: "The address asks for an outcome that is neither done nor refused (ended).",
    SINCE: f"From is no date: {_DATES}",
    UNTIL: f"Until is no date: {_DATES}",
    BEFORE: "The address names no place in the trail (events_before).",
}


@dataclass(frozen=True, slots=True)
class Asked:
    """What an address asks for.

    Attributes:
        wanted: which events.
        request: the correlation id of the only request; empty for all.
        before: only older ones.
        unread: a sentence on each parameter that could not be read.
    """

    wanted: Wanted
    request: str
    before: Place | None
    unread: tuple[str, ...]


def read(said: Mapping[str, str]) -> Asked:
    """What the parameters ask for; anything may stand there."""
    action, outcome = said.get(ACTION), said.get(OUTCOME)
    start, end = _moment(said.get(SINCE)), _moment(said.get(UNTIL))
    before = _place(said.get(BEFORE))
    understood = {
        ACTION: action is None or action in set(Action),
        OUTCOME: outcome is None or outcome in OUTCOMES,
        SINCE: SINCE not in said or start is not None,
        UNTIL: UNTIL not in said or end is not None,
        BEFORE: BEFORE not in said or before is not None,
    }
    wanted = Wanted(
        start=start,
        end=end,
        action=action if understood[ACTION] else None,
        actor=_text(said.get(ACTOR, "")) or None,
        outcome=outcome if understood[OUTCOME] else None,
    )
    unread = tuple(_NOT_READ[name] for name, is_read in understood.items() if not is_read)
    return Asked(wanted, _text(said.get(REQUEST, "")), before, unread)


def parameters(wanted: Wanted, request: str = "", before: Place | None = None) -> dict[str, str]:
    """The parameters that ask for some events."""
    said = {
        REQUEST: request,
        ACTION: wanted.action,
        ACTOR: wanted.actor,
        OUTCOME: wanted.outcome,
        SINCE: _instant(wanted.start),
        UNTIL: _instant(wanted.end),
        BEFORE: None if before is None else f"{_instant(before.happened_at)}_{before.id}",
    }
    return {name: value for name, value in said.items() if value}


def _text(said: str) -> str:
    """A text as a database takes it."""
    return storable(said.strip()[:_LONGEST])


def _instant(moment: datetime | None) -> str | None:
    return None if moment is None else moment.astimezone(UTC).isoformat().replace("+00:00", "Z")


def _moment(said: str | None) -> datetime | None:
    """An instant; a date is its beginning, and what names no zone is in UTC, as all on the page."""
    with suppress(ValueError, OverflowError):
        found = datetime.fromisoformat((said or "").strip())
        found = found if found.tzinfo is not None else found.replace(tzinfo=UTC)
        if _SPAN[0] <= found <= _SPAN[1]:
            return found.astimezone(UTC)
    return None


def _place(said: str | None) -> Place | None:
    written, _, number = (said or "").partition("_")
    happened_at = _moment(written)
    with suppress(ValueError):
        return None if happened_at is None else Place(happened_at, UUID(number))
    return None
