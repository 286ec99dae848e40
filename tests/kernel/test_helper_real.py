"""The helper on the running kernel: huge pages, overcommit, a loop device, and what goes wrong."""

from __future__ import annotations

import contextlib
import os
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from tests.kernel.helper_runner import make_core, parse, places_in
from tests.kernel.kernel_files import loop_queue, other, value

from aitune_helper import messages
from aitune_helper.apply import Wanted
from aitune_helper.messages import Caller
from aitune_helper.state import LockedError, State, boot_id, boottime, hold
from aitune_helper.varlink import Fault

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from aitune_helper.messages import Trial
    from aitune_helper.server import Core

pytestmark = [
    pytest.mark.root,
    pytest.mark.skipif(os.geteuid() != 0, reason="changes settings of this kernel"),
]

RUNNER = Path(__file__).parent / "helper_runner.py"
ROOT = Caller(0, "root", attested=True)
PATIENCE_S = 15.0
VM = Path("/proc/sys/vm")
POOL = Path("/sys/kernel/mm/hugepages/hugepages-2048kB/nr_hugepages")


def until(holds: Callable[[], object]) -> None:
    give_up = time.monotonic() + PATIENCE_S
    while not holds():
        assert time.monotonic() < give_up, "it did not happen"
        time.sleep(0.01)


@pytest.fixture
def base(tmp_path: Path) -> Iterator[str]:
    yield str(tmp_path)
    # Nothing may stay open: a trial that a failed test left is put back here.
    core = make_core(str(tmp_path))
    pending = core.trials.pending()
    if pending is not None:
        core.trials.revert(pending.id, ROOT)
    core.close()
    until(lambda: no_guardian(str(tmp_path)))


def no_guardian(base: str) -> bool:
    try:
        with hold(places_in(base).guard_lock):
            return True
    except LockedError:
        return False


@pytest.fixture
def core(base: str) -> Iterator[Core]:
    made = make_core(base)
    yield made
    made.close()


@pytest.fixture
def loop(tmp_path: Path) -> Iterator[Path]:
    with loop_queue(tmp_path / "image") as queue:
        yield queue


def apply(
    core: Core,
    *texts: str,
    ttl_s: float = 60.0,
    on_partial: str = messages.ROLLBACK,
    undo_of: str | None = None,
) -> Trial:
    changes = tuple(parse(text) for text in texts)
    wanted = Wanted(changes, core.plan(changes, force=False).hash, ttl_s, on_partial)
    return core.apply(wanted._replace(undo_of=undo_of), ROOT)


def classic(loop: Path) -> dict[Path, str]:
    """Files and other values for them, of every kind that this machine has."""
    pages = str(int(value(POOL)) + 24)
    return {
        VM / "overcommit_memory": other(VM / "overcommit_memory", "1", "0"),
        VM / "overcommit_ratio": other(VM / "overcommit_ratio", "90", "80"),
        VM / "swappiness": other(VM / "swappiness", "10", "20"),
        POOL: pages,
        loop / "scheduler": other(loop / "scheduler", "mq-deadline", "none"),
        loop / "nr_requests": "64",
        loop / "read_ahead_kb": "1024",
    }


def texts(wanted: dict[Path, str]) -> list[str]:
    names = []
    for path, new in wanted.items():
        if path == POOL:
            names.append(f"hugepages.2048kB={new}")
        elif path.parent == VM:
            names.append(f"vm.{path.name}={new}")
        else:
            names.append(f"block.{path.name}@{path.parent.parent.name}={new}")
    return names


def test_every_kind_is_applied_kept_and_undone(core: Core, loop: Path) -> None:
    wanted = classic(loop)
    before = {path: value(path) for path in wanted}
    trial = apply(core, *texts(wanted))
    assert {item.status for item in trial.items} == {messages.OK}
    assert {path: value(path) for path in wanted} == wanted
    huge = next(item for item in trial.items if item.knob == "hugepages.2048kB")
    assert sum(int(part.effective or 0) for part in huge.parts) == int(wanted[POOL])
    kept = core.trials.keep(trial.id, ROOT, persist=True).trial
    assert kept.persisted == "yes"
    assert {path: value(path) for path in wanted} == wanted
    undo = apply(core, *texts(before), undo_of=trial.id)
    core.trials.keep(undo.id, ROOT, persist=False)
    assert {path: value(path) for path in before} == before
    assert core.trials.lasting.values() == {}


