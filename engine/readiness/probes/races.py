"""Races: many on one quote from one version, and an edit against a send."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial
from typing import Final
from uuid import UUID

from engine.errors import ErrorCode
from engine.quotes.lifecycle import Operation
from engine.readiness.probes.history import facts_of, judge
from engine.readiness.probes.probe import Found, Question, decided, failing
from engine.readiness.probes.raw import WITNESS, told, versions
from engine.readiness.probes.saving import Hand, at_once, code_of, hand_of
from engine.saving.answer import Saved


@dataclass(frozen=True, slots=True)
class Size:
    """How large a race is."""

    clients: int
    rounds: int


# As the box asks for them; a test may set them smaller, and the evidence names the numbers.
LOCK: Final = Size(clients=50, rounds=20)
STATE: Final = Size(clients=2, rounds=200)
REGISTER: Final = Size(clients=8, rounds=15)

_CONFLICT: Final = ErrorCode.QUOTE_CONFLICT_VERSION.value
_NAMED: Final = 3
_VERSION: Final = "SELECT version, status FROM quote WHERE agent_id = %s AND id = %s"
# Nothing but accepting, rejecting and expiring may follow what was sent.
_EDITED_AFTER: Final = """
    SELECT s.quote_id
    FROM quote_revision s
    JOIN quote_revision e
        ON e.agent_id = s.agent_id AND e.quote_id = s.quote_id AND e.version > s.version
    WHERE s.agent_id = %s AND s.quote_id = ANY(%s) AND s.snapshot ->> 'status' = 'SENT'
        AND e.snapshot ->> 'trip_name' <> s.snapshot ->> 'trip_name'
