"""What is printed of a thing that holds a secret does not hold it, be it by a log or a debugger."""

from __future__ import annotations

import pprint
import traceback
from collections.abc import Callable
from typing import Any, Final
from uuid import UUID

import pytest
from pydantic import SecretStr

from dashboard.notebook import Note, Notebook
from engine.access.accounts import NewAgent, NewUser
from engine.access.keyring import NewKey
from engine.access.signing_in import NewSignIn
from engine.access.tables import AccountPassword
from engine.api.exchange import Answer, Exchange
from engine.clock import SystemClock
from engine.database.target import Target, open_target
from engine.errors import SetupError
from engine.quotes.lifecycle import Operation
from engine.replay.agencies import Agency
from engine.saving.request import SaveRequest
from engine.settings import Settings, load_settings
from tests.canaries.canaries import MARK, Scanner, canary

_SECRET: Final = canary("a secret in memory") * 2
_ID: Final = UUID(int=7)
_CLOCK: Final = SystemClock()
_ARRIVED: Final[dict[str, Any]] = {
    "correlation_id": "REQ-1",
    "attempt_id": _ID,
    "started_at": _CLOCK.now(),
    "received": 0.0,
}
THINGS: Final[dict[str, Callable[[], object]]] = {
    "settings": lambda: Settings(
        database_url=SecretStr(f"postgresql://u:{_SECRET}@h/d"),
        owner_database_url=SecretStr(_SECRET),
        cookie_secret=SecretStr(_SECRET),
        oidc_client_secret=SecretStr(_SECRET),
    ),
    "where the database is": lambda: Target(app=f"password={_SECRET}", owner=_SECRET),
    "a new agent": lambda: NewAgent(_ID, _ID, _ID, _SECRET),
    "words left for a page": lambda: Notebook(note=Note("Made.", is_done=True, api_key=_SECRET)),
    "a new user": lambda: NewUser(_ID, _ID, _SECRET),
    "a new key": lambda: NewKey(_ID, _SECRET),
    "a new sign-in": lambda: NewSignIn(_ID, _SECRET, _CLOCK.now()),
    "a stored password": lambda: AccountPassword(
        account_id=_ID, password_hash=_SECRET, changed_at=_CLOCK.now()
    ),
    "an agency of a replay": lambda: Agency(_ID, _ID, _SECRET, {}),
    "an exchange": lambda: Exchange(
        method="POST",
        path="/api",
        query_string=_SECRET.encode(),
        headers={"authorization": _SECRET, "cookie": _SECRET},
        body=_SECRET.encode(),
        traceparent=None,
        address=None,
        **_ARRIVED,
    ),
    "an answer": lambda: Answer(200, _SECRET.encode()),
    "a request to save": lambda: SaveRequest(
        operation=Operation.CREATE,
        agent_id=_ID,
        modified_by="x",
        body={"tripName": _SECRET},
        idempotency_key=_SECRET,
        **_ARRIVED,
    ),
}
SCANNER: Final = Scanner({"secret": _SECRET})


@pytest.mark.parametrize("make", THINGS.values(), ids=list(THINGS))
def test_a_thing_is_printed_without_its_secret(make: Callable[[], object]) -> None:
    thing = make()

    printed = [repr(thing), str(thing), f"{thing}", f"{[thing]!r}", pprint.pformat({"it": thing})]

    assert SCANNER.found_in(map(str.encode, printed)) == set()


@pytest.mark.parametrize(
    ("variable", "value"),
    [
        ("DATABASE_URL", f"mysql://u:{_SECRET}@h/d"),
        ("SAVEGUARD_COOKIE_SECRET", _SECRET[:20]),
        ("SAVEGUARD_PORT", _SECRET),
        ("SAVEGUARD_OIDC_METADATA_URL", f"https://u:{_SECRET}@provider.example"),
        ("SAVEGUARD_LOCK_TIMEOUT", _SECRET),
    ],
)
def test_a_setting_that_is_refused_is_not_quoted(variable: str, value: str) -> None:

    assert MARK in value
    with pytest.raises(SetupError) as refused:
        open_target(load_settings({variable: value}))

    said = "".join(traceback.format_exception(refused.value))
    assert SCANNER.found(said.encode()) == set()
    assert variable in said
