"""TuneD: which profile is active, what it sets, and what it lets sysctl.d set over it.

Read in TuneD 2.20 to 2.28: `/etc/tuned/active_profile`, `profile_mode`, `tuned-main.conf`, its
README ("incompatible with cpupower and power-profiles-daemon"), the `Conflicts=` of its unit, and
`plugin_sysctl`: with `reapply_sysctl`, which is the default, a profile that sets any sysctl is
followed by `/run/sysctl.d`, `/etc/sysctl.d` and `/etc/sysctl.conf`. So these win over a profile
among sysctls, while for everything else the profile wins over what was set at boot.
"""

from __future__ import annotations

from contextlib import suppress
from typing import TYPE_CHECKING

from aitune_backends import boot_sysctl
from aitune_backends.boot_files import read_boot_files
from aitune_backends.foreign import clean
from aitune_backends.manager_kind import Facts, Kind, Setting
from aitune_backends.settings_text import Said, read_settings
from aitune_helper.knobs import KNOBS

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from aitune_backends.host import Host

_MAIN = "/etc/tuned/tuned-main.conf"
_ACTIVE = "/etc/tuned/active_profile"
# What it reads again over its profile.
_REAPPLIED = ("/run/sysctl.d", "/etc/sysctl.d")
_SYSCTL_CONF = "/etc/sysctl.conf"
_TRUE = ("1", "true", "yes", "y", "t")


def active_profile(host: Host) -> str:
    """The profile in force, several names with a blank between them where they are merged."""
    return " ".join((host.first_line(_ACTIVE) or "").split())


def _read(host: Host) -> Facts:
    profile = active_profile(host)
    if not profile:
        return Facts((), "no profile is active")
    try:
        own = tuple(_of_profile(host, profile))
    except ValueError:
        return Facts((), f"profile {clean(profile)}, which cannot be read")
    main = read_settings(host, (_MAIN,))
    reapplies = main.get("reapply_sysctl", Said("1", "")).value.lower() in _TRUE
    over = _reapplied(host) if reapplies and any(map(_is_sysctl, own)) else {}
    settings = [setting for setting in own if setting.knob not in over]
    return Facts((*settings, *over.values()), f"profile {clean(profile)}")


def _of_profile(host: Host, profile: str) -> Iterator[Setting]:
    """What a profile sets; nothing where it cannot be read.

    Raises:
        LensError: There is no such profile, or it is none.
    """
    # Here: where no profile is active nothing of the lens is needed.
    from aitune_backends.lens.tuned import read_tuned

    for want in read_tuned(host.read, profile).profile.wanted:
        # It holds a limit for all processors by another file, which leaves those of each alone.
        if want.knob != "cpu.idle_latency":
            yield Setting(want.knob, want.instance or "", want.value, want.place, want.bound)


def _is_sysctl(setting: Setting) -> bool:
    return KNOBS[setting.knob].file().startswith("/proc/sys/")


def _reapplied(host: Host) -> Mapping[str, Setting]:
    """By knob, the line that TuneD sets again over its profile."""
    texts = list(read_boot_files(host, _REAPPLIED, ".conf", {}).texts)
    with suppress(OSError, ValueError):
        texts.append((_SYSCTL_CONF, host.read(_SYSCTL_CONF)))
    return {
        name: Setting(name, "", lines[-1].value, str(lines[-1]))
        for name, lines in boot_sysctl.lines(texts).items()
        if name in KNOBS
    }


def _of_desktop(_: Host) -> Facts:
    return Facts((), "/etc/tuned/ppd.conf")


KINDS = (
    Kind(
        "tuned",
        "It sets what its profile says when it starts and when the profile is changed, and puts "
        "back what it found when it stops.",
        _read,
        against=("cpupower", "power-profiles-daemon", "tlp", "auto-cpufreq"),
    ),
    Kind(
        "tuned-ppd",
        "It changes TuneD's profile when a desktop or `powerprofilesctl` asks for another one.",
        _of_desktop,
        against=("power-profiles-daemon",),
    ),
)
