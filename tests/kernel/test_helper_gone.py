"""What is gone, stopped or another by the time of going back: the disk, the helper, the socket."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
from pathlib import Path

import pytest
from tests.kernel.helper_runner import make_core, places_in
from tests.kernel.kernel_files import other, value
from tests.kernel.test_helper_real import (
    ROOT,
    VM,
    apply,
    base,
    guardian_pid,
    loop,
    no_guardian,
    until,
)

from aitune_helper import messages, trial, writing
from aitune_helper.varlink import Fault

__all__ = ["base", "loop"]

pytestmark = [
    pytest.mark.root,
    pytest.mark.skipif(os.geteuid() != 0, reason="changes settings of this kernel"),
]

SWAPPINESS = VM / "swappiness"


@pytest.mark.parametrize("who", ["helper", "guardian"])
def test_another_file_behind_the_same_loop_device(
    base: str, loop: Path, tmp_path: Path, who: str
) -> None:
    name = loop.parent.name
    ahead = loop / "read_ahead_kb"
    core = make_core(base)
    ttl_s = 60.0 if who == "helper" else 0.6
    opened = apply(core, f"block.read_ahead_kb@{name}=64", "vm.swappiness=33", ttl_s=ttl_s)
    try:
        subprocess.run(["losetup", "--detach", f"/dev/{name}"], check=True)
        (tmp_path / "another").write_bytes(bytes(1 << 20))
        subprocess.run(["losetup", f"/dev/{name}", tmp_path / "another"], check=True)
        ahead.write_text("332")
        if who == "helper":
            core.trials.revert(opened.id, ROOT)
        until(lambda: core.trials.pending() is None)
        ended = core.trials.journal.history(1).trials[0]
        fates = {item.knob: item.status for item in ended.items}
        assert fates == {"block.read_ahead_kb": "vanished", "vm.swappiness": "reverted"}
        assert not ended.complete
        assert value(ahead) == "332", "another disk: not ours to write"
    finally:
        core.close()


def test_a_disk_that_went_and_came_back_no_more(base: str, loop: Path) -> None:
    control = Path("/sys/class/zram-control")
    if not control.exists():
        pytest.skip("no zram here")
    number = (control / "hot_add").read_text().strip()
    core = make_core(base)
    before = value(SWAPPINESS)
    new = other(SWAPPINESS, "10", "20")
    apply(core, f"block.read_ahead_kb@zram{number}=512", f"vm.swappiness={new}", ttl_s=0.5)
    (control / "hot_remove").write_text(number)
    until(lambda: core.trials.pending() is None)
    ended = core.trials.journal.history(1).trials[0]
    assert {item.status for item in ended.items} == {messages.VANISHED, messages.REVERTED}
    assert value(SWAPPINESS) == before
    core.close()


def test_stopped_within_an_apply_it_is_killed_and_all_is_put_back(base: str) -> None:
    """It holds the lock and does not move: the guardian ends it through a descriptor of it."""
    before = value(SWAPPINESS)
    wanted = other(SWAPPINESS, "10", "20")
    helper = os.fork()
    if helper == 0:
        with contextlib.suppress(BaseException):
            trial.STUCK_S = 0.5
            writing.STEP_GRACE_S = 0.3
            core = make_core(base)
            write = core.trials.kernel.write

            def write_and_stop(path: str, text: str) -> None:
                write(path, text)
                os.kill(os.getpid(), signal.SIGSTOP)

            core.trials.kernel.write = write_and_stop  # type: ignore[assignment, method-assign]
            apply(core, f"vm.swappiness={wanted}")
        os._exit(0)
    _, status = os.waitpid(helper, os.WUNTRACED)
    assert os.WIFSTOPPED(status)
    assert value(SWAPPINESS) == wanted
    _, status = os.waitpid(helper, 0)
    assert os.WTERMSIG(status) == signal.SIGKILL
    until(lambda: value(SWAPPINESS) == before)
    until(lambda: no_guardian(base))
    core = make_core(base)
    ended = core.trials.journal.history(1).trials[0]
    assert (ended.state, ended.complete) == (messages.REVERTED_TRIAL, True)
    core.close()


def test_a_guardian_killed_alone_is_replaced_when_it_is_needed_next(base: str) -> None:
    """Until then the trial is watched by nobody, as `helper status` can tell from its deadline."""
    before = value(SWAPPINESS)
    core = make_core(base)
    opened = apply(core, f"vm.swappiness={other(SWAPPINESS, '10', '20')}", ttl_s=0.5)
    os.kill(guardian_pid(base), signal.SIGKILL)
    until(lambda: no_guardian(base))
    until(lambda: core.trials.clock() > (opened.deadline or 0))
    # Whatever is asked of a helper that is up puts back first what is overdue.
    with pytest.raises(Fault) as raised:
        core.trials.keep(opened.id, ROOT, persist=False)
    assert raised.value.error.endswith("Expired")
    assert value(SWAPPINESS) == before
    again = apply(core, f"vm.swappiness={other(SWAPPINESS, '10', '20')}", ttl_s=0.3)
    assert guardian_pid(base)
    until(lambda: value(SWAPPINESS) == before)
    assert core.trials.journal.history(1).trials[0].id == again.id
    core.close()


def test_no_change_where_the_guardian_cannot_be_reached(base: str) -> None:
    """A folder lies where its socket should: it cannot start, and nothing is written."""
    socket = Path(places_in(base).guard_socket)
    core = make_core(base)
    until(socket.exists)
    os.kill(guardian_pid(base), signal.SIGKILL)
    until(lambda: no_guardian(base))
    socket.unlink()
    socket.mkdir()
    before = value(SWAPPINESS)
    with pytest.raises(Fault) as raised:
        apply(core, f"vm.swappiness={other(SWAPPINESS, '10', '20')}")
    assert raised.value.error.endswith("NoGuardian")
    assert value(SWAPPINESS) == before
    assert core.trials.pending() is None
    socket.rmdir()
    core.close()
