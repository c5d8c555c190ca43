"""The embedded PostgreSQL comes up, is shared, and goes down, whatever happens to whom."""

from __future__ import annotations

import contextlib
import ctypes
import fcntl
import gc
import os
import signal
import stat
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import ExitStack
from datetime import timedelta
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import psutil
import psycopg
import pytest
from psycopg import pq

from engine.database import location
from engine.database.cluster import Cluster
from engine.errors import SetupError
from tests.database.cluster_harness import (
    REPOSITORY,
    Program,
    ask,
    eventually,
    has_waiter,
    is_locked,
    kill_server,
    locked,
    open_directory,
    postmasters,
    processes_below,
    reapers_of,
)

AT_ONCE = timedelta(0)


@pytest.fixture
def cluster_root() -> Iterator[Path]:
    with open_directory() as directory:
        yield directory / "cluster"


@pytest.fixture(scope="module")
def template() -> Iterator[Path]:
    """A new cluster, not running, to be copied: several times faster than making one."""
    with open_directory() as directory:
        cluster = Cluster(directory / "template", grace=AT_ONCE)
        cluster.start()
        cluster.stop()
        yield directory / "template"


@pytest.fixture
def made_root(cluster_root: Path, template: Path) -> Path:
    """The directory of a cluster that was made before and does not run."""
    subprocess.run(["cp", "-a", template, cluster_root], check=True)  # noqa: S603, S607 - keeps owners
    return cluster_root


@pytest.fixture
def cluster(made_root: Path) -> Cluster:
    """A running cluster that this process uses, stopped as soon as nobody does."""
    cluster = Cluster(made_root, grace=AT_ONCE)
    cluster.start()
    return cluster


def restart(cluster: Cluster) -> None:
    cluster.stop()
    cluster.start()


# Starting and joining.


def test_a_cold_start_makes_the_database_another_user_joins_it_and_a_warm_start_keeps_it(
    cluster_root: Path,
) -> None:
    first, second = Cluster(cluster_root), Cluster(cluster_root)

    first.start()
    ask(first, "CREATE TABLE kept AS SELECT 'kept' AS word")
    (cold,) = postmasters(first)
    second.start()
    joined = postmasters(second)
    restart(second)

    assert joined == [cold]
    assert postmasters(second) != [cold]
    assert ask(first, "SELECT word FROM kept") == "kept"


def test_text_sorts_and_changes_case_by_the_builtin_rules_of_utf_8(cluster: Cluster) -> None:
    assert ask(cluster, "SELECT upper('é') || max(datlocprovider::text) FROM pg_database") == "Éb"


@pytest.mark.parametrize(
    "name",
    [
        "two words",
        "d'été à l'Œuvre",
        'with "double" \\ and $HOME `id`',
        "a, b",
        "%s {x} #1;\N{NO-BREAK SPACE}",
    ],
)
def test_a_path_may_hold_anything_but_control_characters(cluster_root: Path, name: str) -> None:
    cluster = Cluster(cluster_root / name)

    cluster.start()

    assert ask(cluster, "SHOW data_directory") == str(cluster_root / name / "data")
    cluster.stop()
    _remove_temporary_socket_dir(cluster)


@pytest.mark.parametrize("name", ["a\nb", "a\tb", os.fsdecode(b"\xff")])
def test_a_path_with_a_control_character_or_no_text_is_refused(
    cluster_root: Path, name: str
) -> None:
    with pytest.raises(SetupError, match=r"control character.*SAVEGUARD_DATA_DIR"):
        Cluster(cluster_root / name).start()

    assert not cluster_root.exists()


def test_a_negative_grace_is_refused(cluster_root: Path) -> None:
    with pytest.raises(ValueError, match="in the past"):
        Cluster(cluster_root, grace=timedelta(seconds=-1))


