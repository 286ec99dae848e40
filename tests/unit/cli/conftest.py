"""Runs the command line in this process, against one made-up machine that lasts for a test."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest
from click.testing import CliRunner
from tests.unit.cli import json_schema

from aitune_backends import machine as machines
from aitune_backends.demo import DemoMachine
from aitune_backends.identity import read_identity
from aitune_tui.cli import main

if TYPE_CHECKING:
    from collections.abc import Iterator

    from click.testing import Result


class CommandLine:
    """`aitune-tui` on one machine: what it printed, and how it ended."""

    def __init__(self, demo: DemoMachine) -> None:
        self.demo = demo
        self._runner = CliRunner()

    def run(self, *arguments: str, expect: int = 0) -> Result:
        result = self._runner.invoke(main, list(arguments), catch_exceptions=False)
        assert result.exit_code == expect, f"{result.exit_code}: {result.output}"
        return result

    def json(self, *arguments: str, expect: int = 0) -> dict[str, Any]:
        document = json.loads(self.run(*arguments, "--json", expect=expect).stdout)
        json_schema.check(document)
        assert isinstance(document, dict)
        return document

    def read(self, path: str) -> str:
        return self.demo.host.read(path).strip()


@pytest.fixture
def cli(monkeypatch: pytest.MonkeyPatch) -> Iterator[CommandLine]:
    demo = DemoMachine()
    identity = read_identity(demo.host)

    def open_machine(
        *, demo: bool = False, root: str | None = None, readonly: bool = False
    ) -> machines.Machine:
        assert root is None
        opened = machines.Machine(made.host, identity, made.link)
        if readonly:
            opened.link, opened.why_not_writable = None, machines.READ_ONLY
        return opened

    made = demo
    monkeypatch.setattr(machines, "open_machine", open_machine)
    yield CommandLine(demo)
    demo.close()
