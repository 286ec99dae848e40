"""A profile in the forms of other tools: a file for sysctl.d, or a script for the shell.

What a form cannot say stands in it as a comment, so that nothing is left out in silence.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from aitune_backends.changes import ChangeError, expand
from aitune_backends.shell import command
from aitune_helper.knobs import KNOBS

if TYPE_CHECKING:
    from collections.abc import Iterable

    from aitune_backends.changes import Wanted
    from aitune_backends.profiles.parse import Profile
    from aitune_helper.kernelfs import KernelIO

FORMATS = ("sysctl", "shell")


def as_sysctl(profile: Profile, default_pool: str) -> str:
    """The profile as a file for /etc/sysctl.d.

    Args:
        profile: What is wanted.
        default_pool: The pool whose size `vm.nr_hugepages` is on the machine the file is for.
    """
    return _text(profile, (_sysctl_line(want, default_pool) for want in profile.wanted))


def as_shell(profile: Profile, kernel: KernelIO) -> str:
    """The profile as a script for this machine, each instance in a line of its own."""
    lines = ["set -eu"]
    for want in profile.wanted:
        try:
            changes = expand(kernel, [want])
        except ChangeError as error:
            lines.append(f"# {want}: {error}")
            continue
        lines += [command(change.knob, change.instance, change.value) for change in changes]
    return "#!/bin/sh\n" + _text(profile, lines)


def _sysctl_line(want: Wanted, default_pool: str) -> str:
    if KNOBS[want.knob].file().startswith("/proc/sys/"):
        return f"{want.knob} = {want.value}"
    if want.knob == default_pool and want.instance is None:
        return f"vm.nr_hugepages = {want.value}"
    return f"# {want} is no sysctl: it needs another way to be set at boot"


def _text(profile: Profile, lines: Iterable[str]) -> str:
    return "\n".join((f"# {profile.name}: {profile.title}", *lines, ""))
