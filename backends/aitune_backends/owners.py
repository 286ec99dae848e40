"""Who sets a target: at boot, by whichever mechanism acts last, and while the machine runs.

`boot_lines` knows what acts before any service, `managers` what services set; here both are put
together: which line stands after a reboot, whether a value is there again, and what sets it anew.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from aitune_backends.boot_files import Owner
from aitune_backends.boot_lines import BootLines, Target, read_boot_lines
from aitune_backends.manager_kind import Setting
from aitune_backends.managers import Keeper, Manager, keeper_of, read_managers
from aitune_helper.knobs import GLOBAL, KNOBS, other_half

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from aitune_backends.host import Host

__all__ = ["UNKNOWN", "Owners", "Target", "read_owners"]

YES = "yes"
NO = "no"
LIKELY = "likely"
MAYBE = "may be"
UNSAID = ""


@dataclass(frozen=True, slots=True)
class Owners:
    """What sets the targets of one machine.

    Attributes:
        boot: What its files and its command line set.
        managers: Its services, as far as they are known.
    """

    boot: BootLines = field(default_factory=lambda: BootLines(known=False))
    managers: tuple[Manager, ...] = ()
    _setters: Mapping[str, tuple[tuple[Manager, Setting], ...]] = field(
        default_factory=dict, init=False, repr=False
    )

    def __post_init__(self) -> None:
        """Sort what services set by knob: thousands of targets are asked for, few have any."""
        found: dict[str, tuple[tuple[Manager, Setting], ...]] = {}
        for manager in self.managers:
            sets = manager.sets if manager.running or manager.enabled else ()
            for setting in (*sets, *_voided(sets)):
                alias = KNOBS[setting.knob].means.format(pool=self.boot.default_pool)
                for knob in (setting.knob, alias) if alias in KNOBS else (setting.knob,):
                    found[knob] = (*found.get(knob, ()), (manager, setting))
        object.__setattr__(self, "_setters", found)

    @property
    def known(self) -> bool:
        """Whether the machine shows its files at all; a capture without /etc does not."""
        return self.boot.known

    def lines(self, knob: str, instance: str = "") -> tuple[Owner, ...]:
        """Every line that sets a target at boot, in the order in which they act."""
        before = self.boot.lines.get(Target(knob, instance), ())
        return (*before, *self._late(knob, instance))

    def of(self, knob: str, instance: str = "") -> Owner | None:
        """The line that stands after a reboot, or None if none is known to set the target.

        What a command line says is no answer where the files that come after it are not there.
        """
        if not self.known:
            return None
        counted = [owner for owner in self.lines(knob, instance) if not owner.ignored]
        return counted[-1] if counted else None

    def beaten(self, knob: str, instance: str = "") -> tuple[Owner, ...]:
        """The lines that do not stand, the one that nearly did first."""
        lines = list(self.lines(knob, instance))
        stands = self.of(knob, instance)
        if stands is not None:  # the last of those that are alike
            del lines[len(lines) - 1 - lines[::-1].index(stands)]
        return tuple(lines[::-1])

    def at_boot(self, knob: str, value: str, instance: str = "") -> str:
        """Whether a value is there again after a reboot.

        Returns:
            `yes`, `no`, `likely` (a module may come too late), `may be` (it depends on what cannot
            be told from here), or "" where nothing sets the target: then it will be the kernel's
            default, which cannot be read.
        """
        owner = self.of(knob, instance)
        if owner is None:
            return UNSAID
        if not owner.certain or any(_kind(path) == _kind(owner.file) for path in self.boot.errors):
            return MAYBE
        if owner.value != value:
            return NO
        by_module = not owner.by and Target(knob, instance) in self.boot.by_module
        return LIKELY if by_module else YES

    def survives(self, knob: str, value: str, instance: str = "") -> bool | None:
        """Whether a value surely is there again, or surely is not; None for anything between."""
        return {YES: True, NO: False}.get(self.at_boot(knob, value, instance))

    def because(self, knob: str, value: str, instance: str = "") -> str:
        """Whether a value is there again after a reboot, and which line says so: one sentence."""
        if not self.known:
            return "Not known: the files that set things at boot are not in this capture."
        owner = self.of(knob, instance)
        if owner is None:
            return "Nothing sets it at boot: it will be the kernel's default."
        verdict = self.at_boot(knob, value, instance)
        sets = f"{owner} sets {owner.value}" if owner.value else f"{owner} decides about it"
        return {
            YES: f"Survives a reboot: {sets}.",
            NO: f"Does not survive a reboot: {sets}.",
            LIKELY: f"Likely survives a reboot: {sets}, if the driver's module is loaded by then.",
        }.get(verdict, f"May or may not survive a reboot: {sets}, as far as can be told from here.")

    def keepers(self, knob: str, instance: str = "") -> tuple[Keeper, ...]:
        """The services that set a target, those that run first."""
        return tuple(
            keeper_of(manager, setting)
            for manager, setting in self._setters.get(knob, ())
            if _means(setting, instance)
        )

    def overwritten_by(self, knob: str, instance: str = "") -> tuple[str, ...]:
        """What may set a target again while the machine runs, a sentence each."""
        return tuple(
            keeper.sentence
            for keeper in self.keepers(knob, instance)
            if keeper.running and keeper.keeps
        )

    def _late(self, knob: str, instance: str) -> Iterator[Owner]:
        """What services that are started at boot set, after all files."""
        found = [
            (manager, setting)
            for manager, setting in self._setters.get(knob, ())
            if manager.enabled and _means(setting, instance)
        ]
        # Which of several starts last cannot be told.
        agreed = len({setting.value for _, setting in found}) == 1
        for manager, setting in found:
            file, _, line = setting.place.rpartition(":")
            numbered = line.isdecimal()
            yield Owner(
                (file if numbered else setting.place) or manager.name,
                int(line) if numbered else 0,
                setting.value or "",
                certain=agreed and setting.value is not None and not setting.bound,
                by=manager.name,
            )


UNKNOWN = Owners()


def read_owners(host: Host, ours: Mapping[str, str] | None = None) -> Owners:
    """Find out what sets each target, at boot and while the machine runs.

    Args:
        host: The machine.
        ours: What files of ours would say, by path, instead of what they say now.
    """
    return Owners(read_boot_lines(host, ours), read_managers(host))


def _voided(sets: tuple[Setting, ...]) -> Iterator[Setting]:
    """What the kernel makes 0 along with these: the bytes of a limit that is set as a share."""
    known = {setting.knob for setting in sets}
    for setting in sets:
        half = other_half(KNOBS[setting.knob])
        if half is not None and half.id not in known and setting.value not in (None, "0"):
            yield Setting(half.id, setting.instance, "0", setting.place)


def _means(setting: Setting, instance: str) -> bool:
    """Whether a service's setting means an instance; without one it goes to each."""
    if setting.instance == instance:
        return True
    knob = KNOBS[setting.knob]
    return not setting.instance and knob.scope != GLOBAL and not knob.quantity


def _kind(path: str) -> str:
    """The directory of a file without what is above it: `tmpfiles.d`."""
    if path == "/etc/sysctl.conf":
        return "sysctl.d"
    return path.rpartition("/")[0].rpartition("/")[2]
