"""The sandbox: what it takes away, what it leaves, and that it says truly which it was.

Most of it holds for any user: a child of the test confines itself and tries.
"""

from __future__ import annotations

import contextlib
import errno
import json
import os
import re
import socket
import sys
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

import pytest
from tests.unit.helper.conftest import OPS, Bench
from tests.unit.helper.test_helper_guardian import until

from aitune_helper import (
    breakout,
    capabilities,
    knobs,
    landlock,
    messages,
    sandbox,
    seccomp,
    surroundings,
)
from aitune_helper.actions import ACTIONS
from aitune_helper.capabilities import CapableKernel
from aitune_helper.guardian import ProcessGuardian
from aitune_helper.journal import Journal
from aitune_helper.kernelfs import RealKernel
from aitune_helper.messages import Layer
from aitune_helper.places import Places, prepare
from aitune_helper.seccomp import MACHINES, Instruction, Machine
from aitune_helper.service import Service
from aitune_helper.varlink import Fault

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

HEADERS = {
    "x86_64": Path("/usr/include/x86_64-linux-gnu/asm/unistd_64.h"),
    "aarch64": Path("/usr/include/asm-generic/unistd.h"),
}
ALLOW, KILL = "allow", "kill"
# Stands for the zipapp: a file that is no link.
PROGRAM = knobs.__file__


def in_a_child(do: Callable[[], object]) -> object:
    """What `do` returns in a fork of this process, whatever it does to itself."""
    ours, theirs = os.pipe()
    child = os.fork()
    if child == 0:
        try:
            said = json.dumps(do())
        except BaseException as error:  # noqa: BLE001 (it is told, and the fork ends here)
            said = json.dumps(f"failed: {error!r}")
        with contextlib.suppress(OSError):
            os.write(theirs, said.encode())
        os._exit(0)
    os.close(theirs)
    with os.fdopen(ours) as pipe:
        said = pipe.read()
    os.waitpid(child, 0)
    return json.loads(said)


@pytest.fixture
def ready(places: Places) -> Places:
    prepare(places)
    return places


def enter(places: Places) -> tuple[Layer, ...]:
    return sandbox.enter(RealKernel(), places, PROGRAM)


# ------------------------------------------------------------------ the filter, run by hand


def judge(program: tuple[Instruction, ...], arch: int, number: int, *arguments: int) -> str:
    """Run classic BPF as the kernel does; `allow`, `kill` or the name of an errno."""
    words = {0: number, 4: arch}
    for index, argument in enumerate(arguments):
        words[16 + 8 * index] = argument & 0xFFFFFFFF
        words[20 + 8 * index] = argument >> 32 & 0xFFFFFFFF
    at = accumulator = 0
    while True:
        code, jump_true, jump_false, k = program[at]
        at += 1
        if code == 0x20:
            accumulator = words.get(k, 0)
        elif code == 0x54:
            accumulator &= k
        elif code in {0x15, 0x35, 0x45}:
            holds = {0x15: accumulator == k, 0x35: accumulator >= k, 0x45: bool(accumulator & k)}
            at += jump_true if holds[code] else jump_false
        else:
            assert code == 0x06
            if k == 0x7FFF0000:
                return ALLOW
            return KILL if k == 0x80000000 else errno.errorcode[k & 0xFFFF]


class Ask(NamedTuple):
    """Judges calls on one machine by name."""

    machine: Machine
    program: tuple[Instruction, ...]

    def __call__(self, name: str, *arguments: int) -> str:
        tables = [seccomp.CALLS, seccomp.MISSING, {rule.name: rule.numbers for rule in RULES}]
        number = next(table[name] for table in tables if name in table)[self.machine.column]
        assert number is not None
        return judge(self.program, self.machine.audit, number, *arguments)


RULES = seccomp.RULES


@pytest.fixture(params=sorted(MACHINES))
def ask(request: pytest.FixtureRequest) -> Ask:
    machine = MACHINES[request.param]
    return Ask(machine, seccomp.program(machine))


def test_every_listed_call_is_denied(ask: Ask) -> None:
    for table, answer in ((seccomp.CALLS, "EPERM"), (seccomp.MISSING, "ENOSYS")):
        for name, numbers in table.items():
            if numbers[ask.machine.column] is not None:
                assert ask(name) == answer, name


def test_forks_are_let_through_and_namespaces_are_not(ask: Ask) -> None:
    assert ask("clone", 0x1200011) == ALLOW  # fork
    assert ask("clone", 0x3D0F00) == ALLOW  # a thread
    for new in (0x20000, 0x2000000, 0x4000000, 0x8000000, 0x10000000, 0x20000000, 0x40000000):
        assert ask("clone", new | 17) == "EPERM", hex(new)


