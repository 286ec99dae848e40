"""Whether anything was set since the last look: cheap enough to ask every second.

A survey reads and judges every setting, which takes tens of milliseconds on a large machine, so it
is made every few seconds. In between, the files of the machine's own settings are read through kept
descriptors, about two microseconds each, and compared as they are; what a sample has read of
policies, disks and pools anyway is compared too. Of policies and processors, which a sample takes
in turn, the first is read each time: whatever sets one as a rule sets all. So a value that somebody
changes is seen by the next tick.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from aitune_backends.kept import KeptFiles
from aitune_helper.knobs import CPU, GLOBAL, KNOBS, POLICY, Knob, instance_is_well_formed

if TYPE_CHECKING:
    from aitune_backends.host import Host
    from aitune_backends.readings import Sample

# Descriptors kept beside those of a sampler: more than there are settings of the whole machine.
_MOST = 128


class SettingWatch:
    """Tells that something was set on one host. For one thread.

    Args:
        host: The machine.

    Attributes:
        in_turn: Whether what moved is read in turn by a sample: the next has to read all of it.
    """

    def __init__(self, host: Host) -> None:
        self.in_turn = False
        self._host = host
        self._firsts: tuple[str, ...] = ()
        self._files = KeptFiles(host, _MOST)
        self._paths: list[str] | None = None
        self._texts: dict[str, bytes] = {}
        self._parts: tuple[object, ...] | None = None

    def moved(self, sample: Sample) -> bool:
        """Whether anything is set otherwise than at the last call; never at the first.

        Args:
            sample: This tick's readings.
        """
        first = self._paths is None
        texts = self._read()
        parts = _parts(sample)
        moved = texts != self._texts or parts != self._parts
        self.in_turn = not first and any(
            texts.get(path) != self._texts.get(path) for path in self._firsts
        )
        self._texts, self._parts = texts, parts
        return moved and not first

    def close(self) -> None:
        """Close every file that is kept open."""
        self._files.close()

    def _read(self) -> dict[str, bytes]:
        """What each file holds. One that could not be read at first is not tried again."""
        if self._paths is None:
            offered = [knob for knob in KNOBS.values() if knob.offered]
            self._firsts = tuple(filter(None, (_first(self._host, knob) for knob in offered)))
            own = (knob.file() for knob in offered if knob.scope == GLOBAL)
            self._paths = list(dict.fromkeys((*own, *self._firsts)))
        texts = {}
        for path in self._paths:
            try:
                texts[path] = self._files.read(path)
            except OSError:
                continue
        if not self._texts:
            self._paths = list(texts)
        return texts


def _first(host: Host, knob: Knob) -> str:
    """The file of the first policy or processor, "" for knobs of anything else."""
    if knob.scope not in (POLICY, CPU):
        return ""
    names = (name for name in host.names(knob.holder[0]) if instance_is_well_formed(knob, name))
    first = next(names, "")
    return knob.file(first) if first else ""


def _parts(sample: Sample) -> tuple[object, ...]:
    """What a sample says of settings, without what moves by itself."""
    return (
        [policy.governor for policy in sample.policies],
        [policy.preference for policy in sample.policies],
        [policy.min_khz for policy in sample.policies],
        [policy.max_khz for policy in sample.policies],
        [disk.scheduler for disk in sample.disks],
        [disk.read_ahead_kib for disk in sample.disks],
        [disk.nr_requests for disk in sample.disks],
        [disk.max_sectors_kib for disk in sample.disks],
        [pool.total for pool in sample.pools],
    )
