"""The lines and sections of a TuneD profile, and where a plug-in's reader puts them."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable

    from aitune_backends.lens.gathering import Gathered


@dataclass(frozen=True, slots=True)
class Line:
    """One assignment of a profile.

    Attributes:
        name: The option.
        value: As written, or expanded where a plug-in's reader gets it.
        place: `FILE:LINE`.
        text: The line, fit to be shown.
        comment: What stands above it.
    """

    name: str
    value: str
    place: str
    text: str
    comment: str = ""


@dataclass(slots=True)
class Unit:
    """One section, merged over all files; TuneD calls it a unit.

    Attributes:
        name: As in the brackets.
        type: The plug-in, where that is not the name.
        enabled: Whether it counts.
        devices: Patterns of the devices it is for.
        conditions: Regular expressions by the option that gives them: it counts only where the
            machine matches.
        options: Its lines by name.
    """

    name: str
    type: str = ""
    enabled: bool = True
    devices: str = "*"
    conditions: dict[str, str] = field(default_factory=dict)
    options: dict[str, Line] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Target:
    """Where a plug-in's reader puts what its lines want.

    Attributes:
        gathered: Takes them.
        read: Reads a file of the machine, to choose among alternatives.
        devices: The patterns of the section's devices, `*` for all.
    """

    gathered: Gathered
    read: Callable[[str], str]
    devices: str = "*"

    def leave(self, line: Line, why: str) -> None:
        """List a line as left."""
        self.gathered.leave(line.place, line.text, why)

    def want(
        self,
        line: Line,
        knob: str,
        value: str,
        *,
        note: str = "",
        bound: str = "",
        instances: tuple[str, ...] | None = None,
    ) -> None:
        """Add a value of a knob, for every instance or for those named."""
        targets: list[tuple[str, str | None, str]] = (
            [(knob, None, value)]
            if instances is None
            else [(knob, each, value) for each in instances]
        )
        reason = " ".join(filter(None, (line.comment, note)))
        self.gathered.knobs(line.place, line.text, targets, reason, bound)

    def want_at(self, line: Line, path: str, value: str, bound: str = "") -> None:
        """Add a value for a file of the kernel."""
        self.gathered.path(line.place, line.text, path, value, line.comment, bound)
