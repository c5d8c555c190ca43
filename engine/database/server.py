"""The PostgreSQL server on one data directory: is it alive, and if not, create it and start it.

Everything here is called under the cluster's start.lock, by one process at a time.
"""

from __future__ import annotations

import contextlib
import os
import shutil
import sys
import tempfile
from collections.abc import Mapping
from pathlib import Path

import psutil
import psycopg

from engine.clock import Clock
from engine.database import binaries, configuration, conninfo, location, reaper, serverlog
from engine.database.account import Account, server_account
from engine.database.binaries import Binaries
from engine.errors import SetupError

_PAUSE_S = 0.05
# Recovery replays up to max_wal_size: seconds here, a minute on a slow disk.
_START_LIMIT_S = 120
# Children of a killed server leave within milliseconds, unless one is busy in a long query. A
# server that starts opens its socket as fast.
_SILENCE_LIMIT_S = 5.0
# What a crash leaves beside the pid file; the first is a lock file like that one.
_SOCKET_FILES = (f".s.PGSQL.{configuration.PORT}.lock", f".s.PGSQL.{configuration.PORT}")
_UNFINISHED = "init-"


class Server:
    """One data directory and the server on it."""

    def __init__(self, root: Path, settings: Mapping[str, str], clock: Clock) -> None:
        """Describes a server; nothing is touched.

        Args:
            root: directory of the cluster.
            settings: server settings beside, or instead of, our defaults.
            clock: waits.
        """
        self.data = Path(os.path.realpath(root / "data"))
        self.log = root / "postgres.log"
        self.socket_dir = location.socket_dir(self.data)
        self.address = str(self.socket_dir / f".s.PGSQL.{configuration.PORT}")
        self._root = root
        self._settings = settings
        self._clock = clock
        self._programs: Binaries | None = None

    @property
    def bindir(self) -> Path:
        """Directory of the PostgreSQL programs."""
        return (self._programs or binaries.find()).bindir

    def conninfo(self, database: str, user: str) -> str:
        """A libpq connection string, which foreign PG* variables cannot change."""
        return conninfo.build(self.socket_dir, configuration.PORT, database, user)

    def is_answering(self) -> bool:
        """Whether a server on our socket serves our data directory: the only proof of life."""
        try:
            with psycopg.connect(
                self.conninfo("postgres", "postgres"), autocommit=True
            ) as connection:
                row = connection.execute("SHOW data_directory").fetchone()
        except psycopg.OperationalError:
            return False
        return row is not None and row[0] == str(self.data)

    def ensure(self) -> None:
        """Joins the server, starting or creating it first if need be.

        Raises:
            SetupError: it cannot be; the message says what to do.
        """
        account = server_account(self.data)
        if self.socket_dir != self.data:
            # Before we listen to whoever answers there.
            location.prepare_socket_dir(self.socket_dir, account)
        if self.is_answering():
            return
        location.check_reach(self._root, account)
        if self._await_answer():
            return
        self._programs, major = binaries.usable(self._root, account)
        if not (self.data / "PG_VERSION").exists():
            self._create(self._programs, account)
        made_by = (self.data / "PG_VERSION").read_text().strip()
        if made_by != str(major):
            raise SetupError(
                f"{self.data} was made by PostgreSQL {made_by} and this is PostgreSQL {major}: "
                f"dump it with version {made_by} and restore it here, or move it away to begin "
                "with an empty database"
            )
        self._boot(self._programs, account)

    def stop(self) -> bool:
        """Stops the server at once, rolling back what is open.

        Returns:
            Whether nothing of it is left.
        """
        reaper.stop(self.data, self.address, self._clock.sleep)
        deadline = self._clock.monotonic() + reaper.STOP_LIMIT_S
        while self._processes() or reaper.is_listening(self.address):
            if self._clock.monotonic() > deadline:
                return False
            self._clock.sleep(_PAUSE_S)
        return True

    def _await_answer(self) -> bool:
        """Waits until the server answers, or until nothing is left of it.

        A server that starts, recovers or stops has processes but no answer. Of a killed one only
        children are left: while one lives, a second server on the same files would destroy them.

        Raises:
            SetupError: neither happened.
        """
        began = self._clock.monotonic()
        while not self.is_answering():
            left = self._processes()
            is_listening = reaper.is_listening(self.address)
            if not left and not is_listening:
                return False
            server = reaper.postmaster(self.data, self.address)
            waited_s = self._clock.monotonic() - began
            if server is None and not is_listening and waited_s > _SILENCE_LIMIT_S:
                for orphan in left:
                    with contextlib.suppress(psutil.NoSuchProcess):
                        orphan.kill()  # nobody is there to tell it to stop
            if waited_s > (_START_LIMIT_S if is_listening else 3 * _SILENCE_LIMIT_S):
                number = f" (process {server})" if server else ""
                raise SetupError(
                    f"a PostgreSQL{number} works in {self.data} but does not answer on "
                    f"{self.address}: see {self.log}, end that process, and try again"
                )
            self._clock.sleep(_PAUSE_S)
        return True

    def _await_strays(self) -> None:
        deadline = self._clock.monotonic() + reaper.STOP_LIMIT_S
        while reaper.end_strays(self.data):
            if self._clock.monotonic() > deadline:
                raise SetupError(
                    f"a PostgreSQL still runs on what {self.data} was before it was removed: end "
                    "its processes, and try again"
                )
            self._clock.sleep(_PAUSE_S)

    def _processes(self) -> list[psutil.Process]:
        """The server's processes: those named postgres that work in our data directory."""
        found = []
        for process in psutil.process_iter(["name"]):
            with contextlib.suppress(psutil.Error):  # it has ended, or is not ours to look at
                if process.name().startswith("postgres") and _works_in(process, self.data):
                    found.append(process)
        return found

    def _create(self, programs: Binaries, account: Account) -> None:
        """Makes the data directory aside and moves it into place, so that half of one never is."""
        if self.data.exists() and (not self.data.is_dir() or any(self.data.iterdir())):
            raise SetupError(
                f"{self.data} exists but holds no database: move it away, or {location.ELSEWHERE}"
            )
        location.check_space(self._root)
        for abandoned in self._root.glob(f"{_UNFINISHED}*"):
            shutil.rmtree(abandoned, ignore_errors=True)
        unfinished = Path(tempfile.mkdtemp(prefix=_UNFINISHED, dir=self._root))
        try:
            account.give(unfinished)
            _initdb(programs, account, unfinished)
            unfinished.rename(self.data)
        except BaseException:
            shutil.rmtree(unfinished, ignore_errors=True)
            raise
        # Without this a power cut could undo the rename, and the next start remove the database.
        directory = os.open(self._root, os.O_RDONLY)
        try:
            os.fsync(directory)
        finally:
            os.close(directory)

    def _boot(self, programs: Binaries, account: Account) -> None:
        """Starts the server; nothing of an older one works in the data directory."""
        self._await_strays()
        (self.data / "postmaster.pid").unlink(missing_ok=True)
        for name in _SOCKET_FILES:
            (self.socket_dir / name).unlink(missing_ok=True)
        self._write_settings(programs, account)
        serverlog.rotate(self.log)
        with open(serverlog.open_to_append(self.log), "ab") as log:  # noqa: PTH123 - a descriptor
            account.give(self.log)
            since = os.fstat(log.fileno()).st_size
            # The data directory goes by variable and the log by descriptor: pg_ctl passes what is
            # on its command line through a shell, in double quotes that a path may break.
            code, said = account.run(
                programs.bindir / "pg_ctl",
                *("start", "--silent", "--wait", f"--timeout={_START_LIMIT_S}"),
                variables={"PGDATA": str(self.data)},
                stdout=log,
            )
        if code != 0 or not self.is_answering():
            reason = serverlog.reason(self.log, since) or said
            hint = ", for the disk is full" if location.is_full(self._root) else ""
            raise SetupError(
                f"PostgreSQL in {self.data} did not start{hint}: {reason} (its log is {self.log})"
            )

    def _write_settings(self, programs: Binaries, account: Account) -> None:
        settings = {**configuration.DEFAULTS, **self._settings}
        if programs.has_statement_statistics:
            settings = {**configuration.STATEMENT_STATISTICS, **settings}
        # Made beside and moved over: never half a file, and never through a link put there.
        descriptor, name = tempfile.mkstemp(prefix=f"{configuration.FILE_NAME}.", dir=self.data)
        try:
            with open(descriptor, "w", encoding="utf-8") as file:  # noqa: PTH123 - a descriptor
                file.write(configuration.render(settings, self.socket_dir))
            account.give(Path(name))
            Path(name).replace(self.data / configuration.FILE_NAME)
        except BaseException:
            Path(name).unlink(missing_ok=True)
            raise


def _works_in(process: psutil.Process, data: Path) -> bool:
    on_linux = sys.platform == "linux"
    return reaper.works_in(process.pid, data) if on_linux else process.cwd() == str(data)


def _initdb(programs: Binaries, account: Account, directory: Path) -> None:
    code, said = account.run(
        programs.bindir / "initdb",
        "--username=postgres",
        "--encoding=UTF8",
        # The builtin provider sorts alike on every machine; the C library does not.
        "--locale-provider=builtin",
        "--builtin-locale=C.UTF-8",
        "--locale=C",
        # By the socket, which is its owner's alone, anyone; by the network nobody.
        "--auth-local=trust",
        "--auth-host=reject",
        "--no-instructions",
        variables={"PGDATA": str(directory)},
    )
    if code != 0:
        reason = next((line for line in said.splitlines() if "error: " in line), said[-200:])
        raise SetupError(f"cannot make a database in {directory.parent}: {reason.strip()}")
    with (directory / "postgresql.conf").open("a") as file:
        file.write(configuration.INCLUDE)
