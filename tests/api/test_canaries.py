"""What a canary saves is synthetic, and nobody else can have theirs taken for it."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import psycopg
import pytest
from psycopg.rows import dict_row

from engine.access.canaries import CANARY_IDS, Canary, is_canary, keys_of_canaries
from engine.saving.expiry import expire_due
from tests.api.caller import Caller, calling, client_of
from tests.api.service import CLOCK, QUOTES, Service
from tests.database.people import trail
from tests.support import Agency, quote_body


def agency_of(service: Service, canary: Canary, api_key: str) -> Agency:
    return Agency(service.runtime, canary.id, canary.id, canary.id, api_key)


def keys(service: Service) -> list[dict[str, Any]]:
    with (
        psycopg.connect(service.runtime.target.owner) as connection,
        connection.cursor(row_factory=dict_row) as cursor,
    ):
        return cursor.execute("SELECT * FROM api_key ORDER BY created_at").fetchall()


def test_what_a_canary_saves_is_synthetic_whatever_became_of_it(service: Service) -> None:
    target = service.runtime.target
    with keys_of_canaries(target, CLOCK, *Canary) as held:
        for canary in Canary:
            with calling(service, agency_of(service, canary, held[canary])) as caller:
                answers = [caller.call("POST", body=each) for each in (quote_body(), {}, b"{")]
            for answer in answers:
                row = service.attempt(answer.headers["x-correlation-id"])
                assert row["source"] == "synthetic", canary


@pytest.mark.parametrize("header", ["X_Saveguard_Source", "X_Source", "Source"])
def test_nobody_else_can_say_that_theirs_is(caller: Caller, header: str) -> None:
    answer = caller.call("POST", body=quote_body(), **{header: "synthetic"})

    row = caller.service.attempt(answer.headers["x-correlation-id"])
    assert row["source"] == "live"


def test_who_is_not_known_cannot_either(service: Service) -> None:
    with client_of(service, None) as nobody:
        answer = nobody.post(QUOTES, json={}, headers={"X-Saveguard-Source": "synthetic"})

    row = service.attempt(answer.headers["x-correlation-id"])
    assert row["source"] == "live"


def test_no_account_that_is_made_in_another_way_is_one(service: Service) -> None:
    """Ids that are made are of version 7; those of canaries are of version 8."""
    others = [service.agency() for _ in range(3)]

    assert {each.version for each in CANARY_IDS} == {8}
    assert not any(is_canary(each.agent_id) or is_canary(each.account_id) for each in others)
    assert not is_canary(CLOCK.uuid7())


def test_a_canarys_offer_that_expires_is_no_live_save(service: Service) -> None:
    runtime = service.runtime
    with keys_of_canaries(runtime.target, CLOCK, Canary.AGENT) as held:
        agency = agency_of(service, Canary.AGENT, held[Canary.AGENT])
        with calling(service, agency) as canary, calling(service) as agent:
            ids = {canary.sent(): "synthetic", agent.sent(): "live"}
    service.execute(
        "UPDATE quote SET expires_at = %s WHERE id = ANY(%s::uuid[])",
        CLOCK.now() - timedelta(minutes=1),
        list(ids),
    )

    expire_due(runtime.read_pool, runtime.saver, CLOCK)

    rows = service.database.execute(
        "SELECT quote_id::text, source FROM ledger WHERE operation = 'EXPIRE'"
    ).fetchall()
    assert dict(rows) == ids


def test_a_key_lives_as_long_as_its_look_and_both_ends_are_in_the_trail(
    own_service: Service,
) -> None:
    target = own_service.runtime.target
    with keys_of_canaries(target, CLOCK, Canary.AGENT, Canary.STRANGER) as held:
        while_it_lasts = keys(own_service)
    with client_of(own_service, held[Canary.AGENT]) as late:
        refused = late.get(QUOTES)

    assert [each["revoked_at"] for each in while_it_lasts] == [None, None]
    assert all(each["expires_at"] > each["created_at"] for each in while_it_lasts)
    assert None not in [each["revoked_at"] for each in keys(own_service)]
    assert refused.status_code == 401
    actions = [(each["actor"], each["action"]) for each in trail(target)]
    assert actions.count(("readiness", "key added")) == 2
    assert actions.count(("readiness", "key revoked")) == 2
    assert actions.count(("readiness", "agent added")) == 2


def test_canaries_are_made_once_and_are_what_they_are_for_again(own_service: Service) -> None:
    target = own_service.runtime.target
    with keys_of_canaries(target, CLOCK, *Canary):
        pass
    own_service.execute("UPDATE agent SET status = 'ACTIVE', rate_limit_per_minute = NULL")
    with keys_of_canaries(target, CLOCK, *Canary):
        pass

    agents = own_service.database.execute(
        "SELECT id, status, rate_limit_per_minute FROM agent ORDER BY id"
    ).fetchall()
    assert agents == [
        (each.id, each.value.status, each.value.rate_limit_per_minute)
        for each in Canary
        if each.value.is_agent
    ]
