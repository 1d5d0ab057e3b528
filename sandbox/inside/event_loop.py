"""The module `asyncio` of programs: coroutines that compute and sleep, on one thread, without files and sockets.

The library's own event loop needs descriptors and system calls that a child may not have, and its import would double a
child's memory. This one is a list of ready tasks and a heap of timers; between timers it sleeps.

A task waits by yielding a Future; whoever finishes that wakes the task. What else a coroutine yields is refused.
"""

from __future__ import annotations

import collections
import heapq
import itertools
import sys
import time
import types
from collections.abc import Callable, Coroutine, Generator
from typing import Any

from sandbox.inside import failure

MAX_TOLD = 10


class CancelledError(BaseException):
    """The task was cancelled."""


class InvalidStateError(Exception):
    """A future is asked for what it has not."""


class _Loop:
    """The one of this process; there while asyncio.run is at work."""

    def __init__(self) -> None:
        self.running = False
        self.current: Task | None = None
        self.ready: collections.deque[Callable[[], None]] = collections.deque()
        self.timers: list[tuple[float, int, Callable[[], None]]] = []
        self.tasks: dict[Task, None] = {}  # those that are not done
        self.unheard: dict[Task, BaseException] = {}  # those that failed, and nobody has asked
        self.closing: dict[Task, None] = {}  # those that end generators which nobody reads any more
        self._numbers = itertools.count()

    def soon(self, call: Callable[[], None]) -> None:
        self.ready.append(call)

    def later(self, seconds: float, call: Callable[[], None]) -> None:
        heapq.heappush(self.timers, (time.monotonic() + seconds, next(self._numbers), call))

    def run(self, coroutine: Any) -> Any:
        if self.running:
            raise RuntimeError("asyncio.run() cannot be called from a running event loop")
        self.running = True
        hooks = sys.get_asyncgen_hooks()
        sys.set_asyncgen_hooks(finalizer=self._close)
        try:
            main = Task(coroutine)
            self._turn_until(main)
            self._cancel_the_rest()
            self._close_the_rest()
            return main.result()
        finally:
            sys.set_asyncgen_hooks(*hooks)
            unheard = list(self.unheard.items())
            self.__init__()  # type: ignore[misc]
            _tell_unheard(unheard)

    def _turn_until(self, wanted: Task) -> None:
        while not wanted.done():
            if not self.ready:
                if not self.timers:
                    raise RuntimeError("every coroutine waits for another: nothing can wake them")
                time.sleep(max(self.timers[0][0] - time.monotonic(), 0))
            while self.timers and self.timers[0][0] <= time.monotonic():
                self.ready.append(heapq.heappop(self.timers)[2])
            for _ in range(len(self.ready)):
                self.ready.popleft()()

    def _cancel_the_rest(self) -> None:
        rest = [each for each in self.tasks if each not in self.closing]
        for each in rest:
            each.cancel()
        for each in rest:
            self._turn_until(each)

    def _close(self, generator: Any) -> None:
        """A generator that was left with `break` may have to wait while it ends."""
        if self.running:
            self.soon(lambda: self._close_soon(generator))

    def _close_soon(self, generator: Any) -> None:
        task = Task(_of(generator.aclose()))
        self.closing[task] = None
        task.add_done_callback(lambda task: self.closing.pop(task, None))

    def _close_the_rest(self) -> None:
        for _ in range(len(self.ready)):  # once, since what calls itself again would have no end
            self.ready.popleft()()
        for each in list(self.closing):
            self._turn_until(each)


def _tell_unheard(failed: list[tuple[Task, BaseException]]) -> None:
    for task, error in failed[:MAX_TOLD]:
        failure.tell(f"Task exception was never retrieved: {task.get_name()}\n{failure.text_of(error)}\n")
    if len(failed) > MAX_TOLD:
        failure.tell(f"and of {len(failed) - MAX_TOLD} more tasks\n")


def _call(callback: Callable[..., Any], *args: Any) -> None:
    """What it fails with is told, and ends nothing else."""
    try:
        callback(*args)
    except (KeyboardInterrupt, SystemExit):
        raise
    except BaseException as error:
        failure.tell(f"Exception in callback\n{failure.text_of(error)}\n")


loop = _Loop()


