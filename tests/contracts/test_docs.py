"""The documentation names everything that there is, and links to nothing that there is not."""

from __future__ import annotations

import re
from pathlib import Path

import click
import pytest
from click.testing import CliRunner

import dashboard.__main__  # noqa: F401  # adds its commands to the group
from engine.cli.main import cli
from engine.errors import TAXONOMY, ErrorCode
from engine.settings import Settings, environment_name
from engine.slo.objectives import OBJECTIVES, Objective

_TOP = Path(__file__).resolve().parent.parent.parent
_PAGES = sorted([*_TOP.glob("*.md"), *_TOP.glob("docs/**/*.md"), *_TOP.glob("bench/*/*.md")])
_WRITTEN = re.compile(r"saveguard((?: [a-z]+(?:-[a-z]+)*(?![a-z=]))+)([^`\n;]*)")
_OPTION = re.compile(r"--[a-z-]+")
_REPLAYED = re.compile(r"saveguard replay (\S+)")
_LINK = re.compile(r"\[[^\]]*\]\(([^)#\s]+)(#[^)]*)?\)")


@pytest.mark.parametrize("name", Settings.model_fields)
def test_every_setting_is_documented_in_its_own_words(name: str) -> None:
    page = (_TOP / "docs/reference/settings.md").read_text()

    assert f"| `{environment_name(name)}` |" in page
    assert str(Settings.model_fields[name].description) in page


@pytest.mark.parametrize("code", ErrorCode)
def test_every_code_is_documented_and_has_a_whole_runbook_section(code: ErrorCode) -> None:
    reference = (_TOP / "docs/reference/errors.md").read_text()
    runbook = (_TOP / "docs/runbooks/errors.md").read_text()

    row = next(line for line in reference.splitlines() if line.startswith(f"| `{code}` |"))
    meaning = TAXONOMY[code]
    retryable = "yes" if meaning.retryable else "no"
    assert f"| {meaning.http_status} | {meaning.severity.name} | {retryable} |" in row
    section = runbook.partition(f"## {code}\n")[2].partition("\n## ")[0]
    for part in ("Symptom", "Cause", "Action", "Verify"):
        assert f"**{part}**: " in section


@pytest.mark.parametrize("objective", OBJECTIVES.values(), ids=lambda each: each.key)
def test_every_objective_is_documented_with_its_target(objective: Objective) -> None:
    page = (_TOP / "docs/reference/objectives.md").read_text()

    assert f"| {objective.title} | {objective.target} | " in page


def _leaves(group: click.Group, path: str = "saveguard") -> list[str]:
    leaves = []
    for name, command in group.commands.items():
        inner = f"{path} {name}"
        leaves += _leaves(command, inner) if isinstance(command, click.Group) else [inner]
    return leaves


@pytest.mark.parametrize("path", _leaves(cli))
def test_every_command_is_documented(path: str) -> None:
    page = (_TOP / "docs/reference/commands.md").read_text()

    words = path.split()
    assert f"`{path}" in page or all(word in page for word in words[1:])


@pytest.mark.parametrize(
    "group", ["", *(name for name, each in cli.commands.items() if isinstance(each, click.Group))]
)
def test_no_description_in_a_list_of_commands_is_cut(group: str) -> None:
    shown = CliRunner().invoke(cli, [*group.split(), "--help"], terminal_width=80).output

    listed = shown.partition("Commands:\n")[2].splitlines()
    assert listed
    assert [line for line in listed if line.endswith("...")] == []


@pytest.mark.parametrize("page", _PAGES, ids=lambda page: str(page.relative_to(_TOP)))
def test_every_command_that_a_page_tells_to_give_exists(page: Path) -> None:
    text = page.read_text()
    spans = [*re.findall(r"`([^`\n]+)`", text), *_shell_lines(text)]
    written = [match.groups() for span in spans if (match := _WRITTEN.search(span))]

    assert [f"{words}{rest}" for words, rest in written if not _is_known(words, rest)] == []


def _shell_lines(text: str) -> list[str]:
    return "\n".join(re.findall(r"^```sh\n(.*?)^```$", text, re.DOTALL | re.MULTILINE)).splitlines()


def _is_known(words: str, rest: str) -> bool:
    command: click.Command = cli
    for word in words.split():
        if not isinstance(command, click.Group):
            break  # an argument
        if word not in command.commands:
            return False
        command = command.commands[word]
    options = {name for parameter in command.params for name in parameter.opts}
    return set(_OPTION.findall(rest)) <= options | {"--help"}


@pytest.mark.parametrize("page", _PAGES, ids=lambda page: str(page.relative_to(_TOP)))
def test_a_file_that_a_page_tells_to_replay_is_there_or_the_page_says_from_where(
    page: Path,
) -> None:
    text = page.read_text()
    files = [name for line in _shell_lines(text) for name in _REPLAYED.findall(line)]

    assert [name for name in files if not (_TOP / name).exists() and f"/{name}\n" not in text] == []


@pytest.mark.parametrize("page", _PAGES, ids=lambda page: str(page.relative_to(_TOP)))
def test_links_lead_somewhere(page: Path) -> None:
    targets = [match[1] for match in _LINK.finditer(page.read_text())]
    inside = [target for target in targets if "://" not in target]

    assert [target for target in inside if not (page.parent / target).exists()] == []
