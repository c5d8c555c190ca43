"""Schemathesis against the running server: what the document promises is what is answered.

Every call is tried with data that the document allows and with data that it does not, in the same
order every time; then scenarios of several calls follow the document's links.
"""

from __future__ import annotations

import re
from typing import Any, Final
from zlib import crc32

import schemathesis
from hypothesis import HealthCheck, settings
from schemathesis import Case, CheckContext, Response
from schemathesis.openapi.checks import RejectedPositiveData
from schemathesis.specs.openapi.checks import positive_data_acceptance

from tests.api.caller import Caller
from tests.api.service import document

_UUID: Final = re.compile("[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}")

config = schemathesis.Config.from_dict(
    {
        "seed": 20_260_601,
        "generation": {
            "deterministic": True,
            "database": "none",
            "max-examples": 30,
            "allow-x00": False,  # refused in every text; the document says so in words
        },
        "checks": {
            "negative_data_rejection": {
                "expected-statuses": [400, 401, 404, 405, 409, 412, 413, 415, 422]
            },
        },
    }
)
schema = schemathesis.openapi.from_dict(document(), config=config)

# What a schema cannot say: how fields must fit each other, and whether a text is more than blanks.
UNSAID: Final = {
    ("endDate", "range"),
    ("adults", "range"),
    ("version", "missing_version"),
    ("If-Match", "format"),
    ("to", "required"),
    ("to", "format"),
    ("subject", "required"),
    ("nights", "required"),
}
UNSAID_OF_ANY: Final = {"digits", "currency_mix", "empty"}


def only_for_what_no_schema_says(
    _context: CheckContext, response: Response, case: Case[Any]
) -> bool | None:
    """Data that the document allows is refused only for what a schema cannot say."""
    assert case.meta is not None
    if case.meta.generation.mode.is_negative or response.status_code not in {400, 412, 422}:
        return None
    body = response.json()
    if body["errorCode"] != "QUOTE_VALIDATION_FAILED" or response.status_code == 422:
        return None
    for error in body["details"]["errors"]:
        name, code = error["field"].rpartition(".")[2], error["code"]
        is_amount_text = code == "range"
        if (name, code) not in UNSAID and code not in UNSAID_OF_ANY and not is_amount_text:
            raise RejectedPositiveData(
                operation=case.operation.label,
                message=str(error),
                status_code=response.status_code,
                allowed_statuses=[],
            )
    return None


def made_real(case: Case[Any], caller: Caller) -> None:
    """Puts the id and the version of a real quote in most of the places that may hold one."""
    written = str(case.path_parameters.get("quote_id", ""))
    if not _UUID.fullmatch(written) or crc32(written.encode()) % 4 == 0:
        return
    is_answer = case.path.endswith(("/accept", "/reject"))
    case.path_parameters["quote_id"] = caller.sent() if is_answer else caller.create()
    version = 2 if is_answer else 1
    if isinstance(case.body, dict) and type(case.body.get("version")) is int:
        case.body["version"] = version
    if re.fullmatch('"[1-9][0-9]*"', str(case.headers.get("If-Match", ""))):
        case.headers["If-Match"] = f'"{version}"'


@schema.parametrize()
@settings(suppress_health_check=list(HealthCheck), deadline=None)
def test_every_call_keeps_what_the_document_promises(
    case: Case[Any], shared_caller: Caller
) -> None:
    made_real(case, shared_caller)

    case.call_and_validate(
        base_url=f"{shared_caller.service.url}/api",
        headers={"Authorization": f"Bearer {shared_caller.agency.api_key}"},
        excluded_checks=[positive_data_acceptance],
        additional_checks=[only_for_what_no_schema_says],
    )
