"""An event of the audit trail in words: what was done, to whom, with which facts.

Pure functions. What is stored stays as it is, and is what the file says; only pages say it so.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final
from uuid import UUID

from engine.access.audit import Action
from engine.access.audit_trail import Event
from engine.quotes.shape import parse_uuid

Names = Mapping[UUID, str]

ACCOUNT: Final = "account"
_ACCOUNT_ID: Final = "accountId"
# Nouns: what was refused has not happened.
ACTIONS: Final[Mapping[str, str]] = {
    Action.SIGNED_IN: "sign-in",
    Action.SIGNED_OUT: "sign-out",
    Action.SIGN_INS_ENDED: "end of sign-ins",
    Action.PASSWORD_SET: "new password",
    Action.ACCOUNT_ADDED: "new account",
    Action.ACCOUNT_DISABLED: "disabling of account",
    Action.ACCOUNT_ENABLED: "enabling of account",
    Action.ROLE_CHANGED: "change of role",
    Action.AGENT_ADDED: "new agent",
    Action.LIMIT_CHANGED: "change of limits",
    Action.AGENT_STATUS_CHANGED: "change of agent status",
    Action.CLIENT_ADDED: "new client",
    Action.KEY_ADDED: "new key",
    Action.KEY_ROTATED: "rotation of key",
    Action.KEY_REVOKED: "revocation of key",
    Action.SETTINGS_CHANGED: "change of settings",
    Action.PERSONAL_DATA_VIEWED: "view of personal data",
    Action.LEDGER_EXPORTED: "export",
    Action.RELEASE_MADE: "new release",
    Action.RELEASE_DEPLOYED: "deployment of release",
    Action.BOX_ATTESTED: "word for box",
    Action.BOX_EXEMPTED: "exemption of box",
    Action.EXEMPTION_SECONDED: "agreement to exemption",
    Action.PHASE_SIGNED: "signature of phase",
    Action.RECORD_REVOKED: "revocation of record",
    Action.CONTACTS_CHANGED: "change of contacts",
    Action.PROBE_RUN: "run of probes",
    Action.FEEDBACK_ADDED: "feedback added",
    Action.CANDIDATE_DISPOSED: "candidate disposed of",
    Action.SILENCE_ADDED: "silence",
    Action.SILENCE_ENDED: "end of silence",
    Action.ALERT_ACKNOWLEDGED: "acknowledgement of alert",
    Action.RULE_CHANGED: "change of alert rule",
    Action.CHANNEL_TESTED: "test of alert channel",
    Action.CALL_REFUSED: "call",
    Action.PAGE_REFUSED: "page",
}
_KINDS: Final = {"api_key": "key"}
_FACTS: Final = {
    _ACCOUNT_ID: "account",
    "agentId": "agent",
    "expiresAt": "expires",
    "keyId": "key",
    "max_active_quotes": "active quotes",
    "newKeyId": "new key",
    "overlapSeconds": "seconds that both work for",
    "rate_limit_per_minute": "requests a minute",
    "saidBy": "said by",
    "signInsEnded": "sign-ins ended",
}
# The API and the pages have called somebody without a name by these.
_UNKNOWN: Final = frozenset({"unknown", "nobody known"})
_NOBODY: Final = "nobody known"


def action(stored: str) -> str:
    """What was done, or was to be."""
    return ACTIONS.get(stored, stored)


def actor(event: Event) -> str:
    """Who did it, as they were called then."""
    return _NOBODY if event.account_id is None and event.actor in _UNKNOWN else event.actor


def subject(event: Event, names: Names) -> str:
    """What it was done to; an account by its e-mail address as that is now."""
    kind, which = event.subject_kind or "", event.subject_id or ""
    if kind == ACCOUNT:
        which = _named(which, names)
    return " ".join(each for each in (_KINDS.get(kind, kind), which) if each)


def details(event: Event, names: Names) -> str:
    """The facts of an event as one line: name: value; name: value."""
    facts = event.details
    if event.action == Action.SETTINGS_CHANGED and "keyed_by" in facts:
        return _settings(facts)
    said = []
    for name in sorted(facts, key=_order):
        value = facts[name]
        plain = _named(str(value), names) if name == _ACCOUNT_ID else _plain(value)
        if name == "expiresAt" and value is None:
            plain = "never"
        said.append(f"{_FACTS.get(name, name)}: {plain}")
    return "; ".join(said)


def accounts(event: Event) -> set[UUID]:
    """The accounts that it speaks of."""
    said = [event.details.get(_ACCOUNT_ID)]
    if event.subject_kind == ACCOUNT:
        said.append(event.subject_id)
    found = {parse_uuid(each) for each in said if isinstance(each, str)}
    return {each for each in found if each is not None}


def _settings(facts: Mapping[str, Any]) -> str:
    changed = facts.get("changed") or {}
    said = ["first start: settings recorded"] if facts.get("first") else []
    said += [f"{name}: {_plain(changed[name])}" for name in sorted(changed)]
    return "; ".join(said)


def _named(said: str, names: Names) -> str:
    account_id = parse_uuid(said)
    return said if account_id is None else names.get(account_id, said)


def _order(name: str) -> tuple[bool, str]:
    """What was before stands before what is now; the database keeps no order."""
    return name != "old", name


def _plain(value: object) -> str:
    match value:
        case None:
            return "none"
        case dict():
            return ", ".join(
                f"{_FACTS.get(name, name)} {_plain(value[name])}"
                for name in sorted(value, key=_order)
            )
        case _:
            return str(value)
