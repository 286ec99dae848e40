"""Another value: a list of the words that can be chosen, or a number."""

from __future__ import annotations

import textwrap
from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar, NamedTuple

from textual import events, on
from textual.containers import Vertical
from textual.widgets import Input

from aitune_backends.catalogue import ENTRIES
from aitune_backends.explanation_text import instances
from aitune_backends.foreign import clean
from aitune_backends.value_words import in_words, spelled
from aitune_helper.knobs import KNOBS, Knob
from aitune_tui import pool_typing
from aitune_tui.number_typing import typing_for
from aitune_tui.screens.dialog import Dialog
from aitune_tui.selection import Selection, Target
from aitune_widgets.cursor_list import CursorList
from aitune_widgets.footer_bar import FooterBar, KeyHint
from aitune_widgets.glyphs import GLYPHS
from aitune_widgets.lines import TextBlock
from aitune_widgets.text import Columns, Row, fit

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from textual.widget import Widget

    from aitune_backends.planner import PoolOutlook
    from aitune_tui.view import View
    from aitune_widgets.text import Line
    from aitune_widgets.theme import Tone

# A range this small is a choice in disguise: each number has a meaning of its own.
_FEW = 4
_MOST_VALUES = 6  # of hundreds of cores each may hold its own
Wanted = tuple[tuple[Target, str], ...]
_REASON_COLUMN = 6
_REASON_WIDTH = 60  # fits the narrowest dialog
_A_MODULE = "a module of the kernel: loaded when it is set"


@dataclass(frozen=True, slots=True)
class Option:
    """One value in the list.

    Attributes:
        value: The value.
        now: Whether the targets hold it.
        advised: Whether it is advised.
        note: What it means, or why it cannot be chosen.
        possible: Whether it can be chosen.
        shown: The value as people read it.
    """

    value: str
    now: bool
    advised: bool
    note: str
    possible: bool = True
    shown: str = ""


def is_choice(knob: Knob) -> bool:
    """Whether the values of a knob are few enough for a list."""
    return not knob.is_integer or (knob.high or 0) - (knob.low or 0) <= _FEW


def options_for(selection: Selection) -> tuple[Option, ...]:
    """The values of a choice: those that can be chosen, and others with the reason why not."""
    knob, entry = KNOBS[selection.knob], ENTRIES.get(selection.knob)
    if knob.is_integer:
        words = [str(number) for number in range(knob.low or 0, (knob.high or 0) + 1)]
    else:
        listed = [word for status in selection.statuses for word in status.choices]
        words = list(dict.fromkeys((*listed, *knob.choices)))
    others = [word for word in knob.modules if word not in words] if words else []
    impossible = _impossible(selection)
    found: list[Option] = []
    for word in (*words, *others):
        note = entry.meaning_of(word).note if entry and word in entry.values else ""
        if word in others:
            note = _A_MODULE
        elif not knob.is_integer and not _is_everywhere(word, selection):
            impossible.setdefault(word, "Only some of them know it: choose it one by one.")
        found.append(
            Option(
                value=word,
                now=word in selection.values,
                advised=word == selection.advised,
                note=impossible.get(word, plain(note)),
                possible=word not in impossible,
                shown=spelled(knob.id, word, ""),
            )
        )
    return tuple(found)


def _is_everywhere(word: str, selection: Selection) -> bool:
    return all(word in s.choices or not s.choices for s in selection.statuses)


def _impossible(selection: Selection) -> dict[str, str]:
    """Values that some of the targets cannot hold now, and why; and which, where not all."""
    where: dict[tuple[str, str], list[str]] = {}
    for status in selection.statuses:
        for one in status.impossible:
            where.setdefault((one.value, one.why), []).append(status.instance)
    found: dict[str, str] = {}
    for (value, why), names in where.items():
        some = "" if len(names) == len(selection.statuses) else f"{instances(names)}: "
        found.setdefault(value, f"{some}{why}")
    return found


def plain(note: str) -> str:
    """A note of the catalogue, if it needs no numbers of a plan."""
    return "" if "{" in note else note


