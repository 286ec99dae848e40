"""Calls of the kernel that Python has no name for, with their errors as OSError."""

from __future__ import annotations

import ctypes
import os

_libc = ctypes.CDLL(None, use_errno=True)


def call(name: str, *arguments: object) -> int:
    """Call a function of the C library that says -1 for an error.

    Args:
        name: `prctl`, `syscall`…
        arguments: Whole numbers, each as wide as a register, or what `ctypes.byref` makes.

    Returns:
        What it returned.

    Raises:
        OSError: It returned -1.
    """
    words = [ctypes.c_long(word) if isinstance(word, int) else word for word in arguments]
    ctypes.set_errno(0)
    result = int(getattr(_libc, name)(*words))
    if result == -1:
        code = ctypes.get_errno()
        raise OSError(code, os.strerror(code))
    return result


def prctl(option: int, *arguments: int) -> int:
    """`prctl(2)`; arguments that are not given are 0, as it wants of those it does not use."""
    return call("prctl", option, *(*arguments, 0, 0, 0, 0)[:4])