def test_a_long_path_gets_a_private_socket_directory(cluster_root: Path) -> None:
    cluster = Cluster(cluster_root / ("long" * 40))

    cluster.start()

    found = cluster.socket_dir.stat()
    assert not cluster.socket_dir.is_relative_to(cluster_root)
    assert stat.S_IMODE(found.st_mode) == 0o700
    assert found.st_uid == cluster.data.stat().st_uid
    assert ask(cluster, "SELECT 1") == 1
    cluster.stop()
    _remove_temporary_socket_dir(cluster)


@pytest.mark.parametrize("trap", ["open to all", "link", "somebody else's"])
def test_a_socket_directory_that_others_could_listen_in_is_refused(
    cluster_root: Path, trap: str
) -> None:
    cluster = Cluster(cluster_root / ("long" * 40))
    if trap == "link":
        cluster.socket_dir.symlink_to(cluster_root.parent)
    else:
        cluster.socket_dir.mkdir(mode=0o700)
    if trap == "open to all":
        cluster.socket_dir.chmod(0o777)
    elif trap == "somebody else's":
        if os.geteuid() != 0:
            cluster.socket_dir.rmdir()
            pytest.skip("only root can give a directory to somebody else")
        os.chown(cluster.socket_dir, 12345, 12345)

    try:
        with pytest.raises(SetupError, match="is not a directory private to") as caught:
            cluster.start()
    finally:
        _remove_temporary_socket_dir(cluster)

    assert str(cluster.socket_dir) in str(caught.value)
    assert not processes_below(cluster_root)


def test_four_processes_that_race_on_an_empty_directory_share_one_server(
    cluster_root: Path,
) -> None:
    with contextlib.ExitStack() as running:
        programs = [running.enter_context(Program(cluster_root)) for _ in range(4)]

        servers = {program.server() for program in programs}

        assert len(servers) == 1
        assert {process.pid for process in postmasters(Cluster(cluster_root))} == servers
        assert len(reapers_of(cluster_root)) == 1


def test_threads_that_start_the_same_cluster_at_once_share_one_server(made_root: Path) -> None:
    clusters = [Cluster(made_root)] * 2 + [Cluster(made_root)]
    threads = [threading.Thread(target=cluster.start) for cluster in clusters]

    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert len(postmasters(clusters[0])) == 1
    assert [ask(cluster, "SELECT 1") for cluster in clusters] == [1, 1, 1]


