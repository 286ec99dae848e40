"""What README and docs tell a reader to type exists, and what they link to is there."""

from __future__ import annotations

import re
from pathlib import Path

import click
import pytest

from aitune_helper.knobs import KNOBS
from aitune_tui.cli.group import COMMANDS, main

ROOT = Path(__file__).resolve().parents[3]
DOCUMENTS = sorted([*ROOT.glob("*.md"), *(ROOT / "docs").glob("*.md")])
COMMAND = re.compile(r"aitune-tui ((?:[a-z-][\w=.@/-]*|[A-Z][A-Z…]*)(?: [\w=.@/…-]+)*)")


def typed_lines() -> list[tuple[str, list[str]]]:
    """Every `aitune-tui …` in a document, as its words without what a comment adds."""
    return [
        (document.name, found[1].split())
        for document in DOCUMENTS
        for line in document.read_text().splitlines()
        for found in COMMAND.finditer(line.partition("#")[0] if line.startswith("    ") else "")
    ]


def options_of(name: str) -> set[str]:
    command = main.get_command(click.Context(main), name)
    assert command is not None
    commands = [command, *getattr(command, "commands", {}).values()]
    return {option for one in commands for parameter in one.params for option in parameter.opts}


def test_the_documents_show_how_to_use_it() -> None:
    assert len(typed_lines()) > 8


@pytest.mark.parametrize(("document", "words"), typed_lines(), ids=lambda value: str(value))
def test_what_is_typed_exists(document: str, words: list[str]) -> None:
    name = next((word for word in words if not word.startswith("-")), None)
    assert name is None or name in COMMANDS
    known = options_of(name) if name else {option for p in main.params for option in p.opts}
    assert {word for word in words if word.startswith("-")} <= known
    for knob in (word.partition("=")[0].partition("@")[0] for word in words if "=" in word):
        assert knob in KNOBS


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda path: path.name)
def test_links_lead_somewhere(document: Path) -> None:
    links = re.findall(r"\]\(([^)#]+)\)", document.read_text())
    assert [
        link for link in links if "://" not in link and not (document.parent / link).exists()
    ] == []


def test_make_knows_what_the_documents_ask_of_it() -> None:
    targets = set(re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text(), re.MULTILINE))
    asked = {
        target
        for document in DOCUMENTS
        for target in re.findall(r"(?:`|^    )make ([a-z-]+)", document.read_text(), re.MULTILINE)
    }
    assert {"run", "test", "check"} <= asked
    assert asked <= targets
