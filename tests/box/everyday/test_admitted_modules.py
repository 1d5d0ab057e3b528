"""Modules that a program gets from us: they do what people use the library's for."""

from __future__ import annotations

import json
import textwrap
from typing import Any

import pytest

from sandbox import Limits, Program, Sandbox
from tests.box.everyday.programs import check, each
from tests.box.programs import Runner

TABLE = {
    "ast": (
        "import ast\ndef main(): return ast.literal_eval(\" {'a': [1, 2.5, None, True], 'b': (1,)} \")['a']",
        [1, 2.5, None, True],
    ),
    "compression": (
        """
        import gzip, bz2, lzma
        def main():
            data = b"abc" * 1000
            return [m.decompress(m.compress(data)) == data for m in (gzip, bz2, lzma)] + [len(gzip.compress(data, 9)) < 100]
        """,
        [True, True, True, True],
    ),
    "trees": (
        """
        import xml.etree.ElementTree as ET
        from xml.etree import ElementTree
        import io, copy
        TEXT = '<r xmlns:k="urn:k"><k:a n="1">t<b/>u</k:a><a n="2"/></r>'
        def main():
            root = ET.fromstring(TEXT)
            first = root.find("{urn:k}a"); first.text = "new"; first.set("m", "3"); first.attrib["o"] = "4"
            extra = ET.SubElement(root, "c", {"x": "y"}); extra.tail = "z"; extra.text = "é<"
            root.remove(root.find("a")); twin = copy.deepcopy(root); twin[0].text = "twin"
            out = io.BytesIO(); ET.ElementTree(root).write(out)
            read = ET.parse(io.StringIO("<q><w/></q>")).getroot()
            made = ET.Element("m"); made.append(ET.Comment("note")); ET.indent(made)
            return [ET.tostring(root, encoding="unicode"), [e.tag for e in root.iter()], first.get("n"), list(first.items()), len(root),
                    out.getvalue().decode(), read[0].tag, twin[0].text, root[0].text, [c.text for c in root.findall("./c")],
                    "".join(first.itertext()), root.findtext("c"), ET.tostring(made).decode(), ElementTree.iselement(made),
                    isinstance(root, ET.Element)]
        """,
        None,
    ),
    "coroutines": (
        """
        import asyncio
        async def work(n, log):
            await asyncio.sleep(0.05 * (3 - n)); log.append(n)
            return n * 2
        class Context:
            async def __aenter__(self): return 5
            async def __aexit__(self, *args): return False
        async def count(n):
            for i in range(n):
                yield i
                await asyncio.sleep(0)
        async def fail(): raise ValueError("no")
        async def run():
            log = []
            results = await asyncio.gather(*(work(n, log) for n in range(3)))
            async with Context() as five: pass
            items = [i async for i in count(3)]
            try: await asyncio.wait_for(asyncio.sleep(10), 0.01)
            except asyncio.TimeoutError: items.append("late")
            both = await asyncio.gather(fail(), asyncio.sleep(0, 1), return_exceptions=True)
            task = asyncio.create_task(asyncio.sleep(10)); await asyncio.sleep(0); task.cancel()
            try: await task
            except asyncio.CancelledError: items.append("cancelled")
            queue = asyncio.Queue(1)
            async def produce():
                for i in range(3): await queue.put(i)
            producer = asyncio.create_task(produce()); taken = [await queue.get() for _ in range(3)]; await producer
            lock, semaphore, order = asyncio.Lock(), asyncio.Semaphore(2), []
            async def locked(n):
                async with lock, semaphore:
                    order.append(n); await asyncio.sleep(0); order.append(n)
            await asyncio.gather(locked(1), locked(2))
            async with asyncio.TaskGroup() as group: tasks = [group.create_task(work(n, [])) for n in range(2)]
            try:
                async with asyncio.timeout(0.01): await asyncio.sleep(10)
            except TimeoutError: items.append("timeout")
            first = [await each for each in asyncio.as_completed([work(0, []), work(2, [])])]
            done, pending = await asyncio.wait([asyncio.create_task(work(1, []))])
            event = asyncio.Event(); asyncio.create_task(asyncio.sleep(0)).add_done_callback(lambda _: event.set()); await event.wait()
            return [results, log, five, items, [str(x) for x in both], taken, order, [t.result() for t in tasks], first,
                    len(done), len(pending), await asyncio.to_thread(max, 1, 2)]
        def main(): return asyncio.run(run())
        """,
        [[0, 2, 4], [2, 1, 0], 5, [0, 1, 2, "late", "cancelled", "timeout"], ["no", "1"], [0, 1, 2], [1, 1, 2, 2], [0, 2], [4, 0],
         1, 0, 2],
    ),
    "a task group ends its body and its tasks when one fails": (
        """
        import asyncio
        log = []
        async def fail(): raise ValueError("no")
        async def slow(name):
            try: await asyncio.sleep(1000)
            finally:
                await asyncio.sleep(0)
                log.append(name)
        async def group(*coroutines, body=None):
            try:
                async with asyncio.TaskGroup() as tasks:
                    for each in coroutines: tasks.create_task(each)
                    if body is not None: await body
                    log.append("body")
            except ExceptionGroup as errors: log.append([str(each) for each in errors.exceptions])
        async def late():
            async with asyncio.TaskGroup() as tasks:
                tasks.create_task(fail())
                try: await asyncio.sleep(1000)
                except asyncio.CancelledError: pass
                coroutine = slow("never")
                try: tasks.create_task(coroutine)
                finally: coroutine.close()
        async def run():
            await group(fail(), slow("ended with the body"), body=asyncio.sleep(1000))
            await group(fail(), slow("ended after the body"))
            try: await late()
            except ExceptionGroup as errors: log.append([type(each).__name__ for each in errors.exceptions])
        def main(): asyncio.run(run()); return log
        """,
        ["ended with the body", ["no"], "body", "ended after the body", ["no"], ["ValueError", "RuntimeError"]],
    ),
    "what is returned in spite of a time limit counts": (
        """
        import asyncio
        async def stubborn():
            try: await asyncio.sleep(1000)
            except asyncio.CancelledError: return "kept"
        def main(): return asyncio.run(asyncio.wait_for(stubborn(), 0.01))
        """,
        "kept",
    ),
    "what is cancelled has ended before who waits goes on": (
        """
        import asyncio
        log = []
        async def slow(name):
            try: await asyncio.sleep(1000)
            finally:
                await asyncio.sleep(0)
                log.append(name)
        async def group(name):
            async with asyncio.TaskGroup() as tasks: tasks.create_task(slow(name))
        async def run():
            try: await asyncio.wait_for(group("group"), 0.01)
            except TimeoutError: log.append("late")
            try: await asyncio.wait_for(asyncio.gather(slow("first"), slow("second")), 0.01)
            except TimeoutError: log.append("late")
            try:
                async with asyncio.timeout(0.01): await group("group")
            except TimeoutError: log.append(asyncio.current_task().cancelling())
            task = asyncio.create_task(asyncio.wait_for(slow("waited for"), 1000)); await asyncio.sleep(0.01); task.cancel()
            try: await task
            except asyncio.CancelledError: log.append([task.cancelling(), task.uncancel(), task.uncancel()])
        def main(): asyncio.run(run()); return log
        """,
        ["group", "late", "first", "second", "late", "group", 0, "waited for", [1, 0, 0]],
    ),
}  # fmt: skip