def test_a_process_forked_during_a_start_does_not_hold_up_the_next(
    made_root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    cluster = Cluster(made_root, grace=AT_ONCE)
    open_file, inherited = cluster._open, []

    def open_and_fork(name: str) -> int:
        descriptor = open_file(name)
        inherited.append(os.dup(descriptor))  # what a child would have
        return descriptor

    with monkeypatch.context() as forking:
        forking.setattr(cluster, "_open", open_and_fork)
        cluster.start()

    assert not is_locked(made_root / "start.lock")
    for descriptor in inherited:
        os.close(descriptor)


# Leaving.


def test_the_server_stays_while_anybody_uses_it_and_goes_with_the_last(
    made_root: Path,
) -> None:
    cluster = Cluster(made_root)
    with Program(made_root, grace_s=0.3) as first, Program(made_root, grace_s=0.3) as last:
        assert first.server() == last.server()

        first.leave()

        assert ask(cluster, "SELECT 1") == 1
        last.leave()
        assert eventually(lambda: not processes_below(made_root))
    assert "database system is shut down" in cluster.log.read_text()


def test_the_server_outlasts_its_last_user_by_the_grace(made_root: Path) -> None:
    with Program(made_root, grace_s=60) as first:
        server = first.server()
        first.leave()

    with Program(made_root) as second:
        assert second.server() == server


def test_a_user_who_comes_while_the_reaper_is_about_to_stop_the_server_keeps_it(
    made_root: Path,
) -> None:
    if sys.platform != "linux":
        pytest.skip("only Linux shows who waits for a lock")
    cluster = Cluster(made_root)
    with Program(made_root) as program, ExitStack() as comes, ExitStack() as starting:
        server = program.server()
        starting.enter_context(locked(made_root / "start.lock", fcntl.LOCK_EX))
        program.leave()
        assert eventually(lambda: has_waiter(made_root / "start.lock"))

        comes.enter_context(locked(made_root / "users.lock", fcntl.LOCK_SH))
        starting.close()

        assert eventually(lambda: has_waiter(made_root / "users.lock"))
        assert [process.pid for process in postmasters(cluster)] == [server]


@pytest.mark.parametrize("how", [signal.SIGKILL, signal.SIGTERM])
def test_a_killed_user_takes_the_server_along_and_the_next_start_is_clean(
    made_root: Path, how: signal.Signals
) -> None:
    cluster = Cluster(made_root)
    with Program(made_root) as program:
        program.server()

        os.killpg(program.process.pid, how)  # as a terminal or a supervisor does

        assert eventually(lambda: not processes_below(made_root))
    cluster.start()
    assert ask(cluster, "SELECT 1") == 1
    assert "not properly shut down" not in cluster.log.read_text()


def test_released_and_joined_again_and_again_the_server_is_never_stopped_in_use(
    made_root: Path,
) -> None:
    cluster = Cluster(made_root, grace=AT_ONCE)
    users_lock = made_root / "users.lock"

    for attempt in range(12):
        if attempt % 2:  # just when the reaper is at work
            assert eventually(lambda: is_locked(made_root / "start.lock"))
        cluster.start()

        assert ask(cluster, "SELECT 1") == 1
        # A reaper that was about to leave must not be taken for one that watches.
        assert eventually(lambda: sys.platform != "linux" or has_waiter(users_lock))
        cluster.release()
        cluster.release()

    assert eventually(lambda: not processes_below(made_root))
    assert eventually(lambda: not reapers_of(made_root))


def test_a_share_belongs_to_the_process_not_to_the_object(made_root: Path) -> None:
    Cluster(made_root, grace=AT_ONCE).start()

    gc.collect()

    assert is_locked(made_root / "users.lock")


def test_whoever_reads_the_output_of_a_program_that_starts_a_cluster_gets_to_its_end(
    made_root: Path,
) -> None:
    source = (
        "import sys; from pathlib import Path; from engine.database.cluster import Cluster;"
        "Cluster(Path(sys.argv[1])).start(); print('done')"
    )

    ended = subprocess.run(  # noqa: S603 - our own program
        [sys.executable, "-c", source, made_root],
        capture_output=True,
        check=True,
        cwd=REPOSITORY,
        timeout=60,
    )

    assert ended.stdout == b"done\n"
    assert postmasters(Cluster(made_root))
    for reaper in reapers_of(made_root):
        inherited = [os.readlink(f"/proc/{reaper.pid}/fd/{fd}") for fd in (0, 1, 2)]  # noqa: PTH115
        assert inherited == ["/dev/null"] * 3


def test_a_removed_directory_takes_server_and_reaper_along_and_can_be_used_again(
    made_root: Path,
) -> None:
    with Program(made_root) as program:
        program.server()
        before = {process.pid for process in processes_below(made_root)}
        subprocess.run(["rm", "-rf", made_root], check=True)  # noqa: S603, S607 - as a person would

        cluster = Cluster(made_root, grace=AT_ONCE)
        cluster.start()

    assert before.isdisjoint(process.pid for process in processes_below(made_root))
    assert ask(cluster, "SELECT 1") == 1
    cluster.release()
    assert eventually(lambda: not reapers_of(made_root))


def test_stopping_what_does_not_run_is_no_error_and_makes_nothing(cluster_root: Path) -> None:
    Cluster(cluster_root).stop()

    assert not cluster_root.exists()


# Crashes.


@pytest.mark.parametrize("with_children", [True, False])
def test_after_a_killed_server_the_next_start_recovers(
    cluster: Cluster, *, with_children: bool
) -> None:
    ask(cluster, "CREATE TABLE kept AS SELECT 'kept' AS word")
    kill_server(cluster, with_children=with_children)

    cluster.start()

    assert ask(cluster, "SELECT word FROM kept") == "kept"
    assert "automatic recovery in progress" in cluster.log.read_text()


def test_a_killed_server_that_nobody_buried_is_dead_all_the_same(made_root: Path) -> None:
    if sys.platform != "linux":
        pytest.skip("only Linux lets a test adopt the server and leave it a zombie")
    cluster = Cluster(made_root)
    adopt_orphans = 36  # PR_SET_CHILD_SUBREAPER: the server's parent becomes this process
    ctypes.CDLL(None).prctl(adopt_orphans, 1, 0, 0, 0)
    try:
        cluster.start()
        dead = kill_server(cluster, with_children=True)
        assert eventually(lambda: psutil.Process(dead).status() == psutil.STATUS_ZOMBIE)

        cluster.start()

        assert psutil.Process(dead).status() == psutil.STATUS_ZOMBIE
        assert ask(cluster, "SELECT 1") == 1
        cluster.stop()
    finally:
        ctypes.CDLL(None).prctl(adopt_orphans, 0, 0, 0, 0)
        while _bury_one():
            pass


def test_a_child_of_a_killed_server_that_is_busy_does_not_hold_up_the_next_start(
    cluster: Cluster, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("engine.database.server._SILENCE_LIMIT_S", 0.5)
    activity = "SELECT state FROM pg_stat_activity WHERE pid = {}"
    with psycopg.connect(cluster.conninfo("postgres")) as connection:
        busy = connection.info.backend_pid
        thread = threading.Thread(target=_count_for_ever, args=[connection])
        thread.start()
        assert eventually(lambda: ask(cluster, activity.format(busy)) == "active")
        kill_server(cluster, with_children=False)

        cluster.start()

        thread.join()
    assert not psutil.pid_exists(busy) or psutil.Process(busy).status() == psutil.STATUS_ZOMBIE
    assert ask(cluster, "SELECT 1") == 1


def test_a_pid_file_that_names_another_living_program_is_not_believed(cluster: Cluster) -> None:
    kill_server(cluster, with_children=True)
    pid_file = cluster.data / "postmaster.pid"
    with subprocess.Popen(["sleep", "1000"]) as bystander:  # noqa: S607 - any sleep
        try:
            lines = pid_file.read_text().splitlines(keepends=True)
            pid_file.write_text("".join([f"{bystander.pid}\n", *lines[1:]]))
            cluster.stop()
            pid_file.write_text("".join([f"{bystander.pid}\n", *lines[1:]]))

            cluster.start()

            assert bystander.poll() is None
            assert ask(cluster, "SELECT 1") == 1
        finally:
            bystander.kill()


def test_a_person_in_single_user_mode_is_recognised_and_not_killed(
    cluster: Cluster, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("engine.database.server._SILENCE_LIMIT_S", 0.1)
    cluster.stop()
    before = set(processes_below(cluster.data))
    owner = cluster.data.stat()
    identity: dict[str, Any] = {"user": owner.st_uid, "group": owner.st_gid}
    with subprocess.Popen(  # noqa: S603 - the wheel's own program
        [cluster.bindir / "postgres", "--single", "-D", cluster.data, "postgres"],
        stdin=subprocess.PIPE,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        cwd="/",
        **(identity if os.geteuid() == 0 else {}),
    ) as person:
        assert eventually(lambda: set(processes_below(cluster.data)) - before)
        assert eventually((cluster.data / "postmaster.pid").exists)

        with pytest.raises(SetupError, match=rf"process {person.pid}.*end that process"):
            cluster.start()

        assert person.poll() is None


def test_a_killed_initdb_leaves_no_half_database(cluster_root: Path) -> None:
    cluster = Cluster(cluster_root)
    with Program(cluster_root) as program:
        assert eventually(lambda: list(cluster_root.glob("init-*/base")))
        tools = psutil.Process(program.process.pid).children(recursive=True)
        for process in [psutil.Process(program.process.pid), *tools]:
            with contextlib.suppress(psutil.NoSuchProcess):  # initdb's live for a moment each
                process.kill()
    left = list(cluster_root.glob("init-*"))
    was_made = cluster.data.exists()

    cluster.start()

    assert left
    assert not was_made
    assert ask(cluster, "SELECT 1") == 1
    assert not list(cluster_root.glob("init-*"))


def test_another_server_on_our_socket_is_not_taken_for_ours(
    cluster: Cluster, cluster_root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(location, "socket_dir", lambda _: cluster.socket_dir)
    monkeypatch.setattr("engine.database.server._START_LIMIT_S", 0.2)
    other = Cluster(cluster_root / "other")

    with pytest.raises(SetupError, match="does not answer"):
        other.start()

    assert not other.data.exists()


# What an operator can meet: one line that says what to do.


def test_a_database_of_another_major_version_is_refused(cluster: Cluster) -> None:
    cluster.stop()
    (cluster.data / "PG_VERSION").write_text("17\n")

    with pytest.raises(SetupError, match=r"made by PostgreSQL 17 .* PostgreSQL 18: dump it"):
        cluster.start()


def test_a_server_that_does_not_come_up_says_why_and_where_its_log_is(made_root: Path) -> None:
    broken = Cluster(made_root, settings={"shared_buffers": "nonsense"})

    with pytest.raises(SetupError) as caught:
        broken.start()

    message = str(caught.value)
    assert "did not start" in message
    assert "contains errors" in message
    assert str(broken.log) in message
    assert "\n" not in message
    repaired = Cluster(made_root)
    repaired.start()
    assert ask(repaired, "SELECT 1") == 1


@pytest.mark.parametrize("where", [".", "data", "data/notes"])
def test_a_file_in_the_way_is_named(cluster_root: Path, where: str) -> None:
    obstacle = cluster_root / where
    obstacle.parent.mkdir(parents=True, exist_ok=True)
    obstacle.write_text("something else")

    with pytest.raises(SetupError, match="move") as caught:
        Cluster(cluster_root).start()

    assert str(cluster_root) in str(caught.value)
    assert obstacle.read_text() == "something else"


def test_a_file_among_the_parents_is_named(cluster_root: Path) -> None:
    cluster_root.write_text("something else")

    with pytest.raises(SetupError, match="move the file that is in the way"):
        Cluster(cluster_root / "below" / "it").start()


def test_a_full_disk_is_told_before_it_is_tried(
    cluster_root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(location, "_FRESH_CLUSTER_BYTES", 2**62)

    with pytest.raises(SetupError, match=r"MB left.*free space"):
        Cluster(cluster_root).start()

    assert not (cluster_root / "data").exists()


def test_a_network_filesystem_is_refused(
    cluster_root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    here = SimpleNamespace(mountpoint=str(cluster_root.parent), fstype="nfs4")
    monkeypatch.setattr(psutil, "disk_partitions", lambda **_: [here])

    with pytest.raises(SetupError, match=r"network filesystem \(nfs4\).*SAVEGUARD_DATA_DIR"):
        Cluster(cluster_root).start()


def test_without_programs_for_this_platform_the_operator_is_sent_to_database_url(
    cluster_root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("importlib.util.find_spec", lambda _: None)

    with pytest.raises(SetupError, match="set DATABASE_URL"):
        Cluster(cluster_root).start()


# Settings, environment, log.


def test_settings_are_written_at_each_start_and_hold(made_root: Path) -> None:
    tricky = 'it\'s a "C:\\path" # not a comment'
    first = Cluster(made_root, settings={"work_mem": "7MB", "saveguard.note": tricky})
    second = Cluster(made_root)

    first.start()
    told = [
        ask(first, f"SHOW {name}") for name in ("work_mem", "saveguard.note", "max_connections")
    ]
    first.stop()
    second.start()

    assert told == ["7MB", tricky, "100"]
    assert ask(second, "SHOW work_mem") == "4MB"


def test_the_defaults_hold(cluster: Cluster) -> None:
    expected = {
        "fsync": "on",
        "synchronous_commit": "on",
        "full_page_writes": "on",
        "listen_addresses": "",
        "unix_socket_permissions": "0700",
        "TimeZone": "UTC",
        "max_connections": "100",
        "shared_buffers": "128MB",
        "max_wal_size": "2GB",
        "jit": "off",
        "data_checksums": "on",
    }

    assert {name: ask(cluster, f"SHOW {name}") for name in expected} == expected


@pytest.mark.parametrize("name", ["port", "Listen_Addresses", "data_directory", "no name", ""])
def test_a_setting_that_is_not_the_callers_is_refused(cluster_root: Path, name: str) -> None:
    with pytest.raises(ValueError, match=r"set by the cluster itself|no name of a server"):
        Cluster(cluster_root, settings={name: "1"})


def test_foreign_variables_change_neither_the_tools_nor_our_connections(
    cluster_root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for option in pq.Conninfo.get_defaults():
        if option.envvar:
            monkeypatch.setenv(option.envvar.decode(), "nonsense")
    for variable in ("PGDATA", "PGTZ", "PGDATESTYLE", "PGGEQO", "PGREQUIRESSL", "PGSERVICEFILE"):
        monkeypatch.setenv(variable, "/nowhere")
    cluster = Cluster(cluster_root)

    cluster.start()

    with psycopg.connect(cluster.conninfo("postgres")) as connection:
        connection.execute("SELECT 1")
        told = {name: connection.info.parameter_status(name) for name in ("TimeZone", "DateStyle")}
    assert told == {"TimeZone": "UTC", "DateStyle": "ISO, MDY"}
    psql = subprocess.run(  # noqa: S603 - the wheel's own psql
        [cluster.bindir / "psql", cluster.conninfo("postgres"), "-XAtc", "SHOW client_encoding"],
        capture_output=True,
        check=True,
        text=True,
    )
    assert psql.stdout.strip() == "UTF8"
    cluster.stop()


def test_the_server_inherits_no_secret_from_our_environment(
    made_root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("DATABASE_PASSWORD", "secret")
    cluster = Cluster(made_root)

    cluster.start()

    (server,) = postmasters(cluster)
    assert "PGDATA" in server.environ()
    assert "DATABASE_PASSWORD" not in server.environ()


def test_without_foreign_variables_a_conninfo_says_no_more_than_it_must(
    cluster_root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for variable in [name for name in os.environ if name.startswith("PG")]:
        monkeypatch.delenv(variable)

    given = psycopg.conninfo.conninfo_to_dict(Cluster(cluster_root).conninfo("a b", "c'd"))

    assert given == {
        "host": str(cluster_root / "data"),
        "port": "5432",
        "dbname": "a b",
        "user": "c'd",
        "connect_timeout": "10",
    }


def test_a_grown_log_is_put_aside_at_the_next_start_and_four_are_kept(cluster: Cluster) -> None:
    for age in range(6):
        cluster.stop()
        cluster.log.write_text(f"generation {age}\n")
        os.truncate(cluster.log, 5 * 2**20)
        cluster.start()

    asides = sorted(path.name for path in cluster.log.parent.glob("postgres.log*"))
    assert asides == ["postgres.log", *(f"postgres.log.{age}" for age in (1, 2, 3, 4))]
    assert (cluster.log.parent / "postgres.log.1").read_text().startswith("generation 5\n")
    assert "ready to accept connections" in cluster.log.read_text()
    assert cluster.log.stat().st_size < 2**20


def _remove_temporary_socket_dir(cluster: Cluster) -> None:
    with contextlib.suppress(FileNotFoundError):
        if cluster.socket_dir.is_symlink():
            cluster.socket_dir.unlink()
        elif cluster.socket_dir != cluster.data:
            cluster.socket_dir.rmdir()


def _count_for_ever(connection: psycopg.Connection) -> None:
    with contextlib.suppress(psycopg.OperationalError):
        connection.execute("SELECT count(*) FROM generate_series(1, 1e12)")


def _bury_one() -> bool:
    try:
        return os.waitpid(-1, os.WNOHANG)[0] != 0
    except ChildProcessError:
        return False
