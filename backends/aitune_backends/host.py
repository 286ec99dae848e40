"""One machine behind one root directory: `/`, a capture of another machine, or the demo's tree.

Everything that looks at a machine goes through `Host`, by the paths the machine itself would use
(`/proc/meminfo`). Looking only: a Host never writes. A root other than `/` is treated as hostile:
links are followed inside it alone, as `chroot` would, and nothing but regular files is opened.
"""

from __future__ import annotations

import errno
import os
import re
import stat
import time
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING, Literal

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

Origin = Literal["live", "capture", "demo"]

# Nothing this tool reads is larger; what is larger is not the file we take it for.
MAX_FILE_BYTES = 1 << 20
_MAX_LINKS = 40  # as the kernel's own path walk
_CPU_DIR = "/sys/devices/system/cpu"
_POLICY_DIR = f"{_CPU_DIR}/cpufreq"
_DISK_DIR = "/sys/block"
_DISK_CLASS = "/sys/class/block"
_WALK_FLAGS = os.O_PATH | os.O_NOFOLLOW | os.O_CLOEXEC
_READ_FLAGS = os.O_RDONLY | os.O_NONBLOCK | os.O_NOCTTY | os.O_CLOEXEC


class HostError(Exception):
    """The machine asked for cannot be opened; the message is one sentence for the operator."""