@each({name: table for name, table in TABLE.items() if table[1] is not None})
def test_a_module_does_what_it_does_elsewhere(box: Sandbox, program: str, expected: Any) -> None:
    check(box, program, expected)


def test_trees_are_as_in_cpython(box: Sandbox) -> None:
    from tests.box.everyday.programs import in_plain_python, in_the_sandbox, source_of

    source = source_of(TABLE["trees"][0])
    assert in_the_sandbox(box, source) == in_plain_python(source)


def test_sys_is_its_streams_and_versions(run: Runner) -> None:
    program = """
        import sys
        from sys import version_info
        def main():
            print("a", file=sys.stderr); sys.stdout.write("b\\n"); sys.stdout.flush(); print("c", file=sys.stdout, flush=True)
            return [version_info >= (3, 11), sys.version_info.major, sys.maxsize == 2 ** 63 - 1, hasattr(sys, "modules")]
        """
    verdict = run.verdict(program)
    assert verdict.stdout == "a\nb\nc\n"
    assert json.loads(verdict.result_json or b"") == [True, 3, True, False]


def test_logging_prints(run: Runner) -> None:
    program = """
        import logging
        logging.basicConfig(level=logging.INFO, format="%(levelname)s [%(name)s] %(message)s")
        log = logging.getLogger("report.daily")
        class Json(logging.Formatter):
            def format(self, record): return f"<{record.getMessage()} {record.levelname}>"
        def main():
            logging.info("%s of %d", "one", 2)
            log.debug("not shown")
            log.warning("with %(name)s", {"name": "dict"})
            try: 1 / 0
            except ZeroDivisionError: log.exception("failed")
            handler = logging.StreamHandler(); handler.setFormatter(Json()); own = logging.getLogger("own")
            own.addHandler(handler); own.propagate = False; own.setLevel("ERROR"); own.error("x"); own.info("y")
            log.info("with extra", extra={"user": 1})
        """
    assert run.stdout(program) == (
        "INFO [root] one of 2\n"
        "WARNING [report.daily] with dict\n"
        "ERROR [report.daily] failed\n"
        "Traceback (most recent call last):\n"
        '  File "<task>", line 11, in main\n'
        "    try: 1 / 0\n"
        "ZeroDivisionError: division by zero\n"
        "<x ERROR>\n"
        "INFO [report.daily] with extra\n"
    )


