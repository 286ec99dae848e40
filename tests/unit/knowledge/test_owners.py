from __future__ import annotations

import shutil
import subprocess
import tempfile
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from aitune_backends.boot_files import Owner
from aitune_backends.boot_sysctl import DIRECTORIES as SYSCTL_DIRECTORIES
from aitune_backends.boot_sysctl import parse_sysctl
from aitune_backends.owners import read_owners
from tests.unit.knowledge import made_trees

ANALYZE = shutil.which("systemd-analyze")


def test_lines_of_a_file() -> None:
    text = (
        "# comment\n; another\n\nvm.swappiness=10\n  vm/overcommit_memory = 1  \n"
        "-vm.nr_hugepages = 64\n-net.ipv4.conf.all.rp_filter\nnonsense\nkernel.x = a b\n"
    )
    assert parse_sysctl(text) == (
        (4, "vm.swappiness", "10"),
        (5, "vm.overcommit_memory", "1"),
        (6, "vm.nr_hugepages", "64"),
        (9, "kernel.x", "a b"),
    )


def test_the_first_separator_decides() -> None:
    assert parse_sysctl("net.ipv4.conf.eth0/1.x = 1")[0][1] == "net.ipv4.conf.eth0/1.x"
    assert parse_sysctl("net/ipv4/conf/eth0.1/x = 1")[0][1] == "net.ipv4.conf.eth0/1.x"


@given(st.text())
def test_any_text_is_read(text: str) -> None:
    for number, name, value in parse_sysctl(text):
        assert 1 <= number <= len(text.splitlines())
        assert name
        assert value == value.strip()


def test_the_lexically_last_name_wins_in_whatever_directory(tmp_path: Path) -> None:
    host = made_trees.host(
        tmp_path,
        {
            "/etc/sysctl.d/10-a.conf": "vm.swappiness = 1",
            "/usr/lib/sysctl.d/90-b.conf": "\nvm.swappiness = 2",
            "/run/sysctl.d/50-c.conf": "vm.swappiness = 3\nvm.overcommit_memory = 1",
            "/etc/sysctl.d/99-d.conf.bak": "vm.swappiness = 4",
        },
    )
    owners = read_owners(host)
    assert owners.of("vm.swappiness") == Owner("/usr/lib/sysctl.d/90-b.conf", 2, "2")
    assert str(owners.of("vm.swappiness")) == "/usr/lib/sysctl.d/90-b.conf:2"
    assert owners.survives("vm.swappiness", "2") is True
    assert owners.survives("vm.swappiness", "60") is False
    assert owners.survives("kernel.numa_balancing", "0") is None


def test_a_file_of_the_same_name_hides_the_lower_one(tmp_path: Path) -> None:
    files = {
        f"{directory}/50-x.conf": f"vm.swappiness = {number}"
        for number, directory in enumerate(SYSCTL_DIRECTORIES)
    }
    host = made_trees.host(tmp_path, files)
    for directory in SYSCTL_DIRECTORIES:
        owner = read_owners(host).of("vm.swappiness")
        assert owner is not None
        assert owner.file == f"{directory}/50-x.conf"
        (tmp_path / directory.lstrip("/") / "50-x.conf").unlink()
    assert read_owners(host).of("vm.swappiness") is None


def test_a_link_to_dev_null_switches_a_file_off(tmp_path: Path) -> None:
    host = made_trees.host(tmp_path, {"/usr/lib/sysctl.d/50-x.conf": "vm.swappiness = 2"})
    directory = tmp_path / "etc/sysctl.d"
    directory.mkdir(parents=True)
    (directory / "50-x.conf").symlink_to("/dev/null")
    owners = read_owners(host)
    assert owners.of("vm.swappiness") is None
    assert not owners.boot.errors


def test_sysctl_conf_counts_only_through_its_link(tmp_path: Path) -> None:
    host = made_trees.host(
        tmp_path,
        {"/etc/sysctl.conf": "vm.swappiness = 7", "/etc/sysctl.d/10-a.conf": "vm.swappiness = 1"},
    )
    owner = read_owners(host).of("vm.swappiness")
    assert owner is not None
    assert owner.file == "/etc/sysctl.d/10-a.conf"
    (tmp_path / "etc/sysctl.d/99-sysctl.conf").symlink_to("../sysctl.conf")
    assert read_owners(host).of("vm.swappiness") == Owner("/etc/sysctl.d/99-sysctl.conf", 1, "7")


def test_a_file_that_cannot_be_read_leaves_survival_open(tmp_path: Path) -> None:
    host = made_trees.host(tmp_path, {"/etc/sysctl.d/10-a.conf": "vm.swappiness = 1"})
    (tmp_path / "etc/sysctl.d/20-b.conf").mkdir()
    owners = read_owners(host)
    assert list(owners.boot.errors) == ["/etc/sysctl.d/20-b.conf"]
    assert owners.survives("vm.swappiness", "1") is None


def test_a_capture_without_etc_knows_nothing(tmp_path: Path) -> None:
    owners = read_owners(made_trees.host(tmp_path, made_trees.sysctls()))
    assert not owners.known
    assert owners.survives("vm.swappiness", "60") is None


layouts = st.dictionaries(
    st.tuples(st.sampled_from(SYSCTL_DIRECTORIES), st.sampled_from(("10-a", "50-x", "99-z"))),
    st.none() | st.integers(0, 200),
    min_size=1,
)


@pytest.mark.skipif(ANALYZE is None, reason="systemd-analyze is not installed")
@settings(max_examples=25, deadline=None)
@given(layouts)
def test_the_winner_is_systemds_own(layout: dict[tuple[str, str], int | None]) -> None:
    assert ANALYZE is not None
    with tempfile.TemporaryDirectory() as directory:
        root = Path(directory)
        for (folder, name), value in layout.items():
            file = root / folder.lstrip("/") / f"{name}.conf"
            file.parent.mkdir(parents=True, exist_ok=True)
            if value is None:
                file.symlink_to("/dev/null")
            else:
                file.write_text(f"vm.swappiness = {value}\n")
        run = subprocess.run(
            [ANALYZE, f"--root={root}", "cat-config", "sysctl.d"],
            capture_output=True,
            text=True,
            check=False,  # it fails where every file is switched off
        )
        applied = [value for _, _, value in parse_sysctl(run.stdout)]
        owner = read_owners(made_trees.host(root)).of("vm.swappiness")
        assert (owner.value if owner else None) == (applied[-1] if applied else None)
