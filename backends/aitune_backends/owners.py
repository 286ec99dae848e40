"""Who sets a target at boot, by whichever mechanism carries it, and whether a value survives.

sysctl.d, tmpfiles.d and udev each have their own rule for which line wins: see the three modules
`boot_sysctl`, `boot_tmpfiles` and `boot_udev`. Services and daemons are not looked into.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, NamedTuple

from aitune_backends import boot_sysctl, boot_tmpfiles, boot_udev
from aitune_backends.boot_files import Owner, read_boot_files
from aitune_helper import boot, formats, kernelfs
from aitune_helper.knobs import KNOBS

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

    from aitune_backends.host import Host

YES = "yes"
NO = "no"
LIKELY = "likely"
MAYBE = "may be"
UNSAID = ""

_DEFAULT_POOL = "vm.nr_hugepages"


class Target(NamedTuple):
    """A knob and its instance, "" for a global one and for the total of a pool."""

    knob: str
    instance: str = ""


@dataclass(frozen=True, slots=True)
class Owners:
    """What sets the targets of one machine at boot.

    Attributes:
        known: Whether the machine shows its directories at all; a capture without /etc does not.
        by_target: The line that stands, by target.
        errors: Files that could not be read, and why; another line may win in them.
        by_module: Targets whose file, or word, a module brings; it may come too late for the line.
    """

    known: bool
    by_target: Mapping[Target, Owner] = field(default_factory=dict)
    errors: Mapping[str, str] = field(default_factory=dict)
    by_module: frozenset[Target] = frozenset()

    def of(self, knob: str, instance: str = "") -> Owner | None:
        """The line that sets this target at boot, or None if none is known to."""
        return self.by_target.get(Target(knob, instance))

    def at_boot(self, knob: str, value: str, instance: str = "") -> str:
        """Whether a value is there again after a reboot.

        Returns:
            `yes`, `no`, `likely` (a module may come too late), `may be` (it depends on what cannot
            be told from here), or "" where no file sets the target: then it will be the kernel's
            default, which cannot be read.
        """
        owner = self.of(knob, instance)
        if owner is None:
            return UNSAID
        if not owner.certain or any(_kind(path) == _kind(owner.file) for path in self.errors):
            return MAYBE
        if owner.value != value:
            return NO
        return LIKELY if Target(knob, instance) in self.by_module else YES

    def survives(self, knob: str, value: str, instance: str = "") -> bool | None:
        """Whether a value surely is there again, or surely is not; None for anything between."""
        return {YES: True, NO: False}.get(self.at_boot(knob, value, instance))


UNKNOWN = Owners(known=False)


def read_owners(host: Host, ours: Mapping[str, str] | None = None) -> Owners:
    """Find out what sets each target at boot.

    Args:
        host: The machine.
        ours: What files of ours would say, by path, instead of what they say now.
    """
    sysctl = read_boot_files(host, boot_sysctl.DIRECTORIES, ".conf", ours or {})
    tmpfiles = read_boot_files(host, boot_tmpfiles.DIRECTORIES, ".conf", ours or {})
    udev = read_boot_files(host, boot_udev.DIRECTORIES, ".rules", ours or {})
    machine = boot.Machine(host)
    by_target = {
        **dict(_by_sysctl(boot_sysctl.winners(sysctl.texts), machine.default_pool)),
        **dict(_by_tmpfiles(host, tmpfiles.texts)),
        **dict(_by_udev(host, udev.texts)),
    }
    return Owners(
        sysctl.known or tmpfiles.known or udev.known,
        by_target,
        {**sysctl.errors, **tmpfiles.errors, **udev.errors},
        frozenset(
            target
            for target, owner in by_target.items()
            if machine.modules(target.instance, owner.value, KNOBS[target.knob])
        ),
    )


def _kind(path: str) -> str:
    """The directory of a file without what is above it: `tmpfiles.d`."""
    return path.split("/")[-2]


def _by_sysctl(winners: Mapping[str, Owner], default_pool: str) -> Iterator[tuple[Target, Owner]]:
    for name, owner in winners.items():
        if name in KNOBS and KNOBS[name].file().startswith("/proc/sys/"):
            yield Target(name), owner
        if name == _DEFAULT_POOL and default_pool in KNOBS:
            yield Target(default_pool), owner


def _by_tmpfiles(host: Host, texts: tuple[tuple[str, str], ...]) -> Iterator[tuple[Target, Owner]]:
    paths = {
        knob.file(instance): Target(knob.id, instance)
        for knob in KNOBS.values()
        if knob.persist == formats.TMPFILES
        for instance in (*kernelfs.instances(host, knob), *(("",) if knob.quantity else ()))
    }
    for path, owner in boot_tmpfiles.winners(texts, paths).items():
        yield paths[path], owner


def _by_udev(host: Host, texts: tuple[tuple[str, str], ...]) -> Iterator[tuple[Target, Owner]]:
    knobs = {boot.attribute_of(k): k for k in KNOBS.values() if k.persist == formats.UDEV}
    rules = boot_udev.Rules(texts, knobs.keys())
    if rules.empty:
        return
    for name in host.names("/sys/block"):
        disk = boot_udev.Disk(name, _attributes(host, name))
        for attribute, owner in rules.winners(disk).items():
            yield Target(knobs[attribute].id, name), owner


def _attributes(host: Host, name: str) -> Callable[[str], str | None]:
    def read(attribute: str) -> str | None:
        try:
            return host.read(f"/sys/block/{name}/{attribute}").rstrip()
        except (OSError, ValueError):
            return None

    return read