def test_every_kind_is_put_back_by_the_guardian_when_the_helper_is_killed(
    base: str, loop: Path
) -> None:
    wanted = classic(loop)
    before = {path: value(path) for path in wanted}
    helper = os.fork()
    if helper == 0:
        with contextlib.suppress(BaseException):
            apply(make_core(base), *texts(wanted), ttl_s=1.0)
        os.kill(os.getpid(), signal.SIGKILL)
    os.waitpid(helper, 0)
    assert {path: value(path) for path in wanted} == wanted
    until(lambda: {path: value(path) for path in before} == before)
    until(lambda: no_guardian(base))


def test_helper_and_guardian_killed_the_next_start_puts_back(base: str, loop: Path) -> None:
    wanted = classic(loop)
    before = {path: value(path) for path in wanted}
    helper = os.fork()
    if helper == 0:
        with contextlib.suppress(BaseException):
            apply(make_core(base), *texts(wanted), ttl_s=0.5)
        os.kill(os.getpid(), signal.SIGKILL)
    os.waitpid(helper, 0)
    os.kill(guardian_pid(base), signal.SIGKILL)
    until(lambda: no_guardian(base))
    core = make_core(base)
    public = core.trials.state.public()
    if core.trials.pending() is not None:  # started within the half second
        until(lambda: core.trials.pending() is None)
    else:
        assert public.pending is None
    assert {path: value(path) for path in before} == before
    core.close()


def guardian_pid(base: str) -> int:
    """Who holds the guardian's lock, as the kernel lists it."""
    inode = Path(places_in(base).guard_lock).stat().st_ino
    for line in Path("/proc/locks").read_text().splitlines():
        fields = line.split()
        if fields[1] == "FLOCK" and fields[5].endswith(f":{inode}"):
            return int(fields[4])
    raise AssertionError("no guardian holds its lock")


def test_an_overdue_trial_is_seen_by_all_until_then(base: str) -> None:
    """Both killed by root, and nobody starts: public.json says that it is overdue."""
    swappiness = VM / "swappiness"
    before = value(swappiness)
    helper = os.fork()
    if helper == 0:
        with contextlib.suppress(BaseException):
            apply(make_core(base), f"vm.swappiness={other(swappiness, '10', '20')}", ttl_s=0.5)
        os.kill(os.getpid(), signal.SIGKILL)
    os.waitpid(helper, 0)
    os.kill(guardian_pid(base), signal.SIGKILL)
    until(lambda: no_guardian(base))
    state = State(places_in(base), boot_id())
    pending = state.public().pending
    assert pending is not None
    deadline = pending.deadline or 0.0
    until(lambda: boottime() > deadline)
    assert value(swappiness) != before
    assert state.public().pending == pending
    core = make_core(base)
    assert value(swappiness) == before
    assert "overdue" in core.trials.notices[0]
    core.close()


def test_two_helpers_the_second_is_busy(base: str, core: Core) -> None:
    first = apply(core, f"vm.swappiness={other(VM / 'swappiness', '10', '20')}")
    second = make_core(base)
    with pytest.raises(Fault) as raised:
        apply(second, "vm.overcommit_ratio=90")
    assert raised.value.parameters["trial"] == messages.to_object(first)
    assert second.trials.revert(first.id, ROOT).complete, "any operator may end it"
    second.close()


def test_what_somebody_else_sets_meanwhile_is_left(core: Core) -> None:
    swappiness, ratio = VM / "swappiness", VM / "overcommit_ratio"
    before = value(swappiness)
    trial = apply(
        core,
        f"vm.swappiness={other(swappiness, '10', '20')}",
        f"vm.overcommit_ratio={other(ratio, '90', '80')}",
    )
    swappiness.write_text("33")
    try:
        ended = core.trials.revert(trial.id, ROOT)
        assert [item.status for item in ended.items] == ["drifted", "reverted"]
        assert value(swappiness) == "33"
    finally:
        swappiness.write_text(before)


def test_a_ratio_set_by_size_comes_back_by_size(core: Core) -> None:
    ratio, kbytes = VM / "overcommit_ratio", VM / "overcommit_kbytes"
    before = value(ratio)
    assert value(kbytes) == "0", "this test needs a machine with a ratio"
    kbytes.write_text("4194304")
    try:
        trial = apply(core, "vm.overcommit_ratio=90")
        assert value(kbytes) == "0"
        assert core.trials.revert(trial.id, ROOT).complete
        assert (value(ratio), value(kbytes)) == ("0", "4194304")
    finally:
        ratio.write_text(before)


