"""Huge pages of this kernel: growing step by step, stopped in the middle, its helper killed.

At most 1.5 GiB are taken, and all of it is back after each test.
"""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from tests.kernel.helper_runner import make_core
from tests.kernel.waiting import until

from aitune_backends.helper_client import HelperError, RealLink
from aitune_helper.apply import Wanted
from aitune_helper.messages import PARTIAL, REVERTED_TRIAL, STOPPED, Caller, Change, Item

if TYPE_CHECKING:
    from collections.abc import Iterator

    from aitune_backends.helper_client import Session

POOL = Path("/sys/kernel/mm/hugepages/hugepages-2048kB/nr_hugepages")
NODES = sorted(Path("/sys/devices/system/node").glob("node[0-9]*"))
PAGES = 768  # 1.5 GiB: one step of 1 GiB and a half one
STEP = 512
ROOT = Caller(0, "root", attested=True)
JOURNAL = Path("/var/lib/aitune/journal.jsonl")

pytestmark = [
    pytest.mark.root,
    pytest.mark.skipif(os.geteuid() != 0, reason="changes this kernel's settings"),
    pytest.mark.skipif(not POOL.exists(), reason="this kernel has no huge pages of 2 MiB"),
]


def available_gib() -> float:
    line = next(
        line for line in Path("/proc/meminfo").read_text().splitlines() if "MemAvailable" in line
    )
    return int(line.split()[1]) / 2**20


@pytest.fixture
def session() -> Iterator[Session]:
    """The real helper, confined and with its guardian; what it may have left is put back."""
    if available_gib() < 6:
        pytest.skip("less than 6 GiB are available: the guard would refuse")
    before = POOL.read_text()
    link = RealLink()
    with link.connect(ask=False) as made:
        yield made
    if POOL.read_text() != before:
        with link.connect(ask=False) as other:
            if other.hello.pending is not None:
                other.revert(other.hello.pending.id)
    assert POOL.read_text() == before


def per_node() -> list[str]:
    tail = "hugepages/hugepages-2048kB/nr_hugepages"
    return [(node / tail).read_text().strip() for node in NODES]


def wanted() -> tuple[Change, ...]:
    return (Change("hugepages.2048kB", "", str(int(POOL.read_text()) + PAGES)),)


def test_it_grows_in_steps_and_each_tells_what_the_nodes_got(session: Session) -> None:
    before = int(POOL.read_text())
    told: list[Item] = []
    plan = session.plan(wanted())
    trial = session.apply(
        plan_changes(plan.items), plan.hash, ttl_s=60, progress=lambda _d, _t, i: told.append(i)
    )
    assert [item.effective for item in told] == [str(before + STEP), str(before + PAGES)]
    for item in told:
        got = [int(part.effective or 0) for part in item.parts]
        assert len(got) == len(NODES)
        assert sum(got) == int(item.effective or 0)
    assert [part.effective for part in told[-1].parts] == per_node()
    assert session.revert(trial.id).complete


def test_stopped_in_the_middle_all_of_it_is_back(tmp_path: Path) -> None:
    """In this process: the kernel makes a GiB of pages faster than a client could say stop."""
    before, nodes = POOL.read_text(), per_node()
    told: list[str | None] = []
    held: list[str] = []

    def progress(_done: int, _total: int, item: Item) -> None:
        told.append(item.effective)
        held.append(POOL.read_text().strip())

    core = make_core(str(tmp_path))
    try:
        asked = Wanted(wanted(), core.plan(wanted(), force=False).hash, 60.0)
        trial = core.apply(asked, ROOT, cancelled=lambda: bool(told), progress=progress)
    finally:
        core.close()
    assert held[0] == told[0] == str(int(before) + STEP), "a GiB of pages was there"
    assert trial.state == REVERTED_TRIAL
    assert trial.complete
    item = trial.items[0]
    assert (item.status, item.note) == (PARTIAL, STOPPED), "it came between the two steps"
    assert (POOL.read_text(), per_node()) == (before, nodes)


def test_a_helper_killed_in_the_middle_is_a_fault_and_the_next_one_puts_back(
    session: Session,
) -> None:
    before, nodes = POOL.read_text(), per_node()
    child = session._child
    assert child is not None

    def kill(_done: int, _total: int, _item: Item) -> None:
        os.kill(child._process.pid, signal.SIGKILL)

    plan = session.plan(wanted())
    with pytest.raises(HelperError) as caught:
        session.apply(plan_changes(plan.items), plan.hash, ttl_s=60, progress=kill)
    assert caught.value.code == "gone"
    assert "guardian puts back" in caught.value.hint
    with RealLink().connect(ask=False) as other:
        trial = other.hello.pending
        assert trial is not None, "its guardian still watches it"
        assert other.revert(trial.id).complete
    assert (POOL.read_text(), per_node()) == (before, nodes)


def test_the_command_line_tells_each_tenth(session: Session) -> None:
    session.close()  # the command brings a helper of its own
    before = POOL.read_text().strip()
    value = str(int(before) + PAGES)
    result = run("apply", f"hugepages.2048kB={value}", "--yes")
    assert result.returncode == 0, result.stderr
    assert f"{int(before) + STEP:,} of {int(value):,} pages · node0 " in result.stderr
    assert POOL.read_text().strip() == value
    assert run("undo", "--yes").returncode == 0
    assert POOL.read_text().strip() == before


@pytest.mark.parametrize("action", ["compact-memory", "drop-caches"])
def test_an_action_is_done_by_the_confined_helper_and_journalled(action: str) -> None:
    result = run("act", action, "--yes", "--json")
    assert result.returncode == 0, (result.stdout, result.stderr)
    last = JOURNAL.read_text().splitlines()[-1]
    entry = json.loads(last.partition(" ")[2])
    assert (entry["event"], entry["action"]) == ("act", action.replace("-", "_"))
    assert entry["caller"]["uid"] == 0


def test_what_was_dropped_is_read_from_disk_again(tmp_path: Path) -> None:
    """The page cache is really gone: of the file system, as tmpfs has no other place."""
    if on_tmpfs(tmp_path):
        pytest.skip("temporary files lie in memory here")
    file = tmp_path / "file"
    file.write_bytes(os.urandom(8 << 20))
    with file.open("rb") as opened:
        os.fsync(opened.fileno())
        opened.read()
    assert run("act", "drop-caches", "--yes").returncode == 0
    before = read_bytes()
    file.read_bytes()
    until(lambda: read_bytes() - before >= 8 << 20, 5)


def read_bytes() -> int:
    text = Path("/proc/self/io").read_text()
    return int(next(line for line in text.splitlines() if "read_bytes" in line).split()[1])


def on_tmpfs(path: Path) -> bool:
    kind = subprocess.run(
        ["stat", "-f", "-c", "%T", str(path)], capture_output=True, text=True, check=True
    ).stdout.strip()
    return kind == "tmpfs"


def plan_changes(items: tuple[Item, ...]) -> tuple[Change, ...]:
    return tuple(Change(item.knob, item.instance, item.requested, item.old) for item in items)


def run(*arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-c", "from aitune_tui.cli import main; main()", *arguments],
        stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False, timeout=120,
        env={**os.environ, "LC_ALL": "C.UTF-8", "PYTHONUTF8": "1"},
    )  # fmt: skip
