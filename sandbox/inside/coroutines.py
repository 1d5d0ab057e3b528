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
from collections.abc import Callable, Coroutine, Generator, Iterable
from typing import Any

from sandbox.inside import failure

MAX_TOLD = 10


class CancelledError(BaseException):
    """The task was cancelled."""


class InvalidStateError(Exception):
    """A future is asked for what it has not."""


class QueueEmpty(Exception):
    """get_nowait() of an empty queue."""


class QueueFull(Exception):
    """put_nowait() into a full queue."""


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


_loop = _Loop()


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
            _loop.unheard.pop(self, None)  # type: ignore[call-overload]

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
            _loop.soon(lambda: _call(callback, self))
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
            _loop.soon(lambda callback=each: _call(callback, self))  # type: ignore[misc]

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
        _loop.tasks[self] = None
        _loop.soon(self._step)

    def _finish(self, state: str, result: Any, error: BaseException | None) -> None:
        super()._finish(state, result, error)
        _loop.tasks.pop(self, None)
        if error is not None and state != "CANCELLED" and not self._is_heard:
            _loop.unheard[self] = error

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
        before, _loop.current = _loop.current, self
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
            _loop.current = before

    def _wait(self, waited: Any) -> None:
        if waited is None:
            _loop.soon(self._step)
        elif isinstance(waited, Future) and waited is not self:
            self._waits_for = waited
            waited.add_done_callback(self._wake)
            if self._must_cancel is not None and waited.cancel(*self._must_cancel.args):
                self._must_cancel = None
        else:
            self._must_cancel = None
            _loop.soon(lambda: self._throw(RuntimeError(f"a task can't wait for {waited!r}")))

    def _throw(self, error: Any) -> None:
        self._must_cancel = error
        self._step()


_numbers = itertools.count(1)


def run(main: Any, *, debug: bool | None = None) -> Any:
    """asyncio.run."""
    return _loop.run(main)


async def _of(awaitable: Any) -> Any:
    return await awaitable


def _task_of(awaitable: Any) -> Any:
    _must_run()
    if isinstance(awaitable, Future):
        return awaitable
    return Task(awaitable if type(awaitable) is types.CoroutineType else _of(awaitable))


def _must_run() -> None:
    if not _loop.running:
        raise RuntimeError("no running event loop: call this in a coroutine that asyncio.run() runs")


def create_task(coro: Any, *, name: str | None = None, context: Any = None) -> Task:
    """asyncio.create_task."""
    _must_run()
    return Task(coro, name)


def ensure_future(coro_or_future: Any) -> Any:
    """asyncio.ensure_future."""
    return _task_of(coro_or_future)


def current_task() -> Task | None:
    """asyncio.current_task."""
    _must_run()
    return _loop.current


def all_tasks() -> set[Task]:
    """asyncio.all_tasks."""
    return set(_loop.tasks)


@types.coroutine
def _pass_on() -> Generator[None, None, None]:
    yield


async def sleep(delay: float, result: Any = None) -> Any:
    """asyncio.sleep."""
    if delay <= 0:
        await _pass_on()
        return result
    _must_run()
    alarm = Future()
    _loop.later(float(delay), lambda: None if alarm.done() else alarm.set_result(None))
    await alarm
    return result


async def _gather(tasks: list[Any], return_exceptions: bool) -> list[Any]:
    unique = list({id(each): each for each in tasks}.values())
    done: list[Any] = []  # in the order in which they ended
    for each in unique:
        each._hear()
        each.add_done_callback(done.append)
    try:
        while pending := [each for each in unique if not each.done()]:
            if not return_exceptions and any(_has_failed(each) for each in unique):
                break
            await _first_of(pending)
    except CancelledError:
        for each in unique:
            each.cancel()
        await _all_of(unique)
        raise
    if return_exceptions:
        return [each._error if each._error is not None else each.result() for each in tasks]
    for each in (*done, *unique):  # one that ended just now may not be told of yet
        if _has_failed(each):
            each.result()
    return [each.result() for each in tasks]


