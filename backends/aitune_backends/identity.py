"""What a machine is: read once, for the header and for what depends on the kind of machine."""

from __future__ import annotations

import re
from contextlib import suppress
from typing import TYPE_CHECKING

from aitune_backends.foreign import clean
from aitune_backends.probes import cpus, meminfo
from aitune_backends.probes.numbers import natural
from aitune_backends.readings import Identity

if TYPE_CHECKING:
    from aitune_backends.host import Host

_PCI = "/sys/bus/pci/devices"
_NVIDIA = "/proc/driver/nvidia/gpus"
# PCI class of a display or 3D controller, and the makers whose cards compute.
_GPU_CLASSES = ("0x0300", "0x0302", "0x0380", "0x1200")
_MAKERS = {"0x10de": "NVIDIA", "0x1002": "AMD", "0x8086": "Intel"}
# The namespaces a machine starts with: fixed inodes of the kernel (include/uapi/linux/nsfs.h).
_FIRST_NAMESPACES = {
    "ipc": "ipc:[4026531839]",
    "uts": "uts:[4026531838]",
    "pid": "pid:[4026531836]",
    "cgroup": "cgroup:[4026531835]",
}


def read_identity(host: Host) -> Identity:
    """Name, kernel, CPUs, nodes, memory, GPUs and container of a machine.

    Whatever the machine does not tell is "", 0 or empty; nothing here raises.
    """
    fields: dict[str, int] = {}
    with suppress(OSError):
        fields = meminfo.parse_meminfo(host.read(meminfo.PATH))
    return Identity(
        name=_name(host),
        kernel=_kernel(host),
        cpus=len(cpus.read_present(host)),
        nodes=tuple(cpus.read_nodes(host)),
        memory=fields.get("MemTotal", 0),
        gpus=_gpus(host),
        container=read_container(host),
        default_huge_page_kib=fields["Hugepagesize"] // 1024 if "Hugepagesize" in fields else None,
    )


def read_container(host: Host) -> str:
    """The kind of container a machine is, or "" for a whole one.

    Sources: the marker files of podman and docker, `container=` in PID 1's environment (readable
    as root alone), the cgroup of PID 1. They count only where we live in a namespace of our own: a
    virtual machine made from a container's image still has the marker.
    """
    own = _own_namespaces(host) if host.is_this_machine else ("",)
    if not own:
        return ""
    return _container_kind(host) or ("pid namespace" if "pid" in own else "")


def _own_namespaces(host: Host) -> tuple[str, ...]:
    """The kinds of namespace in which this process is not in the machine's first one."""
    own: list[str] = []
    for kind, first in _FIRST_NAMESPACES.items():
        with suppress(OSError):
            if host.link(f"/proc/self/ns/{kind}") != first:
                own.append(kind)
    return tuple(own)


def _container_kind(host: Host) -> str:
    if host.exists("/run/.containerenv"):
        return "podman"
    if host.exists("/.dockerenv"):
        return "docker"
    for path, parse in (
        ("/proc/1/environ", parse_container_variable),
        ("/proc/1/cgroup", parse_container_cgroup),
    ):
        with suppress(OSError):
            kind = parse(host.read(path))
            if kind:
                return kind
    return ""


def parse_container_variable(environ: str) -> str:
    """`container=lxc` among the NUL-separated variables of PID 1."""
    for variable in environ.split("\0"):
        name, _, value = variable.partition("=")
        if name == "container" and value:
            return clean(value)
    return ""


def parse_container_cgroup(text: str) -> str:
    """The container runtime named by a cgroup path, or ""."""
    found = re.search(r"[/:-](docker|kubepods|containerd|libpod|lxc)\b", text)
    names = {"kubepods": "kubernetes", "libpod": "podman"}
    return names.get(found[1], found[1]) if found else ""


def _name(host: Host) -> str:
    name = host.first_line("/proc/sys/kernel/hostname") or host.first_line("/etc/hostname")
    return name or host.name


def _kernel(host: Host) -> str:
    release = host.first_line("/proc/sys/kernel/osrelease")
    if release:
        return release
    return parse_version(host.first_line("/proc/version") or "")


def parse_version(text: str) -> str:
    """The release in `/proc/version`: `Linux version 6.8.0-45-generic (buildd@…) …`."""
    found = re.match(r"Linux version (\S+)", text)
    return found[1] if found else ""


def _gpus(host: Host) -> tuple[str, ...]:
    """The names NVIDIA's driver gives; without it, maker and id of each display card on PCI."""
    named = tuple(
        name
        for entry in host.names(_NVIDIA)
        if (name := parse_gpu(_text(host, f"{_NVIDIA}/{entry}/information")))
    )
    return named or tuple(_pci_gpus(host))


def parse_gpu(text: str) -> str:
    """The model in `/proc/driver/nvidia/gpus/*/information`."""
    found = re.search(r"^Model:[ \t]*(\S.*?)[ \t]*$", text, re.MULTILINE)
    return found[1] if found else ""


def _pci_gpus(host: Host) -> list[str]:
    found: list[str] = []
    for address in sorted(host.names(_PCI), key=natural):
        kind = host.first_line(f"{_PCI}/{address}/class") or ""
        if not kind.startswith(_GPU_CLASSES):
            continue
        maker = _MAKERS.get(host.first_line(f"{_PCI}/{address}/vendor") or "")
        model = (host.first_line(f"{_PCI}/{address}/device") or "").removeprefix("0x")
        if maker and (maker != "Intel" or not kind.startswith("0x0300")):
            found.append(f"{maker} {model}".strip())
    return found


def _text(host: Host, path: str) -> str:
    try:
        return host.read(path)
    except OSError:
        return ""
