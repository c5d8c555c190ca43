"""Where which canary belongs; whatever is found elsewhere has leaked.

Each line is needed: one whose canary is not found there makes the test fail, too.
"""

from __future__ import annotations

from collections.abc import Mapping
from collections.abc import Set as AbstractSet
from typing import Final

from engine.quotes.shape import ITEM_NAMES, QUOTE_FIELDS
from tests.canaries.planting import (
    ALERTS,
    FORM,
    IDEMPOTENCY_KEY,
    MOVES,
    PEOPLE,
    PROVOKED,
    QUOTE,
    REFUSED_FIELD,
    SECOND_TRIP,
    WRONG_ADDRESS,
    texts_of,
)

_FIRST_TRIP: Final = "quote tripName"
_CHANGED: Final = QUOTE - {_FIRST_TRIP} | {SECOND_TRIP}
# What the provocations put into a quote; see there.
_PROVOKED_COLUMNS: Final = frozenset(
    {"trip_name", "destination", "commission_label", "important_info", "custom_notes",
     "agent_notes", "inclusions", "exclusions", "custom_items"}
)  # fmt: skip
# Notes; and where a flight's destination stands already, its city.
_CITY: Final = "flights destinationCity"
_NOT_SHOWN: Final = frozenset(
    {"quote agentNotes", "quote customNotes", "quote importantInfo", _CITY}
)
_CLIENT: Final = frozenset(kind for place, kind in PEOPLE.items() if place.startswith("client."))
_QUOTES: Final = "/api/agents/quotes"


def _columns_of_a_quote() -> dict[str, AbstractSet[str]]:
    """Each text in its own column."""
    columns: dict[str, set[str]] = {
        QUOTE_FIELDS[name].attribute: {f"quote {name}"} for name in texts_of(QUOTE_FIELDS, "quote")
    }
    for kind, attribute in ITEM_NAMES.items():
        columns[attribute] = {each for each in QUOTE if each.startswith(f"{kind} ")}
    columns["trip_name"].add(SECOND_TRIP)
    for column in _PROVOKED_COLUMNS:
        columns[column].add(PROVOKED)
    return {f"table quote.{column}": kinds for column, kinds in columns.items()}


ALLOWED: Final[Mapping[str, AbstractSet[str]]] = {
    # An agent gets its own quotes back, and no one else's.
    f"answer POST {_QUOTES}": QUOTE | {PROVOKED},
    f"answer GET {_QUOTES}": QUOTE,
    f"answer GET {_QUOTES}/{{id}}": QUOTE | {SECOND_TRIP},
    f"answer GET {_QUOTES}/{{id}}/history": QUOTE | {SECOND_TRIP},
    f"answer PATCH {_QUOTES}/{{id}}": QUOTE | {SECOND_TRIP, PROVOKED},
    f"answer POST {_QUOTES}/{{id}}/send": _CHANGED | {PROVOKED},
    f"answer POST {_QUOTES}/{{id}}/reject": _CHANGED,
    # Whoever sent a name that we do not know is told which; of a problem, where it was met.
    "refusal": {REFUSED_FIELD},
    "refusal as a problem": {"a path", "query name"},
    # The key of an attempt is how its caller speaks of it.
    "journal": {IDEMPOTENCY_KEY, PROVOKED},
    "table attempt.idempotency_key": {IDEMPOTENCY_KEY, PROVOKED},
    "table idempotency_key.key": {IDEMPOTENCY_KEY, PROVOKED},
    "page lookup": {IDEMPOTENCY_KEY},
    # An operator at the machine itself, who has asked for it.
    "what commands print": {
        IDEMPOTENCY_KEY,
        PROVOKED,
        PEOPLE["account.email"],
        PEOPLE["account.name"],
    },
    # The answer that is given again.
    "table idempotency_key.response": QUOTE | {PROVOKED},
    "table quote_revision.snapshot": QUOTE | {SECOND_TRIP, PROVOKED},
    "table quote_revision.detail": {PROVOKED, *(f"move {name}" for name in MOVES)},
    **_columns_of_a_quote(),
    # People, each in the one column that is theirs.
    **{f"table {place}": {kind} for place, kind in PEOPLE.items()},
    **{
        f"table {place}": {PEOPLE[place], PROVOKED}
        for place in ("account.email", "client.first_name", "client.last_name", "client.email")
    },
    # Who has the quote's page open reads the quote; notes and the client only who asks for them,
    # which is written down.
    "page quote": QUOTE - _NOT_SHOWN,
    "page quote, personal data asked for": QUOTE - {_CITY} | _CLIENT,
    # Whoever manages access knows whose it is; the trail names who did something.
    "page people": {PEOPLE[each] for each in ("account.email", "account.name", "agent.name")},
    "page audit": {PEOPLE["account.email"]},
    "table audit_event.actor": {PEOPLE["account.email"]},
    # Whoever is on call reads what was said of an alert; each stands in the place that is its own.
    "page alerts": {*ALERTS},
    "table alert.message": {ALERTS[0]},
    "table alert.remark": {ALERTS[1]},
    "table alert_silence.reason": {ALERTS[2]},
    "table alert_outbox.answer": {ALERTS[3]},
    "table alert_delivery.answer": {ALERTS[3]},
    # What was filled in stands in the form that is shown again, the password never.
    "answer of the form to sign in": {FORM, WRONG_ADDRESS, PEOPLE["account.email"]},
    "answer at the door": {FORM},
}
