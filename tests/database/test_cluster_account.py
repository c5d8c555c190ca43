"""Root's cluster runs as somebody else, opens no door for that, and says so when it cannot."""

from __future__ import annotations

import os
import pwd
import shutil
import stat
import subprocess
import sys
import sysconfig
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import psutil
import pytest

from engine.database import account, binaries
from engine.database.binaries import Binaries
from engine.database.cluster import Cluster
from engine.errors import SetupError
from tests.database.cluster_harness import (
    PROGRAM,
    REPOSITORY,
    ask,
    open_directory,
    postmasters,
)

pytestmark = pytest.mark.skipif(
    os.geteuid() != 0,
    reason="NOT TESTED: what the cluster does under root; run the tests as root too",
)


@pytest.fixture
def directory() -> Iterator[Path]:
    with open_directory() as directory:
        yield directory


def running_as(cluster: Cluster) -> str:
    (server,) = postmasters(cluster)
    return server.username()


def modes(path: Path) -> dict[Path, int]:
    return {parent: parent.stat().st_mode for parent in (path, *path.parents)}


def hide_user(monkeypatch: pytest.MonkeyPatch, *hidden: str) -> None:
    known = pwd.getpwnam

    def getpwnam(name: str) -> pwd.struct_passwd:
        if name in hidden:
            raise KeyError(name)
        return known(name)

    monkeypatch.setattr(pwd, "getpwnam", getpwnam)


def has_user(name: str) -> bool:
    return any(entry.pw_name == name for entry in pwd.getpwall())


def test_under_root_the_server_runs_as_postgres_or_else_nobody(directory: Path) -> None:
    expected = "postgres" if has_user("postgres") else "nobody"
    before = modes(directory)
    cluster = Cluster(directory / "deep" / "cluster")

    cluster.start()

    assert running_as(cluster) == expected
    assert modes(directory) == before
    assert stat.S_IMODE(cluster.data.stat().st_mode) == 0o700
    assert (cluster.data / "app.conf").owner() == expected


def test_a_database_made_by_nobody_stays_his_when_postgres_appears(
    directory: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    cluster = Cluster(directory / "cluster", grace=timedelta(0))
    with monkeypatch.context() as without:
        hide_user(without, "postgres")
        cluster.start()
    ran_as = running_as(cluster)
    cluster.stop()

    cluster.start()

    assert ran_as == running_as(cluster) == "nobody"


def test_a_machine_without_either_user_is_told_what_to_do(
    directory: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    hide_user(monkeypatch, "postgres", "nobody")

    with pytest.raises(SetupError, match=r"no user postgres or nobody.*DATABASE_URL"):
        Cluster(directory / "cluster").start()


def test_a_database_that_belongs_to_root_is_refused(directory: Path) -> None:
    cluster = Cluster(directory / "cluster")
    cluster.data.mkdir(parents=True)
    (cluster.data / "PG_VERSION").write_text("18\n")

    with pytest.raises(SetupError, match=r"belongs to root.*chown"):
        cluster.start()


def test_a_database_below_a_closed_directory_is_refused_and_the_directory_stays_closed(
    directory: Path,
) -> None:
    closed = directory / "home"
    closed.mkdir(mode=0o700)
    root = closed / "somewhere" / "cluster"

    with pytest.raises(SetupError, match=r"may not enter .*/home \(mode 0700\)") as caught:
        Cluster(root).start()

    assert "SAVEGUARD_DATA_DIR" in str(caught.value)
    assert stat.S_IMODE(closed.stat().st_mode) == 0o700
    assert not (root / "data").exists()


def test_missing_parents_are_made_so_that_the_server_can_enter_them(directory: Path) -> None:
    cluster = Cluster(directory / "a" / "b")
    earlier = os.umask(0o077)
    try:
        cluster.start()
    finally:
        os.umask(earlier)

    assert ask(cluster, "SELECT 1") == 1


def test_programs_in_a_closed_home_are_copied_and_the_home_stays_closed(
    directory: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    installed = binaries.find()
    home = directory / "home"
    home.mkdir(mode=0o700)
    libraries = installed.package.with_name(f"{installed.package.name}.libs")
    shutil.copytree(installed.package, home / installed.package.name)
    if libraries.exists():
        shutil.copytree(libraries, home / libraries.name)
    moved = Binaries(
        home / installed.package.name,
        home / installed.package.name / installed.bindir.relative_to(installed.package),
    )
    monkeypatch.setattr(binaries, "find", lambda: moved)
    cluster = Cluster(directory / "cluster")

    cluster.start()
    first = cluster.bindir
    cluster.stop()
    cluster.start()

    assert ask(cluster, "SHOW shared_preload_libraries") == "pg_stat_statements"
    assert stat.S_IMODE(home.stat().st_mode) == 0o700
    assert first == cluster.bindir
    assert first.is_relative_to(directory / "cluster")
    (server,) = postmasters(cluster)
    assert server.exe() == str(first / "postgres")


def test_an_ordinary_user_starts_a_cluster_of_his_own(directory: Path) -> None:
    user = pwd.getpwnam("nobody")
    own = directory / "own"
    own.mkdir()
    os.chown(own, user.pw_uid, user.pw_gid)
    python = interpreter_for(user)
    if python is None:
        pytest.skip(
            "NOT TESTED: an ordinary user's cluster; no Python that the user nobody can run "
            "has our packages"
        )

    ended = as_user(user, python, str(PROGRAM), str(own / "cluster"), "60")

    assert ended.returncode == 0, ended.stderr
    server = psutil.Process(int(ended.stdout))
    assert server.username() == "nobody"
    assert (own / "cluster" / "users.lock").owner() == "nobody"
    assert stat.S_IMODE((own / "cluster").stat().st_mode) == 0o700


@pytest.mark.parametrize(
    ("maker", "said"),
    [("root", "belongs to the user root: run as root, who made it"),
     ("daemon", "belongs to the user daemon: run as that user")],
)  # fmt: skip
def test_an_ordinary_user_is_told_whose_database_it_is(
    directory: Path, maker: str, said: str
) -> None:
    user = pwd.getpwnam("nobody")
    python = interpreter_for(user)
    if python is None:
        pytest.skip("NOT TESTED: a database of somebody else; as above")
    cluster = Cluster(directory / "cluster")
    cluster.data.mkdir(parents=True)
    (directory / "cluster" / "start.lock").touch(mode=0o600)
    for made in (cluster.data.parent, cluster.data):
        shutil.chown(made, maker)

    ended = as_user(user, python, str(PROGRAM), str(directory / "cluster"), "0")

    assert ended.returncode != 0
    assert said in ended.stderr


def test_whoever_is_told_to_run_the_server_is_known_by_name_or_number() -> None:
    assert account._name(0) == "root"
    assert account._name(4_000_000) == "4000000"


def as_user(user: pwd.struct_passwd, *argv: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(  # noqa: S603 - an interpreter found below
        argv,
        user=user.pw_uid,
        group=user.pw_gid,
        extra_groups=[],
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        check=False,
        cwd="/",
        env={"PYTHONPATH": os.pathsep.join([str(REPOSITORY), sysconfig.get_path("purelib")])},
    )


def interpreter_for(user: pwd.struct_passwd) -> str | None:
    """A Python of our version that a user can run, and that finds our packages."""
    name = f"python{sys.version_info.major}.{sys.version_info.minor}"
    for candidate in (sys.executable, f"/usr/bin/{name}", f"/usr/local/bin/{name}"):
        try:
            ended = as_user(user, candidate, "-c", "import engine.database.cluster")
        except OSError:
            continue
        if ended.returncode == 0:
            return candidate
    return None
