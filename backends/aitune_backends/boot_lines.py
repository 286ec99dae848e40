"""Every line of a machine that sets a target at boot, in the order in which they act.

The kernel's command line comes first; then options of modules when they are loaded, sysctl.d,
tmpfiles.d, and udev when a device appears. Each mechanism has its own rule for which of its lines
wins: see the modules `boot_*`. What services set later is not looked into here.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, NamedTuple

from aitune_backends import boot_modprobe, boot_sysctl, boot_tmpfiles, boot_udev, boot_words
from aitune_backends.boot_files import BootFiles, Owner, read_boot_files
from aitune_backends.services import systemd_runs
from aitune_backends.situation import parse_version
from aitune_helper import boot, formats
from aitune_helper.knobs import GLOBAL, KNOBS, instance_is_well_formed, other_half

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

    from aitune_backends.host import Host
    from aitune_helper.knob import Knob

_NOT_READ = "systemd reads this file only through a link in one of its directories; there is none."
_BUILT_IN = "This part is built into the kernel: options of modules do not reach it."
_HALVES = {
    knob.id: half.id
    for knob in KNOBS.values()
    if (half := other_half(knob)) is not None and knob.file().startswith("/proc/sys/")
}


class Target(NamedTuple):
    """A knob and its instance, "" for a global one and for the total of a pool."""

    knob: str
    instance: str = ""


@dataclass(frozen=True, slots=True)
class BootLines:
    """What the files of one machine, and its command line, set at boot.

    Attributes:
        known: Whether the machine shows its directories at all; a capture without /etc does not.
        lines: By target the lines in the order in which they act: the last one stands.
        errors: Files that could not be read, and why; another line may stand in them.
        by_module: Targets whose file, or word, a module brings; it may come too late for the line.
        means: Words of the command line that set nothing and yet decide what can be set.
        default_pool: The pool that `vm.nr_hugepages` is another name of, "" where there is none.
    """

    known: bool
    lines: Mapping[Target, tuple[Owner, ...]] = field(default_factory=dict)
    errors: Mapping[str, str] = field(default_factory=dict)
    by_module: frozenset[Target] = frozenset()
    means: tuple[boot_words.Means, ...] = ()
    default_pool: str = ""


def read_boot_lines(host: Host, ours: Mapping[str, str] | None = None) -> BootLines:
    """Read all of it.

    Args:
        host: The machine.
        ours: What files of ours would say, by path, instead of what they say now.
    """
    return _Reading(host, ours or {}).lines()


class _Reading:
    """One pass over the files of a machine."""

    def __init__(self, host: Host, ours: Mapping[str, str]) -> None:
        self._host = host
        self._ours = ours
        self._machine = boot.Machine(host)
        self._pool = self._machine.default_pool
        self._listed: dict[tuple[str, str, str], tuple[str, ...]] = {}
        self._found: dict[Target, list[Owner]] = {}

    def lines(self) -> BootLines:
        modprobe = self._files(boot_modprobe.DIRECTORIES)
        sysctl = self._files(boot_sysctl.DIRECTORIES)
        tmpfiles = self._files(boot_tmpfiles.DIRECTORIES)
        udev = self._files(boot_udev.DIRECTORIES, ".rules")
        words = self._host.first_line(boot_words.FILE) or ""
        for steps in (
            self._by_modprobe(modprobe),
            self._by_words(words),
            self._by_sysctl(sysctl),
            self._by_tmpfiles(tmpfiles),
            self._by_udev(udev),
        ):
            for target, owner in steps:
                self._found.setdefault(target, []).append(owner)
        kinds = (modprobe, sysctl, tmpfiles, udev)
        lines = {target: tuple(of_target) for target, of_target in self._found.items()}
        return BootLines(
            known=any(kind.known for kind in kinds),
            lines=lines,
            errors={path: why for kind in kinds for path, why in kind.errors.items()},
            by_module=frozenset(
                target
                for target, of_target in lines.items()
                if self._needs_module(target, of_target[-1])
            ),
            means=boot_words.means(words),
            default_pool=self._pool,
        )

    def _needs_module(self, target: Target, owner: Owner) -> bool:
        # The kernel itself holds the word until the driver asks for it.
        if owner.file.startswith(boot_words.FILE):
            return False
        return bool(self._machine.modules(target.instance, owner.value, KNOBS[target.knob]))

    def _files(self, directories: tuple[str, ...], ending: str = ".conf") -> BootFiles:
        return read_boot_files(self._host, directories, ending, self._ours)

    def _targets(self, knob: Knob, instance: str) -> Iterator[Target]:
        """The targets that a setting without an instance means, as in a change that is typed."""
        alias = knob.means.format(pool=self._pool)
        if alias in KNOBS:
            yield Target(alias)
        if instance or knob.scope == GLOBAL or knob.quantity:
            yield Target(knob.id, instance)
            return
        for name in self._instances(knob):
            yield Target(knob.id, name)

    def _instances(self, knob: Knob) -> tuple[str, ...]:
        """The names that may be instances; whether each has the file does not matter here."""
        if knob.holder not in self._listed:
            directory, before, after = knob.holder
            names = self._host.names(directory)
            self._listed[knob.holder] = tuple(
                name[len(before) : len(name) - len(after)]
                for name in names
                if name.startswith(before) and name.endswith(after)
            )
        return tuple(
            name for name in self._listed[knob.holder] if instance_is_well_formed(knob, name)
        )

    def _by_words(self, text: str) -> Iterator[tuple[Target, Owner]]:
        kernel = parse_version(self._host.first_line("/proc/version") or "")
        for word in boot_words.parse_boot_words(text, self._pool, kernel):
            file = f"{boot_words.FILE} ({word.word})"
            for target in self._targets(KNOBS[word.knob], word.instance):
                yield target, Owner(file, 0, word.value)

    def _by_modprobe(self, files: BootFiles) -> Iterator[tuple[Target, Owner]]:
        for (module, name), owners in boot_modprobe.lines(files.texts).items():
            path = f"/sys/module/{module}/parameters/{name}"
            knob = next((knob for knob in KNOBS.values() if knob.file() == path), None)
            if knob is None:
                continue
            loaded = self._host.exists(f"/sys/module/{module}/initstate")
            ignored = "" if loaded else _BUILT_IN
            for owner in owners:
                yield Target(knob.id), Owner(owner.file, owner.line, owner.value, ignored=ignored)

    def _by_sysctl(self, files: BootFiles) -> Iterator[tuple[Target, Owner]]:
        texts = files.texts
        conf = _text(self._host, boot_sysctl.CONF)
        ignored: Mapping[str, list[Owner]] = {}
        if conf and not systemd_runs(self._host):
            texts = (*texts, (boot_sysctl.CONF, conf))
        elif conf and conf not in dict(texts).values():
            ignored = boot_sysctl.lines(((boot_sysctl.CONF, conf),))
        for knob_id, owners in ignored.items():
            for owner in owners if _is_sysctl(knob_id) else ():
                yield (
                    Target(knob_id),
                    Owner(owner.file, owner.line, owner.value, ignored=_NOT_READ),
                )
        for knob_id, owners in boot_sysctl.lines(texts, _HALVES).items():
            for target in self._targets(KNOBS[knob_id], "") if _is_sysctl(knob_id) else ():
                for owner in owners:
                    yield target, owner

    def _by_tmpfiles(self, files: BootFiles) -> Iterator[tuple[Target, Owner]]:
        writes = boot_tmpfiles.Writes(files.texts)
        for knob in KNOBS.values():
            for target, path in self._files_of(knob, writes):
                for owner in writes.lines(path):
                    # Disks appear, and sysctl.d is read, at the same time.
                    sure = owner.certain and knob.persist == formats.TMPFILES
                    told = Owner(owner.file, owner.line, owner.value, sure, owner.ignored)
                    for one in self._targets(knob, target.instance):
                        yield one, told

    def _files_of(self, knob: Knob, writes: boot_tmpfiles.Writes) -> Iterator[tuple[Target, str]]:
        """The files of one knob that any line may write."""
        if (knob.scope == GLOBAL or knob.quantity) and writes.touch(knob.file()):
            yield Target(knob.id), knob.file()
        if knob.scope != GLOBAL and writes.touch(knob.path):
            for instance in self._instances(knob):
                yield Target(knob.id, instance), knob.file(instance)

    def _by_udev(self, files: BootFiles) -> Iterator[tuple[Target, Owner]]:
        knobs = {boot.attribute_of(k): k for k in KNOBS.values() if k.persist == formats.UDEV}
        rules = boot_udev.Rules(files.texts, knobs.keys())
        if rules.empty:
            return
        for name in self._host.names("/sys/block"):
            disk = boot_udev.Disk(name, _attributes(self._host, name))
            for attribute, owners in rules.lines(disk).items():
                for owner in owners:
                    yield Target(knobs[attribute].id, name), owner


def _is_sysctl(knob_id: str) -> bool:
    return knob_id in KNOBS and KNOBS[knob_id].file().startswith("/proc/sys/")


def _text(host: Host, path: str) -> str:
    try:
        return host.read(path)
    except (OSError, ValueError):
        return ""


def _attributes(host: Host, name: str) -> Callable[[str], str | None]:
    def read(attribute: str) -> str | None:
        try:
            return host.read(f"/sys/block/{name}/{attribute}").rstrip()
        except (OSError, ValueError):
            return None

    return read