class Future:
    """asyncio.Future: a result that comes later."""

    def __init__(self) -> None:
        self._state = "PENDING"
        self._result: Any = None
        self._error: BaseException | None = None
        self._callbacks: list[Callable[[Any], Any]] = []
        self._is_heard = False

    def done(self) -> bool:
        """Whether there is a result, an exception, or a cancellation."""
        return self._state != "PENDING"

    def cancelled(self) -> bool:
        """Whether it was cancelled."""
        return self._state == "CANCELLED"

    def result(self) -> Any:
        """The result; raises the exception."""
        self._must_be_done()
        self._hear()
        if self._error is not None:
            raise self._error
        return self._result

    def exception(self) -> BaseException | None:
        """The exception, or None."""
        self._must_be_done()
        if self.cancelled():
            raise CancelledError
        self._hear()
        return self._error

    def _hear(self) -> None:
        """What it fails with is somebody's business."""
        if not self._is_heard:
            self._is_heard = True
            loop.unheard.pop(self, None)  # type: ignore[call-overload]

    def set_result(self, result: Any) -> None:
        """Finish it."""
        self._finish("FINISHED", result, None)

    def set_exception(self, error: Any) -> None:
        """Finish it with a failure."""
        self._finish("FINISHED", None, error() if isinstance(error, type) else error)

    def cancel(self, msg: Any = None) -> bool:
        """Finish it with a cancellation."""
        if self.done():
            return False
        self._finish("CANCELLED", None, CancelledError() if msg is None else CancelledError(msg))
        return True

    def add_done_callback(self, callback: Callable[[Any], Any]) -> None:
        """Call it once this is done."""
        if self.done():
            loop.soon(lambda: _call(callback, self))
        else:
            self._callbacks.append(callback)

    def remove_done_callback(self, callback: Callable[[Any], Any]) -> int:
        """Forget it; how often it was there."""
        before = len(self._callbacks)
        self._callbacks = [each for each in self._callbacks if each != callback]
        return before - len(self._callbacks)

    def _must_be_done(self) -> None:
        if not self.done():
            raise InvalidStateError("Result is not set.")

    def _finish(self, state: str, result: Any, error: BaseException | None) -> None:
        if self.done():
            raise InvalidStateError(f"invalid state: {self._state}")
        self._state, self._result, self._error = state, result, error
        callbacks, self._callbacks = self._callbacks, []
        for each in callbacks:
            loop.soon(lambda callback=each: _call(callback, self))  # type: ignore[misc]

    def __await__(self) -> Generator[Any, Any, Any]:
        if not self.done():
            yield self
        return self.result()


class Task(Future):
    """asyncio.Task: a coroutine that runs beside others."""

    def __init__(self, coroutine: Any, name: str | None = None) -> None:
        super().__init__()
        if type(coroutine) is not types.CoroutineType:
            raise TypeError(f"a coroutine was expected, got {coroutine!r}")
        self._coroutine: Coroutine[Any, Any, Any] = coroutine
        self._name = name or f"Task-{next(_numbers)}"
        self._waits_for: Future | None = None
        self._must_cancel: BaseException | None = None
        self._cancels = 0
        loop.tasks[self] = None
        loop.soon(self._step)

    def _finish(self, state: str, result: Any, error: BaseException | None) -> None:
        super()._finish(state, result, error)
        loop.tasks.pop(self, None)
        if error is not None and state != "CANCELLED" and not self._is_heard:
            loop.unheard[self] = error

    def get_name(self) -> str:
        """Its name."""
        return self._name

    def set_name(self, value: object) -> None:
        """Give it a name."""
        self._name = str(value)

    def cancel(self, msg: Any = None) -> bool:
        """Raise CancelledError in it, where it waits."""
        if self.done():
            return False
        self._cancels += 1
        waited, self._waits_for = self._waits_for, None  # meanwhile, since it may wait for this one in turn
        if waited is None or not waited.cancel(msg):
            self._must_cancel = CancelledError() if msg is None else CancelledError(msg)
        # Else what becomes of that wakes this task: another task may take its time, or return all the same.
        self._waits_for = waited
        return True

    def cancelling(self) -> int:
        """How often it was cancelled, less how often that was taken back."""
        return self._cancels

    def uncancel(self) -> int:
        """Take a cancellation back."""
        self._cancels = max(self._cancels - 1, 0)
        return self._cancels

    def _wake(self, _: Any) -> None:
        self._waits_for = None
        self._step()

    def _step(self) -> None:
        if self.done():
            return
        error, self._must_cancel = self._must_cancel, None
        before, loop.current = loop.current, self
        try:
            waited = self._coroutine.send(None) if error is None else self._coroutine.throw(error)
        except StopIteration as stop:
            self.set_result(stop.value)
        except CancelledError as cancelled:
            self._finish("CANCELLED", None, cancelled)
        except (KeyboardInterrupt, SystemExit):
            raise
        except BaseException as failure:
            self._finish("FINISHED", None, failure)
        else:
            self._wait(waited)
        finally:
            loop.current = before

    def _wait(self, waited: Any) -> None:
        if waited is None:
            loop.soon(self._step)
        elif isinstance(waited, Future) and waited is not self:
            self._waits_for = waited
            waited.add_done_callback(self._wake)
            if self._must_cancel is not None and waited.cancel(*self._must_cancel.args):
                self._must_cancel = None
        else:
            self._must_cancel = None
            loop.soon(lambda: self._throw(RuntimeError(f"a task can't wait for {waited!r}")))

    def _throw(self, error: Any) -> None:
        self._must_cancel = error
        self._step()


