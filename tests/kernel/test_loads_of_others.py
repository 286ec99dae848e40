"""Load tests of files that are another user's: where the kernel's answer about them is a lie."""

from __future__ import annotations

import ctypes
import json
import mmap
import os
import sys
import tempfile
import traceback
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from aitune_backends.loads import child
from aitune_backends.loads.evict import evict
from aitune_backends.loads.model_files import ModelError, find_model
from aitune_backends.loads.records import (
    COLD,
    NOT_COLD_UNVERIFIED,
    NOT_WARM_UNVERIFIED,
    WARM,
    LoadRequest,
    LoadRun,
)
from aitune_backends.loads.residency import residency

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

pytestmark = pytest.mark.root

NOBODY = 65534
_PR_SET_DUMPABLE = 4


@pytest.fixture
def file() -> Iterator[str]:
    """A file of root's that everybody may read and nobody else may write, on a real disk."""
    with tempfile.TemporaryDirectory(dir="/var/tmp") as name:
        folder = Path(name)
        folder.chmod(0o755)
        path = folder / "weights.bin"
        path.write_bytes(os.urandom(8 << 20))
        path.chmod(0o644)
        yield str(path)


def as_nobody(function: Callable[[], object]) -> object:
    """What `function` gives in a process of an ordinary user's."""
    child._read_bytes()  # imports what nobody may not: Python itself may lie below /root
    readable, writable = os.pipe()
    pid = os.fork()
    if pid == 0:
        status = 1
        try:
            os.setgroups([])
            os.setresgid(NOBODY, NOBODY, NOBODY)
            os.setresuid(NOBODY, NOBODY, NOBODY)
            # A process that gave up root may not read its own /proc; one started anew may.
            ctypes.CDLL(None).prctl(_PR_SET_DUMPABLE, 1)
            sys.stdout = Path(os.devnull).open("w")  # noqa: SIM115 - for the rest of the process
            os.write(writable, json.dumps(function()).encode())
            status = 0
        except BaseException:  # noqa: BLE001 - a forked test must never return to pytest
            traceback.print_exc()
        os._exit(status)
    os.close(writable)
    with os.fdopen(readable) as answer:
        text = answer.read()
    assert os.waitpid(pid, 0)[1] == 0
    return json.loads(text)


def one_run(file: str, state: str) -> Callable[[], object]:
    request = LoadRequest("weights", (file,), Path(file).stat().st_size, state=state, runs=1)

    def run() -> object:
        done: LoadRun = child._one_run(request, 1)
        return [done.state, done.residency_before, done.read_bytes, done.bytes]

    return run


def test_an_unprivileged_mincore_is_not_asked(file: str) -> None:
    evict([file])
    assert residency([file]) == 0.0
    assert as_nobody(lambda: residency([file])) is None


def test_anybody_may_evict_what_he_may_read(file: str) -> None:
    assert residency([file]) == 1.0
    as_nobody(lambda: evict([file]))
    assert residency([file]) == 0.0


def test_cold_is_verified_by_what_had_to_be_fetched(file: str) -> None:
    size = Path(file).stat().st_size
    assert as_nobody(one_run(file, COLD)) == [COLD, None, size, size]


def test_a_file_that_stays_in_the_cache_is_not_called_cold(file: str) -> None:
    size = Path(file).stat().st_size
    with Path(file).open("rb") as opened:
        held = mmap.mmap(opened.fileno(), 0, prot=mmap.PROT_READ)
        assert sum(held[:: mmap.PAGESIZE]) > 0
        assert as_nobody(one_run(file, COLD)) == [NOT_COLD_UNVERIFIED, None, 0, size]
        held.close()


def test_warm_is_verified_by_what_had_not_to_be_fetched(file: str) -> None:
    size = Path(file).stat().st_size
    evict([file])
    assert as_nobody(one_run(file, WARM)) == [WARM, None, 0, size]
    assert child.reached(WARM, None, size, size) == NOT_WARM_UNVERIFIED


def test_a_model_of_roots_alone_is_refused(file: str) -> None:
    """As safetensors writes them: mode 0600."""
    Path(file).chmod(0o600)

    def refusal() -> object:
        try:
            return str(find_model([file]))
        except ModelError as error:
            return str(error)

    assert as_nobody(refusal) == f"{file}: permission denied."