"""


def lock(question: Question, size: Size | None = None) -> Found:
    """`lock.race`: of many who change one version, one is saved, and each other one is told."""
    size = size or LOCK
    hand = hand_of(question)
    quote_id = hand.create()
    wrong: list[str] = []
    saved = conflicts = 0
    with ThreadPoolExecutor(size.clients, "race") as threads:
        for version in range(1, size.rounds + 1):
            results = at_once(
                threads,
                [
                    partial(
                        hand.save,
                        Operation.UPDATE,
                        quote_id,
                        {"version": version, "tripName": f"Race {version} of {client}"},
                    )
                    for client in range(size.clients)
                ],
            )
            winners = [each for each in results if isinstance(each, Saved)]
            losers = sum(code_of(each) == _CONFLICT for each in results)
            saved += len(winners)
            conflicts += losers
            stands = _stands(hand, quote_id)[0]
            got = (len(winners), losers, stands)
            if got != (1, size.clients - 1, version + 1):
                wrong.append(
                    f"round {version}: {len(winners)} saved, {losers} in conflict, version {stands}"
                )
                break  # the next round's version does not stand
    expected = size.clients * size.rounds
    raw = versions(hand, quote_id, _stands(hand, quote_id)[0])
    unseen = [each.what for each in raw if each.is_unseen]
    if not wrong and unseen:
        return failing(f"Nothing refuses or finds a raw statement: {unseen[0]}", WITNESS)
    return decided(
        not wrong,
        f"{size.rounds} rounds of {size.clients} clients of this process: {saved} saved,"
        f" {conflicts} in conflict; {told(raw)}; several processes at once are not looked at",
        f"Not exactly one of {size.clients} was saved: {(wrong or [''])[0]}",
        f"UPDATE of quote {quote_id} from one version behind a barrier; {WITNESS}",
        clients=size.clients,
        rounds=size.rounds,
        calls=expected,
        saved=saved,
        conflicts=conflicts,
        wrong=wrong,
        quoteId=str(quote_id),
        raw=[list(each) for each in raw],
    )


def state(question: Question, size: Size | None = None) -> Found:
    """`state.race`: an edit against a send: edited, then sent; or sent, and the edit refused."""
    size = size or STATE
    hand = hand_of(question)
    wrong: list[str] = []
    first_edited = first_sent = 0
    quotes: list[UUID] = []
    with ThreadPoolExecutor(2, "race") as threads:
        for _ in range(size.rounds):
            quote_id = hand.create()
            quotes.append(quote_id)
            edit, send = at_once(
                threads,
                [
                    partial(
                        hand.save,
                        Operation.UPDATE,
                        quote_id,
                        {"version": 1, "tripName": "Edited in a race"},
                    ),
                    partial(hand.save, Operation.SEND, quote_id),
                ],
            )
            is_edited, is_sent = isinstance(edit, Saved), isinstance(send, Saved)
            first_edited += is_edited
            first_sent += is_sent and not is_edited
            wanted = (3 if is_edited else 2, "SENT")
            if not is_sent or _stands(hand, quote_id) != wanted or not _may_be(code_of(edit)):
                wrong.append(f"edit {code_of(edit) or 'saved'}, send {code_of(send) or 'saved'}")
    with hand.runtime.read_pool.connection() as connection:
        edited = connection.execute(_EDITED_AFTER, [hand.agent_id, quotes]).fetchall()
    numbers = {
        "rounds": size.rounds,
        "editedThenSent": first_edited,
        "sentAndEditRefused": first_sent,
        "editedAfterSent": len(edited),
        "wrong": wrong[:_NAMED],
    }
    if edited:
        return failing(
            f"{len(edited)} quotes were edited after they were sent", _EDITED_AFTER, **numbers
        )
    return decided(
        not wrong,
        f"{size.rounds} rounds: {first_edited} edited and then sent, {first_sent} sent and the edit"
        " refused, 0 edited once sent",
        f"{len(wrong)} of {size.rounds} rounds ended otherwise: {(wrong or [''])[0]}",
        _EDITED_AFTER,
        **numbers,
    )


def register(question: Question, size: Size | None = None) -> Found:
    """`hist.register`: what was answered in a race is what the quote's history says."""
    size = size or REGISTER
    hand, began = hand_of(question), question.runtime.clock.now()
    quote_id = hand.create(tripName="Register 0")

    def client(number: int) -> None:
        version = 1
        for turn in range(size.rounds):
            body = {"version": version, "tripName": f"Register {number}-{turn}"}
            result = hand.save(Operation.UPDATE, quote_id, body)
            version = _next_version(result, version)

    with ThreadPoolExecutor(size.clients, "register") as threads:
        list(threads.map(client, range(size.clients)))
    facts = facts_of(hand.runtime.target.app, hand.agent_id, quote_id, began)
    calls = hand.history.calls
    anomalies = judge(calls, facts)
    saved = sum(each.has_succeeded for each in calls)
    return decided(
        not anomalies,
        f"{len(calls)} calls of {size.clients} clients: {saved} acknowledged, versions 1 to {saved}"
        " without gap or repeat, none lost",
        f"{len(anomalies)} anomalies, the first: {(anomalies or [''])[0][:200]}",
        f"history of quote {quote_id}; its attempts, row and revisions in one snapshot",
        calls=len(calls),
        clients=size.clients,
        acknowledged=saved,
        anomalies=len(anomalies),
        first=[each[:200] for each in anomalies[:_NAMED]],
    )


def _next_version(result: object, version: int) -> int:
    """From which version a client goes on: the one that it is told stands."""
    if isinstance(result, Saved):
        return result.version
    refusal = getattr(result, "refusal", None)
    return version if refusal is None else int(refusal.details.get("actualVersion", version))


def _may_be(code: str) -> bool:
    """Whether an edit that races a send may end so."""
    return code in {"", _CONFLICT, ErrorCode.QUOTE_ALREADY_SENT.value}


def _stands(hand: Hand, quote_id: UUID) -> tuple[int, str]:
    with hand.runtime.read_pool.connection() as connection:
        row = connection.execute(_VERSION, [hand.agent_id, quote_id]).fetchone()
    return (0, "") if row is None else (row[0], row[1])
