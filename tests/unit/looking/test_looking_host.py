"""A root that somebody else made: nothing outside it is read, and nothing in it can hang us."""

from __future__ import annotations

import errno
import os
import socket
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from tests.unit.looking.written_tree import Tree

from aitune_backends.host import MAX_FILE_BYTES, Host, HostError, open_host

OUTSIDE = "written outside the root"


@pytest.fixture
def hostile(tree: Tree, tmp_path: Path) -> Host:
    """A machine with a way out by every kind of link, and with files that are none."""
    secret = tmp_path / "shadow"
    secret.write_text(OUTSIDE)
    root = tree(
        {
            "/proc/meminfo": "MemTotal: 1024 kB\n",
            "/proc/absolute": f"-> {secret}",
            "/proc/relative": f"-> ../../{secret.name}",
            "/proc/deep": "-> ../../../../../../../../../etc/passwd",
            "/proc/loop": "-> loop",
            "/proc/inside": "-> /proc/meminfo",
            "/proc/huge": "x" * (MAX_FILE_BYTES + 1),
            "/sys/block/sda": f"-> {tmp_path}",
        }
    )
    (root / "proc/junk").write_bytes(bytes(range(256)))
    os.mkfifo(root / "proc/fifo")
    with socket.socket(socket.AF_UNIX) as listener:
        # Bound by a short relative name: a socket's path may have 108 bytes.
        here = os.open(root / "proc", os.O_DIRECTORY)
        try:
            listener.bind(f"/proc/self/fd/{here}/socket")
        finally:
            os.close(here)
    return Host(root, origin="capture")


@pytest.mark.parametrize("name", ["absolute", "relative", "deep", "loop", "fifo", "socket", "huge"])
def test_what_leads_out_or_is_no_file_is_an_error(hostile: Host, name: str) -> None:
    with pytest.raises(OSError, match=r".*"):
        hostile.read(f"/proc/{name}")
    assert hostile.first_line(f"/proc/{name}") is None


def test_a_file_that_is_too_large_says_so(hostile: Host) -> None:
    with pytest.raises(OSError, match=r".*") as caught:
        hostile.read("/proc/huge")
    assert caught.value.errno == errno.EFBIG


def test_a_directory_link_out_is_not_followed(hostile: Host) -> None:
    assert hostile.names("/sys/block/sda") == []
    assert not hostile.exists("/sys/block/sda/shadow")
    assert hostile.link("/sys/block/sda").startswith("/")


def test_links_inside_are_followed_as_if_the_root_were_the_machine(hostile: Host) -> None:
    assert hostile.read("/proc/inside") == "MemTotal: 1024 kB\n"
    assert hostile.size("/proc/inside") == 18


def test_junk_is_text_with_replacements(hostile: Host) -> None:
    assert "�" in hostile.read("/proc/junk")


def test_writing_is_refused(hostile: Host) -> None:
    with pytest.raises(OSError, match="Read-only") as caught:
        hostile.write("/proc/meminfo", "1")
    assert caught.value.errno == errno.EROFS
    assert hostile.read("/proc/meminfo") == "MemTotal: 1024 kB\n"


def test_no_descriptor_stays_open(hostile: Host) -> None:
    before = len(list(Path("/proc/self/fd").iterdir()))
    for name in ("meminfo", "absolute", "deep", "loop", "fifo", "huge", "inside", "nothing"):
        hostile.first_line(f"/proc/{name}")
        hostile.exists(f"/proc/{name}")
        hostile.names(f"/proc/{name}")
    assert len(list(Path("/proc/self/fd").iterdir())) == before


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can make a device file")
def test_a_device_is_not_opened(hostile: Host) -> None:
    try:
        os.mknod(hostile.root / "proc/zero", 0o600 | 0o020000, os.makedev(1, 5))
    except OSError as error:
        pytest.skip(f"no device file can be made here: {error.strerror}")
    assert hostile.first_line("/proc/zero") is None


PATHS = st.lists(
    st.sampled_from(["..", ".", "", "proc", "deep", "absolute", "inside", "sda", "block", "sys"]),
    max_size=8,
).map(lambda parts: "/" + "/".join(parts))


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=60)
@given(path=PATHS)
def test_no_path_reads_what_lies_outside(hostile: Host, path: str) -> None:
    assert OUTSIDE not in (hostile.first_line(path) or "")
    assert "shadow" not in hostile.names(path)


