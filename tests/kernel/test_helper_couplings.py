"""What the kernel changes along comes back with it: every coupled group, on the running kernel.

Each group is first set by hand to something of its own, then changed through the helper and put
back in each way there is. Afterwards every file of the group says what it said before, those that
the helper never writes included.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

import pytest
from tests.kernel.helper_runner import NoGuardian, parse, places_in
from tests.kernel.kernel_files import QUEUE_FILES, loop_queue, new_loop_queue, value
from tests.kernel.knobs_here import another, knobs_here, why_not

from aitune_backends import undo
from aitune_helper import kernelfs, messages, plan, server
from aitune_helper.apply import Wanted
from aitune_helper.kernelfs import RealKernel
from aitune_helper.knobs import KNOBS, SCHEDULER_OPTIONS, Knob
from aitune_helper.messages import Caller
from aitune_helper.varlink import Fault

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from aitune_helper.messages import Change, Trial

pytestmark = [
    pytest.mark.root,
    pytest.mark.skipif(os.geteuid() != 0, reason="changes settings of this kernel"),
]

ROOT = Caller(0, "root", attested=True)
VM = Path("/proc/sys/vm")
THP = Path("/sys/kernel/mm/transparent_hugepage")
MIN_FREE = VM / "min_free_kbytes"


class CarefulKernel(RealKernel):
    """The running kernel, but for the one file whose write cannot be taken back."""

    def write(self, path: str, value: str) -> None:
        assert path != str(MIN_FREE), "written, it would be pinned until the next boot"
        super().write(path, value)


class Group(NamedTuple):
    """A coupled group: what is set by hand, and what is asked of the helper then.

    `{disk}` stands for the disk; files without a slash are those of its queue.
    """

    name: str
    by_hand: tuple[str, ...]
    wanted: tuple[str, ...]


GROUPS = (
    Group("ratio to amount", (), ("vm.overcommit_kbytes=4194304",)),
    Group("amount to ratio", ("vm.overcommit_kbytes=4194304",), ("vm.overcommit_ratio=90",)),
    Group("amount to amount", ("vm.overcommit_kbytes=4194304",), ("vm.overcommit_kbytes=9999999",)),
    Group("neither to ratio", ("vm.overcommit_kbytes=0",), ("vm.overcommit_ratio=90",)),
    Group("neither to amount", ("vm.overcommit_kbytes=0",), ("vm.overcommit_kbytes=4194304",)),
    Group("share to bytes", (), ("vm.dirty_bytes=1073741824",)),
    Group("bytes to share", ("vm.dirty_bytes=12345678",), ("vm.dirty_ratio=15",)),
    Group("two pages to share", ("vm.dirty_bytes=8192",), ("vm.dirty_ratio=15",)),
    Group("no share to bytes", ("vm.dirty_ratio=0",), ("vm.dirty_bytes=1073741824",)),
    Group("no share to share", ("vm.dirty_ratio=0",), ("vm.dirty_ratio=15",)),
    Group("background to bytes", (), ("vm.dirty_background_bytes=268435456",)),
    Group(
        "background to share",
        ("vm.dirty_background_bytes=1",),
        ("vm.dirty_background_ratio=5", "vm.dirty_bytes=1073741824"),
    ),
    Group(
        "none to mq-deadline",
        ("scheduler=none", "nr_requests=100", "read_ahead_kb=260"),
        ("block.scheduler@{disk}=mq-deadline",),
    ),
    Group(
        "mq-deadline to none",
        (
            "scheduler=mq-deadline", "nr_requests=100", "iosched/async_depth=33",
            "iosched/read_expire=80", "iosched/writes_starved=5", "iosched/front_merges=0",
        ),
        ("block.scheduler@{disk}=none",),
    ),
    Group(
        "mq-deadline to bfq",
        ("scheduler=mq-deadline", "nr_requests=128", "iosched/prio_aging_expire=5000"),
        ("block.scheduler@{disk}=bfq",),
    ),
    Group(
        "bfq to kyber",
        (
            "scheduler=bfq", "iosched/strict_guarantees=1", "iosched/slice_idle_us=9500",
            "iosched/low_latency=0", "iosched/max_budget=100", "iosched/timeout_sync=200",
            "iosched/fifo_expire_sync=100", "iosched/back_seek_max=8192",
        ),
        ("block.scheduler@{disk}=kyber",),
    ),
    Group(
        "kyber to none",
        ("scheduler=kyber", "iosched/read_lat_nsec=1000000", "iosched/write_lat_nsec=7000000"),
        ("block.scheduler@{disk}=none",),
    ),
    Group(
        "requests with their depth",
        ("scheduler=mq-deadline", "nr_requests=200", "iosched/async_depth=33"),
        ("block.nr_requests@{disk}=64",),
    ),
    Group(
        "request size with read-ahead",
        ("scheduler=none", "max_sectors_kb=512", "read_ahead_kb=64"),
        ("block.max_sectors_kb@{disk}=256",),
    ),
    Group(
        "a whole queue",
        (
            "scheduler=mq-deadline", "nr_requests=100", "iosched/async_depth=50",
            "max_sectors_kb=512", "read_ahead_kb=64",
        ),
        (
            "block.read_ahead_kb@{disk}=4096", "block.max_sectors_kb@{disk}=1024",
            "block.nr_requests@{disk}=64", "block.scheduler@{disk}=none",
        ),
    ),
    Group("no transparent huge pages", (), ("thp.enabled=never",)),
    Group(
        "one size of huge pages", ("thp/enabled=never",), ("thp.size_enabled@2048kB=always",)
    ),
    Group("huge pages of shared memory", ("thp/enabled=never",), ("thp.shmem_enabled=advise",)),
)  # fmt: skip


def put(path: Path, text: str) -> None:
    if value(path) != text:
        path.write_text(text)


@pytest.fixture
def queue(tmp_path: Path) -> Iterator[Path]:
    with loop_queue(tmp_path / "image") as found:
        yield found


@pytest.fixture
def by_hand(queue: Path, request: pytest.FixtureRequest) -> Iterator[Group]:
    """A group as it was set by hand; its sysctls are put back as they were."""
    group: Group = request.param
    before = {
        limit: (value(VM / f"{limit}_ratio"), value(VM / f"{limit}_{amount}"))
        for limit, amount in (
            ("overcommit", "kbytes"), ("dirty", "bytes"), ("dirty_background", "bytes"),
        )
    }  # fmt: skip
    assert all(amount == "0" for _, amount in before.values()), "meant for a machine with shares"
    huge_pages = value(THP / "enabled")
    try:
        for text in group.by_hand:
            name, _, wanted = text.partition("=")
            path = file_of(name, queue)
            if name == "scheduler" and wanted not in path.read_text():
                pytest.skip(f"this kernel has no scheduler {wanted}")
            path.write_text(wanted)
        yield group
    finally:
        put(THP / "enabled", huge_pages)
        for limit, (ratio, _) in before.items():
            (VM / f"{limit}_ratio").write_text(ratio)


def file_of(name: str, queue: Path) -> Path:
    """A file by the short name that it has in a group."""
    if name.startswith("vm."):
        return VM / name.partition(".")[2]
    return THP / name.partition("/")[2] if name.startswith("thp/") else queue / name


@pytest.fixture
def core(tmp_path: Path) -> Iterator[server.Core]:
    made = server.Core(
        CarefulKernel(), places_in(str(tmp_path)), min_ttl_s=0.1, guardian=NoGuardian
    )
    yield made
    pending = made.trials.pending()
    if pending is not None:
        made.trials.revert(pending.id, ROOT)
    made.close()


def everything(queue: Path) -> dict[str, str]:
    """Every file that the kernel may change along, also those that we never write."""
    paths = [
        *VM.glob("dirty_*"), *VM.glob("overcommit_*"), MIN_FREE, THP / "enabled",
        *(queue / name for name in QUEUE_FILES), *(queue / "iosched").glob("*"),
    ]  # fmt: skip
    return {str(path): value(path) for path in paths}


def apply(core: server.Core, changes: tuple[Change, ...], undo_of: str | None = None) -> Trial:
    made = core.plan(changes, force=False)
    wanted = Wanted(changes, made.hash, 60.0, undo_of=undo_of)
    trial = core.apply(wanted, ROOT)
    assert {item.status for item in trial.items} <= set(messages.AS_WANTED), trial.items
    return trial


def changes_of(group: Group, queue: Path) -> tuple[Change, ...]:
    disk = queue.parent.name
    return tuple(parse(text.replace("{disk}", disk)) for text in group.wanted)


def by_reverting(core: server.Core, trial: Trial) -> None:
    ended = core.trials.revert(trial.id, ROOT)
    assert ended.complete
    assert {item.status for item in ended.items} == {messages.REVERTED}


def by_undoing(core: server.Core, trial: Trial) -> None:
    kept = core.trials.keep(trial.id, ROOT, persist=False).trial
    todo = undo.plan_undo_of(CarefulKernel(), kept)
    assert not todo.drifted
    back = apply(core, todo.changes, undo_of=kept.id)
    core.trials.keep(back.id, ROOT, persist=False)


def by_undoing_everything(core: server.Core, trial: Trial) -> None:
    core.trials.keep(trial.id, ROOT, persist=False)
    todo, _ = undo.plan_undo_all(CarefulKernel(), core.trials.journal.history(10).trials)
    back = apply(core, todo.changes)
    core.trials.keep(back.id, ROOT, persist=False)


def by_reverting_the_undo_first(core: server.Core, trial: Trial) -> None:
    changed = {(item.knob, item.instance): item.effective for item in trial.items}
    kept = core.trials.keep(trial.id, ROOT, persist=False).trial
    todo = undo.plan_undo_of(CarefulKernel(), kept)
    by_reverting_all(core, apply(core, todo.changes, undo_of=kept.id))
    for item in core.plan(
        tuple(parse(f"{i.knob}@{i.instance}={i.requested}") for i in kept.items), force=False
    ).items:
        assert item.old == changed[item.knob, item.instance], "the undo is put back as a whole too"
    again = apply(core, undo.plan_undo_of(CarefulKernel(), kept).changes, undo_of=kept.id)
    core.trials.keep(again.id, ROOT, persist=False)


def by_reverting_all(core: server.Core, trial: Trial) -> None:
    """Options of a scheduler that is put back to another are gone with it, which is as it was."""
    core.trials.revert(trial.id, ROOT)


@pytest.mark.parametrize("by_hand", GROUPS, indirect=True, ids=lambda group: group.name)
@pytest.mark.parametrize(
    "back", [by_reverting, by_undoing, by_undoing_everything, by_reverting_the_undo_first]
)
def test_a_group_comes_back_whole(
    core: server.Core,
    queue: Path,
    by_hand: Group,
    back: Callable[[server.Core, Trial], None],
) -> None:
    before = everything(queue)
    trial = apply(core, changes_of(by_hand, queue))
    assert everything(queue) != before
    back(core, trial)
    assert everything(queue) == before


def test_a_scheduler_has_no_option_that_is_not_put_back(queue: Path) -> None:
    """A newer kernel may have more: then the table wants a name, and this test says which."""
    ours = {*SCHEDULER_OPTIONS, "slice_idle"}  # slice_idle is slice_idle_us rounded down
    for scheduler in value_words(queue / "scheduler"):
        (queue / "scheduler").write_text(scheduler)
        found = {path.name for path in (queue / "iosched").glob("*")}
        assert found <= ours, scheduler


def value_words(path: Path) -> list[str]:
    return path.read_text().replace("[", "").replace("]", "").split()


def test_what_somebody_else_sets_along_stays_through_an_undo(
    core: server.Core, queue: Path
) -> None:
    (queue / "scheduler").write_text("none")
    (queue / "nr_requests").write_text("100")
    trial = apply(core, (parse(f"block.scheduler@{queue.parent.name}=mq-deadline"),))
    kept = core.trials.keep(trial.id, ROOT, persist=False).trial
    (queue / "nr_requests").write_text("64")
    todo = undo.plan_undo_of(CarefulKernel(), kept)
    core.trials.keep(apply(core, todo.changes, undo_of=kept.id).id, ROOT, persist=False)
    assert (value(queue / "scheduler"), value(queue / "nr_requests")) == ("none", "64")


def test_only_what_was_there_before_is_put_back(core: server.Core, queue: Path) -> None:
    """A client that names an option with another value than the journal's is refused."""
    disk = queue.parent.name
    (queue / "scheduler").write_text("mq-deadline")
    (queue / "iosched/read_expire").write_text("80")
    trial = apply(core, (parse(f"block.scheduler@{disk}=none"),))
    core.trials.keep(trial.id, ROOT, persist=False)
    back = parse(f"block.scheduler@{disk}=mq-deadline")
    for option in (f"block.iosched.read_expire@{disk}=84", f"vm.min_free_kbytes={1 << 30}"):
        with pytest.raises(Fault, match="Refused"):
            core.plan((back, parse(option)), force=False)
    allowed = core.plan((back, parse(f"block.iosched.read_expire@{disk}=80")), force=False)
    assert [item.knob for item in allowed.items] == ["block.scheduler", "block.iosched.read_expire"]


