"""The system calls that this process may never make, as a filter of the kernel.

A list of what is denied, not of what is allowed: what CPython and its C library call differs with
each of them. It takes what capabilities and Landlock leave: running programs, other processes,
namespaces, modes and owners, sockets other than AF_UNIX, and calling anybody by these. A denied
call fails with EPERM.

The program is classic BPF over `struct seccomp_data` (linux/seccomp.h): number at 0, architecture
at 4, arguments as 64-bit words from 16 on. Of an argument the low word is compared: the kernel
takes the tested ones as 32 bits or less.
"""

from __future__ import annotations

import ctypes
import errno
import os
import struct
from typing import NamedTuple

from aitune_helper import libc
from aitune_helper.messages import Layer

# Number on x86-64 and on aarch64 (asm/unistd_64.h, asm-generic/unistd.h); None: not there.
CALLS: dict[str, tuple[int | None, int | None]] = {
    # running something else
    "execve": (59, 221), "execveat": (322, 281), "uselib": (134, None),
    # other processes
    "ptrace": (101, 117), "process_vm_readv": (310, 270), "process_vm_writev": (311, 271),
    "process_madvise": (440, 440), "process_mrelease": (448, 448), "kcmp": (312, 272),
    "pidfd_getfd": (438, 438), "kill": (62, 129), "tkill": (200, 130), "tgkill": (234, 131),
    "rt_sigqueueinfo": (129, 138), "rt_tgsigqueueinfo": (297, 240),
    # services: systemd, D-Bus or a container engine runs anything for whoever calls as root
    "connect": (42, 203), "listen": (50, 201), "accept": (43, 202), "accept4": (288, 242),
    # mounts and namespaces
    "mount": (165, 40), "umount2": (166, 39), "pivot_root": (155, 41), "chroot": (161, 51),
    "open_tree": (428, 428), "move_mount": (429, 429), "fsopen": (430, 430),
    "fsconfig": (431, 431), "fsmount": (432, 432), "fspick": (433, 433),
    "mount_setattr": (442, 442), "open_tree_attr": (467, 467),
    "setns": (308, 268), "unshare": (272, 97),
    # the kernel itself
    "bpf": (321, 280), "perf_event_open": (298, 241), "init_module": (175, 105),
    "finit_module": (313, 273), "delete_module": (176, 106), "kexec_load": (246, 104),
    "kexec_file_load": (320, 294), "reboot": (169, 142), "swapon": (167, 224),
    "swapoff": (168, 225), "quotactl": (179, 60), "quotactl_fd": (443, 443), "acct": (163, 89),
    "sethostname": (170, 161), "setdomainname": (171, 162), "syslog": (103, 116),
    "settimeofday": (164, 170), "clock_settime": (227, 112), "adjtimex": (159, 171),
    "clock_adjtime": (305, 266), "iopl": (172, None), "ioperm": (173, None),
    "modify_ldt": (154, None), "vhangup": (153, 58), "userfaultfd": (323, 282),
    "io_uring_setup": (425, 425), "io_uring_enter": (426, 426), "io_uring_register": (427, 427),
    "fanotify_init": (300, 262), "add_key": (248, 217), "request_key": (249, 218),
    "keyctl": (250, 219), "personality": (135, 92),
    # files by other ways than a path from the root, and their modes and owners
    "open_by_handle_at": (304, 265), "mknod": (133, None), "mknodat": (259, 33),
    "chmod": (90, None), "fchmodat": (268, 53), "fchmodat2": (452, 452),
    "chown": (92, None), "lchown": (94, None), "fchownat": (260, 54),
    "setxattr": (188, 5), "lsetxattr": (189, 6), "fsetxattr": (190, 7), "setxattrat": (463, 463),
}  # fmt: skip

# Denied with "there is no such call", so that a C library takes the older one, which is filtered.
MISSING: dict[str, tuple[int | None, int | None]] = {
    "clone3": (435, 435), "openat2": (437, 437),
}  # fmt: skip


class Rule(NamedTuple):
    """A call that is denied for some values of one argument.

    Attributes:
        name: Of the call.
        numbers: As in `CALLS`.
        argument: Which one, counted from 0.
        mask: Which bits of it are looked at.
        equals: Denied where these bits are exactly so; None: where any of them is set.
        differs: Turns `equals` round: denied where the bits are anything else.
    """

    name: str
    numbers: tuple[int | None, int | None]
    argument: int
    mask: int
    equals: int | None = None
    differs: bool = False


_ALL = 0xFFFFFFFF
_NEW_NAMESPACES = 0x7E020000
_SET_ID = 0o6000
_AF_UNIX = 1
_MAP_TYPE = 0xF

