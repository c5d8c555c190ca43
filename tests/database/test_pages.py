"""The pages that are to be followed, followed: their shell blocks run as they stand, in one shell.

A `text` block below a `sh` block shows lines of what that prints.
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Final, NamedTuple

import pytest

from engine.database.target import Target, embedded_target
from tests.api.service import Service, served, settings_in
from tests.database.cluster_harness import open_directory
from tests.database.shell import url_of

TOP: Final = Path(__file__).parents[2]
_BLOCK: Final = re.compile(r"^```(sh|text)\n(.*?)^```$", re.DOTALL | re.MULTILINE)
_MARK: Final = "=== end of step ==="
_LIMIT_S: Final = 60
# What the pages name of it.
_CHECKOUT: Final = {".venv": Path(sys.prefix), "docs": TOP / "docs"}

pytestmark = pytest.mark.skipif(
    shutil.which("bash") is None or shutil.which("curl") is None,
    reason="NOT TESTED: the shell blocks of the pages; they need bash and curl",
)


class Step(NamedTuple):
    """A block of commands, and lines of what it prints."""

    commands: str
    shown: tuple[str, ...]


def steps_of(page: str) -> list[Step]:
    """The steps of a page, in order."""
    steps: list[Step] = []
    for match in _BLOCK.finditer((TOP / page).read_text()):
        kind, content = match.groups()
        if kind == "sh":
            steps.append(Step(content, ()))
        else:
            shown = tuple(line.strip() for line in content.splitlines())
            steps[-1] = steps[-1]._replace(shown=shown)
    assert steps
    return steps


def follow(steps: list[Step], environ: Mapping[str, str], directory: Path) -> list[list[str]]:
    """Runs the steps in one shell, as a reader would; the lines that each of them prints."""
    # A reader stands in the checkout; here nothing that the page leaves behind may go there.
    for name, place in _CHECKOUT.items():
        if not (directory / name).exists():
            (directory / name).symlink_to(place)
    script = f"echo '{_MARK}'\n".join(step.commands for step in steps)
    ended = subprocess.run(  # noqa: S603 - our own pages
        ["bash", "-u", "-o", "pipefail", "-c", script],  # noqa: S607 - wherever bash is
        env={"PATH": os.environ["PATH"], "HOME": str(directory), **environ},
        cwd=directory,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        check=False,
        timeout=_LIMIT_S,
    )
    assert ended.returncode == 0, ended.stdout
    assert "Traceback" not in ended.stdout
    printed = [part.splitlines() for part in ended.stdout.split(_MARK)]
    return [[line.strip() for line in lines] for lines in printed]


@pytest.fixture
def service(target: Target, tmp_path: Path) -> Iterator[Service]:
    """An API on a test's own database."""
    with served(target, settings_in(tmp_path / "api")) as made:
        yield made


def environ_of(service: Service, tmp_path: Path) -> dict[str, str]:
    """What a reader exported who started Saveguard elsewhere than usual."""
    return {
        "DATABASE_URL": url_of(service.runtime.target.app),
        "SAVEGUARD_OWNER_DATABASE_URL": url_of(service.runtime.target.owner),
        "SAVEGUARD_DATA_DIR": str(tmp_path / "data"),
        "SAVEGUARD_PORT": str(service.address[1]),
    }


def test_the_tutorial_shows_what_its_reader_sees_and_can_be_repeated(
    service: Service, tmp_path: Path
) -> None:
    steps = steps_of("docs/tutorial/first-quote.md")
    directory = tmp_path / "checkout"
    directory.mkdir()

    first = follow(steps, environ_of(service, tmp_path), directory)
    second = follow(steps, environ_of(service, tmp_path), directory)

    for printed in (first, second):
        for step, lines in zip(steps, printed, strict=True):
            assert [line for line in step.shown if line not in lines] == []
    assert {each.name for each in directory.iterdir()} == _CHECKOUT.keys()


def test_the_tutorials_safe_retry_saves_once(service: Service, tmp_path: Path) -> None:
    steps = steps_of("docs/tutorial/first-quote.md")
    place = next(place for place, step in enumerate(steps) if "Idempotency-Key" in step.commands)

    lines = follow(steps, environ_of(service, tmp_path), tmp_path)[place]

    assert lines.count('"version": 3,') >= 2
    assert lines.count("idempotent-replayed: true") == 1
    counted = service.database.execute("SELECT max(version) FROM quote_revision").fetchone()
    saves = "SELECT count(*) FROM ledger WHERE outcome = 'committed' AND actual_version = 3"
    assert counted == (4,)
    assert service.database.execute(saves).fetchone() == (1,)


def test_the_tutorial_stops_at_once_without_a_key(service: Service, tmp_path: Path) -> None:
    (first, second, *_) = steps_of("docs/tutorial/first-quote.md")
    broken = environ_of(service, tmp_path) | {"SAVEGUARD_PROT": "1"}

    setting, creating = follow([first, second], broken, tmp_path)

    assert any("did you mean SAVEGUARD_PORT" in line for line in setting)
    assert [line for line in creating if line] == [
        line for line in creating if "key: is empty; a line above says why" in line
    ]
    assert service.stock().attempts == 0


def test_the_readmes_replay_works_from_a_checkout(service: Service, tmp_path: Path) -> None:
    (step,) = (each for each in steps_of("README.md") if "saveguard replay" in each.commands)

    (lines,) = follow([step], environ_of(service, tmp_path), tmp_path)

    assert any("they agree" in line for line in lines)
    assert "Nothing found: 16 rules checked." in lines


def test_the_embedded_server_is_reached_as_its_page_says() -> None:
    setting, *looking = steps_of("docs/how-to/embedded-database.md")
    verifying = Step(".venv/bin/saveguard verify\n", ())
    with open_directory() as directory:
        cluster = embedded_target(directory).cluster
        assert cluster is not None
        place = {"SAVEGUARD_DATA_DIR": str(directory)}

        verified, _, sessions, log = follow([verifying, setting, *looking], place, directory)

        cluster.stop()
    assert verified[0] == f"Checking the database in {directory}."
    assert any(re.search(r"\| active +\|.*\| SELECT pid, state", line) for line in sessions)
    assert any("ready to accept connections" in line for line in log)
