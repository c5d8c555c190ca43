"""`saveguard alerts test`: sends a nonce through the channels, and takes it back."""

from __future__ import annotations

import json
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final
from uuid import UUID

import click
from sqlmodel import Session, col, select

from engine.alerting.channel_tests import confirm_test, put_tests
from engine.alerting.channels.channel import ChannelName
from engine.alerting.channels.opening import open_channels
from engine.alerting.tables import AlertOutbox
from engine.cli.acting import at_terminal, unless_refusal
from engine.cli.options import data_dir_option, json_option, ready_database
from engine.clock import Clock
from engine.database.sessions import session_of
from engine.database.target import Target
from engine.errors import SetupError

# A try may take 10 s, and what fails is tried again a few times.
_WAIT_S: Final = 60.0
_LOOK_EVERY_S: Final = 0.5
_ENDED: Final = frozenset({"delivered", "failed", "not configured", "dropped"})


@dataclass(frozen=True, slots=True)
class _Seen:
    """A test as it stands.

    Attributes:
        channel: which was tested.
        state: of its row.
        facts: for JSON.
        words: for a person.
    """

    channel: str
    state: str
    facts: Mapping[str, Any]
    words: str


@click.command("test")
@click.option(
    "--channel",
    "named",
    multiple=True,
    type=click.Choice([each.value for each in ChannelName]),
    help="Only this one; may be given again.",
)
@click.option("--wait", is_flag=True, help="Wait for what becomes of them; exit 1 unless sent.")
@click.option("--confirm", "typed", help="Type back the nonce that was read; sends nothing.")
@data_dir_option
@json_option
def test_command(
    named: Sequence[str],
    typed: str | None,
    data_dir: Path | None,
    *,
    wait: bool,
    as_json: bool,
) -> None:
    """Sends a test alert to every configured channel.

    Each holds a nonce. Whoever reads one types it back with --confirm, on the page, or has the
    receiver of a webhook answer with it. What serves, or `saveguard worker`, does the sending.
    """
    with ready_database(data_dir) as (settings, target, clock):
        if typed is not None:
            with session_of(target) as session:
                actor = at_terminal(clock)
                row = unless_refusal(session, confirm_test(session, clock, actor, typed))
                seen = [_seen(row)]
            _show(seen, as_json=as_json)
            return
        channels = open_channels(settings, clock)
        missing = {name: each.missing for name, each in channels.items()}
        wanted = [ChannelName(each) for each in named] or [
            name for name, why in missing.items() if why is None
        ]
        if not wanted:
            raise SetupError(f"no channel is configured: {'; '.join(map(str, missing.values()))}")
        lacking = [why for name in wanted if (why := missing[name]) is not None]
        if lacking:
            raise SetupError(f"not configured: {'; '.join(lacking)}")
        with session_of(target) as session:
            made = unless_refusal(
                session, put_tests(session, settings, clock, at_terminal(clock), wanted)
            )
        ids = [each.outbox_id for each in made]
        seen = _waited_for(target, clock, ids) if wait else _looked_at(target, ids)
    _show(seen, as_json=as_json)
    if wait:
        sys.exit(int(any(each.state != "delivered" for each in seen)))


def _waited_for(target: Target, clock: Clock, ids: Sequence[UUID]) -> list[_Seen]:
    until = clock.monotonic() + _WAIT_S
    while True:
        seen = _looked_at(target, ids)
        if all(each.state in _ENDED for each in seen) or clock.monotonic() >= until:
            return seen
        clock.sleep(_LOOK_EVERY_S)


def _looked_at(target: Target, ids: Sequence[UUID]) -> list[_Seen]:
    with session_of(target) as session:
        return [_seen(each) for each in _rows(session, ids)]


def _rows(session: Session, ids: Sequence[UUID]) -> Sequence[AlertOutbox]:
    wanted = select(AlertOutbox).where(col(AlertOutbox.id).in_(ids))
    return session.exec(wanted.order_by(col(AlertOutbox.channel))).all()


def _seen(row: AlertOutbox) -> _Seen:
    seconds = None if row.ended_at is None else (row.ended_at - row.made_at).total_seconds()
    taken_at = row.ended_at if row.state == "delivered" else None
    facts = {
        "channel": row.channel,
        "nonce": row.nonce,
        "state": row.state,
        "sentAt": row.made_at.isoformat(),
        "acceptedAt": None if taken_at is None else taken_at.isoformat(),
        "seconds": seconds,
        "receipt": row.receipt,
        "reason": row.reason,
        "answer": row.answer,
        "echoedAt": None if row.echoed_at is None else row.echoed_at.isoformat(),
        "echoedBy": row.echoed_by,
    }
    return _Seen(row.channel, row.state, facts, _words(row, seconds))


def _words(row: AlertOutbox, seconds: float | None) -> str:
    if row.echoed_at is not None:
        return f"read by {row.echoed_by}"
    if row.state == "delivered":
        return f"taken after {seconds:.1f} s; its nonce is still to be typed back"
    if row.state in {"waiting", "sending"}:
        tried = f", last tried: {row.reason}" if row.reason else ""
        return f"on its way; a process that serves, or a worker, sends it{tried}"
    return f"{row.state}: {row.reason}" + (f" ({row.answer})" if row.answer else "")


def _show(seen: Sequence[_Seen], *, as_json: bool) -> None:
    if as_json:
        click.echo(json.dumps([each.facts for each in seen]))
        return
    for each in seen:
        click.echo(f"{each.channel}: {each.words}")
