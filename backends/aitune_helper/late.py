"""Writing a value, and waiting until the kernel shows what came of it.

What a policy's limits of the frequency say is made by a work that their write only puts into a
queue (`cpufreq_notifier_min`): read back at once, they may still be as before. Taken for refused,
they would move after all, and what was put back before they moved would not stay.
"""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

from aitune_helper import kernelfs, plan
from aitune_helper.knobs import writes

if TYPE_CHECKING:
    from aitune_helper.kernelfs import KernelIO
    from aitune_helper.knobs import Knob

# Under load it has been seen to take milliseconds. What does not move costs so long: a limit that
# is kept as it was.
WAIT_S = 0.25
_LOOK_S = 0.002


def write(kernel: KernelIO, knob: Knob, instance: str, value: str) -> None:
    """Write `value`; return once it, or what comes along late, no longer reads as before.

    Raises:
        OSError: The kernel refused it.
    """
    late = [(knob, instance)] if knob.late else _late_ones(kernel, knob, instance)
    before = [_now(kernel, *each) for each in late]
    for each, text in writes(knob, value):
        kernel.write(each.file(instance), text)
    give_up = time.monotonic() + WAIT_S
    while late and time.monotonic() < give_up:
        if all(_now(kernel, *each) != was for each, was in zip(late, before)):
            return
        time.sleep(_LOOK_S)


def _late_ones(kernel: KernelIO, knob: Knob, instance: str) -> list[tuple[Knob, str]]:
    return [each for each in kernelfs.coupled(kernel, knob, instance) if each[0].late]


def _now(kernel: KernelIO, knob: Knob, instance: str) -> str:
    try:
        return plan.reading(kernel, knob, instance)
    except OSError:
        return ""
