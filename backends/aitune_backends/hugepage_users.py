"""Who uses huge pages: processes, files on hugetlbfs and who holds them, and what nobody holds.

A look is cheap: where no page is in use, no process is read at all, else one small file of each.
A close look (`closely`) reads more, within bounds: the page sizes of those that use any, and for
each file on hugetlbfs which process has it open or mapped. An orphan is a file that none has: its
pages, the reserved ones too, come back only when somebody removes it. We never do.
"""

from __future__ import annotations

import posixpath
import stat
import time
from contextlib import suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING

from aitune_backends.loads.holders import Holder, parse_maps
from aitune_backends.probes import hugetlb_users as texts
from aitune_backends.probes.hugepages import read_pools

if TYPE_CHECKING:
    import os
    from collections.abc import Callable, Iterator, Sequence

    from aitune_backends.host import Host

_ENTRIES_MAX = 4096  # of one mount
_WATCH_EVERY_S = 30.0
_BUDGET_S = 2.0  # of our CPU time for a close look
_SMAPS_USERS_MAX = 16
_SMAPS_LIMIT = 16 << 20
_MAPS_LIMIT = 16 << 20
# Telling page sizes walks the ordinary pages of a process too: 11 ms per GiB, with its lock held.
_SMAPS_RESIDENT_MAX = 8 << 30
# The number of the first process namespace; in any other, some processes are not to be seen.
_FIRST_NAMESPACE = "pid:[4026531836]"


@dataclass(frozen=True, slots=True)
class HugeUser:
    """A process that has huge pages mapped.

    Attributes:
        pid, command, uid: Which one, and whose; the uid is None where it is not told.
        bytes: What it has mapped and in memory, of all sizes.
        parts: The same by size and by what is mapped; () where that was not looked up.
        why_not: Why `parts` is empty after a close look, in a few words.
    """

    pid: int
    command: str
    uid: int | None
    bytes: int
    parts: tuple[texts.Mapping, ...] = ()
    why_not: str = ""


@dataclass(frozen=True, slots=True)
class HugeFile:
    """A file on hugetlbfs.

    Attributes:
        path: Where it lies.
        size_kib: Size of its pages, None where the mount does not say.
        bytes: Its size: so much it may hold, counting what is reserved for it.
        held: What of it is in memory.
        holders: The processes that have it open or mapped, as far as they can be seen.
    """

    path: str
    size_kib: int | None
    bytes: int
    held: int
    holders: tuple[Holder, ...] = ()


@dataclass(frozen=True, slots=True)
class HugePageUsers:
    """Everything that uses huge pages, as far as we may see.

    Attributes:
        users: Processes, the largest first.
        mounts: Where hugetlbfs is mounted.
        files: The files on it, by path; empty without a close look.
        segments: System V segments of huge pages that no process has attached.
        unseen: How many processes could not be looked into for files.
        certain: Whether a file without holders has none: every process of the machine was seen.
        closely: Whether this was a close look.
    """

    users: tuple[HugeUser, ...] = ()
    mounts: tuple[texts.Mount, ...] = ()
    files: tuple[HugeFile, ...] = ()
    segments: tuple[texts.Segment, ...] = ()
    unseen: int = 0
    certain: bool = False
    closely: bool = False

    @property
    def orphans(self) -> tuple[HugeFile, ...]:
        """Files that hold pages and that no process we see has open or mapped."""
        return tuple(file for file in self.files if not file.holders and file.bytes)


def read(
    host: Host, *, closely: bool = True, clock: Callable[[], float] = time.thread_time
) -> HugePageUsers:
    """Look who uses huge pages.

    Args:
        host: The machine.
        closely: Also read sizes, files and their holders.
        clock: Our CPU seconds, which bound the close look.
    """
    if not any(pool.free < pool.total or pool.reserved for pool in read_pools(host)):
        return HugePageUsers(closely=closely)
    statuses = dict(_statuses(host, every=closely))
    users = sorted(
        (HugeUser(p, s.name, s.uid, s.huge) for p, s in statuses.items() if s.huge),
        key=lambda user: (-user.bytes, user.pid),
    )
    mounts = texts.parse_mounts(_text(host, "/proc/mounts"))
    if not closely:
        return HugePageUsers(tuple(users), mounts)
    until = clock() + _BUDGET_S
    detailed = [
        _with_parts(host, user, statuses[user.pid].resident or 0)
        if at < _SMAPS_USERS_MAX and clock() < until
        else user
        for at, user in enumerate(users)
    ]
    found = list(_files(host, mounts))
    search = _Search(host, found)
    whole = _sees_all_processes(host)
    # A machine's own init (in a container it may be the program itself) has none of these files,
    # and often not even root may look into it.
    pids = [
        pid for pid, s in statuses.items() if s.resident is not None and not (whole and pid == 1)
    ]
    seen_all = True
    if found:
        for pid in pids:
            if clock() >= until:
                seen_all = False
                break
            search.look_into(pid, statuses[pid].name)
    return HugePageUsers(
        users=tuple(detailed),
        mounts=mounts,
        files=search.files(),
        segments=texts.parse_lost_segments(_text(host, "/proc/sysvipc/shm")),
        unseen=search.unseen,
        certain=seen_all and whole and bool(pids) and not search.unseen,
        closely=True,
    )


class Watch:
    """Looks again only after a while: with thousands of processes even a cheap look is dear."""

    def __init__(self, host: Host) -> None:
        self._host = host
        self._found = HugePageUsers()
        self._due = float("-inf")

    def look(self, now: float) -> HugePageUsers:
        """Who used huge pages at most half a minute before `now` (monotonic seconds)."""
        if now >= self._due:
            self._due = now + _WATCH_EVERY_S
            self._found = read(self._host, closely=False)
        return self._found


