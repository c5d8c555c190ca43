"""What a caller asks of a save, and the reading of it: pure, every violation at once."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Final, TypeAlias
from uuid import UUID

from engine.attempts.outcome import Source
from engine.errors import Refusal
from engine.payload import canonical_hash
from engine.quotes.draft import Draft
from engine.quotes.lifecycle import Operation
from engine.quotes.shape import Rule, Unfit, choice, integer, is_email_address, text
from engine.quotes.validation import Change, Violation, read_change, read_draft, refusal

_VERSION_MAX: Final = 2_000_000_000
_MESSAGE_MAX: Final = 2_000
_VISIBLE: Final = re.compile(r"[\x21-\x7e]{1,255}", re.ASCII)
_DIGITS: Final = re.compile(r"[0-9]{1,10}", re.ASCII)
_ENTITY_TAG: Final = re.compile(r'"([0-9]{1,10})"', re.ASCII)


@dataclass(frozen=True, slots=True, kw_only=True)
class SaveRequest:
    """One attempt to save, as it arrived.

    Attributes:
        operation: what to do.
        agent_id: whose quotes; the caller has proved to be this agent.
        modified_by: who is written down as the modifier: an account's id, or `system:…`.
        quote_id: which quote; none for a create.
        body: the fields, wire names, fractions as Decimal.
        is_body_known: whether it was read; else the ledger has no hash of it.
        if_match: the If-Match header as it came.
        query_version: the `version` of the query string as it came.
        idempotency_key: the Idempotency-Key header as it came.
        correlation_id: accepted or made at the edge.
        traceparent: the W3C trace context, when there was a well-formed one.
        source: what kind of traffic this is.
        max_active_quotes: the agent's quota.
        attempt_id: the attempt's id, made before the first byte is sent.
        started_at: when it arrived, in UTC.
        received: the same on the monotonic clock; the budget counts from here.
    """

    operation: Operation
    agent_id: UUID
    modified_by: str
    correlation_id: str
    attempt_id: UUID
    started_at: datetime
    received: float
    quote_id: UUID | None = None
    body: Mapping[str, Any] = field(default_factory=dict, repr=False)
    is_body_known: bool = True
    if_match: str | None = None
    query_version: str | None = None
    idempotency_key: str | None = field(default=None, repr=False)
    traceparent: str | None = None
    source: Source = Source.LIVE
    max_active_quotes: int = 100_000


@dataclass(frozen=True, slots=True)
class Creation:
    """A new quote is wanted."""

    draft: Draft


@dataclass(frozen=True, slots=True)
class Edit:
    """Fields of a quote are to change."""

    change: Change
    expected_version: int


@dataclass(frozen=True, slots=True)
class Move:
    """A quote is to move to another status.

    Attributes:
        expected_version: the version it must have, None for whichever it has.
        detail: what is recorded with the move (channel, reason, …), None for nothing.
    """

    expected_version: int | None
    detail: Mapping[str, Any] | None


Intent: TypeAlias = Creation | Edit | Move


def payload_hash(request: SaveRequest) -> bytes | None:
    """SHA-256 of the body in canonical form; None when it was not read, or JSON cannot say it.

    The latter can only come from a caller in this process; its validation says what is wrong.
    """
    if not request.is_body_known:
        return None
    try:
        return canonical_hash(request.body)
    except (TypeError, ValueError, ArithmeticError):
        return None


def fingerprint(request: SaveRequest, body_hash: bytes | None) -> bytes:
    """What must be the same when an idempotency key comes again: target, version and body."""
    target = (
        request.operation.name,
        str(request.quote_id),
        request.if_match or "",
        request.query_version or "",
    )
    return hashlib.sha256("\0".join(target).encode() + (body_hash or b"")).digest()


def well_formed_key(key: str | None) -> str | None:
    """An idempotency key as the ledger keeps it: one that is none may be anything, even a secret.

    Args:
        key: the header as it came.
    """
    return key if key is not None and _VISIBLE.fullmatch(key) else None


def read_request(request: SaveRequest) -> Intent | Refusal:
    """Reads what is wanted, or says everything that is wrong with the request's shape."""
    violations: list[Violation] = []
    key = request.idempotency_key
    if key is not None and well_formed_key(key) is None:
        violations.append(
            Violation("Idempotency-Key", "must be 1 to 255 visible characters", "format")
        )
    if request.operation is Operation.CREATE:
        if request.if_match is not None:
            violations.append(Violation("If-Match", "has no meaning for a new quote", "format"))
        return _unless(violations, read_draft(request.body), Creation)
    body = dict(request.body)
    version = _read_version(request, body, violations)
    match request.operation:
        case Operation.UPDATE:
            return _unless(violations, read_change(body), lambda change: Edit(change, version or 0))
        case Operation.SEND:
            detail = _read_fields(body, SEND_FIELDS, violations)
            _check_send(detail, violations)
        case Operation.ACCEPT | Operation.REJECT:
            detail = _read_fields(body, REASON_FIELDS, violations)
        case _:
            detail = _read_fields(body, {}, violations)
    return refusal(violations) if violations else Move(version, detail or None)


