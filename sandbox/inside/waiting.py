"""`asyncio` of programs: to wait for several tasks, or not too long."""

from __future__ import annotations

import time
import types
from collections.abc import Iterable
from typing import Any

from sandbox.inside.event_loop import CancelledError, Future, Task, create_task, current_task, loop, task_of
from sandbox.inside.queues import Queue

TimeoutError = TimeoutError
FIRST_COMPLETED, FIRST_EXCEPTION, ALL_COMPLETED = "FIRST_COMPLETED", "FIRST_EXCEPTION", "ALL_COMPLETED"


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
    return task_of(_gather([task_of(each) for each in awaitables], return_exceptions))


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
        loop.later(max(seconds, 0), ring)
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
    task = task_of(fut)
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


async def wait(fs: Iterable[Any], *, timeout: float | None = None, return_when: str = ALL_COMPLETED) -> Any:
    """asyncio.wait."""
    tasks = {task_of(each) for each in fs}
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
    tasks = [task_of(each) for each in fs]
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
    task = task_of(arg)
    task._hear()
    if not task.done():
        await _first_of([task])
    return task.result()


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
            loop.later(max(self._delay, 0), lambda: self._expire(task))
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
