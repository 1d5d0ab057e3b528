"""Measures how long data of form 1 takes to become form 2:

    python -m tests.upgrade.measure 100000

It copies the finished tasks of the dump until there are so many tasks, each with a name of its own: more names than
real data has. The seconds are CPU time, of this process and of Redis, so a busy machine does not change them.
"""

from __future__ import annotations

import gzip
import json
import sys
import time
from pathlib import Path
from typing import Any

import redis

from app.clock import system_clock
from app.domain.errors import Unavailable
from app.domain.ids import new_id
from app.store.store import Store
from tests.servers import redis_program, throw_away_redis
from tests.upgrade.scenario import finished

FOLDER = Path(__file__).parent
PER_CALL = 200
CLONE = """
local P = 'celeriac:t:'
for i = 1, #ARGV, 3 do
  local old, id, name = ARGV[i], ARGV[i + 1], ARGV[i + 2]
  local seq = redis.call('INCR', 'celeriac:seq')
  for _, part in ipairs({'', ':spec', ':result', ':stdout', ':history', ':attempts'}) do
    redis.call('COPY', P .. old .. part, P .. id .. part)
  end
  redis.call('HDEL', P .. id, 'nf')
  redis.call('HSET', P .. id, 'n', name, 'q', seq)
  local task = redis.call('HMGET', P .. id, 'k', 'tt', 'st')
  for _, index in ipairs({'ix', 'fx'}) do
    redis.call('ZADD', 'celeriac:' .. index .. ':' .. table.concat(task, ':'), seq, id)
  end
  redis.call('ZADD', 'celeriac:name:' .. name, seq, id)
  redis.call('ZADD', 'celeriac:names', 0, name)
  redis.call('HSET', 'celeriac:newest', name, seq)
end
"""


def fill(client: redis.Redis, number: int) -> None:
    """Copy finished tasks until there are `number`."""
    ids = json.loads(gzip.decompress((FOLDER / "form-1.json.gz").read_bytes()))["ids"]
    sources = [ids[name] for name in finished()]
    for first in range(0, number, PER_CALL):
        values: list[str] = []
        for place in range(first, min(first + PER_CALL, number)):
            values += (sources[place % len(sources)], new_id(system_clock()), f"task number {place}")
        client.eval(CLONE, 0, *values)


class Spent:
    """CPU seconds of this process and of Redis since it was made."""

    def __init__(self, client: redis.Redis) -> None:
        self._client = client
        self._ours, self._redis = time.process_time(), self._redis_seconds()

    def _redis_seconds(self) -> float:
        info: Any = self._client.info("cpu")
        return float(info["used_cpu_user"]) + float(info["used_cpu_sys"])

    def __str__(self) -> str:
        ours, of_redis = time.process_time() - self._ours, self._redis_seconds() - self._redis
        return f"{ours + of_redis:.1f} s (this process {ours:.1f}, Redis {of_redis:.1f})"


def is_current(store: Store) -> bool:
    """Whether the exclusive steps are done. A busy machine may take longer to answer than a store waits."""
    try:
        return store.form.look().is_current
    except Unavailable:
        return False


def advance(store: Store) -> bool:
    """Do a part. Whether there is more to do."""
    try:
        return store.form.advance(system_clock())
    except Unavailable:
        return True


def main(number: int) -> None:
    """Fill, change, and print."""
    program = redis_program()
    assert program is not None
    with throw_away_redis(program) as server:
        server.stop()
        (server.socket.parent / "dump.rdb").write_bytes(gzip.decompress((FOLDER / "form-1.rdb.gz").read_bytes()))
        server.start()
        client = redis.Redis.from_url(server.url, decode_responses=True)
        fill(client, number)
        before = client.info("memory")["used_memory"]  # type: ignore[index]
        store = Store.at(server.url)
        spent = Spent(client)
        while not is_current(store):
            advance(store)
        sys.stdout.write(f"{number:,} tasks with as many names: nothing is served for {spent}\n")
        spent = Spent(client)
        while advance(store):
            pass
        sys.stdout.write(f"the rest, while the data is in use: {spent}\n")
        after = client.info("memory")["used_memory"]  # type: ignore[index]
        sys.stdout.write(f"memory: {before / 1e6:.0f} MB before, {after / 1e6:.0f} MB after\n")
        store.close()


if __name__ == "__main__":
    main(int(sys.argv[1]))