def _has_failed(future: Any) -> bool:
    return future.done() and future._error is not None


def gather(*awaitables: Any, return_exceptions: bool = False) -> Any:
    """asyncio.gather."""
    return _task_of(_gather([_task_of(each) for each in awaitables], return_exceptions))


async def _first_of(futures: Iterable[Any], seconds: float | None = None) -> None:
    """Until one of them is done, or the time is over."""
    alarm = Future()

    def ring(_: Any = None) -> None:
        if not alarm.done():
            alarm.set_result(None)

    waited = list(futures)
    for each in waited:
        each.add_done_callback(ring)
    if seconds is not None:
        _loop.later(max(seconds, 0), ring)
    try:
        await alarm
    finally:
        for each in waited:
            each.remove_done_callback(ring)


async def _all_of(futures: list[Any]) -> None:
    while pending := [each for each in futures if not each.done()]:
        await _first_of(pending)


async def wait_for(fut: Any, timeout: float | None) -> Any:
    """asyncio.wait_for."""
    task = _task_of(fut)
    try:
        if not task.done() and (timeout is None or timeout > 0):  # without time, it does not even start
            await _first_of([task], timeout)
    except CancelledError:
        task.cancel()
        await _all_of([task])
        raise
    if not task.done():
        task.cancel()
        await _all_of([task])
        if task.cancelled():
            raise TimeoutError
    return task.result()


TimeoutError = TimeoutError
FIRST_COMPLETED, FIRST_EXCEPTION, ALL_COMPLETED = "FIRST_COMPLETED", "FIRST_EXCEPTION", "ALL_COMPLETED"


async def wait(fs: Iterable[Any], *, timeout: float | None = None, return_when: str = ALL_COMPLETED) -> Any:
    """asyncio.wait."""
    tasks = {_task_of(each) for each in fs}
    if not tasks:
        raise ValueError("Set of Tasks/Futures is empty.")
    until = None if timeout is None else time.monotonic() + timeout
    while pending := {each for each in tasks if not each.done()}:
        done = tasks - pending
        if done and (
            return_when == FIRST_COMPLETED
            or (return_when == FIRST_EXCEPTION and any(_has_failed(each) and not each.cancelled() for each in done))
        ):
            break
        if until is not None and time.monotonic() >= until:
            break
        await _first_of(pending, None if until is None else until - time.monotonic())
    return {each for each in tasks if each.done()}, {each for each in tasks if not each.done()}


def as_completed(fs: Iterable[Any], *, timeout: float | None = None) -> Any:
    """asyncio.as_completed, to be iterated with `for`."""
    tasks = [_task_of(each) for each in fs]
    until = None if timeout is None else time.monotonic() + timeout
    ended = Queue()
    for each in tasks:
        each.add_done_callback(ended.put_nowait)

    async def following() -> Any:
        if ended.empty():
            task = await wait_for(ended.get(), None if until is None else until - time.monotonic())
        else:
            task = ended.get_nowait()
        return task.result()

    for _ in tasks:
        yield following()


async def shield(arg: Any) -> Any:
    """asyncio.shield: what waits may be cancelled, what it waits for not."""
    task = _task_of(arg)
    task._hear()
    if not task.done():
        await _first_of([task])
    return task.result()


async def to_thread(func: Callable[..., Any], /, *args: Any, **kwargs: Any) -> Any:
    """asyncio.to_thread; there is one thread, so the function runs at once."""
    await _pass_on()
    return func(*args, **kwargs)


