"""Mutation runs: `python -m tests.mutants app/domain/cron app/store/lua/claim.lua`.

Makes small changes to source files in a copy of the repository, runs the tests that cover each, and lists the changes
that no test notices. docs/mutants.md tells what is known of those. The exit status is 1 if there are others.
"""

from __future__ import annotations

import argparse
import dataclasses
import itertools
import json
import os
import random
import re
import shutil
import subprocess
import sys
import tempfile
from collections import Counter
from collections.abc import Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from queue import SimpleQueue
from typing import Any

from tests.mutants import lua_source, python_source
from tests.mutants.covering import covering_tests
from tests.mutants.explained import explained_in
from tests.mutants.mutant import Mutant

ROOT = Path(__file__).resolve().parent.parent.parent
EXPLANATIONS = ROOT / "docs" / "mutants.md"
PACKAGES = ("app", "sandbox", "tasks", "tests")
#: Mutants that one session takes at most.
SESSION_MUTANTS = 200
VERDICTS = ("killed", "timed out", "survived", "invalid")


def mutants_of(path: str) -> list[Mutant]:
    """All mutants of a file, named by its path in the repository."""
    maker = lua_source if path.endswith(".lua") else python_source
    return maker.mutants_of(path, (ROOT / path).read_bytes())


def files_of(paths: Iterable[str]) -> list[str]:
    """The source files at or below these paths, by their paths in the repository."""
    found: dict[str, None] = {}
    for path in paths:
        place = ROOT / path
        files = [place] if place.is_file() else sorted((*place.rglob("*.py"), *place.rglob("*.lua")))
        found |= dict.fromkeys(str(file.relative_to(ROOT)) for file in files)
    return list(found)


class Copies:
    """Copies of the repository, one for each session that runs at the same time."""

    def __init__(self, folder: Path, number: int) -> None:
        listed = subprocess.run(
            ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"],
            cwd=ROOT, check=True, capture_output=True, text=True,
        )  # fmt: skip
        self.free: SimpleQueue[Path] = SimpleQueue()
        for each in range(number):
            copy = folder / str(each)
            for name in filter(None, listed.stdout.split("\0")):
                if (ROOT / name).is_file():
                    (copy / name).parent.mkdir(parents=True, exist_ok=True)
                    shutil.copy2(ROOT / name, copy / name)
            # What is compiled of them is as new, since copies keep the time of the last change.
            for compiled in (file for top in PACKAGES for file in (ROOT / top).rglob("__pycache__/*.pyc")):
                (copy / compiled.relative_to(ROOT)).parent.mkdir(parents=True, exist_ok=True)
                shutil.copyfile(compiled, copy / compiled.relative_to(ROOT))
            self.free.put(copy)


def run(mutants: Sequence[Mutant], copies: Copies, asked: argparse.Namespace) -> list[dict[str, Any]]:
    """The verdicts on the mutants of one session: {mutant, verdict, killer, tests, seconds, anew} each."""
    copy = copies.free.get()
    try:
        results = copy.parent / f"{copy.name}.results"
        results.write_text("")
        job = {
            "mutants": [dataclasses.asdict(each) for each in mutants],
            "results": str(results),
            "slow_seconds": asked.slow,
            "budget_seconds": asked.budget,
            "tests": [*(asked.tests or covering_tests(mutants[0].path))],
        }
        ended = subprocess.run(
            [sys.executable, "-m", "tests.mutants.session"],
            input=json.dumps(job), cwd=copy, check=False, text=True, capture_output=True,
            env={**os.environ, "TMPDIR": str(copy.parent)},
        )  # fmt: skip
        found = [json.loads(line) for line in results.read_text().splitlines()]
        if len(found) < len(mutants):
            print(
                f"{mutants[0].path}: the session ended early:\n{ended.stdout[-3000:]}{ended.stderr[-3000:]}",
                file=sys.stderr,
            )
        for line in ended.stdout.splitlines():
            if line.startswith("left out: "):
                print(f"{mutants[0].path}: {line}")
        return [each | {"mutant": Mutant(**each["mutant"])} for each in found]
    finally:
        copies.free.put(copy)


