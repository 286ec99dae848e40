"""Varlink's bytes: JSON objects, each ended by a NUL; what may be said, and how errors travel.

A frame that is not exactly a call is refused, and the connection with it: duplicate keys, NaN,
numbers without end, nesting without end, unknown fields.
"""

from __future__ import annotations

import json
import math
import re
from typing import NamedTuple

from aitune_helper.messages import INTERFACE

FRAME_MAX = 256 * 1024
DEPTH_MAX = 8
SERVICE = "org.varlink.service"

Object = dict[str, object]

_STRING = re.compile(rb'"(?:[^"\\]|\\.)*"', re.DOTALL)
_DIGITS_MAX = 20


class FrameError(ValueError):
    """The bytes are not a call; nothing more of this connection can be believed."""


class Fault(Exception):  # noqa: N818 (an answer that travels, not a failure of the program)
    """An error answered to the client.

    Attributes:
        error: Its full name, such as `io.aitune.Helper1.Busy`.
        parameters: What goes with it.
    """

    def __init__(self, name: str, parameters: Object | None = None) -> None:
        self.error = name if "." in name else f"{INTERFACE}.{name}"
        self.parameters: Object = parameters or {}
        super().__init__(self.error)


class Call(NamedTuple):
    """One request.

    Attributes:
        method: Full name.
        parameters: Its arguments.
        more: The client takes several replies, the last without `continues`.
        oneway: The client takes no reply.
    """

    method: str
    parameters: Object
    more: bool = False
    oneway: bool = False


def encode(message: Object) -> bytes:
    """Make one frame; everything but printable ASCII is escaped."""
    return json.dumps(message, separators=(",", ":"), allow_nan=False).encode("ascii") + b"\0"


def reply(parameters: Object, *, continues: bool = False) -> bytes:
    """Make the frame of an answer."""
    message: Object = {"parameters": parameters}
    if continues:
        message["continues"] = True
    return encode(message)


def fault_frame(fault: Fault) -> bytes:
    """Make the frame of an error."""
    return encode({"error": fault.error, "parameters": fault.parameters})


class Splitter:
    """Cuts a stream of bytes into frames, holding at most one unfinished frame."""

    def __init__(self) -> None:
        self._held = bytearray()

    def feed(self, data: bytes) -> list[bytes]:
        """Take bytes as they came; return the frames that are now whole, without their NUL.

        Raises:
            FrameError: A frame is longer than `FRAME_MAX`.
        """
        whole: list[bytes] = []
        # Only what is new is looked through: a frame may come byte by byte.
        for number, part in enumerate(data.split(b"\0")):
            if number:
                whole.append(bytes(self._held))
                self._held.clear()
            self._held += part
            if len(self._held) > FRAME_MAX:
                raise FrameError(f"a frame is longer than {FRAME_MAX} bytes")
        return whole


def parse_object(frame: bytes) -> Object:
    """Read one frame as a JSON object, strictly.

    Raises:
        FrameError: With what is wrong.
    """
    if _depth(frame) > DEPTH_MAX:
        raise FrameError(f"nested deeper than {DEPTH_MAX}")
    try:
        value = json.loads(
            frame.decode("utf-8"),
            object_pairs_hook=_no_duplicates,
            parse_constant=_no_constant,
            parse_int=_bounded_int,
            parse_float=_finite_float,
        )
    except FrameError:
        raise
    except (ValueError, RecursionError) as error:
        raise FrameError("not JSON") from error
    if not isinstance(value, dict):
        raise FrameError("not an object")
    return value


def parse_call(frame: bytes) -> Call:
    """Read one frame as a call.

    Raises:
        FrameError: It is not one, or says more than a call may.
    """
    message = parse_object(frame)
    unknown = set(message) - {"method", "parameters", "more", "oneway"}
    if unknown:
        raise FrameError(f"unknown field {min(unknown)!a}")
    method = message.get("method")
    parameters = message.get("parameters", {})
    more, oneway = message.get("more", False), message.get("oneway", False)
    if not isinstance(method, str) or not isinstance(parameters, dict):
        raise FrameError("a call needs a method and an object of parameters")
    if not isinstance(more, bool) or not isinstance(oneway, bool) or (more and oneway):
        raise FrameError("more and oneway are true or false, and not both true")
    return Call(method, parameters, more, oneway)


def _depth(frame: bytes) -> int:
    """How deep brackets nest outside of strings."""
    depth = deepest = 0
    for byte in _STRING.sub(b"", frame):
        if byte in b"[{":
            depth += 1
            deepest = max(deepest, depth)
        elif byte in b"]}":
            depth -= 1
    return deepest


def _no_duplicates(pairs: list[tuple[str, object]]) -> Object:
    found = dict(pairs)
    if len(found) != len(pairs):
        raise FrameError("a name is given twice in one object")
    return found


def _no_constant(name: str) -> object:
    raise FrameError(f"{name} is not a number here")


def _bounded_int(text: str) -> int:
    if len(text) > _DIGITS_MAX:
        raise FrameError("a number is too long")
    return int(text)


def _finite_float(text: str) -> float:
    value = float(text)
    if not math.isfinite(value):
        raise FrameError("a number is too large")
    return value
