"""How GPUs and NVMe disks are connected: lanes lost, slots too narrow, nodes far apart."""

from __future__ import annotations

import os
import re
import struct
from typing import TYPE_CHECKING

from aitune_backends.changes import brief_list, shown
from aitune_backends.findings import sources
from aitune_backends.findings.finding import Finding
from aitune_backends.findings.pci import DIRECTORY, Device, End
from aitune_backends.findings.reading import counted
from aitune_backends.probes.numbers import parse_cpu_list

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from aitune_backends.host import Host

_NODES = "/sys/devices/system/node/online"
_GPU = "GPU"
_ACS = 0x000D
# Redirection of requests and of completions: what sends peers by way of the processor.
_REDIRECTS = 0b1100


def findings(host: Host, devices: Sequence[Device]) -> Iterator[Finding]:
    """What is wrong on the way from disks to GPUs, and where each of them sits."""
    yield from seats(devices)
    yield from narrow(devices)
    yield from slow(devices)
    nodes = parse_cpu_list(host.first_line(_NODES) or "")
    if len(nodes) > 1:
        yield from apart(devices)
    yield from _redirected(host, devices)


def seats(devices: Sequence[Device]) -> Iterator[Finding]:
    """Each GPU and NVMe disk: its node, its link now and at most; those alike together."""
    alike: dict[tuple[str, str], list[str]] = {}
    for device in devices:
        alike.setdefault((device.kind, _seat(device)), []).append(device.address)
    if not alike:
        return
    texts = [
        f"{counted(len(addresses), kind)} ({brief_list(addresses)}) {seat}"
        for (kind, seat), addresses in alike.items()
    ]
    yield Finding(
        "pcie-seats",
        "Where GPUs and disks sit",
        f"{'; '.join(texts)}.",
        severity="info",
        source=sources.SYSFS_PCI,
    )


def _seat(device: Device) -> str:
    node = "on no node that is known" if device.node is None else f"on node{device.node}"
    if not device.links:
        return node
    own = device.links[0][0]
    if own.width is None or own.speed is None:
        return f"{node}, its link not shown"
    lanes = f"x{own.width}" + (f" of x{own.max_width}" if own.max_width else "")
    speed = f"{own.speed:g}" + (f" of {own.max_speed:g}" if own.max_speed else "")
    return f"{node} at {lanes}, {speed} GT/s"


def narrow(devices: Sequence[Device]) -> Iterator[Finding]:
    """Links with fewer lanes than the device has: lost ones, and those the slot does not have."""
    lost: list[str] = []
    short: list[str] = []
    for device in devices:
        for lower, upper in device.links:
            if lower.width is None or lower.max_width is None or lower.width >= lower.max_width:
                continue
            both = _least(lower.max_width, upper.max_width if upper else None)
            if lower.width < both:
                text = f"{_name(device, lower)} runs at x{lower.width} of x{both}"
                lost.append(text)
            else:
                text = f"{_name(device, lower)} of x{lower.max_width} sits in a slot of x{both}"
                short.append(text)
    # A switch stands above several devices.
    lost, short = list(dict.fromkeys(lost)), list(dict.fromkeys(short))
    if lost:
        yield Finding(
            "pcie-width",
            f"{counted(len(lost), 'PCIe link')} lost lanes",
            f"{brief_list(lost)}, and both ends have more: each lost lane is lost bandwidth "
            "between the disks, the memory and the GPU.",
            "Seat the card again, look at riser and cable, and at the firmware's bifurcation of "
            "that slot.",
            "problem",
            source=sources.SYSFS_PCI,
        )
    if short:
        yield Finding(
            "pcie-slot",
            f"{counted(len(short), 'device')} in a narrow slot",
            f"{brief_list(short)}: it is as fast as the slot lets it.",
            "Move it to a wider slot if there is one.",
            "warning",
            source=sources.SYSFS_PCI,
        )


