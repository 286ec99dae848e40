"""What an exercise reads back: that its values are in force, set at boot, and gone again."""

from __future__ import annotations

import hashlib
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

from aitune_backends import sentences
from aitune_backends.at_boot import OUR_FILES, machine_of
from aitune_helper import formats
from aitune_helper import plan as plans
from aitune_helper.knobs import KNOBS

if TYPE_CHECKING:
    from aitune_backends.host import Host
    from aitune_helper.messages import Item, Plan

MEMINFO = "/proc/meminfo"
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


def in_force(host: Host, plan: Plan) -> tuple[Check, ...]:
    """Whether the kernel holds what was planned; of huge pages also in /proc/meminfo."""
    checks = []
    for item in plan.items:
        found = _reading(host, item.knob, item.instance)
        checks.append(Check(sentences.target(item), item.path, item.requested, found))
        if _sets_the_default_pool(host, item):
            checks.append(Check(_TOTAL, MEMINFO, item.requested, _meminfo(host, _TOTAL)))
    return tuple(checks)


def at_boot(host: Host, plan: Plan) -> tuple[Check, ...]:
    """Whether our files set what was planned, as far as files can."""
    checks = []
    for item in plan.items:
        for setting in machine_of(host).at_boot(item, plan.items).settings[:1]:
            file = OUR_FILES[setting.mechanism]
            lines = formats.FORMATS[setting.mechanism].parse(_text(host, file))
            found = lines[setting.key].value if setting.key in lines else ABSENT
            checks.append(Check(setting.key, file, item.requested, found))
    return tuple(checks)


def snapshot(host: Host, plan: Plan) -> Snapshot:
    """Every value the plan touches, each node of a pool, and our files."""
    values: Snapshot = {}
    for item in plan.items:
        values[sentences.target(item), item.path] = _reading(host, item.knob, item.instance)
        knob = KNOBS[item.knob]
        for pool, node in plans.nodes_of_pool(host, knob, item.instance):
            target = f"{pool.id}@{node}"
            values[target, pool.file(node)] = _reading(host, pool.id, node)
    values[_TOTAL, MEMINFO] = _meminfo(host, _TOTAL)
    for file in OUR_FILES.values():
        text = _text(host, file)
        digest = hashlib.sha256(text.encode("utf-8", "replace")).hexdigest()
        values["the file", file] = f"sha256 {digest[:12]}" if text else ABSENT
    return values


def compare(before: Snapshot, now: Snapshot) -> tuple[Check, ...]:
    """Whether everything is as it was."""
    return tuple(
        Check(what, where, value, now.get((what, where), ABSENT))
        for (what, where), value in before.items()
    )


def _sets_the_default_pool(host: Host, item: Item) -> bool:
    found = machine_of(host).setting(item.knob, item.instance)
    return found is not None and found.key == "vm.nr_hugepages"


def _reading(host: Host, knob: str, instance: str) -> str:
    try:
        return plans.reading(host, KNOBS[knob], instance)
    except OSError as error:
        return f"unreadable ({plans.error_name(error)})"


def _meminfo(host: Host, name: str) -> str:
    found = re.search(rf"(?m)^{name}:\s+(\d+)", _text(host, MEMINFO))
    return found[1] if found else ABSENT


def _text(host: Host, path: str) -> str:
    """A file as the machine shows it, "" where there is none."""
    try:
        return host.read(path)
    except FileNotFoundError:
        return ""
    except OSError as error:
        return f"unreadable ({plans.error_name(error)})"
