"""Services that set how fast processors run: what their files say.

Read in the manual pages and sources of each: power-profiles-daemon's README (`state.ini`, and which
governor and preference a profile means), auto-cpufreq's example configuration, the kernel's
`tools/power/cpupower/cpupower-service.conf`, Debian's and Fedora's `default/cpupower`, Ubuntu
20.04's `/lib/systemd/set-cpufreq`, thermald(8).
"""

from __future__ import annotations

import re
from itertools import pairwise
from typing import TYPE_CHECKING

from aitune_backends.manager_kind import Facts, Kind, Setting
from aitune_backends.probes.cpufreq import policy_names
from aitune_backends.settings_text import Said, read_settings

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from aitune_backends.host import Host

_PPD_STATE = "/var/lib/power-profiles-daemon/state.ini"
_PPD_PREFERENCES = {
    "performance": "performance",
    "balanced": "balance_performance",
    "power-saver": "power",
}
_AUTO_CPUFREQ = ("/etc/auto-cpufreq.conf",)
_CPUPOWER = (
    "/etc/sysconfig/cpupower",
    "/etc/default/cpupower",
    "/etc/cpupower-service.conf",
    "/etc/default/cpufrequtils",
)
_POLICIES = "/sys/devices/system/cpu/cpufreq"
_KHZ = {"hz": 0.001, "khz": 1.0, "mhz": 1e3, "ghz": 1e6, "thz": 1e9, "": 1.0}
_FREQUENCY = re.compile(r"([0-9]{1,9}(?:\.[0-9]{1,6})?)\s*([kMGT]?Hz)?", re.IGNORECASE)
_ONDEMAND = ("interactive", "ondemand", "powersave")
_OPTIONS = {
    "-g": "governor", "--governor": "governor", "-d": "min_freq", "--min": "min_freq",
    "-u": "max_freq", "--max": "max_freq",
}  # fmt: skip


def _of_profiles(host: Host) -> Facts:
    said = read_settings(host, (_PPD_STATE,)).get("State.Profile")
    profile = said or Said("balanced", _PPD_STATE)  # as it starts where nothing was ever chosen
    preference = _PPD_PREFERENCES.get(profile.value)
    return Facts(
        (
            Setting("cpu.epp", "", preference, profile.place),
            # It takes `powersave` wherever the processor itself decides by the preference.
            Setting("cpu.governor", "", None, profile.place),
        ),
        f"profile {profile.value}",
    )


def _of_auto_cpufreq(host: Host) -> Facts:
    said = read_settings(host, _AUTO_CPUFREQ)
    place = _AUTO_CPUFREQ[0] if said else ""
    governor = said.get("charger.governor")
    turbo = said.get("charger.turbo", Said("auto", place))
    boost = {"always": "1", "never": "0"}.get(turbo.value)
    turned = {"1": "0", "0": "1"}.get(boost or "")
    settings = [
        Setting("cpu.governor", "", *(governor or Said("", place))),
        Setting("cpu.boost", "", boost, turbo.place),
        Setting("cpu.no_turbo", "", turned, turbo.place),
    ]
    if not governor:
        settings[0] = Setting("cpu.governor", "", None, place)
    for name, knob in (
        ("energy_performance_preference", "cpu.epp"),
        ("scaling_min_freq", "cpu.min_freq"),
        ("scaling_max_freq", "cpu.max_freq"),
    ):
        found = said.get(f"charger.{name}")
        if found:
            settings.append(Setting(knob, "", *found))
    return Facts(tuple(settings), place)


def _of_cpupower(host: Host) -> Facts:
    """What the unit sets: each distribution writes it down in another way."""
    said = {name.lower(): found for name, found in read_settings(host, _CPUPOWER).items()}
    options = said.get("cpupower_start_opts")
    if options is not None:  # Fedora: the words of a command
        said = {**dict(_worded(options)), **said}
    settings = tuple(_frequencies(said))
    places = [setting.place.rpartition(":")[0] for setting in settings]
    return Facts(settings, places[0] if places else "")


def _worded(options: Said) -> Iterator[tuple[str, Said]]:
    words = options.value.replace("=", " ").split()
    for word, value in pairwise(words):
        if word in _OPTIONS:
            yield _OPTIONS[word], Said(value, options.place)


def _frequencies(said: Mapping[str, Said]) -> Iterator[Setting]:
    for name, knob in (("governor", "cpu.governor"), ("epp", "cpu.epp")):
        if name in said:
            yield Setting(knob, "", said[name].value.lower(), said[name].place)
    for name, knob in (("min_freq", "cpu.min_freq"), ("max_freq", "cpu.max_freq")):
        if name in said:
            yield Setting(knob, "", khz(said[name].value), said[name].place)


def khz(text: str) -> str | None:
    """A frequency as cpupower takes it, `2.25GHz` or plain kHz, in whole kHz; None for others."""
    found = _FREQUENCY.fullmatch(text.strip())
    return str(round(float(found[1]) * _KHZ[(found[2] or "").lower()])) if found else None


def _of_ondemand(host: Host) -> Facts:
    """The first of these that the processor's driver offers, as the unit's script takes it."""
    script = "/lib/systemd/set-cpufreq"
    policy = next(iter(policy_names(host)), "")
    listed = host.first_line(f"{_POLICIES}/{policy}/scaling_available_governors") or ""
    offered = [word for word in _ONDEMAND if word in listed.split()]
    chosen = offered[0] if offered else None
    return Facts((Setting("cpu.governor", "", chosen, script),), script)


def _of_thermald(_: Host) -> Facts:
    knobs = ("cpu.max_perf_pct", "cpu.no_turbo", "cpu.max_freq")
    return Facts(tuple(Setting(knob, "", None, "") for knob in knobs))


_EACH_OTHER = ("tuned", "tlp", "power-profiles-daemon", "auto-cpufreq", "cpupower")


def _against(name: str) -> tuple[str, ...]:
    return tuple(other for other in _EACH_OTHER if other != name)


KINDS = (
    Kind(
        "power-profiles-daemon",
        "It sets the processors' own preference, and the governor, by the chosen power profile, "
        "again at each choice.",
        _of_profiles,
        commands=("power-profiles-daemon",),
        against=_against("power-profiles-daemon"),
    ),
    Kind(
        "auto-cpufreq",
        "It sets governor, preference and boost again every few seconds, by load and temperature.",
        _of_auto_cpufreq,
        against=_against("auto-cpufreq"),
    ),
    Kind(
        "cpupower",
        "It sets governor and frequency limits once, when it starts.",
        _of_cpupower,
        others=("cpupower-frequency-set", "cpufrequtils"),
        against=("tuned", "auto-cpufreq", "power-profiles-daemon"),
        keeps=False,
    ),
    Kind(
        "ondemand",
        "It sets the governor of all processors once, a minute after boot.",
        _of_ondemand,
        against=("tuned", "cpupower"),
        keeps=False,
    ),
    Kind(
        "thermald",
        "It lowers the processors' speed while they are too hot, and lifts it again.",
        _of_thermald,
    ),
)
