"""The closed table of what may be written: every knob, where it lives, and which values it takes.

A knob is data. Nothing outside this table can be named by a client, and a value passes only if the
grammar here takes it: stricter than the kernel, which reads `010` as 8 and `nonesuch` as `none`.
What a knob is says `knob`; the rows lie in `knobs_memory`, `knobs_cpu` and `knobs_block`.
"""

from __future__ import annotations

import hashlib
import json
import re

from aitune_helper.knob import (
    BEST_EFFORT,
    CPU,
    DISK,
    EXACT,
    GLOBAL,
    NODE,
    NONE,
    POLICY,
    SIZE,
    Knob,
)
from aitune_helper.knobs_block import BLOCK, SCHEDULER_MODULES, SCHEDULER_OPTIONS
from aitune_helper.knobs_cpu import GOVERNOR_MODULES, PROCESSORS
from aitune_helper.knobs_memory import HUGE_PAGE_SIZES_KIB, MEMORY, POOLS

# What others know from here.
__all__ = (
    "BEST_EFFORT", "CPU", "DISK", "EXACT", "GLOBAL", "GOVERNOR_MODULES", "HUGE_PAGE_SIZES_KIB",
    "KNOBS", "NODE", "NONE", "POLICY", "POOLS", "SCHEDULER_MODULES", "SCHEDULER_OPTIONS", "SIZE",
    "UPPER_LIMITS",
    "Knob", "canonical", "instance_is_well_formed", "other_half", "parse_listed", "refusal",
    "table_hash", "writes",
)  # fmt: skip

_INTEGER = re.compile(r"0|[1-9][0-9]{0,18}")
_WORD = re.compile(r"[a-z][a-z0-9_+-]{0,31}")
_INSTANCE = {
    NODE: re.compile(r"node(?:0|[1-9][0-9]{0,3})"),
    POLICY: re.compile(r"policy(?:0|[1-9][0-9]{0,4})"),
    CPU: re.compile(r"cpu(?:0|[1-9][0-9]{0,4})"),
    DISK: re.compile(r"[a-z][a-z0-9!_-]{0,31}"),
    SIZE: re.compile(r"[1-9][0-9]{0,9}kB"),
}

KNOBS: dict[str, Knob] = {knob.id: knob for knob in (*MEMORY, *PROCESSORS, *BLOCK)}

# The knobs that another one may not exceed.
UPPER_LIMITS = frozenset(knob.below for knob in KNOBS.values() if knob.below)


def instance_is_well_formed(knob: Knob, instance: str) -> bool:
    """Whether `instance` could name one of the knob's instances: grammar only, not existence."""
    if not instance:
        return knob.scope == GLOBAL or knob.quantity
    grammar = _INSTANCE.get(knob.scope)
    return grammar is not None and grammar.fullmatch(instance) is not None


def other_half(knob: Knob) -> Knob | None:
    """The knob that says the same in other words, `vm.dirty_ratio` of `vm.dirty_bytes`, or None.

    Of two halves one counts and the other is 0.
    """
    return next((KNOBS[name] for name in knob.coupled if knob.id in KNOBS[name].coupled), None)


def writes(knob: Knob, value: str) -> tuple[tuple[Knob, str], ...]:
    """What is written where `knob` is to hold `value`: nearly always that.

    Where both halves are to be 0, the kernel may not take that of one (`vm.dirty_bytes`), and of
    the other only as a change from something else. Where the other half is not to be 0, it is
    written first, which is enough.
    """
    half = other_half(knob)
    if half is None or value != "0" or not knob.low:
        return ((knob, value),)
    return ((half, "1"), (half, value))


def parse_listed(text: str) -> tuple[str, tuple[str, ...]]:
    """Read a file that lists its choices, as `always [madvise] never`.

    Returns:
        The word in brackets and all words in the file's order. The kernel puts no brackets where
        nothing can be chosen (a bio-based disk's bare `none`); then there are no words to choose.
    """
    words = text.split()
    chosen = [word[1:-1] for word in words if word.startswith("[") and word.endswith("]")]
    if len(chosen) != 1:
        return (words[0] if len(words) == 1 else ""), ()
    return chosen[0], tuple(word.strip("[]") for word in words)


def canonical(knob: Knob, text: str) -> str:
    """The value as everybody writes it: the chosen word of a list, a number without blanks."""
    text = text.strip()
    text = parse_listed(text)[0] if "[" in text else text
    return dict(knob.reads).get(text, text)


def refusal(knob: Knob, value: str, listed: tuple[str, ...] = ()) -> str | None:
    """Say why `value` cannot be written to `knob`, or None if it can.

    Args:
        knob: What is to be written.
        value: The wanted value as the client gave it.
        listed: The words the kernel lists now, for a choice without words of its own.
    """
    if knob.high is not None and knob.low is not None:
        besides = "".join(f", or {word}" for word in knob.words)
        if value in knob.words:
            return None
        if _INTEGER.fullmatch(value) is None:
            return f"{knob.id} takes a whole number from {knob.low} to {knob.high}{besides}"
        if not knob.low <= int(value) <= knob.high:
            return f"{knob.id} takes {knob.low} to {knob.high}{besides}"
        return None
    if knob.choices:
        possible = tuple(word for word in knob.choices if not listed or word in listed)
    else:
        possible = listed + tuple(word for word in knob.modules if listed and word not in listed)
    if _WORD.fullmatch(value) is None or value not in possible:
        return f"{knob.id} takes one of: {', '.join(possible) or 'nothing here'}"
    return None


def table_hash() -> str:
    """A digest of the table, by which an app sees that its helper knows other knobs than it."""
    text = json.dumps([list(knob) for knob in KNOBS.values()], separators=(",", ":"))
    return hashlib.sha256(text.encode("ascii")).hexdigest()