_numbers = itertools.count(1)


def run(main: Any, *, debug: bool | None = None) -> Any:
    """asyncio.run."""
    return loop.run(main)


async def _of(awaitable: Any) -> Any:
    return await awaitable


def task_of(awaitable: Any) -> Any:
    """A future as it is, and a task for anything else that can be awaited."""
    must_run()
    if isinstance(awaitable, Future):
        return awaitable
    return Task(awaitable if type(awaitable) is types.CoroutineType else _of(awaitable))


def must_run() -> None:
    """Raises RuntimeError outside asyncio.run."""
    if not loop.running:
        raise RuntimeError("no running event loop: call this in a coroutine that asyncio.run() runs")


def create_task(coro: Any, *, name: str | None = None, context: Any = None) -> Task:
    """asyncio.create_task."""
    must_run()
    return Task(coro, name)


def ensure_future(coro_or_future: Any) -> Any:
    """asyncio.ensure_future."""
    return task_of(coro_or_future)


def current_task() -> Task | None:
    """asyncio.current_task."""
    must_run()
    return loop.current


def all_tasks() -> set[Task]:
    """asyncio.all_tasks."""
    return set(loop.tasks)


@types.coroutine
def _pass_on() -> Generator[None, None, None]:
    yield


async def sleep(delay: float, result: Any = None) -> Any:
    """asyncio.sleep."""
    if delay <= 0:
        await _pass_on()
        return result
    must_run()
    alarm = Future()
    loop.later(float(delay), lambda: None if alarm.done() else alarm.set_result(None))
    await alarm
    return result


async def to_thread(func: Callable[..., Any], /, *args: Any, **kwargs: Any) -> Any:
    """asyncio.to_thread; there is one thread, so the function runs at once."""
    await _pass_on()
    return func(*args, **kwargs)


class Loop:
    """What asyncio.get_running_loop() gives: the parts of a loop that programs use."""

    def time(self) -> float:
        """Seconds of a clock that never goes back."""
        return time.monotonic()

    def is_running(self) -> bool:
        """Whether asyncio.run is at work."""
        return loop.running

    def create_future(self) -> Future:
        """A future that somebody else finishes."""
        return Future()

    def create_task(self, coro: Any, *, name: str | None = None, context: Any = None) -> Task:
        """As asyncio.create_task."""
        return create_task(coro, name=name)

    def call_soon(self, callback: Callable[..., Any], *args: Any, context: Any = None) -> Handle:
        """Call it in the next turn."""
        handle = Handle()
        loop.soon(lambda: None if handle.cancelled() else _call(callback, *args))
        return handle

    def call_later(self, delay: float, callback: Callable[..., Any], *args: Any, context: Any = None) -> Handle:
        """Call it after so many seconds."""
        handle = Handle()
        loop.later(max(float(delay), 0), lambda: None if handle.cancelled() else _call(callback, *args))
        return handle

    def call_at(self, when: float, callback: Callable[..., Any], *args: Any, context: Any = None) -> Handle:
        """Call it at a time of `time()`."""
        return self.call_later(when - time.monotonic(), callback, *args)

    async def run_in_executor(self, executor: Any, func: Callable[..., Any], *args: Any) -> Any:
        """As asyncio.to_thread: the function runs at once."""
        return await to_thread(func, *args)


class Handle:
    """asyncio.Handle: a call that may be cancelled."""

    def __init__(self) -> None:
        self._cancelled = False

    def cancel(self) -> None:
        """Don't call."""
        self._cancelled = True

    def cancelled(self) -> bool:
        """Whether it is not called any more."""
        return self._cancelled


_public_loop = Loop()


def get_running_loop() -> Loop:
    """asyncio.get_running_loop."""
    must_run()
    return _public_loop


get_event_loop = get_running_loop


def iscoroutine(obj: object) -> bool:
    """asyncio.iscoroutine."""
    return type(obj) is types.CoroutineType


def iscoroutinefunction(func: Any) -> bool:
    """asyncio.iscoroutinefunction."""
    return type(func) is types.FunctionType and bool(func.__code__.co_flags & 0x80)


def isfuture(obj: object) -> bool:
    """asyncio.isfuture."""
    return issubclass(type(obj), Future)