def test_logging_without_a_configuration_prints_warnings(run: Runner) -> None:
    program = "import logging\ndef main():\n    logging.getLogger('a').info('no')\n    logging.getLogger('a').warning('yes')\n"
    assert run.stdout(program) == "yes\n"


def test_the_first_configuration_of_logging_stands(run: Runner) -> None:
    program = """
        import logging
        def main():
            logging.basicConfig(level=logging.WARNING, format="%(message)s")
            logging.basicConfig(level=logging.INFO, format="other")
            logging.info("no")
            logging.warning("yes")
        """
    assert run.stdout(program) == "yes\n"


def test_logging_does_not_format_past_the_guards(run: Runner) -> None:
    program = """
        import logging
        def main():
            logging.basicConfig(format="{message.__class__.__init__.__globals__}", style="{")
            logging.warning("x")
        """
    assert run.failure(program).type == "SecurityError"


def test_format_exc_tells_the_programs_lines(run: Runner) -> None:
    program = """
        import traceback, json
        def main():
            try:
                json.loads("{")
            except ValueError as error:
                traceback.print_exc()
                return [traceback.format_exc(), "".join(traceback.format_exception(error)), traceback.format_exception_only(error)]
        """
    verdict = run.verdict(program)
    text, same, only = json.loads(verdict.result_json or b"null")
    assert text == same == verdict.stdout
    assert text.startswith(
        'Traceback (most recent call last):\n  File "<task>", line 5, in main\n    json.loads("{")\nJSONDecodeError'
    )
    assert only == [text.splitlines()[-1] + "\n"]
    assert "decoder.py" not in text


