"""Amounts of memory in words."""

from __future__ import annotations


def memory_text(size: int) -> str:
    """A size of memory for a sentence: `128 MiB`, `861.9 GiB`."""
    for unit, factor in (("GiB", 1 << 30), ("MiB", 1 << 20)):
        if size >= factor:
            number = f"{size / factor:.1f}"
            return f"{number.removesuffix('.0')} {unit}"
    return f"{size // 1024} KiB"
