"""What of a change is there again after a reboot: what our file can carry, and what wins over it.

Our file in sysctl.d is one among others, and the lexically last name wins: on many machines
`99-sysctl.conf` comes after it. A setting is called persistent only if no such file sets it to
something else.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from aitune_backends import sentences
from aitune_backends.owners import read_owners
from aitune_helper import plan
from aitune_helper.knobs import KNOBS

if TYPE_CHECKING:
    from collections.abc import Sequence

    from aitune_backends.host import Host
    from aitune_helper.kernelfs import KernelIO
    from aitune_helper.messages import Item, Trial

OUR_NAME = "95-aitune.conf"


def boot_key(kernel: KernelIO, item: Item) -> str:
    """The sysctl that sets an item at boot, "" where sysctl.d cannot."""
    if KNOBS[item.knob].persist == "sysctl":
        return item.knob
    try:
        pool = plan.memory(kernel).default_pool
    except OSError:  # a capture may lack it
        return ""
    return "vm.nr_hugepages" if item.knob == pool and not item.instance else ""


def shadows(host: Host, items: Sequence[Item]) -> dict[str, str]:
    """What a later file sets to something else, by target: `FILE:LINE, which sets 60`."""
    owners = read_owners(host)
    found = {}
    for item in items:
        owner = owners.of(boot_key(host, item))
        if owner is None or owner.value == item.requested:
            continue
        if owner.file.rpartition("/")[2] > OUR_NAME:
            found[sentences.target(item)] = f"{owner}, which sets {owner.value}"
    return found


def noted(host: Host, trial: Trial) -> Trial:
    """A kept trial, each item whose line in our file is shadowed saying so."""
    found = shadows(host, trial.items) if trial.persist else {}
    return trial._replace(
        items=tuple(
            item._replace(note="; ".join(filter(None, (item.note, _note(found[name])))))
            if (name := sentences.target(item)) in found
            else item
            for item in trial.items
        )
    )


def _note(shadow: str) -> str:
    return f"{sentences.NOT_PERSISTENT}: shadowed by {shadow}"