def test_tracebacks_are_printed_into_the_file_that_is_named(run: Runner) -> None:
    program = """
        import io, sys, traceback
        def main():
            files = [io.StringIO() for _ in range(3)]
            try:
                1 / 0
            except ZeroDivisionError as error:
                traceback.print_exc(file=files[0])
                traceback.print_exception(error, file=files[1])
                traceback.print_exception(*sys.exc_info(), None, files[2])
                return [each.getvalue() == traceback.format_exc() for each in files]
        """
    verdict = run.verdict(program)
    assert (json.loads(verdict.result_json or b"null"), verdict.stdout) == ([True, True, True], "")


@pytest.mark.parametrize(
    "program",
    [
        "async def main(n): return n + 1",
        "import asyncio\nasync def main(n):\n    await asyncio.sleep(0.01)\n    return n + 1",
    ],
)
def test_the_function_may_be_a_coroutine(box: Sandbox, program: str) -> None:
    assert box.check(program, "main", (1, ())) == []
    assert box.run(Program(program, "main", b"[1]"), Limits(5)).result_json == b"2"


def test_sleeping_coroutines_sleep_together_and_cost_no_processor_time(box: Sandbox) -> None:
    program = "import asyncio\nasync def main():\n    await asyncio.gather(*(asyncio.sleep(0.5) for _ in range(100)))\n"
    verdict = box.run(Program(program, "main"), Limits(3))
    assert (verdict.result_json, verdict.cpu_ms < 250) == (b"null", True)


@pytest.mark.parametrize(
    "body",
    [
        """
        for each in asyncio.as_completed([asyncio.sleep(0.00005 * n) for n in range(3000)]): await each
        """,
        """
        async def take():
            while True:
                await queue.get()
                queue.task_done()
        queue = asyncio.Queue()
        takers = [asyncio.create_task(take()) for _ in range(1000)]
        for n in range(3000):
            await queue.put(n)
            await asyncio.sleep(0)
        await queue.join()
        """,
    ],
    ids=["as_completed", "a queue"],
)
def test_many_that_wait_for_one_thing_after_another_take_little_time(box: Sandbox, body: str) -> None:
    program = f"import asyncio\nasync def main():\n{textwrap.indent(textwrap.dedent(body), '    ')}"
    verdict = box.run(Program(program, "main"), Limits(30))
    assert (verdict.result_json, verdict.cpu_ms < 1500) == (b"null", True), verdict.cpu_ms


@pytest.mark.parametrize(
    "program",
    [
        "import asyncio\nasync def main():\n    await asyncio.Event().wait()\n",
        """
        import asyncio
        async def main():
            async def first(): await tasks[1]
            async def second(): await tasks[0]
            tasks = [asyncio.create_task(first()), asyncio.create_task(second())]
            await asyncio.sleep(0.01)
        """,
    ],
    ids=["for what nobody does", "at the end"],
)
def test_coroutines_that_wait_for_each_other_are_told(run: Runner, program: str) -> None:
    failure = run.failure(program)
    assert (failure.type, failure.message) == (
        "RuntimeError",
        "every coroutine waits for another: nothing can wake them",
    )


BOMBS = {
    "an entity": '<!DOCTYPE a [<!ENTITY b "x">]><a>&b;</a>',
    "a file": '<!DOCTYPE a [<!ENTITY b SYSTEM "file:///etc/passwd">]><a>&b;</a>',
    "laughs": '<!DOCTYPE a [<!ENTITY b "xxxx"><!ENTITY c "&b;&b;&b;">]><a>&c;</a>',
    "a parameter entity": '<!DOCTYPE a [<!ENTITY % b SYSTEM "file:///etc/passwd">%b;]><a/>',
}


@pytest.mark.parametrize("text", BOMBS.values(), ids=list(BOMBS))
def test_a_document_with_entities_is_refused(run: Runner, text: str) -> None:
    failure = run.failure("import xml.etree.ElementTree as ET\ndef main(text): return ET.fromstring(text).text", text)
    assert failure.type == "ParseError"


