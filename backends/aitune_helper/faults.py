"""The answers that several methods give where something may not be, or cannot."""

from __future__ import annotations

from aitune_helper import plan
from aitune_helper.varlink import Fault


def refused(knob: str, instance: str, reason: str) -> Fault:
    """The answer to something that may not be."""
    return Fault("Refused", {"knob": knob, "instance": instance, "reason": reason})


def unavailable(error: Exception) -> Fault:
    """The answer where journal or record cannot be written."""
    reason = plan.error_name(error) if isinstance(error, OSError) else "the journal is damaged"
    return Fault("JournalUnavailable", {"reason": reason})
