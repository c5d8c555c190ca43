"""A release to take along: checklist, facts, report and signed bundle, each made on the click."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import Any, Final, NamedTuple
from uuid import UUID

from sqlmodel import Session

from dashboard import downloads, engine_in_process
from dashboard.readiness_reads import readiness_now
from engine.access.audit import Actor
from engine.access.roles import Permission
from engine.database.sessions import session_of
from engine.errors import SetupError
from engine.readiness.attestation import envelope, statement
from engine.readiness.export import as_facts, as_html, as_markdown
from engine.readiness.looking import Readiness
from engine.readiness.sealing import sealer_of
from engine.runtime import Runtime


class Form(NamedTuple):
    """How a release is written out.

    Attributes:
        label: of the button.
        ending: of the file.
        mime: of its content.
        permission: what it takes.
        help: what it is for.
    """

    label: str
    ending: str
    mime: str
    permission: Permission
    help: str


FORMS: Final[Mapping[str, Form]] = MappingProxyType(
    {
        "markdown": Form(
            "Markdown",
            "md",
            "text/markdown",
            Permission.SEE_NUMBERS,
            "The checklist as it is, with its boxes ticked and a footnote for each.",
        ),
        # The numbers of evidence name attempts, quotes and agents.
        "json": Form(
            "JSON", "json", "application/json", Permission.READ_LEDGER, "All that is known."
        ),
        "html": Form(
            "Report", "html", "text/html", Permission.SEE_NUMBERS, "To read and to print."
        ),
        # It seals what waits, and is signed with the installation's key.
        "bundle": Form(
            "Bundle",
            "attestation.json",
            "application/vnd.dsse.envelope.v1+json",
            Permission.SIGN_OFF,
            "A signed attestation, which anybody who has the public key can verify.",
        ),
    }
)


def written(actor: Actor, release_id: UUID, name: str) -> bytes:
    """A release, written out; see `downloads.made`.

    Args:
        actor: who clicked.
        release_id: which release.
        name: of the form.

    Raises:
        RuntimeError: this process has no engine.
        psycopg.Error: the database could not be asked.
    """
    runtime = engine_in_process.runtime()
    deadline = runtime.clock.monotonic() + _PATIENCE_S
    with runtime.read_pool.connection(deadline) as connection:
        return downloads.made(
            connection,
            runtime.clock,
            actor,
            FORMS[name].permission,
            "readiness_record",
            {"release": str(release_id), "form": name},
            lambda _: _write(runtime, release_id, name),
        )


def _write(runtime: Runtime, release_id: UUID, name: str) -> bytes:
    try:
        return (_bundle if name == "bundle" else _plain)(runtime, release_id, name).encode()
    except SetupError as error:
        return f"{error}\n".encode()


def _plain(runtime: Runtime, release_id: UUID, name: str) -> str:
    with session_of(runtime.target) as session:
        return _WRITERS[name](_found(session, runtime, release_id))


def _bundle(runtime: Runtime, release_id: UUID, _name: str) -> str:
    with session_of(runtime.target) as session:
        sealer = sealer_of(session, runtime.settings, runtime.clock)
    sealer.seal_all(runtime.target)
    with session_of(runtime.target) as session:
        readiness = _found(session, runtime, release_id)
        return json.dumps(envelope(statement(readiness, session), sealer.signer)) + "\n"


def _found(session: Session, runtime: Runtime, release_id: UUID) -> Readiness:
    found = readiness_now(session, runtime, release_id)
    if found is None:
        raise SetupError("there is no such release")
    return found


def _facts(readiness: Readiness) -> str:
    facts: dict[str, Any] = as_facts(readiness)
    return json.dumps(facts, ensure_ascii=False, indent=2) + "\n"


_WRITERS: Final[Mapping[str, Callable[[Readiness], str]]] = MappingProxyType(
    {"markdown": as_markdown, "json": _facts, "html": as_html}
)
_PATIENCE_S: Final = 3.0
