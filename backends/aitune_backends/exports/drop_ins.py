"""A profile as a file for sysctl.d, for udev's rules.d, or for tmpfiles.d.

Which line sets what, and how it is spelled, is said by the code that keeps settings over a reboot;
here is only what stands around the lines.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from aitune_backends.exports.aims import Exported, file_name, head, left_out, tail
from aitune_helper import boot, formats
from aitune_helper.formats import MODULES, SYSCTL, TMPFILES, UDEV, Line

if TYPE_CHECKING:
    from aitune_backends.exports.aims import Aim, Aims
    from aitune_backends.host import Host
    from aitune_backends.profiles import Profile

_PLACES = {
    SYSCTL: "/etc/sysctl.d/95-{name}.conf",
    UDEV: "/etc/udev/rules.d/95-{name}.rules",
    TMPFILES: "/etc/tmpfiles.d/95-{name}.conf",
}
_NOW = {
    SYSCTL: "sysctl -p {place}",
    UDEV: "udevadm control --reload; udevadm trigger --action=change --subsystem-match=block",
    TMPFILES: "systemd-tmpfiles --create {place}",
}
_RENDER = {
    SYSCTL: formats.render_sysctl,
    UDEV: formats.render_udev,
    TMPFILES: formats.render_tmpfiles,
}
_MODULES_FILE = "/etc/modules-load.d/95-{name}.conf"


def render(profile: Profile, host: Host, found: Aims, form: str) -> Exported:
    """The file of one of the three forms."""
    machine = boot.Machine(host)
    items = [aim.item for aim in found.aims]
    name = file_name(profile)
    lines: dict[str, Line] = {}
    unsaid: list[tuple[Aim, str]] = []
    for aim in found.aims:
        how = machine.at_boot(aim.item, items)
        own = next((each for each in how.settings if each.mechanism == form), None)
        if own is None:
            unsaid.append((aim, _why_not(how)))
            continue
        lines[own.key] = Line(own.value, aim.why)
        unsaid += _modules(aim, how, name)
    left = (*found.left, *left_out(unsaid))
    place = _PLACES[form].format(name=name)
    about = head(profile, f"Save as {place}, which {{reader}} reads at boot.",
                 f"To have it now: {_NOW[form].format(place=place)}")  # fmt: skip
    text = _RENDER[form](lines, _escaped(about)) + tail(left)
    undo = f"Remove {place}; what it has set stays until the next boot."
    return Exported(text, undo, left)


def _why_not(how: boot.AtBoot) -> str:
    if not how.settings:
        return how.note
    return f"this file cannot set it; the form {how.settings[0].mechanism} does."


def _modules(aim: Aim, how: boot.AtBoot, name: str) -> list[tuple[Aim, str]]:
    """Modules that another file has to load before the line finds what it sets."""
    place = _MODULES_FILE.format(name=name)
    return [
        (aim, f"found at boot only once {each.key} is loaded: add it as a line to {place}.")
        for each in how.settings
        if each.mechanism == MODULES
    ]


def _escaped(header: str) -> str:
    """A header in which nothing but the reader's name is filled in."""
    return header.replace("{", "{{").replace("}", "}}").replace("{{reader}}", "{reader}")
