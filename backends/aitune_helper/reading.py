"""What a machine says of its settings and of its memory; nothing here decides or writes."""

from __future__ import annotations

import errno
import re
from typing import TYPE_CHECKING, NamedTuple

from aitune_helper import kernelfs
from aitune_helper.knobs import KNOBS, POOLS, Knob, canonical, parse_listed

if TYPE_CHECKING:
    from aitune_helper.kernelfs import KernelIO

GIB = 2**30
RESERVE_BYTES = 2 * GIB
RESERVE_SHARE = 0.10

# What a kernel may print of a 64-bit number.
_NUMBER = re.compile(r"-?[0-9]{1,20}")
_MEMINFO = re.compile(r"^(\w+):\s+(\d+) kB$", re.MULTILINE)


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


def is_value(knob: Knob, text: str) -> bool:
    """Whether a text that was read can be worked with: of a number its digits, within reason."""
    return not knob.is_integer or text in knob.words or _NUMBER.fullmatch(text) is not None


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


def number(kernel: KernelIO, path: str) -> int | None:
    """A number that is only read, or None where there is none."""
    try:
        return int(kernel.read(path)) if path else None
    except (OSError, ValueError):
        return None


def meant(kernel: KernelIO, knob: Knob) -> str:
    """The id of the knob that is meant by this one on this machine: itself, but for other names.

    `vm.nr_hugepages` means the pool of the default size, `vm.nr_overcommit_hugepages` its surplus.
    """
    return knob.means.replace("{pool}", memory(kernel).default_pool) if knob.means else knob.id


def pool_of(kernel: KernelIO, knob: Knob) -> str:
    """The huge page pool that a knob sizes (`hugepages.2048kB`), or "" for any other knob."""
    found = meant(kernel, knob)
    return found if found in POOLS else ""


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


def gib(size: int) -> str:
    """A size for people: MiB below one GiB, else GiB with one decimal."""
    return f"{size / 2**20:.0f} MiB" if size < GIB else f"{size / GIB:.1f} GiB"


def error_name(error: OSError) -> str:
    """The symbolic errno of an error, such as `EINVAL`."""
    return errno.errorcode.get(error.errno or 0, "EIO")
