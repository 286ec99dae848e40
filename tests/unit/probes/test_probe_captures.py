"""Captures of real machines, where the folder that AITUNE_CORPUS names is there."""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest
from click.testing import CliRunner

from aitune_backends.host import open_host
from aitune_backends.identity import read_identity
from aitune_backends.sampler import Sampler
from aitune_tui.cli import main

FOLDER = Path(os.environ.get("AITUNE_CORPUS", "/nonexistent"))
CAPTURES = sorted(FOLDER.glob("*.tar.*")) if FOLDER.is_dir() else []
pytestmark = pytest.mark.skipif(
    not CAPTURES, reason="AITUNE_CORPUS names no folder of captures of real machines"
)


@pytest.mark.parametrize("path", CAPTURES, ids=lambda path: path.name)
def test_every_capture_opens(path: Path) -> None:
    with open_host(str(path)) as host:
        assert host.origin == "capture"
        identity = read_identity(host)
        assert identity.name
        sampler = Sampler(host)
        first, second = sampler.sample(), sampler.sample()
        sampler.close()
        assert len(first.cpus) == identity.cpus == len(second.cpus)
        assert not first.errors
        for policy in first.policies:
            assert policy.governor
            assert policy.cpus
        for disk in first.disks:
            assert disk.size > 0
            assert disk.read_ahead_kib is not None
        for node in {cpu.node for cpu in first.cpus}:
            assert node is None or node in identity.nodes


@pytest.mark.parametrize("path", CAPTURES, ids=lambda path: path.name)
@pytest.mark.parametrize("command", ["status", "doctor"])
def test_every_capture_is_shown(path: Path, command: str) -> None:
    text = CliRunner().invoke(main, [command, "--root", str(path)])
    assert text.exit_code == 0, text.output
    data = CliRunner().invoke(main, [command, "--root", str(path), "--json"])
    assert data.exit_code == 0, data.output
    assert json.loads(data.stdout)["schema"] == f"aitune/{command}/1"


def _by_name(name: str) -> Path:
    for path in CAPTURES:
        if path.name.startswith(name):
            return path
    pytest.skip(f"no capture {name} in this folder")


def test_the_capture_with_a_directory_per_cpu_has_policies() -> None:
    with open_host(str(_by_name("xeon-2node"))) as host:
        sample = Sampler(host).sample()
    assert len(sample.policies) == 16
    assert {disk.name for disk in sample.disks} >= {"sda", "nvme0n1"}
    assert {pool.size_kib for pool in sample.pools} >= {2048}


def test_sparse_nodes_keep_their_numbers() -> None:
    with open_host(str(_by_name("opteron"))) as host:
        identity = read_identity(host)
        sample = Sampler(host).sample()
    assert identity.nodes == (0, 1, 2, 33, 34, 45, 72, 73)
    assert {pool.node for pool in sample.pools} == set(identity.nodes)
