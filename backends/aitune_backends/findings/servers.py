"""Processes that look like a model server: by the model files they load, or by their commands."""

from __future__ import annotations

import re
import time
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from aitune_backends.changes import shown
from aitune_backends.findings.reading import text

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from aitune_backends.host import Host
    from aitune_backends.readings import LoadSeen

_MOST = 8
# Our CPU time for looking through command lines; on a machine of thousands of processes some
# servers may be missed, those that load are not.
_SECONDS = 0.03
_ARGUMENTS = 1 << 16
_MAPS = 16 << 20
_CAP_IPC_LOCK = 14
_NAMES = re.compile(
    r"(?:^|[/\0])(?:vllm|sglang|llama-server|ollama|tritonserver|lmdeploy|trtllm-serve|koboldcpp"
    r"|text-generation-(?:launcher|server|router)|mlc_llm)(?:$|\0)"
    r"|\0-m\0(?:vllm|sglang|lmdeploy|mlc_llm)(?:\.|\0)|^(?:VLLM|sglang|ray)::"
)
_LIMIT = re.compile(r"^(Max [a-z ]{1,30}?) {2,}([0-9]+|unlimited) +([0-9]+|unlimited)", re.M)


@dataclass(frozen=True, slots=True)
class Server:
    """One process that serves a model, as far as we may see it.

    Attributes:
        pid, command: Which one; the command is fit to be shown.
        cgroup: Its `/proc/PID/cgroup`, or "".
        limits: Soft limits by the kernel's names for them; None is unlimited.
        locks_freely: Whether it may lock memory without limit (CAP_IPC_LOCK).
        open_files: How many files it has open; None where that is not ours to see.
        maps: How many memory maps it has; None where that is not ours to see.
        model: Bytes of the model it loads, where it is seen to.
    """

    pid: int
    command: str
    cgroup: str = ""
    limits: Mapping[str, int | None] = field(default_factory=dict)
    locks_freely: bool = False
    open_files: int | None = None
    maps: int | None = None
    model: int | None = None

    @property
    def name(self) -> str:
        """Which one, for a sentence."""
        return f"{self.command} ({self.pid})"


def read_commands(host: Host) -> dict[int, str]:
    """`/proc/PID/cmdline` of the processes, the youngest first, as far as our time goes."""
    until = time.thread_time() + _SECONDS
    pids = [int(name) for name in host.names("/proc") if re.fullmatch("[0-9]{1,9}", name)]
    commands: dict[int, str] = {}
    for pid in sorted(pids, reverse=True):
        if time.thread_time() > until:
            break
        if arguments := text(host, f"/proc/{pid}/cmdline", limit=_ARGUMENTS):
            commands[pid] = arguments
    return commands


def find_servers(
    host: Host, commands: Mapping[int, str], loads: Sequence[LoadSeen] = ()
) -> tuple[Server, ...]:
    """The model servers of a machine, those seen to load first; at most eight."""
    models = {load.pid: load.total for load in loads}
    named = (pid for pid, arguments in commands.items() if looks_like_a_server(arguments))
    pids = dict.fromkeys([*models, *named])
    return tuple(_read_server(host, pid, models.get(pid)) for pid in list(pids)[:_MOST])


def looks_like_a_server(arguments: str) -> bool:
    """Whether `/proc/PID/cmdline` is that of a model server; its first four arguments tell."""
    return _NAMES.search("\0".join(arguments.split("\0")[:4])) is not None


def _read_server(host: Host, pid: int, model: int | None) -> Server:
    here = f"/proc/{pid}"
    files = host.names(f"{here}/fd")
    maps = text(host, f"{here}/maps", limit=_MAPS)
    return Server(
        pid=pid,
        command=shown(host.first_line(f"{here}/comm") or "?"),
        cgroup=text(host, f"{here}/cgroup", limit=_ARGUMENTS),
        limits=parse_limits(text(host, f"{here}/limits", limit=_ARGUMENTS)),
        locks_freely=locks_freely(text(host, f"{here}/status", limit=_ARGUMENTS)),
        open_files=len(files) if files else None,
        maps=maps.count("\n") if maps else None,
        model=model,
    )


def parse_limits(limits: str) -> dict[str, int | None]:
    """`/proc/PID/limits`: each soft limit, None for `unlimited`."""
    return {
        name: None if soft == "unlimited" else int(soft[:19])
        for name, soft, _ in _LIMIT.findall(limits)
    }


def locks_freely(status: str) -> bool:
    """Whether a process, by its `/proc/PID/status`, may lock memory whatever its limit says."""
    found = re.search(r"^CapEff:\s*([0-9a-fA-F]{1,16})$", status, re.MULTILINE)
    return found is not None and bool(int(found[1], 16) >> _CAP_IPC_LOCK & 1)
