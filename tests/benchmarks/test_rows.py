"""What rows are built from: that it still fits the service, and that systems are held and emptied as they should."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
import redis

from app.store import scripts
from benchmarks import forgetful_worker
from benchmarks.fills import records
from benchmarks.processes import cpu_seconds, descendants, folder, held, memory_server, parent_of
from benchmarks.rows.listing import QUERIES, listing
from benchmarks.rows.listing import Size as ListingSize
from tests.servers import wait_until

CHILD = "import sys; print('here', flush=True); sys.stdin.read()"
TREE = f"import subprocess, sys; subprocess.run([sys.executable, '-c', {CHILD!r}])"


def text_of(place: Path) -> str:
    return "".join(path.read_text() for path in sorted(place.glob("*.lua")))


def test_the_worker_without_leases_and_histories_finds_what_it_leaves_out(tmp_path: Path) -> None:
    forgetful_worker.write_scripts(tmp_path / "lua")
    before, after = map(text_of, (scripts._FOLDER, tmp_path / "lua"))
    assert before.count("  record_change(id,") > after.count("  record_change(id,")
    assert "'ZADD', P .. 'leases'" in before
    assert "'ZADD', P .. 'leases'" not in after


def test_the_records_of_the_listing_are_what_the_service_reads() -> None:
    with listing(ListingSize(1_000, 1), divisor=1, queries=QUERIES) as measure:
        found = measure()
    assert isinstance(found, dict)
    assert found.keys() == {*QUERIES, "Redis, mean of all"}


def test_a_snapshot_is_loaded_by_the_next_server() -> None:
    with folder() as path:
        with memory_server(path / "one") as url:
            records(url, 1_000)
            with redis.Redis.from_url(url) as client:
                client.save()
        with (
            memory_server(path / "two", path / "one" / "dump.rdb") as url,
            redis.Redis.from_url(url) as client,
        ):
            assert int(client.zcard("celeriac:names")) > 0


@pytest.fixture
def tree() -> Iterator[subprocess.Popen[bytes]]:
    """A process with a child that says when it is there; both end with their input."""
    with subprocess.Popen([sys.executable, "-c", TREE], stdin=subprocess.PIPE, stdout=subprocess.PIPE) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == b"here\n"
        yield process


def states(pids: list[int]) -> set[str]:
    """The letters of /proc: R for running, S for sleeping, T for stopped."""
    return {Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] for pid in pids}


def test_held_processes_stand_still_with_all_below_them(tree: subprocess.Popen[bytes]) -> None:
    pids = descendants(tree.pid)
    assert [parent_of(pid) for pid in pids[1:]] == [tree.pid]
    with held([tree.pid]):
        wait_until(lambda: states(pids) == {"T"}, 15, "all stand still")
    wait_until(lambda: "T" not in states(pids), 15, "all move again")
    assert cpu_seconds(tree.pid) > 0
