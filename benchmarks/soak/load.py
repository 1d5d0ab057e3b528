"""The mix of work of a soak: callers that create, read, change and watch, each at a steady rate."""

from __future__ import annotations

import contextlib
import http.client
import itertools
import json
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import Any

JSON = {"Content-Type": "application/json"}
CALL_SECONDS = 30
STREAM_SECONDS = 3.0
#: An order in the cycle of the callers; the arguments are a connection and a number that no other call has.
Call = Callable[["Caller", int], None]


@dataclass(slots=True)
class Tally:
    """What the callers have done and seen. Thread-safe."""

    counts: Counter[str] = field(default_factory=Counter)
    latencies_ms: dict[str, list[float]] = field(default_factory=dict)
    errors: list[str] = field(default_factory=list)
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def took(self, what: str, seconds: float) -> None:
        """Count a call and how long it took."""
        with self._lock:
            self.counts[what] += 1
            self.latencies_ms.setdefault(what, []).append(seconds * 1000)

    def failed(self, sentence: str) -> None:
        """Note a call that was not answered as it should be. The first ones are kept whole."""
        with self._lock:
            self.counts["errors"] += 1
            if len(self.errors) < 20:
                self.errors.append(sentence[:500])

    def latencies(self) -> dict[str, list[float]]:
        """The latencies since the last call of this."""
        with self._lock:
            taken, self.latencies_ms = self.latencies_ms, {}
            return taken


class Caller:
    """One connection to the API."""

    def __init__(self, port: int, target_url: str, tally: Tally) -> None:
        self.target_url = target_url
        self._port = port
        self._tally = tally
        self._connection = http.client.HTTPConnection("127.0.0.1", port, timeout=CALL_SECONDS)

    def call(self, what: str, method: str, path: str, body: Any = None, **headers: str) -> Any:
        """The JSON of the answer, or None for an error, which is noted. `what` names the call in the figures."""
        text = None if body is None else json.dumps(body)
        began = time.perf_counter()
        try:
            self._connection.request(method, path, text, {**JSON, **headers})
            response = self._connection.getresponse()
            answer = response.read()
        except (OSError, http.client.HTTPException) as error:
            self._connection.close()  # the next request opens another
            self._tally.failed(f"{method} {path}: {error!r}")
            return None
        self._tally.took(what, time.perf_counter() - began)
        if response.status >= 400 and response.status not in (404, 409):  # it may have finished, or be gone
            self._tally.failed(f"{method} {path} was answered with {response.status}: {answer[:300]!r}")
            return None
        return json.loads(answer) if answer else None

    def watch(self, path: str, seconds: float) -> None:
        """Open an event stream, read it for a while, and close it."""
        connection = http.client.HTTPConnection("127.0.0.1", self._port, timeout=seconds)
        try:
            connection.request("GET", path, headers={"Accept": "text/event-stream"})
            with connection.getresponse() as response, contextlib.suppress(TimeoutError):
                if response.status not in (200, 404):
                    self._tally.failed(f"GET {path} was answered with {response.status}")
                ends_at = time.monotonic() + seconds
                while time.monotonic() < ends_at and response.read1(65_536):
                    pass
            self._tally.took("stream", seconds)
        except (OSError, http.client.HTTPException) as error:
            self._tally.failed(f"GET {path}: {error!r}")
        finally:
            connection.close()

    def close(self) -> None:
        """Close the connection."""
        self._connection.close()


# --- the orders --------------------------------------------------------------------------------------


def _code(number: int, **more: Any) -> dict[str, Any]:
    program = "def main(n):\n    print('working')\n    return sum(range(n))\n"
    return {"name": "sum", "function_name": "main", "function_code": program, "args": [number % 1000], **more}


def _run_code(caller: Caller, number: int) -> None:
    caller.call("create", "POST", "/api/tasks", _code(number, tags=["soak"]))


