"""What the kernel tells of the users of huge pages: texts of /proc, taken apart.

`/proc/PID/status` has one line for all sizes (`HugetlbPages`, hugetlbpage.rst) and is cheap;
`/proc/PID/smaps` has the sizes and walks every page of the process to tell them.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from aitune_backends.probes.numbers import parse_int

_STATUS = re.compile(r"^(Name|Uid|HugetlbPages|VmRSS):[ \t]*([^\n]*)$", re.MULTILINE)
_MAPPING = re.compile(r"^[0-9a-f]+-[0-9a-f]+ \S{4} \S+ \S+ \d+ *([^\n]*)$", re.MULTILINE)
_FIELD = re.compile(
    r"^(KernelPageSize|Shared_Hugetlb|Private_Hugetlb): +([0-9]{1,15}) kB$", re.MULTILINE
)
_SIZE = re.compile(r"(?:^|,)pagesize=([0-9]{1,9})([KMG])(?:,|$)")
_UNITS = {"K": 1, "M": 1 << 10, "G": 1 << 20}
_OCTAL = re.compile(r"\\([0-7]{3})")
_SHM_COLUMNS = 16
_PAGE_MAX = 65536  # a shared segment is rounded up to base pages, of at most 64 KiB


@dataclass(frozen=True, slots=True)
class Status:
    """What a process's status says. Sizes in bytes.

    `resident` does not count huge pages; it is None for a kernel thread, which has no memory.
    """

    name: str
    uid: int | None
    huge: int
    resident: int | None


@dataclass(frozen=True, slots=True)
class Mapping:
    """Huge pages of one size that a process has mapped from one thing.

    Attributes:
        size_kib: Size of the pages.
        bytes: How much of it is in memory and mapped.
        what: A path, `memfd:NAME`, `SYSV`, or "" for memory of its own.
    """

    size_kib: int
    bytes: int
    what: str


@dataclass(frozen=True, slots=True)
class Mount:
    """A mounted hugetlbfs: where, and of which size its pages are (None if it does not say)."""

    path: str
    size_kib: int | None


@dataclass(frozen=True, slots=True)
class Segment:
    """A System V segment of huge pages that no process has attached."""

    id: int
    bytes: int


def mentions_huge_pages(text: str) -> bool:
    """Whether a status can say that the process uses any: a quick look before a thorough one."""
    at = text.find("\nHugetlbPages:")
    return at >= 0 and not text.startswith(" 0 kB", text.find(" kB", at) - 2)


def parse_status(text: str) -> Status:
    """Name, user, huge and other memory of a process; 0 where a line is missing."""
    fields = dict(_STATUS.findall(text))

    def size(name: str) -> int:
        return max(0, parse_int(fields.get(name, "").removesuffix("kB")) or 0) * 1024

    uids = fields.get("Uid", "").split()
    uid = parse_int(uids[0]) if uids else None
    resident = size("VmRSS") if "VmRSS" in fields else None
    return Status(fields.get("Name", "?"), uid, size("HugetlbPages"), resident)


def parse_smaps(text: str) -> tuple[Mapping, ...]:
    """What a process has mapped in huge pages, summed over mappings of the same thing."""
    found: dict[tuple[int, str], int] = {}
    heads = list(_MAPPING.finditer(text))
    ends = [*(head.start() for head in heads[1:]), len(text)]
    for head, end in zip(heads, ends, strict=False):
        body = text[head.end() : end]
        fields = {name: int(number) for name, number in _FIELD.findall(body)}
        kib = fields.get("Shared_Hugetlb", 0) + fields.get("Private_Hugetlb", 0)
        if kib:
            key = fields.get("KernelPageSize", 0), _what(head[1])
            found[key] = found.get(key, 0) + kib * 1024
    return tuple(Mapping(size, amount, what) for (size, what), amount in sorted(found.items()))


def _what(path: str) -> str:
    path = path.strip().removesuffix(" (deleted)")
    if path.startswith("/anon_hugepage"):
        return ""
    if path.startswith("/SYSV"):
        return "SYSV"
    return path.removeprefix("/") if path.startswith("/memfd:") else path


def parse_mounts(text: str) -> tuple[Mount, ...]:
    """The hugetlbfs mounts in /proc/mounts, in their order, each path once."""
    found: dict[str, Mount] = {}
    for line in text.splitlines():
        fields = line.split(" ")
        if len(fields) >= 4 and fields[2] == "hugetlbfs" and fields[1].startswith("/"):
            size = _SIZE.search(fields[3])
            path = _OCTAL.sub(lambda code: chr(int(code[1], 8)), fields[1])
            found[path] = Mount(path, int(size[1]) * _UNITS[size[2]] if size else None)
    return tuple(found.values())


def parse_lost_segments(text: str) -> tuple[Segment, ...]:
    """Segments in /proc/sysvipc/shm that nobody has attached and that are surely of huge pages.

    The file has no flag for them. But the kernel counts the base pages of a huge page as if each
    were huge (measured on 6.18), so only theirs can be more in memory than they are large. On
    kernels that count otherwise such a segment is not recognised.
    """
    found = []
    for line in text.splitlines()[1:]:
        fields = line.split()
        if len(fields) < _SHM_COLUMNS:
            continue
        number, size, attached, resident = (parse_int(fields[at]) for at in (1, 3, 6, 14))
        if number is None or size is None or resident is None or attached != 0:
            continue
        if resident >= size + _PAGE_MAX:
            found.append(Segment(number, size))
    return tuple(found)
