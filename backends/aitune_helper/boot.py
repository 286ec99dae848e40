"""What sets a target at boot: by which file, under which key; and why there may be no way.

Which file carries a knob is in the knob table. Disks are told apart by what they say of themselves
in sysfs, since names are given anew at each boot. Nothing here writes; the app asks it too, to say
before a change what keeping it can do.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Callable, NamedTuple

from aitune_helper import formats, kernelfs, plan
from aitune_helper.formats import MODULES, SYSCTL, TMPFILES, UDEV
from aitune_helper.knobs import DISK, KNOBS, POOLS, Knob, instance_is_well_formed, refusal

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from aitune_helper.kernelfs import KernelIO
    from aitune_helper.messages import Item

MECHANISMS = frozenset(formats.FORMATS)
# What shows that a file is read at boot on this machine; procps reads sysctl.d where systemd does
# not.
_READERS = {
    UDEV: ("/run/udev/control", "udev"),
    TMPFILES: ("/run/systemd/system", "systemd-tmpfiles"),
    MODULES: ("/run/systemd/system", "systemd-modules-load"),
}

NOTHING_TELLS = "not persistent here: nothing tells this disk from another after a reboot"
NO_FILE = "not persistent: no file can set it at boot"

# Frequency drivers and governors that come as modules. Nothing else is ever loaded at boot.
_FREQUENCY_MODULES = frozenset(
    (
        "acpi_cpufreq", "amd_pstate", "intel_pstate", "cppc_cpufreq", "pcc_cpufreq", "powernow_k8",
        "p4_clockmod", "speedstep_lib", "cpufreq_dt", "scmi_cpufreq", "scpi_cpufreq",
        "qcom_cpufreq_hw", "cpufreq_performance", "cpufreq_powersave", "cpufreq_ondemand",
        "cpufreq_conservative", "cpufreq_userspace",
    )
)  # fmt: skip
_IDENTITY_FILES = ("wwid", "device/wwid", "serial", "dm/uuid", "md/uuid")
_POLICIES = "/sys/devices/system/cpu/cpufreq/"
_QUEUE_PARENT = "/sys/block/{instance}/"
_DEVICE = re.compile(r"\.\./(devices/.+)/block/[^/]+")


class Setting(NamedTuple):
    """One line of one of our files.

    Attributes:
        mechanism: Which file: `sysctl`, `udev`, `tmpfiles`, `modules`.
        key: What is set, as `formats` names it.
        value: To what.
    """

    mechanism: str
    key: str
    value: str


class AtBoot(NamedTuple):
    """How keeping sets one item at boot.

    Attributes:
        settings: The lines, the one of the target itself first; () where no file can.
        note: Why not, or what remains uncertain; "" where it is there again after a reboot.
    """

    settings: tuple[Setting, ...]
    note: str = ""


class Machine:
    """One machine, as far as setting things at boot goes; made anew for each question.

    Args:
        kernel: Its files.
        readers: Which of the files are read here at boot.
    """

    def __init__(self, kernel: KernelIO, readers: frozenset[str] = MECHANISMS) -> None:
        self._kernel = kernel
        self._readers = readers
        self._disks: dict[str, str] | None = None
        try:
            self.default_pool = plan.memory(kernel).default_pool
        except OSError:  # a capture may lack it
            self.default_pool = ""

    def at_boot(self, item: Item, among: Sequence[Item] = ()) -> AtBoot:
        """How an item is set at boot; its requested value is what lasts.

        Args:
            item: The item.
            among: All items that are kept with it: nodes of one pool go in one list of words.
        """
        words = self._command_line(item, among or (item,))
        if words:
            return AtBoot((), f"not persistent: only the kernel command line can set it: {words}")
        found = self.setting(item.knob, item.instance, item.requested)
        if found is None:
            no_way = NOTHING_TELLS if KNOBS[item.knob].persist == UDEV else NO_FILE
            return AtBoot((), no_way)
        if found.mechanism not in self._readers:
            reader = _READERS[found.mechanism][1]
            return AtBoot((), f"not persistent here: {reader}, which reads the file, does not run")
        modules = self.modules(item.instance, item.requested, KNOBS[item.knob])
        if not modules:
            return AtBoot((found,))
        names = " and ".join(modules)
        note = f"likely at boot: {names} must be loaded by then"
        if item.knob == "cpu.governor":
            sure = f"cpufreq.default_governor={item.requested}"
            note += f"; {sure} on the kernel command line is sure"
        return AtBoot((found, *(Setting(MODULES, name, "") for name in modules)), note)

    def setting(self, knob_id: str, instance: str, value: str = "") -> Setting | None:
        """The line that sets one target; None where no file can."""
        knob = KNOBS[knob_id]
        # A pool of the default size has a sysctl, which is read earlier.
        name = knob_id if knob.persist == SYSCTL else self._other_name(knob_id)
        if name and not instance:
            return Setting(SYSCTL, name, value)
        if knob.persist == TMPFILES:
            return Setting(TMPFILES, knob.file(instance), value)
        match = self.disks().get(instance) if knob.persist == UDEV else None
        if match is None:
            return None
        return Setting(UDEV, formats.udev_key(match, attribute_of(knob)), value)

    def disks(self) -> Mapping[str, str]:
        """By disk, what tells it from every other; without those that nothing tells apart."""
        if self._disks is None:
            found: dict[str, str] = {}
            for disk in _listed(self._kernel, "/sys/block"):
                match = _identity(self._kernel, disk)
                if match is not None:
                    found[disk] = match
            matches = list(found.values())
            self._disks = {
                disk: match for disk, match in found.items() if matches.count(match) == 1
            }
        return self._disks

    def modules(self, instance: str, value: str, knob: Knob) -> tuple[str, ...]:
        """The modules without which a setting of frequencies finds no file, or no word."""
        if not knob.path.startswith(_POLICIES):
            return ()
        policies = (name for name in _listed(self._kernel, _POLICIES[:-1]) if name != "boost")
        policy = instance or next(policies, "")
        driver = _text(self._kernel, f"{_POLICIES}{policy}/scaling_driver").replace("-", "_")
        names = [driver] + ([f"cpufreq_{value}"] if knob.id == "cpu.governor" else [])
        return tuple(
            name
            for name in names
            if name in _FREQUENCY_MODULES
            and kernelfs.has_file(self._kernel, f"/sys/module/{name}/initstate")
        )

    def superseded(self, item: Item, key: str) -> bool:
        """Whether an older line, by its key, sets what keeping `item` has made void.

        A pool's total spreads anew over its nodes; of two sysctls that the kernel makes exclusive
        (a ratio and its bytes), the older one would undo the newer at boot.
        """
        pool = "" if item.instance else self._pool(item)
        if pool:
            return key != KNOBS[pool].total_path and _is_file_of(KNOBS[pool], key)
        knob = KNOBS[item.knob]
        exclusive = knob.persist == SYSCTL and key in knob.coupled
        return exclusive and knob.id in KNOBS[key].coupled

    def _command_line(self, item: Item, among: Sequence[Item]) -> str:
        """The words that set a pool of 1 GiB pages or larger, "" for anything else."""
        pool = self._pool(item)
        if not pool or plan.page_bytes(pool) < plan.GIB:
            return ""
        nodes = [
            (other.instance, other.requested)
            for other in among
            if other.instance and self._pool(other) == pool
        ]
        return formats.command_line(plan.page_bytes(pool) // 1024, item.requested, nodes)

    def _pool(self, item: Item) -> str:
        found = self._meant(KNOBS[item.knob])
        return found if found in POOLS else ""

    def _meant(self, knob: Knob) -> str:
        return knob.means.replace("{pool}", self.default_pool) or knob.id

    def _other_name(self, knob_id: str) -> str:
        """The sysctl that is another name of a knob here, or ""."""
        others = (knob for knob in KNOBS.values() if knob.means)
        return next((knob.id for knob in others if self._meant(knob) == knob_id), "")


def read_here(exists: Callable[[str], bool]) -> frozenset[str]:
    """Which of our files are read at boot on a running machine."""
    return frozenset(
        {SYSCTL} | {mechanism for mechanism, (sign, _) in _READERS.items() if exists(sign)}
    )


def may_be_meant(knob: Knob) -> bool:
    """Whether a sysctl is another name of a knob on some machine: of a pool, or of its surplus."""
    meanings = (other.means for other in KNOBS.values() if other.means)
    return any(knob.id == means.replace("{pool}", pool) for means in meanings for pool in POOLS)


def is_of_frequencies(path: str) -> bool:
    """Whether a line of tmpfiles.d sets what the driver of frequencies brings."""
    return path.startswith(_POLICIES) and knob_of(TMPFILES, path) is not None


def attribute_of(knob: Knob) -> str:
    """A disk's knob as udev names it: `queue/scheduler`."""
    return knob.path[len(_QUEUE_PARENT) :]


