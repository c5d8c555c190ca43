"""Which settings a process serves with, in the audit trail: written when they differ from the last.

Values stand there as they are, except secrets: of those only whether one is set, and a fingerprint
that tells whether it is still the same. It is keyed with chance that lies in DATA_DIR alone, so
that nobody who reads the trail can try out what the secret is.
"""

from __future__ import annotations

import hashlib
import hmac
import json
import os
from collections.abc import Mapping
from datetime import timedelta
from enum import StrEnum
from pathlib import Path
from typing import Any, Final, NamedTuple

import structlog
from pydantic import SecretStr
from sqlalchemy import Text, cast, literal_column, select

from engine.access import audit
from engine.access.audit import Action, Actor, Subject
from engine.access.tables import AuditEvent
from engine.clock import Clock
from engine.database.pool import Pool
from engine.database.sql import Statement, parameter, table_of, whole
from engine.settings import Settings

# What differs from one machine or process to the next without anybody having changed it.
LEFT_OUT: Final = frozenset({"instance", "data_dir"})
SECRET_NAMES: Final = frozenset(
    name
    for name, field in Settings.model_fields.items()
    if "SecretStr" in str(field.annotation)  # of a union its text is all that says so
)
_SUBJECT: Final = "settings"
_KEY_FILE: Final = "settings-fingerprint.key"
_KEY_BYTES: Final = 32

_event = table_of(AuditEvent)
_KEYED_BY: Final = literal_column("details ->> 'keyed_by'", Text())
# Programs and terminals have no account: that is how the index is entered, from its newest end.
_LAST: Final = (
    select(cast(_event.c.details, Text))  # read here: amounts elsewhere need decimals
    .where(
        _event.c.account_id.is_(None),
        _event.c.action == parameter(_event, "action"),
        _event.c.subject_kind == parameter(_event, "subject_kind"),
        _event.c.subject_id == parameter(_event, "subject_id"),
    )
    .order_by(_event.c.happened_at.desc(), _event.c.id.desc())
    .limit(whole(1))
)
_FIND_LAST: Final = Statement(_LAST)
_FIND_LAST_BY_KEY: Final = Statement(
    _LAST.where(parameter(_event, "actor", "keyed_by_") == _KEYED_BY)
)


class Serving(StrEnum):
    """The kinds of process that serve, each compared with its own kind."""

    EVERYTHING = "up"
    API = "api"
    DASHBOARD = "dashboard"
    WORKER = "worker"


class Snapshot(NamedTuple):
    """Settings as the trail holds them.

    Attributes:
        values: of what is no secret, in JSON's own types, durations in seconds.
        fingerprints: of each secret; None where none is set.
        keyed_by: which key made the fingerprints; those of two keys say nothing of each other.
    """

    values: Mapping[str, Any]
    fingerprints: Mapping[str, str | None]
    keyed_by: str


def record_settings(
    pool: Pool, settings: Settings, clock: Clock, serving: Serving, actor: Actor
) -> None:
    """Writes an event if this process serves with other settings than the last of its kind did.

    A trail that cannot be read or written is a warning in the log, and no reason not to serve.

    Args:
        pool: of the application role.
        settings: of this process.
        clock: for the event.
        serving: which kind of process starts.
        actor: who starts it.
    """
    try:
        now = snapshot(settings, _key(settings.data_dir, clock))
        wanted = {
            "action": Action.SETTINGS_CHANGED.value,
            "subject_kind": _SUBJECT,
            "subject_id": f"{settings.environment}/{serving}",
            "keyed_by_actor": now.keyed_by,
        }
        with pool.connection() as connection:
            last = _details(_FIND_LAST.run(connection, wanted).fetchone())
            own = _details(_FIND_LAST_BY_KEY.run(connection, wanted).fetchone())
            changed = changes(now, last, own)
            if changed or own is None:
                audit.write(
                    connection,
                    audit.event(
                        clock,
                        actor,
                        Action.SETTINGS_CHANGED,
                        subject=Subject(_SUBJECT, wanted["subject_id"]),
                        details={
                            "changed": changed,
                            "first": own is None,
                            "keyed_by": now.keyed_by,
                            "settings": dict(now.values),
                            "secrets": dict(now.fingerprints),
                        },
                    ),
                )
    except Exception as error:  # noqa: BLE001  # whatever it is, the process has to serve
        structlog.get_logger().warning("settings_not_recorded", error=type(error).__name__)