def slow(devices: Sequence[Device]) -> Iterator[Finding]:
    """Links below their speed: a disk's is wrong, a GPU's may be asleep."""
    wrong: list[str] = []
    asleep: list[str] = []
    for device in devices:
        lower, upper = device.links[0]
        if lower.speed is None or lower.max_speed is None:
            continue
        both = _least(lower.max_speed, upper.max_speed if upper else None)
        if lower.speed < both:
            text = f"{_name(device, lower)} at {lower.speed:g} of {both:g} GT/s"
            (asleep if device.kind == _GPU else wrong).append(text)
    if wrong:
        yield Finding(
            "pcie-speed",
            f"{counted(len(wrong), 'disk')} on a slow link",
            f"{brief_list(wrong)}: both ends can do more.",
            "Look at riser and cable, and at the speed that the firmware allows that slot; the "
            "kernel's log may name link errors (`journalctl -k -g AER`).",
            "warning",
            source=sources.SYSFS_PCI,
        )
    if asleep:
        yield Finding(
            "pcie-gpu-speed",
            f"{counted(len(asleep), 'GPU')} at a low link speed",
            f"{brief_list(asleep)}. GPUs lower their link while they are idle, so this is a fault "
            "only if it stays while they work.",
            "Look again during a load.",
            "info",
            source=sources.SYSFS_PCI,
        )


def apart(devices: Sequence[Device]) -> Iterator[Finding]:
    """On a machine of several nodes: where GPUs and disks sit."""
    unknown = [device for device in devices if device.node is None]
    if unknown:
        names = [f"{device.kind} {device.address}" for device in unknown]
        yield Finding(
            "pcie-node-unknown",
            f"{counted(len(unknown), 'device')} without a node",
            f"The firmware does not say on which node {brief_list(names)} sits: what is near "
            "cannot be known.",
            "A newer firmware may say it; `lstopo` shows what is known.",
            "info",
            source=sources.SYSFS_PCI,
        )
    gpus = {device.node for device in devices if device.kind == _GPU and device.node is not None}
    disks = {device.node for device in devices if device.kind != _GPU and device.node is not None}
    far = sorted(gpus - disks)
    if far and disks:
        yield Finding(
            "pcie-apart",
            "GPUs far from the disks",
            f"No NVMe disk sits on {_nodes(far)}, where GPUs are; they are on "
            f"{_nodes(sorted(disks))}. Loads to those GPUs cross between the processors.",
            "Bind the loading process to the disks' node where it can be chosen (`numactl "
            "--cpunodebind`), and measure.",
            "info",
            source=sources.VLLM_13855,
        )


def _nodes(numbers: Sequence[int]) -> str:
    return brief_list([f"node{number}" for number in numbers])


def _name(device: Device, lower: End) -> str:
    if lower.address == device.address:
        return f"{device.kind} {device.address}"
    return f"the switch at {lower.address}"


def _least(own: float, other: float | None) -> float | int:
    return own if other is None else min(own, other)


def _redirected(host: Host, devices: Sequence[Device]) -> Iterator[Finding]:
    """Switches whose ports send transfers between peers up to the processor (root alone sees)."""
    ports = dict.fromkeys(
        upper.address
        for device in devices
        if device.kind == _GPU and len(device.links) > 1
        for _, upper in device.links[:-1]
        if upper is not None
    )
    sending = [port for port in list(ports)[:64] if redirects(_configuration(host, port))]
    if sending:
        yield Finding(
            "pcie-acs",
            "GPU traffic is sent by way of the processor",
            f"Access control (ACS) is on at {brief_list([shown(port) for port in sending])}, "
            "ports of PCIe switches above GPUs: transfers between GPU, disk and network below one "
            "switch go up to the processor and back.",
            "On bare metal switch ACS off in the firmware; a virtual machine needs it.",
            "warning",
            source=f"{sources.NVIDIA_GDS}; {sources.NCCL}",
        )


def _configuration(host: Host, address: str) -> bytes:
    if not re.fullmatch(r"[0-9a-f:.]+", address):
        return b""
    try:
        fd = host.open(f"{DIRECTORY}/{address}/config")
    except (OSError, ValueError):
        return b""
    try:
        return os.pread(fd, 4096, 0)
    except OSError:
        return b""
    finally:
        os.close(fd)


def redirects(configuration: bytes) -> bool:
    """Whether a port's configuration space has ACS redirection on; False where it is cut short.

    Extended capabilities form a list from 0x100 on: id in the low 16 bits, the next one's place in
    the upper 12 (PCIe base specification, 7.6.3; ACS is 0x000D, its control word lies at +6).
    """
    place = 0x100
    for _ in range(96):
        if place < 0x100 or place + 8 > len(configuration):
            return False
        head = struct.unpack_from("<I", configuration, place)[0]
        if head & 0xFFFF == _ACS:
            control: int = struct.unpack_from("<H", configuration, place + 6)[0]
            return bool(control & _REDIRECTS)
        place = head >> 20 & 0xFFC
    return False