class timeout:  # noqa: N801  (the library's name)
    """asyncio.timeout."""

    def __init__(self, delay: float | None) -> None:
        self._delay = delay
        self._task: Task | None = None
        self._cancels_before = 0
        self._expired = False
        self._over = False

    def expired(self) -> bool:
        """Whether the time was over."""
        return self._expired

    async def __aenter__(self) -> Any:
        task = self._task = current_task()
        if self._delay is not None and task is not None:
            self._cancels_before = task.cancelling()
            _loop.later(max(self._delay, 0), lambda: self._expire(task))
        return self

    def _expire(self, task: Task) -> None:
        if not self._over:
            self._expired = True
            task.cancel()

    async def __aexit__(self, kind: Any, error: Any, _: Any) -> None:
        self._over = True
        if not self._expired or self._task is None:
            return
        is_only_late = self._task.uncancel() <= self._cancels_before  # nobody else has cancelled the task meanwhile
        if is_only_late and kind is not None and issubclass(kind, CancelledError):
            raise TimeoutError from error


class Loop:
    """What asyncio.get_running_loop() gives: the parts of a loop that programs use."""

    def time(self) -> float:
        """Seconds of a clock that never goes back."""
        return time.monotonic()

    def is_running(self) -> bool:
        """Whether asyncio.run is at work."""
        return _loop.running

    def create_future(self) -> Future:
        """A future that somebody else finishes."""
        return Future()

    def create_task(self, coro: Any, *, name: str | None = None, context: Any = None) -> Task:
        """As asyncio.create_task."""
        return create_task(coro, name=name)

    def call_soon(self, callback: Callable[..., Any], *args: Any, context: Any = None) -> Handle:
        """Call it in the next turn."""
        handle = Handle()
        _loop.soon(lambda: None if handle.cancelled() else _call(callback, *args))
        return handle

    def call_later(self, delay: float, callback: Callable[..., Any], *args: Any, context: Any = None) -> Handle:
        """Call it after so many seconds."""
        handle = Handle()
        _loop.later(max(float(delay), 0), lambda: None if handle.cancelled() else _call(callback, *args))
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
    _must_run()
    return _public_loop


get_event_loop = get_running_loop


class TaskGroup:
    """asyncio.TaskGroup."""

    def __init__(self) -> None:
        self._parent: Task | None = None
        self._tasks: list[Task] = []
        self._errors: list[BaseException] = []
        self._is_ending = False  # one has failed, or the group is cancelled: the others are, too
        self._body_is_over = False
        self._has_cancelled_body = False
        self._all_done: Future | None = None

    async def __aenter__(self) -> Any:
        self._parent = current_task()
        return self

    def create_task(self, coro: Any, *, name: str | None = None, context: Any = None) -> Task:
        """A task that the group waits for."""
        refusal = self._why_no_more()
        if refusal is not None:
            if type(coro) is types.CoroutineType:
                coro.close()
            raise RuntimeError(refusal)
        made = create_task(coro, name=name)
        made._hear()
        self._tasks.append(made)
        made.add_done_callback(self._has_ended)
        return made

    def _why_no_more(self) -> str | None:
        if self._parent is None:
            return "the TaskGroup has not been entered"
        if self._body_is_over and not self._tasks:
            return "the TaskGroup is finished"
        return "the TaskGroup is shutting down" if self._is_ending else None

    def _has_ended(self, task: Task) -> None:
        self._tasks.remove(task)
        if self._all_done is not None and not self._tasks and not self._all_done.done():
            self._all_done.set_result(None)
        if task._error is None or task.cancelled():
            return
        self._errors.append(task._error)
        if not self._is_ending:
            self._end()
            if not self._body_is_over and self._parent is not None:
                self._has_cancelled_body = True
                self._parent.cancel()

    def _end(self) -> None:
        self._is_ending = True
        for each in self._tasks:
            each.cancel()

    async def __aexit__(self, kind: Any, error: Any, _: Any) -> None:
        self._body_is_over = True
        cancelled = error if kind is not None and issubclass(kind, CancelledError) else None
        if self._has_cancelled_body and self._parent is not None and self._parent.uncancel() == 0:
            cancelled = None  # by the group itself, and by nobody else
        if kind is not None and not self._is_ending:
            self._end()
        while self._tasks:
            self._all_done = Future()
            try:
                await self._all_done
            except CancelledError as from_outside:
                if not self._is_ending:
                    cancelled = from_outside
                    self._end()
        if cancelled is not None and not self._errors:
            raise cancelled
        if kind is not None and not issubclass(kind, CancelledError):
            self._errors.append(error)
        if self._errors:
            raise BaseExceptionGroup("unhandled errors in a TaskGroup", self._errors) from None


