"""The helper as a program: `python3 -I -S -B aitune-helper.pyz [--guard]`.

It takes calls on its standard input and answers on its standard output. It takes no path and no
environment: what it does is in this file and in the calls. `--guard` makes it the guardian, for a
service manager that keeps it.
"""

from __future__ import annotations

import os
import sys
import traceback

from aitune_helper import boot, callers, server, surroundings
from aitune_helper.guardian import Guardian, ProcessGuardian, stay, watch
from aitune_helper.journal import Journal
from aitune_helper.kernelfs import RealKernel
from aitune_helper.places import Places, journal_group, prepare
from aitune_helper.state import loud
from aitune_helper.trial import Trials

_GUARD = "--guard"
_FAULT = 70
_USAGE = 2
_NOT_PERMITTED = 4


def main() -> None:
    """Run.

    Exits with 0 when the client is gone, 2 for unknown arguments, 4 if it must not run here, 70
    for a fault of ours: then whatever is open is the guardian's.
    """
    arguments = sys.argv[1:]
    if arguments not in ([], [_GUARD]):
        loud("takes no arguments but --guard")
        sys.exit(_USAGE)
    said = callers.said_by_sudo(os.environ)
    try:
        surroundings.check_process()
        origin = surroundings.check_origin(sys.argv[0])
    except (surroundings.UnsafeError, OSError) as error:
        loud(f"does not start: {error}")
        sys.exit(_NOT_PERMITTED)
    surroundings.close_off()
    try:
        if arguments:
            _guard()
        else:
            _help(origin, said)
    except Exception:  # noqa: BLE001 (the last place where it can be said)
        loud(traceback.format_exc())
        sys.exit(_FAULT)


def _help(origin: surroundings.Origin, said: callers.Said) -> None:
    """Answer one client. What closes us off further goes between the guardian and Hello."""
    places = Places()
    interpreter = (sys.executable, "-I", "-S", "-B", origin.path, _GUARD)
    command = interpreter if surroundings.systemd_runs() else None

    def guardian(trials: Trials) -> Guardian:
        del trials  # the guardian is another process, with trials of its own
        return ProcessGuardian(places, _trials, command)

    try:
        core = server.Core(
            RealKernel(),
            places,
            guardian=guardian,
            container=surroundings.container(),
            bundle_sha256=origin.sha256,
            witness=surroundings.syslog,
            readers=boot.read_here(os.path.exists),
        )
    except OSError as error:
        loud(f"does not start: {error.filename}: {error.strerror}")
        sys.exit(_NOT_PERMITTED)
    server.serve(core, 0, 1, callers.caller(0, said))
    core.close()


def _guard() -> None:
    """Be the guardian."""
    places = Places()
    prepare(places)
    stay()
    watch(places, _trials())


def _trials() -> Trials:
    places = Places()
    journal = Journal(places.journal, group=journal_group(), witness=surroundings.syslog)
    return Trials(RealKernel(), places, journal)


if __name__ == "__main__":
    main()
