"""The requests of the interface with the types of their fields, and its description."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, NamedTuple

from aitune_helper import VERSION, apply, messages, varlink
from aitune_helper.actions import ACTIONS
from aitune_helper.messages import ArmChanges
from aitune_helper.varlink import Call, Fault, Object

if TYPE_CHECKING:
    from aitune_helper.messages import Change

TEXT_MAX = 200
_WORD_MAX = 64
_ID = re.compile(r"[0-9a-f]{32}")


class Hello(NamedTuple):
    """The first call."""

    protocol_max: int
    client: str = ""
    client_version: str = ""


class Plan(NamedTuple):
    """Check changes; nothing is written."""

    changes: tuple[Change, ...]
    force: bool = False
    arms: tuple[ArmChanges, ...] = ()


class Extend(NamedTuple):
    """Give the open trial more time."""

    id: str
    ttl_s: float


class Switch(NamedTuple):
    """Bring another arm of the open trial into force."""

    id: str
    arm: str


class Keep(NamedTuple):
    """End the open trial as it stands; with `arm`, once that one is in force."""

    id: str
    persist: bool = False
    arm: str = ""


class Revert(NamedTuple):
    """Put the open trial back."""

    id: str


class History(NamedTuple):
    """Trials of the journal, the newest first; `before` a number, 0 for the newest of all."""

    limit: int = 20
    before: int = 0


class Unpersist(NamedTuple):
    """Take knobs out of the file read at boot; all of them if none is named."""

    knobs: tuple[str, ...] = ()


class Act(NamedTuple):
    """Have the kernel do something once; nothing can take it back."""

    action: str


class SelfTest(NamedTuple):
    """Try to break out of the sandbox."""


METHODS: dict[str, type[tuple[object, ...]]] = {
    "Hello": Hello,
    "Plan": Plan,
    "Apply": apply.Wanted,
    "Extend": Extend,
    "Switch": Switch,
    "Keep": Keep,
    "Revert": Revert,
    "History": History,
    "Unpersist": Unpersist,
    "SelfTest": SelfTest,
    "Act": Act,
}

DESCRIPTION = """\
# Changes settings of the kernel on trial: kept on purpose, put back otherwise.
interface io.aitune.Helper1

type Change (knob: string, instance: string, value: string, expected: ?string)
type Part (instance: string, old: string, effective: ?string)
type Along (knob: string, instance: string, old: string, effective: ?string)
type Item (knob: string, instance: string, path: string, old: string, requested: string,
  effective: ?string, status: string, errno: ?string, note: string, undo: string, parts: []Part,
  along: []Along)
type ArmChanges (name: string, changes: []Change)
type Arm (name: string, items: []Item)
type CheckedPlan (items: []Item, warnings: []string, hash: string, arms: []Arm)
type Trial (id: string, number: int, owner_uid: int, owner_name: string, attested: bool,
  tty: ?string, started: float, deadline: ?float, state: string, items: []Item, persist: bool,
  persisted: string, complete: bool, message: string, title: string, undo_of: ?string,
  arm: string, arms: []Arm)
type Progress (done: int, total: int, item: Item)
type Caller (uid: int, name: string, attested: bool, tty: ?string, pid: int, started: string,
  loginuid: ?int, ssh: string, sudo: string)
type Account (trial: string, boot_id: string, kernel: string, begun: ?Caller, ended: ?Caller,
  ended_at: ?float)
type Layer (name: string, held: bool, note: string)
type Attempt (name: string, held: bool, note: string)

method Hello(protocol_max: int, client: string, client_version: string) -> (protocol: int,
  helper_version: string, bundle_sha256: string, knob_hash: string, euid: int, caller_uid: int,
  attested: bool, journal_ok: bool, guardian: string, container: string, pending: ?Trial,
  notices: []string, sandbox: []Layer)