class Event:
    """asyncio.Event."""

    def __init__(self) -> None:
        self._value = False
        self._waiting: list[Future] = []

    def is_set(self) -> bool:
        """Whether it was set."""
        return self._value

    def set(self) -> None:
        """Wake all that wait."""
        self._value = True
        for each in self._waiting:
            if not each.done():
                each.set_result(True)
        self._waiting = []

    def clear(self) -> None:
        """Let those that come wait again."""
        self._value = False

    async def wait(self) -> bool:
        """Until it is set."""
        if not self._value:
            waiting = Future()
            self._waiting.append(waiting)
            await waiting
        return True


class Semaphore:
    """asyncio.Semaphore."""

    def __init__(self, value: int = 1) -> None:
        if value < 0:
            raise ValueError("Semaphore initial value must be >= 0")
        self._value = value
        self._waiting: collections.deque[Future] = collections.deque()

    def locked(self) -> bool:
        """Whether acquire() would wait."""
        return self._value == 0

    async def acquire(self) -> bool:
        """Take one, when there is one."""
        if self._value > 0:  # then nobody waits
            self._value -= 1
            return True
        waiting = Future()
        self._waiting.append(waiting)
        try:
            await waiting
        except CancelledError:
            if not waiting.cancelled():  # it was handed one in the same turn
                self._hand_on()
            raise
        return True

    def release(self) -> None:
        """Give one back."""
        self._hand_on()

    def _hand_on(self) -> None:
        """To whoever has waited longest: others, who come before that one runs, are not to have it."""
        while self._waiting:
            waiting = self._waiting.popleft()
            if not waiting.done():
                waiting.set_result(None)
                return
        self._value += 1

    async def __aenter__(self) -> None:
        await self.acquire()

    async def __aexit__(self, *_: Any) -> None:
        self.release()


class BoundedSemaphore(Semaphore):
    """asyncio.BoundedSemaphore."""

    def __init__(self, value: int = 1) -> None:
        super().__init__(value)
        self._bound = value

    def release(self) -> None:
        """Give one back that was taken."""
        if self._value >= self._bound:
            raise ValueError("BoundedSemaphore released too many times")
        super().release()


class Lock(Semaphore):
    """asyncio.Lock."""

    def __init__(self) -> None:
        super().__init__(1)

    def release(self) -> None:
        """Let the next one in."""
        if self._value:
            raise RuntimeError("Lock is not acquired.")
        super().release()


class Condition:
    """asyncio.Condition."""

    def __init__(self, lock: Any = None) -> None:
        self._lock = Lock() if lock is None else lock
        self._waiting: collections.deque[Future] = collections.deque()

    def locked(self) -> bool:
        """Whether acquire() would wait."""
        locked: bool = self._lock.locked()
        return locked

    async def acquire(self) -> bool:
        """Take the lock, when it is free."""
        await self._lock.acquire()
        return True

    def release(self) -> None:
        """Give the lock back."""
        self._lock.release()

    async def wait(self) -> bool:
        """Give the lock back until notify() is called."""
        self._must_be_locked()
        self.release()
        waiting = Future()
        self._waiting.append(waiting)
        try:
            await waiting
        finally:
            await self._acquire_in_any_case()
        return True

    async def _acquire_in_any_case(self) -> None:
        """Whoever waits leaves with the lock, which `async with` is going to give back, even if it is cancelled."""
        cancelled: CancelledError | None = None
        while True:
            try:
                await self.acquire()
                break
            except CancelledError as error:
                cancelled = error
        if cancelled is not None:
            raise cancelled

    async def wait_for(self, predicate: Callable[[], Any]) -> Any:
        """Wait until the predicate holds."""
        while not (result := predicate()):
            await self.wait()
        return result

    def notify(self, n: int = 1) -> None:
        """Wake so many that wait."""
        self._must_be_locked()
        while n > 0 and self._waiting:
            waiting = self._waiting.popleft()
            if not waiting.done():
                waiting.set_result(None)
                n -= 1

    def notify_all(self) -> None:
        """Wake all that wait."""
        self.notify(len(self._waiting))

    def _must_be_locked(self) -> None:
        if not self._lock.locked():
            raise RuntimeError("the lock of the condition is not acquired")

    async def __aenter__(self) -> None:
        await self.acquire()

    async def __aexit__(self, *_: Any) -> None:
        self.release()


