"""Whether alerts that were delivered have every field that they are to have, each by itself."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from types import MappingProxyType
from typing import Any, Final, NamedTuple
from uuid import UUID

from psycopg import sql

from engine.alerting import evaluations
from engine.alerting.channels.channel import Letter
from engine.alerting.channels.webhook import payload
from engine.alerting.notices import NoticeKind
from engine.alerting.rules import AlertCode, Share
from engine.attempts import lookup
from engine.attempts.words import printable
from engine.readiness.probes.alert_fields import CHECKS, Sent, instant_of
from engine.readiness.probes.alerting import rules_and_status
from engine.readiness.probes.asking import SHOWN, rows
from engine.readiness.probes.probe import Found, Question, failing, insufficient, passing
from engine.readiness.probes.settings import secrets_of
from engine.readiness.probes.spans import of_phase
from engine.rollups.counts import Traffic
from engine.rollups.grid import window_until
from engine.rollups.selection import Filter, Selection

# Box → which field.
ASKED: Final[Mapping[str, str]] = MappingProxyType(
    {f"POST-5.3.{number}": field for number, field in enumerate(CHECKS, start=1)}
)
_SHARED: Final = "delivered alerts"
# The newest; of older ones nothing else is to be learned.
_ROWS_MAX: Final = 500
# Each is looked up, or counted again, by a query of its own.
_ASKED_MAX: Final = 25
_COUNTED_MAX: Final = timedelta(hours=1)
_DELIVERED: Final = """
    -- What was delivered of alerts since the deployment, newest first.
    SELECT id, body::text, is_perhaps_repeated, nonce
    FROM alert_outbox
    WHERE state = 'delivered' AND kind IN ('firing', 'repeat', 'resolved')
        AND made_at >= %(since)s AND made_at <= %(now)s
    ORDER BY made_at DESC, id DESC
    LIMIT %(limit)s