def knob_of(mechanism: str, key: str) -> str | None:
    """The knob that a line sets; None for a module, or where no knob of ours is set by it."""
    for knob in KNOBS.values():
        if mechanism == SYSCTL and knob.persist == SYSCTL and knob.id == key:
            return knob.id
        if mechanism == UDEV and knob.persist == UDEV:
            match, attribute = formats.split_udev_key(key)
            if formats.is_udev_match(match) and attribute_of(knob) == attribute:
                return knob.id
        if mechanism == TMPFILES and knob.persist == TMPFILES and _is_file_of(knob, key):
            return knob.id
    return None


def why_not(setting: Setting) -> str | None:
    """Say why a line may not stand in a file of ours, or None if it may.

    What is set at boot can be nothing that `Apply` could not write.
    """
    if setting.mechanism == MODULES:
        known = setting.key in _FREQUENCY_MODULES and not setting.value
        return None if known else f"{setting.key!a} is no module of a frequency driver"
    knob_id = knob_of(setting.mechanism, setting.key)
    if knob_id is None or not KNOBS[knob_id].offered:
        return f"{setting.key!a} is no setting of ours"
    knob = KNOBS[knob_id]
    # The words of a choice without words of its own were checked when it was applied.
    words = () if knob.is_integer or knob.choices else (setting.value,)
    return refusal(knob, setting.value, words)


