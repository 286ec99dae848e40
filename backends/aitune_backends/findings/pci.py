"""GPUs and NVMe disks on the PCI bus, and every link between them and the processor."""

from __future__ import annotations

import posixpath
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

from aitune_backends.findings.reading import target
from aitune_backends.probes.numbers import natural, read_int

if TYPE_CHECKING:
    from collections.abc import Callable

    from aitune_backends.host import Host

DIRECTORY = "/sys/bus/pci/devices"
NVIDIA, AMD = "0x10de", "0x1002"
_ADDRESS = re.compile(r"[0-9a-f]{4,8}:[0-9a-f]{2}:[0-9a-f]{2}\.[0-7]")
# Display, 3D and other display controllers, processing accelerators; NVM controllers.
_GPU_CLASSES = ("0x0300", "0x0302", "0x0380", "0x1200")
_NVME_CLASS = "0x0108"
_WIDTHS = frozenset((1, 2, 4, 8, 12, 16, 32))
_SPEED = re.compile(r"([0-9]{1,3}(?:\.[0-9])?) GT/s")
_MOST = 1024

Kind = Literal["GPU", "NVMe disk"]


@dataclass(frozen=True, slots=True)
class End:
    """One end of a link: what it runs at, and what it could; None where it does not tell.

    Attributes:
        address: `0000:19:00.0`.
        width, max_width: Lanes.
        speed, max_speed: GT/s of a lane.
    """

    address: str
    width: int | None
    max_width: int | None
    speed: float | None
    max_speed: float | None


@dataclass(frozen=True, slots=True)
class Device:
    """A GPU or an NVMe disk.

    Attributes:
        address: Where it sits.
        kind: What it is.
        vendor, model: PCI ids, `0x10de`.
        node: NUMA node, None where the firmware names none.
        driver: The kernel driver that holds it, "" where none does or that is not to be seen.
        links: Each link on the way to the processor, the device's own first: its lower end and
            its upper one (None where that is not to be seen).
        translated: How the IOMMU treats it: `identity`, `DMA`, `DMA-FQ`, or "" without one.
    """

    address: str
    kind: Kind
    vendor: str
    model: str
    node: int | None
    driver: str
    links: tuple[tuple[End, End | None], ...]
    translated: str = ""

    @property
    def directory(self) -> str:
        """Its directory below /sys."""
        return f"{DIRECTORY}/{self.address}"


def read_devices(host: Host) -> tuple[Device, ...]:
    """Every GPU and NVMe disk, by address. Virtual display adapters count as no GPU."""
    ends: dict[str, End] = {}

    def end(place: str) -> End:
        """The same for every device behind a port, so each is read once."""
        if place not in ends:
            ends[place] = _read_end(host, place)
        return ends[place]

    found = (
        _read_device(host, address, end)
        for address in sorted(host.names(DIRECTORY), key=natural)[:_MOST]
        if _ADDRESS.fullmatch(address)
    )
    return tuple(device for device in found if device is not None)


def _read_device(host: Host, address: str, end: Callable[[str], End]) -> Device | None:
    kind = _kind(host.first_line(f"{DIRECTORY}/{address}/class") or "")
    if kind is None:
        return None
    here = _place(host, address)
    vendor = host.first_line(f"{here}/vendor") or ""
    if kind == "GPU" and vendor not in (NVIDIA, AMD):
        return None
    node = read_int(host, f"{here}/numa_node")
    return Device(
        address=address,
        kind=kind,
        vendor=vendor,
        model=host.first_line(f"{here}/device") or "",
        node=node if node is not None and node >= 0 else None,
        driver=target(host, f"{here}/driver").rpartition("/")[2],
        links=_links(here, end),
        translated=host.first_line(f"{here}/iommu_group/type") or "",
    )


def _place(host: Host, address: str) -> str:
    """Where a device lies in the tree of devices: the names on the way are the ports above it."""
    entry = f"{DIRECTORY}/{address}"
    place = posixpath.normpath(f"{DIRECTORY}/{target(host, entry)}")
    within = place.startswith("/sys/devices/") and place.endswith(f"/{address}")
    return place if within else entry


def _kind(code: str) -> Kind | None:
    if code.startswith(_GPU_CLASSES):
        return "GPU"
    return "NVMe disk" if code.startswith(_NVME_CLASS) else None


def _links(place: str, end: Callable[[str], End]) -> tuple[tuple[End, End | None], ...]:
    """The links on the way up from a device.

    The way goes device, port, and where there is a switch its upper port, another port, and so on:
    every second pair is a link, those between are inside a switch.
    """
    way = [place]
    while _ADDRESS.fullmatch(posixpath.basename(above := posixpath.dirname(way[-1]))):
        way.append(above)
    return tuple(
        (end(lower), end(way[at + 1]) if at + 1 < len(way) else None)
        for at, lower in list(enumerate(way))[:8:2]
    )


def _read_end(host: Host, here: str) -> End:
    def width(name: str) -> int | None:
        lanes = read_int(host, f"{here}/{name}")
        return lanes if lanes in _WIDTHS else None  # 0, 63 and 255 say that it is not known

    def speed(name: str) -> float | None:
        found = _SPEED.match(host.first_line(f"{here}/{name}") or "")
        return float(found[1]) if found else None

    return End(
        address=posixpath.basename(here),
        width=width("current_link_width"),
        max_width=width("max_link_width"),
        speed=speed("current_link_speed"),
        max_speed=speed("max_link_speed"),
    )