@pytest.mark.parametrize(
    "line",
    [
        "import xml.etree.ElementTree as ET",
        "from xml.etree import ElementTree as ET",
        "from xml import etree; ET = etree.ElementTree",
        "import xml.etree; ET = xml.etree.ElementTree",
        "import xml; ET = xml.etree.ElementTree",
    ],
)
def test_a_module_in_a_package_is_whole_however_it_is_imported(run: Runner, line: str) -> None:
    assert run.answer(f"{line}\ndef main(): return ET.fromstring('<a/>').tag") == "a"


@pytest.mark.parametrize(
    ("line", "caught"),
    [
        ("import json", "json.decoder.JSONDecodeError"),
        ("import json.decoder", "json.decoder.JSONDecodeError"),
        ("from json import decoder", "decoder.JSONDecodeError"),
        ("from json.decoder import JSONDecodeError, JSONDecoder", "JSONDecodeError"),
    ],
)
def test_bad_json_is_caught_by_the_name_of_the_decoder(run: Runner, line: str, caught: str) -> None:
    program = f"""
        {line}
        from json import loads
        from json.encoder import JSONEncoder
        class Encoder(JSONEncoder):
            def default(self, o): return "?"
        def main():
            try: loads("[1,")
            except {caught} as error: return [error.pos, Encoder().encode({{1}})]
        """
    assert run.answer(program) == [3, '"?"']


@pytest.mark.parametrize(
    ("line", "caught"),
    [
        ("import asyncio", "asyncio.exceptions.TimeoutError"),
        ("import asyncio.exceptions", "asyncio.exceptions.TimeoutError"),
        ("import asyncio\nfrom asyncio.exceptions import TimeoutError", "TimeoutError"),
        ("from asyncio.exceptions import TimeoutError\nimport asyncio", "TimeoutError"),
        ("import asyncio\nfrom asyncio import exceptions", "exceptions.TimeoutError"),
    ],
)
def test_a_timeout_is_caught_by_the_name_of_the_exceptions(run: Runner, line: str, caught: str) -> None:
    assert run.answer(f"""\
{line}
async def late():
    await asyncio.wait_for(asyncio.sleep(9), 0.001)
def main():
    try: asyncio.run(late())
    except {caught}: return [asyncio.exceptions.CancelledError is asyncio.CancelledError]
""") == [True]


@pytest.mark.parametrize(
    "call",
    ["ET.ElementTree(ET.Element('a')).write(1)", "ET.parse('/etc/passwd')", "ET.parse(0)", "ET.ElementTree(file=1)"],
)
def test_trees_open_no_files(run: Runner, call: str) -> None:
    failure = run.failure(f"import xml.etree.ElementTree as ET\ndef main(): {call}")
    assert (failure.type, "there are no files" in failure.message) == ("PermissionError", True)


@pytest.mark.parametrize("module", ["gzip", "bz2", "lzma"])
def test_a_compressed_bomb_ends_at_the_memory_limit(run: Runner, module: str) -> None:
    program = f"""
        import {module}
        def main():
            part = {module}.compress(bytes(10_000_000))
            return len({module}.decompress(part * 40))
        """
    assert run.failure(program, memory_bytes=100_000_000, wall_seconds=30.0).type == "MemoryLimitError"


def test_methods_are_for_their_own_instances(run: Runner) -> None:
    program = """
        import asyncio, logging, xml.etree.ElementTree as ET, json, sys
        def main():
            refused = []
            for call in (lambda: logging.Logger.setLevel(json.dumps, 10), lambda: ET.Element.clear(json.dumps),
                         lambda: asyncio.Future.set_result(json.dumps, 1), lambda: asyncio.Queue.__init__(json.dumps),
                         lambda: logging.Formatter.__init__(int), lambda: ET.Element.__init__(print, "a")):
                try: call()
                except TypeError as error: refused.append(" objects" in str(error))
            return refused
        """
    assert run.answer(program) == [True] * 6


