"""Reading the settings of one machine, again and again: those that come by the hundred, in turns.

A machine with 512 cores has 512 files for one setting of a core. They change when somebody sets
them, which is seldom, so each look reads some of them anew and takes the others as they were.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from aitune_helper import plan

if TYPE_CHECKING:
    from aitune_helper.kernelfs import KernelIO
    from aitune_helper.knobs import Knob

# Instances of one setting that one look reads anew.
_AT_ONCE = 32


class SettingReader:
    """The settings of one machine, remembered from look to look."""

    def __init__(self, kernel: KernelIO) -> None:
        """Read nothing yet: the first look reads everything."""
        self._kernel = kernel
        self._found: dict[tuple[str, str], str | OSError] = {}
        self._look = 0

    def begin(self) -> None:
        """Begin another look: it is others' turn now."""
        self._look += 1

    def forget(self) -> None:
        """Have the next look read everything: something was set, or came or went."""
        self._found.clear()

    def read(self, knob: Knob, instance: str = "", place: int = 0, of: int = 1) -> str | OSError:
        """The value of one target in canonical form, or why it cannot be read.

        Args:
            knob: Its knob.
            instance: Its instance, or "".
            place: Which of the instances it is, from 0.
            of: How many instances there are.
        """
        turns = -(-of // _AT_ONCE)
        target = knob.id, instance
        if turns > 1 and place % turns != self._look % turns and target in self._found:
            return self._found[target]
        found: str | OSError
        try:
            found = plan.reading(self._kernel, knob, instance)
        except OSError as error:
            found = error
        except ValueError as error:  # a name that no file can have
            found = OSError(22, str(error))
        if turns > 1:
            self._found[target] = found
        return found
