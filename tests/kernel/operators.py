"""An operator who does anything at any moment, through a helper of their own."""

from __future__ import annotations

import json
import os
import random
import socket
import subprocess
import sys
from collections import Counter
from pathlib import Path
from typing import TYPE_CHECKING

from tests.kernel import helper_runner

from aitune_helper import messages

if TYPE_CHECKING:
    from collections.abc import Mapping

Object = dict[str, object]
_PATIENCE_S = 30.0


class HelperClient:
    """One helper process and the socket to it."""

    def __init__(self, base: str) -> None:
        self._base = base
        self._start()

    def _start(self) -> None:
        self._socket, theirs = socket.socketpair()
        self._socket.settimeout(_PATIENCE_S)
        environment = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
        command = [sys.executable, "-S", "-B", helper_runner.__file__, "serve", self._base]
        with theirs:
            self.process = subprocess.Popen(
                command,
                stdin=theirs.fileno(),
                stdout=theirs.fileno(),
                stderr=subprocess.DEVNULL,
                env=environment,
            )
        self._held = b""
        self.result("Hello", {"protocol_max": 1})

    def call(self, method: str, parameters: Object) -> tuple[str, Object]:
        """Say one thing; return the short name of the error, or "", and what came with it."""
        message = {"method": f"{messages.INTERFACE}.{method}", "parameters": parameters}
        self._socket.sendall(json.dumps(message).encode() + b"\0")
        while b"\0" not in self._held:
            data = self._socket.recv(65536)
            assert data, f"the helper is gone at {method} {parameters}"
            self._held += data
        frame, _, self._held = self._held.partition(b"\0")
        reply = json.loads(frame)
        return str(reply.get("error", "")).rpartition(".")[2], reply["parameters"]

    def result(self, method: str, parameters: Object) -> Object:
        error, reply = self.call(method, parameters)
        assert not error, (error, reply)
        return reply

    def replace(self) -> None:
        """Kill the helper where it stands, and start another."""
        self.close(kill=True)
        self._start()

    def close(self, *, kill: bool = False) -> None:
        if kill:
            self.process.kill()
        self._socket.close()
        self.process.wait(_PATIENCE_S)


class Operator:
    """Somebody who acts at random.

    Attributes:
        answers: How often each thing came out how.
    """

    def __init__(self, base: str, choices: Mapping[str, tuple[str, ...]], seed: int) -> None:
        self._client = HelperClient(base)
        self._choices = choices
        self._chance = random.Random(seed)  # noqa: S311 - to be repeated, not to be secret
        self._open: Object = {}
        self._kept: list[Object] = []
        self.answers: Counter[str] = Counter()

    def act(self) -> None:
        """Do one thing."""
        name, method = self._chance.choice(_ACTS)
        self.answers[f"{name} {method(self) or 'done'}"] += 1

    def close(self) -> None:
        self._client.close()

    def _changes(self) -> list[Object]:
        names = self._chance.sample(sorted(self._choices), self._chance.randrange(1, 3))
        changes: list[Object] = []
        for target in names:
            knob, _, instance = target.partition("@")
            value = self._chance.choice(self._choices[target])
            changes.append({"knob": knob, "instance": instance, "value": value})
        return changes

    def apply(self, changes: list[Object] | None = None, **more: object) -> str:
        wanted: Object = {} if "arms" in more else {"changes": changes or self._changes()}
        given: Object = {"arms": more["arms"]} if "arms" in more else {}
        error, planned = self._client.call("Plan", {"changes": [], **wanted, **given})
        if error:
            return error
        plan = planned["plan"]
        assert isinstance(plan, dict)
        ttl = self._chance.choice((0.1, 0.2, 0.5, 2.0))
        error, reply = self._client.call(
            "Apply", {"changes": [], **wanted, "plan_hash": plan["hash"], "ttl_s": ttl, **more}
        )
        self._open = _trial(reply) if not error else self._open
        return error

    def compare(self) -> str:
        return self.apply(arms=[{"name": name, "changes": self._changes()} for name in "AB"])

    def undo(self) -> str:
        if not self._kept:
            return "nothing"
        kept = self._chance.choice(self._kept[-3:])
        items = kept["items"]
        assert isinstance(items, list)
        changes = [{name: item[name] for name in ("knob", "instance")} | {"value": item["old"]}
                   for item in items]  # fmt: skip
        return self.apply(changes, undo_of=kept["id"])

    def keep(self) -> str:
        persist = self._chance.random() < 0.5
        error, reply = self._on_open("Keep", persist=persist)
        if not error:
            self._kept.append(_trial(reply))
        return error

    def revert(self) -> str:
        return self._on_open("Revert")[0]

    def extend(self) -> str:
        return self._on_open("Extend", ttl_s=0.3)[0]

    def switch(self) -> str:
        return self._on_open("Switch", arm=self._chance.choice("AB"))[0]

    def unpersist(self) -> str:
        return self._client.call("Unpersist", {})[0]

    def die(self) -> str:
        self._client.replace()
        return ""

    def _on_open(self, method: str, **more: object) -> tuple[str, Object]:
        if not self._open:
            return "nothing", {}
        return self._client.call(method, {"id": self._open["id"], **more})


_ACTS = (
    *[("apply", Operator.apply)] * 6,
    *[("keep", Operator.keep)] * 4,
    *[("revert", Operator.revert)] * 2,
    *[("undo", Operator.undo)] * 2,
    *[("compare", Operator.compare)] * 2,
    *[("switch", Operator.switch)] * 3,
    ("extend", Operator.extend),
    ("unpersist", Operator.unpersist),
    ("die", Operator.die),
)


def _trial(reply: Object) -> Object:
    trial = reply["trial"]
    assert isinstance(trial, dict)
    return trial


def journal_lines(path: str) -> list[Object]:
    """Every line, each of which has to be whole; the files that were rotated are not read."""
    return [json.loads(line[9:]) for line in Path(path).read_text().splitlines()]
