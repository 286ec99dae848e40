"""One thing to know about a machine, and how urgent it is."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

if TYPE_CHECKING:
    from collections.abc import Iterable

    from aitune_backends.changes import Wanted

Severity = Literal["problem", "warning", "limit", "info"]

# The order in which findings are read.
SEVERITIES: tuple[Severity, ...] = ("problem", "warning", "limit", "info")
# What each severity is called where there is room for words.
HEADINGS: dict[Severity, str] = {
    "problem": "Needs you",
    "warning": "Worth a look",
    "limit": "Cannot be done here",
    "info": "Good to know",
}


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing to know about a machine.

    Attributes:
        id: Its name for programs; the same whatever is found, and once in a list.
        title: A few words for a list.
        sentence: What is true now, and what it means.
        hint: What to do about it, or "".
        severity: `problem` breaks something or is about to; `warning` costs speed or memory, or
            will surprise; `limit` is something that cannot be done here; `info` is good to know.
        fix: Changes that would mend it, to be planned as they are; () where no setting would.
        source: Who says that it matters, or "" where it is plain to see.
    """

    id: str
    title: str
    sentence: str
    hint: str = ""
    severity: Severity = "limit"
    fix: tuple[Wanted, ...] = ()
    source: str = ""

    @property
    def plan(self) -> str:
        """The command that shows the plan of the fix, or ""."""
        return f"aitune-tui plan {' '.join(map(str, self.fix))}" if self.fix else ""


def in_order(findings: Iterable[Finding]) -> tuple[Finding, ...]:
    """What asks for the operator first; otherwise in the order in which it was found."""
    return tuple(sorted(findings, key=lambda finding: SEVERITIES.index(finding.severity)))
