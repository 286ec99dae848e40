"""Checking wanted changes against a machine: what would be written, from which values, and why not.

Nothing here writes. The same code runs as root behind `Plan` and without rights in the app.
"""

from __future__ import annotations

import errno
import hashlib
import json
import re
from typing import TYPE_CHECKING, Callable, NamedTuple

from aitune_helper import kernelfs, messages
from aitune_helper.knobs import (
    BEST_EFFORT,
    KNOBS,
    NODE,
    POOLS,
    Knob,
    canonical,
    other_half,
    parse_listed,
)
from aitune_helper.knobs import refusal as value_refusal
from aitune_helper.messages import Along, Change, Item, Part, Plan

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from aitune_helper.kernelfs import KernelIO

GIB = 2**30
RESERVE_BYTES = 2 * GIB
RESERVE_SHARE = 0.10
CHANGES_MAX = 4096

_NODES_ONLINE = "/sys/devices/system/node/online"
# One of them counts, the other is 0.
_LIMITS = {"vm.overcommit_ratio", "vm.overcommit_kbytes"}
_IN_USE = "pages that a program uses when it goes back stay until that program ends"
_MEMINFO = re.compile(r"^(\w+):\s+(\d+) kB$", re.MULTILINE)


class Refusal(ValueError):  # noqa: N818 (a refusal is its name on screen and in JSON too)
    """A change that this machine, or this table, does not allow.

    Attributes:
        knob, instance: The target as the client named it.
        reason: One sentence for the operator.
    """

    def __init__(self, knob: str, instance: str, reason: str) -> None:
        super().__init__(reason)
        self.knob = knob
        self.instance = instance
        self.reason = reason


class Memory(NamedTuple):
    """What /proc/meminfo says that a plan needs, in bytes."""

    available: int
    total: int
    swap_total: int
    committed: int
    huge: int
    default_pool: str

    @property
    def reserve(self) -> int:
        """What has to stay: 2 GiB, or a tenth of what is available where that is more."""
        return max(RESERVE_BYTES, int(self.available * RESERVE_SHARE))

    @property
    def spare(self) -> int:
        """What may be taken for huge pages; negative where too little is available as it is."""
        return self.available - self.reserve


def parse_memory(text: str) -> Memory:
    """Read /proc/meminfo; a line that is missing counts as 0."""
    kib = {name: int(number) for name, number in _MEMINFO.findall(text)}

    def size(name: str) -> int:
        return kib.get(name, 0) * 1024

    return Memory(
        size("MemAvailable"),
        size("MemTotal"),
        size("SwapTotal"),
        size("Committed_AS"),
        size("Hugetlb"),
        f"hugepages.{kib.get('Hugepagesize', 0)}kB",
    )


def memory(kernel: KernelIO) -> Memory:
    """Read /proc/meminfo of a machine."""
    return parse_memory(kernel.read("/proc/meminfo"))


def reading(kernel: KernelIO, knob: Knob, instance: str = "") -> str:
    """The value of one target now, in canonical form.

    Raises:
        OSError: The file is not there or cannot be read.
    """
    return canonical(knob, kernel.read(knob.file(instance)))


def listed(kernel: KernelIO, knob: Knob, instance: str = "") -> tuple[str, ...]:
    """The words the kernel lists for a choice now; () for a number, or where none can be chosen.

    A scheduler or a governor that is not listed may still be valid: see `Knob.modules`.
    """
    if knob.is_integer:
        return ()
    try:
        if knob.listed_in:
            return tuple(kernel.read(knob.listed_in.replace("{instance}", instance)).split())
        return parse_listed(kernel.read(knob.file(instance)))[1]
    except OSError:
        return ()


def pool_of(kernel: KernelIO, knob: Knob) -> str:
    """The huge page pool that a knob sizes (`hugepages.2048kB`), or "" for any other knob."""
    if knob.id == "vm.nr_hugepages":
        return memory(kernel).default_pool
    return knob.id if knob.id in POOLS else ""