class Queue:
    """asyncio.Queue."""

    def __init__(self, maxsize: int = 0) -> None:
        self._maxsize = maxsize
        self._items: Any = collections.deque()
        self._unfinished = 0
        self._getting: collections.deque[Future] = collections.deque()
        self._putting: collections.deque[Future] = collections.deque()
        self._joining: collections.deque[Future] = collections.deque()

    @property
    def maxsize(self) -> int:
        """How many items it holds at most; 0: any number."""
        return self._maxsize

    def qsize(self) -> int:
        """How many items it holds."""
        return len(self._items)

    def empty(self) -> bool:
        """Whether it holds none."""
        return not self._items

    def full(self) -> bool:
        """Whether put() would wait."""
        return 0 < self._maxsize <= len(self._items)

    def put_nowait(self, item: Any) -> None:
        """Put, or raise QueueFull."""
        if self.full():
            raise QueueFull
        self._put(item)
        self._unfinished += 1
        _wake_first(self._getting)

    def get_nowait(self) -> Any:
        """Take, or raise QueueEmpty."""
        if self.empty():
            raise QueueEmpty
        item = self._take()
        _wake_first(self._putting)
        return item

    async def put(self, item: Any) -> None:
        """Put, when there is room."""
        while self.full():
            await _turn(self._putting)
        self.put_nowait(item)

    async def get(self) -> Any:
        """Take, when there is something."""
        while self.empty():
            await _turn(self._getting)
        return self.get_nowait()

    def task_done(self) -> None:
        """Say that one item is dealt with."""
        if self._unfinished <= 0:
            raise ValueError("task_done() called too many times")
        self._unfinished -= 1
        while self._joining and not self._unfinished:
            _wake_first(self._joining)

    async def join(self) -> None:
        """Until every item is dealt with."""
        while self._unfinished:
            await _turn(self._joining)

    def _put(self, item: Any) -> None:
        self._items.append(item)

    def _take(self) -> Any:
        return self._items.popleft()


async def _turn(waiting: collections.deque[Future]) -> None:
    """Wait to be woken. Whoever is cancelled as it is woken wakes the next one in its place."""
    mine = Future()
    waiting.append(mine)
    try:
        await mine
    except CancelledError:
        if not mine.cancelled():
            _wake_first(waiting)
        raise


def _wake_first(waiting: collections.deque[Future]) -> None:
    """Whoever has waited longest: if one item woke all that wait, many of them would take the square of their time."""
    while waiting:
        first = waiting.popleft()
        if not first.done():
            first.set_result(None)
            return


class LifoQueue(Queue):
    """asyncio.LifoQueue."""

    def _take(self) -> Any:
        return self._items.pop()


class PriorityQueue(Queue):
    """asyncio.PriorityQueue."""

    def __init__(self, maxsize: int = 0) -> None:
        super().__init__(maxsize)
        self._items = []

    def _put(self, item: Any) -> None:
        heapq.heappush(self._items, item)

    def _take(self) -> Any:
        return heapq.heappop(self._items)


def iscoroutine(obj: object) -> bool:
    """asyncio.iscoroutine."""
    return type(obj) is types.CoroutineType


def iscoroutinefunction(func: Any) -> bool:
    """asyncio.iscoroutinefunction."""
    return type(func) is types.FunctionType and bool(func.__code__.co_flags & 0x80)


def isfuture(obj: object) -> bool:
    """asyncio.isfuture."""
    return issubclass(type(obj), Future)
