"""Schemathesis against the running server: what the document promises is what is answered.

Every call is tried with data that the document allows and with data that it does not, in the same
order every time; then scenarios of several calls follow the document's links.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from typing import Any, Final
from zlib import crc32

import pytest
import schemathesis
from hypothesis.internal.conjecture import providers
from hypothesis.internal.constants_ast import Constants
from schemathesis import Case, CheckContext, HookContext, Response
from schemathesis.engine import Status, events, from_schema
from schemathesis.hooks import GLOBAL_HOOK_DISPATCHER
from schemathesis.openapi.checks import RejectedPositiveData
from schemathesis.schemas import BaseSchema

from engine.api.schemas import VERSION
from tests.api.caller import Caller
from tests.api.service import document
from tests.support import quote_body

_UUID: Final = re.compile("[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}")
_SEED: Final = 20_260_601
# What has to be looked at in every run, or nothing was proved.
_CHECKS: Final = (
    "not_a_server_error",
    "status_code_conformance",
    "content_type_conformance",
    "response_headers_conformance",
    "response_schema_conformance",
    "negative_data_rejection",
    "only_for_what_no_schema_says",
)

# What a schema cannot say: how fields must fit each other, and whether a text is more than blanks.
_UNSAID: Final = {
    ("endDate", "range"),
    ("adults", "range"),
    ("version", "missing_version"),
    ("If-Match", "format"),
    ("to", "required"),
    ("to", "format"),
    ("subject", "required"),
    ("nights", "required"),
}
_UNSAID_OF_ANY: Final = {"digits", "currency_mix", "empty"}


@schemathesis.check
def only_for_what_no_schema_says(
    _context: CheckContext, response: Response, case: Case[Any]
) -> bool | None:
    """Data that the document allows is refused only for what a schema cannot say."""
    if case.meta is None or case.meta.generation.mode.is_negative:
        return True  # says that there was nothing to check
    if response.status_code not in {400, 413, 415, 422}:
        return None
    body = response.json()
    if body["errorCode"] != "QUOTE_VALIDATION_FAILED" or "reason" in body["details"]:
        return None  # a price, a key used again, or a number finer than any amount
    for error in body["details"]["errors"]:
        name, code = error["field"].rpartition(".")[2], error["code"]
        if (name, code) not in _UNSAID and code not in _UNSAID_OF_ANY:
            raise RejectedPositiveData(
                operation=case.operation.label,
                message=str(error),
                status_code=response.status_code,
                allowed_statuses=[],
            )
    return None


def schema_for(caller: Caller, *phases: str) -> BaseSchema:
    """The document, with settings of a run that is the same every time."""
    config = schemathesis.Config.from_dict(
        {
            "seed": _SEED,
            "base-url": f"{caller.service.url}/api",
            "headers": {"Authorization": f"Bearer {caller.agency.api_key}"},
            "generation": {
                "deterministic": True,
                "database": "none",
                "max-examples": 30,
                "allow-x00": False,  # refused in every text; the document says so in words
            },
            "phases": {
                name: {"enabled": name in phases}
                for name in ("examples", "coverage", "fuzzing", "stateful")
            }
            | {"stateful": {"enabled": "stateful" in phases, "generation": {"max-examples": 80}}},
            "checks": {
                "positive_data_acceptance": {"enabled": False},  # ours says why it was not
                "negative_data_rejection": {
                    "expected-statuses": [400, 401, 404, 405, 409, 412, 413, 415, 422]
                },
            },
        }
    )
    return schemathesis.openapi.from_dict(document(), config=config)


@contextmanager
def before_each(change: Callable[[Case[Any]], None]) -> Iterator[None]:
    """Lets a function have a last look at every request of Schemathesis."""

    def before_call(_context: HookContext, case: Case[Any], _more: dict[str, Any]) -> None:
        change(case)

    GLOBAL_HOOK_DISPATCHER.register_hook_with_name(before_call, "before_call")
    try:
        yield
    finally:
        GLOBAL_HOOK_DISPATCHER.unregister(before_call)


@pytest.fixture(autouse=True)
def _draws_alike(monkeypatch: pytest.MonkeyPatch) -> None:
    """Keeps Hypothesis from drawing on the constants of whatever modules other tests imported."""
    monkeypatch.setattr(providers, "_get_local_constants", Constants)


def made_real(caller: Caller, case: Case[Any]) -> None:
    """Puts the id and version of a real quote in most of the places that may hold one."""
    written = str(case.path_parameters.get("quote_id", ""))
    if not _UUID.fullmatch(written) or crc32(written.encode()) % 4 == 0:
        return
    is_answer = case.path.endswith(("/accept", "/reject"))
    case.path_parameters["quote_id"] = caller.sent() if is_answer else caller.create()
    version = 2 if is_answer else 1
    if isinstance(case.body, dict) and type(given := case.body.get("version")) is int:
        case.body["version"] = version if 1 <= given <= VERSION["maximum"] else given
    if re.fullmatch('"[1-9][0-9]*"', str(case.headers.get("If-Match", ""))):
        case.headers["If-Match"] = f'"{version}"'


def made_plausible(case: Case[Any]) -> None:
    """Puts right what no schema can say, so that a scenario can go on from an answer."""
    if case.meta is None or case.meta.generation.mode.is_negative:
        return
    case.headers.pop("If-Match", None)  # it would have to name what the body names
    texts = {"tripName", "destination", "commissionLabel", "inclusions", "customNotes", "version"}
    if isinstance(case.body, dict) and "channel" not in case.body:
        kept = {name: value for name, value in case.body.items() if name in texts}
        is_new = case.operation.label == "POST /agents/quotes"
        case.body = quote_body(taxes=1) | kept if is_new else {"version": 1} | kept


def play(schema: BaseSchema) -> Counter[str]:
    """Runs Schemathesis; fails with everything that it found, else counts the checks it made."""
    made: Counter[str] = Counter()
    found: list[str] = []
    for event in from_schema(schema).execute():
        if isinstance(event, events.NonFatalError | events.FatalError | events.Interrupted):
            found.append(repr(event))
        if isinstance(event, events.ScenarioFinished):
            for checks in event.recorder.checks.values():
                made.update(check.name for check in checks)
                found += [
                    f"{check.failure_info.failure.message}\n{check.failure_info.code_sample}"
                    for check in checks
                    if check.status is not Status.SUCCESS and check.failure_info is not None
                ]
    assert found == []
    return made


@pytest.mark.parametrize(
    "name",
    [call["operationId"] for calls in document()["paths"].values() for call in calls.values()],
)
def test_a_call_keeps_what_the_document_promises(shared_caller: Caller, name: str) -> None:
    # What a change takes is what a create takes; every value of it need not be tried twice.
    phases = ["examples", "fuzzing"] + (["coverage"] if name != "change_a_quote" else [])
    schema = schema_for(shared_caller, *phases).include(operation_id=name)

    with before_each(partial(made_real, shared_caller)):
        made = play(schema)

    assert set(_CHECKS) <= set(made)


def test_what_follows_from_an_answer_keeps_the_promise_too(caller: Caller) -> None:
    with before_each(made_plausible):
        made = play(schema_for(caller, "stateful"))

    assert set(_CHECKS) <= set(made)
    # The scenarios did come through: they are not all about quotes that do not exist.
    committed = caller.service.database.execute(
        "SELECT operation FROM ledger WHERE agent_id = %s AND outcome = 'committed'",
        [caller.agency.agent_id],
    ).fetchall()
    operations = {operation for (operation,) in committed}
    assert {"CREATE", "UPDATE", "SEND"} <= operations
