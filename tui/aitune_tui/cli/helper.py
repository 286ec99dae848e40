"""`aitune-tui helper`: the part that runs as root. Run without sudo; it asks by itself."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from aitune_backends import installer
from aitune_backends.helper_bundle import bundle, bundle_sha256
from aitune_helper.knobs import KNOBS
from aitune_tui.cli import rooted
from aitune_tui.cli.common import (
    DONE,
    NOT_AS_WANTED,
    USAGE,
    Options,
    echo,
    emit_json,
    fail,
    note,
    open_machine,
    pass_options,
)

if TYPE_CHECKING:
    from aitune_backends.helper_client import HelperLink
    from aitune_backends.machine import Machine

# What an operator is asked to let root write, shortened to its stems.
_WRITES = (
    "/proc/sys/vm and /proc/sys/kernel/numa_balancing",
    "/sys/kernel/mm and /sys/devices/system (huge pages, CPU governors)",
    "/sys/block/*/queue",
    "/etc/sysctl.d/95-aitune.conf, once a change is kept with --persist",
    "/run/aitune and /var/lib/aitune (its record and its journal)",
)


@click.group(name="helper")
def command() -> None:
    """Install, inspect or remove the part of aitune-tui that runs as root."""


@command.command(name="install")
@rooted.asking_options
@pass_options
def install(options: Options, yes: bool, non_interactive: bool) -> None:
    """Install the helper as a root-owned file, by one `sudo install`."""
    asking = rooted.Asking(yes=yes, non_interactive=non_interactive)
    with open_machine(options) as machine:
        _require_this_machine(machine)
    with rooted.failures():
        place = installer.target()
        note(f"Writes {place}, {len(bundle())} bytes.", as_json=options.json)
        note(f"SHA-256 {bundle_sha256()}", as_json=options.json)
        known = sum(knob.offered for knob in KNOBS.values())
        note(
            f"It may write {known} settings and its own files, nothing else:", as_json=options.json
        )
        for line in _WRITES:
            note(f"  {line}", as_json=options.json)
        asking.confirm("Install it?")
        installed = installer.install(ask=asking.terminal, to=place)
    if options.json:
        emit_json("helper", _status_json(installer.status()))
    else:
        echo(f"{installed} is installed and reads back as sent.")


@command.command(name="status")
@pass_options
@click.pass_context
def status(ctx: click.Context, options: Options) -> None:
    """Say which helper is installed, whether it may be started, and how to spare the password."""
    found = installer.status()
    if options.json:
        emit_json("helper", _status_json(found))
    else:
        echo(f"The helper: {found.sentence}")
        echo(f"SHA-256 of this program's: {found.own_sha256}")
        if found.path is not None and not found.is_current:
            echo(f"SHA-256 installed:         {found.sha256 or 'cannot be read'}")
        if found.command:
            echo("A line for /etc/sudoers.d that lets a group change settings without a password:")
            echo(f"  {installer.sudo_rule(found.command)}")
    ctx.exit(DONE if found.is_usable else NOT_AS_WANTED)


@command.command(name="remove")
@rooted.asking_options
@pass_options
def remove(options: Options, yes: bool, non_interactive: bool) -> None:
    """Remove the installed helper. What was kept, and its boot files, stay as they are."""
    asking = rooted.Asking(yes=yes, non_interactive=non_interactive)
    with open_machine(options) as machine:
        link = _require_this_machine(machine)
        asking.require()
        rooted.require_nothing_pending(link)
    found = installer.status()
    if found.path is not None:
        note(f"Removes {found.path}.", as_json=options.json)
        asking.confirm("Remove it?")
    with rooted.failures():
        removed = installer.remove(ask=asking.terminal)
    left = [str(file) for file in installer.leftovers()]
    if options.json:
        body = {**_status_json(installer.status()), "leftovers": left}
        emit_json("helper", body)
        return
    gone = ", ".join(str(file) for file in removed)
    echo(f"Removed: {gone}." if removed else "No helper was installed.")
    if left:
        echo(f"Still set at boot by: {', '.join(left)}. `aitune-tui unpersist` takes that back.")
    echo("The journal stays in /var/lib/aitune.")


def _require_this_machine(machine: Machine) -> HelperLink:
    link = rooted.require_link(machine)
    if machine.origin != "live":
        fail(USAGE, "demo", "The demo brings a helper of its own; there is nothing to install.")
    return link


def _status_json(found: installer.Status) -> dict[str, object]:
    return {
        "installed": found.path is not None,
        "path": None if found.path is None else str(found.path),
        "sha256": found.sha256 or None,
        "own_sha256": found.own_sha256,
        "current": found.is_current,
        "usable": found.is_usable,
        "problem": found.problem,
        "command": list(found.command),
        "sudo_rule": installer.sudo_rule(found.command) if found.command else None,
    }
