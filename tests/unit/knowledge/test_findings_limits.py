"""Limits of servers, of their groups, and of the machine: when each is said, and when not."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from aitune_backends.findings import cgroups, limits
from aitune_backends.findings.servers import (
    Server,
    find_servers,
    looks_like_a_server,
    parse_limits,
    read_commands,
)
from aitune_backends.readings import LoadSeen
from tests.unit.knowledge.findings_trees import GIB, by_id, memory, server, tree

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

    from aitune_backends.findings.finding import Finding
    from aitune_backends.host import Host


def servers_of(host: Host, loads: Sequence[LoadSeen] = ()) -> tuple[Server, ...]:
    return find_servers(host, read_commands(host), loads)


def found(root: Path, *parts: Mapping[str, str]) -> dict[str, Finding]:
    host = tree(root, *parts)
    return by_id(limits.findings(host, servers_of(host)))


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        ("/usr/bin/python3\0/usr/local/bin/vllm\0serve\0m", True),
        ("python3\0-m\0vllm.entrypoints.openai.api_server", True),
        ("python3\0-u\0-m\0sglang.launch_server", True),
        ("/opt/llama.cpp/llama-server\0-m\0x.gguf", True),
        ("/usr/local/bin/ollama\0serve", True),
        ("VLLM::EngineCore\0", True),
        ("vim\0/home/x/vllm/README", False),
        ("grep\0-r\0notvllm", False),
        ("bash\0-c\0x\0y\0vllm", False),  # far behind: an argument like any other
        ("", False),
    ],
)
def test_who_looks_like_a_server(arguments: str, expected: bool) -> None:
    assert looks_like_a_server(arguments) is expected


def test_what_is_read_of_a_server(tmp_path: Path) -> None:
    host = tree(tmp_path / "m", server(opened=5, maps=7, comm="vl\x1b[2Jlm"))
    (one,) = servers_of(host)
    assert (one.pid, one.command, one.open_files, one.maps) == (4711, "vl?[2Jlm", 5, 7)
    assert one.limits["Max locked memory"] == 8388608
    assert one.limits["Max cpu time"] is None


def test_a_load_makes_a_server_whatever_its_name_and_comes_first(tmp_path: Path) -> None:
    host = tree(tmp_path / "m", server(), server(99, command="./mine\0", comm="mine"))
    load = LoadSeen(99, "mine", "m", 1, 1, 0, 5 * GIB, None, None, "")
    first, second = servers_of(host, [load])
    assert (first.pid, first.model, second.pid, second.model) == (99, 5 * GIB, 4711, None)
    assert len(servers_of(tree(tmp_path / "n", *(server(pid) for pid in range(30, 60))))) == 8


@pytest.mark.parametrize("junk", ["", "Max", "Max locked memory -1 x", "\0" * 99, "Max a " * 999])
def test_limits_that_make_no_sense(junk: str) -> None:
    assert parse_limits(junk) == {}


@pytest.mark.parametrize(
    ("files", "expected"),
    [
        (server(locked="8388608"), {"memlock": "warning"}),
        (server(locked="unlimited"), {}),
        (server(locked=str(GIB)), {}),
        (server(locked="8388608", capabilities="0000000000004000"), {}),  # CAP_IPC_LOCK
        (server(locked="unlimited", files="10", opened=8), {"nofile": "problem"}),
        (server(locked="unlimited", files="10", opened=7), {}),
        (server(locked="unlimited", files="unlimited", opened=9), {}),
        (
            {**server(locked="unlimited", maps=80), "/proc/sys/vm/max_map_count": "100"},
            {"maps": "problem"},
        ),
        ({**server(locked="unlimited", maps=79), "/proc/sys/vm/max_map_count": "100"}, {}),
        ({"/proc/mounts": "tmpfs /dev/shm tmpfs rw,size=65536k 0 0"}, {"shm-small": "warning"}),
        ({"/proc/mounts": "tmpfs /dev/shm tmpfs rw,size=1048576k 0 0"}, {}),
        ({"/proc/mounts": "tmpfs /dev/shm tmpfs rw,size=0k 0 0"}, {}),
        ({"/proc/sys/fs/aio-nr": "80", "/proc/sys/fs/aio-max-nr": "100"}, {"aio": "problem"}),
        ({"/proc/sys/fs/aio-nr": "79", "/proc/sys/fs/aio-max-nr": "100"}, {}),
        ({"/proc/sys/fs/aio-nr": "0", "/proc/sys/fs/aio-max-nr": "0"}, {}),
        ({"/proc/sys/kernel/io_uring_disabled": "2"}, {"io-uring": "limit"}),
        ({"/proc/sys/kernel/io_uring_disabled": "0"}, {}),
        (
            {"/proc/loadavg": "1 1 1 3/80 99", "/proc/sys/kernel/pid_max": "100"},
            {"threads": "problem"},
        ),
        (
            {
                "/proc/loadavg": "1 1 1 3/80 99",
                "/proc/sys/kernel/pid_max": "200",
                "/proc/sys/kernel/threads-max": "90",
            },
            {"threads": "problem"},
        ),
        ({"/proc/loadavg": "1 1 1 3/79 99", "/proc/sys/kernel/pid_max": "100"}, {}),
        ({"/proc/loadavg": "[[[", "/proc/sys/kernel/pid_max": "-5"}, {}),
    ],
)
def test_limits(tmp_path: Path, files: dict[str, str], expected: dict[str, str]) -> None:
    got = found(tmp_path / "m", files)
    assert {name: finding.severity for name, finding in got.items()} == expected


@pytest.mark.parametrize(("most", "plan"), [(100, 262144), (1048576, 4194304)])
def test_the_plan_for_more_maps(tmp_path: Path, most: int, plan: int) -> None:
    host = tree(tmp_path / "m", {"/proc/sys/vm/max_map_count": str(most)})
    finding = by_id(limits.findings(host, [Server(1, "x", maps=most)]))["maps"]
    assert finding.plan == f"aitune-tui plan vm.max_map_count={plan}"


V2 = {"/proc/mounts": "cgroup2 /sys/fs/cgroup cgroup2 rw 0 0", **memory(64 * GIB)}
CPUS = {"/sys/devices/system/cpu/online": "0-7"}
HERE = "/sys/fs/cgroup/a/b"
V1 = {
    "/proc/mounts": "cgroup /c/memory cgroup rw,memory 0 0\ncgroup /c/set cgroup rw,cpuset 0 0\n"
    "cgroup /c/huge cgroup rw,hugetlb 0 0\ncgroup2 /c/unified cgroup2 rw 0 0",
    **memory(64 * GIB),
}
IN_V2 = server(cgroup="0::/a/b")
IN_V1 = server(cgroup="4:memory:/a/b\n3:cpuset:/a\n2:hugetlb:/\n0::/")


@pytest.mark.parametrize(
    ("files", "expected", "words"),
    [
        ({**V2, **IN_V2, f"{HERE}/memory.max": "max"}, {}, ""),
        ({**V2, **IN_V2, f"{HERE}/memory.max": str(99 * GIB)}, {}, ""),
        (
            {**V2, **IN_V2, f"{HERE}/memory.max": str(8 * GIB)},
            {"cgroup-memory": "info"},
            "may use 8 GiB of 64 GiB: the limit of its group /a/b.",
        ),
        # The least on the way up is the one that counts.
        (
            {
                **V2,
                **IN_V2,
                f"{HERE}/memory.max": str(8 * GIB),
                "/sys/fs/cgroup/a/memory.max": str(4 * GIB),
                "/sys/fs/cgroup/a/memory.current": str(4 * GIB),
            },
            {"cgroup-memory": "problem"},
            "may use 4 GiB of 64 GiB: the limit of its group /a. ",
        ),
        (
            {
                **V2,
                **IN_V2,
                f"{HERE}/memory.max": str(8 * GIB),
                f"{HERE}/memory.high": str(6 * GIB),
                f"{HERE}/memory.current": str(6 * GIB),
            },
            {"cgroup-memory": "problem"},
            "it is slowed down now",
        ),
        (
            {**V2, **IN_V2, f"{HERE}/memory.events": "low 0\noom 3\noom_kill 2"},
            {"cgroup-killed": "problem"},
            "2 processes of /a/b",
        ),
        ({**V2, **IN_V2, f"{HERE}/memory.events": "oom 3\noom_kill 0"}, {}, ""),
        (
            {**V2, **IN_V2, **CPUS, f"{HERE}/cpuset.cpus.effective": "0-3"},
            {"cgroup-cpus": "info"},
            "on 4 of 8 CPUs: 0-3",
        ),
        ({**V2, **IN_V2, **CPUS, f"{HERE}/cpuset.cpus.effective": "0-7"}, {}, ""),
        (
            {
                **V2,
                **IN_V2,
                f"{HERE}/hugetlb.2MB.max": "0",
                "/sys/kernel/mm/hugepages/hugepages-2048kB/nr_hugepages": "64",
            },
            {"cgroup-huge-pages": "warning"},
            "may use 0 KiB in huge pages of 2MB of the 128 MiB",
        ),
        (
            {
                **V2,
                **IN_V2,
                f"{HERE}/hugetlb.2MB.max": str(64 << 21),
                f"{HERE}/hugetlb.1GB.max": "max",
                "/sys/kernel/mm/hugepages/hugepages-2048kB/nr_hugepages": "64",
            },
            {},
            "",
        ),
        # The other hierarchy: a tree for each controller, and a word for "no limit" of its own.
        (
            {**V1, **IN_V1, "/c/memory/a/b/memory.limit_in_bytes": "9223372036854771712"},
            {"cgroup-v1": "info"},
            "",
        ),
        (
            {
                **V1,
                **IN_V1,
                **CPUS,
                "/c/memory/a/b/memory.limit_in_bytes": str(8 * GIB),
                "/c/memory/a/b/memory.usage_in_bytes": str(8 * GIB),
                "/c/memory/a/b/memory.oom_control": "oom_kill_disable 0\noom_kill 5",
                "/c/set/a/cpuset.effective_cpus": "1,3",
            },
            {
                "cgroup-v1": "info",
                "cgroup-memory": "problem",
                "cgroup-killed": "problem",
                "cgroup-cpus": "info",
            },
            "may use 8 GiB of 64 GiB",
        ),
        # Outside our namespace, and nonsense.
        ({**V2, **server(cgroup="0::/../../x"), "/sys/fs/cgroup/x/memory.max": "1"}, {}, ""),
        (
            {
                **V2,
                **server(cgroup="0::/../../x"),
                "/sys/fs/cgroup/cgroup.procs": "1",
                "/sys/x/memory.max": "1",
            },
            {},
            "",
        ),
        ({**V2, **IN_V2, f"{HERE}/memory.max": "junk\x1b[2J"}, {}, ""),
        ({**V2, **server(cgroup="::\n0:\nx\n0::relative"), "/etc/passwd": "x"}, {}, ""),
        ({**V2, **IN_V2, f"{HERE}/memory.max": "-1", f"{HERE}/memory.high": "9" * 30}, {}, ""),
    ],
)
def test_groups(
    tmp_path: Path, files: dict[str, str], expected: dict[str, str], words: str
) -> None:
    host = tree(tmp_path / "m", files)
    got = by_id(cgroups.findings(host, servers_of(host)))
    assert {name: finding.severity for name, finding in got.items()} == expected
    assert words in " ".join(finding.sentence for finding in got.values())


def test_a_model_larger_than_the_limit_of_its_group(tmp_path: Path) -> None:
    host = tree(tmp_path / "m", V2, {f"{HERE}/memory.max": str(8 * GIB)})
    loading = Server(1, "x", cgroup="0::/a/b", model=9 * GIB)
    finding = by_id(cgroups.findings(host, [loading]))["cgroup-memory"]
    assert finding.severity == "warning"
    assert "its model of 9 GiB cannot stay in the page cache" in finding.sentence
