"""`${name}` in TuneD's profiles, expanded as TuneD does and within bounds.

A variable is expanded where it is defined, so it never holds itself. Functions (`${f:exec:…}`) run
programs and ask the machine: they are never run, and a text that holds one is not understood.
"""

from __future__ import annotations

import re

from aitune_backends.lens import LensError

# No profile comes near; ten variables of ten times the one before hold more than any memory.
_LONGEST_VALUE = 16 << 10
_LONGEST_ALL = 256 << 10

_VARIABLE = re.compile(r"(\\?)\$\{(\w{1,256})\}", re.ASCII)
_NAME = re.compile(r"\w+")
_FUNCTION = "${f:"


class NotUnderstood(ValueError):  # noqa: N818  no error: it says why a line is left out
    """A text cannot be expanded here; why, in half a sentence."""


class Variables:
    """The variables of one profile and of all that it includes."""

    def __init__(self) -> None:
        """Begin without any."""
        self._values: dict[str, str] = {}
        self._size = 0

    def define(self, name: str, text: str) -> None:
        """Give a variable its value, expanded with those there are now.

        Raises:
            NotUnderstood: The name cannot be one.
            LensError: It grows beyond any bound.
        """
        if _NAME.fullmatch(name) is None:
            raise NotUnderstood("no variable can have this name")
        value = self._replaced(text)
        self._size += len(value)
        if self._size > _LONGEST_ALL:
            raise LensError("Its variables grow beyond any use: they are no settings.")
        self._values[name] = value

    def expand(self, text: str) -> str:
        """A text with the variables in it replaced.

        Raises:
            NotUnderstood: It holds a function, or a variable that nothing sets.
            LensError: It grows beyond any bound.
        """
        value = self._replaced(text)
        if _FUNCTION in value:
            raise NotUnderstood("it calls a function of TuneD's, and functions are not run")
        unset = _VARIABLE.search(value)
        if unset is not None:
            raise NotUnderstood(f"nothing sets the variable {unset[2]}")
        return value

    def _replaced(self, text: str) -> str:
        size = len(text)

        def value_of(found: re.Match[str]) -> str:
            nonlocal size
            if found[1]:  # \${name} stands for itself
                return found[0][1:]
            value = self._values.get(found[2], found[0])
            size += len(value)
            if size > _LONGEST_VALUE:
                raise LensError("A variable in it grows beyond any use: it is no setting.")
            return value

        if size > _LONGEST_VALUE:
            raise LensError("A value in it is longer than any setting.")
        return _VARIABLE.sub(value_of, text)
