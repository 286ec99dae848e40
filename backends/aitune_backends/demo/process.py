"""The made-up vllm, process 48211, as /proc tells of it: the file it reads and how far it is."""

from __future__ import annotations

from typing import TYPE_CHECKING

from .tree import MODEL_DIRECTORY, model_file

if TYPE_CHECKING:
    from .files import Files
    from .story import Scene

PID = 48211
_HERE = f"/proc/{PID}"
_DESCRIPTOR = 57
_MAPPED_AT = 0x7F2E00000000
_ARGUMENTS = ("/usr/bin/python3", "/usr/local/bin/vllm", "serve", MODEL_DIRECTORY)
# As systemd starts a service that asks for nothing.
_LIMITS = """\
Limit                     Soft Limit           Hard Limit           Units
Max open files            1048576              1048576              files
Max locked memory         8388608              8388608              bytes"""


class Vllm:
    """The process that loads the model; one of its files is open and mapped at a time."""

    def __init__(self, files: Files) -> None:
        self._files = files
        files.put_all(
            _HERE,
            {
                "comm": "vllm",
                "cmdline": "\0".join((*_ARGUMENTS, "--tensor-parallel-size", "8")) + "\0",
                "cgroup": "0::/system.slice/vllm.service",
                "stat": f"{PID} (vllm) S 1 {PID} {PID} 0 -1 4194560 912204 0 4821 0 52118 20114 0 "
                "0 20 0 211 0 131004211 140211204096 28311552 18446744073709551615 0 0 0 0 0 0 0 "
                "16781312 16384 0 0 0 17 3 0 0 0 0 0 0 0 0 0 0 0 0 0",
                "oom_score_adj": 0,
                "limits": _LIMITS,
            },
        )
        for descriptor in range(3):
            files.link(f"{_HERE}/fd/{descriptor}", "/dev/null")
            files.put(
                f"{_HERE}/fdinfo/{descriptor}", "pos:\t0\nflags:\t0100002\nmnt_id:\t28\nino:\t5"
            )

    def write(self, now: Scene) -> None:
        """Write what this instant makes of the process."""
        self._files.put(
            f"{_HERE}/status",
            f"Name:\tvllm\nState:\tS (sleeping)\nTgid:\t{PID}\nPid:\t{PID}\nPPid:\t1\n"
            "Uid:\t1001\t1001\t1001\t1001\nGid:\t1001\t1001\t1001\t1001\n"
            f"VmRSS:\t{now.used_kib * 4 // 5} kB\nThreads:\t211\nCpus_allowed_list:\t0-31\n"
            "Mems_allowed_list:\t0",
        )
        self._files.put(
            f"{_HERE}/io",
            f"rchar: {now.read_bytes}\nwchar: 48211\nsyscr: {now.read_bytes >> 20}\nsyscw: 912\n"
            f"read_bytes: {now.read_bytes}\nwrite_bytes: 0\ncancelled_write_bytes: 0",
        )
        self._write_open_file(now)

    def _write_open_file(self, now: Scene) -> None:
        descriptor = f"{_HERE}/fd/{_DESCRIPTOR}"
        information = f"{_HERE}/fdinfo/{_DESCRIPTOR}"
        if not now.reading:
            self._files.remove(descriptor)
            self._files.remove(information)
            self._files.put(f"{_HERE}/maps", "")
            return
        path = model_file(now.file)
        status = self._files.path(path).stat()
        self._files.link(descriptor, path)
        self._files.put(
            information,
            f"pos:\t{now.position}\nflags:\t0100000\nmnt_id:\t41\nino:\t{status.st_ino}",
        )
        end = _MAPPED_AT + status.st_size
        self._files.put(
            f"{_HERE}/maps",
            f"{_MAPPED_AT:012x}-{end:012x} r--p 00000000 103:01 {status.st_ino:<26} {path}",
        )