def page_bytes(pool: str) -> int:
    """The bytes in one page of a pool, from its id."""
    return int(pool[len("hugepages.") : -len("kB")]) * 1024


def nodes_of_pool(kernel: KernelIO, knob: Knob, instance: str) -> tuple[tuple[Knob, str], ...]:
    """The per-node targets that a pool's total spreads over; () for anything else.

    A total is put back per node, since the kernel spreads a total evenly whatever it was before.
    """
    pool = "" if instance else pool_of(kernel, knob)
    if pool not in KNOBS:
        return ()
    return tuple((KNOBS[pool], node) for node in kernelfs.instances(kernel, KNOBS[pool]))


# Whether a value stood in a target (knob, instance, value) before a trial that was kept.
Former = Callable[[str, str, str], bool]


def never(_knob: str, _instance: str, _value: str) -> bool:
    """Nothing is to be put back: every value has to be one that the table offers."""
    return False


def make_plan(
    kernel: KernelIO, changes: Sequence[Change], *, force: bool = False, former: Former = never
) -> Plan:
    """Check changes and say what each would do.

    Args:
        kernel: The machine.
        changes: What is wanted; they are put in the order of the table.
        force: Leave out the guards for memory.
        former: Tells a value that was there before a kept trial. It may be put back though the
            table does not offer it, or not to that: a scheduler's own option, say.

    Returns:
        The plan. An item is `stale` where the kernel no longer holds the expected value,
        `unchanged` where it already holds the wanted one, else `planned`.

    Raises:
        Refusal: For the first change that cannot be: unknown knob, instance or value, a target or
            a pool named twice, two that exclude each other, or too little memory.
    """
    if len(changes) > CHANGES_MAX:
        raise Refusal("", "", f"a plan takes at most {CHANGES_MAX} changes")
    ordered = sorted(changes, key=lambda change: rank(change.knob, change.value))
    items = tuple(_item(kernel, change, former) for change in ordered)
    refuse_doubles(kernel, items)
    _refuse_both_halves(items)
    _refuse_preferences(kernel, items)
    if not force:
        try:
            _guard_memory(kernel, items)
            _guard_commit(kernel, items)
        except OSError as error:
            raise Refusal("", "", f"memory cannot be checked ({error_name(error)})") from error
    try:
        return Plan(items, tuple(_warnings(items)), digest(kernel, items))
    except OSError as error:
        raise Refusal("", "", f"a device cannot be told ({error_name(error)})") from error


def rank(knob: str, value: str) -> int:
    """When a value is written, on the way there or back: lower ones first.

    Strict accounting is left first and entered last of the globals.
    """
    if knob == "vm.overcommit_memory":
        return 1 if value == "2" else -1
    return KNOBS[knob].turn if knob in KNOBS else 0


def _item(kernel: KernelIO, change: Change, former: Former) -> Item:
    """Check one change by itself."""
    knob = KNOBS.get(change.knob)
    if knob is None or not (knob.offered or former(*change[:3])):
        raise Refusal(change.knob, change.instance, f"there is no knob {change.knob!a}")
    choices = listed(kernel, knob, change.instance)
    there = kernelfs.exists(kernel, knob, change.instance)
    if there:
        refused = value_refusal(knob, change.value, choices)
        if refused and former(*change[:3]):
            refused = None
        refused = refused or _why_not_here(kernel, knob, change)
    else:
        # An option of a scheduler that is put back is there once the scheduler is.
        refused = _no_instance(kernel, knob, change.instance) if knob.offered else None
    if refused:
        raise Refusal(knob.id, change.instance, refused)
    try:
        old = reading(kernel, knob, change.instance) if there else ""
        parts = tuple(
            Part(node, reading(kernel, pool, node))
            for pool, node in nodes_of_pool(kernel, knob, change.instance)
        )
        along = tuple(
            Along(name, reading(kernel, KNOBS[name], change.instance))
            for name in knob.coupled
            if kernelfs.exists(kernel, KNOBS[name], change.instance)
        )
    except OSError as error:
        reason = f"{knob.id} cannot be read ({error_name(error)})"
        raise Refusal(knob.id, change.instance, reason) from error
    status = messages.UNCHANGED if old == change.value else messages.PLANNED
    if change.expected is not None and change.expected != old:
        status = messages.STALE
    return Item(
        knob.id,
        change.instance,
        knob.file(change.instance),
        old,
        change.value,
        status=status,
        note=_note(knob, old, change.value, choices),
        undo=knob.undo,
        parts=parts,
        along=along,
    )


