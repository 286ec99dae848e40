"""Reading a TuneD profile: the profile, all that it includes, merged as TuneD merges them.

TuneD is not asked and nothing of it is run. A function (`${f:…}`), a condition on the processor, a
plug-in without a knob of ours: each line of them is listed as left, with the reason.

The rules are those of TuneD's own loader, merger and variables (2.20, and what 2.2x added).
"""

from __future__ import annotations

import posixpath
from typing import TYPE_CHECKING

from aitune_backends.lens import LensError
from aitune_backends.lens.gathering import Gathered
from aitune_backends.lens.knob_paths import unlisted
from aitune_backends.lens.tuned_chain import FILE, Chain
from aitune_backends.lens.tuned_merge import merged_units, merged_variables
from aitune_backends.lens.tuned_plugins import gather_unit

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from aitune_backends.lens import Imported
    from aitune_backends.lens.knob_paths import Names

FOLDERS = ("/etc/tuned/profiles", "/etc/tuned", "/usr/lib/tuned/profiles", "/usr/lib/tuned")


def read_tuned(
    read: Callable[[str], str],
    name: str,
    folders: Sequence[str] = FOLDERS,
    names: Names = unlisted,
) -> Imported:
    """Read a TuneD profile by name, or several merged as `tuned-adm profile A B` does.

    Args:
        read: Reads a file of the machine, as `Host.read`; raises OSError where there is none. It
            is also asked what the machine offers where a profile gives alternatives.
        name: As `tuned-adm` takes it, or the path of a profile's folder or of its tuned.conf.
        folders: Where profiles lie, the winning folder first.
        names: Lists a directory of the machine, as `Host.names`, for patterns of devices.

    Raises:
        LensError: There is no such profile, or it is beyond the bounds of any profile.
    """
    chain = Chain(read, folders)
    gathered = Gathered(names)
    for each in [name] if "/" in name else name.split() or [name]:
        why = chain.load(each, gathered)
        if why:
            where = "" if "/" in name else f" in {' or '.join(folders)}"
            raise LensError(f"{why[:1].upper()}{why[1:]}{where}.")
    variables = merged_variables(chain, gathered)
    for unit in merged_units(chain, gathered):
        gather_unit(unit, variables, gathered, read)
    title, text = chain.about.get("summary", ""), chain.about.get("description", "")
    return gathered.result(_plain(name), title, text, chain.loaded[-1].path)


def _plain(name: str) -> str:
    """The name of a profile, where its path was given."""
    if "/" not in name:
        return name
    return posixpath.basename(name.removesuffix(f"/{FILE}").rstrip("/")).removesuffix(".conf")
