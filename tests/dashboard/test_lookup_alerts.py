"""The lookup page finds the evaluation that an alert's correlation id may be of."""

from __future__ import annotations

from datetime import datetime
from typing import Any
from uuid import UUID

import psycopg
from streamlit.testing.v1 import AppTest

from engine.access.audit import Actor, Way
from engine.access.roles import Role
from engine.alerting.channel_tests import put_tests
from engine.alerting.channels.channel import ChannelName
from engine.correlation import make_correlation_id
from engine.database.sessions import session_of
from engine.errors import ErrorCode
from engine.runtime import Runtime
from tests.dashboard.attempts import AGENT, CLOCK, END, add, attempt
from tests.dashboard.conftest import plain_texts
from tests.dashboard.test_lookup_page import markdown, opened
from tests.dashboard.viewers import Seat

_INSERT = """
    INSERT INTO alert_transition (
        id, rule_id, tick, happened_at, before, after, reason, numbers, correlation_id
    ) VALUES (%s, 'WATCH-001-ROLLER', 7, %s, 'inactive', 'firing', %s, '{}', %s)
"""


def evaluated(
    connection: psycopg.Connection[Any],
    correlation_id: str | None = None,
    at: datetime = END,
) -> str:
    """A rule began to fire; by which id it is found."""
    transition_id: UUID = CLOCK.uuid7()
    given = correlation_id or make_correlation_id(transition_id)
    connection.execute(_INSERT, [transition_id, at, "It *stood* still.", given])
    return given


def test_an_id_of_an_evaluation_is_told_as_such_and_not_as_missing(
    page: AppTest, connection: psycopg.Connection[Any]
) -> None:
    given = evaluated(connection)

    opened(page, correlation_id=given)

    (said,) = plain_texts(page)
    assert said.startswith(
        f"{given} is the evaluation in which alert rule WATCH-001-ROLLER went from inactive to"
        " firing at "
    )
    assert said.endswith(", by tick 7: It *stood* still.")
    assert "stood" not in markdown(page)


def test_an_id_of_a_channels_test_is_told_as_such_and_not_as_missing(
    page: AppTest, connection: psycopg.Connection[Any], engine: Runtime
) -> None:
    with session_of(engine.target) as session:
        local = Actor(None, "*lena*", Way.TERMINAL, None, "REQ-1")
        put_tests(session, engine.settings, engine.clock, local, [ChannelName.WEBHOOK])
    row = connection.execute("SELECT body ->> 'correlationId' FROM alert_outbox").fetchone()
    assert row is not None

    opened(page, correlation_id=f"it said {row[0]}")

    (said,) = plain_texts(page)
    assert said.startswith(f"{row[0]} is the test of channel webhook that was made at ")
    assert said.endswith(": it waits to be sent.")


def test_of_an_attempt_the_alert_that_points_at_it_is_told_before_its_story(
    page: AppTest, connection: psycopg.Connection[Any]
) -> None:
    add(connection, attempt(code=ErrorCode.DATABASE_TIMEOUT, correlation_id="REQ-POINTED-AT"))
    evaluated(connection, "REQ-POINTED-AT")

    opened(page, correlation_id="REQ-POINTED-AT")

    first, second, *_ = plain_texts(page)
    assert first.startswith("REQ-POINTED-AT is the attempt that was shown when alert rule")
    assert "DATABASE_TIMEOUT" in second or "did not answer" in second


def test_whoever_may_see_one_agents_data_only_is_told_of_no_evaluation(
    page: AppTest, connection: psycopg.Connection[Any], seat: Seat
) -> None:
    given = evaluated(connection)
    seat(Role.VIEWER, agent_id=AGENT)

    opened(page, correlation_id=given)

    assert not any("WATCH-001" in each for each in plain_texts(page))