class Host:
    """A machine to look at. Satisfies the helper's `KernelIO`, except that writing is refused.

    Paths are absolute as the machine sees them. Every method raises OSError like the system call
    it stands for; a file that is too large or not a regular one is an OSError too.
    """

    def __init__(
        self,
        root: Path = Path("/"),
        *,
        origin: Origin = "live",
        label: str = "",
        name: str = "",
    ) -> None:
        """Look below `root`.

        Args:
            root: `/`, or a directory that holds another machine's proc and sys.
            origin: What kind of machine that is.
            label: What to say of it beside its values: `a capture of HOST at TIME`, or "".
            name: What to call it where it does not tell its own name.
        """
        self.root = root
        self.origin: Origin = origin
        self.label = label
        self.name = name
        self.is_this_machine = root == Path("/")
        self._elsewhere: dict[str, dict[str, str]] = {}

    def read(self, path: str, *, limit: int = MAX_FILE_BYTES) -> str:
        """The whole text of a regular file; bytes that are no UTF-8 are replaced.

        Args:
            path: Absolute path as the machine sees it.
            limit: Largest size accepted, in bytes; EFBIG beyond it.
        """
        return _whole(self.open(path), path, limit)

    @contextmanager
    def near(self, directory: str) -> Iterator[Callable[[str], str]]:
        """A way to read many files of one directory: like `read`, but it walks there once.

        Args:
            directory: Absolute path as the machine sees it; it need not be there.
        """
        if self.is_this_machine:
            yield self.read
            return
        try:
            fd = self._descend(self._renamed(directory), directory)
        except OSError:
            yield self.read
            return

        def read(path: str) -> str:
            parent, _, name = path.rpartition("/")
            if parent != directory or name in ("", ".", ".."):
                return self.read(path)
            try:
                found = os.open(name, _WALK_FLAGS, dir_fd=fd)
            except OSError as error:
                error.filename = path
                raise
            if stat.S_ISLNK(os.fstat(found).st_mode):
                os.close(found)
                return self.read(path)
            return _whole(_reopened(found, path), path, MAX_FILE_BYTES)

        try:
            yield read
        finally:
            os.close(fd)

    def write(self, path: str, value: str) -> None:
        """Refused: a Host is for looking.

        Raises:
            OSError: always, EROFS.
        """
        raise OSError(errno.EROFS, os.strerror(errno.EROFS), path)

    def probe(self, path: str) -> None:
        """Whoever writes asks that: to plan is not to write."""

    def open(self, path: str) -> int:
        """A descriptor for reading the same regular file again and again with `os.pread`."""
        path = self._renamed(path)
        fd = os.open(path, _READ_FLAGS) if self.is_this_machine else self._open_inside(path)
        if not stat.S_ISREG(os.fstat(fd).st_mode):
            os.close(fd)
            raise OSError(errno.EINVAL, "not a regular file", path)
        return fd

    def entries(self, path: str) -> list[str]:
        """Sorted names of a directory."""
        others = self._stand_ins(path) if path in (_POLICY_DIR, _DISK_DIR) else {}
        try:
            listed = self._listed(self._renamed(path))
        except OSError:
            if not others:
                raise
            listed = []
        return sorted({*listed, *others}) if others else listed

    def link(self, path: str) -> str:
        """The text of a symbolic link, not followed."""
        path = self._renamed(path)
        if self.is_this_machine:
            return os.readlink(path)  # noqa: PTH115  Path would normalise the text
        parent, name = path.rstrip("/").rsplit("/", 1)
        fd = self._descend(parent, path)
        try:
            return os.readlink(name, dir_fd=fd)
        finally:
            os.close(fd)

    def exists(self, path: str) -> bool:
        """Whether the path leads to anything, links followed."""
        path = self._renamed(path)
        try:
            if self.is_this_machine:
                os.stat(path)  # noqa: PTH116  called for hundreds of paths; a Path costs more
            else:
                os.close(self._descend(path, path))
        except (OSError, ValueError):
            return False
        return True

    def status(self, path: str) -> os.stat_result | None:
        """What the file system says of a file, links followed; None where there is none to see.

        What a process has open lies below `/proc/PID/root` or `/proc/PID/fd`, which only the
        kernel can follow.
        """
        path = self._renamed(path)
        try:
            if self.is_this_machine:
                return os.stat(path)  # noqa: PTH116  a Path costs more
            fd = self._descend(path, path)
            try:
                return os.fstat(fd)
            finally:
                os.close(fd)
        except (OSError, ValueError):
            return None

    def size(self, path: str) -> int | None:
        """Size of a regular file in bytes, links followed; None for anything else."""
        status = self.status(path)
        return status.st_size if status is not None and stat.S_ISREG(status.st_mode) else None

    def first_line(self, path: str) -> str | None:
        """The first line of a file without blanks around it, or None where it cannot be read."""
        try:
            lines = self.read(path).splitlines()
        except (OSError, ValueError):
            return None
        return lines[0].strip() if lines else ""

    def names(self, path: str) -> list[str]:
        """Like `entries`, but empty where there is no such directory: absent is not an error."""
        try:
            return self.entries(path)
        except (OSError, ValueError):
            return []

    # -- inside a root that is not ours ---------------------------------------------------------

    def _listed(self, path: str) -> list[str]:
        if self.is_this_machine:
            return sorted(os.listdir(path))  # noqa: PTH208  names are wanted, not Paths
        fd = self._descend(path, path)
        try:
            listing = os.open(".", os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC, dir_fd=fd)
        finally:
            os.close(fd)
        try:
            return sorted(os.listdir(listing))  # noqa: PTH208  a descriptor
        finally:
            os.close(listing)

    def _open_inside(self, path: str) -> int:
        return _reopened(self._descend(path, path), path)

    def _descend(self, path: str, shown: str) -> int:
        """Walk `path` below the root, one component at a time; an O_PATH descriptor of its end.

        Links are resolved by hand, so that neither `..` nor an absolute target leaves the root.
        """
        trail = [os.open(self.root, os.O_PATH | os.O_DIRECTORY | os.O_CLOEXEC)]
        waiting = path.split("/")[::-1]
        links = 0
        try:
            while waiting:
                name = waiting.pop()
                if name in ("", "."):
                    continue
                if name == "..":
                    if len(trail) > 1:
                        os.close(trail.pop())
                    continue
                fd = os.open(name, _WALK_FLAGS, dir_fd=trail[-1])
                trail.append(fd)
                if stat.S_ISLNK(os.fstat(fd).st_mode):
                    links += 1
                    if links > _MAX_LINKS:
                        raise OSError(errno.ELOOP, os.strerror(errno.ELOOP), shown)
                    target = os.readlink("", dir_fd=fd)
                    os.close(trail.pop())
                    if target.startswith("/"):
                        for above in trail[1:]:
                            os.close(above)
                        del trail[1:]
                    waiting += target.split("/")[::-1]
            return os.dup(trail[-1])
        except OSError as error:
            error.filename = shown
            raise
        finally:
            for fd in trail:
                os.close(fd)

    # -- what a tree keeps under another name ---------------------------------------------------

    def _renamed(self, path: str) -> str:
        for directory in (_POLICY_DIR, _DISK_DIR):
            if path.startswith(directory + "/"):
                name, slash, rest = path[len(directory) + 1 :].partition("/")
                found = self._stand_ins(directory).get(name)
                return f"{found}{slash}{rest}" if found else path
        return path

    def _stand_ins(self, directory: str) -> dict[str, str]:
        """Names that belong into a directory but are kept elsewhere in this tree, and where.

        Captures of old kernels hold only cpuN/cpufreq, and no policies; some captures hold disks
        only as /sys/class/block. A kernel that runs lists its disks itself.
        """
        find = self._grouped_policies if directory == _POLICY_DIR else self._disks_of_class
        known = self._elsewhere.get(directory)
        if known is None or (self.is_this_machine and not known):
            self._elsewhere[directory] = {}  # what `find` reads must not come back here
            known = self._elsewhere[directory] = find()
        return known

    def _disks_of_class(self) -> dict[str, str]:
        if self.origin != "capture":
            return {}
        listed = set(self.names(_DISK_DIR))
        return {
            name: f"{_DISK_CLASS}/{name}"
            for name in self.names(_DISK_CLASS)
            # Partitions stand there too; only whole disks have a queue.
            if name not in listed and self.exists(f"{_DISK_CLASS}/{name}/queue")
        }

    def _grouped_policies(self) -> dict[str, str]:
        with suppress(OSError, ValueError):
            if any(name.startswith("policy") for name in self._listed(_POLICY_DIR)):
                return {}
        policies: dict[str, str] = {}
        covered: set[int] = set()
        numbers = sorted(
            int(name[3:]) for name in self.names(_CPU_DIR) if re.fullmatch(r"cpu[0-9]{1,5}", name)
        )
        for number in numbers:
            directory = f"{_CPU_DIR}/cpu{number}/cpufreq"
            if number in covered or not self.exists(directory):
                continue
            related = self.first_line(f"{directory}/related_cpus") or ""
            covered.update(int(cpu) for cpu in re.findall(r"\b[0-9]{1,5}\b", related))
            policies[f"policy{number}"] = directory
        return policies


