"""Records to make up, and a peer that answers by a script."""

from __future__ import annotations

import contextlib
import json
import socket
import threading
from typing import Any

from aitune_helper.messages import Item, Trial, to_object

HELLO = {
    "protocol": 1,
    "helper_version": "0.0.1",
    "bundle_sha256": "",
    "knob_hash": "",
    "euid": 0,
    "caller_uid": 1000,
    "attested": True,
    "journal_ok": True,
    "guardian": "process",
    "container": "",
    "pending": None,
}


def make_item(knob: str = "vm.swappiness", instance: str = "") -> Item:
    """A target that was set from 60 to 10; `_replace` makes it another."""
    return Item(knob, instance, "/p", "60", "10", effective="10", status="ok")


def make_trial(*items: Item) -> Trial:
    """A kept trial of somebody called ops; `_replace` makes it another."""
    return Trial(
        id="0f" * 16,
        number=17,
        owner_uid=1000,
        owner_name="ops",
        attested=True,
        tty=None,
        started=1_700_000_000.0,
        deadline=None,
        state="kept",
        items=items or (make_item(),),
    )


def as_json(record: object) -> dict[str, Any]:
    """A record as it looks after the wire."""
    made = json.loads(json.dumps(to_object(record)))
    assert isinstance(made, dict)
    return made


class Peer:
    """The other end of a connection: answers one call after another with what it is given."""

    def __init__(self) -> None:
        self.ours, self._theirs = socket.socketpair()
        self.calls: list[dict[str, Any]] = []
        self._thread: threading.Thread | None = None

    def answers(self, *replies: bytes | dict[str, Any] | None) -> socket.socket:
        """Start; a reply is an object, raw bytes, or None to hang up."""
        self._thread = threading.Thread(target=self._serve, args=(replies,), daemon=True)
        self._thread.start()
        return self.ours

    def _serve(self, replies: tuple[bytes | dict[str, Any] | None, ...]) -> None:
        unread = b""
        with self._theirs, contextlib.suppress(OSError):
            for reply in replies:
                while b"\0" not in unread:
                    data = self._theirs.recv(65536)
                    if not data:
                        return
                    unread += data
                frame, _, unread = unread.partition(b"\0")
                self.calls.append(json.loads(frame))
                if reply is None:
                    return
                raw = reply if isinstance(reply, bytes) else json.dumps(reply).encode() + b"\0"
                self._theirs.sendall(raw)
            self._theirs.recv(1)

    def close(self) -> None:
        self.ours.close()
        if self._thread is not None:
            self._thread.join(5)
