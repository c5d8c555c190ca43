"""Who calls the API in tests: an agent's program, and its view of what comes back."""

from __future__ import annotations

import ssl
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, Final
from uuid import UUID

import httpx

from engine.payload import encode
from tests.api.service import QUOTES, Service, validator
from tests.support import Agency, quote_body

JSON: Final = {"Content-Type": "application/json"}
# Our servers speak plain HTTP; a client's own context would read every root certificate first.
_NO_TLS: Final = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)


@dataclass(frozen=True)
class Caller:
    """An agent's program: it knows its key, and one service."""

    service: Service
    agency: Agency
    http: httpx.Client

    def call(
        self, method: str, path: str = "", body: object = None, **headers: str
    ) -> httpx.Response:
        """Sends one request.

        Args:
            method: GET, POST, …
            path: after the quotes' address.
            body: bytes as they are, anything else as JSON, Decimal included.
            headers: with underscores for hyphens.
        """
        content = body if isinstance(body, bytes) or body is None else encode(body)
        media = {} if content is None else JSON
        given = {name.replace("_", "-"): value for name, value in headers.items()}
        return self.http.request(method, QUOTES + path, content=content, headers=media | given)

    def create(self, **changes: Any) -> str:
        """Creates a valid quote and returns its id."""
        answer = self.call("POST", body=quote_body(**changes))
        assert answer.status_code == 201, answer.text
        quote_id: str = answer.json()["quoteId"]
        return quote_id

    def sent(self, **changes: Any) -> str:
        """Creates a quote and sends it."""
        quote_id = self.create(**changes)
        assert self.call("POST", f"/{quote_id}/send").status_code == 200
        return quote_id

    def read(self, quote_id: str | UUID) -> dict[str, Any]:
        """A quote as it is read."""
        answer = self.call("GET", f"/{quote_id}")
        assert answer.status_code == 200, answer.text
        quote: dict[str, Any] = answer.json()["quote"]
        return quote


@contextmanager
def calling(service: Service, agency: Agency | None = None) -> Iterator[Caller]:
    """A program of an agent, a new one unless given, for as long as the block lasts."""
    agency = agency or service.agency()
    with client_of(service, agency.api_key) as http:
        yield Caller(service, agency, http)


def client_of(service: Service, api_key: str | None) -> httpx.Client:
    """A bare client, with or without a key; follows nothing, adds nothing of the environment."""
    headers = {} if api_key is None else {"Authorization": f"Bearer {api_key}"}
    return httpx.Client(
        base_url=service.url, headers=headers, timeout=30, trust_env=False, verify=_NO_TLS
    )


def check_documented(answer: httpx.Response) -> None:
    """Asserts that the document allows this answer to this call: status, media type, body."""
    request = answer.request
    media_type = answer.headers["content-type"]
    path = request.url.path.rstrip("/")
    check = validator(request.method, path, answer.status_code, media_type)
    check.validate(answer.json())