method Plan(changes: []Change, force: bool, arms: []ArmChanges) -> (plan: CheckedPlan)
method Apply(changes: []Change, plan_hash: string, ttl_s: float, on_partial: string, persist: bool,
  message: string, title: string, force: bool, undo_of: ?string, arms: []ArmChanges)
  -> (progress: ?Progress, trial: ?Trial)
method Extend(id: string, ttl_s: float) -> (trial: Trial)
method Switch(id: string, arm: string) -> (progress: ?Progress, trial: ?Trial)
method Keep(id: string, persist: bool, arm: string) -> (trial: Trial, files: []string)
method Revert(id: string) -> (trial: Trial)
method History(limit: int, before: int) -> (trials: []Trial, accounts: []Account, damaged: int,
  more: bool)
method Unpersist(knobs: []string) -> (files: []string)
method Act(action: string) -> ()
method SelfTest() -> (attempts: []Attempt)
method Cancel() -> ()

error Stale (items: []Item)
error Busy (trial: ?Trial)
error Refused (knob: string, instance: string, reason: string)
error Expired (trial: Trial)
error NothingPending ()
error NotYours (trial: Trial)
error JournalUnavailable (reason: string)
error NoGuardian (reason: string)
error ProtocolMismatch ()
error PersistRefused (path: string, reason: string)
error Corrupt (path: string)
"""


def describe(call: Call) -> Object:
    """Answer what every Varlink service answers about itself."""
    name = call.method[len(varlink.SERVICE) + 1 :]
    if name == "GetInfo":
        return {
            "vendor": "aitune-tui",
            "product": "aitune-helper",
            "version": VERSION,
            "url": "",
            "interfaces": [varlink.SERVICE, messages.INTERFACE],
        }
    if name == "GetInterfaceDescription":
        interface = call.parameters.get("interface")
        if interface == messages.INTERFACE:
            return {"description": DESCRIPTION}
        raise Fault(f"{varlink.SERVICE}.InterfaceNotFound", {"interface": str(interface)[:64]})
    raise Fault(f"{varlink.SERVICE}.MethodNotFound", {"method": call.method[:128]})


def check_words(request: object) -> None:
    """Refuse strings that no honest client sends, before they reach journal or record.

    Raises:
        ValueError: With the name of the field.
    """
    if isinstance(request, apply.Wanted):
        if request.on_partial not in {messages.ROLLBACK, messages.ACCEPT}:
            raise ValueError("on_partial must be rollback or accept")
        _check_id(request.undo_of, "undo_of")
        for name, text in (("message", request.message), ("title", request.title)):
            if len(text) > TEXT_MAX or not text.isprintable():
                raise ValueError(f"{name} must be at most {TEXT_MAX} printable characters")
    if isinstance(request, (Extend, Switch, Keep, Revert)):
        _check_id(request.id, "id")
    if isinstance(request, (apply.Wanted, Plan)):
        if request.arms and request.changes:
            raise ValueError("changes must be empty where there are arms")
        for arm in (ArmChanges("", request.changes), *request.arms):
            _check_word(arm.name)
            for change in arm.changes:
                for field in change:
                    _check_word(field)
    if isinstance(request, (Switch, Keep)):
        _check_word(request.arm)
    if isinstance(request, Hello):
        _check_word(request.client)
        _check_word(request.client_version)
    if isinstance(request, Act) and request.action not in ACTIONS:
        raise ValueError(f"action must be one of: {', '.join(ACTIONS)}")
    if isinstance(request, Unpersist):
        for knob in request.knobs:
            _check_word(knob)


def _check_id(text: str | None, where: str) -> None:
    if text is not None and _ID.fullmatch(text) is None:
        raise ValueError(f"{where} must be the id of a trial")


def _check_word(text: str | None) -> None:
    if text is None or (len(text) <= _WORD_MAX and text.isascii() and text.isprintable()):
        return
    raise ValueError(f"a word must be at most {_WORD_MAX} printable ASCII characters")
