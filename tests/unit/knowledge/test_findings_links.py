"""Where cards and disks sit: lanes, slots, speeds, nodes, switches."""

from __future__ import annotations

import struct
from typing import TYPE_CHECKING

import pytest

from aitune_backends.findings import links
from aitune_backends.findings.pci import read_devices
from tests.unit.knowledge.findings_trees import (
    GPU,
    NVME,
    by_id,
    device,
    link,
    nodes,
    tree,
)

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from aitune_backends.findings.finding import Finding

X16, X8, X4 = link(), link("8", "16"), link("4", "4")


def found(root: Path, *parts: Mapping[str, str]) -> dict[str, Finding]:
    """What is found besides where each device sits, which is always told."""
    host = tree(root, *parts)
    got = by_id(links.findings(host, read_devices(host)))
    got.pop("pcie-seats", None)
    return got


def test_each_device_is_named_with_its_link_and_its_node(tmp_path: Path) -> None:
    host = tree(
        tmp_path / "m",
        device("00:01.0 01:00.0", GPU, X16, X8, node="1"),
        device("00:02.0 02:00.0", GPU, X16, X8, node="1"),
        device("00:03.0 03:00.0", NVME, X4, link("4", "4", "8.0", "16.0"), node="-1"),
        device("00:04.0 04:00.0", NVME, node="0"),
    )
    seats = by_id(links.findings(host, read_devices(host)))["pcie-seats"]
    assert seats.severity == "info"
    assert seats.sentence == (
        "2 GPUs (0000:01:00.0, 0000:02:00.0) on node1 at x8 of x16, 32 of 32 GT/s; "
        "1 NVMe disk (0000:03:00.0) on no node that is known at x4 of x4, 8 of 16 GT/s; "
        "1 NVMe disk (0000:04:00.0) on node0, its link not shown."
    )


@pytest.mark.parametrize(
    ("files", "expected"),
    [
        (device("00:01.0 01:00.0", GPU, X16, X16), {}),
        (device("00:01.0 01:00.0", GPU, X16, X8), {"pcie-width": "runs at x8 of x16"}),
        # The port can do no more: the card is as fast as its slot.
        (
            device("00:01.0 01:00.0", GPU, link("8", "8"), X8),
            {"pcie-slot": "GPU 0000:01:00.0 of x16 sits in a slot of x8"},
        ),
        (device("00:01.0 01:00.0", GPU, {}, X8), {"pcie-width": "x8 of x16"}),
        # Lanes lost above a switch; the link inside the switch is none.
        (
            device("00:01.0 01:00.0 02:00.0 03:00.0", GPU, X8, X8, X8, X16),
            {"pcie-width": "the switch at 0000:01:00.0 runs at x8"},
        ),
        (device("00:01.0 01:00.0 02:00.0 03:00.0", GPU, X16, X16, X8, X16), {}),
        (
            {
                **device("00:01.0 01:00.0 02:00.0 03:00.0", GPU, link("8", "8"), X8, X16, X16),
                **device("00:01.0 01:00.0 02:01.0 04:00.0", GPU, link("8", "8"), X8, X16, X16),
            },
            {"pcie-slot": "1 device in a narrow slot: the switch at 0000:01:00.0 of x16 sits in"},
        ),
        # What the kernel writes where it does not know, and what nobody wrote.
        (device("00:01.0 01:00.0", GPU, X16, link("0", "16")), {}),
        (device("00:01.0 01:00.0", GPU, X16, link("63", "255")), {}),
        (device("00:01.0 01:00.0", GPU, X16, {"max_link_width": "16"}), {}),
        (device("00:01.0 01:00.0", GPU, X16, link("x8\x1b[2J", "-1", "\0", "9" * 400)), {}),
        # A GPU rests, a disk does not.
        (
            device("00:01.0 01:00.0", GPU, X16, link(speed="2.5")),
            {"pcie-gpu-speed": "2.5 of 32 GT/s"},
        ),
        (
            device("00:01.0 01:00.0", NVME, X4, link("4", "4", "8.0", "16.0")),
            {"pcie-speed": "NVMe disk 0000:01:00.0 at 8 of 16 GT/s"},
        ),
        (device("00:01.0 01:00.0", NVME, link("4", "4", "8.0", "8.0"), link("4", "4", "8.0")), {}),
        # Not a card to compute with.
        (device("00:01.0 01:00.0", GPU, X16, X8, vendor="0x1a03"), {}),
        (device("00:01.0 01:00.0", "0x020000", X16, X8), {}),
    ],
)
def test_links(tmp_path: Path, files: dict[str, str], expected: dict[str, str]) -> None:
    got = found(tmp_path / "m", files, nodes("0"))
    assert got.keys() == expected.keys()
    for name, words in expected.items():
        assert words in f"{got[name].title}: {got[name].sentence}"


