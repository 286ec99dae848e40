"""Pieces of machines for what `doctor` looks at: cards and disks on PCI, servers, groups."""

from __future__ import annotations

from typing import TYPE_CHECKING

from aitune_backends.host import Host

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping
    from pathlib import Path

    from aitune_backends.findings.finding import Finding

GPU, NVME, BRIDGE = "0x030200", "0x010802", "0x060400"
GIB = 1 << 30


def tree(root: Path, *parts: Mapping[str, str]) -> Host:
    """A machine of these files; a text that begins with `-> ` makes a link."""
    root.mkdir(exist_ok=True)
    for part in parts:
        for path, text in part.items():
            file = root / path.lstrip("/")
            file.parent.mkdir(parents=True, exist_ok=True)
            if text.startswith("-> "):
                file.symlink_to(text[3:])
            else:
                file.write_text(text if text.endswith("\n") else text + "\n")
    return Host(root, origin="demo")


def by_id(findings: Iterable[Finding]) -> dict[str, Finding]:
    """Findings by their ids, of which none comes twice."""
    found = list(findings)
    named = {finding.id: finding for finding in found}
    assert len(named) == len(found)
    return named


def link(
    width: str = "16", most: str = "16", speed: str = "32.0", fastest: str = "32.0"
) -> dict[str, str]:
    """One end of a link."""
    return {
        "current_link_width": width,
        "max_link_width": most,
        "current_link_speed": f"{speed} GT/s PCIe",
        "max_link_speed": f"{fastest} GT/s PCIe",
    }


def device(
    way: str,
    code: str,
    *ends: Mapping[str, str],
    vendor: str = "0x10de",
    node: str = "0",
    **more: str,
) -> dict[str, str]:
    """A device and the bridges above it.

    Args:
        way: Addresses from the root port down to the device, `00:01.0 01:00.0`.
        code: Its class.
        ends: The links' ends in that order.
        vendor, node: Of the device.
        more: Further files of it.
    """
    addresses = [f"0000:{short}" for short in way.split()]
    files: dict[str, str] = {}
    for depth, address in enumerate(addresses):
        here = "/sys/devices/pci0000:00/" + "/".join(addresses[: depth + 1])
        last = depth == len(addresses) - 1
        values = dict(ends[depth]) if depth < len(ends) else {}
        values["class"] = code if last else BRIDGE
        values["vendor"] = vendor if last else "0x8086"
        if last:
            values.update(numa_node=node, device="0x2330", **more)
        files.update({f"{here}/{name}": text for name, text in values.items()})
        files[f"/sys/bus/pci/devices/{address}"] = f"-> ../../../..{here}"
    return files


def nodes(listed: str) -> dict[str, str]:
    """The nodes that are online."""
    return {"/sys/devices/system/node/online": listed}


LIMITS = """\
Limit                     Soft Limit           Hard Limit           Units
Max cpu time              unlimited            unlimited            seconds
Max open files            {files:<20} {files:<20} files
Max locked memory         {locked:<20} {locked:<20} bytes
"""


def server(
    pid: int = 4711,
    *,
    command: str = "/usr/bin/python3\0/usr/local/bin/vllm\0serve\0",
    comm: str = "vllm",
    locked: str = "8388608",
    files: str = "1048576",
    opened: int = 3,
    maps: int = 10,
    capabilities: str = "0000000000000000",
    cgroup: str = "0::/system.slice/vllm.service",
) -> dict[str, str]:
    """A process that serves a model."""
    here = f"/proc/{pid}"
    return {
        f"{here}/comm": comm,
        f"{here}/cmdline": command,
        f"{here}/cgroup": cgroup,
        f"{here}/limits": LIMITS.format(files=files, locked=locked),
        f"{here}/status": f"Name:\tx\nCapEff:\t{capabilities}\n",
        f"{here}/maps": "7f00-7f01 r--p 0 0:0 0\n" * maps,
        **{f"{here}/fd/{number}": "-> /dev/null" for number in range(opened)},
    }


def memory(total: int = 64 * GIB, **fields: int) -> dict[str, str]:
    """/proc/meminfo; sizes in bytes."""
    lines = [f"MemTotal: {total // 1024} kB"]
    lines += [f"{name}: {size // 1024} kB" for name, size in fields.items()]
    return {"/proc/meminfo": "\n".join(lines)}
