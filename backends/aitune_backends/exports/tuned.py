"""A profile as one of TuneD's, which includes the one that is active on the machine.

Values are written as TuneD reads them back, so that `tuned-adm verify` can tell. Its plugins for
processors and disks do more than what they are told (they follow the load), so they are used only
to replace what the active profile sets by them; everything else is a file in [sysfs].
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from aitune_backends.boot_files import read_boot_files
from aitune_backends.boot_sysctl import DIRECTORIES, parse_sysctl
from aitune_backends.changes import shown
from aitune_backends.exports.aims import Exported, file_name, head, tail
from aitune_backends.exports.cmdline import pools, reserved
from aitune_backends.lens import Left, LensError
from aitune_backends.lens.tuned import read_tuned
from aitune_helper import plan
from aitune_helper.kernelfs import instances
from aitune_helper.knobs import POOLS, Knob, other_half

if TYPE_CHECKING:
    from collections.abc import Collection, Sequence

    from aitune_backends.exports.aims import Aim, Aims
    from aitune_backends.host import Host
    from aitune_backends.profiles import Profile

_ACTIVE = "/etc/tuned/active_profile"
_CONFIG = "/etc/tuned/tuned-main.conf"
_NAMES = re.compile(r"[A-Za-z0-9_.-]+(?: +[A-Za-z0-9_.-]+)*")
# A dollar sign in a value would run a function of TuneD's, `#` would end it.
_NOT_PLAIN = re.compile(r"[^A-Za-z0-9 .,:;()/%+_-]")
# By knob: the section of TuneD's own plugin, and its word.
_MEMORY = {
    "thp.enabled": ("vm", "transparent_hugepages"),
    "thp.defrag": ("vm", "transparent_hugepage.defrag"),
}
_PER_DEVICE = {
    "cpu.governor": ("cpu", "governor"),
    "cpu.epp": ("cpu", "energy_performance_preference"),
    "cpu.idle_latency": ("cpu", "pm_qos_resume_latency_us"),
    "block.scheduler": ("disk", "elevator"),
    "block.read_ahead_kb": ("disk", "readahead"),
}
_SYSCTLS = "/proc/sys/"
_SAVE = (
    "Save as /etc/tuned/{name}/tuned.conf (TuneD 2.23 and later: below /etc/tuned/profiles), then",
    "  tuned-adm profile {name}; tuned-adm verify",
)
_REAPPLY = (
    "Beware: {place} sets {name} to {value}, and TuneD writes sysctl.d last (reapply_sysctl)."
)

_NO_WAY_BACK = (
    "Beware: TuneD cannot put {name} back to 0, the kernel refuses that: write {half} then."
)


def render(profile: Profile, host: Host, found: Aims) -> Exported:
    """The profile's tuned.conf."""
    name = file_name(profile)
    active, left = _active(host, name)
    theirs = _set_by(host, active)
    sections = _Sections()
    sections.put("main", "summary", _NOT_PLAIN.sub("?", profile.title))
    if active:
        sections.put("main", "include", ",".join(active))
    gigantic = [
        reserved(pool, members)
        for pool, members in pools(host, found.aims).items()
        if plan.page_bytes(pool) >= plan.GIB
    ]
    for aim in found.aims:
        if aim.knob.id not in POOLS or plan.page_bytes(aim.knob.id) < plan.GIB:
            _add(sections, aim, found, host, theirs)
    if gigantic:
        sections.put("bootloader", f"cmdline_{_word(name)}", f"+{' '.join(gigantic)}")
    about = [line.format(name=name) for line in _SAVE]
    text = head(profile, *about, *_overwritten(host, found), *_not_undone(found)) + sections.text()
    undo = f"tuned-adm profile {' '.join(active)}" if active else "tuned-adm off"
    every = (*found.left, *left)
    return Exported(text + tail(every), f"{undo} goes back to what was active before.", every)


