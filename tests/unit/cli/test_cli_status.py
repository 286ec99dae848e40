"""`status` and `doctor`, on the made-up machine and on machines that lack things."""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING

import pytest
from click.testing import CliRunner
from tests.unit.cli import json_schema

from aitune_backends.doctor import NO_CPUFREQ
from aitune_tui.cli import main

if TYPE_CHECKING:
    from pathlib import Path

    from tests.unit.cli.conftest import CommandLine


def run(*arguments: str, expect: int = 0) -> str:
    result = CliRunner().invoke(main, list(arguments), catch_exceptions=False)
    assert result.exit_code == expect, result.output
    return result.output


def test_status_tells_everything_of_the_demo() -> None:
    text = run("status", "--demo")
    for piece in (
        "gpu-node-07", "8 × NVIDIA H100", "total 1007.5", "policy0-31", "performance",
        "policy32-63", "[none] mq-deadline", "none: on nvme0n1p2",
        "vllm 48211: Llama-3.1-405B-Instruct", "of 811.7 GB", "kernel.numa_balancing", "▲ differs",
    ):  # fmt: skip
        assert piece in text, piece


def test_status_as_json_is_of_its_schema_and_has_rates() -> None:
    document = json.loads(run("status", "--demo", "--json"))
    json_schema.check(document)
    assert len(document["policies"]) == 64
    rates = {disk["name"]: disk["read_rate"] for disk in document["disks"]}
    assert rates["nvme0n1"] > 1e9
    targets = {(target["knob"], target["instance"]): target for target in document["targets"]}
    assert targets["kernel.numa_balancing", ""]["state"] == "differs"
    assert targets["cpu.governor", "policy32"]["advised"] == "performance"


def test_status_of_this_machine_is_of_its_schema() -> None:
    document = json.loads(run("status", "--json"))
    json_schema.check(document)
    assert document["memory"]["total"] > 0


def test_settings_that_say_nothing_are_counted(cli: CommandLine) -> None:
    brief, whole = cli.run("status").output, cli.run("status", "--all").output
    document = cli.json("status")
    knobs = {target["knob"] for target in document["targets"]}
    shown = {line.split("@")[0].split(",")[0].split()[0] for line in whole.splitlines() if line}
    assert knobs <= shown
    assert "--all" in brief
    assert "--all" not in whole
    left = next(line for line in brief.splitlines() if "--all" in line)
    count = int(left.split()[0])
    assert count + sum(f"\n{knob}" in brief for knob in knobs) >= len(knobs)
    assert count == sum(map(int, re.findall(r"[0-9]+", left.partition("(")[2])))
    for knob in ("kernel.numa_balancing", "cpu.governor", "vm.overcommit_memory"):
        assert knob in brief
    assert "ksm.run" not in brief
    assert len(brief.splitlines()) < len(whole.splitlines()) - 20


def test_many_cores_share_a_line(cli: CommandLine) -> None:
    lines = cli.run("status", "cpu.idle_latency", "cpu.epp@policy3", "cpu.governor").output
    assert [line.split()[0] for line in lines.splitlines()[1:]] == [
        "cpu.idle_latency@cpu0-63", "cpu.epp@policy3", "cpu.governor@policy0-31",
        "cpu.governor@policy32-63",
    ]  # fmt: skip


def test_what_cannot_be_set_and_what_sets_it_again_is_in_the_json(cli: CommandLine) -> None:
    targets = {(t["knob"], t["instance"]): t for t in cli.json("status")["targets"]}
    words = {value["value"] for value in targets["cpu.epp", "policy0"]["impossible"]}
    assert words == {"balance_performance", "balance_power", "power"}
    assert targets["cpu.epp", "policy40"]["impossible"] == []
    assert isinstance(targets["vm.swappiness", ""]["overwritten_by"], list)


def test_single_settings_by_name(cli: CommandLine) -> None:
    text = cli.run("status", "vm.swappiness", "cpu.governor@policy40").output
    assert [line.split()[0] for line in text.splitlines()] == [
        "SETTING", "vm.swappiness", "cpu.governor@policy40",
    ]  # fmt: skip
    document = cli.json("status", "vm.nr_hugepages")
    assert {target["knob"] for target in document["targets"]} == {"hugepages.2048kB"}


@pytest.mark.parametrize(
    ("name", "choices"), [("vm.nonsense", "vm.swappiness"), ("cpu.governor@policy99", "policy63")]
)
def test_an_unknown_name_names_the_choices(cli: CommandLine, name: str, choices: str) -> None:
    output = cli.run("status", name, expect=2).output
    assert name.rpartition("@")[2] in output
    assert choices in output
    document = json.loads(cli.run("status", name, "--json", expect=2).stdout)
    json_schema.check(document)


