"""What a program prints is passed on while it runs: whole characters, in order, bounded."""

from __future__ import annotations

import threading

import pytest

from sandbox import Cancel, Limits, Program, Sandbox

WALL_SECONDS = 10.0
PRINTS_AND_STAYS = "import time\ndef main():\n    print('só')\n    print('on')\n    time.sleep(60)\n"


def test_output_is_passed_on_before_the_program_ends(box: Sandbox) -> None:
    cancel, pieces, seen = Cancel(), list[str](), threading.Event()

    def on_output(text: str) -> None:
        pieces.append(text)
        if "".join(pieces) == "só\non\n":
            seen.set()

    def cancel_once_seen() -> None:
        if seen.wait(WALL_SECONDS):
            cancel.cancel()

    thread = threading.Thread(target=cancel_once_seen)
    thread.start()
    verdict = box.run(Program(PRINTS_AND_STAYS, "main"), Limits(wall_seconds=WALL_SECONDS), cancel, on_output)
    thread.join()
    assert (verdict.stopped, verdict.stdout) == (True, "".join(pieces)) == (True, "só\non\n")


@pytest.mark.parametrize("limit_bytes", [0, 1, 10_001, 262_144])
def test_the_pieces_are_the_beginning_of_the_whole_output(box: Sandbox, limit_bytes: int) -> None:
    source = "def main():\n    for i in range(2000):\n        print('größer ☃', i)\n    while True:\n        pass\n"
    pieces: list[str] = []
    # Of processor time, as in a second of a busy machine it might print little.
    limits = Limits(wall_seconds=60.0, cpu_seconds=1, stdout_bytes=limit_bytes)
    verdict = box.run(Program(source, "main"), limits, on_output=pieces.append)
    assert "".join(pieces) == verdict.stdout
    assert len(verdict.stdout.encode()) <= limit_bytes
    assert verdict.stdout_truncated == (limit_bytes < 30_000)


def test_a_program_that_prints_nothing_passes_nothing_on(box: Sandbox) -> None:
    pieces: list[str] = []
    verdict = box.run(Program("def main(): return 1", "main"), Limits(WALL_SECONDS), on_output=pieces.append)
    assert (verdict.result_json, pieces) == (b"1", [])