def _reopened(fd: int, path: str) -> int:
    """A regular file for reading, of an O_PATH descriptor, which is closed."""
    try:
        # Looked at before it is opened: opening a device can already do something.
        if not stat.S_ISREG(os.fstat(fd).st_mode):
            raise OSError(errno.EINVAL, "not a regular file", path)
        return os.open(f"/proc/self/fd/{fd}", _READ_FLAGS)
    finally:
        os.close(fd)


def _whole(fd: int, path: str, limit: int) -> str:
    """The text of a file, whose descriptor is closed."""
    try:
        parts: list[bytes] = []
        size = 0
        while part := os.read(fd, 65536):
            parts.append(part)
            size += len(part)
            if size > limit:
                raise OSError(errno.EFBIG, os.strerror(errno.EFBIG), path)
    finally:
        os.close(fd)
    return b"".join(parts).decode("utf-8", "replace")


@contextmanager
def open_host(path: str | None = None) -> Iterator[Host]:
    """Open the machine itself, or the one that a directory or a tar archive is a copy of.

    Args:
        path: None for the running machine; a directory that holds `proc` or `sys` (or whose first
            subdirectory does); or a tar archive of such, plain, gzip or xz, which is unpacked into
            a private temporary directory and removed afterwards.

    Raises:
        HostError: there is no such thing, or it is no capture.
    """
    if path is None:
        yield Host()
        return
    given = Path(path)
    try:
        is_directory = given.is_dir()
    except OSError as error:  # such as a name too long to be one
        raise HostError(f"{path} cannot be opened: {error.strerror}.") from error
    if is_directory:
        yield _host_below(given, path)
        return
    from aitune_backends.capture_file import CaptureError, unpacked  # tarfile is large

    try:
        with unpacked(given) as directory:
            yield _host_below(directory, path)
    except CaptureError as error:
        raise HostError(str(error)) from error


def _host_below(directory: Path, shown: str) -> Host:
    root = _tree_root(directory)
    if root is None:
        raise HostError(f"{shown} holds neither proc nor sys: it is no capture of a machine.")
    root = root.resolve()
    if root == Path("/"):
        return Host()
    inner = "" if root == directory.resolve() else f" ({root.relative_to(directory.resolve())})"
    if _is_live(root):
        return Host(root, origin="live", label=f"the live machine below {shown}{inner}")
    host = Host(root, origin="capture", name=given_name(shown))
    name = host.first_line("/proc/sys/kernel/hostname") or host.first_line("/etc/hostname")
    host.label = f"a capture of {name or host.name}{inner} at {_taken(root)}"
    return host


def given_name(shown: str) -> str:
    """The name of a capture by its file: without directories and `.tar.xz`."""
    return re.sub(r"\.(tar|tgz|txz)(\.\w+)?$", "", Path(shown).name or shown)


def _tree_root(directory: Path) -> Path | None:
    """Where proc and sys lie: here, or in the first subdirectory by name that has them."""

    def holds(candidate: Path) -> bool:
        return any(
            (candidate / name).is_dir() and not (candidate / name).is_symlink()
            for name in ("proc", "sys")
        )

    if holds(directory):
        return directory
    below = sorted(child for child in directory.iterdir() if not child.is_symlink())
    return next((child for child in below if child.is_dir() and holds(child)), None)


def _is_live(root: Path) -> bool:
    """Whether `root`/proc or `root`/sys is a mounted procfs or sysfs, by its device number."""
    kinds: dict[str, str] = {}
    with suppress(OSError):
        for line in Path("/proc/self/mountinfo").read_text("utf-8", "replace").splitlines():
            mount, _, kind = line.partition(" - ")
            kinds[mount.split(" ")[2]] = kind.split(" ")[0]
    for name, kind in (("proc", "proc"), ("sys", "sysfs")):
        with suppress(OSError):
            device = (root / name).lstat().st_dev
            if kinds.get(f"{os.major(device)}:{os.minor(device)}") == kind:
                return True
    return False


def _taken(root: Path) -> str:
    """When a capture was taken: the date of a file that captures have, or of the root."""
    for path in (*(root / "proc" / name for name in ("meminfo", "stat", "version")), root):
        with suppress(OSError):
            return time.strftime("%Y-%m-%d %H:%M UTC", time.gmtime(path.lstat().st_mtime))
    return "an unknown time"
