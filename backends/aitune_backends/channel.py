"""Varlink's frames over a socket: one JSON object and a zero byte, either way."""

from __future__ import annotations

import json
import select
import socket
import threading
from typing import TYPE_CHECKING

from aitune_backends.foreign import read_json

if TYPE_CHECKING:
    from collections.abc import Mapping

# A history of many trials is the longest thing a helper says; nothing it says may eat us up.
_LONGEST = 32 << 20
_READ = 65536


class ChannelError(Exception):
    """The other side is gone, or does not speak Varlink."""


class Channel:
    """One connection. Sending is safe from any thread, receiving belongs to one at a time."""

    def __init__(self, connected: socket.socket) -> None:
        self._socket = connected
        self._sending = threading.Lock()
        self._unread = bytearray()

    def send(self, method: str, parameters: Mapping[str, object], **flags: bool) -> None:
        """Send a call.

        Args:
            method: Its full name.
            parameters: Its arguments.
            flags: `more` or `oneway`.

        Raises:
            ChannelError: The other side is gone.
        """
        call = {"method": method, "parameters": parameters, **flags}
        frame = json.dumps(call, ensure_ascii=True, allow_nan=False, separators=(",", ":"))
        try:
            with self._sending:
                self._socket.sendall(frame.encode("ascii") + b"\0")
        except OSError as error:
            raise ChannelError(str(error)) from error

    def receive(self, timeout: float | None = None) -> dict[str, object]:
        """Wait for the next frame.

        Args:
            timeout: Seconds of silence after which the other side counts as gone.

        Raises:
            ChannelError: The other side is gone, silent, or not speaking Varlink.
        """
        frame = self._frame(timeout)
        try:
            reply = read_json(frame)
        except ValueError as error:
            raise ChannelError(f"not JSON: {error}") from error
        if not isinstance(reply, dict):
            raise ChannelError("not a JSON object")
        return reply

    def _frame(self, timeout: float | None) -> bytes:
        searched = 0
        while (end := self._unread.find(0, searched)) < 0:
            searched = len(self._unread)
            if searched > _LONGEST:
                raise ChannelError("a reply without an end")
            self._unread += self._some(timeout)
        frame = bytes(self._unread[:end])
        del self._unread[: end + 1]
        return frame

    def _some(self, timeout: float | None) -> bytes:
        try:
            self._socket.settimeout(timeout)
            data = self._socket.recv(_READ)
        except OSError as error:  # TimeoutError is one
            raise ChannelError(str(error)) from error
        if not data:
            raise ChannelError("")
        return data

    def is_over(self) -> bool:
        """Whether the other side has ended the connection, as far as can be told at once."""
        look = select.poll()
        try:
            look.register(self._socket, select.POLLIN)
            return bool(look.poll(0)) and not self._socket.recv(1, socket.MSG_PEEK)
        except (OSError, ValueError):  # it is closed on our side
            return True

    def close(self) -> None:
        """End the connection; the other side sees end of file."""
        self._socket.close()
