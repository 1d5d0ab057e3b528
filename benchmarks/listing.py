"""Lists among a million tasks: the time from a request to its response, and what the index of names costs.

The tasks are written straight into Redis, with all their indexes and without bodies, which lists do not read. Names are
1,000, of 1,000 tasks each, but for the oldest and the newest thousandth of the tasks: those have names of their own.

    python -m benchmarks.listing           # a million tasks
    python -m benchmarks.listing --quick   # 100,000 tasks
"""

from __future__ import annotations

import statistics
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import redis
from flask.testing import FlaskClient

from app.api.context import compose
from app.api.web import create_web
from app.settings import Settings
from app.store.store import Store
from benchmarks.processes import server

TASKS = 1_000_000
QUICK_TASKS = 100_000
BATCH = 1_000
CALLS = 100
TARGET_MS = 5.0
NOON_MS = 1_795_422_600_000
SCHEDULE_ID = "01a20786-bb40-7dea-8c0d-e64779664c00"

#: One in eight is an API task, one in 16 has failed; nothing is in a step with the names.
_FILL = """
local first, number, total, distinct = tonumber(ARGV[1]), tonumber(ARGV[2]), tonumber(ARGV[3]), tonumber(ARGV[4])
local P = 'celeriac:'
local function add(k, score, id) redis.call('ZADD', P .. k, score, id) end
for i = first, first + number - 1 do
  local ms = 1795422600000 + math.floor(i / 10)
  local seq = string.format('%.0f', ms * 2048 + i % 10)
  local id = string.format('%08x-%04x-7%03x-8000-%012x', math.floor(ms / 65536), ms % 65536, i % 4096, i)
  local kind, status, word = 'code', 'succeeded', 'job '
  if i % 8 == 0 then kind = 'api' end
  if i % 100 == 2 then status = 'stopped' end
  if i % 100 == 3 then status = 'queued' end
  if i % 16 == 1 then status = 'failed' end
  if i * 1000 < total then word = '库存 ' elseif (total - i) * 1000 < total then word = 'late ' end
  local name = word .. (i * 7919 % distinct)
  local record = {'k', kind, 'tt', 'immediate', 'st', status, 'q', seq, 'cr', ms, 'du', ms, 'at', '1', 'n', name}
  local function field(short, value) record[#record + 1] = short; record[#record + 1] = value end
  local tag = 'tag' .. (i * 31 % 20)
  field('tg', '["' .. tag .. '"]')
  add('tag:' .. tag, seq, id)
  if i % 3 == 0 then
    field('sid', 'SCHEDULE')
    add('by:SCHEDULE', seq, id)
  end
  if status ~= 'queued' then
    field('fi', ms + 5)
    add('fx:' .. kind .. ':immediate:' .. status, seq, id)
  end
  if kind == 'api' then field('u', '"https://target.test/hook"') end
  if status == 'failed' then
    local number = math.floor(i / 16) * 13 % 200
    field('et', 'Error' .. number % 20)
    field('fp', string.format('%016x', number))
    field('er', '{"type":"Error' .. number % 20 .. '","message":"no","line":3,"traceback":"line 3: no"}')
    add('et:Error' .. number % 20, seq, id)
    add('fp:' .. string.format('%016x', number), seq, id)
  end
  redis.call('HSET', P .. 't:' .. id, unpack(record))
  add('ix:' .. kind .. ':immediate:' .. status, seq, id)
  add('name:' .. name, seq, id)
  add('names', '0', name)
  redis.call('HSET', P .. 'newest', name, seq)
end
""".replace("SCHEDULE", SCHEDULE_ID)

QUERIES = {
    "no filter": "",
    "status": "status=failed",
    "kind": "kind=api",
    "task_type": "task_type=immediate",
    "name, one": "name=JOB 7",
    "name, prefix at the old end": "name=库存*",
    "name, prefix at the new end": "name=LATE*",
    "name, prefix of 1,000 names": "name=job*",
    "name, part of 111 names": "name=*99*",
    "name, no match": "name=*nobody*",
    "tag": "tag=tag7",
    "scheduled_task_id": f"scheduled_task_id={SCHEDULE_ID}",
    "error_type": "error_type=Error7",
    "fingerprint": "fingerprint=0000000000000007",
    "created_after": "created_after=2026-11-23T08:30:01Z",
    "created_before": "created_before=2026-11-23T08:30:05Z",
    "finished first": "sort=finished",
    "finished first, failed": "sort=finished&status=failed",
    "finished first, tag": "sort=finished&tag=tag7",
    "finished first, name": "sort=finished&name=库存*",
    "mixed": "status=failed&kind=code&tag=tag11&name=job*",
    "mixed, no match": "status=stopped&kind=api&tag=tag1",
}


