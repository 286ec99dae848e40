"""The root helper's cost beside its peers: its start, its memory, one change of four settings.

It changes this kernel as a trial and reverts each. Takes root; the fsyncs are counted by strace.
The peer for changes, TuneD, is not installed for this: its figures are those of an earlier run of
TuneD 2.20 on two cores with a disk like these, and are marked so.
"""

from __future__ import annotations

import os
import re
import shutil
import socket
import statistics
import subprocess
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from aitune_backends.elevation import FLAGS, Launcher, interpreter
from aitune_backends.helper_client import Session
from aitune_backends.host import Host
from aitune_helper import plan
from aitune_helper.knobs import KNOBS
from aitune_helper.messages import Change

COMMAND = Launcher().command() if os.geteuid() == 0 else ()
STARTS, CHANGES = 9, 9
# For each setting two values: whichever it does not hold is written.
SETTINGS = {
    "vm.swappiness": ("10", "20"),
    "vm.overcommit_ratio": ("60", "70"),
    "vm.dirty_background_ratio": ("5", "6"),
    "thp.defrag": ("never", "defer"),
}
MUST_MS, MUST_MIB, MUST_APPLY_MS, MUST_FSYNCS = 100, 24, 150, 2
# What dies with the boot costs no disk: the record and the public state.
_PASSING = "/run/"
_SYNC = re.compile(r"f(?:data)?sync\(\d+<(?P<path>[^>]*)>")


@contextmanager
def helper(prefix: Sequence[str] = ()) -> Iterator[tuple[Session, int]]:
    """A helper that has said hello, and the pid of what was started."""
    ours, theirs = socket.socketpair()
    with theirs:
        end = theirs.fileno()
        process = subprocess.Popen(
            [*prefix, *COMMAND], stdin=end, stdout=end, stderr=subprocess.DEVNULL
        )
    try:
        with Session(ours, hello_timeout=30) as session:
            yield session, process.pid
    finally:
        process.wait(30)


def rss_mib(pid: int) -> float:
    """The resident memory of a process."""
    found = re.search(r"VmRSS:\s+(\d+) kB", Path(f"/proc/{pid}/status").read_text())
    return int(found[1]) / 1024 if found else 0.0


def bare_python_ms() -> float:
    """Milliseconds in which the same interpreter does nothing."""
    begun = time.monotonic()
    subprocess.run([interpreter(), *FLAGS, "-c", "pass"], check=True)
    return 1e3 * (time.monotonic() - begun)


def apply_and_revert(session: Session) -> tuple[float, float]:
    """Milliseconds of a plan, applied and read back, and of putting it back."""
    host = Host()
    now = {name: plan.reading(host, KNOBS[name], "") for name in SETTINGS}
    changes = tuple(
        Change(name, "", next(value for value in choices if value != now[name]))
        for name, choices in SETTINGS.items()
    )
    planned = session.plan(changes)
    begun = time.monotonic()
    trial = session.apply(changes, planned.hash, ttl_s=60, title="make bench")
    applied = time.monotonic()
    session.revert(trial.id)
    return 1e3 * (applied - begun), 1e3 * (time.monotonic() - applied)


def fsyncs_of_a_change() -> int | None:
    """Fsyncs on disk from the call of Apply to its answer, or None without strace."""
    if shutil.which("strace") is None:
        return None
    with tempfile.NamedTemporaryFile() as log:
        traced = [
            "strace",
            "-f",
            "-y",
            "-s",
            "80",
            "-e",
            "trace=fsync,fdatasync,read",
            "-o",
            log.name,
        ]
        with helper(traced) as (session, _):
            apply_and_revert(session)  # makes the files that are made once
            apply_and_revert(session)
        lines = Path(log.name).read_text(errors="replace").splitlines()
    begun, ended = (
        max(number for number, line in enumerate(lines) if f"Helper1.{call}" in line)
        for call in ("Apply", "Revert")
    )
    synced = (_SYNC.search(line) for line in lines[begun:ended])
    return sum(match is not None and not match["path"].startswith(_PASSING) for match in synced)


def main() -> None:
    """Print each row of the helper beside its budget and its peer."""
    if os.geteuid() != 0:
        print("helper: left out, it takes root")
        return
    hellos, sizes, bare = [], [], []
    for _ in range(STARTS):
        begun = time.monotonic()
        with helper() as (_, pid):
            hellos.append(1e3 * (time.monotonic() - begun))
            sizes.append(rss_mib(pid))
        bare.append(bare_python_ms())
    print(
        f"helper to Hello: {statistics.median(hellos):.0f} ms, median of {STARTS}"
        f" (bound {MUST_MS}); a bare Python {statistics.median(bare):.0f} ms"
    )
    print(
        f"helper RSS: {statistics.median(sizes):.1f} MiB (bound {MUST_MIB});"
        " TuneD's daemon 28-30 MB (an earlier run, not measured here)"
    )
    with helper() as (session, _):
        times = [apply_and_revert(session) for _ in range(CHANGES)]
    applies, reverts = zip(*times, strict=True)
    applied, back = statistics.median(applies), statistics.median(reverts)
    print(
        f"apply + read back + journal, {len(SETTINGS)} settings: {applied:.0f} ms (bound"
        f" {MUST_APPLY_MS}), put back {back:.0f} ms, median of {CHANGES};"
        " `tuned-adm profile` 1,100 ms (an earlier run, not measured here)"
    )
    fsyncs = fsyncs_of_a_change()
    counted = "left out, it takes strace" if fsyncs is None else f"{fsyncs}"
    print(f"  fsyncs on disk of one such change: {counted} (bound {MUST_FSYNCS})")
    print("kill points survived: `make test-root` kills at each and prints how many")


if __name__ == "__main__":
    main()