def test_sockets_are_those_of_this_machine_alone(ask: Ask) -> None:
    for name in ("socket", "socketpair"):
        assert ask(name, 1, 2) == ALLOW
        for family in (0, 2, 10, 16, 17, 40):
            assert ask(name, family, 2) == "EPERM"


def test_a_rule_looks_at_the_word_that_the_kernel_looks_at(ask: Ask) -> None:
    assert ask("ioctl", 0, 0x5412) == ask("ioctl", 0, 0x541C) == "EPERM"
    assert ask("ioctl", 0, 0xF00000000 | 0x5412) == "EPERM", "the kernel drops the high word"
    assert ask("ioctl", 0x5412, 0x5401) == ALLOW
    assert ask("prlimit64", 0, 7) == ALLOW
    assert ask("prlimit64", 1, 7) == "EPERM"


def test_no_set_user_id_file_is_made(ask: Ask) -> None:
    assert ask("openat", 0, 0, 0, 0o4755) == ask("fchmod", 3, 0o6755) == "EPERM"
    assert ask("openat", 0, 0, 0, 0o600) == ask("fchmod", 3, 0o640) == ALLOW


def test_memory_is_mapped_for_oneself(ask: Ask) -> None:
    assert ask("mmap", 0, 4096, 3, 0x22) == ALLOW
    assert ask("mmap", 0, 4096, 1, 0x1) == ask("mmap", 0, 4096, 1, 0x3) == "EPERM"


def test_another_architecture_ends_the_process(ask: Ask) -> None:
    assert judge(ask.program, 0x40000003, 1) == KILL  # i386, whose numbers mean other calls


def test_x32_is_denied() -> None:
    machine = MACHINES["x86_64"]
    program = seccomp.program(machine)
    assert judge(program, machine.audit, 0x40000000 | 1) == "EPERM"
    assert judge(program, machine.audit, 1) == ALLOW


@pytest.mark.parametrize("name", sorted(HEADERS))
def test_the_numbers_are_the_kernels(name: str) -> None:
    header = HEADERS[name]
    if not header.exists():
        pytest.skip(f"{header} is not installed here")
    found = re.findall(r"#define __NR(?:3264)?_(\w+)\s+(\d+)", header.read_text())
    known = {call: int(number) for call, number in found}
    ours = {**seccomp.CALLS, **seccomp.MISSING, **{rule.name: rule.numbers for rule in RULES}}
    column = MACHINES[name].column
    for call, numbers in ours.items():
        number = numbers[column]
        if number is None or number <= max(known.values()):  # later ones the header cannot know
            assert number == known.get(call), call


# ------------------------------------------------------------------ what stays within reach


def beneath(path: str, way: str) -> bool:
    return path == way or path.startswith(way + "/")


def knob_files() -> Iterator[str]:
    for knob in knobs.KNOBS.values():
        instance = {knobs.DISK: "sda", knobs.NODE: "node3", knobs.POLICY: "policy7"}
        yield knob.file(instance.get(knob.scope, "cpu1" if knob.scope != knobs.GLOBAL else ""))
        if knob.total_path:
            yield knob.total_path
    for action in ACTIONS.values():
        yield action.path


def test_every_knob_can_be_written_and_nothing_is_reached_for_another_reason() -> None:
    ways = [way.path for way in landlock.knob_ways()]
    # Where a disk's directory really is.
    files = [path.replace("/sys/block/", "/sys/devices/pci/block/") for path in knob_files()]
    for file in files:
        assert any(beneath(file, way) for way in ways), file
    for way in ways:
        assert any(beneath(file, way) for file in files), way


def test_nothing_else_is_written_but_our_state_and_the_drop_ins() -> None:
    writes = {
        way.path
        for way in landlock.ways(Places(), "/x.pyz")
        if way.rights & ~landlock.READ
    }  # fmt: skip
    assert writes - {way.path for way in landlock.knob_ways()} == {
        "/run/aitune", "/var/lib/aitune", "/dev/null",
        "/etc/sysctl.d", "/etc/udev/rules.d", "/etc/tmpfiles.d", "/etc/modules-load.d",
    }  # fmt: skip


def test_what_may_be_read_is_the_kernel_and_ourselves() -> None:
    reads = {way.path for way in landlock.ways(Places(), "/x.pyz") if way.rights == landlock.READ}
    assert reads == {"/proc", "/sys", "/x.pyz"}


