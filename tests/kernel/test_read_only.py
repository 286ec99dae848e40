"""A read-only /proc/sys, as containers have it: refused at the plan, not found out by writing."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest

pytestmark = [
    pytest.mark.root,
    pytest.mark.skipif(os.geteuid() != 0, reason="mounts, in a namespace of its own"),
]

SCRIPT = """
from aitune_backends.host import Host
from aitune_helper.kernelfs import RealKernel
from aitune_helper.messages import Change
from aitune_helper.plan import Refusal, make_plan

change = [Change("vm.swappiness", "", "59")]
print(len(make_plan(Host(), change).items))
try:
    make_plan(RealKernel(), change)
except Refusal as refusal:
    print(refusal.reason)
print(len(make_plan(RealKernel(), [Change("thp.defrag", "", "defer")]).items))
"""


def test_a_read_only_file_is_refused_at_the_plan_and_only_where_it_would_be_written() -> None:
    mounts = "mount --bind /proc/sys /proc/sys && mount -o remount,bind,ro /proc/sys && exec "
    done = subprocess.run(
        ["unshare", "--mount", "sh", "-c", mounts + '"$0" -c "$1"', sys.executable, SCRIPT],
        env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)},
        capture_output=True,
        text=True,
        check=False,
    )
    if "mount:" in done.stderr or "unshare:" in done.stderr:
        pytest.skip(f"nothing can be mounted here: {done.stderr.strip()}")
    reason = "cannot be written here (EROFS), as in a container: change it on the host"
    assert done.stdout.splitlines() == ["1", f"vm.swappiness {reason}", "1"], done.stderr
