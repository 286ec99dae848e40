"""Plans that put back what was kept: of one trial, or the net effect of all since the boot.

An undo is a plan like any other, so it is compared-and-set too: a target that somebody else changed
since is left alone, and named, unless the operator insists.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from aitune_helper import plan
from aitune_helper.knobs import KNOBS, other_half, refusal
from aitune_helper.messages import KEPT, Change, Item, Past, Trial

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from aitune_helper.kernelfs import KernelIO
    from aitune_helper.plan import Former

Target = tuple[str, str]


class Net(NamedTuple):
    """What the kept trials of this boot did to one target, taken together.

    Attributes:
        knob, instance: The target.
        first: Its value before the first of them.
        last: The value the last of them left.
        parts: (node, value before) of a pool's nodes, else ().
        moved_by: Targets with whose writing the kernel changes this one along.
        own: Whether a trial set it by itself, and not only along with another.
    """

    knob: str
    instance: str
    first: str
    last: str
    parts: tuple[tuple[str, str], ...] = ()
    moved_by: frozenset[Target] = frozenset()
    own: bool = True

    @property
    def target(self) -> Target:
        """Its knob and instance."""
        return self.knob, self.instance


class Undo(NamedTuple):
    """What an undo would do.

    Attributes:
        changes: What would be written.
        drifted: Targets that no longer hold what was kept; they are left alone.
        done: Targets that already are as they were.
    """

    changes: tuple[Change, ...]
    drifted: tuple[Net, ...]
    done: tuple[Net, ...]


def of_trial(trial: Trial) -> tuple[Net, ...]:
    """What one kept trial did, in the order in which it is put back: the last write first."""
    return tuple(reversed(_merged([trial])))


def of_boot(past: Past, boot_id: str) -> tuple[Trial, ...]:
    """The trials of one boot, as the journal tells boots apart: by their ids, never by a clock."""
    pairs = zip(past.trials, past.accounts, strict=True)
    return tuple(trial for trial, account in pairs if account.boot_id == boot_id)


def reaches_beyond(past: Past, boot_id: str) -> bool:
    """Whether a history, the newest first, goes back to before a boot, and so holds all of it."""
    return any(account.boot_id != boot_id for account in past.accounts)


def net_effect(trials: Iterable[Trial]) -> tuple[Net, ...]:
    """What the kept ones among some trials come to, taken together.

    Args:
        trials: Those of one boot, in any order.
    """
    merged = _merged([trial for trial in trials if trial.state == KEPT])
    left = {net.target for net in merged if net.own and net.first != net.last}
    return tuple(reversed([net for net in merged if net.target in left or net.moved_by & left]))


def _merged(trials: Iterable[Trial]) -> list[Net]:
    """What some trials did to each target: the first value, the last, and what moved it."""
    found: dict[Target, Net] = {}
    for trial in sorted(trials, key=lambda trial: trial.number):
        for net in (net for item in trial.items if _counts(item) for net in _nets(item)):
            earlier = found.pop(net.target, None)
            found[net.target] = net if earlier is None else earlier._replace(
                last=net.last,
                moved_by=earlier.moved_by | net.moved_by,
                own=earlier.own or net.own,
            )  # fmt: skip
    return list(found.values())


def newest(trials: Iterable[Trial]) -> Trial | None:
    """The kept trial that `undo` means when none is named.

    It is the newest that is neither an undo nor undone already, and that has changed anything, if
    only what is set at boot.
    """
    kept = [trial for trial in trials if trial.state == KEPT]
    undone = {trial.undo_of for trial in kept if trial.undo_of}
    candidates = [
        trial
        for trial in kept
        if not trial.undo_of
        and trial.id not in undone
        and (of_trial(trial) or trial.persisted == "yes")
    ]
    return max(candidates, key=lambda trial: trial.number, default=None)


def find(trials: Iterable[Trial], name: str) -> Trial | None:
    """The trial of that id or number; an id may be shortened to where it is still one trial's."""
    listed = list(trials)
    numbered = [trial for trial in listed if name.isdecimal() and trial.number == int(name)]
    if numbered:
        return numbered[0]
    matching = [trial for trial in listed if len(name) >= 4 and trial.id.startswith(name)]
    return matching[0] if len(matching) == 1 else None


def plan_undo(kernel: KernelIO, nets: Sequence[Net], *, force: bool = False) -> Undo:
    """Compare what was kept with what is, and make the changes that put it back.

    Args:
        kernel: The machine.
        nets: From `of_trial` or `net_effect`.
        force: Also put back what somebody else changed since.
    """
    changes: list[Change] = []
    drifted: list[Net] = []
    done: list[Net] = []
    written: set[Target] = set()
    for net in (net for net in nets if net.own):
        now = _reading(kernel, net)
        if now == net.first:
            done.append(net)
        elif now is None or (now != net.last and not force):
            drifted.append(net)
        else:
            changes += _changes(kernel, net, now)
            written.add(net.target)
    along = [net for net in nets if net.moved_by & written and net.target not in written]
    changes += [change for net in along for change in _along(kernel, net, force=force)]
    taken = {net.target for net in along}
    done = [net for net in done if net.target not in taken]
    return Undo(_without_zero_halves(changes), tuple(drifted), tuple(done))


