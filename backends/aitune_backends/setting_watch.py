"""Whether anything was set since the last look: cheap enough to ask every second.

A survey reads and judges every setting, which takes tens of milliseconds on a large machine, so it
is made every few seconds. In between, the files of the machine's own settings are read through kept
descriptors, about two microseconds each, and compared as they are; what a sample has read of
policies, disks and pools anyway is compared too. So a value that somebody changes is seen by the
next tick, and a policy's once its turn in the sample has come.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from aitune_backends.kept import KeptFiles
from aitune_helper.knobs import GLOBAL, KNOBS

if TYPE_CHECKING:
    from aitune_backends.host import Host
    from aitune_backends.readings import Sample


class SettingWatch:
    """Tells that something was set on one host. For one thread.

    Args:
        host: The machine.
    """

    def __init__(self, host: Host) -> None:
        self._files = KeptFiles(host)
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
        self._texts, self._parts = texts, parts
        return moved and not first

    def close(self) -> None:
        """Close every file that is kept open."""
        self._files.close()

    def _read(self) -> dict[str, bytes]:
        """What each file holds. One that could not be read at first is not tried again."""
        if self._paths is None:
            knobs = (knob for knob in KNOBS.values() if knob.offered and knob.scope == GLOBAL)
            self._paths = list(dict.fromkeys(knob.file() for knob in knobs))
        texts = {}
        for path in self._paths:
            try:
                texts[path] = self._files.read(path)
            except OSError:
                continue
        if not self._texts:
            self._paths = list(texts)
        return texts


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
