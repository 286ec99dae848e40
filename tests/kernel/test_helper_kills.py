"""SIGKILL at every call of every operation: old or kept, never half, and the journal says which.

The operations are in `helper_killer`; here its workers are started side by side, each with settings
of its own, since most of the time goes by in waiting for deadlines.
"""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import subprocess
import sys
from collections import Counter
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from tests import counted
from tests.kernel import helper_killer
from tests.kernel.kernel_files import loop_queue, other, value
from tests.kernel.test_helper_real import POOL, VM

if TYPE_CHECKING:
    from collections.abc import Iterator

pytestmark = [
    pytest.mark.root,
    pytest.mark.skipif(os.geteuid() != 0, reason="changes settings of this kernel"),
    pytest.mark.skipif(shutil.which("strace") is None, reason="strace kills at a chosen call"),
]

PATIENCE_S = 500
# What each worker does. Some settings can last, and only those can be persisted.
SHARES = (
    ("overcommit_memory", ("apply", "keep", "switch", "switch there and back")),
    ("overcommit_ratio", ("undo", "extend", "apply", "keep an arm")),
    ("swappiness", ("keep with persist", "keep with persist again", "unpersist", "undo")),
    ("nr_hugepages", ("apply, rolled back", "apply", "revert", "switch")),
    ("", ("apply", "deadline", "switch there and back")),
    ("", ("apply, rolled back", "revert", "switch", "keep an arm")),
)
POINTS_MIN = 1000


@pytest.fixture
def queues(tmp_path: Path) -> Iterator[list[Path]]:
    """A loop device for each worker; they keep their settings when they are detached."""
    with contextlib.ExitStack() as stack:
        yield [stack.enter_context(loop_queue(tmp_path / f"image{n}")) for n in range(len(SHARES))]


def settings(name: str, queue: Path) -> list[str]:
    """What a worker changes: one setting of the machine, and the queue of its own disk."""
    disk = queue.parent.name
    choices = {
        "overcommit_memory": ("1", "0"),
        "overcommit_ratio": ("90", "80"),
        "swappiness": ("10", "20"),
    }
    scheduler = other(queue / "scheduler", "mq-deadline", "none")
    mine = [
        f"block.scheduler@{disk}={scheduler}",
        f"block.nr_requests@{disk}={other(queue / 'nr_requests', '64', '48')}",
        f"block.read_ahead_kb@{disk}={other(queue / 'read_ahead_kb', '1024', '512')}",
    ]
    if name == "nr_hugepages":
        return [f"hugepages.2048kB={int(value(POOL)) + 24}", *mine]
    if name:
        return [f"vm.{name}={other(VM / name, *choices[name])}", mine[1]]
    return mine


def test_killed_at_every_call_of_every_operation(tmp_path: Path, queues: list[Path]) -> None:
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
    workers = []
    for number, ((name, operations), queue) in enumerate(zip(SHARES, queues, strict=True)):
        command = [
            sys.executable, "-S", "-B", helper_killer.__file__, str(tmp_path / str(number)),
            ";".join(operations), *settings(name, queue),
        ]  # fmt: skip
        workers.append(
            subprocess.Popen(
                command, env=environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
            )
        )
    # All of them come to their end, and put their settings back, before any is judged.
    ended = [(worker, *worker.communicate(timeout=PATIENCE_S)) for worker in workers]
    results = []
    for worker, out, said in ended:
        assert worker.returncode == 0, said
        results += [json.loads(line) for line in out.splitlines()]
    points: Counter[str] = Counter()
    for result in results:
        points[result["operation"]] += result["points"]
        counted.add(f"points at which {result['operation']!r} was killed", result["points"])
    counted.add("points at which an operation was killed, in all", points.total())
    assert "\n".join(sentence for result in results for sentence in result["wrong"]) == ""
    assert points.total() >= POINTS_MIN
    assert set(points) == set(helper_killer.OPERATIONS)
    for result in results:
        assert result["missed"] * 4 <= result["points"], f"{result}: not where it was to be killed"
        both = result["operation"].startswith(("keep", "undo", "unpersist"))
        assert len(result["outcomes"]) == 1 + both, f"{result}: one of two outcomes never came"