def report(path: str, results: Sequence[dict[str, Any]], known: set[tuple[str, str, str]]) -> int:
    """Print the verdicts on the mutants of a file. Returns how many survived that are not explained."""
    counts = Counter(each["verdict"] for each in results)
    seconds = sum(each["seconds"] for each in results)
    print(f"{path}: " + ", ".join(f"{counts[verdict]} {verdict}" for verdict in VERDICTS) + f" ({seconds:.0f} s)")
    news = 0
    for each in results:
        if each["verdict"] in ("survived", "timed out"):
            is_known = each["mutant"].identity in known
            news += each["verdict"] == "survived" and not is_known
            print(f"  {each['verdict']}{' (explained)' if is_known else ''}: {each['mutant']}")
    sys.stdout.flush()
    return news


def sessions_of(mutants: Sequence[Mutant], tests: Sequence[str]) -> list[list[Mutant]]:
    """The mutants by session. Those in one have the same tests, and are all of Python files or all of scripts."""
    by_tests: dict[tuple[object, ...], list[Mutant]] = {}
    for each in mutants:
        by_tests.setdefault((each.path.endswith(".lua"), *(tests or covering_tests(each.path))), []).append(each)
    return [
        together[at : at + SESSION_MUTANTS]
        for together in by_tests.values()
        for at in range(0, len(together), SESSION_MUTANTS)
    ]


def _judged(results: Path, *verdicts: str) -> set[tuple[str, str, str]]:
    """The mutants with one of these verdicts, by `Mutant.identity`, as `--results` has noted it."""
    found = map(json.loads, results.read_text().splitlines())
    return {Mutant(**each["mutant"]).identity for each in found if each["verdict"] in verdicts}


def main(arguments: Sequence[str] | None = None) -> int:
    """The command."""
    parser = argparse.ArgumentParser(prog="python -m tests.mutants", description=__doc__)
    parser.add_argument("paths", nargs="+", help="source files, or folders of them")
    parser.add_argument("--every", type=int, default=1, help="take one mutant of so many (default: all)")
    parser.add_argument("--seed", type=int, default=1, help="which of them (default: 1)")
    parser.add_argument("--jobs", type=int, default=1, help="how many files to work on at the same time (default: 1)")
    parser.add_argument("--slow", type=float, default=5.0, help="leave out tests that take more seconds (default: 5)")
    parser.add_argument("--line", default="", help="only mutants of lines that match this pattern")
    parser.add_argument("--tests", nargs="*", default=(), help="these tests instead of those in covering.py")
    parser.add_argument("--list", action="store_true", help="list the mutants only")
    parser.add_argument("--again", type=Path, help="only mutants that survived according to this file of --results")
    parser.add_argument("--results", type=Path, help="append each verdict to this file, as JSON; skip those it has")
    parser.add_argument("--budget", type=float, help="give up on a mutant after so many seconds of tests")
    asked = parser.parse_args(arguments)
    survived = _judged(asked.again, "survived", "timed out") if asked.again else None
    judged = _judged(asked.results, *VERDICTS) if asked.results and asked.results.exists() else set()
    chosen: list[Mutant] = []
    for path in files_of(asked.paths):
        mutants = [
            each for each in mutants_of(path) if re.search(asked.line, each.line) and each.identity not in judged
        ]
        mutants = random.Random(f"{asked.seed} {path}").sample(mutants, -(-len(mutants) // asked.every))
        if survived is not None:
            mutants = [each for each in mutants if each.identity in survived]
        chosen += sorted(mutants, key=lambda each: (each.start, each.end, each.after))
    if asked.list:
        print(*chosen, sep="\n")
        return 0
    known = explained_in(EXPLANATIONS.read_text())
    with tempfile.TemporaryDirectory(prefix="mut-") as folder, ThreadPoolExecutor(asked.jobs) as pool:
        copies = Copies(Path(folder), asked.jobs)
        news = 0
        for results in pool.map(lambda each: run(each, copies, asked), sessions_of(chosen, asked.tests)):
            for path, of_path in itertools.groupby(results, key=lambda each: each["mutant"].path):
                news += report(path, list(of_path), known)
            if asked.results:
                with asked.results.open("a") as file:
                    for each in results:
                        file.write(json.dumps(each | {"mutant": dataclasses.asdict(each["mutant"])}) + "\n")
    print(f"{len(chosen)} mutants; {news} survived that docs/mutants.md does not explain")
    return 1 if news else 0


if __name__ == "__main__":
    sys.exit(main())