def puts_back(changes: Iterable[Change]) -> Former:
    """Vouch for the changes of an undo: they are what the journal says was there before."""
    known = {(change.knob, change.instance, change.value) for change in changes}

    def former(knob: str, instance: str, value: str) -> bool:
        return (knob, instance, value) in known

    return former


def plan_undo_of(kernel: KernelIO, trial: Trial, *, force: bool = False) -> Undo:
    """Like `plan_undo`, of one trial, whose undo takes back its boot files too.

    What already is as it was goes along, with changes that write nothing; also where the trial
    itself wrote nothing but the files.
    """
    planned = plan_undo(kernel, of_trial(trial), force=force)
    along = tuple(Change(net.knob, net.instance, net.first, net.first) for net in planned.done)
    if not of_trial(trial) and trial.persisted == "yes":
        along = as_it_is(kernel, trial)
    return planned._replace(changes=_without_zero_halves(planned.changes + along))


def plan_undo_all(
    kernel: KernelIO, trials: Sequence[Trial], *, force: bool = False
) -> tuple[Undo, tuple[Trial, ...]]:
    """Like `plan_undo`, of every kept trial among some, and of what they set at boot.

    Args:
        kernel: The machine.
        trials: Those of one boot, in any order.
        force: Also put back what somebody else changed since.

    Returns:
        What to write, and the trials whose boot files go back with it, the newest first.
    """
    undone = {trial.undo_of for trial in trials if trial.state == KEPT}
    lasting = [
        trial
        for trial in sorted(trials, key=lambda trial: trial.number, reverse=True)
        if trial.state == KEPT and trial.persisted == "yes"
        and not trial.undo_of and trial.id not in undone
    ]  # fmt: skip
    planned = plan_undo(kernel, net_effect(trials), force=force)
    if lasting and not planned.changes:
        planned = planned._replace(changes=as_it_is(kernel, lasting[0]))
    return planned, tuple(lasting)


def as_it_is(kernel: KernelIO, trial: Trial) -> tuple[Change, ...]:
    """Changes of a trial's targets that write nothing."""
    nets = [net for item in trial.items for net in _nets(item)]
    halves = {(half.id, net.instance) for net in nets if (half := other_half(KNOBS[net.knob]))}
    found = [
        Change(net.knob, net.instance, _reading(kernel, net) or "")
        for net in nets
        if net.own or net.target in halves
    ]
    return _without_zero_halves(change for change in found if change.value)


def _changes(kernel: KernelIO, net: Net, now: str) -> list[Change]:
    """A pool is put back node by node: the kernel would spread a total evenly."""
    pool = plan.pool_of(kernel, KNOBS[net.knob]) if net.parts and net.first != "0" else ""
    if not pool:
        return [Change(net.knob, net.instance, net.first, now)]
    return [Change(pool, node, value) for node, value in net.parts]


def _along(kernel: KernelIO, net: Net, *, force: bool) -> list[Change]:
    """Bring back what moves along; what somebody else has set meanwhile stays as they set it."""
    now, knob = _reading(kernel, net), KNOBS[net.knob]
    if force or now is None or now in (net.first, net.last):
        return [Change(net.knob, net.instance, net.first, now)]
    if knob.follows or refusal(knob, now, plan.listed(kernel, knob, net.instance)) is not None:
        return []
    return [Change(net.knob, net.instance, now, now)]


def _without_zero_halves(changes: Iterable[Change]) -> tuple[Change, ...]:
    """Of two changes that say one thing the one that is not 0, or else that has to become 0."""
    wanted = {(change.knob, change.instance): change for change in changes}
    for knob, instance in list(wanted):
        half = other_half(KNOBS[knob])
        pair = [wanted.get((name, instance)) for name in (knob, half.id if half else "")]
        both = [change for change in pair if change is not None]
        if len(both) > 1:
            least = min(both, key=lambda change: (change.value != "0", change.expected != "0"))
            del wanted[least.knob, instance]
    return tuple(wanted.values())


def _counts(item: Item) -> bool:
    return item.effective is not None and item.effective != item.old


def _nets(item: Item) -> list[Net]:
    """What one item did: to its target, and to what the kernel changes along with that."""
    parts = tuple((part.instance, part.old) for part in item.parts) if len(item.parts) > 1 else ()
    net = Net(item.knob, item.instance, item.old, item.effective or "", parts)
    leader = frozenset({net.target})
    return [net] + [
        Net(other.knob, other.instance, other.old, other.effective or "", (), leader, own=False)
        for other in item.along
    ]


def _reading(kernel: KernelIO, net: Net) -> str | None:
    try:
        return plan.reading(kernel, KNOBS[net.knob], net.instance)
    except (OSError, KeyError):
        return None
