"""What a save would write: the pure part between reading a quote and writing it."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

import msgspec

from engine.errors import ErrorCode, Refusal
from engine.quotes.draft import PRICED_FIELDS
from engine.quotes.lifecycle import (
    TRANSITIONS,
    Operation,
    Status,
    quote_not_found,
    state_refusal,
)
from engine.quotes.pricing import price_quote, totals_refusal
from engine.quotes.record import QuoteRecord, content_of, expiry, stored_draft, stored_price
from engine.quotes.validation import merge
from engine.saving.request import Creation, Edit, Move


@dataclass(frozen=True, slots=True)
class Plan:
    """What to write.

    Attributes:
        record: the quote as it will stand.
        expected_version: the version it must still have; 0 for a new quote.
        changed_fields: columns that the caller named or the move implies.
        detail: recorded with the revision.
    """

    record: QuoteRecord
    expected_version: int
    changed_fields: tuple[str, ...]
    detail: Mapping[str, Any] | None = None


def plan_creation(
    creation: Creation,
    *,
    agent_id: UUID,
    quote_id: UUID,
    quote_number: str,
    modified_by: str,
    now: datetime,
) -> Plan | Refusal:
    """Prices a draft and lays out the new quote."""
    draft = creation.draft
    price = price_quote(draft)
    if isinstance(price, Refusal):
        return price
    if refusal := totals_refusal(draft, price):
        return refusal
    record = QuoteRecord(
        agent_id=agent_id,
        id=quote_id,
        quote_number=quote_number,
        **content_of(draft, price),
        status=Status.DRAFT.value,
        created_at=now,
        sent_at=None,
        accepted_at=None,
        rejected_at=None,
        expires_at=expiry(now, draft.expires_in_days),
        deleted_at=None,
        version=1,
        last_modified_by=modified_by,
        last_modified_at=now,
    )
    return Plan(record, 0, ())


def plan_change(
    operation: Operation,
    intent: Edit | Move,
    current: QuoteRecord | None,
    *,
    modified_by: str,
    now: datetime,
) -> Plan | Refusal:
    """Decides on a change of the quote that was read.

    The status and version that were read are hints: what stands when the write happens decides. But
    a version that has passed never comes back, so a refusal here is as true as one from the write.
    """
    if current is None:
        return quote_not_found()
    status = Status(current.status)
    if refusal := state_refusal(operation, status):
        return refusal
    if intent.expected_version is not None and intent.expected_version != current.version:
        return conflict(current, intent.expected_version)
    stamp = {
        "version": current.version + 1,
        "last_modified_by": modified_by,
        "last_modified_at": now,
        "status": TRANSITIONS[operation][status].value,
    }
    if isinstance(intent, Move):
        moved = _marks_of(operation, current, now)
        record = msgspec.structs.replace(current, **stamp, **moved)
        return Plan(record, current.version, ("status", *moved), intent.detail)
    return _plan_edit(intent, current, stamp, now)


def named_columns(edit: Edit) -> tuple[str, ...]:
    """The columns that a caller named; a total that it claims is only compared."""
    return tuple(name for name in edit.change.values if not name.startswith("claimed_"))


def joined(columns: Iterable[str]) -> str | None:
    """Names of columns as the ledger keeps them; None for none."""
    return ",".join(columns) or None


def conflict(current: QuoteRecord, expected_version: int) -> Refusal:
    """QUOTE_CONFLICT_VERSION, naming what stands now."""
    return conflict_with(
        current.id,
        expected_version,
        current.version,
        current.last_modified_by,
        current.last_modified_at,
    )


def conflict_with(
    quote_id: UUID,
    expected_version: int,
    actual_version: int,
    modified_by: str,
    modified_at: datetime | None,
) -> Refusal:
    """QUOTE_CONFLICT_VERSION from the parts of what stands now."""
    return Refusal(
        ErrorCode.QUOTE_CONFLICT_VERSION,
        f"The quote is at version {actual_version}, not {expected_version}: somebody saved it"
        " since; reload, then decide.",
        {
            "quoteId": str(quote_id),
            "expectedVersion": expected_version,
            "actualVersion": actual_version,
            "lastModifiedBy": modified_by,
            "lastModifiedAt": modified_at,
        },
    )


def _plan_edit(
    edit: Edit, current: QuoteRecord, stamp: Mapping[str, Any], now: datetime
) -> Plan | Refusal:
    named = edit.change.values
    draft = merge(stored_draft(current), edit.change)
    if isinstance(draft, Refusal):
        return draft
    # What a change does not touch keeps the price it was sold at, whatever today's policy says.
    price = price_quote(draft) if PRICED_FIELDS & named.keys() else stored_price(current)
    if isinstance(price, Refusal):
        return price
    if refusal := totals_refusal(draft, price):
        return refusal
    content = content_of(draft, price)
    if "expires_in_days" in named:
        content["expires_at"] = expiry(now, draft.expires_in_days)
    record = msgspec.structs.replace(current, **content, **stamp)
    return Plan(record, current.version, named_columns(edit))


def _marks_of(operation: Operation, current: QuoteRecord, now: datetime) -> dict[str, Any]:
    """The instants that a move leaves on the quote."""
    match operation:
        case Operation.SEND:
            # The offer's days count from when the client has it.
            return {"sent_at": now, "expires_at": expiry(now, current.expires_in_days)}
        case Operation.ACCEPT:
            return {"accepted_at": now}
        case Operation.REJECT:
            return {"rejected_at": now}
        case Operation.DELETE:
            return {"deleted_at": now}
        case _:
            return {}