def _why_not_here(kernel: KernelIO, knob: Knob, change: Change) -> str:
    """Say why this machine does not take this value, or any; "" where it does."""
    if knob.id == "kernel.numa_balancing":
        try:
            if kernel.read(_NODES_ONLINE).strip().isdigit():
                return "this machine has one node: there is nothing to balance"
        except OSError:
            pass  # a kernel without nodes at all has no such file either
    most = _number(kernel, knob.most_in.replace("{instance}", change.instance))
    if most is not None and int(change.value) > most:
        return f"{knob.id} takes at most {most} here, which is what the hardware can"
    try:
        kernel.probe(knob.file(change.instance))
    except OSError as error:
        return f"{knob.id} cannot be written here ({error_name(error)})" + (
            ", as in a container: change it on the host" if error.errno == errno.EROFS else ""
        )
    return ""


def _number(kernel: KernelIO, path: str) -> int | None:
    """A number that is only read, or None where there is none."""
    try:
        return int(kernel.read(path)) if path else None
    except (OSError, ValueError):
        return None


def _no_instance(kernel: KernelIO, knob: Knob, instance: str) -> str:
    """Say what there is instead of an instance that is not there."""
    found = kernelfs.instances(kernel, knob)
    if not found and not kernelfs.has_total(kernel, knob):
        return f"this machine has no {knob.id}"
    if found == ("",):
        return f"{knob.id} has no instances"
    choices = ", ".join(found[:16]) + (" …" if len(found) > 16 else "")
    if not instance:
        return f"{knob.id} needs an instance: {choices}"
    return f"{knob.id} has no {instance!a} here, only: {choices}"


def _note(knob: Knob, old: str, value: str, choices: tuple[str, ...]) -> str:
    """The sentence that goes with an item, or ""."""
    if choices and value not in choices:
        return "not listed by the kernel now: its module must be loaded first"
    if knob.undo == BEST_EFFORT and value != old:
        grows = knob.unit == "pages" and int(value) > int(old or 0)
        return _IN_USE if grows else knob.doubt
    return ""


def refuse_doubles(kernel: KernelIO, items: tuple[Item, ...]) -> None:
    """Refuse a target named twice and a pool sized in two ways."""
    seen: set[tuple[str, str]] = set()
    pools: dict[str, set[str]] = {}
    for item in items:
        if (item.knob, item.instance) in seen:
            raise Refusal(item.knob, item.instance, "named twice in one plan")
        seen.add((item.knob, item.instance))
        pool = pool_of(kernel, KNOBS[item.knob])
        if pool:
            ways = pools.setdefault(pool, set())
            ways.add(NODE if item.instance else item.knob)
            if len(ways) > 1:
                reason = f"the pool {pool} is sized in two ways: {' and '.join(sorted(ways))}"
                raise Refusal(item.knob, item.instance, reason)


def _refuse_both_halves(items: tuple[Item, ...]) -> None:
    """Refuse two ways to say one thing: whichever is written last would clear the other."""
    named = {(item.knob, item.instance) for item in items}
    for item in items:
        half = other_half(KNOBS[item.knob])
        if half is not None and (half.id, item.instance) in named:
            reason = f"setting {half.id} sets {item.knob} to 0: name one of them"
            raise Refusal(item.knob, item.instance, reason)