def test_how_urgent_they_are(tmp_path: Path) -> None:
    got = found(
        tmp_path / "m",
        device("00:01.0 01:00.0", GPU, X16, link("8", "16", "2.5")),
        device("00:02.0 02:00.0", GPU, link("8", "8"), X8),
        device("00:03.0 03:00.0", NVME, X4, link("4", "4", "8.0", "16.0")),
    )
    assert {name: finding.severity for name, finding in got.items()} == {
        "pcie-width": "problem",
        "pcie-slot": "warning",
        "pcie-speed": "warning",
        "pcie-gpu-speed": "info",
    }
    assert all(finding.source for finding in got.values())


def test_many_of_a_kind_are_one_finding(tmp_path: Path) -> None:
    parts = [device(f"{n:02x}:01.0 {n + 64:02x}:00.0", NVME, X4, link("2", "4")) for n in range(40)]
    got = found(tmp_path / "m", *parts)
    assert got.keys() == {"pcie-width", "pcie-speed"} - {"pcie-speed"}
    assert got["pcie-width"].title == "40 PCIe links lost lanes"
    assert "(40 in all)" in got["pcie-width"].sentence


@pytest.mark.parametrize(
    ("gpus", "disks", "listed", "expected"),
    [
        ("01", "01", "0-1", set()),
        ("01", "1", "0-1", {"pcie-apart"}),
        ("0", "01", "0-1", set()),
        ("01", "", "0-1", set()),
        ("01", "1", "0", set()),  # one node: nothing is far
    ],
)
def test_gpus_far_from_every_disk(
    tmp_path: Path, gpus: str, disks: str, listed: str, expected: set[str]
) -> None:
    parts = [device(f"00:0{n}.0 1{n}:00.0", GPU, node=node) for n, node in enumerate(gpus)]
    parts += [device(f"01:0{n}.0 2{n}:00.0", NVME, node=node) for n, node in enumerate(disks)]
    got = found(tmp_path / "m", nodes(listed), *parts)
    assert got.keys() == expected
    if expected:
        assert "No NVMe disk sits on node0" in got["pcie-apart"].sentence


def test_a_device_that_no_node_is_named_for(tmp_path: Path) -> None:
    lost = device("00:01.0 01:00.0", GPU, node="-1")
    assert "pcie-node-unknown" in found(tmp_path / "a", nodes("0-1"), lost)
    assert found(tmp_path / "b", nodes("0"), lost) == {}


def configuration(control: int, *, at: int = 0x148, length: int = 4096) -> bytes:
    """A port's configuration space: two extended capabilities, the second is ACS."""
    space = bytearray(4096)
    struct.pack_into("<I", space, 0x100, 0x0001 | 1 << 16 | at << 20)
    struct.pack_into("<IHH", space, at, 0x000D | 1 << 16, 0x7F, control)
    return bytes(space[:length])


@pytest.mark.parametrize(
    ("space", "expected"),
    [
        (configuration(0b11101), True),
        (configuration(0b00100), True),
        (configuration(0b00001), False),  # it checks where requests come from, and no more
        (configuration(0), False),
        (configuration(0b11101, length=64), False),  # all that other users may see
        (configuration(0b11101, length=0x14A), False),
        (struct.pack("<I", 0x0001 | 0x100 << 20).rjust(0x104, b"\0").ljust(4096, b"\0"), False),
        (b"\xff" * 4096, False),
        (b"", False),
    ],
)
def test_redirection_in_a_configuration_space(space: bytes, expected: bool) -> None:
    assert links.redirects(space) is expected


def test_access_control_counts_where_a_switch_is(tmp_path: Path) -> None:
    switched = device("00:01.0 01:00.0 02:00.0 03:00.0", GPU, X16, X16, X16, X16)
    straight = device("00:05.0 05:00.0", GPU, X16, X16)
    host = tree(tmp_path / "m", switched, straight)
    for address in ("0000:02:00.0", "0000:00:01.0", "0000:00:05.0"):
        place = host.root / f"sys/bus/pci/devices/{address}/config"
        place.write_bytes(configuration(0b11101))
    got = by_id(links.findings(host, read_devices(host)))
    assert got["pcie-acs"].sentence.startswith("Access control (ACS) is on at 0000:02:00.0, ports")
