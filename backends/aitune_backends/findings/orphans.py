"""Huge pages that nobody holds any more and nobody else can have: left by programs that died."""

from __future__ import annotations

from typing import TYPE_CHECKING

from aitune_backends import hugepage_users
from aitune_backends.findings import sources
from aitune_backends.findings.finding import Finding
from aitune_backends.findings.reading import counted, size
from aitune_backends.planner_words import quoted

if TYPE_CHECKING:
    from collections.abc import Iterator

    from aitune_backends.host import Host
    from aitune_backends.hugepage_users import HugePageUsers

_NAMED = 3


def findings(host: Host) -> Iterator[Finding]:
    """Files on hugetlbfs that no process has open or mapped, where all processes can be seen."""
    yield from judged(hugepage_users.read(host))


def judged(found: HugePageUsers) -> Iterator[Finding]:
    """What is to be said of what a close look has found."""
    lost = [(file.bytes, f"rm {quoted(file.path)}") for file in found.orphans if found.certain]
    lost += [(segment.bytes, f"ipcrm -m {segment.id}") for segment in found.segments]
    if not lost:
        return
    commands = ", ".join(f"`{command}`" for _, command in lost[:_NAMED])
    more = f" and {len(lost) - _NAMED} more" if len(lost) > _NAMED else ""
    total = size(sum(amount for amount, _ in lost))
    yield Finding(
        "huge-page-orphans",
        "Huge pages that nobody holds",
        f"{counted(len(lost), 'file or segment', 'files or segments')} of up to {total} in huge "
        "pages remain, and no process has any of them open, mapped or attached.",
        f"If nothing is to take them up again, {commands}{more} give the pages back.",
        "warning",
        source=sources.HUGETLB_PAGES,
    )
