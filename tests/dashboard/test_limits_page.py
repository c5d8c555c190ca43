"""The page of limits: its numbers beside plain SQL, and no secret among its settings."""

from __future__ import annotations

from datetime import timedelta
from typing import Any, Final, cast
from urllib.parse import parse_qsl, urlsplit

import psycopg
import pytest
from pydantic import SecretStr
from streamlit.testing.v1 import AppTest

from dashboard import limits_tables
from engine.access.rate_limits import RateLimits
from engine.access.roles import Role
from engine.access.tables import Agent
from engine.errors import ErrorCode
from engine.quotes.quota_use import DEFAULT_QUOTA
from engine.rollups import refused_by_agent
from engine.rollups.grid import Window
from engine.runtime import Runtime
from engine.settings import Settings, environment_name
from tests.dashboard.attempts import END, add, attempt
from tests.dashboard.conftest import APP
from tests.dashboard.viewers import Seat
from tests.support import Agency, new_agency

_DAY: Final = timedelta(days=1)
_CODES: Final = (ErrorCode.RATE_LIMIT_EXCEEDED, ErrorCode.QUOTA_EXCEEDED)
# As the ledger has them: RATE_LIMIT_EXCEEDED and QUOTA_EXCEEDED.
_PLAINLY: Final = """
    SELECT agent_id::text, error_code, count(*)
    FROM ledger
    WHERE error_code IN ('RATE_LIMIT_EXCEEDED', 'QUOTA_EXCEEDED')
        AND source = 'live' AND started_at >= %(start)s AND started_at < %(end)s
    GROUP BY agent_id, error_code
"""
_ACTIVE: Final = """
    SELECT count(*) FROM quote WHERE agent_id = %s AND status IN ('DRAFT', 'SENT', 'REJECTED')
"""


def opened() -> AppTest:
    page = AppTest.from_file(str(APP), default_timeout=30)
    page.switch_page("../pages/limits.py")
    page.run()
    assert not page.exception
    return page


def table(page: AppTest, alt: str) -> list[dict[str, Any]]:
    found = [each for each in page.dataframe if each.proto.alt == alt]
    return cast("list[dict[str, Any]]", found[0].value.to_dict("records")) if found else []


@pytest.fixture
def agencies(engine: Runtime, seat: Seat) -> list[Agency]:
    """One with a small quota and three quotes, one with a rate limit, one like everybody."""
    seat(Role.ON_CALL)
    full = new_agency(engine, max_active_quotes=5)
    for _ in range(3):
        full.create()
    return [full, new_agency(engine, rate_limit_per_minute=60), new_agency(engine)]


def test_agents_with_limits_of_their_own_are_listed_with_what_they_have_used(
    agencies: list[Agency], connection: psycopg.Connection[Any]
) -> None:
    full, limited, _ = agencies

    shown = table(opened(), "Agents and their limits")

    assert [row["Agent's id"] for row in shown] == [str(full.agent_id), str(limited.agent_id)]
    assert [(row["Rate limit"], row["Quota"]) for row in shown] == [
        ("none", 5),
        ("60 requests a minute", DEFAULT_QUOTA),
    ]
    for row, agency in zip(shown, (full, limited), strict=True):
        (counted,) = connection.execute(_ACTIVE, [agency.agent_id]).fetchone() or (None,)
        assert row["Active quotes"] == str(counted)
    assert [row["Quota used, %"] for row in shown] == [60, 0]


def test_refusals_of_the_last_day_are_those_of_the_ledger_and_lead_to_their_attempts(
    agencies: list[Agency], connection: psycopg.Connection[Any]
) -> None:
    full, limited, other = (each.agent_id for each in agencies)
    add(
        connection,
        *(
            attempt(END - timedelta(minutes=7 * number), code, agent_id=agent_id, **more)
            for number, (code, agent_id, more) in enumerate(
                [
                    (ErrorCode.RATE_LIMIT_EXCEEDED, limited, {}),
                    (ErrorCode.RATE_LIMIT_EXCEEDED, limited, {}),
                    (ErrorCode.RATE_LIMIT_EXCEEDED, other, {}),
                    (ErrorCode.QUOTA_EXCEEDED, full, {}),
                    (ErrorCode.RATE_LIMIT_EXCEEDED, full, {"source": 4}),
                    (ErrorCode.DATABASE_TIMEOUT, full, {}),
                    (None, full, {}),
                ]
                * 3
            )
        ),
        attempt(END - _DAY - timedelta(seconds=1), ErrorCode.QUOTA_EXCEEDED, agent_id=full),
    )
    plainly = connection.execute(_PLAINLY, {"start": END - _DAY, "end": END}).fetchall()

    shown = table(opened(), "Refused by limits")

    assert {(row["Agent's id"], row["Code"], row["Refused"]) for row in shown} == set(plainly)
    assert [row["Refused"] for row in shown] == sorted(
        (row["Refused"] for row in shown), reverse=True
    )
    for row in shown:
        said = dict(parse_qsl(urlsplit(row["Show"]).query))
        assert said["only_code"] == row["Code"]