def test_a_program_knows_its_task(box: Sandbox) -> None:
    context = {
        "task_id": "0198",
        "attempt": 2,
        "scheduled_task_id": "0199",
        "scheduled_at": "2026-11-28T01:00:00.000Z",
        "timezone": "Asia/Shanghai",
    }
    program = """
import celeriac, datetime, zoneinfo
from celeriac import attempt
def main():
    local = celeriac.scheduled_at.astimezone(zoneinfo.ZoneInfo(celeriac.timezone))
    return [celeriac.task_id, attempt, celeriac.scheduled_task_id, local.isoformat(), celeriac.scheduled_at.utcoffset() == datetime.timedelta(0)]
"""
    verdict = box.run(Program(program, "main", context_json=json.dumps(context).encode()), Limits(5))
    assert json.loads(verdict.result_json or b"") == ["0198", 2, "0199", "2026-11-28T09:00:00+08:00", True]


def test_what_does_not_apply_is_none(run: Runner) -> None:
    assert run.answer("import celeriac\ndef main(): return [celeriac.scheduled_at, celeriac.timezone]") == [None, None]


REFUSED = {
    "import requests": "there is no network: use an API task",
    "import httpx": "there is no network: use an API task",
    "import urllib.request": "there is no network: use an API task",
    "from urllib import request": "there is no network: use an API task",
    "import socket": "there is no network: use an API task",
    "import pytz": "use datetime and zoneinfo",
    "import orjson": "use json",
    "import pickle": "it runs what it reads: use json",
    "import threading": "a program has one thread: use asyncio, or create several tasks",
    "from concurrent.futures import ThreadPoolExecutor": "a program has one thread: use asyncio, or create several tasks",
    "import pandas": "whoever runs the service can admit it with the setting SANDBOX_EXTRA_MODULES",
    "import numpy.linalg": "whoever runs the service can admit it with the setting SANDBOX_EXTRA_MODULES",
    "from sys import modules": "only stdout, stderr, exit, exc_info, getsizeof and some constants are there",
    "import argparse": "there is no command line: use the arguments of the function, which are the task's args and kwargs",
    "import warnings": "use logging, or print",
    "from html.parser import HTMLParser": "use xml.etree.ElementTree for what is well-formed, and re",
    "from urllib.error import URLError": "there is no network: use an API task",
    "from dotenv import load_dotenv": "there is no environment: pass what the program needs as arguments",
    "import schedule": "use a scheduled task",
    "import locale": "it changes the process: format numbers with f-strings, as in f'{x:,.2f}'",
    "import xml.dom.minidom": "use xml.etree.ElementTree",
    "import logging.handlers": "logging goes to standard output",
    "from pprint import PrettyPrinter": "use pprint and pformat, which take the same arguments",
    "from re import Scanner": "use finditer with named groups, and lastgroup of each match",
    "from contextlib import redirect_stderr": "what is written to sys.stderr is printed; use redirect_stdout",
}


@pytest.mark.parametrize(("line", "reason"), REFUSED.items(), ids=list(REFUSED))
def test_a_refused_import_says_what_helps(run: Runner, line: str, reason: str) -> None:
    [problem] = run.problems(f"{line}\ndef main(): pass\n")
    assert problem.message.endswith(f"in the sandbox: {reason}")


FALLBACKS = {
    "what is tried first is not there either": "try:\n    import orjson as json\nexcept ImportError:\n    import ujson as json",
    "nor is a name": "try:\n    from json import load, nothing\nexcept ImportError:\n    from orjson import load",
    "the handler is for other errors": "try:\n    import json\nexcept ValueError:\n    import ujson as json",
    "or for all": "try:\n    import json\nexcept Exception:\n    import ujson as json",
}


@pytest.mark.parametrize("lines", FALLBACKS.values(), ids=list(FALLBACKS))
def test_an_import_that_a_handler_may_reach_is_refused(run: Runner, lines: str) -> None:
    [problem] = run.problems(f"{lines}\ndef main(): pass\n")
    assert (problem.line, "can't be imported in the sandbox: use json" in problem.message) == (4, True)