def snapshot(settings: Settings, key: bytes) -> Snapshot:
    """Settings as they may be written down.

    Args:
        settings: of this process.
        key: of the fingerprints.
    """
    given = {name: getattr(settings, name) for name in Settings.model_fields}
    return Snapshot(
        {
            name: _plain(value)
            for name, value in given.items()
            if name not in SECRET_NAMES and name not in LEFT_OUT
        },
        {name: _fingerprint(key, name, given[name]) for name in sorted(SECRET_NAMES)},
        hashlib.sha256(b"name of the key" + key).hexdigest()[:16],
    )


def changes(
    now: Snapshot, last: Mapping[str, Any] | None, own: Mapping[str, Any] | None
) -> dict[str, dict[str, Any]]:
    """What is other than it was: name of a setting → `old` and `new`.

    Args:
        now: the settings of the process that starts.
        last: details of the last event of that kind of process; None without any.
        own: details of the last one whose fingerprints were made with the same key.

    Returns:
        Of a secret only words; empty when nothing differs, or there is nothing to compare with.
    """
    before = (last or {}).get("settings", now.values)
    found = {
        name: {"old": before.get(name), "new": now.values.get(name)}
        for name in sorted({*before, *now.values})
        if before.get(name) != now.values.get(name)
    }
    marks = (last or {}).get("secrets", now.fingerprints)
    same_key = (own or {}).get("secrets", {})
    for name, mark in now.fingerprints.items():
        if bool(marks.get(name)) != bool(mark):
            found[name] = {"old": _said(marks.get(name)), "new": _said(mark)}
        elif mark and same_key.get(name) not in {None, mark}:
            found[name] = {"old": "set", "new": "set to another"}
    return found


def _details(row: tuple[str] | None) -> dict[str, Any] | None:
    return None if row is None else json.loads(row[0])


def _said(fingerprint: str | None) -> str:
    return "set" if fingerprint else "not set"


def _plain(value: object) -> object:
    return value.total_seconds() if isinstance(value, timedelta) else value


def _fingerprint(key: bytes, name: str, secret: SecretStr | None) -> str | None:
    if secret is None:
        return None
    # With its name, or two settings with one secret could be seen to have the same.
    said = f"{name}\0{secret.get_secret_value()}".encode("utf-8", "surrogateescape")
    return hmac.digest(key, said, "sha256").hex()[:32]


def _key(data_dir: Path, clock: Clock) -> bytes:
    """The key of this data directory's fingerprints, made the first time.

    Raises:
        OSError: it can be neither read nor made.
        ValueError: the file holds something else.
    """
    path = data_dir / _KEY_FILE
    try:
        return _read_key(path)
    except FileNotFoundError:
        pass
    unfinished = path.with_name(f"{_KEY_FILE}.{clock.uuid7()}")
    file = os.open(unfinished, os.O_CREAT | os.O_EXCL | os.O_WRONLY | os.O_CLOEXEC, 0o600)
    try:
        with os.fdopen(file, "w") as writing:
            writing.write(clock.token(_KEY_BYTES).hex())
        # Whole or not at all; of two processes that come at once, one wins and both read that.
        os.link(unfinished, path)
    except FileExistsError:
        pass
    finally:
        unfinished.unlink()
    return _read_key(path)


def _read_key(path: Path) -> bytes:
    key = bytes.fromhex(path.read_text("ascii"))
    if len(key) != _KEY_BYTES:
        raise ValueError(f"{path.name} is no key")
    return key