class OptionList(CursorList):
    """The values, one a line; under one that cannot be chosen the reason why not."""

    def __init__(self, options: Sequence[Option], *, id: str | None = None) -> None:
        super().__init__(id=id)
        self._options = tuple(options)
        self._lines = tuple(_lines_of(options))

    def on_mount(self) -> None:
        """Stand on the advised value, or on the present one."""
        self.set_keys([line.option.value if line.can_be_chosen else None for line in self._lines])
        possible = [option for option in self._options if option.possible]
        best = next((o for o in possible if o.advised), None) or next(
            (o for o in possible if o.now), None
        )
        if best is not None:
            self.move_to(best.value)

    def item_rows(self, index: int, width: int, *, selected: bool) -> Sequence[Row]:
        """One value: what it is, whether it is so now or advised, what it means."""
        line = self._lines[index]
        option = line.option
        if line.reason:
            return (Row(((" " * _REASON_COLUMN, "dim"), (line.reason, "dim"))),)
        columns = Columns(width)
        wide = max(len(o.shown) for o in self._options)
        tone: Tone = "strong" if option.now else "fg" if option.possible else "dim"
        columns.put(2, option.shown, tone)
        at = columns.put(4 + max(wide, 6), "now" if option.now else "", "dim")
        at = max(at, 8 + max(wide, 6))
        if option.advised:
            columns.put(at, "advised", "differs" if not option.now else "ok")
        at += 9
        note = option.note if option.possible else f"{GLYPHS['absent']} cannot be set now"
        columns.put(at, fit(note, max(0, width - at - 1)), "dim")
        if selected:
            self.cursor_mark(columns)
        return (Row(columns.line(), "cursor" if selected else ""),)


class _OptionLine(NamedTuple):
    """A line of the list: a value, or a part of the reason why it cannot be chosen."""

    option: Option
    reason: str = ""

    @property
    def can_be_chosen(self) -> bool:
        """Whether the cursor can stand on it."""
        return self.option.possible and not self.reason


def _lines_of(options: Sequence[Option]) -> Iterator[_OptionLine]:
    for option in options:
        yield _OptionLine(option)
        if not option.possible:
            for part in textwrap.wrap(clean(option.note), _REASON_WIDTH):
                yield _OptionLine(option, part)


class ChoiceDialog(Dialog[Wanted]):
    """The words a setting can hold; Enter stages the one under the cursor."""

    def __init__(self, selection: Selection) -> None:
        super().__init__(title_of(selection), id="choice-dialog")
        self._selection = selection

    def body(self) -> Iterator[Widget]:
        """What is set, then the list."""
        yield TextBlock(head_of(self._selection), ())
        yield OptionList(options_for(self._selection), id="options")
        yield keys_bar("stage")

    def on_mount(self) -> None:
        """The list takes the focus."""
        super().on_mount()
        self.query_one("#options").focus()

    @on(OptionList.Chosen)
    @on(OptionList.StageAsked)
    def _choose(self, event: OptionList.Chosen | OptionList.StageAsked) -> None:
        event.stop()
        self.dismiss(tuple((target, event.key) for target in self._selection.targets))


class NumberInput(Input):
    """A line for digits in which fast keys are taken in the order in which they were typed.

    Textual enters digits at once, but runs Backspace as a binding, after the keys that wait
    already: over a slow link, Backspace and 512 would come out as 51.
    """

    def on_key(self, event: events.Key) -> None:
        """Delete at once."""
        if event.key == "backspace":
            event.stop()
            event.prevent_default()
            self.action_delete_left()


