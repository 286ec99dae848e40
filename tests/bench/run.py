"""`make bench`: each budget measured beside a peer in the same run. Prints, asserts nothing."""

from __future__ import annotations

import statistics
import subprocess
import sys
import time
from pathlib import Path

from terminal import Terminal

HERE = Path(__file__).resolve().parent
APP = [str(Path(sys.executable).parent / "aitune-tui")]
BARE = [sys.executable, str(HERE / "bare_textual.py")]
STARTS = 5
STEADY_S = 20.0
KEYS = 40


def first_paint(argv: list[str], marker: bytes, columns: int, rows: int) -> float:
    """Median seconds from start to the marker on the screen, files already in the page cache."""
    times = []
    for _ in range(STARTS + 1):
        with Terminal(argv, columns, rows) as terminal:
            painted = terminal.read_for(10, marker=marker)
            if painted is None:
                raise SystemExit(f"{argv[0]} did not paint {marker!r} within 10 s")
            times.append(painted)
    return statistics.median(times[1:])


def steady(argv: list[str], marker: bytes, columns: int, rows: int) -> dict[str, float]:
    """What a running program costs: CPU share, bytes to the terminal, memory, keys."""
    with Terminal(argv, columns, rows) as terminal:
        terminal.read_for(10, marker=marker)
        terminal.read_for(5)
        cpu, sent, begun = terminal.cpu_seconds(), len(terminal.output), time.monotonic()
        terminal.read_for(STEADY_S)
        elapsed = time.monotonic() - begun
        costs = {
            "cpu_percent": 100 * (terminal.cpu_seconds() - cpu) / elapsed,
            "bytes_per_s": (len(terminal.output) - sent) / elapsed,
            "rss_mb": terminal.rss_bytes() / 1e6,
        }
        waits = []
        for number in range(KEYS):
            terminal.read_for(0.13)
            waits.append(terminal.key_to_paint(b"jk"[number % 2 : number % 2 + 1]))
        answered = sorted(wait for wait in waits if wait is not None)
        # The bare app has no keys: what comes after one is its own next second.
        if argv != BARE and answered:
            costs["key_p50_ms"] = 1e3 * statistics.median(answered)
            costs["key_worst_ms"] = 1e3 * answered[-1]
        return costs


def main() -> None:
    """Print each budget beside its peer."""
    demo = [*APP, "--demo"]
    for columns, rows in ((80, 24), (200, 50)):
        ours = first_paint(demo, b"available", columns, rows)
        peer = first_paint(BARE, b"bare", columns, rows)
        print(f"first paint {columns}x{rows}: {ours:.2f} s; a bare Textual app {peer:.2f} s")
        costs, theirs = (
            steady(demo, b"available", columns, rows),
            steady(BARE, b"bare", columns, rows),
        )
        for name, value in costs.items():
            beside = f"{theirs[name]:.1f}" if name in theirs else "-"
            print(f"  {name:14} {value:10.1f}   bare {beside}")
    for part in ("helper_bench.py", "sampler_bench.py"):
        subprocess.run([sys.executable, str(HERE / part)], check=True)


if __name__ == "__main__":
    main()
