"""The planner's estimates and costs in words: for `explain`, and while a number is typed.

An estimate is called one: what the kernel manages to put together is known only when it is tried.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from aitune_backends.amounts import memory_text
from aitune_backends.catalogue.huge_pages import size_text
from aitune_backends.foreign import clean

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from aitune_backends.hugepage_users import HugeFile, HugePageUsers, HugeUser
    from aitune_backends.planner import Costs, PoolOutlook

KUBELET = (
    "kubelet counts huge pages when it starts: it will not see this until it is restarted "
    "(kubernetes#111757); pods that count on the old number can die of SIGBUS (kubernetes#99483)."
)
VLLM = (
    "vLLM reads a checkpoint ahead only if it fits in 90 % of what is available "
    "(vllm/config/load.py)"
)
# The label of a command that is to be copied whole.
REMOVE = ""
HEADINGS = ("NODE", "NOW", "FREE", "AT ONCE", "AT MOST")
_STEP_BYTES = 1 << 30  # as the helper grows a pool
_NAMED = 6
_UNKNOWN = "–"


def next_step(outlook: PoolOutlook) -> int:
    """How many pages to count the costs of: a GiB of them, or one larger page."""
    return max(1, _STEP_BYTES // outlook.page)


def rows(outlook: PoolOutlook) -> Iterator[tuple[str, ...]]:
    """The table of a pool: all of it, then each node."""
    yield (
        "all",
        f"{outlook.total:,}",
        f"{outlook.free:,}",
        number(outlook.at_once),
        f"{outlook.at_most:,}",
    )
    for node in outlook.nodes:
        yield (
            f"node{node.node}",
            f"{node.total:,}",
            f"{node.free:,}",
            number(node.at_once),
            f"{node.at_most:,}",
        )


def number(count: int | None) -> str:
    """A count of pages; `–` where it cannot be known."""
    return _UNKNOWN if count is None else f"{count:,}"


def said(outlook: PoolOutlook) -> Iterator[tuple[str, str]]:
    """What the table means and what the next step costs, as labelled texts."""
    size = size_text(outlook.size_kib)
    if outlook.at_once is None:
        yield "At once", _not_at_once(outlook)
    else:
        yield (
            "At once",
            f"More pages that lie free as whole blocks of {size} now, as far as the memory guard "
            "lets them pass: an estimate.",
        )
    yield (
        "At most",
        f"More pages that the memory guard lets pass ({memory_text(outlook.spare)} of "
        f"{memory_text(outlook.available)} available), if the kernel gives up page cache and moves "
        "pages together. How many of them it gets is known only when it is tried.",
    )
    if outlook.reserved:
        yield (
            "Reserved",
            f"{outlook.reserved:,} of the free pages are promised to programs that have not "
            f"touched them yet: {max(0, outlook.free - outlook.reserved):,} can still be had.",
        )
    if outlook.left_out:
        yield "Left out", left_out(outlook)
    yield "Costs", " ".join(costs(outlook, next_step(outlook)))
    if outlook.kubelet:
        yield "Kubelet", KUBELET


def _not_at_once(outlook: PoolOutlook) -> str:
    if not outlook.gigantic:
        return "Not known: /proc/buddyinfo does not tell of free blocks here."
    words = outlook.boot_words(4 * max(1, len(outlook.nodes)))
    return (
        f"Not known: pages of {size_text(outlook.size_kib)} are larger than any free block the "
        "kernel counts. They can be had only at boot, or by chance. On the kernel's command line, "
        f"such as: {words}"
    )


def left_out(outlook: PoolOutlook) -> str:
    """The nodes that are no targets, and how they get pages all the same."""
    names = ", ".join(f"node{number}" for number in outlook.left_out)
    return (
        f"{names}: memory without processors, as a GPU or a memory expander brings it. A number "
        "for the whole machine may spread onto it: give each node its own."
    )


def costs(outlook: PoolOutlook, pages: int) -> Iterator[str]:
    """What `pages` more leave of the machine, sentence by sentence."""
    cost = outlook.costs(pages)
    size = size_text(outlook.size_kib)
    noun = f"more page of {size} takes" if pages == 1 else f"more pages of {size} take"
    yield (
        f"{pages:,} {noun} {memory_text(cost.taken)}: available falls from "
        f"{memory_text(outlook.available)} to {memory_text(cost.available)}."
    )
    yield from losses(outlook, pages)
    yield f"{VLLM}: then up to {memory_text(cost.read_ahead)}."
    if cost.vmemmap and outlook.optimized is not None:
        saved = memory_text(cost.vmemmap)
        if outlook.optimized:
            yield f"vm.hugetlb_optimize_vmemmap gives {saved} of it back."
        else:
            yield f"vm.hugetlb_optimize_vmemmap=1, set before, would give {saved} of it back."


def losses(outlook: PoolOutlook, pages: int) -> Iterator[str]:
    """What else than available memory `pages` more take: page cache, and what may be promised."""
    cost = outlook.costs(pages)
    if cost.cache:
        yield f"At least {memory_text(cost.cache)} of page cache has to go for it."
    if _limit_falls(outlook, cost):
        yield f"{_limit_text(outlook, cost)}, which holds in overcommit mode 2 alone."


def doubts(outlook: PoolOutlook, pages: int, node: int | None) -> Iterator[str]:
    """What may come out otherwise when `pages` more are asked for, of a node or of the machine."""
    here = next((each for each in outlook.nodes if each.node == node), outlook)
    at_once = here.at_once
    size = size_text(outlook.size_kib)
    if outlook.gigantic:
        words = outlook.boot_words(here.total + pages, node)
        yield f"Pages of {size} can be had only at boot, or by chance: {words}."
    elif at_once is not None and pages > at_once:
        yield f"Only about {at_once:,} lie free as whole blocks of {size} now."
    if outlook.left_out and node is None:
        yield left_out(outlook)
    yield from unseen(outlook)


def unseen(outlook: PoolOutlook) -> Iterator[str]:
    """Who does not notice that a pool changed."""
    if outlook.kubelet:
        yield KUBELET


def _limit_falls(outlook: PoolOutlook, cost: Costs) -> bool:
    return cost.commit_limit is not None and cost.commit_limit != outlook.commit_limit


def _limit_text(outlook: PoolOutlook, cost: Costs) -> str:
    before, after = outlook.commit_limit or 0, cost.commit_limit or 0
    return f"CommitLimit goes from {memory_text(before)} to {memory_text(after)}"


def refused(outlook: PoolOutlook, more: int) -> str:
    """Why `more` pages would not pass the memory guard; "" where they would."""
    if more <= 0 or more * outlook.page <= outlook.spare:
        return ""
    stays = memory_text(outlook.available - outlook.spare)
    return (
        f"takes {memory_text(more * outlook.page)} of {memory_text(outlook.available)} available, "
        f"of which {stays} have to stay; the most that is safe is {outlook.most_safe:,} pages"
    )


def typed(outlook: PoolOutlook, wanted: Mapping[int | None, int]) -> tuple[str, ...]:
    """What a number means while it is typed, in a few short lines.

    Args:
        outlook: The pool.
        wanted: Pages wanted of each node, or of the machine under None.
    """
    total = sum(wanted.values())
    lines = [f"{total:,} pages = {memory_text(total * outlook.page)}"]
    more = growth(outlook, wanted)
    if more > 0:
        once = ", ".join(
            f"{number(node.at_once)} on node{node.node}"
            for node in outlook.nodes[:_NAMED]
            if None in wanted or node.node in wanted
        )
        if outlook.gigantic:
            lines.append(f"{more:,} more; pages this large can be had only at boot, or by chance")
        else:
            lines.append(f"{more:,} more; at once about {once or number(outlook.at_once)}")
        if not outlook.gigantic and _short(outlook, wanted):
            lines.append("more than lies free in whole blocks: it may get fewer")
    cost = outlook.costs(total - _now(outlook, wanted))
    goes = "falls to" if cost.taken > 0 else "rises to" if cost.taken < 0 else "stays"
    lines.append(f"available {goes} {memory_text(cost.available)}")
    if cost.commit_limit is not None and _limit_falls(outlook, cost):
        lines.append(f"commit limit {memory_text(cost.commit_limit)} (mode 2 alone)")
    if outlook.kubelet and cost.pages:
        lines.append("kubelet will not see this until it is restarted")
    return tuple(lines)


def growth(outlook: PoolOutlook, wanted: Mapping[int | None, int]) -> int:
    """Pages that would have to be made, over all that grow: what the memory guard counts."""
    now: dict[int | None, int] = {node.node: node.total for node in outlook.nodes}
    now[None] = outlook.total
    return sum(max(0, pages - now.get(node, 0)) for node, pages in wanted.items())


def _now(outlook: PoolOutlook, wanted: Mapping[int | None, int]) -> int:
    if None in wanted:
        return outlook.total
    return sum(node.total for node in outlook.nodes if node.node in wanted)


def _short(outlook: PoolOutlook, wanted: Mapping[int | None, int]) -> bool:
    """Whether some of it does not lie free as whole blocks now."""
    if None in wanted:
        return wanted[None] - outlook.total > (outlook.at_once or 0)
    return any(
        wanted[node.node] - node.total > (node.at_once or 0)
        for node in outlook.nodes
        if node.node in wanted
    )


def users_said(found: HugePageUsers, outlook: PoolOutlook) -> Iterator[tuple[str, str]]:
    """Who uses huge pages, what nobody holds, and what cannot be seen, as labelled texts."""
    in_use = outlook.total + outlook.surplus - outlook.free if outlook.total else 0
    users = [user for user in found.users if _uses(user, outlook.size_kib)]
    for user in users[:_NAMED]:
        yield "Used by", user_text(user)
    if len(users) > _NAMED:
        yield "Used by", f"{len(users) - _NAMED} more processes"
    files = [file for file in found.files if file.size_kib in {None, outlook.size_kib}]
    for file in [file for file in files if file.holders][:_NAMED]:
        who = ", ".join(f"{clean(h.command)} ({h.pid})" for h in file.holders[:_NAMED])
        yield "File", f"{file_text(file)}, held by {who}"
    orphans = [file for file in found.orphans if file in files]
    for file in orphans[:_NAMED]:
        yield "Orphan", orphan_text(file, certain=found.certain)
        yield REMOVE, f"rm {quoted(file.path)}"
    if len(orphans) > _NAMED:
        yield "Orphan", f"{len(orphans) - _NAMED} more files"
    for segment in found.segments[:_NAMED]:
        yield (
            "Orphan",
            f"System V segment {segment.id}, {memory_text(segment.bytes)}: no process has it "
            "attached. Its pages come back when it is removed, if nobody needs it:",
        )
        yield REMOVE, f"ipcrm -m {segment.id}"
    if not (users or files or found.segments):
        nobody = "No process has pages of this size mapped."
        if in_use > 0:
            nobody = (
                f"{in_use:,} pages are in use by what is not seen from here: a mount of another "
                "container, or a System V segment that no process has attached."
            )
        yield "Used by", nobody
    if found.files and not found.certain:
        yield (
            "Not seen",
            f"{found.unseen} processes cannot be looked into for files: "
            f"`sudo aitune-tui explain hugepages.{outlook.size_kib}kB` tells all of them.",
        )


def _uses(user: HugeUser, size_kib: int) -> bool:
    """Whether a process uses pages of one size, as far as its sizes are known."""
    return not user.parts or any(part.size_kib == size_kib for part in user.parts)


def user_text(user: HugeUser) -> str:
    """`vllm (48211) 12 GiB: 8 GiB of its own, 4 GiB of /dev/hugepages/kv`."""
    text = f"{clean(user.command)} ({user.pid}) {memory_text(user.bytes)}"
    parts = [
        f"{memory_text(part.bytes)} in pages of {size_text(part.size_kib)} "
        f"{f'of {clean(part.what)}' if part.what else 'of its own'}"
        for part in user.parts[:_NAMED]
    ]
    if parts:
        return f"{text}: {', '.join(parts)}"
    return f"{text} ({user.why_not})" if user.why_not else text


def file_text(file: HugeFile) -> str:
    """`/dev/hugepages/kv, 8 MiB of which 4 MiB are touched`."""
    text = f"{clean(file.path)}, {memory_text(file.bytes)}"
    return text if file.held >= file.bytes else f"{text}, {memory_text(file.held)} of it touched"


def orphan_text(file: HugeFile, *, certain: bool) -> str:
    """A file that nobody holds. We never remove it."""
    who = "no process has it open or mapped" if certain else "no process that we see has it open"
    return f"{file_text(file)}: {who}. Its pages come back when it is removed, if nobody needs it:"


def quoted(path: str) -> str:
    """A path as a shell takes it; one that would act on the terminal is only shown."""
    shown = clean(path)
    if all(char.isalnum() or char in "/._-+:@%," for char in shown):
        return shown
    return "'" + shown.replace("'", "'\\''") + "'"
