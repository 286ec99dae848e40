"""What a machine is, from little and from much."""

from __future__ import annotations

from typing import TYPE_CHECKING

from aitune_backends.host import Host
from aitune_backends.identity import read_container, read_identity

if TYPE_CHECKING:
    from tests.unit.looking.written_tree import Tree


def test_a_machine_that_tells_nothing(tree: Tree) -> None:
    identity = read_identity(Host(tree({}), origin="capture", name="box"))
    assert (identity.name, identity.kernel, identity.cpus, identity.memory) == ("box", "", 0, 0)
    assert (identity.nodes, identity.gpus, identity.container) == ((), (), "")
    assert identity.default_huge_page_kib is None


def test_a_machine_that_tells_all(tree: Tree) -> None:
    root = tree(
        {
            "/proc/sys/kernel/hostname": "gpu-1\n",
            "/proc/sys/kernel/osrelease": "6.8.0\n",
            "/proc/meminfo": "MemTotal: 100 kB\nHugepagesize: 2048 kB\n",
            "/sys/devices/system/cpu/present": "0-3\n",
            "/sys/devices/system/node/node0/cpulist": "0-3\n",
            "/sys/devices/system/node/node2/cpulist": "\n",
            "/proc/driver/nvidia/gpus/0000:01:00.0/information": "Model: \t NVIDIA H100\n",
        }
    )
    identity = read_identity(Host(root, origin="capture"))
    assert (identity.name, identity.kernel, identity.cpus) == ("gpu-1", "6.8.0", 4)
    assert (identity.nodes, identity.memory, identity.gpus) == ((0, 2), 102400, ("NVIDIA H100",))
    assert identity.default_huge_page_kib == 2048


def test_gpus_without_their_driver_are_found_on_the_bus(tree: Tree) -> None:
    pci = "/sys/bus/pci/devices"
    root = tree(
        {
            f"{pci}/0000:01:00.0/class": "0x030200\n",
            f"{pci}/0000:01:00.0/vendor": "0x10de\n",
            f"{pci}/0000:01:00.0/device": "0x2330\n",
            f"{pci}/0000:02:00.0/class": "0x010802\n",
            f"{pci}/0000:02:00.0/vendor": "0x10de\n",
        }
    )
    assert read_identity(Host(root, origin="capture")).gpus == ("NVIDIA 2330",)


def test_containers_by_their_marks(tree: Tree) -> None:
    assert read_container(Host(tree({"/.dockerenv": ""}), origin="capture")) == "docker"
    tree.put("/run/.containerenv", "")
    assert read_container(Host(tree.root, origin="capture")) == "podman"


def test_a_container_by_its_first_process(tree: Tree) -> None:
    root = tree({"/proc/1/environ": "HOME=/\0container=lxc\0"})
    assert read_container(Host(root, origin="capture")) == "lxc"