def run(arguments: Sequence[str] = ()) -> Sequence[str]:
    """The lines to print; a figure that misses its target says so."""
    total = QUICK_TASKS if "--quick" in arguments else TASKS
    with _server() as (url, raw):
        _fill(raw, total)
        lines = [f"{total:,} tasks, {int(_memory(raw)) / total:.0f} bytes each with all indexes, without bodies"]
        lines += _measure(url, raw)
    with _server() as (_, raw):
        return lines + _cost_of_names(raw)


@contextmanager
def _server() -> Iterator[tuple[str, redis.Redis]]:
    """A server without persistence, and a client of it."""
    with tempfile.TemporaryDirectory(prefix="celeriac-") as name, server(Path(name) / "redis") as url:
        raw = redis.Redis.from_url(url, decode_responses=True)
        raw.config_set("appendonly", "no")
        raw.config_set("save", "")
        yield url, raw


def _memory(raw: redis.Redis) -> int:
    info: Any = raw.info("memory")
    return int(info["used_memory"])


def _fill(raw: redis.Redis, total: int) -> None:
    fill = raw.register_script(_FILL)
    for first in range(0, total, BATCH):
        fill(args=[first, BATCH, total, 1_000])


def _measure(url: str, raw: redis.Redis) -> list[str]:
    store = Store.at(url)
    web = create_web(compose(Settings(), store, lambda *_: []))
    client = web.test_client()
    lines = [f"{'query':<32} {'items':>5} {'p50 ms':>7} {'p99 ms':>7} {'CPU ms: ours':>12} {'of Redis':>8}"]
    try:
        lines += [_line(client, raw, name, query) for name, query in QUERIES.items()]
    finally:
        store.close()
    return lines


def _redis_cpu_ms(raw: redis.Redis) -> float:
    info: Any = raw.info("cpu")
    return float(info["used_cpu_user"] + info["used_cpu_sys"]) * 1000


def _line(client: FlaskClient, raw: redis.Redis, name: str, query: str) -> str:
    taken, items = [], 0
    own_ms, redis_ms = time.process_time() * 1000, _redis_cpu_ms(raw)
    for _ in range(CALLS):
        began = time.perf_counter()
        response = client.get(f"/api/tasks?{query}", base_url="http://localhost:5001")
        taken.append((time.perf_counter() - began) * 1000)
        assert response.status_code == 200, response.text
        items = len(response.get_json()["items"])
    own_ms, redis_ms = time.process_time() * 1000 - own_ms, _redis_cpu_ms(raw) - redis_ms
    p99 = statistics.quantiles(taken, n=100)[98]
    missed = f"  (at most {TARGET_MS:g}; MISSED)" if p99 > TARGET_MS else ""
    walls = f"{statistics.median(taken):>7.2f} {p99:>7.2f}"
    return f"{name:<32} {items:>5} {walls} {own_ms / CALLS:>12.2f} {redis_ms / CALLS:>8.2f}{missed}"


_NAMES = """
for i = tonumber(ARGV[1]), ARGV[1] + 999 do
  local id = string.format('01a20786-bb40-7000-8000-%012x', i)
  local name = 'a name of some length ' .. i % ARGV[2]
  redis.call('ZADD', 'name:' .. name, i, id)
  redis.call('ZADD', 'names', '0', name)
  redis.call('HSET', 'newest', name, string.format('%.0f', 3677025484800000 + i))
end
"""


def _cost_of_names(raw: redis.Redis) -> list[str]:
    lines, number = [], QUICK_TASKS
    for words, distinct in (("1,000 tasks of each name", number // 1_000), ("one task of each name", number)):
        raw.execute_command("FLUSHALL", "SYNC")
        before, script = _memory(raw), raw.register_script(_NAMES)
        began = time.perf_counter()
        for first in range(0, number, BATCH):
            script(args=[first, distinct])
        taken = time.perf_counter() - began
        cost = (_memory(raw) - before) / number
        lines.append(f"index of names, {words}: {cost:.0f} bytes and {taken / number * 1e6:.1f} µs per task")
    return lines


if __name__ == "__main__":
    print("\n".join(run(sys.argv[1:])))
