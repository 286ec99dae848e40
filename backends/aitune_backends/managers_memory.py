"""Services that set how memory is used, or act on it in a way an operator should know of.

Read in each one's manual page or source: ksmtuned (qemu-kvm's script, `/etc/ksmtuned.conf`),
numad(8), the kubelet (`setupKernelTunables`, `KubeletConfiguration`), systemd-oomd(8), earlyoom(1),
irqbalance(1), cloud-init.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from aitune_backends.manager_kind import Facts, Kind, Setting
from aitune_backends.settings_text import Said, read_settings

if TYPE_CHECKING:
    from aitune_backends.host import Host

_KSMTUNED = ("/etc/ksmtuned.conf",)
_KUBELET = (
    "/etc/kubernetes/kubelet/kubelet-config.json",
    "/etc/kubernetes/kubelet/config.json",
    "/var/lib/kubelet/config.yaml",
    "/etc/kubernetes/kubelet.conf.yaml",
)
_KUBELET_FLAGS = (
    "/var/lib/kubelet/kubeadm-flags.env",
    "/etc/default/kubelet",
    "/etc/sysconfig/kubelet",
)
_PROTECT = re.compile(r"protect-?kernel-?defaults\"?\s*(?:[:=]\s*\"?(true|false))?", re.IGNORECASE)
# What it writes at its start unless it is to leave the kernel's settings alone.
_KUBELET_SETS = (("vm.overcommit_memory", "1"), ("vm.panic_on_oom", "0"))


def _of_ksmtuned(host: Host) -> Facts:
    place = _KSMTUNED[0] if read_settings(host, _KSMTUNED) else ""
    return Facts((Setting("ksm.run", "", None, place),), place)


def _of_numad(_: Host) -> Facts:
    return Facts((Setting("thp.khugepaged.scan_sleep_millisecs", "", "1000", "numad(8)"),))


def _of_kubelet(host: Host) -> Facts:
    protects = Said("false", "")
    where = ""
    for file in (*_KUBELET, *_KUBELET_FLAGS):
        try:
            text = host.read(file)
        except (OSError, ValueError):
            continue
        where = where or file
        protects = find_protection(text, file) or protects
    if protects.value == "true":
        # It does not set them, and does not start where they are otherwise.
        return Facts((), f"protectKernelDefaults ({protects.place})")
    place = protects.place or where
    return Facts(tuple(Setting(knob, "", value, place) for knob, value in _KUBELET_SETS), where)


def find_protection(text: str, file: str) -> Said | None:
    """Whether a file of the kubelet has it leave the kernel's settings alone, and where.

    Args:
        text: A configuration (YAML, JSON) or a file of options.
        file: Its path.
    """
    found = None
    for number, line in enumerate(text.splitlines(), start=1):
        match = None if line.lstrip().startswith("#") else _PROTECT.search(line)
        if match is not None:
            found = Said((match[1] or "true").lower(), f"{file}:{number}")
    return found


KINDS = (
    Kind(
        "ksmtuned",
        "It switches the merging of equal pages on and off by how much memory is free.",
        _of_ksmtuned,
        others=("ksm",),
    ),
    Kind(
        "numad",
        "It moves processes and their memory between nodes, and makes khugepaged look more often.",
        _of_numad,
    ),
    Kind(
        "kubelet",
        "It sets overcommit to 1 and panic_on_oom to 0 when it starts, or refuses to start where "
        "they are otherwise; it sees huge pages only then.",
        _of_kubelet,
        others=("k3s", "k3s-agent", "rke2-server", "rke2-agent", "snap.microk8s.daemon-kubelite"),
        commands=("k3s-server", "k3s-agent", "kubelite"),
        keeps=False,
    ),
    Kind(
        "systemd-oomd",
        "It ends groups of processes under memory pressure, before the kernel would.",
        against=("earlyoom",),
    ),
    Kind(
        "earlyoom",
        "It ends the largest process while memory or swap runs short, before the kernel would.",
        against=("systemd-oomd",),
    ),
    Kind("irqbalance", "It spreads interrupts over the processors; it sets nothing shown here."),
    Kind(
        "cloud-init",
        "It runs commands that a cloud gives it at boot; what they set is not known here.",
        others=("cloud-init-local", "cloud-final"),
        keeps=False,
    ),
)
