"""What `keep` and `revert` share: finding the open trial, and whose it is."""

from __future__ import annotations

from typing import TYPE_CHECKING

from aitune_backends import sentences, undo
from aitune_tui.cli.common import NOT_AS_WANTED, NOT_PERMITTED, fail

if TYPE_CHECKING:
    from aitune_backends.helper_client import HelperLink, Session
    from aitune_helper.messages import Trial


def open_trial(link: HelperLink, name: str | None) -> Trial:
    """The trial that is open, as anybody may know it.

    Args:
        link: The way to the helper.
        name: The id or number the operator gave, or None.

    Raises:
        Failure: There is none, or it is another than the one named; status 1.
    """
    state = link.state()
    trial = state.pending if state else None
    if trial is None:
        fail(NOT_AS_WANTED, "nothing-pending", sentences.NOTHING_PENDING)
    if name is not None and undo.find([trial], name) is None:
        fail(
            NOT_AS_WANTED,
            "nothing-pending",
            f"{name} is not open; the open trial is {trial.number} of {trial.owner_name}.",
        )
    return trial


def require_own(session: Session, trial: Trial, name: str | None) -> None:
    """Refuse to end somebody else's trial unless it was named.

    Raises:
        Failure: Status 4.
    """
    if name is None and trial.owner_uid != session.hello.caller_uid:
        fail(
            NOT_PERMITTED,
            "not-yours",
            sentences.not_yours(trial),
            f"Name it to act on it all the same: {trial.number}.",
        )
