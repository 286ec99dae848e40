"""The one thing that the dashboard and the command line open: a machine, whichever it is.

This machine, a capture of another one (`--root`), or the made-up one (`--demo`); each is a host to
look at, and perhaps a way to a helper that changes it.
"""

from __future__ import annotations

import time
from contextlib import ExitStack
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from aitune_backends.host import Host, open_host
from aitune_backends.identity import read_identity

if TYPE_CHECKING:
    from collections.abc import Callable

    from aitune_backends.helper_client import HelperLink
    from aitune_backends.host import Origin
    from aitune_backends.readings import Identity

NOT_A_CAPTURE = "A capture cannot be changed."
ROOT_IS_ONLY_LOOKED_AT = "A machine given by --root is only looked at: leave it out to change it."
READ_ONLY = "This run only looks: --readonly, or AITUNE_READONLY, is set."


@dataclass(slots=True)
class Machine:
    """A machine to look at, and what is needed to change it.

    Attributes:
        host: Its files.
        identity: What it is.
        link: The way to its helper; None where nothing can be changed from here.
        why_not_writable: One sentence where `link` is None, else "".
        advance: Lets the demo's time pass by so many seconds; None where time passes by itself.
    """

    host: Host
    identity: Identity
    link: HelperLink | None = None
    why_not_writable: str = ""
    advance: Callable[[float], None] | None = None
    _cleanup: ExitStack = field(default_factory=ExitStack, repr=False)

    @property
    def origin(self) -> Origin:
        """`live`, `capture` or `demo`."""
        return self.host.origin

    def close(self) -> None:
        """Let go of everything; what was unpacked or made up is removed."""
        self._cleanup.close()

    def __enter__(self) -> Machine:
        return self

    def __exit__(self, *_error: object) -> None:
        self.close()


def open_machine(*, demo: bool = False, root: str | None = None, readonly: bool = False) -> Machine:
    """Open this machine, a capture, or the demo.

    Args:
        demo: The made-up machine; `root` is then ignored.
        root: A directory or a tar of one, instead of this machine.
        readonly: Leave the helper out, so that nothing can be written.

    Raises:
        HostError: There is no such machine; one sentence for the operator.
    """
    machine = demo_machine() if demo else _open_host(root)
    if readonly:
        machine.link, machine.why_not_writable = None, READ_ONLY
    return machine


def demo_machine(*, at: float = 0.0, wall: Callable[[], float] = time.time) -> Machine:
    """Open the made-up machine.

    Args:
        at: Seconds in its story; 0 is 61 % through a load.
        wall: The clock by which its helper dates what it writes down.
    """
    from aitune_backends.demo import DemoMachine  # read only for the demo

    made_up = DemoMachine(at=at, wall=wall)
    machine = Machine(
        made_up.host, read_identity(made_up.host), made_up.link, advance=made_up.world.advance
    )
    machine._cleanup.callback(made_up.close)
    return machine


def _open_host(root: str | None) -> Machine:
    from aitune_backends.helper_client import RealLink

    with ExitStack() as stack:
        host = stack.enter_context(open_host(root))
        machine = Machine(host, read_identity(host))
        if host.origin == "capture":
            machine.why_not_writable = NOT_A_CAPTURE
        elif root is not None:
            machine.why_not_writable = ROOT_IS_ONLY_LOOKED_AT
        else:
            machine.link = RealLink()
        machine._cleanup = stack.pop_all()
    return machine