# What a send, and an answer of the client, may name besides a version.
SEND_FIELDS: Final[Mapping[str, Rule]] = {
    "channel": choice("email", "whatsapp", "link"),
    "to": text(320, minimum=1),
    "subject": text(minimum=1),
    "message": text(_MESSAGE_MAX, minimum=1),
}
REASON_FIELDS: Final[Mapping[str, Rule]] = {"reason": text(_MESSAGE_MAX)}
_VERSION: Final = integer(1, _VERSION_MAX)


def _unless(violations: list[Violation], read: Any, wrap: Any) -> Intent | Refusal:  # noqa: ANN401
    """Joins our violations with those of the body, so that all are reported at once."""
    if not violations:
        return read if isinstance(read, Refusal) else wrap(read)
    if isinstance(read, Refusal):
        listed = [Violation(**each) for each in read.details.get("errors", ())]
        return refusal([*violations, *listed])
    return refusal(violations)


def _read_version(
    request: SaveRequest, body: dict[str, Any], violations: list[Violation]
) -> int | None:
    """The version that the caller started from; several places must name the same one."""
    named: set[int] = set()
    wrong: list[Violation] = []
    if "version" in body:
        _note(body.pop("version"), "version", named, wrong)
    if request.query_version is not None:
        written = request.query_version
        value = int(written) if _DIGITS.fullmatch(written) else written
        _note(value, "version", named, wrong)
    if request.if_match is not None:
        tag = _ENTITY_TAG.fullmatch(request.if_match.strip())
        if tag is not None:
            _note(int(tag[1]), "If-Match", named, wrong)
        elif request.if_match.strip() != "*" or not (named or wrong):
            wrong.append(
                Violation("If-Match", 'must be one version in quotes, for example "3"', "format")
            )
    if len(named) > 1:
        wrong.append(Violation("If-Match", "names another version than version", "format"))
    if request.operation is Operation.UPDATE and not named and not wrong:
        wrong.append(Violation("version", "is required", "missing_version"))
    violations += wrong
    return min(named) if named else None


def _note(value: object, place: str, named: set[int], violations: list[Violation]) -> None:
    try:
        named.add(_VERSION.clean(value))
    except Unfit as unfit:
        violations.append(Violation(place, unfit.message, unfit.code))


def _read_fields(
    body: Mapping[str, Any], rules: Mapping[str, Rule], violations: list[Violation]
) -> dict[str, Any]:
    detail: dict[str, Any] = {}
    for name, value in body.items():
        rule = rules.get(name)
        if rule is None:
            violations.append(Violation(name[:80], "is not a known field", "unknown"))
        elif value is not None:
            try:
                detail[name] = rule.clean(value)
            except Unfit as unfit:
                violations.append(Violation(name, unfit.message, unfit.code))
    return detail


def _check_send(detail: dict[str, Any], violations: list[Violation]) -> None:
    channel = detail.setdefault("channel", "link")
    if channel != "email":
        return
    for name in ("to", "subject"):
        if name not in detail and not any(each.field == name for each in violations):
            violations.append(Violation(name, "is required to send by email", "required"))
    if "to" in detail and not is_email_address(detail["to"]):
        violations.append(Violation("to", "must be an e-mail address", "format"))