def there_and_back(core: server.Core, knob: Knob, instance: str, value: str) -> None:
    """Set, read back, reverted; set again, kept, undone."""
    kernel = CarefulKernel()
    before = plan.reading(kernel, knob, instance)
    assert value != before
    change = parse(f"{knob.id}@{instance}={value}")
    for back in (by_reverting, by_undoing):
        trial = apply(core, (change,))
        assert plan.reading(kernel, knob, instance) == value
        back(core, trial)
        assert plan.reading(kernel, knob, instance) == before


@pytest.mark.parametrize("knob", knobs_here(), ids=lambda knob: knob.id)
def test_every_setting_that_is_here_goes_there_and_back(core: server.Core, knob: Knob) -> None:
    reason = why_not(knob)
    if reason:
        pytest.skip(reason)
    for instance in kernelfs.instances(RealKernel(), knob)[:2]:
        there_and_back(core, knob, instance, another(knob, instance))


@pytest.fixture
def new_queue(tmp_path: Path) -> Iterator[Path]:
    with new_loop_queue(tmp_path / "new") as found:
        yield found


@pytest.mark.parametrize(
    ("name", "values"),
    [
        ("nomerges", ("2", "1")), ("rq_affinity", ("2", "0")), ("iostats", ("0",)),
        ("wbt_lat_usec", ("0", "5000")),
    ],
)  # fmt: skip
def test_a_flag_of_a_queue_goes_there_and_back_alone(
    core: server.Core, new_queue: Path, name: str, values: tuple[str, ...]
) -> None:
    before = everything(new_queue)
    for wanted in values:
        there_and_back(core, KNOBS[f"block.{name}"], new_queue.parent.name, wanted)
    assert everything(new_queue) == before


@pytest.mark.parametrize("back", [by_reverting, by_undoing])
def test_throttling_comes_back_with_the_scheduler_and_is_not_pinned(
    core: server.Core, new_queue: Path, back: Callable[[server.Core, Trial], None]
) -> None:
    """Had it been written, bfq would not switch it off the second time."""
    if "bfq" not in (new_queue / "scheduler").read_text():
        pytest.skip("this kernel has no scheduler bfq")
    latency = new_queue / "wbt_lat_usec"
    before = value(latency)
    change = parse(f"block.scheduler@{new_queue.parent.name}=bfq")
    for _ in range(2):
        trial = apply(core, (change,))
        assert value(latency) == "0" != before
        back(core, trial)
        assert value(latency) == before