# ------------------------------------------------------------------ for real, in a child


def test_nothing_gets_out(ready: Places) -> None:
    def confined() -> object:
        layers = {layer.name: layer.held for layer in enter(ready)}
        return [layers, messages.to_object(breakout.Breakout(ready, PROGRAM).run())]

    told = in_a_child(confined)
    assert isinstance(told, list), told
    layers, attempts = told
    assert layers.pop("limits") is False, "a test has not closed itself off"
    assert set(layers) == {"capabilities", "no_new_privs", "landlock", "seccomp"}
    assert all(layers.values()), "this test needs a kernel with Landlock and seccomp"
    assert len(attempts) > 100
    assert [attempt for attempt in attempts if not attempt["held"]] == []


def test_no_service_can_be_called_and_nobody_be_answered(ready: Places) -> None:
    """Systemd runs anything for whoever is root at the other end: that is the way out of it all."""
    path = f"{ready.run}/service"

    def calls() -> object:
        with socket.socket(socket.AF_UNIX) as own:
            own.bind(path + ".own")
            enter(ready)
            said = [breakout.outcome(lambda: own.listen(1))]
        for kind in (socket.SOCK_STREAM, socket.SOCK_SEQPACKET, socket.SOCK_DGRAM):
            with socket.socket(socket.AF_UNIX, kind) as caller:
                said.append(breakout.outcome(partial(caller.connect, path)))
        return said

    with socket.socket(socket.AF_UNIX) as service:
        service.bind(path)
        service.listen(1)
        assert in_a_child(calls) == [[True, "EPERM"]] * 4