def orphans(host: Host) -> tuple[HugeFile, ...]:
    """The files on hugetlbfs that surely no process has open or mapped, by path."""
    found = read(host)
    return found.orphans if found.certain else ()


def _statuses(host: Host, *, every: bool) -> Iterator[tuple[int, texts.Status]]:
    """The processes that use huge pages, or every one. Reading costs 25 us each (6.18)."""
    for name in host.names("/proc"):
        if name.isascii() and name.isdigit():
            with suppress(OSError, ValueError):  # gone meanwhile
                text = host.read(f"/proc/{name}/status")
                if every or texts.mentions_huge_pages(text):
                    yield int(name), texts.parse_status(text)


def _with_parts(host: Host, user: HugeUser, resident: int) -> HugeUser:
    """The same user with its page sizes, if telling them is ours and not too dear."""
    why = ""
    parts: tuple[texts.Mapping, ...] = ()
    if resident > _SMAPS_RESIDENT_MAX:
        why = "page sizes not read: that would hold the process up"
    else:
        try:
            parts = texts.parse_smaps(host.read(f"/proc/{user.pid}/smaps", limit=_SMAPS_LIMIT))
        except PermissionError:
            why = "page sizes: only for root"
        except OSError:
            why = "page sizes cannot be read"
    return HugeUser(user.pid, user.command, user.uid, user.bytes, parts, why)


@dataclass(frozen=True, slots=True)
class _Found:
    """A file on hugetlbfs, and what tells it from all others."""

    file: HugeFile
    identity: tuple[int, int]


def _files(host: Host, mounts: Sequence[texts.Mount]) -> Iterator[_Found]:
    seen: set[tuple[int, int]] = set()
    for mount in mounts:
        for path, status in _walk(host, mount.path):
            identity = status.st_dev, status.st_ino
            if identity not in seen:  # one filesystem may be mounted twice
                seen.add(identity)
                held = status.st_blocks * 512
                yield _Found(HugeFile(path, mount.size_kib, status.st_size, held), identity)


def _walk(host: Host, top: str) -> Iterator[tuple[str, os.stat_result]]:
    """The regular files below a mount, within bounds; neither links nor other mounts are entered:
    whoever may write there could lead us anywhere.
    """
    root = host.status(top)
    waiting = [top] if root is not None else []
    left = _ENTRIES_MAX
    while waiting and left > 0:
        directory = waiting.pop()
        for name in host.names(directory)[:left]:
            left -= 1
            path = posixpath.join(directory, name)
            status = None if _is_link(host, path) else host.status(path)
            if status is None or root is None or status.st_dev != root.st_dev:
                continue
            if stat.S_ISREG(status.st_mode):
                yield path, status
            elif stat.S_ISDIR(status.st_mode):
                waiting.append(path)


def _is_link(host: Host, path: str) -> bool:
    try:
        host.link(path)
    except (OSError, ValueError):
        return False
    return True


class _Search:
    """Looks through processes for the files that we found."""

    def __init__(self, host: Host, found: Sequence[_Found]) -> None:
        self.unseen = 0
        self._host = host
        self._found = found
        self._wanted = {each.identity for each in found}
        self._names = {posixpath.basename(each.file.path) for each in found}
        self._holders: dict[tuple[int, int], list[Holder]] = {}

    def look_into(self, pid: int, command: str) -> None:
        """Note which of the files a process has open or mapped."""
        try:
            maps = self._host.read(f"/proc/{pid}/maps", limit=_MAPS_LIMIT)
            opened = self._host.entries(f"/proc/{pid}/fd")
        except (FileNotFoundError, ProcessLookupError):
            return  # gone
        except (OSError, ValueError):
            self.unseen += 1
            return
        mapped = self._wanted & set(parse_maps(maps))
        links = (self._identity(f"/proc/{pid}/fd/{name}") for name in opened)
        for identity in mapped | {link for link in links if link is not None}:
            holder = Holder(pid, command, maps=identity in mapped)
            self._holders.setdefault(identity, []).append(holder)

    def _identity(self, link: str) -> tuple[int, int] | None:
        """Which of our files a descriptor is, if any; asked only where the name is one of ours."""
        try:
            text = self._host.link(link)
        except OSError:
            return None
        if posixpath.basename(text) not in self._names:
            return None
        status = self._host.status(link)
        identity = (status.st_dev, status.st_ino) if status is not None else None
        return identity if identity in self._wanted else None

    def files(self) -> tuple[HugeFile, ...]:
        """The files with the holders that were found, by path."""
        return tuple(
            HugeFile(
                each.file.path,
                each.file.size_kib,
                each.file.bytes,
                each.file.held,
                tuple(self._holders.get(each.identity, ())),
            )
            for each in sorted(self._found, key=lambda each: each.file.path)
        )


def _sees_all_processes(host: Host) -> bool:
    """Whether /proc has every process: not hidden, and not those of a container alone."""
    mounts = _text(host, "/proc/mounts")
    hidden = any(
        "hidepid=" in line and "hidepid=0" not in line and "hidepid=off" not in line
        for line in mounts.splitlines()
        if " /proc proc " in line
    )
    try:
        return host.link("/proc/self/ns/pid") == _FIRST_NAMESPACE and (
            not hidden or host.status("/proc/1/maps") is not None
        )
    except OSError:
        return False


def _text(host: Host, path: str) -> str:
    try:
        return host.read(path)
    except OSError:
        return ""