def _is_file_of(knob: Knob, path: str) -> bool:
    """Whether a path is one of a knob's files, of whichever instance."""
    if path == knob.file():
        return True
    head, mark, tail = knob.path.partition("{instance}")
    if not mark or not path.startswith(head) or not path.endswith(tail):
        return False
    return instance_is_well_formed(knob, path[len(head) : len(path) - len(tail)])


def _identity(kernel: KernelIO, disk: str) -> str | None:
    """What a disk says of itself that is true after a reboot too, as a match of a udev rule.

    NVMe disks have `wwid`, SCSI and SATA disks their device's, virtio disks a serial number where
    the host gave one, mappings and arrays a UUID. udev's own database is not needed for it.
    """
    base = f"/sys/block/{disk}"
    if not instance_is_well_formed(_A_DISK, disk) or _text(kernel, f"{base}/hidden") == "1":
        return None
    for file in _IDENTITY_FILES:
        text = _text(kernel, f"{base}/{file}")
        if not text and file.startswith("device/"):
            text = _text(kernel, _device_of(kernel, base) + file[len("device") :])
        match = formats.udev_match(file, text) if text else None
        if match is not None:
            return match
    return None


_A_DISK = next(knob for knob in KNOBS.values() if knob.scope == DISK)


def _device_of(kernel: KernelIO, base: str) -> str:
    """The directory that `/sys/block/X/device` is a link to; no link is followed on the way."""
    try:
        found = _DEVICE.fullmatch(kernel.link(base))
    except OSError:
        found = None
    return f"/sys/{found[1]}" if found else base + "/device"


def _text(kernel: KernelIO, path: str) -> str:
    try:
        return kernel.read(path).strip()
    except (OSError, ValueError):
        return ""


def _listed(kernel: KernelIO, path: str) -> list[str]:
    try:
        return kernel.entries(path)
    except OSError:
        return []