def test_an_import_in_a_handler_that_is_reached_all_the_same_fails(run: Runner) -> None:
    program = "def main():\n    try:\n        raise ImportError\n    except ImportError:\n        import ujson\n"
    assert run.problems(program) == []
    failure = run.failure(program)
    assert (failure.type, failure.message) == (
        "SecurityError",
        "the module 'ujson' can't be imported in the sandbox: use json",
    )


MISSING = {
    "sys.argv": "there is no command line: use the arguments of the function, which are the task's args and kwargs",
    "sys.stdin.read()": "nobody is there to answer: use the arguments of the function, which are the task's args and kwargs",
    "sys.setrecursionlimit(9)": "the depth of calls is fixed: use a loop, with a list for what is still to do",
    "sys.getrefcount(1)": "only stdout, stderr, exit, exc_info, getsizeof and some constants are there",
    "asyncio.new_event_loop()": "use asyncio.run",
    "logging.FileHandler('a')": "there are no files, and logging goes to standard output",
    "urllib.request.urlopen('http://a')": "there is no network: use an API task",
}


@pytest.mark.parametrize(("use", "reason"), MISSING.items(), ids=list(MISSING))
def test_what_a_module_does_not_have_is_told_with_what_helps(run: Runner, use: str, reason: str) -> None:
    module, name = use.split(".")[:2]
    failure = run.failure(f"import {module}\ndef main():\n    return {use}\n")
    message = f"module {module!r} has no attribute {name.partition('(')[0]!r} here: {reason}"
    assert (failure.type, failure.message, failure.line) == ("AttributeError", message, 3)


def test_what_no_module_has_can_be_asked_for(run: Runner) -> None:
    program = """
        import math, sys
        def main():
            try: math.nothing
            except AttributeError as error: said = str(error)
            return [said, hasattr(math, "nothing"), getattr(sys, "argv", 5), repr(math), type(math).__name__]
        """
    message = "module 'math' has no attribute 'nothing' here"
    assert run.answer(program) == [message, False, 5, "<module 'math'>", "module"]


def test_output_may_be_asked_to_be_utf_8(run: Runner) -> None:
    program = "import sys\nsys.stdout.reconfigure(encoding='utf-8')\ndef main(): print('é')\n"
    assert run.verdict(program).stdout == "é\n"


def test_tasks_that_are_done_are_forgotten(run: Runner) -> None:
    program = """
        import asyncio
        async def work(): return bytearray(1_000_000)
        async def main():
            return sum([len(await asyncio.create_task(work())) for _ in range(400)])
        """
    assert run.answer(program) == 400_000_000  # more than a program may have at once


def test_what_a_task_failed_with_is_told_if_nobody_asked(run: Runner) -> None:
    program = """
        import asyncio
        async def fail(text, seconds=0):
            await asyncio.sleep(seconds)
            raise ValueError(text)
        async def caught(awaitable):
            try: await awaitable
            except (ValueError, ExceptionGroup): pass
        async def group():
            async with asyncio.TaskGroup() as tasks: tasks.create_task(fail("in a group"))
        async def main():
            await asyncio.gather(fail("returned"), return_exceptions=True)
            await caught(asyncio.gather(fail("first"), fail("second", 0.001)))
            await asyncio.sleep(0.002)
            await caught(group())
            await caught(asyncio.shield(fail("shielded")))
            await caught(asyncio.wait_for(fail("waited for"), 1000))
            await caught(asyncio.create_task(fail("awaited")))
            asked = asyncio.create_task(fail("asked"))
            lost = asyncio.create_task(fail("lost"), name="a lost one")
            await asyncio.wait([asked, lost])
            print(asked.exception())
        """
    lines = (run.verdict(program).stdout or "").splitlines()
    assert lines[:2] == ["asked", "Task exception was never retrieved: a lost one"]
    assert [line for line in lines[2:] if "ValueError: " in line] == ["ValueError: lost"]
    assert sum("never retrieved" in line for line in lines) == 1