def _new_program(number: int) -> dict[str, Any]:
    """A task with a program, a name and a tag that no other task has."""
    program = f"# program {number}\n" + "import json\n\ndef main():\n    return json.dumps([0] * 300)\n" * 3
    return {"name": f"new {number}", "tags": [f"only-{number}"], "function_name": "main", "function_code": program}


def _run_new_program(caller: Caller, number: int) -> None:
    caller.call("create", "POST", "/api/tasks", _new_program(number))


def _fail_with_retries(caller: Caller, number: int) -> None:
    retries = {"max_retries": 2, "retry_delay": 0.2, "retry_max_delay": 1}
    program = "def main():\n    raise ValueError('no')\n"
    task = {"name": "failing", "function_name": "main", "function_code": program, **retries}
    caller.call("create", "POST", "/api/tasks", task)


def _call_url(caller: Caller, number: int) -> None:
    caller.call("create", "POST", "/api/tasks", {"name": "get", "api_url": f"{caller.target_url}get/{number}"})


def _post_with_callback(caller: Caller, number: int) -> None:
    task = {"name": "post", "method": "POST", "api_url": f"{caller.target_url}post", "data": {"number": number}}
    caller.call("create", "POST", "/api/tasks", {**task, "callback_url": f"{caller.target_url}callback"})


def _call_a_closed_port(caller: Caller, number: int) -> None:
    retries = {"max_retries": 1, "retry_delay": 0.2}
    caller.call("create", "POST", "/api/tasks", {"name": "closed", "api_url": "http://127.0.0.1:9/", **retries})


def _run_later(caller: Caller, number: int) -> None:
    caller.call(
        "create", "POST", "/api/tasks", _code(number, task_type="delayed", delay_seconds=8 if number % 2 else 2)
    )


def _create_batch(caller: Caller, number: int) -> None:
    caller.call("batch", "POST", "/api/tasks/batch", {"tasks": [_code(number + each) for each in range(5)]})


def _wait_for_result(caller: Caller, number: int) -> None:
    caller.call("round trip", "POST", "/api/tasks", _code(number), Prefer="wait=20")


def _stop_one(caller: Caller, number: int) -> None:
    program = "def main():\n    while True:\n        pass\n"
    task = caller.call("create", "POST", "/api/tasks", {"name": "endless", "function_name": "main", "timeout": 5,
                                                        "function_code": program})  # fmt: skip
    if task:
        caller.call("stop", "POST", f"/api/tasks/{task['id']}/stop")


def _change_and_delete(caller: Caller, number: int) -> None:
    task = caller.call("create", "POST", "/api/tasks", _code(number, task_type="delayed", delay_seconds=600))
    if task:
        caller.call("change", "PATCH", f"/api/tasks/{task['id']}", {"args": [7], "priority": 9})
        caller.call("delete", "DELETE", f"/api/tasks/{task['id']}")


def _retry_one(caller: Caller, number: int) -> None:
    found = caller.call("list", "GET", "/api/tasks?status=failed&limit=1")
    for task in (found or {}).get("items", []):
        caller.call("create", "POST", f"/api/tasks/{task['id']}/retry", {})


def _schedule_and_delete(caller: Caller, number: int) -> None:
    """A schedule with a key of its own, changed, fired by hand, and removed."""
    path = f"/api/scheduled-tasks/by-key/soak-{number}"
    body = _code(number, task_type="scheduled", cron_expression="0 0 1 1 *")
    for _ in range(2):
        schedule = caller.call("put", "PUT", path, body)
        body = {**body, "priority": 7}
    if schedule:
        caller.call("create", "POST", f"/api/scheduled-tasks/{schedule['id']}/run")
        caller.call("delete", "DELETE", f"/api/scheduled-tasks/{schedule['id']}")


