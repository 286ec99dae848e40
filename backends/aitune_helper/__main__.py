"""The helper as a program: `python3 -I -S -B aitune-helper.pyz [--guard]`.

It takes calls on its standard input and answers on its standard output. It takes no path and no
environment: what it does is in this file and in the calls. `--guard` makes it the guardian, for a
service manager that keeps it.
"""

from __future__ import annotations

import os
import sys

from aitune_helper import (
    boot,
    breakout,
    callers,
    capabilities,
    compiling,
    sandbox,
    server,
    surroundings,
)
from aitune_helper.capabilities import CapableKernel
from aitune_helper.guardian import ProcessGuardian, prepare_to_stay, stay, watch
from aitune_helper.journal import Journal
from aitune_helper.places import Places, journal_group, prepare
from aitune_helper.service import Service
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
            _guard(origin)
        else:
            _help(origin, said)
    except Exception as error:  # noqa: BLE001 (the last place where it can be said)
        loud(f"a fault of ours: {error!r} at {_where(error)}")
        sys.exit(_FAULT)


def _where(error: BaseException) -> str:
    """The calls that led to an error, as file:line, the innermost last."""
    calls = []
    at = error.__traceback__
    while at is not None:
        calls.append(f"{os.path.basename(at.tb_frame.f_code.co_filename)}:{at.tb_lineno}")
        at = at.tb_next
    return " ".join(calls)


def _help(origin: surroundings.Origin, said: callers.Said) -> None:
    """Answer one client: a guardian first, then the sandbox, then hello."""
    places = Places()
    kernel = CapableKernel()
    service = None
    try:
        prepare(places)
        compiling.prepare()
        if surroundings.systemd_runs():
            command = (sys.executable, "-I", "-S", "-B", origin.path, _GUARD)
            service = Service(command, capabilities.needed(kernel), journal_group())
        staying = prepare_to_stay(service)
        guardian = ProcessGuardian(places, lambda: _confined(origin), service)
        guardian.start()
        caller = callers.caller(0, said)
        container = surroundings.container()
        layers = sandbox.enter(kernel, places, origin.path)
        core = server.Core(
            kernel,
            places,
            guardian=lambda trials: guardian,
            container=container,
            bundle_sha256=origin.sha256,
            witness=surroundings.syslog,
            readers=boot.read_here(os.path.exists),
            sandbox=(*layers, *staying),
            self_test=breakout.Breakout(places, origin.path).run,
        )
    except OSError as error:
        loud(f"does not start: {error.filename}: {error.strerror}")
        sys.exit(_NOT_PERMITTED)
    server.serve(core, 0, 1, caller)
    core.close()


def _guard(origin: surroundings.Origin) -> None:
    """Be the guardian, as a service."""
    places = Places()
    prepare(places)
    stay()
    watch(places, _confined(origin))


def _confined(origin: surroundings.Origin) -> Trials:
    """Enter the sandbox and take up the trials of this machine, as a guardian does."""
    places = Places()
    kernel = CapableKernel()
    compiling.keep(origin.path, origin.sha256)
    sandbox.enter(kernel, places, origin.path)
    journal = Journal(places.journal, group=journal_group(), witness=surroundings.syslog)
    return Trials(kernel, places, journal)


if __name__ == "__main__":
    main()
