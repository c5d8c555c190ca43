"""Sessions wait for nothing longer than somebody in front of a screen would."""

from __future__ import annotations

import signal
from datetime import timedelta

import click
import psycopg
import pytest
from sqlalchemy.exc import OperationalError
from sqlmodel import text

from engine.cli.main import run
from engine.database.sessions import session_of
from engine.database.target import Target
from engine.settings import Settings

_SHORT = Settings(
    lock_timeout=timedelta(milliseconds=30), statement_timeout=timedelta(milliseconds=40)
)


def test_each_transaction_of_a_session_is_bounded_and_the_connecting_too(target: Target) -> None:
    with session_of(target, _SHORT) as session:
        for _ in range(2):
            for name, bound in (("lock_timeout", "30ms"), ("statement_timeout", "40ms")):
                assert session.execute(text(f"SHOW {name}")).scalar() == bound
            session.commit()
        plain = session.connection().connection.driver_connection

        assert isinstance(plain, psycopg.Connection)
        assert plain.info.get_parameters()["connect_timeout"] == "3"
        # What a pooler hands to somebody else has nothing of ours.
        plain.rollback()
        assert plain.execute("SHOW lock_timeout").fetchone() == ("0",)


def test_without_settings_the_bounds_are_their_defaults(target: Target) -> None:
    with session_of(target) as session:
        shown = [
            session.execute(text(f"SHOW {name}")).scalar()
            for name in ("lock_timeout", "statement_timeout")
        ]

    assert shown == ["2s", "8s"]


def test_a_lock_that_is_not_to_be_had_ends_the_session(target: Target) -> None:
    with psycopg.connect(target.owner) as holder:
        holder.execute("LOCK TABLE audit_event IN ACCESS EXCLUSIVE MODE")
        with pytest.raises(OperationalError) as refused, session_of(target, _SHORT) as session:
            session.execute(text("SELECT count(*) FROM audit_event"))

    assert isinstance(refused.value.orig, psycopg.errors.LockNotAvailable)


def test_a_statement_that_takes_too_long_ends_the_session(target: Target) -> None:
    with pytest.raises(OperationalError) as refused, session_of(target, _SHORT) as session:
        session.execute(text("SELECT pg_sleep(60)"))

    assert isinstance(refused.value.orig, psycopg.errors.QueryCanceled)


def test_a_command_says_in_a_line_that_its_session_waited_for_too_long(
    target: Target, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    @click.group()
    def group() -> None:
        pass

    @group.command()
    def wait() -> None:
        with session_of(target, _SHORT) as session:
            session.execute(text("SELECT pg_sleep(60)"))

    monkeypatch.setattr("sys.argv", ["saveguard", "wait"])
    monkeypatch.setattr(signal, "signal", lambda *_: None)

    with pytest.raises(SystemExit) as ended:
        run(group)

    assert ended.value.code == 2
    assert "the database has failed (QueryCanceled)" in capsys.readouterr().err