class _Sections:
    """The sections of a file, each with its assignments in order."""

    def __init__(self) -> None:
        self._sections: dict[str, dict[str, str]] = {}
        self._dropped: dict[str, list[str]] = {}

    def put(self, section: str, key: str, value: str) -> None:
        """Assign, instead of what was assigned before."""
        self._sections.setdefault(section, {})[key] = value

    def drop(self, section: str, key: str) -> None:
        """Take back what an included profile assigns in a section of that name."""
        self._sections.setdefault(section, {})
        dropped = self._dropped.setdefault(section, [])
        if key not in dropped:
            dropped.append(key)

    def text(self) -> str:
        """All of them, as TuneD reads them."""
        lines: list[str] = []
        for section, values in self._sections.items():
            lines += ["", f"[{section}]"]
            if section in self._dropped:
                lines.append(f"drop={','.join(self._dropped[section])}")
            lines += [f"{key}={value}" for key, value in values.items()]
        return "\n".join((*lines, ""))


def _add(sections: _Sections, aim: Aim, found: Aims, host: Host, theirs: Collection[str]) -> None:
    """Put one target where TuneD reads it back, and take back what would contradict it."""
    knob, half = aim.knob, other_half(aim.knob)
    if aim.path.startswith(_SYSCTLS):
        sections.put("sysctl", knob.id, aim.value)
        if half is not None and half.id in theirs:
            sections.drop("sysctl", half.id)
        return
    section, key = _MEMORY.get(knob.id, ("", ""))
    if section and not _on_command_line(host):
        sections.put(section, key, aim.value)
        return
    section, key = _PER_DEVICE.get(knob.id, ("", ""))
    if section and knob.id in theirs:
        alike = {each.value for each in found.of(knob.id)}
        covered = {each.instance for each in found.of(knob.id)}
        if len(alike) == 1 and covered == set(instances(host, knob)):
            sections.put(section, key, aim.value)
            return
        sections.drop(section, key)
    sections.put("sysfs", aim.path, _as_read(knob, aim.value))


def _as_read(knob: Knob, value: str) -> str:
    """The value in the kernel's own spelling: TuneD compares letter by letter."""
    return next((spelled for spelled, canonical in knob.reads if canonical == value), value)


def _on_command_line(host: Host) -> bool:
    """Whether the boot loader sets transparent huge pages: then TuneD leaves them to it."""
    return "transparent_hugepage=" in (host.first_line("/proc/cmdline") or "")


def _active(host: Host, own: str) -> tuple[tuple[str, ...], tuple[Left, ...]]:
    """The profiles that are active on the machine, and why none is included where that is so."""
    text = host.first_line(_ACTIVE)
    if not text:
        return (), ()
    if _NAMES.fullmatch(text) is None:
        why = "is no list of names of profiles: nothing is included."
        return (), (Left(_ACTIVE, shown(text), why),)
    return tuple(name for name in text.split() if name != own), ()


def _set_by(host: Host, active: Sequence[str]) -> frozenset[str]:
    """Ids of the knobs that the active profiles set."""
    found: set[str] = set()
    for name in active:
        try:
            found |= {want.knob for want in read_tuned(host.read, name).profile.wanted}
        except LensError:  # it cannot be read: then nothing is known of it, and it is included
            continue
    return frozenset(found)


def _overwritten(host: Host, found: Aims) -> list[str]:
    """What sysctl.d will write over the profile's values, a line each."""
    if re.search(r"^\s*reapply_sysctl\s*=\s*(0|false)", _text(host, _CONFIG), re.MULTILINE):
        return []
    files = read_boot_files(host, DIRECTORIES, ".conf", {})
    last = {
        name: (f"{path}:{line}", value)
        for path, text in files.texts
        for line, name, value in parse_sysctl(text)
    }
    return [
        _REAPPLY.format(place=place, name=aim.knob.id, value=shown(value))
        for aim in found.aims
        if aim.path.startswith(_SYSCTLS)
        for place, value in [last.get(aim.knob.id, ("", aim.value))]
        if value != aim.value
    ]


def _not_undone(found: Aims) -> list[str]:
    """What TuneD cannot undo: it writes an amount's old 0, which is refused or clears the share."""
    halves = ((aim.knob, other_half(aim.knob)) for aim in found.aims)
    return [
        _NO_WAY_BACK.format(name=knob.id, half=half.id)
        for knob, half in halves
        if half is not None and knob.unit != "%"
    ]


def _word(name: str) -> str:
    """A name as a part of an option of TuneD's."""
    return name.replace("-", "_")


def _text(host: Host, path: str) -> str:
    try:
        return host.read(path)
    except (OSError, ValueError):
        return ""
