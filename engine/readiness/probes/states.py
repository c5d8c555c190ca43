"""The states of a quote: every operation in every state, against the table of the domain page."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final
from uuid import UUID

from engine.errors import ErrorCode
from engine.quotes.lifecycle import Operation, Status
from engine.readiness.probes.probe import Found, Question, decided
from engine.readiness.probes.raw import WITNESS, Raw, moves, told
from engine.readiness.probes.saving import Hand, code_of, hand_of
from engine.saving.answer import Saved

_SENT, _STATE, _ABSENT = (
    ErrorCode.QUOTE_ALREADY_SENT.value,
    ErrorCode.QUOTE_STATE_INVALID.value,
    ErrorCode.QUOTE_NOT_FOUND.value,
)
# The rules of the domain, written a second time: a probe that read them from the program would
# find that the program does what it does. A state where it is allowed, a code where it is not.
MATRIX: Final[Mapping[Status, Mapping[Operation, str]]] = {
    Status.DRAFT: {
        Operation.UPDATE: "DRAFT",
        Operation.DELETE: "CANCELLED",
        Operation.SEND: "SENT",
        Operation.ACCEPT: _STATE,
        Operation.REJECT: _STATE,
        Operation.EXPIRE: _STATE,
    },
    Status.SENT: {
        Operation.UPDATE: _SENT,
        Operation.DELETE: _SENT,
        Operation.SEND: _SENT,
        Operation.ACCEPT: "ACCEPTED",
        Operation.REJECT: "REJECTED",
        Operation.EXPIRE: "EXPIRED",
    },
    Status.REJECTED: {
        Operation.UPDATE: "REJECTED",
        Operation.DELETE: "CANCELLED",
        Operation.SEND: _STATE,
        Operation.ACCEPT: _STATE,
        Operation.REJECT: _STATE,
        Operation.EXPIRE: _STATE,
    },
    Status.ACCEPTED: dict.fromkeys(
        [each for each in Operation if each is not Operation.CREATE], _STATE
    ),
    Status.EXPIRED: dict.fromkeys(
        [each for each in Operation if each is not Operation.CREATE], _STATE
    ),
    Status.CANCELLED: dict.fromkeys(
        [each for each in Operation if each is not Operation.CREATE], _ABSENT
    ),
}
# How a quote comes to be in a state.
_WAYS: Final[Mapping[Status, tuple[Operation, ...]]] = {
    Status.DRAFT: (),
    Status.SENT: (Operation.SEND,),
    Status.REJECTED: (Operation.SEND, Operation.REJECT),
    Status.ACCEPTED: (Operation.SEND, Operation.ACCEPT),
    Status.EXPIRED: (Operation.SEND, Operation.EXPIRE),
    Status.CANCELLED: (Operation.DELETE,),
}
# Every column, so that a refusal that changes anything at all shows.
_ROW: Final = """
    SELECT status, version, md5(q::text) FROM quote q WHERE agent_id = %s AND id = %s
"""
_CHANGED: Final = {"tripName": "Moved"}


def matrix(question: Question) -> Found:
    """`state.matrix`: each cell does what the domain says, and a refusal changes nothing."""
    hand = hand_of(question)
    wrong: list[str] = []
    cells: dict[str, str] = {}
    raw: list[Raw] = []
    for status, operations in MATRIX.items():
        quote_id: UUID | None = None
        # Those that are refused first: the quote is what it was, and serves the next one.
        for operation, wanted in sorted(
            operations.items(), key=lambda each: each[1] in set(Status)
        ):
            quote_id = quote_id or _brought(hand, status)
            got = _cell(hand, quote_id, status, operation)
            cells[f"{status} {operation.name}"] = got
            if got != wanted:
                wrong.append(f"{operation.name} of {status}: {got}, not {wanted}")
            if _row(hand, quote_id)[0] != status:
                quote_id = None
        quote_id = quote_id or _brought(hand, status)
        raw += moves(hand, quote_id, status, _unreachable(status))
    unseen = [each.what for each in raw if each.is_unseen]
    wrong += [f"nothing refuses or finds a raw {each}" for each in unseen]
    return decided(
        not wrong,
        f"{len(cells)} of {len(cells)} cells are as the domain has them; {told(raw)}; saved by this"
        " process, the API's own way there is not looked at",
        f"{len(wrong)} of {len(cells)} cells are not: {(wrong or [''])[0]}",
        f"a canary quote in each state, its row before and after each operation; {WITNESS}",
        cells=len(cells),
        wrong=wrong,
        got=cells,
        raw=[list(each) for each in raw],
    )


def _unreachable(status: Status) -> list[Status]:
    """Where no operation leads from a state."""
    reached = {status, *MATRIX[status].values()}
    return [each for each in Status if each not in reached]


def _brought(hand: Hand, status: Status) -> UUID:
    """A new quote that was brought to be in a state."""
    quote_id = hand.create()
    for each in _WAYS[status]:
        hand.save(each, quote_id, {})
    return quote_id


def _cell(hand: Hand, quote_id: UUID, status: Status, operation: Operation) -> str:
    """Where an operation leads from a state, or the code that refuses it."""
    before = _row(hand, quote_id)
    if before[0] != status:
        return f"cannot be brought to be {status}"
    body: dict[str, Any] = {"version": before[1]}
    if operation is Operation.UPDATE:
        body |= _CHANGED
    result = hand.save(operation, quote_id, body)
    after = _row(hand, quote_id)
    if isinstance(result, Saved):
        return str(after[0]) if after[1] == before[1] + 1 else f"saved as version {after[1]}"
    return code_of(result) if after == before else f"{code_of(result)}, and changed"


def _row(hand: Hand, quote_id: UUID) -> tuple[Any, ...]:
    with hand.runtime.read_pool.connection() as connection:
        return connection.execute(_ROW, [hand.agent_id, quote_id]).fetchone() or ("", 0, "")
