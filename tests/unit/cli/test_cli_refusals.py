"""Bad input, nobody to ask, nowhere to write: one sentence, a status, nothing written."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import TYPE_CHECKING

import pytest
from click.testing import CliRunner

from aitune_backends import machine as machines
from aitune_backends.helper_errors import HelperError, NotElevated, NotInstalled
from aitune_tui.cli import group, main

if TYPE_CHECKING:
    from pathlib import Path
    from typing import NoReturn

    from tests.unit.cli.conftest import CommandLine

SWAPPINESS = "/proc/sys/vm/swappiness"


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ("vm.swappines=10", "near it are vm.swappiness"),
        ("vm.swappiness=500", "0 to 200"),
        ("vm.swappiness=010", "whole number"),
        ("vm.swappiness", "knob=value"),
        ("thp.enabled=sometimes", "always, madvise, never"),
        ("cpu.governor@policy99=performance", "policy99"),
        ("block.scheduler@nvme0n1=cfq", "mq-deadline"),
        ("block.scheduler@../../etc=none", "names no disk"),
        ("hugepages.3kB=1", "No knob"),
        ("vm.extfrag_threshold=1", "No knob"),
    ],
)
def test_a_bad_change_names_the_choices(cli: CommandLine, change: str, said: str) -> None:
    for command in ("plan", "apply"):
        result = cli.run(command, change, "--yes" if command == "apply" else "--json", expect=2)
        assert said in (result.stderr or result.stdout)
    document = cli.json("apply", change, "--yes", expect=2)
    assert document["schema"] == "aitune/error/1"
    assert said in document["message"]
    assert "\n" not in document["message"]


def test_one_bad_change_among_good_ones_writes_nothing(cli: CommandLine) -> None:
    cli.run("apply", "vm.swappiness=10", "thp.enabled=sometimes", "--yes", expect=2)
    assert cli.read(SWAPPINESS) == "60"


def test_changes_and_a_profile_exclude_each_other(cli: CommandLine) -> None:
    cli.run("apply", "--yes", expect=2)
    cli.run("apply", "vm.swappiness=10", "--profile", "classic", "--yes", expect=2)
    cli.run("apply", "--profile", "nonsense", "--yes", expect=2)


def test_the_memory_guard_is_a_refusal_that_names_force(cli: CommandLine) -> None:
    document = cli.json("apply", "hugepages.1048576kB=900", "--yes", expect=2)
    assert document["code"] == "refused"
    assert document["message"].startswith("Refused: ")
    assert "--force" in document["hint"]


def test_nobody_to_ask_is_said_before_anything_happens(cli: CommandLine) -> None:
    cli.run("apply", "vm.swappiness=10", "--try", "600", "--yes")
    for command in (("apply", "vm.swappiness=20"), ("keep",), ("revert",), ("undo",),
                    ("unpersist",)):  # fmt: skip
        document = cli.json(*command, expect=2)
        assert document["code"] == "needs-yes"
    assert cli.read(SWAPPINESS) == "10"


def test_readonly_and_a_long_message_are_bad_usage(cli: CommandLine) -> None:
    assert cli.json("--readonly", "apply", "vm.swappiness=10", "--yes", expect=2)["code"] == (
        "read-only"
    )
    assert cli.json("apply", "vm.swappiness=10", "--yes", "--readonly", expect=2)["code"] == (
        "read-only"
    )
    for message in ("x" * 201, "two\nlines", "\x1b[2J"):
        cli.run("apply", "vm.swappiness=10", "--yes", "--message", message, expect=2)
    cli.run("apply", "vm.swappiness=10", "--yes", "--try", "4", expect=2)
    assert cli.read(SWAPPINESS) == "60"


@pytest.mark.parametrize("command", ["apply", "keep", "revert", "undo", "unpersist"])
def test_a_capture_cannot_be_changed(command: str, tmp_path: Path) -> None:
    (tmp_path / "proc").mkdir()
    arguments = [command, "--root", str(tmp_path), "--yes", "--json"]
    result = CliRunner().invoke(main, arguments + ["vm.swappiness=10"] * (command == "apply"))
    assert result.exit_code == 2
    assert "cannot be changed" in json.loads(result.stdout)["message"]


@pytest.mark.parametrize(
    ("error", "status"),
    [
        (NotInstalled("It is not installed."), 4),
        (NotElevated("sudo did not grant it."), 4),
        (HelperError("no-answer", "It did not begin."), 4),
        (HelperError("gone", "It ended."), 70),
        (HelperError("journal", "No journal."), 1),  # a full disk is no matter of rights
        (HelperError("no-guardian", "No guardian."), 1),
        (HelperError("stale", "It changed."), 1),
        (HelperError("refused", "Refused: no."), 2),
        (HelperError("busy", "Busy."), 5),
    ],
)
def test_what_the_helper_says_no_to_has_its_status(
    cli: CommandLine, monkeypatch: pytest.MonkeyPatch, error: HelperError, status: int
) -> None:
    def connect(*, ask: bool) -> NoReturn:
        assert ask is False  # there is no terminal here
        raise error

    monkeypatch.setattr(cli.demo.link, "connect", connect)
    document = cli.json("apply", "vm.swappiness=10", "--yes", expect=status)
    assert (document["code"], document["message"]) == (error.code, error.message)
    assert cli.read(SWAPPINESS) == "60"


def test_a_container_needs_force(cli: CommandLine, monkeypatch: pytest.MonkeyPatch) -> None:
    opened = machines.open_machine

    def in_container(**settings: bool) -> machines.Machine:
        machine = opened(**settings)  # type: ignore[arg-type]  # passed through
        machine.identity = replace(machine.identity, container="docker")
        return machine

    monkeypatch.setattr(machines, "open_machine", in_container)
    document = cli.json("apply", "vm.swappiness=10", "--yes", expect=2)
    assert document["message"] == "This is a container: if it stops, nothing is put back."
    cli.run("apply", "vm.swappiness=10", "--yes", "--force")


def test_every_command_of_the_table_loads_and_has_help() -> None:
    for name in group.COMMANDS:
        result = CliRunner().invoke(main, [name, "--help"])
        assert result.exit_code == 0, name
        assert "--json" in result.stdout, name
        assert "--root" in result.stdout, name


def test_usage_errors_are_json_too() -> None:
    result = CliRunner().invoke(main, ["nonsense", "--json"])
    assert result.exit_code == 2
    assert json.loads(result.stdout)["schema"] == "aitune/error/1"
    result = CliRunner().invoke(main, ["apply", "--nonsense"])
    assert result.exit_code == 2
    assert "nonsense" in result.stderr


def test_the_dashboard_is_not_drawn_into_a_pipe() -> None:
    result = CliRunner().invoke(main, [])
    assert result.exit_code == 2
    assert "aitune-tui status" in result.stderr


def test_a_fault_of_ours_is_70_with_its_trace_in_the_log(
    cli: CommandLine, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    from aitune_backends import places

    where = places.UserPlaces(tmp_path / "state", tmp_path / "config")
    monkeypatch.setattr(places, "user_places", lambda: where)

    def connect(*, ask: bool) -> NoReturn:
        raise ZeroDivisionError("a bug")

    monkeypatch.setattr(cli.demo.link, "connect", connect)
    result = cli.run("apply", "vm.swappiness=10", "--yes", expect=70)
    assert "ZeroDivisionError: a bug" in result.stderr
    assert "Traceback" not in result.stderr
    assert str(where.log) in result.stderr
    assert "Traceback" in where.log.read_text()


def test_an_interrupt_is_130(cli: CommandLine, monkeypatch: pytest.MonkeyPatch) -> None:
    def connect(*, ask: bool) -> NoReturn:
        raise KeyboardInterrupt

    monkeypatch.setattr(cli.demo.link, "connect", connect)
    assert cli.json("apply", "vm.swappiness=10", "--yes", expect=130)["code"] == "interrupted"