class NumberDialog(Dialog[Wanted]):
    """A number for a setting, or one for each node of a pool. Enter stages."""

    INPUT_CLASS: ClassVar[str] = "number"

    def __init__(self, selection: Selection, staged: Sequence[str | None]) -> None:
        super().__init__(title_of(selection), id="number-dialog")
        self._selection = selection
        self._staged = tuple(staged)
        self._outlook: PoolOutlook | None = None
        self._typing = typing_for(None, selection)

    def body(self) -> Iterator[Widget]:
        """What is set, one line to type in for each target that takes a value of its own."""
        yield TextBlock(head_of(self._selection), self._range(), (), id="number-range")
        with_names = self._selection.each
        statuses = self._selection.statuses if with_names else self._selection.statuses[:1]
        for index, status in enumerate(statuses):
            if with_names:
                yield TextBlock(((status.instance, "dim"),))
            text = self._typing.shown(self._staged[index] or status.value or "")
            allowed = self._typing.allowed
            yield NumberInput(text, classes=self.INPUT_CLASS, restrict=allowed, compact=True)
        yield TextBlock(id="number-says")
        yield Vertical(classes="filler")
        yield keys_bar("stage")

    def on_mount(self) -> None:
        """The first line takes the focus, its number selected."""
        super().on_mount()
        self.query(Input).first().focus()
        self._say()

    def _range(self) -> Line:
        knob, typing = KNOBS[self._selection.knob], self._typing
        text = f"A whole number from {typing.range}."
        if knob.quantity:  # its bound is memory, not the table's
            text = f"A whole number of {knob.unit}; 2 GiB or a tenth of what is available stays."
        if self._selection.advised is not None:
            advised = f"Advised: {typing.shown(self._selection.advised)}"
            return ((f"{text}  ", "dim"), (advised, "differs"))
        return ((text, "dim"),)

    def _values(self) -> tuple[str, ...]:
        return tuple(self._typing.written(field.value) for field in self.query(Input))

    def redraw(self, view: View, page: str) -> None:
        """What a pool could become moves with the machine; bounds are read when it opens."""
        super().redraw(view, page)
        typing = typing_for(view.state, self._selection)
        if typing != self._typing:
            self._typing = typing
            block = self.query_one("#number-range", TextBlock)
            block.show((head_of(self._selection), self._range(), ()))
        self._outlook = pool_typing.outlook_of(view.state, self._selection.knob)
        self._say()

    def _say(self) -> str:
        """Show what the number amounts to, or why it cannot be; returns the refusal or ""."""
        typing, values = self._typing, self._values()
        refused = next((r for value in values if (r := typing.refused(value))), "")
        said = "" if refused else typing.says(values[0])
        says: tuple[Line, ...] = (((said, "fg"),),) if said else ()
        if not refused and self._outlook is not None:
            wanted = pool_typing.wanted(self._selection, values)
            refused = pool_typing.refused(self._outlook, wanted)
            says = pool_typing.lines(self._outlook, wanted)
        if refused:
            says = (*says, ((f"{refused}.", "failed"),))
        self.query_one("#number-says", TextBlock).show(says)
        return refused

    @on(Input.Changed)
    def _changed(self) -> None:
        self._say()

    @on(Input.Submitted)
    def _submit(self) -> None:
        if self._say():
            return
        targets, values = self._selection.targets, self._values()
        if not self._selection.each:
            values = values * len(targets)
        self.dismiss(tuple(zip(targets, values, strict=True)))


def title_of(selection: Selection) -> str:
    """The dialog's title: the setting, and how many it is for."""
    count = len(selection.statuses)
    if selection.each or count < 2:
        return selection.name
    return f"{selection.knob}  {count} at once"


def head_of(selection: Selection) -> Line:
    """What it is now."""
    unit = KNOBS[selection.knob].unit
    if selection.each:
        text = ", ".join(f"{s.instance} {s.value}" for s in selection.statuses)
    else:
        shown = [" ".join(in_words(selection.knob, v, unit)).rstrip() for v in selection.values]
        text = ", ".join(shown[:_MOST_VALUES]) + (" …" if len(shown) > _MOST_VALUES else "")
    return (("Now  ", "dim"), (text.strip(), "strong"))


def keys_bar(verb: str) -> FooterBar:
    """The last line of a dialog that stages."""
    bar = FooterBar()
    bar.show((KeyHint("Enter", verb),), (KeyHint("Esc", "back"),))
    return bar


def edit_dialog(selection: Selection, staged: Sequence[str | None]) -> ChoiceDialog | NumberDialog:
    """The fitting dialog for a selection."""
    knob = KNOBS[selection.knob]
    if is_choice(knob) and not selection.each:
        return ChoiceDialog(selection)
    return NumberDialog(selection, staged)
