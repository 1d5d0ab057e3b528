"""What `stock.py` fills servers with."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace

import redis

from app.clock import system_clock
from app.domain.ids import new_id
from app.domain.status import Kind, TaskType
from app.store.tasks import NewTask
from benchmarks.made import HOUR_MS, NO_OP, add_schedules, store_at

BATCH = 1_000
NAMES = 1_000
DELAYS_PER_WRITE = 500
#: One packs while the server works for the other.
THREADS = 2
TEN_YEARS_MS = 10 * 365 * 24 * HOUR_MS
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
  add('newest', seq, name)
end
""".replace("SCHEDULE", SCHEDULE_ID)


def records(url: str, count: int) -> None:
    """Tasks that have ended, straight into Redis with all their indexes, without bodies, which lists do not read.

    Names are NAMES, of equally many tasks each, but for the oldest and the newest thousandth of the tasks: those have
    names of their own.
    """
    with redis.Redis.from_url(url) as client:
        fill = client.register_script(_FILL)
        for first in range(0, count, BATCH):
            fill(args=[first, BATCH, count, NAMES])


def delays(url: str, count: int) -> None:
    """Delayed tasks, from an hour to ten years from now."""
    now_ms = system_clock()
    made = NewTask(
        id="",
        kind=Kind.CODE,
        task_type=TaskType.DELAYED,
        due_ms=0,
        spec=dict(NO_OP),
    )
    step_ms = TEN_YEARS_MS // count
    with store_at(url) as store, ThreadPoolExecutor(THREADS) as threads:

        def write(first: int) -> None:
            numbers = range(first, min(first + DELAYS_PER_WRITE, count))
            due = (now_ms + HOUR_MS + number * step_ms for number in numbers)
            store.tasks.create([replace(made, id=new_id(now_ms), due_ms=due_ms) for due_ms in due], now_ms)

        for _ in threads.map(write, range(0, count, DELAYS_PER_WRITE)):
            pass  # an error of a write is raised here


def waiting_schedules(url: str, count: int) -> None:
    """Schedules that fire at full hours, from the next hour but one."""
    next_run_ms = (system_clock() // HOUR_MS + 2) * HOUR_MS
    with store_at(url) as store, ThreadPoolExecutor(THREADS) as threads:
        for _ in threads.map(lambda _: add_schedules(store, count // THREADS, next_run_ms), range(THREADS)):
            pass  # an error of a write is raised here


def schedules_and_delays(url: str, count: int) -> None:
    """Delayed tasks, and a tenth as many schedules."""
    waiting_schedules(url, count // 10)
    delays(url, count)
