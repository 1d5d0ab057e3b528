"""The tests many times in a row: `python -m tests.again 20 --busy`, and behind `--` the words for pytest, if any.

Prints one line for each run as it ends, then each test that failed and how often. The output of each run is kept in a
folder. The exit status is 1 if anything failed.
"""

from __future__ import annotations

import argparse
import contextlib
import re
import signal
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
_FAILED = re.compile(r"^(?:FAILED|ERROR) (\S.*?)(?: - .*)?$", re.MULTILINE)


@contextlib.contextmanager
def busy_core() -> Iterator[None]:
    """A process that takes all the time of a core that it can get."""
    process = subprocess.Popen([sys.executable, "-S", "-c", "while True: pass"])
    try:
        yield
    finally:
        process.kill()
        process.wait()


def failures(output: str) -> list[str]:
    """The tests that failed, by the summary at the end of pytest's output."""
    return _FAILED.findall(output)


def run(words: Sequence[str], log: Path) -> tuple[int, float]:
    """Run pytest with its output in `log`: its status, and the seconds that it took."""
    began = time.monotonic()
    with log.open("wb") as output:
        command = [sys.executable, "-m", "pytest", "-q", *words]
        status = subprocess.run(command, cwd=ROOT, stdout=output, stderr=subprocess.STDOUT, check=False).returncode
    return status, time.monotonic() - began


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command line."""
    parser = argparse.ArgumentParser(prog="python -m tests.again", epilog="Behind -- come words for pytest.")
    parser.add_argument("runs", type=int)
    parser.add_argument("--busy", action="store_true", help="keep a core busy during every second run")
    parser.add_argument("--logs", type=Path, help="the folder for the output of each run (default: a new one)")
    ours, words = list(sys.argv[1:] if arguments is None else arguments), []
    if "--" in ours:
        ours, words = ours[: ours.index("--")], ours[ours.index("--") + 1 :]
    options = parser.parse_args(ours)
    folder = options.logs or Path(tempfile.mkdtemp(prefix="celeriac-again-"))
    folder.mkdir(parents=True, exist_ok=True)
    return _tell(list(_runs(options.runs, options.busy, words, folder)), folder)


def _runs(runs: int, with_busy: bool, words: Sequence[str], folder: Path) -> Iterator[tuple[int, list[str]]]:
    """Of each run: its status, and the tests that failed. Prints them."""
    for number in range(1, runs + 1):
        is_busy = with_busy and number % 2 == 0
        log = folder / f"{number}.log"
        with busy_core() if is_busy else contextlib.nullcontext():
            status, seconds = run(words, log)
        text = log.read_text(errors="replace")
        beside = " beside a busy core" if is_busy else ""
        print(f"run {number}{beside}: status {status}, {seconds:.0f} s: {last_line(text)}", flush=True)
        found = failures(text)
        for test in found:
            print(f"  {test}", flush=True)
        yield status, found


def _tell(done: Sequence[tuple[int, list[str]]], folder: Path) -> int:
    """Print the sums; the exit status."""
    passed = sum(status == 0 for status, _ in done)
    print(f"{passed} of {len(done)} runs passed; the output is in {folder}")
    for test, times in Counter(test for _, found in done for test in found).most_common():
        print(f"  {times} × {test}")
    return 0 if passed == len(done) else 1


def last_line(text: str) -> str:
    """The last line that is not empty."""
    return next((line for line in reversed(text.splitlines()) if line.strip()), "no output")


if __name__ == "__main__":
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(128 + signal.SIGTERM))  # and so end what was started
    sys.exit(main())
