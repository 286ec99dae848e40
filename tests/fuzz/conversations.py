"""A conversation that is over before it begins: all that the client says lies in a file.

So the helper answers in this very process and thread, tens of thousands of times, and whatever it
raises ends the test.
"""

from __future__ import annotations

import json
import os
import tempfile
from typing import TYPE_CHECKING

from tests.unit.helper.conftest import OPS, Bench

from aitune_helper import messages, server

if TYPE_CHECKING:
    from collections.abc import Iterable

Object = dict[str, object]
# A trial that nobody has.
NOBODYS = "0123456789abcdef" * 2
CHANGE: Object = {"knob": "vm.swappiness", "instance": "", "value": "10", "expected": "60"}
# For each method parameters that are taken, and that change nothing: of no trial, of a stale plan.
CALLS: dict[str, Object] = {
    "Hello": {"protocol_max": 1, "client": "fuzz", "client_version": "1"},
    "Plan": {"changes": [CHANGE], "force": False},
    "Apply": {
        "changes": [CHANGE], "plan_hash": "0" * 64, "ttl_s": 60.0, "on_partial": "rollback",
        "persist": False, "message": "why", "title": "what", "force": False, "undo_of": None,
    },
    "Extend": {"id": NOBODYS, "ttl_s": 60},
    "Keep": {"id": NOBODYS, "persist": True},
    "Revert": {"id": NOBODYS},
    "History": {"limit": 1},
    "Unpersist": {"knobs": ["vm.swappiness"]},
}  # fmt: skip


def frame(method: str, parameters: object, **more: object) -> bytes:
    """A call as a client sends it, without its NUL."""
    name = method if "." in method else f"{messages.INTERFACE}.{method}"
    return json.dumps({"method": name, "parameters": parameters, **more}).encode()


HELLO = frame("Hello", CALLS["Hello"])


class Wire:
    """Feeds whole conversations to a core."""

    def __init__(self, core: server.Core) -> None:
        self._core = core
        self._said = tempfile.TemporaryFile(buffering=0)  # noqa: SIM115 - open as long as we are
        self._answered = tempfile.TemporaryFile(buffering=0)  # noqa: SIM115
        self.frames = 0

    def close(self) -> None:
        self._said.close()
        self._answered.close()

    def converse(self, said: bytes) -> list[Object]:
        """Say all of it, hang up, and return the answers; each of them is plain text."""
        self._put(said)
        server.serve(self._core, self._said.fileno(), self._answered.fileno(), OPS)
        self.frames += said.count(b"\0") + (not said.endswith(b"\0"))
        size = os.lseek(self._answered.fileno(), 0, os.SEEK_CUR)
        data = os.pread(self._answered.fileno(), size, 0)
        assert not data or data.endswith(b"\0")
        assert not data.translate(None, _PLAIN), "a control character got into an answer"
        return [json.loads(answer) for answer in data.split(b"\0")[:-1]]

    def _put(self, said: bytes) -> None:
        for file in (self._said, self._answered):
            file.seek(0)
            file.truncate()
        self._said.write(said)
        self._said.seek(0)


_PLAIN = bytes(range(0x20, 0x7F)) + b"\0"


def joined(frames: Iterable[bytes]) -> bytes:
    """Frames with their ends."""
    return b"".join(one + b"\0" for one in frames)


def as_found(bench: Bench) -> tuple[object, ...]:
    """What no fuzz may change: the kernel, the open trial, what everybody sees."""
    trials = bench.core.trials
    return bench.kernel.state(), list(bench.kernel.writes), trials.current(), trials.state.public()
