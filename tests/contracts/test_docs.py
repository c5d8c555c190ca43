"""The documentation names everything that there is, and links to nothing that there is not."""

from __future__ import annotations

import re
from pathlib import Path

import click
import pytest

import dashboard.__main__  # noqa: F401  # adds its commands to the group
from engine.cli.main import cli
from engine.errors import TAXONOMY, ErrorCode
from engine.settings import Settings, environment_name

_TOP = Path(__file__).resolve().parent.parent.parent
_PAGES = sorted([*_TOP.glob("*.md"), *_TOP.glob("docs/**/*.md"), *_TOP.glob("bench/*/*.md")])
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


@pytest.mark.parametrize("page", _PAGES, ids=lambda page: str(page.relative_to(_TOP)))
def test_links_lead_somewhere(page: Path) -> None:
    targets = [match[1] for match in _LINK.finditer(page.read_text())]
    inside = [target for target in targets if "://" not in target]

    assert [target for target in inside if not (page.parent / target).exists()] == []
