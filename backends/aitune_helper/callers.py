"""Who asks: what the kernel says of the other end, and what sudo and the login say besides.

Only the peer credentials of the socket count when something is decided. The rest is for those who
read the journal later, and is checked all the same: it ends up on their terminals.
"""

from __future__ import annotations

import os
import pwd
import re
import socket
import stat
import struct
from typing import TYPE_CHECKING, NamedTuple

from aitune_helper import files, state
from aitune_helper.messages import Caller

if TYPE_CHECKING:
    from collections.abc import Mapping

_NAME = re.compile(r"[A-Za-z0-9_.@-]{1,64}")
_UID = re.compile(r"0|[1-9][0-9]{0,9}")
_NO_UID = 2**32 - 1


class Said(NamedTuple):
    """What sudo left in our environment, noted before that is cleared; "" for what it did not.

    Attributes:
        uid, user: For whom it works.
        ssh: `SSH_CONNECTION`, where the site's rules keep it.
    """

    uid: str = ""
    user: str = ""
    ssh: str = ""


def said_by_sudo(environ: Mapping[str, str]) -> Said:
    """Note what sudo says; nothing of it is believed yet."""
    names = ("SUDO_UID", "SUDO_USER", "SSH_CONNECTION")
    return Said(*(environ.get(name, "") for name in names))


def caller(fd: int, said: Said | None = None) -> Caller:
    """Who is at the other end: the peer of the socket, else whom sudo names, not attested.

    Where a site logs the input of sudo, calls come through a pipe and the kernel vouches for
    nobody.

    Args:
        fd: Where calls come from.
        said: What sudo said.
    """
    said = Said() if said is None else said
    uid = _sudo_uid(said)
    peer = from_socket(fd)
    if peer is None:
        found = os.getuid() if uid is None else uid
        peer = Caller(found, name_of(found), attested=False)
    return peer._replace(
        tty=terminal(),
        loginuid=login_uid(),
        ssh=ssh_client(said.ssh),
        sudo="" if uid is None else name_of(uid),
    )


def from_socket(fd: int) -> Caller | None:
    """The peer of a socket, attested by the kernel; None where `fd` is something else."""
    if not stat.S_ISSOCK(os.fstat(fd).st_mode):
        return None
    with socket.socket(fileno=os.dup(fd)) as peer:
        if peer.family != socket.AF_UNIX:
            return None
        raw = peer.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, struct.calcsize("3i"))
    pid, uid, _ = struct.unpack("iII", raw)
    started = state.start_time(pid) if pid else ""
    return Caller(uid, name_of(uid), attested=True, pid=pid, started=started)


def name_of(uid: int) -> str:
    """The account's name if it is a plain one, else its number."""
    name = _account(uid)
    return name if _NAME.fullmatch(name) else str(uid)


def terminal() -> str | None:
    """Our controlling terminal, which is the operator's: `pts/0`, `tty1`, or None."""
    data = _own("stat")
    number = int(data.rpartition(b")")[2].split()[4]) if data else 0
    major, minor = os.major(number), os.minor(number)
    if 136 <= major <= 143:
        return f"pts/{(major - 136) * 256 + minor}"
    return f"tty{minor}" if major == 4 else None


def login_uid() -> int | None:
    """Who logged in, whatever they became since; None outside of a login, or without audit."""
    text = _own("loginuid").decode("ascii", "replace").strip()
    uid = int(text) if _UID.fullmatch(text) else _NO_UID
    return None if uid == _NO_UID else uid


def ssh_client(connection: str) -> str:
    """The client's address of an `SSH_CONNECTION`, as the system writes it; "" if it is none."""
    address = connection.partition(" ")[0].partition("%")[0]
    for family in (socket.AF_INET, socket.AF_INET6):
        try:
            return socket.inet_ntop(family, socket.inet_pton(family, address))
        except (OSError, ValueError):
            continue
    return ""


def _sudo_uid(said: Said) -> int | None:
    """The uid sudo names, if the name beside it is that account's; else None."""
    if _UID.fullmatch(said.uid) is None:
        return None
    uid = int(said.uid)
    return uid if uid < _NO_UID and _account(uid) in ("", said.user) else None


def _account(uid: int) -> str:
    """The name in the list of accounts, "" where there is none."""
    try:
        return pwd.getpwuid(uid).pw_name
    except (KeyError, OverflowError):
        return ""


def _own(name: str) -> bytes:
    """A file of our own in /proc; empty where it cannot be read."""
    try:
        return files.read_file(f"/proc/self/{name}") or b""
    except OSError:
        return b""