RULES: tuple[Rule, ...] = (
    Rule("clone", (56, 220), 0, _NEW_NAMESPACES),
    Rule("socket", (41, 198), 0, _ALL, _AF_UNIX, differs=True),
    Rule("socketpair", (53, 199), 0, _ALL, _AF_UNIX, differs=True),
    Rule("ioctl", (16, 29), 1, _ALL, 0x5412),  # TIOCSTI types on a terminal
    Rule("ioctl", (16, 29), 1, _ALL, 0x541C),  # TIOCLINUX pastes on a console
    Rule("prlimit64", (302, 261), 0, _ALL, 0, differs=True),  # of another process
    # A file mapped shared is written without a write: the registers of a PCI device are such.
    Rule("mmap", (9, 222), 3, _MAP_TYPE, 0x1),
    Rule("mmap", (9, 222), 3, _MAP_TYPE, 0x3),
    # Nothing of ours is ever set-user-id.
    Rule("open", (2, None), 2, _SET_ID),
    Rule("openat", (257, 56), 3, _SET_ID),
    Rule("creat", (85, None), 1, _SET_ID),
    Rule("mkdir", (83, None), 1, _SET_ID),
    Rule("mkdirat", (258, 34), 2, _SET_ID),
    Rule("fchmod", (91, 52), 1, _SET_ID),
)


class Instruction(NamedTuple):
    """One `struct sock_filter`."""

    code: int
    jump_true: int
    jump_false: int
    k: int


class Machine(NamedTuple):
    """An architecture: its AUDIT_ARCH number, its column in the table, whether it has x32."""

    audit: int
    column: int
    x32: bool


MACHINES = {
    "x86_64": Machine(0xC000003E, 0, x32=True),
    "aarch64": Machine(0xC00000B7, 1, x32=False),
}

_LOAD = 0x20
_AND = 0x54
_EQUAL = 0x15
_AT_LEAST = 0x35
_ANY_SET = 0x45
_RETURN = 0x06
_ALLOW = 0x7FFF0000
_KILL = 0x80000000
_FAIL = 0x00050000
_NUMBER_AT = 0
_ARCH_AT = 4
_ARGUMENTS_AT = 16
_X32_BIT = 0x40000000

_PR_SET_NO_NEW_PRIVS = 38
_PR_SET_SECCOMP = 22
_MODE_FILTER = 2


class _Program(ctypes.Structure):
    _fields_ = (("length", ctypes.c_ushort), ("filter", ctypes.c_void_p))


def program(machine: Machine) -> tuple[Instruction, ...]:
    """The filter for one architecture."""
    denied = Instruction(_RETURN, 0, 0, _FAIL | errno.EPERM)
    made = [
        Instruction(_LOAD, 0, 0, _ARCH_AT),
        Instruction(_EQUAL, 1, 0, machine.audit),
        Instruction(_RETURN, 0, 0, _KILL),
        Instruction(_LOAD, 0, 0, _NUMBER_AT),
    ]
    if machine.x32:
        made += [Instruction(_AT_LEAST, 0, 1, _X32_BIT), denied]
    for names, code in ((CALLS, errno.EPERM), (MISSING, errno.ENOSYS)):
        for numbers in names.values():
            number = numbers[machine.column]
            if number is not None:
                made.append(Instruction(_EQUAL, 0, 1, number))
                made.append(Instruction(_RETURN, 0, 0, _FAIL | code))
    for rule in RULES:
        number = rule.numbers[machine.column]
        if number is not None:
            body = _body(rule, denied)
            made += [Instruction(_EQUAL, 0, len(body), number), *body]
    made.append(Instruction(_RETURN, 0, 0, _ALLOW))
    return tuple(made)


def _body(rule: Rule, denied: Instruction) -> list[Instruction]:
    """Look at the argument; if it passes, the number is loaded again for what follows."""
    load = Instruction(_LOAD, 0, 0, _ARGUMENTS_AT + 8 * rule.argument)
    again = Instruction(_LOAD, 0, 0, _NUMBER_AT)
    if rule.equals is None:
        return [load, Instruction(_ANY_SET, 0, 1, rule.mask), denied, again]
    to_denial = (1, 0) if rule.differs else (0, 1)
    compare = Instruction(_EQUAL, *to_denial, rule.equals)
    return [load, Instruction(_AND, 0, 0, rule.mask), compare, denied, again]


def no_new_privs() -> Layer:
    """Never gain anything by running a set-user-id program; what follows needs it."""
    try:
        libc.prctl(_PR_SET_NO_NEW_PRIVS, 1)
    except OSError as error:
        return Layer("no_new_privs", held=False, note=error.strerror or "")
    return Layer("no_new_privs", held=True)


def restrict() -> Layer:
    """Put the filter in force, for this thread and whatever it forks."""
    machine = MACHINES.get(os.uname().machine)
    if machine is None or struct.calcsize("P") != 8:
        return Layer("seccomp", held=False, note=f"no table for {os.uname().machine}")
    made = program(machine)
    code = b"".join(struct.pack("=HBBI", *instruction) for instruction in made)
    text = ctypes.create_string_buffer(code, len(code))
    filter_ = _Program(len(made), ctypes.addressof(text))
    try:
        libc.prctl(_PR_SET_SECCOMP, _MODE_FILTER, ctypes.addressof(filter_))
    except OSError as error:
        return Layer("seccomp", held=False, note=error.strerror or "")
    denied = sum(numbers[machine.column] is not None for numbers in CALLS.values())
    return Layer("seccomp", held=True, note=f"{denied} calls denied")
