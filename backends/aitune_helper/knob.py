"""What a knob is: the shape of the table's rows, and the words that they are written in.

The rows lie in `knobs_memory`, `knobs_cpu` and `knobs_block`; `knobs` puts them together.
"""

from __future__ import annotations

from typing import NamedTuple

GLOBAL = "global"
NODE = "node"
POLICY = "policy"
CPU = "cpu"
DISK = "disk"
SIZE = "size"

# What can be promised of going back.
EXACT = "exact"
BEST_EFFORT = "best effort"
NONE = "none"

# How a file says yes and no where it does not say 1 and 0.
LETTERS = (("Y", "1"), ("N", "0"))
TRUE_FALSE = (("true", "1"), ("false", "0"))


class Knob(NamedTuple):
    """One tunable of the kernel.

    Attributes:
        id: The name by which everybody calls it; a sysctl knob carries its sysctl name.
        path: The file, with `{instance}` where the instance goes.
        scope: What an instance is: `global` (none), `node` (`node1`), `policy` (`policy3`), `cpu`
            (`cpu7`), `disk` (`sda`) or `size` (of a page: `64kB`).
        low, high: Bounds of an integer, inclusive; None for a choice.
        choices: The words a choice takes, or () where the file itself lists them.
        modules: Words that are valid although the file may not list them until a module is loaded.
        words: Words that an integer takes besides whole numbers, with a meaning of their own.
        reads: Other spellings that the file uses, each with the one that everybody writes: a
            file that says `Y` or `true` holds 1.
        listed_in: The file that lists the words, where it is not the knob's own.
        least_in, most_in: The files that say the least and the most this instance takes, or "".
        below: The knob of the same instance whose value this one may not exceed, or "". Of the
            two the kernel cuts whichever is written across the other.
        unit: The unit of the value, or "".
        quantity: A pool of something. It has a total besides its per-node instances, and a value
            given without an instance means the total and never fans out.
        total_path: The file of the total, for a quantity.
        means: The knob that this is another name of, with `{pool}` where the pool of the default
            size of huge pages goes, or "".
        coupled: Knobs that the kernel changes along with this one: of the same instance, the only
            one of a global knob, or every one where this knob itself is global. They are
            snapshotted with it and put back after it, wherever they then differ. Two knobs that
            name each other are two ways to say one thing: setting either sets the other to 0.
        follows: Whether it is what the kernel makes it along with others, unless somebody has set
            it: where those others stay as somebody else has set them, it stays with them.
        turn: When it is written, on the way there and on the way back: lower ones first, since a
            write may reset what has a later turn.
        undo: `exact`; `best effort` where the kernel may not give back what it took; `none`.
        doubt: Why the undo is not exact, in words.
        persist: Which mechanism can set it at boot: `sysctl`, `udev`, `tmpfiles`.
        fixed: Why no other value can be written although the file is there, in words, or "".
        rounds: Whether the kernel takes a value and keeps one near it, which is as wanted.
        late: Whether the kernel may show it as before for a moment after it took another value.
        capability: The Linux capability its write needs even of root, or "".
        offered: False for a knob that is only there to be put back with another.
    """

    id: str
    path: str
    scope: str = GLOBAL
    low: int | None = None
    high: int | None = None
    choices: tuple[str, ...] = ()
    modules: tuple[str, ...] = ()
    words: tuple[str, ...] = ()
    reads: tuple[tuple[str, str], ...] = ()
    listed_in: str = ""
    least_in: str = ""
    most_in: str = ""
    below: str = ""
    unit: str = ""
    quantity: bool = False
    total_path: str = ""
    means: str = ""
    coupled: tuple[str, ...] = ()
    follows: bool = False
    turn: int = 0
    undo: str = EXACT
    doubt: str = ""
    persist: str = "sysctl"
    fixed: str = ""
    rounds: bool = False
    late: bool = False
    capability: str = ""
    offered: bool = True

    @property
    def is_integer(self) -> bool:
        """Whether the value is a whole number rather than a word."""
        return self.high is not None

    @property
    def holder(self) -> tuple[str, str, str]:
        """Where the instances are listed: a directory, and what stands before and after each.

        `hugepages-64kB` in the directory of transparent huge pages stands for `64kB`.
        """
        before, mark, after = self.path.partition("{instance}")
        directory, _, prefix = before.rpartition("/")
        return (directory, prefix, after.partition("/")[0]) if mark else ("", "", "")

    def file(self, instance: str = "") -> str:
        """The file of one instance; of the total for a quantity without an instance."""
        if self.quantity and not instance:
            return self.total_path
        return self.path.replace("{instance}", instance)


def sysctl(
    name: str,
    low: int,
    high: int,
    unit: str = "",
    *,
    coupled: tuple[str, ...] = (),
    means: str = "",
    undo: str = EXACT,
    doubt: str = "",
) -> Knob:
    """A sysctl that holds a whole number; its id is its name."""
    path = "/proc/sys/" + name.replace(".", "/")
    return Knob(
        name, path, low=low, high=high, unit=unit, coupled=coupled, means=means, undo=undo,
        doubt=doubt,
    )  # fmt: skip