"""
_ALERTS: Final = "SELECT id, fired_at, resolved_at FROM alert WHERE id = ANY(%s)"
_COUNT: Final = sql.SQL("SELECT count(*), count(*) FILTER (WHERE {bad}) FROM attempt WHERE {of}")


class _Times(NamedTuple):
    """When an alert began and ended, as the journal has it."""

    began_at: datetime
    ended_at: datetime | None


def schema(question: Question) -> Found:
    """`alert.schema`: a field is right in the bytes of every alert since the deployment.

    The bytes are made again from the row of the outbox, by the code that made them then and from
    nothing else; what people read on a telephone is composed of the same fields.
    """
    span = of_phase(question)
    if isinstance(span, Found):
        return span
    name = ASKED.get(question.item.id, "")
    sent = _sent(question)
    faults = [
        f"{each.notice.get('ruleId')} {each.notice.get('alertId')}: {name} {fault}"
        for each in sent
        if (fault := CHECKS[name](each)) is not None
    ]
    numbers: dict[str, Any] = {"alerts": len(sent), "field": name}
    if name == "correlationId":
        asked = list(dict.fromkeys(str(each.notice.get(name)) for each in sent))[:_ASKED_MAX]
        faults += [
            f"{printable(each)[:80]} leads nowhere" for each in asked if not _leads(question, each)
        ]
        numbers["lookedUp"] = len(asked)
    if name == "metrics":
        again = [each for each in sent if _can_be_counted(each)][:_ASKED_MAX]
        faults += [fault for each in again if (fault := _miscounted(question, each)) is not None]
        numbers["countedAgain"] = len(again)
    numbers |= {"faults": faults[:SHOWN], "faultCount": len(faults)}
    witness = f"{_DELIVERED}; docs/reference/alert-payload.md"
    if faults:
        reason = f"{len(faults)} faults in {name} of {len(sent)} alerts, the first: {faults[0]}"
        return failing(reason, witness, **numbers)
    if not sent:
        return insufficient("No alert was delivered since the deployment", witness, **numbers)
    more = {
        "correlationId": f", {numbers.get('lookedUp')} of them looked up",
        "metrics": f", {numbers.get('countedAgain')} of them counted again",
    }.get(name, "")
    return passing(f"{name} is right in all {len(sent)} alerts{more}", witness, **numbers)


def _sent(question: Question) -> Sequence[Sent]:
    """What was delivered since the deployment, one for each alert that it tells of."""
    if _SHARED not in question.shared:
        question.shared[_SHARED] = list(_read(question))
    found: Sequence[Sent] = question.shared[_SHARED]
    return found


def _read(question: Question) -> Iterator[Sent]:
    runtime, release = question.runtime, question.release
    rules, _ = rules_and_status(question)
    by_id = {rule.id: rule for rule in rules}
    secrets = tuple(secret for _, secret in secrets_of(runtime.settings))
    values = {
        "since": release.deployed_at,
        "now": runtime.clock.now(),
        "limit": _ROWS_MAX,
    }
    letters = [
        Letter(row_id, json.loads(body), *more)
        for row_id, body, *more in rows(question, _DELIVERED, values)
    ]
    texts = [payload(each).decode() for each in letters]
    told = [(text, notice) for text in texts for notice in _notices(text)]
    times = _times(question, [str(notice.get("alertId")) for _, notice in told])
    for text, notice in told:
        sent = Sent(
            notice=notice,
            text=text,
            rule=by_id.get(str(notice.get("ruleId"))),
            began_at=None,
            ended_at=None,
            environment=release.environment,
            secrets=secrets,
        )
        known = times.get(str(notice.get("alertId")))
        if known is not None:
            sent = replace(sent, began_at=known.began_at, ended_at=known.ended_at)
        yield sent


def _notices(text: str) -> Iterator[Mapping[str, Any]]:
    """The alerts that one message tells of."""
    body = json.loads(text)
    yield body
    yield from (each for each in body.get("others") or () if isinstance(each, dict))


def _times(question: Question, alert_ids: Sequence[str]) -> Mapping[str, _Times]:
    ids = []
    for each in alert_ids:
        try:
            ids.append(UUID(each))
        except ValueError:
            continue
    return {str(alert_id): _Times(*of) for alert_id, *of in rows(question, _ALERTS, [ids])}


def _leads(question: Question, correlation_id: str) -> bool:
    """Whether a look-up finds the attempt, or the evaluation that had none to point at."""
    runtime = question.runtime
    now = runtime.clock.now()
    with runtime.read_pool.connection() as connection:
        own = evaluations.find(connection, correlation_id, now)
        if any(each.is_own for each in own):
            return True
        hits = lookup.find(connection, correlation_id, now).hits
    return any(hit.certainty is lookup.Certainty.EXACT for hit in hits)


def _can_be_counted(sent: Sent) -> bool:
    """Whether the ledger can be asked for the same numbers, in a moment."""
    condition = None if sent.rule is None else sent.rule.condition
    return (
        sent.notice.get("kind") == NoticeKind.FIRING.value
        and sent.notice.get("errorCode") != AlertCode.NO_DATA.value
        and isinstance(condition, Share)
        and condition.traffic is Traffic.LIVE
        and condition.window <= _COUNTED_MAX
        and CHECKS["metrics"](sent) is None
        and CHECKS["timestamp"](sent) is None
    )


def _miscounted(question: Question, sent: Sent) -> str | None:
    """Why numbers that were told are not the ledger's; None when they are.

    What was committed after the alert is in its window all the same, so that the ledger may have
    more of them today; it never has fewer.
    """
    at = instant_of(sent.notice.get("timestamp"))
    if sent.rule is None or not isinstance(sent.rule.condition, Share) or at is None:
        return None
    condition = sent.rule.condition
    window = window_until(at, condition.window)
    of = Selection(window, Filter(condition.operation, condition.traffic), condition.of)
    query = _COUNT.format(bad=sql.SQL(condition.bad.sql), of=of.condition())
    with question.runtime.read_pool.connection() as connection:
        row = connection.execute(query, prepare=False).fetchone()
    attempts, bad = row or (0, 0)
    told = sent.notice["metrics"]
    if told["attempts"] <= attempts and told["bad"] <= bad:
        return None
    return (
        f"{sent.rule.id} {sent.notice.get('alertId')}: metrics told {told['bad']} of"
        f" {told['attempts']}, the ledger has {bad} of {attempts}"
    )