def test_what_was_used_in_the_last_minute_is_what_the_limits_count(
    engine: Runtime, agencies: list[Agency]
) -> None:
    _, limited, _ = agencies
    pool, deadline = engine.read_pool, engine.clock.monotonic() + 30
    limits = RateLimits(engine.clock)
    for _ in range(61):
        limits.count(f"agent/{limited.agent_id}", 60, pool, deadline)
    for network in ("192.0.2.9", "2001:db8::/64", "2001:db8::/64"):
        limits.count(f"address/{network}", 20, pool, deadline)

    page = opened()

    shown = {row["Agent's id"]: row for row in table(page, "Agents and their limits")}
    assert shown[str(limited.agent_id)]["In the last minute"] == "60 of 60, has to wait"
    assert {row["In the last minute"] for row in shown.values()} == {
        "60 of 60, has to wait",
        "not counted",
    }
    assert [tuple(row.values()) for row in table(page, "Addresses with wrong keys")] == [
        ("2001:db8::/64", 2, 20, ""),
        ("192.0.2.9", 1, 20, ""),
    ]


def test_refusals_are_found_without_reading_the_day(
    engine: Runtime, connection: psycopg.Connection[Any]
) -> None:
    add(connection, *(attempt(END - timedelta(seconds=each)) for each in range(1, 3_000)))
    add(connection, attempt(END - timedelta(hours=1), ErrorCode.QUOTA_EXCEEDED))
    with psycopg.connect(engine.target.owner, autocommit=True) as owner:
        owner.execute("ANALYZE attempt")
    asked: list[Any] = []

    class Noting(psycopg.Cursor[Any]):
        def execute(self, query: Any, params: Any = None, **more: Any) -> Any:
            asked.append(query)
            return super().execute(query, params, **more)

    connection.cursor_factory = Noting
    found = refused_by_agent.read(connection, Window(END - _DAY, END), _CODES)
    connection.cursor_factory = psycopg.Cursor

    assert [each.times for each in found.refused] == [1]
    plan = connection.execute(b"EXPLAIN " + asked[0].as_bytes(connection)).fetchall()
    assert f"Seq Scan on attempt_{END:%Y%m%d}" not in str(plan), plan


@pytest.mark.usefixtures("agencies")
def test_settings_that_limit_are_shown_by_their_variables_and_no_secret(engine: Runtime) -> None:
    shown = {row["Changed by"]: row for row in table(opened(), "Limits of everybody")}

    for name in limits_tables.SETTINGS:
        row = shown[environment_name(name)]
        assert row["Limit"] == Settings.model_fields[name].description
    assert shown["SAVEGUARD_BAD_PASSWORDS"]["Value"] == str(engine.settings.bad_passwords)
    assert shown["SAVEGUARD_BODY_LIMIT"]["Value"] == "1,048,576"
    assert shown["SAVEGUARD_IDENTITY_LIFETIME"]["Value"] == "2 s"
    secrets = [
        name
        for name, field in Settings.model_fields.items()
        if SecretStr.__name__ in str(field.annotation)
    ]
    assert secrets
    assert not set(secrets) & set(limits_tables.SETTINGS)


def test_the_quota_that_every_agent_has_is_the_tables_own() -> None:
    assert Agent.model_fields["max_active_quotes"].default == DEFAULT_QUOTA


@pytest.mark.usefixtures("engine")
def test_durations_are_told_in_hours_and_who_changes_limits_in_words(seat: Seat) -> None:
    changed_by = {}
    for role in (Role.ON_CALL, Role.ADMIN):
        seat(role)
        page = AppTest.from_file(str(APP), default_timeout=30)
        page.switch_page("../pages/limits.py")
        page.run()
        (shown,) = [each for each in page.dataframe if each.proto.alt == "Limits of everybody"]
        rows = {row["Limit"]: row for row in shown.value.to_dict("records")}
        changed_by[role] = rows["Requests a minute of an agent"]["Changed by"]
        lasts = [row["Value"] for row in rows.values() if "SESSION" in row["Changed by"]]

        assert lasts == ["12 h"]
    assert changed_by == {
        Role.ON_CALL: "an administrator, on People, or saveguard agent set --rate-limit",
        Role.ADMIN: "on People, or saveguard agent set --rate-limit",
    }