def _read(caller: Caller, number: int) -> None:
    for path in ("?limit=50", "?status=succeeded&kind=code&limit=20", "?tag=soak&limit=20", "?name=new*&limit=20"):
        caller.call("list", "GET", f"/api/tasks{path}")
    for path in ("/api/tasks/stats", "/api/tasks/errors", "/api/workers", "/api/scheduled-tasks", "/health"):
        caller.call("read", "GET", path)


def _watch(caller: Caller, number: int) -> None:
    task = caller.call("create", "POST", "/api/tasks", _code(number, task_type="delayed", delay_seconds=1))
    if task:
        caller.watch(f"/api/tasks/{task['id']}/events", STREAM_SECONDS)
    caller.watch("/api/events", STREAM_SECONDS)


#: One round of the callers who create and change.
CYCLE: Sequence[Call] = (
    *(_run_code, _call_url, _post_with_callback, _run_new_program, _wait_for_result, _fail_with_retries),
    *(_run_code, _call_url, _run_later, _create_batch, _change_and_delete, _call_a_closed_port),
    *(_run_code, _wait_for_result, _retry_one, _run_new_program, _stop_one, _schedule_and_delete),
)
SCHEDULES: Sequence[dict[str, Any]] = (
    {**_code(9), "name": "every second", "task_type": "scheduled", "cron_expression": "* * * * * *"},
    {"name": "every two", "task_type": "scheduled", "every_seconds": 2, "api_url": "TARGET", "callback_url": "TARGET"},
)
CALLERS, WATCHERS = 3, 2
PROGRAMS_PER_BATCH = 50


@contextlib.contextmanager
def load(port: int, target_url: str, orders_per_second: float, new_programs: int) -> Iterator[Tally]:
    """Run the mix during the block: `orders_per_second` of CYCLE, readers, watchers and two schedules.

    new_programs: how many programs run before it, so that what is kept of programs is full.
    """
    tally, stop, numbers = Tally(), threading.Event(), itertools.count(1)
    _create_schedules(port, target_url, tally)
    _fill_caches(port, target_url, tally, new_programs)

    def repeat(cycle: Sequence[Call], pause_seconds: float, start: int) -> None:
        caller = Caller(port, target_url, tally)
        due = time.monotonic()
        for order in itertools.islice(itertools.cycle(cycle), start, None):
            order(caller, next(numbers))
            due = max(due + pause_seconds, time.monotonic() - pause_seconds)  # what is late is not made up for
            if stop.wait(max(0.0, due - time.monotonic())):
                break
        caller.close()

    with ThreadPoolExecutor(CALLERS + 1 + WATCHERS) as threads:
        step = len(CYCLE) // CALLERS
        begun = [threads.submit(repeat, CYCLE, CALLERS / orders_per_second, step * at) for at in range(CALLERS)]
        begun.append(threads.submit(repeat, (_read,), 2.0, 0))
        begun += [threads.submit(repeat, (_watch,), 1.0, 0) for _ in range(WATCHERS)]
        try:
            yield tally
        finally:
            stop.set()
            _raise_first(begun)


def _create_schedules(port: int, target_url: str, tally: Tally) -> None:
    caller = Caller(port, target_url, tally)
    for schedule in SCHEDULES:
        body = {name: target_url if value == "TARGET" else value for name, value in schedule.items()}
        caller.call("create", "POST", "/api/scheduled-tasks", body)
    caller.close()


def _fill_caches(port: int, target_url: str, tally: Tally, new_programs: int) -> None:
    """Run programs that are all different, on many connections, so that each API process sees its share."""
    for first in range(0, new_programs, PROGRAMS_PER_BATCH):
        caller = Caller(port, target_url, tally)
        tasks = [_new_program(-1 - first - each) for each in range(min(PROGRAMS_PER_BATCH, new_programs - first))]
        caller.call("batch", "POST", "/api/tasks/batch", {"tasks": tasks})
        caller.close()


def _raise_first(begun: Sequence[Future[None]]) -> None:
    for each in begun:
        each.result()
