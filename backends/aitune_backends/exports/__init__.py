"""A profile in the forms of other tools: `export(profile, form, host)`, one module a form.

An export is made for one machine, since instances, disks' identities and huge page sizes are its
own: the running one, or that of a capture. What a form cannot say stands in the text as a comment
and in `left` with the reason, so that nothing is left out in silence.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from aitune_backends.exports.aims import Exported, aims

if TYPE_CHECKING:
    from aitune_backends.host import Host
    from aitune_backends.profiles import Profile

__all__ = ["FORMS", "Exported", "export"]

FORMS = ("sysctl", "udev", "tmpfiles", "tuned", "cmdline", "shell")


def export(profile: Profile, form: str, host: Host) -> Exported:
    """The profile in another tool's form.

    Args:
        profile: What is wanted.
        form: One of `FORMS`.
        host: The machine that the text is for.

    Raises:
        ValueError: There is no such form.
    """
    found = aims(profile, host)
    if form == "tuned":
        from aitune_backends.exports import tuned

        return tuned.render(profile, host, found)
    if form == "cmdline":
        from aitune_backends.exports import cmdline

        return cmdline.render(profile, host, found)
    if form == "shell":
        from aitune_backends.exports import script

        return script.render(profile, host, found)
    if form in FORMS:
        from aitune_backends.exports import drop_ins

        return drop_ins.render(profile, host, found, form)
    raise ValueError(f"there is no form {form!a}")
