"""A machine whose every text is hostile: the files of a capture, made from a few strings."""

from __future__ import annotations

import os
from itertools import cycle
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pathlib import Path

_NAME_MAX = 200
MODEL_BYTES = 4096

# Files of a machine that hold a text of somebody else's choice, whole or in a part of a line.
FILES: dict[str, bytes] = {
    "proc/sys/kernel/hostname": b"%s",
    "etc/hostname": b"%s",
    "proc/sys/kernel/osrelease": b"%s",
    "proc/version": b"Linux version %s (x) #1",
    "proc/meminfo": b"MemTotal: 64 kB\n%s: 5 kB\nMemFree: %s kB\nMemAvailable: 32 kB\n",
    "proc/swaps": b"Filename Type Size Used Priority\n%s file 1 1 1\n",
    "proc/cmdline": b"quiet %s hugepages=%s",
    "proc/1/cgroup": b"0::/%s",
    "proc/1/environ": b"container=%s\0",
    "proc/mounts": b"%s /%s ext4 rw 0 0\n",
    "proc/pressure/memory": b"some avg10=%s avg60=0.00 avg300=0.00 total=0\n",
    "proc/sys/vm/swappiness": b"%s",
    "proc/sys/vm/overcommit_memory": b"%s",
    "proc/sys/kernel/numa_balancing": b"%s",
    "proc/driver/nvidia/gpus/0000:01:00.0/information": b"Model: %s\nIRQ: 1\n",
    "proc/4711/comm": b"%s",
    "proc/4711/cmdline": b"%s\0--model\0%s\0",
    "proc/4711/io": b"rchar: 10\nread_bytes: 10\n",
    "proc/4711/fdinfo/3": b"pos:\t100\n",
    "sys/kernel/mm/transparent_hugepage/enabled": b"always [%s] never %s",
    "sys/kernel/mm/transparent_hugepage/defrag": b"[%s]",
    "sys/devices/system/cpu/present": b"0-3",
    "sys/devices/system/cpu/online": b"0-3",
    "sys/devices/system/cpu/cpufreq/policy0/scaling_governor": b"%s",
    "sys/devices/system/cpu/cpufreq/policy0/scaling_available_governors": b"performance %s",
    "sys/devices/system/cpu/cpufreq/policy0/scaling_driver": b"%s",
    "sys/devices/system/cpu/cpufreq/policy0/related_cpus": b"0 1",
    "sys/devices/system/node/node0/cpulist": b"0-3",
    "sys/kernel/mm/hugepages/hugepages-2048kB/nr_hugepages": b"0",
    "sys/kernel/mm/hugepages/hugepages-2048kB/free_hugepages": b"%s",
    "sys/block/sda/size": b"2048000",
    "sys/block/sda/device/model": b"%s",
    "sys/block/sda/device/serial": b"%s",
    "sys/block/sda/device/vendor": b"%s",
    "sys/block/sda/diskseq": b"%s",
    "sys/block/sda/queue/scheduler": b"[%s] none %s",
    "sys/block/sda/queue/read_ahead_kb": b"128",
    "sys/block/sda/queue/nr_requests": b"256",
    "sys/block/sda/queue/rotational": b"1",
    "sys/block/dm-0/size": b"2048000",
    "sys/block/dm-0/dm/name": b"%s",
    "sys/block/dm-0/queue/read_ahead_kb": b"128",
    "etc/sysctl.d/10-theirs.conf": b"# %s\nvm.swappiness = %s\n%s = 1\n%s\nvm.overcommit_memory=1",
    "etc/udev/rules.d/60-theirs.rules": b'ACTION=="add", ATTR{queue/scheduler}="%s" # %s\n%s\n',
    "etc/tmpfiles.d/theirs.conf": b"w /sys/kernel/mm/transparent_hugepage/enabled - - - - %s\n%s\n",
    "etc/modprobe.d/theirs.conf": b"options zswap enabled=%s %s=1\n",
    "etc/tlp.conf": b"CPU_SCALING_GOVERNOR_ON_AC=%s\nDISK_DEVICES=%s\nDISK_IOSCHED=%s\n",
    "etc/default/cpupower": b"GOVERNOR='%s'\nMAX_FREQ=%s\n",
    "var/lib/kubelet/config.yaml": b"protectKernelDefaults: %s\n",
    "sys/fs/cgroup/system.slice/tuned.service/cgroup.procs": b"1\n",
    "sys/fs/cgroup/system.slice/tlp.service/cgroup.procs": b"1\n",
    "sys/fs/cgroup/system.slice/cpupower.service/cgroup.procs": b"1\n",
    "sys/fs/cgroup/system.slice/kubelet.service/cgroup.procs": b"1\n",
    "etc/tuned/active_profile": b"%s",
    "etc/tuned/%s/tuned.conf": b"[sysctl]\nvm.swappiness=%s\n",
    "usr/lib/tuned/%s/tuned.conf": b"[sysctl]\nvm.swappiness=%s\n",
}
# Names that somebody else chose.
NAMES = (
    "etc/sysctl.d/20-%s.conf",
    "sys/block/%s/size",
    "sys/block/dm-0/slaves/%s/dev",
    "sys/devices/system/cpu/cpufreq/policy%s/scaling_governor",
    "sys/kernel/mm/hugepages/hugepages-%skB/nr_hugepages",
    "sys/devices/system/node/node%s/cpulist",
    "models/%s/%s-00001-of-00002.safetensors",
    "models/%s/%s-00002-of-00002.safetensors",
)


def write(root: Path, *texts: bytes) -> Path:
    """Write the machine below a directory that does not exist yet, and return that.

    Of several texts each file takes the next one, and the names the first.
    """
    name = texts[0].replace(b"/", b"!").replace(b"\0", b"?")[:_NAME_MAX]
    for (path, body), text in zip(FILES.items(), cycle(texts), strict=False):
        _put(root, os.fsencode(path).replace(b"%s", name), body.replace(b"%s", text))
    for path in NAMES:
        body = b"vm.swappiness = 7\n" if path.endswith(".conf") else b"1\n"
        body = bytes(MODEL_BYTES) if path.endswith(".safetensors") else body
        _put(root, os.fsencode(path).replace(b"%s", name), body)
    fd = os.fsencode(root) + b"/proc/4711/fd"
    os.mkdir(fd)  # noqa: PTH102 - bytes
    os.symlink(b"/models/%s/%s-00001-of-00002.safetensors" % (name, name), fd + b"/3")  # noqa: PTH211
    return root


def _put(root: Path, path: bytes, body: bytes) -> None:
    place = os.fsencode(root) + b"/" + path
    os.makedirs(os.path.dirname(place), exist_ok=True)  # noqa: PTH103, PTH120 - bytes
    with open(place, "wb") as file:  # noqa: PTH123 - bytes
        file.write(body)