def test_guardian_and_log_are_reached_from_within(
    ready: Places, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(surroundings, "_SYSLOG", f"{ready.run}/log")

    def session() -> object:
        bench = Bench(ready)
        trial = bench.apply(("vm.swappiness", "", "33"))
        standby = ProcessGuardian(ready, lambda: bench.core.trials)
        standby.start()
        until(Path(ready.guard_socket).exists)
        enter(ready)
        surroundings.syslog("kept")
        # One of a service's is never forked, so it has to be met.
        met = ProcessGuardian(ready, lambda: bench.core.trials, Service(()))
        met.arm(trial.id)
        bench.core.trials.revert(trial.id, OPS)
        for guardian in (met, standby, bench.core):
            guardian.close()
        return "armed"

    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as log:
        log.bind(surroundings._SYSLOG)
        assert in_a_child(session) == "armed"
        assert log.recv(4096, socket.MSG_DONTWAIT).endswith(b": kept")


def test_the_self_test_finds_what_is_open_and_leaves_nothing(ready: Places) -> None:
    folders = [Path("/tmp"), Path("/dev/shm"), Path(ready.private)]  # noqa: S108

    def ours() -> list[str]:
        return [str(path) for folder in folders for path in folder.glob("aitune-self-test*")]

    attempts = in_a_child(
        lambda: messages.to_object(breakout.Breakout(ready, sys.executable).run())
    )
    assert isinstance(attempts, list)
    out = {attempt["name"]: attempt["note"] for attempt in attempts if not attempt["held"]}
    assert out["make a file in /tmp"] == "it was done"
    assert out["open a socket of AF_INET"] == "it was done"
    assert out["run a program"] == "it was done"
    assert out["make a file set-user-id"] == "it was done"
    assert out["call execve"] == "EFAULT"
    assert ours() == []


def test_a_kernel_without_landlock_or_seccomp_has_the_rest(
    ready: Places, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(landlock, "abi", lambda: 0)
    monkeypatch.setattr(seccomp, "MACHINES", {})
    told = in_a_child(lambda: messages.to_object(enter(ready)))
    assert isinstance(told, list), told
    layers = {layer["name"]: layer for layer in told}
    assert layers["landlock"] == {
        "name": "landlock", "held": False, "note": "not in this kernel"
    }  # fmt: skip
    assert layers["seccomp"]["held"] is False
    assert layers["seccomp"]["note"].startswith("no table for ")
    assert layers["capabilities"]["held"] is layers["no_new_privs"]["held"] is True


def test_an_older_landlock_is_asked_for_no_more_than_it_knows(
    ready: Places, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(landlock, "abi", lambda: 1)
    told = in_a_child(lambda: messages.to_object(enter(ready)))
    assert isinstance(told, list), told
    assert {"name": "landlock", "held": True, "note": "ABI 1"} in told


def test_entering_twice_does_no_harm(ready: Places) -> None:
    told = in_a_child(lambda: [messages.to_object(enter(ready)) for _ in range(2)])
    assert isinstance(told, list), told
    assert told[0] == told[1]


def test_nothing_is_imported_once_confined(ready: Places) -> None:
    """An import in the path of an error is found missing when it is needed most."""

    def session() -> object:
        imported: list[str] = []
        enter(ready)
        sys.addaudithook(
            lambda event, told: imported.append(str(told[0])) if event == "import" else None
        )
        bench = Bench(ready)
        for end in ("keep", "revert"):
            trial = bench.apply(("vm.swappiness", "", "33"), persist=True)
            if end == "keep":
                bench.core.trials.keep(trial.id, OPS, persist=True)
                bench.core.trials.unpersist((), OPS)
                bench.kernel.write("/proc/sys/vm/swappiness", "60")
            else:
                bench.core.trials.revert(trial.id, OPS)
        for wrong in ("-5", "x", "99999"):
            with contextlib.suppress(Fault):
                bench.apply(("vm.swappiness", "", wrong))
        with contextlib.suppress(Fault):
            bench.core.trials.keep("0" * 32, OPS, persist=False)
        bench.core.hello(OPS)
        bench.core.close()
        return imported

    assert in_a_child(session) == []


def test_without_the_right_to_join_its_group_the_journal_is_roots_alone(ready: Places) -> None:
    """A container may lack CAP_SETGID; then too a change can be journalled."""

    def journalled() -> object:
        capabilities.drop(())
        Journal(ready.journal, group=54321).append("test", {})
        return Path(ready.journal).stat().st_gid

    assert in_a_child(journalled) != 54321
    assert Path(ready.journal).read_text().count("\n") == 1


# ------------------------------------------------------------------ capabilities


class Nodes:
    """A kernel with nodes, and with a setting that needs a capability."""

    def __init__(self, online: str) -> None:
        self.online = online

    def read(self, path: str) -> str:
        if path == "/sys/devices/system/node/online" and self.online:
            return self.online + "\n"
        raise FileNotFoundError(errno.ENOENT, "", path)

    def write(self, path: str, value: str) -> None:
        raise AssertionError("nothing is written")

    def entries(self, path: str) -> list[str]:
        return ["numa_balancing"] if path == "/proc/sys/kernel" else []

    def link(self, path: str) -> str:
        raise FileNotFoundError(errno.ENOENT, "", path)

    def probe(self, path: str) -> None:
        raise FileNotFoundError(errno.ENOENT, "", path)


@pytest.mark.parametrize(
    ("online", "needed"),
    [("0", ()), ("", ()), ("0-1", ("CAP_SYS_ADMIN",)), ("0,8", ("CAP_SYS_ADMIN",))],
)
def test_a_capability_is_kept_only_where_more_than_one_node_is(
    online: str, needed: tuple[str, ...]
) -> None:
    assert capabilities.needed(Nodes(online)) == needed


def test_a_capability_is_raised_for_its_one_file(monkeypatch: pytest.MonkeyPatch) -> None:
    log: list[str] = []

    @contextlib.contextmanager
    def raised(name: str) -> Iterator[None]:
        log.append(f"+{name}")
        try:
            yield
        finally:
            log.append(f"-{name}")

    monkeypatch.setattr(capabilities, "raised", raised)
    monkeypatch.setattr(
        RealKernel, "write", lambda self, path, value: log.append(f"{path}={value}")
    )
    kernel = CapableKernel()
    kernel.write("/proc/sys/vm/swappiness", "10")
    kernel.write("/proc/sys/kernel/numa_balancing", "2")
    assert log == [
        "/proc/sys/vm/swappiness=10",
        "+CAP_SYS_ADMIN",
        "/proc/sys/kernel/numa_balancing=2",
        "-CAP_SYS_ADMIN",
    ]


def test_every_capability_of_the_table_has_a_number() -> None:
    named = {knob.capability for knob in knobs.KNOBS.values()} - {""}
    assert named == set(capabilities.NUMBERS)


def test_what_is_left_of_capabilities_is_told_by_the_kernel() -> None:
    def dropped() -> object:
        layer = capabilities.drop(())
        return [messages.to_object(layer), capabilities.sets_of_self()]

    told = in_a_child(dropped)
    assert isinstance(told, list), told
    layer, sets = told
    assert layer["held"] is True
    assert sets["CapEff"] == sets["CapPrm"] == sets["CapInh"] == sets["CapAmb"] == 0