def test_a_callback_that_fails_is_told_and_fails_nothing_else(run: Runner) -> None:
    program = """
        import asyncio
        def fail(*of): raise ValueError(len(of))
        async def main():
            loop = asyncio.get_running_loop()
            loop.call_soon(fail)
            loop.call_later(0.001, fail, 1, 2)
            task = asyncio.create_task(asyncio.sleep(0.002))
            task.add_done_callback(fail)
            await task
            await asyncio.sleep(0)
            return "went on"
        """
    verdict = run.verdict(program)
    assert verdict.result_json == b'"went on"'
    lines = verdict.stdout.splitlines()
    assert [line for line in lines if line.startswith("ValueError: ")] == [
        "ValueError: 0",
        "ValueError: 2",
        "ValueError: 1",
    ]
    assert lines.count("Exception in callback") == 3


def test_exit_in_a_callback_ends_the_program(run: Runner) -> None:
    program = """
        import asyncio
        async def main():
            asyncio.get_running_loop().call_soon(exit)
            await asyncio.sleep(1000)
        """
    assert run.answer(program) is None


def test_of_many_lost_failures_ten_are_told(run: Runner) -> None:
    program = """
        import asyncio
        async def fail(): raise ValueError
        async def main():
            for _ in range(12): asyncio.create_task(fail())
            await asyncio.sleep(0)
        """
    stdout = run.verdict(program).stdout
    assert (stdout.count("never retrieved"), stdout.splitlines()[-1]) == (10, "and of 2 more tasks")


def test_a_loop_that_does_not_run_is_told_with_what_starts_one(run: Runner) -> None:
    failure = run.failure(
        "import asyncio\ndef main():\n    asyncio.get_event_loop().run_until_complete(asyncio.sleep(0))\n"
    )
    assert (failure.message, failure.line) == (
        "no running event loop: call this in a coroutine that asyncio.run() runs",
        3,
    )


def test_a_message_that_does_not_fit_its_arguments_ends_nothing(run: Runner) -> None:
    program = """
        import logging
        logging.basicConfig(format="%(message)s")
        class Strict(logging.Handler):
            def emit(self, record):
                try: raise OSError("away")
                except OSError: self.handleError(record)
        class Bad:
            def __repr__(self): raise ValueError
        def main():
            logging.warning("%s and %s", 1)
            logging.warning("%d", Bad())
            logger = logging.getLogger("own")
            logger.propagate = False
            logger.addHandler(Strict())
            logger.warning("sent")
            logging.warning("on")
        """
    verdict = run.verdict(program)
    assert verdict.failure is None
    said = [line for line in verdict.stdout.splitlines() if not line.startswith(("Traceback", "  "))]
    assert said == [
        *("--- Logging error ---", "TypeError: not enough arguments for format string"),
        "Line 11, message: '%s and %s', arguments: (1,)",
        *("--- Logging error ---", "TypeError: %d format: a real number is required, not Bad"),
        "The message and its arguments can't be shown.",
        *("--- Logging error ---", "OSError: away"),
        "Line 16, message: 'sent', arguments: ()",
        "on",
    ]


def test_a_calendar_is_printed_where_print_prints(run: Runner) -> None:
    program = """
        import calendar, contextlib, io
        def main():
            year = calendar.TextCalendar()
            printed = []
            for show in (calendar.prmonth, year.prmonth):
                with contextlib.redirect_stdout(io.StringIO()) as output: show(2026, 1)
                printed.append(output.getvalue() == calendar.month(2026, 1))
            for show in (calendar.prcal, year.pryear):
                with contextlib.redirect_stdout(io.StringIO()) as output: show(2026)
                printed.append(output.getvalue().rstrip() == calendar.calendar(2026).rstrip())
            year.prmonth(2026, 2)
            return printed
        """
    assert run.answer(program) == [True] * 4
    assert run.stdout(program).startswith("   February 2026\n")