def _refuse_preferences(kernel: KernelIO, items: tuple[Item, ...]) -> None:
    """Refuse what the processor may not prefer under the governor that there will be: EBUSY."""
    governors = {item.instance: item.requested for item in items if item.knob == "cpu.governor"}
    for item in items:
        if item.knob != "cpu.epp" or item.requested == "performance":
            continue
        governor = governors.get(item.instance)
        if governor is None:
            governor = _governor(kernel, item.instance)
        if governor == "performance":
            reason = (
                "under the governor performance a processor prefers performance alone: "
                "choose another governor with it"
            )
            raise Refusal(item.knob, item.instance, reason)


def _governor(kernel: KernelIO, policy: str) -> str:
    try:
        return reading(kernel, KNOBS["cpu.governor"], policy)
    except OSError:
        return ""


def _guard_memory(kernel: KernelIO, items: tuple[Item, ...]) -> None:
    """Refuse huge pages that would leave the machine without memory; name the most that is safe."""
    taken = 0
    for item in items:
        pool = pool_of(kernel, KNOBS[item.knob])
        if not pool:
            continue
        old, page, now = int(item.old or 0), page_bytes(pool), memory(kernel)
        more = max(0, int(item.requested) - old) * page
        if more and taken + more > now.spare:
            reason = (
                f"{item.requested} pages take {gib(taken + more)} of {gib(now.available)} "
                f"available, of which {gib(now.reserve)} have to stay; the most that is safe: "
                f"{old + max(0, now.spare - taken) // page}"
            )
            raise Refusal(item.knob, item.instance, reason)
        taken += more


def _guard_commit(kernel: KernelIO, items: tuple[Item, ...]) -> None:
    """Refuse strict accounting below what is already promised: every next allocation fails."""
    wanted = {item.knob: item.requested for item in items}
    mode = wanted.get("vm.overcommit_memory")
    if mode is None and _LIMITS & wanted.keys():
        mode = reading(kernel, KNOBS["vm.overcommit_memory"])
    if mode != "2":
        return
    now = memory(kernel)
    after = wanted if _LIMITS & wanted.keys() else {n: reading(kernel, KNOBS[n]) for n in _LIMITS}
    share = (now.total - now.huge) * int(after.get("vm.overcommit_ratio", "0")) // 100
    limit = share + int(after.get("vm.overcommit_kbytes", "0")) * 1024 + now.swap_total
    if limit < now.committed:
        reason = (
            f"processes have been promised {gib(now.committed)}, but strict accounting would "
            f"allow {gib(limit)}: every next allocation would fail, this session's too"
        )
        raise Refusal("vm.overcommit_memory", "", reason)


def _warnings(items: Iterable[Item]) -> list[str]:
    """Sentences about the plan as a whole."""
    knobs = {item.knob for item in items if item.status == messages.PLANNED}
    warnings = []
    if "block.scheduler" in knobs:
        warnings.append(
            "changing a scheduler resets the queue length and the scheduler's own options"
        )
    if "thp.enabled" in knobs:
        warnings.append("changing THP may change vm.min_free_kbytes; undo puts both back")
    return warnings


def digest(kernel: KernelIO, items: tuple[Item, ...]) -> str:
    """Digest of the changes, of the values they start from and of the devices they are for."""
    text = json.dumps(
        [
            [
                item.knob,
                item.instance,
                item.requested,
                item.old,
                [list(part) for part in item.parts],
                kernelfs.identity(kernel, KNOBS[item.knob], item.instance),
            ]
            for item in items
        ],
        separators=(",", ":"),
    )
    return hashlib.sha256(text.encode("ascii")).hexdigest()


def gib(size: int) -> str:
    """A size for people: MiB below one GiB, else GiB with one decimal."""
    return f"{size / 2**20:.0f} MiB" if size < GIB else f"{size / GIB:.1f} GiB"


def error_name(error: OSError) -> str:
    """The symbolic errno of an error, such as `EINVAL`."""
    return errno.errorcode.get(error.errno or 0, "EIO")
