"""A canary in every place that takes a text: fields, headers, queries, settings, people."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from engine.quotes.shape import ITEM_FIELDS, ITEM_NAMES, QUOTE_FIELDS, Field, JsonSchema
from tests.api.provocations import SECRET
from tests.api.test_bad_fields import ITEMS
from tests.canaries.canaries import MARK, canary
from tests.support import quote_body

# What a scanner of secrets takes for a key of ours; only its hash is stored.
KEYS: Final = {
    kind: f"sgk_{canary(kind)}".ljust(47, "A")
    for kind in ("a key that works", "a revoked key", "an expired key", "an unknown key")
}
SETTINGS: Final = (
    "the database's password",
    "the owner's password",
    "the secret of the cookies",
    "the secret at the provider",
    "the token of the bot",
    "the address of the webhook",
    "the secret of the webhook",
    "an address of Apprise",
)
# What people and channels have said of alerts.
ALERTS: Final = (
    "the message of an alert",
    "a note on an alert",
    "the reason of a silence",
    "the answer of a channel",
)
# Of a person: table.column → kind.
PEOPLE: Final = {
    f"{table}.{column}": f"{table} {column}"
    for table, columns in {
        "account": ("email", "name", "issuer", "subject"),
        "agent": ("email", "name"),
        "api_key": ("name",),
        "client": ("first_name", "last_name", "email"),
    }.items()
    for column in columns
}
# Everything of a request that we look at, and a few things that we do not.
HEADERS: Final = (
    "Accept", "Accept-Encoding", "Accept-Language", "Authorization", "Content-Encoding",
    "Content-Type", "Cookie", "Expect", "Forwarded", "Idempotency-Key", "If-Match",
    "If-None-Match", "Origin", "Proxy-Authorization", "Referer", "Traceparent", "Tracestate",
    "User-Agent", "X-Api-Key", "X-Correlation-ID", "X-Csrf-Token", "X-Forwarded-For",
    "X-Forwarded-Host", "X-Forwarded-Proto", "X-Request-ID",
)  # fmt: skip
QUERY: Final = ("status", "clientId", "limit", "cursor", "version", "key", "token")
MOVES: Final = ("to", "subject", "message", "reason")
PROVOKED: Final = "what provocations send"
REFUSED_FIELD: Final = "a field that there is not"
REFUSED_VALUE: Final = "a value of a field that there is not"
IDEMPOTENCY_KEY: Final = "an idempotency key"
PASSWORD: Final = "a password"  # noqa: S105 - the name of a kind
WRONG_PASSWORD: Final = "a wrong password"  # noqa: S105 - the same
WRONG_ADDRESS: Final = "an e-mail address of nobody"
FORM: Final = "a field of the form to sign in"
SECOND_TRIP: Final = "a trip that was changed"


def _takes_text(schema: JsonSchema) -> bool:
    return any(
        part.get("type") == "string" and "maxLength" in part
        for part in schema.get("anyOf", [schema])
    )


def texts_of(fields: Mapping[str, Field], prefix: str) -> dict[str, Any]:
    """A canary for every free text among some fields, and for the texts of its lists."""
    found: dict[str, Any] = {}
    for name, field in fields.items():
        schema = field.rule.schema
        if _takes_text(schema):
            found[name] = canary(f"{prefix} {name}")
        elif _takes_text(schema.get("items", {})):
            found[name] = [canary(f"{prefix} {name}")]
    return found


def laden_quote() -> dict[str, Any]:
    """A valid quote with one of every kind of item, and a canary in every text."""
    body = quote_body(taxes=1) | texts_of(QUOTE_FIELDS, "quote")
    for kind, attribute in ITEM_NAMES.items():
        item = ITEMS[kind] | texts_of(ITEM_FIELDS[attribute], kind)
        body[kind] = item if kind == "insurance" else [item]
    return body


def _quote_kinds() -> frozenset[str]:
    kinds = {f"quote {name}" for name in texts_of(QUOTE_FIELDS, "quote")}
    for kind, attribute in ITEM_NAMES.items():
        kinds |= {f"{kind} {name}" for name in texts_of(ITEM_FIELDS[attribute], kind)}
    return frozenset(kinds)


QUOTE: Final = _quote_kinds()


def planted() -> dict[str, str]:
    """Every canary that the scene plants, by its kind."""
    kinds = [
        *QUOTE, *SETTINGS, *ALERTS, *PEOPLE.values(), IDEMPOTENCY_KEY, REFUSED_FIELD, REFUSED_VALUE,
        SECOND_TRIP, PASSWORD, WRONG_PASSWORD, WRONG_ADDRESS, FORM, "a body that is no JSON",
        "a path", "a setting of the wrong kind",
        *(f"header {name}" for name in HEADERS), "header Host",
        *(f"query {name}" for name in QUERY), "query name",
        *(f"move {name}" for name in MOVES),
    ]  # fmt: skip
    assert SECRET.startswith(MARK)
    return {kind: canary(kind) for kind in kinds} | KEYS | {PROVOKED: SECRET}
