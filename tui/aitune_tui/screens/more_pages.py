"""What may bring the huge pages that were not to be had: an action first, then the pool again."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

from textual.binding import Binding, BindingType

from aitune_backends import sentences as shared
from aitune_helper.actions import ACTIONS
from aitune_tui import sentences
from aitune_tui.screens.dialog import Dialog
from aitune_widgets.footer_bar import FooterBar, KeyHint
from aitune_widgets.lines import TextBlock

if TYPE_CHECKING:
    from collections.abc import Iterator

    from textual.widget import Widget

    from aitune_backends.offers import Offer
    from aitune_helper.messages import Trial
    from aitune_widgets.text import Line

# What the keys are, and what they are called.
KEYS = {"compact_memory": ("c", "compact memory"), "drop_caches": ("d", "drop page cache")}


class MorePagesDialog(Dialog[str]):
    """Says why a pool came out short, and what can be done first; its answer is the action's id.

    Args:
        offer: What came out short, and what may help.
        pending: The trial that is put back first, or None.
    """

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding(key, f"act('{action}')", show=False) for action, (key, _) in KEYS.items()
    ]

    def __init__(self, offer: Offer, pending: Trial | None) -> None:
        super().__init__("More huge pages", id="more-dialog")
        self._offer = offer
        self._pending = pending

    def body(self) -> Iterator[Widget]:
        """The reason, each action with what it does, and what the boot could do."""
        offer = self._offer
        lines: list[Line] = [((shared.partial(offer.item), "fg"),), ()]
        for action in offer.actions:
            key, name = KEYS[action]
            lines.append(((f"{key} ", "focus-bold"), (f"{name}, then plan again", "strong")))
            known = ACTIONS[action]
            lines += [((f"  {known.effect}", "fg"),), ((f"  {known.cost}", "dim"),), ()]
        if not offer.actions:
            lines += [((sentences.NOTHING_FREES_MORE, "fg"),), ()]
        if offer.boot:
            where = "At boot, on the kernel's command line: "
            lines.append(((where, "dim"), (offer.boot, "strong")))
        if self._pending is not None and offer.actions:
            first = f"Trial {self._pending.number} is put back first. "
            lines.append(((f"{first}Nothing of the new plan is written before a.", "dim"),))
        yield TextBlock(*lines)
        bar = FooterBar()
        keys = tuple(KeyHint(*KEYS[action]) for action in offer.actions)
        bar.show(keys, (KeyHint("Esc", "not now"),))
        yield bar

    def action_act(self, action: str) -> None:
        """Answer with an action that is offered."""
        if action in self._offer.actions:
            self.dismiss(action)
