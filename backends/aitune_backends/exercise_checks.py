"""What an exercise reads back: that its values are in force, set at boot, and gone again."""

from __future__ import annotations

import hashlib
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

from aitune_backends import sentences
from aitune_backends.at_boot import boot_key
from aitune_helper import plan as plans
from aitune_helper.knobs import KNOBS

if TYPE_CHECKING:
    from collections.abc import Mapping

    from aitune_helper.kernelfs import KernelIO
    from aitune_helper.messages import Plan

MEMINFO = "/proc/meminfo"
DROP_IN = "/etc/sysctl.d/95-aitune.conf"
ABSENT = "absent"
_TOTAL = "HugePages_Total"

# (what, where) -> value: everything an exercise may have changed, as it was read.
Snapshot = dict[tuple[str, str], str]


@dataclass(frozen=True, slots=True)
class Check:
    """One value read back.

    Attributes:
        what: A target, or a line of a file.
        where: The file it was read from.
        wanted, found: The values.
    """

    what: str
    where: str
    wanted: str
    found: str

    @property
    def ok(self) -> bool:
        """Whether it is as wanted."""
        return self.found == self.wanted


def in_force(kernel: KernelIO, plan: Plan) -> tuple[Check, ...]:
    """Whether the kernel holds what was planned; of huge pages also in /proc/meminfo."""
    checks = []
    for item in plan.items:
        found = _reading(kernel, item.knob, item.instance)
        checks.append(Check(sentences.target(item), item.path, item.requested, found))
        if boot_key(kernel, item) == "vm.nr_hugepages":
            checks.append(Check(_TOTAL, MEMINFO, item.requested, _meminfo(kernel, _TOTAL)))
    return tuple(checks)


def at_boot(kernel: KernelIO, plan: Plan) -> tuple[Check, ...]:
    """Whether our file in sysctl.d sets what was planned, as far as sysctl can."""
    lines = parse_sysctl(_text(kernel, DROP_IN))
    return tuple(
        Check(key, DROP_IN, item.requested, lines.get(key, ABSENT))
        for item in plan.items
        if (key := boot_key(kernel, item))
    )


def snapshot(kernel: KernelIO, plan: Plan) -> Snapshot:
    """Every value the plan touches, each node of a pool, and our file."""
    values: Snapshot = {}
    for item in plan.items:
        values[sentences.target(item), item.path] = _reading(kernel, item.knob, item.instance)
        knob = KNOBS[item.knob]
        for pool, node in plans.nodes_of_pool(kernel, knob, item.instance):
            target = f"{pool.id}@{node}"
            values[target, pool.file(node)] = _reading(kernel, pool.id, node)
    values[_TOTAL, MEMINFO] = _meminfo(kernel, _TOTAL)
    text = _text(kernel, DROP_IN)
    digest = hashlib.sha256(text.encode("utf-8", "replace")).hexdigest()
    values["the file", DROP_IN] = f"sha256 {digest[:12]}" if text else ABSENT
    return values


def compare(before: Snapshot, now: Snapshot) -> tuple[Check, ...]:
    """Whether everything is as it was."""
    return tuple(
        Check(what, where, value, now.get((what, where), ABSENT))
        for (what, where), value in before.items()
    )


def parse_sysctl(text: str) -> Mapping[str, str]:
    """`key = value` of every line of a sysctl.d file."""
    pairs = re.findall(r"(?m)^\s*-?([\w./-]+)\s*=\s*(.*?)\s*$", text)
    return {key.replace("/", "."): value for key, value in pairs}


def _reading(kernel: KernelIO, knob: str, instance: str) -> str:
    try:
        return plans.reading(kernel, KNOBS[knob], instance)
    except OSError as error:
        return f"unreadable ({plans.error_name(error)})"


def _meminfo(kernel: KernelIO, name: str) -> str:
    found = re.search(rf"(?m)^{name}:\s+(\d+)", _text(kernel, MEMINFO))
    return found[1] if found else ABSENT


def _text(kernel: KernelIO, path: str) -> str:
    """A file as the machine shows it, "" where there is none."""
    try:
        return kernel.read(path)
    except FileNotFoundError:
        return ""
    except OSError as error:
        return f"unreadable ({plans.error_name(error)})"
