"""What the GPUs' drivers tell through /proc and /sys; what only their own tools see is left out."""

from __future__ import annotations

import re
from collections import Counter
from typing import TYPE_CHECKING

from aitune_backends.changes import brief_list, shown
from aitune_backends.findings import sources
from aitune_backends.findings.finding import Finding
from aitune_backends.findings.pci import AMD, NVIDIA
from aitune_backends.findings.reading import counted, text

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from aitune_backends.findings.pci import Device
    from aitune_backends.host import Host

_NVIDIA = "/proc/driver/nvidia"
_LONGEST = 1 << 16
# Drivers that hold a GPU for somebody else.
_PASSED_ON = ("vfio-pci", "pci-stub", "xen-pciback")


def findings(host: Host, devices: Sequence[Device]) -> Iterator[Finding]:
    """Whether each GPU has a driver that can compute, and how that one is set."""
    cards = [device for device in devices if device.kind == "GPU"]
    yield from _without_driver(host, cards)
    yield from _nvidia(host)
    yield from _amd(host, [card for card in cards if card.vendor == AMD])


def _without_driver(host: Host, cards: Sequence[Device]) -> Iterator[Finding]:
    """Cards that no driver took, where the tree tells of drivers at all."""
    known = set(host.names(f"{_NVIDIA}/gpus"))
    # A text console's adapter of AMD or NVIDIA make is not one to compute with.
    idle = [
        card
        for card in cards
        if card.address not in known
        and card.driver not in ("nvidia", "amdgpu")
        and (card.driver or host.names(f"{card.directory}/power"))
    ]
    if not idle:
        return
    drivers = Counter(card.driver or "no driver" for card in idle)
    held = ", ".join(f"{shown(name)} ({count})" for name, count in drivers.items())
    passed_on = all(card.driver in _PASSED_ON for card in idle)
    wanted = sorted({"nvidia" if card.vendor == NVIDIA else "amdgpu" for card in idle})
    yield Finding(
        "gpu-no-driver",
        f"{counted(len(idle), 'GPU')} without a driver that computes",
        f"{brief_list([card.address for card in idle])}: held by {held}. CUDA and ROCm do not "
        "see them.",
        "They are passed on to virtual machines." if passed_on
        else f"Load {' and '.join(wanted)}; `journalctl -k -g 'NVRM|amdgpu'` says why it was not.",
        "info" if passed_on else "problem",
    )  # fmt: skip


def parse_driver_version(version: str) -> tuple[str, bool] | None:
    """`/proc/driver/nvidia/version`: the release, and whether it is the open kernel module."""
    found = re.search(r"^NVRM version:.*?Kernel Module.*? ([0-9]{3,4}(?:\.[0-9]{1,3})+)\b", version)
    return (found[1], "Open Kernel Module" in version) if found else None


def _nvidia(host: Host) -> Iterator[Finding]:
    driver = parse_driver_version(text(host, f"{_NVIDIA}/version", limit=_LONGEST))
    gpus = host.names(f"{_NVIDIA}/gpus")[:64]
    if driver is not None:
        release, is_open = driver
        yield Finding(
            "nvidia-driver",
            f"NVIDIA driver {release}",
            f"The {'open' if is_open else 'proprietary'} kernel module of NVIDIA's driver "
            f"{release} holds {counted(len(gpus), 'GPU')}.",
            severity="info",
        )
    excluded = [
        gpu
        for gpu in gpus
        if re.search(
            r"^(?:GPU Excluded|Blacklisted):\s*Yes",
            text(host, f"{_NVIDIA}/gpus/{gpu}/information", limit=_LONGEST),
            re.MULTILINE,
        )
    ]
    if excluded:
        yield Finding(
            "nvidia-excluded",
            f"{counted(len(excluded), 'GPU')} excluded",
            f"NVIDIA's driver leaves out {brief_list([shown(gpu) for gpu in excluded])}: "
            "NVreg_ExcludedGpus names it.",
            "Look in /etc/modprobe.d for it.",
            "warning",
        )
    if gpus and host.is_this_machine and not host.exists("/run/nvidia-persistenced/socket"):
        yield Finding(
            "nvidia-persistence",
            "NVIDIA's persistence daemon does not run",
            "When the last program leaves a GPU its driver may forget the GPU's state, and the "
            "next program waits for it at its start. (A mode set by nvidia-smi is not to be seen "
            "from here.)",
            "`systemctl enable --now nvidia-persistenced`",
            "info",
            source=sources.NVIDIA_PERSISTENCE,
        )


def _amd(host: Host, cards: Sequence[Device]) -> Iterator[Finding]:
    low = [
        card.address
        for card in cards
        if host.first_line(f"{card.directory}/power_dpm_force_performance_level") == "low"
    ]
    if low:
        yield Finding(
            "amdgpu-low",
            f"{counted(len(low), 'GPU')} held at the lowest clocks",
            f"power_dpm_force_performance_level is `low` on {brief_list(low)}: the clocks stay at "
            "their lowest whatever it is asked to do.",
            f"`echo auto > {cards[0].directory}/power_dpm_force_performance_level` as root, for "
            "each.",
            "problem",
            source=sources.AMDGPU_POWER,
        )
