"""What the helper answers when it does not do as asked, as one error with a sentence."""

from __future__ import annotations

import errno
import os
from typing import TYPE_CHECKING, NamedTuple

from aitune_backends import sentences
from aitune_backends.public_state import seconds_left
from aitune_helper.messages import INTERFACE, Item, Trial, from_object

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

_KEEP_OR_REVERT = "Keep it or put it back first: `aitune-tui keep`, `aitune-tui revert`."
_REINSTALL = "`aitune-tui helper install` installs the one that belongs to this program."


class HelperError(Exception):
    """The helper did not do as asked, or could not be reached.

    Attributes:
        code: A word for programs: `stale`, `busy`, `refused`, `expired`, `nothing-pending`,
            `not-yours`, `journal`, `no-guardian`, `protocol`, `outdated`, `persist`, `corrupt`,
            `gone` (in the middle of a call), `no-answer`, `not-installed`, `not-elevated`.
        message: The operator's sentence: what is true now.
        hint: What to do about it on a command line, or "".
        trial: The trial it is about, where there is one.
        items: The targets it is about, or ().
    """

    def __init__(
        self,
        code: str,
        message: str,
        hint: str = "",
        *,
        trial: Trial | None = None,
        items: tuple[Item, ...] = (),
    ) -> None:
        super().__init__(message)
        self.code = code
        self.message = message
        self.hint = hint
        self.trial = trial
        self.items = items


class NotInstalled(HelperError):  # noqa: N818 - named for the state the operator is told of
    """There is no helper that may be started as root."""

    def __init__(self, message: str, hint: str = "") -> None:
        super().__init__("not-installed", message, hint)


class NotElevated(HelperError):  # noqa: N818 - named for the state the operator is told of
    """sudo did not start the helper."""

    def __init__(self, message: str, hint: str = "") -> None:
        super().__init__("not-elevated", message, hint)


def gone(reason: str = "") -> HelperError:
    """The connection ended in the middle of a call: what was asked may be done or not."""
    return HelperError("gone", _because(sentences.HELPER_GONE, reason), sentences.GUARDIAN_ACTS)


def no_answer(reason: str = "") -> HelperError:
    """A helper was started and ended without a hello."""
    return HelperError("no-answer", _because(sentences.HELPER_SILENT, reason))


def _because(sentence: str, reason: str) -> str:
    return f"{sentence[:-1]}: {reason.rstrip('.')}." if reason else sentence


def malformed(reason: object) -> HelperError:
    """The helper spoke, but not our protocol."""
    return HelperError(
        "protocol", f"The helper answered out of the protocol: {reason}.", _REINSTALL
    )


def outdated() -> HelperError:
    """The installed helper has another table of settings than this program."""
    return HelperError(
        "outdated",
        "The installed helper knows other settings than this program; it writes nothing for it.",
        _REINSTALL,
    )


def from_reply(error: str, parameters: Mapping[str, object]) -> HelperError:
    """Turn an error reply into what is raised.

    Args:
        error: Its full name, as `io.aitune.Helper1.Busy`.
        parameters: What came with it.
    """
    interface, _, name = error.rpartition(".")
    make = _BY_NAME.get(name) if interface == INTERFACE else None
    if make is None:
        return malformed(error)
    try:
        return make(parameters)
    except (KeyError, ValueError) as fault:
        return malformed(f"{error} without what belongs to it ({fault})")


class _Items(NamedTuple):
    items: tuple[Item, ...]


def _stale(given: Mapping[str, object]) -> HelperError:
    items = from_object(_Items, given).items
    changed = [item for item in items if item.status == "stale"] or list(items)
    message = sentences.stale(changed[0]) if changed else "A value changed. Nothing written."
    return HelperError("stale", message, "Plan again.", items=items)


def _busy(given: Mapping[str, object]) -> HelperError:
    trial = from_object(Trial, given["trial"])
    message = sentences.busy(trial, seconds_left(trial))
    return HelperError("busy", message, _KEEP_OR_REVERT, trial=trial)


def _refused(given: Mapping[str, object]) -> HelperError:
    return HelperError("refused", sentences.refused(str(given["reason"])))


def _expired(given: Mapping[str, object]) -> HelperError:
    trial = from_object(Trial, given["trial"]) if given.get("trial") else None
    return HelperError("expired", sentences.expired(trial), trial=trial)


def _nothing_pending(_given: Mapping[str, object]) -> HelperError:
    return HelperError("nothing-pending", sentences.NOTHING_PENDING)


def _not_yours(given: Mapping[str, object]) -> HelperError:
    trial = from_object(Trial, given["trial"])
    hint = f"Name it to act on it all the same: {trial.id}."
    return HelperError("not-yours", sentences.not_yours(trial), hint, trial=trial)


def _journal(given: Mapping[str, object]) -> HelperError:
    reason = str(given["reason"]).rstrip(".")
    code = getattr(errno, reason, None)
    reason = os.strerror(code) if isinstance(code, int) else reason
    message = f"The journal cannot be written: {reason}. Without it nothing is changed, or kept."
    return HelperError("journal", message, "What is on trial is put back in time all the same.")


def _no_guardian(given: Mapping[str, object]) -> HelperError:
    reason = str(given["reason"]).rstrip(".")
    message = f"No guardian could be started: {reason}. Nothing is changed."
    return HelperError("no-guardian", message)


def _protocol(_given: Mapping[str, object]) -> HelperError:
    message = "The installed helper speaks another version of the protocol."
    return HelperError("protocol", message, _REINSTALL)


def _persist(given: Mapping[str, object]) -> HelperError:
    path, reason = str(given["path"]), str(given["reason"]).rstrip(".")
    hint = "Without --persist, a change holds until the next reboot. To persist it, move that away."
    return HelperError("persist", f"{path} is left as it is: {reason}.", hint)


def _corrupt(given: Mapping[str, object]) -> HelperError:
    path = str(given["path"])
    return HelperError("corrupt", f"{path} was damaged and has been moved aside.")


_BY_NAME: dict[str, Callable[[Mapping[str, object]], HelperError]] = {
    "Stale": _stale,
    "Busy": _busy,
    "Refused": _refused,
    "Expired": _expired,
    "NothingPending": _nothing_pending,
    "NotYours": _not_yours,
    "JournalUnavailable": _journal,
    "NoGuardian": _no_guardian,
    "ProtocolMismatch": _protocol,
    "PersistRefused": _persist,
    "Corrupt": _corrupt,
}
