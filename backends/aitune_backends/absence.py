"""Why a machine lacks a setting: found out by looking, as far as the machine tells."""

from __future__ import annotations

from typing import TYPE_CHECKING

from aitune_backends.catalogue import CPU

if TYPE_CHECKING:
    from collections.abc import Container

    from aitune_backends.catalogue import Entry
    from aitune_backends.situation import Situation

NOT_CAPTURED = "Not in this capture."
_VIRTUAL = "This is a virtual machine without CPU frequency control: set it on the host."
_NO_DRIVER = (
    "No cpufreq driver runs these processors: the firmware keeps frequencies to itself, or the "
    "driver's module is not loaded."
)


def why_absent(entry: Entry, situation: Situation, here: Container[str]) -> str:
    """Why this machine does not have a setting, in one sentence or two.

    Args:
        entry: What is known of its knob.
        situation: The machine around it.
        here: The settings that the machine does have.
    """
    same = next((knob for knob in entry.instead if knob in here), None)
    if same is not None:
        return f"Here {same} says the same."
    if entry.since and situation.kernel and situation.kernel < _version(entry.since):
        running = ".".join(map(str, situation.kernel))
        return f"Linux {running} does not have it: it came with {entry.since}."
    if situation.captured:
        return NOT_CAPTURED
    if entry.group == CPU and "cpu.governor" not in here and entry.knob != "cpu.idle_latency":
        if situation.virtual:
            return _VIRTUAL
        if situation.virtual is False and not situation.container:
            return _NO_DRIVER
    if situation.container:
        return f"{entry.absent} Or this container does not show it: look on the host."
    return entry.absent


def why_offline(cores: str) -> str:
    """Why a policy tells nothing while its cores are offline; `cores` are as `cpu 3`."""
    return f"Its cores are offline ({cores}): it comes back with them."


def _version(since: str) -> tuple[int, int]:
    major, _, minor = since.partition(".")
    return int(major), int(minor)