def test_a_machine_with_next_to_nothing(tmp_path: Path) -> None:
    (tmp_path / "proc").mkdir()
    text = run("status", "--root", str(tmp_path))
    assert "From a capture of" in text
    assert "/proc/meminfo is absent" in text
    document = json.loads(run("status", "--root", str(tmp_path), "--json"))
    json_schema.check(document)
    assert document["memory"] is None
    assert document["disks"] == []
    assert {target["state"] for target in document["targets"]} == {"absent"}


def test_machine_strings_cannot_steer_the_terminal(tmp_path: Path) -> None:
    for file, text in (
        ("proc/sys/kernel/hostname", "evil\x1b[2Jname\n"),
        ("sys/block/sda/size", "2048\n"),
        ("sys/block/sda/device/model", "\x1b]0;x\x07[bold]disk\n"),
    ):
        (tmp_path / file).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / file).write_text(text)
    text = run("status", "--root", str(tmp_path))
    assert "\x1b" not in text
    assert "evil?[2Jname" in text
    assert "[bold]disk" in text


READ = (
    "proc/meminfo", "proc/stat", "proc/version", "proc/pressure/memory", "proc/1/cgroup",
    "proc/sys/kernel/hostname", "proc/sys/vm/swappiness", "etc/sysctl.d/9.conf", "proc/mounts",
    "sys/devices/system/cpu/present", "sys/devices/system/cpu/online",
    "sys/devices/system/cpu/cpufreq/policy0/scaling_governor",
    "sys/devices/system/cpu/cpufreq/policy0/scaling_cur_freq",
    "sys/devices/system/cpu/cpufreq/policy0/related_cpus",
    "sys/devices/system/node/node0/cpulist",
    "sys/devices/system/node/node0/hugepages/hugepages-2048kB/nr_hugepages",
    "sys/kernel/mm/hugepages/hugepages-2048kB/nr_hugepages",
    "sys/kernel/mm/transparent_hugepage/enabled",
    "sys/block/sda/size", "sys/block/sda/stat", "sys/block/sda/queue/scheduler",
    "sys/block/sda/queue/read_ahead_kb", "sys/bus/pci/devices/0/class",
)  # fmt: skip


@pytest.mark.parametrize(
    "junk",
    [b"", b"\0\xff\xfe\n\n", b"-1\n", b"9" * 5000, b"[" * 70000, b"x\ny\nz\n" * 50, b"0-99999"],
    ids=["empty", "binary", "negative", "digits", "brackets", "lines", "range"],
)
def test_no_junk_in_a_capture_makes_status_fail(tmp_path: Path, junk: bytes) -> None:
    for name in READ:
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_bytes(junk)
    text = run("status", "--root", str(tmp_path))
    assert all(char.isprintable() or char == "\n" for char in text)
    json_schema.check(json.loads(run("status", "--root", str(tmp_path), "--json")))
    run("doctor", "--root", str(tmp_path))


def test_no_such_capture_is_bad_input() -> None:
    assert "nonesuch" in run("status", "--root", "/nonesuch", expect=2)


def test_doctor_says_what_is_missing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "proc").mkdir()
    text = run("doctor", "--root", str(tmp_path))
    assert "cpufreq is not in this capture." in text
    assert NO_CPUFREQ not in text
    for arguments in (["--root", str(tmp_path)], ["--demo"], []):
        document = json.loads(run("doctor", *arguments, "--json"))
        json_schema.check(document)
        assert document["tick_ms"] > 0
        assert sum(document["counts"].values()) == len(document["findings"])


def test_doctor_groups_by_urgency_and_prints_the_plan_that_mends_it() -> None:
    text = run("doctor", "--demo")
    heads = ["Needs you: 1", "Worth a look: 2", "Good to know: 2"]
    assert [line for line in text.splitlines() if line in heads] == heads
    assert "GPU 0000:69:00.0 runs at x8 of x16" in text
    plan = "aitune-tui plan vm.watermark_scale_factor=50"
    assert f"plan   {plan}" in text
    found = json.loads(run("doctor", "--demo", "--json"))["findings"]
    fixes = {each["id"]: each["fix"] for each in found if each["fix"]}
    assert fixes == {
        "allocation-stalls": [
            {"knob": "vm.watermark_scale_factor", "instance": None, "value": "50"}
        ]
    }
    assert "10" in run(*plan.split()[1:], "--demo")