def test_a_scheduler_takes_its_queue_length_along_and_both_come_back(
    core: Core, loop: Path
) -> None:
    (loop / "nr_requests").write_text("100")
    (loop / "read_ahead_kb").write_text("260")
    before = {name: value(loop / name) for name in ("scheduler", "nr_requests", "read_ahead_kb")}
    trial = apply(
        core,
        f"block.scheduler@{loop.parent.name}={other(loop / 'scheduler', 'mq-deadline', 'none')}",
    )
    assert value(loop / "nr_requests") != "100", "the kernel resets it: else this proves nothing"
    assert core.trials.revert(trial.id, ROOT).complete
    assert {name: value(loop / name) for name in before} == before


def test_rounding_is_said(core: Core, loop: Path) -> None:
    trial = apply(core, f"block.read_ahead_kb@{loop.parent.name}=777")
    item = trial.items[0]
    assert (item.status, item.effective) == (messages.ROUNDED, "776")
    core.trials.revert(trial.id, ROOT)


def test_gigantic_pages_are_counted_as_they_came(core: Core) -> None:
    pool = Path("/sys/kernel/mm/hugepages/hugepages-1048576kB/nr_hugepages")
    if not pool.exists():
        pytest.skip("no huge pages of 1 GiB here")
    before = value(pool)
    trial = apply(core, f"hugepages.1048576kB={int(before) + 3}", on_partial=messages.ACCEPT)
    assert trial.items[0].effective == value(pool)
    expected = messages.OK if int(value(pool)) == int(before) + 3 else messages.PARTIAL
    assert trial.items[0].status == expected
    assert core.trials.revert(trial.id, ROOT).complete
    assert value(pool) == before


def test_a_full_disk_under_the_journal_means_no_change_and_never_stops_going_back(
    base: str, core: Core
) -> None:
    state = Path(places_in(base).state)
    before = value(VM / "swappiness")
    changed = other(VM / "swappiness", "10", "20")
    mounted = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", "size=64k", "none", state], capture_output=True, check=False
    )
    if mounted.returncode:
        pytest.skip("no file system can be mounted here")
    try:
        trial = apply(core, f"vm.swappiness={changed}")
        fill(state / "filler")
        ended = core.trials.revert(trial.id, ROOT)
        assert ended.complete
        assert value(VM / "swappiness") == before
        # The page that the journal ends in has room for a few lines more.
        with pytest.raises(Fault) as raised:
            again_and_again(core, f"vm.swappiness={changed}")
        assert raised.value.parameters == {"reason": "ENOSPC"}
        assert value(VM / "swappiness") == before
        subprocess.run(["mount", "-o", "remount,ro", state], check=True)
        assert not core.hello(ROOT).journal_ok
        with pytest.raises(Fault) as raised:
            apply(core, f"vm.swappiness={changed}")
        assert raised.value.parameters == {"reason": "EROFS"}
    finally:
        subprocess.run(["umount", state], check=True)


def again_and_again(core: Core, text: str) -> None:
    for _ in range(20):
        core.trials.revert(apply(core, text).id, ROOT)


def fill(path: Path) -> None:
    with path.open("wb", buffering=0) as file, contextlib.suppress(OSError):
        while True:
            file.write(b"x" * 512)


def test_another_disk_under_the_same_name_is_left_alone(core: Core) -> None:
    control = Path("/sys/class/zram-control")
    if not control.exists():
        pytest.skip("no zram here")
    number = (control / "hot_add").read_text().strip()
    queue = Path(f"/sys/block/zram{number}/queue")
    try:
        trial = apply(core, f"block.read_ahead_kb@zram{number}=512")
        assert value(queue / "read_ahead_kb") == "512"
        (control / "hot_remove").write_text(number)
        again = (control / "hot_add").read_text().strip()
        assert again == number, "another device took the number"
        fresh = value(queue / "read_ahead_kb")
        ended = core.trials.revert(trial.id, ROOT)
        assert ended.items[0].status == messages.VANISHED
        assert value(queue / "read_ahead_kb") == fresh
    finally:
        (control / "hot_remove").write_text(number)


def test_a_helper_program_says_hello_and_lets_go_of_its_client(base: str) -> None:
    ours, theirs = socket.socketpair()
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
    command = [sys.executable, str(RUNNER), "serve", base]
    their = theirs.fileno()
    with subprocess.Popen(command, stdin=their, stdout=their, env=environment) as helper:
        theirs.close()
        ours.sendall(
            b'{"method":"io.aitune.Helper1.Hello","parameters":{"protocol_max":1}}\0'
            b'{"method":"io.aitune.Helper1.Cancel","oneway":true}\0'
        )
        assert b'"guardian":"process"' in ours.recv(65536)
        helper.kill()
        helper.wait()
        ours.settimeout(PATIENCE_S)
        assert ours.recv(1) == b"", "the guardian must not hold the client's socket"
    ours.close()
