"""Whom the embedded server runs as: ourselves, or another user when we are root."""

from __future__ import annotations

import os
import pwd
import subprocess
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import IO, Any

from engine.errors import SetupError

# PostgreSQL refuses to be root. `postgres` is the user its packages make; `nobody` is everywhere.
_INSTEAD_OF_ROOT = ("postgres", "nobody")
# The only variables that a tool inherits: how to find programs and libraries. Nothing that starts
# with PG, no locale, no secret of ours for the server's user to read.
_INHERITED = ("PATH", "LD_LIBRARY_PATH", "DYLD_LIBRARY_PATH")
# Longer than any tool takes on a slow disk; a tool that hangs longer will not come back.
_TOOL_LIMIT = timedelta(minutes=5)


@dataclass(frozen=True, slots=True)
class Account:
    """A user of this machine, as far as running PostgreSQL's tools goes."""

    name: str
    uid: int
    gid: int

    @property
    def is_another(self) -> bool:
        """Whether we, being root, become somebody else to run the server."""
        return self.uid != os.geteuid()

    def run(
        self,
        *argv: str | Path,
        variables: Mapping[str, str] | None = None,
        stdout: IO[bytes] | None = None,
    ) -> tuple[int, str]:
        """Runs a tool as this user and returns its exit code and what it said.

        What it says goes to a file, never a pipe: the server inherits it, and a pipe held by a
        server never ends.

        Raises:
            SetupError: the tool did not end.
            PermissionError: this user cannot reach the tool, or we may not become this user.
        """
        identity: dict[str, Any] = {}
        if self.is_another:
            identity = {"user": self.uid, "group": self.gid, "extra_groups": []}
        environment = {name: os.environ[name] for name in _INHERITED if name in os.environ}
        environment |= {"LC_ALL": "C", **(variables or {})}
        with tempfile.TemporaryFile() as said:
            try:
                ended = subprocess.run(  # noqa: S603 - the wheel's own tools, no shell
                    argv,
                    stdin=subprocess.DEVNULL,
                    stdout=stdout or said,
                    stderr=said,
                    cwd="/",  # ours may be closed to that user
                    env=environment,
                    start_new_session=True,  # Ctrl-C is for us
                    timeout=_TOOL_LIMIT.total_seconds(),
                    check=False,
                    **identity,
                )
            except subprocess.TimeoutExpired as error:
                raise SetupError(f"{argv[0]} did not end within {_TOOL_LIMIT}") from error
            said.seek(0)
            return ended.returncode, said.read().decode(errors="replace").strip()

    def can_enter(self, directory: Path) -> bool:
        """Whether this user gets into a directory; asked of the kernel, which knows of ACLs."""
        if not self.is_another:
            return os.access(directory, os.X_OK)
        return self.run("/bin/sh", "-c", 'cd "$1"', "sh", directory)[0] == 0

    def give(self, path: Path) -> None:
        """Makes this user the owner of what we made."""
        if self.is_another:
            os.chown(path, self.uid, self.gid, follow_symlinks=False)


def server_account(data: Path) -> Account:
    """Chooses the user that the server on a data directory runs as.

    An existing directory decides: its owner is the only user that PostgreSQL accepts.

    Raises:
        SetupError: there is no such user, or the directory is somebody else's.
    """
    if os.geteuid() != 0:
        owner = data.stat() if data.exists() else None
        if owner is not None and owner.st_uid != os.geteuid():
            # What root made it gave to another user, who cannot do without root either.
            made_by_root = data.parent.stat().st_uid == 0
            raise SetupError(
                f"{data} belongs to the user {_name(owner.st_uid)}: run as "
                f"{'root, who made it' if made_by_root else 'that user'}, or set "
                "SAVEGUARD_DATA_DIR to a directory of your own"
            )
        return _ourselves(is_new=owner is None)
    owner = data.stat() if (data / "PG_VERSION").exists() else None
    if owner is not None and owner.st_uid == 0:
        raise SetupError(
            f"{data} belongs to root, and PostgreSQL never runs as root: chown -R it to the user "
            "postgres or nobody"
        )
    if owner is not None:
        return Account(_name(owner.st_uid), owner.st_uid, owner.st_gid)
    for name in _INSTEAD_OF_ROOT:
        try:
            entry = pwd.getpwnam(name)
        except KeyError:
            continue
        return Account(name, entry.pw_uid, entry.pw_gid)
    raise SetupError(
        "PostgreSQL never runs as root, and this machine has no user postgres or nobody to run "
        "it as: start as an ordinary user, or set DATABASE_URL"
    )


def _ourselves(*, is_new: bool) -> Account:
    uid = os.geteuid()
    try:
        pwd.getpwuid(uid)
    except KeyError:
        # Containers started with an arbitrary uid: initdb insists on a name, the server does not.
        if is_new:
            raise SetupError(
                f"user id {uid} has no entry in /etc/passwd, which initdb needs: add one, or set "
                "DATABASE_URL"
            ) from None
    return Account(_name(uid), uid, os.getegid())


def _name(uid: int) -> str:
    try:
        return pwd.getpwuid(uid).pw_name
    except KeyError:
        return str(uid)