def test_per_cpu_directories_are_shown_as_policies(tree: Tree) -> None:
    cpu = "/sys/devices/system/cpu"
    root = tree(
        {
            **{f"{cpu}/cpu{n}/cpufreq/related_cpus": "0 1\n" for n in (0, 1)},
            f"{cpu}/cpu2/cpufreq/related_cpus": "2\n",
            f"{cpu}/cpu10/cpufreq/scaling_governor": "powersave\n",
            f"{cpu}/cpu2/cpufreq/scaling_governor": "performance\n",
            f"{cpu}/cpu3/topology/core_id": "3\n",
        }
    )
    host = Host(root, origin="capture")
    assert set(host.entries(f"{cpu}/cpufreq")) == {"policy0", "policy2", "policy10"}
    assert host.first_line(f"{cpu}/cpufreq/policy2/scaling_governor") == "performance"
    assert host.names(f"{cpu}/cpufreq/policy10") == ["scaling_governor"]
    assert not host.exists(f"{cpu}/cpufreq/policy1")


def test_policies_the_kernel_lists_are_left_alone(tree: Tree) -> None:
    cpu = "/sys/devices/system/cpu"
    root = tree(
        {
            f"{cpu}/cpufreq/policy4/scaling_governor": "schedutil\n",
            f"{cpu}/cpu0/cpufreq/scaling_governor": "performance\n",
        }
    )
    assert Host(root, origin="capture").entries(f"{cpu}/cpufreq") == ["policy4"]


def test_disks_that_only_their_class_lists_are_shown(tree: Tree) -> None:
    root = tree(
        {
            "/sys/block/sda/size": "8\n",
            "/sys/class/block/sda/queue/scheduler": "[none]\n",
            "/sys/class/block/nvme0n1/queue/scheduler": "none\n",
            "/sys/class/block/nvme0n1p1/size": "4\n",
        }
    )
    host = Host(root, origin="capture")
    assert host.entries("/sys/block") == ["nvme0n1", "sda"]
    assert host.first_line("/sys/block/nvme0n1/queue/scheduler") == "none"
    assert not host.exists("/sys/block/sda/queue")
    assert Host(root).entries("/sys/block") == ["sda"]


def test_opening_says_what_it_is(tree: Tree) -> None:
    root = tree({"/proc/meminfo": "", "/proc/sys/kernel/hostname": "gpu-1\n"})
    os.utime(root / "proc/meminfo", (0, 86400))
    with open_host(str(root)) as host:
        assert host.origin == "capture"
        assert host.label == "a capture of gpu-1 at 1970-01-02 00:00 UTC"


def test_a_capture_one_directory_down_is_found(tmp_path: Path) -> None:
    for name in ("b", "a"):
        (tmp_path / name / "sys").mkdir(parents=True)
    (tmp_path / "0-notes").mkdir()
    with open_host(str(tmp_path)) as host:
        assert host.root == (tmp_path / "a").resolve()
        assert "(a)" in host.label


@pytest.mark.parametrize("what", ["empty", "nothing", "text"])
def test_what_is_no_capture_is_one_sentence(tmp_path: Path, what: str) -> None:
    (tmp_path / "empty").mkdir()
    (tmp_path / "text").write_text("hello")
    with pytest.raises(HostError) as caught, open_host(str(tmp_path / what)):
        pass
    assert str(caught.value).endswith(".")
    assert what in str(caught.value)


def test_this_machine_is_the_default() -> None:
    with open_host() as host:
        assert host.is_this_machine
        assert host.label == ""
        assert host.read("/proc/meminfo").startswith("MemTotal")
    with open_host("/") as same:
        assert same.is_this_machine


def test_a_link_to_a_live_tree_is_no_live_tree(tmp_path: Path) -> None:
    (tmp_path / "proc").symlink_to("/proc")
    (tmp_path / "sys").mkdir()
    with open_host(str(tmp_path)) as host:  # a link is no mount
        assert host.origin == "capture"
