"""What programs do with asyncio, held against the library's."""

from __future__ import annotations

from typing import Any

from sandbox import Sandbox
from tests.box.everyday.programs import Table, check, each, source_of

TABLE: Table = {
    "a lock goes to whoever has waited longest": (
        """
        async def run(out):
            async def take(who):
                for _ in range(3):
                    async with lock:
                        out.append(who)
                        await asyncio.sleep(0)
            lock = asyncio.Lock()
            await asyncio.gather(take("a"), take("b"))
            lock = asyncio.Semaphore(2)
            await asyncio.gather(take("c"), take("d"), take("e"))
        """,
        [*"ababab", *"cdecdecde"],
    ),
    "one that is cancelled as it gets a semaphore leaves it to the next": (
        """
        async def run(out):
            async def take(who):
                async with semaphore:
                    out.append(who)
            semaphore = asyncio.Semaphore(1)
            await semaphore.acquire()
            first, second = asyncio.create_task(take("first")), asyncio.create_task(take("second"))
            await asyncio.sleep(0)
            semaphore.release()
            first.cancel()
            await asyncio.wait([first, second])
            out.append(semaphore.locked())
        """,
        ["second", False],
    ),
    "one that is cancelled after its notification leaves with the lock": (
        """
        async def run(out):
            async def wait():
                async with condition:
                    await condition.wait()
            condition = asyncio.Condition()
            waiter = asyncio.create_task(wait())
            await asyncio.sleep(0)
            async with condition:
                condition.notify()
                await asyncio.sleep(0)
                waiter.cancel()
                await asyncio.sleep(0)
                out.append(condition.locked())
            await asyncio.wait([waiter])
            out.extend([waiter.cancelled(), condition.locked()])
        """,
        [True, True, False],
    ),
    "who waits for a task that is cancelled gets what that makes of it": (
        """
        async def run(out):
            async def stubborn():
                for _ in range(2):
                    try: await asyncio.sleep(1000)
                    except asyncio.CancelledError as error: out.append(str(error))
                return "kept"
            async def waiting():
                return await asyncio.create_task(stubborn())
            outer = asyncio.create_task(waiting())
            for reason in ("first", "second"):
                await asyncio.sleep(0.01)
                outer.cancel(reason)
            out.append(await outer)
        """,
        ["first", "second", "kept"],
    ),
    "without time, a coroutine does not even start": (
        """
        async def run(out):
            async def work(): out.append("started")
            try: await asyncio.wait_for(work(), 0)
            except asyncio.TimeoutError: out.append("late")
        """,
        ["late"],
    ),
    "the time for all that are waited for is that of all together": (
        """
        async def run(out):
            try:
                for each in asyncio.as_completed([asyncio.sleep(n, n) for n in (0.5, 1.4)], timeout=1):
                    out.append(await each)
            except asyncio.TimeoutError: out.append("late")
        """,
        [0.5, "late"],
    ),
    "a task that is late and cancelled at once is cancelled": (
        """
        import time
        async def run(out):
            async def work():
                try:
                    async with asyncio.timeout(0.01): await asyncio.sleep(1000)
                except TimeoutError: out.append("late")
            task = asyncio.create_task(work())
            asyncio.get_running_loop().call_later(0.01, task.cancel)
            await asyncio.sleep(0)
            time.sleep(0.02)
            await asyncio.wait([task])
            out.append(task.cancelled())
        """,
        [True],
    ),
    "what is to be called soon is called before who waits longer": (
        """
        async def run(out):
            loop = asyncio.get_running_loop()
            loop.call_soon(out.append, "soon")
            loop.call_soon(out.append, "never").cancel()
            await asyncio.sleep(0)
            out.append("then")
        """,
        ["soon", "then"],
    ),
    "the failure that came first is told": (
        """
        async def run(out):
            async def fail(turns, what):
                for _ in range(turns): await asyncio.sleep(0)
                raise ValueError(what)
            try: await asyncio.gather(fail(2, "late"), fail(1, "early"), asyncio.sleep(0))
            except ValueError as error: out.append(str(error))
            failed = asyncio.create_task(fail(0, "before"))
            await asyncio.wait([failed])
            try: await asyncio.gather(asyncio.sleep(1000), failed)
            except ValueError as error: out.append(str(error))
        """,
        ["early", "before"],
    ),
    "a generator that is left early ends in its own time": (
        """
        async def run(out):
            async def numbers(name):
                try:
                    for n in range(3): yield n
                finally:
                    await asyncio.sleep(0.01)
                    out.append(name)
            async for each in numbers("left"): break
            await asyncio.sleep(0.05)
            out.append("on")
            async for each in numbers("read"): pass
        """,
        ["left", "on", "read"],
    ),
    "a task that was cancelled has not failed": (
        """
        async def run(out):
            cancelled, other = asyncio.create_task(asyncio.sleep(1000)), asyncio.create_task(asyncio.sleep(0.05))
            await asyncio.sleep(0)
            cancelled.cancel()
            done, pending = await asyncio.wait([cancelled, other], return_when=asyncio.FIRST_EXCEPTION)
            out.extend([len(done), len(pending)])
        """,
        [2, 0],
    ),
}


@each(TABLE)
def test_coroutines_do_what_the_librarys_do(box: Sandbox, program: str, expected: Any) -> None:
    source = (
        f"import asyncio\n{source_of(program)}\ndef main():\n    out = []\n    asyncio.run(run(out))\n    return out\n"
    )
    check(box, source, expected)
