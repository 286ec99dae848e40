"""A value as people read it, where what the kernel writes would mislead: `n/a`, `0`, and kHz."""

from __future__ import annotations

_KHZ_PER_MHZ = 1000
_MHZ_PER_GHZ = 1000
# Inverted in the kernel's own interface: 0 is no limit, and "n/a" the strictest one.
_WORDS = {
    ("cpu.idle_latency", "n/a"): "C0 only",
    ("cpu.idle_latency", "0"): "no limit",
    ("cpu.boost", "1"): "on",
    ("cpu.boost", "0"): "off",
    ("cpu.policy_boost", "1"): "on",
    ("cpu.policy_boost", "0"): "off",
}


def in_words(knob: str, value: str, unit: str) -> tuple[str, str]:
    """A value and its unit for a table: (`2.4`, `GHz`) for 2400000 kHz, (`C0 only`, "") for `n/a`.

    Args:
        knob: Id of the knob.
        value: What the kernel says.
        unit: The unit of the knob.
    """
    word = _WORDS.get((knob, value))
    if word is not None:
        return word, ""
    if unit != "kHz" or not value.isdecimal() or len(value) > 12:
        return value, unit
    mhz = int(value) / _KHZ_PER_MHZ
    if mhz < _MHZ_PER_GHZ:
        return f"{mhz:.0f}", "MHz"
    ghz = f"{mhz / _MHZ_PER_GHZ:.2f}"
    return ghz.removesuffix("0"), "GHz"


def spelled(knob: str, value: str, unit: str) -> str:
    """The same in one text, with what is written where that differs: `2.4 GHz (2400000)`."""
    text, shown_unit = in_words(knob, value, unit)
    if (text, shown_unit) == (value, unit):
        return f"{value} {unit}".rstrip()
    return f"{text} {shown_unit}".rstrip() + f" ({value})"
