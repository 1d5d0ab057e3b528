"""`python -m tests.browser.pictures`: make the pictures of docs/images anew, from a service with made-up work."""

from __future__ import annotations

import shutil
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from tests.browser.chromium import Chromium
from tests.browser.conftest import PROGRAMS
from tests.browser.page import many, url_of
from tests.programs import installed
from tests.system import Started

IMAGES = Path(__file__).resolve().parent.parent.parent / "docs" / "images"
#: name -> (address, what is waited for); `{task}` and `{schedule}` are ids.
VIEWS = {
    "overview": ("/#/", "document.querySelector('.failed-row') && document.querySelector('#chart svg')"),
    "task": ("/#/tasks?status=failed&open={task}", "document.querySelector('.failure')"),
    "schedule": ("/#/schedule/{schedule}", "document.querySelectorAll('.next-runs li').length === 10"),
}
SIZES = {"desktop": (1280, 860), "tablet": (820, 1100), "phone": (390, 780)}
SCHEMES = ("light", "dark")

SUM = {
    "function_code": "def main(day):\n    print('rows of day', day)\n    return {'rows': day * 12}",
    "function_name": "main",
}
NO_ROW = {
    "function_code": "def main(order):\n    rows = {}\n    if order not in rows:\n"
    "        raise LookupError(f'no row for order {order}')\n    return rows[order]",
    "function_name": "main",
}
CALL = {"api_url": "http://127.0.0.1:9/invoices", "method": "POST", "data": {"month": 11}}


def main() -> int:
    """Make them; the exit status."""
    program = installed(PROGRAMS)
    if program is None:
        print("there is no Chromium: install it", file=sys.stderr)
        return 1
    IMAGES.mkdir(exist_ok=True)
    with _browser(str(program)) as browser, tempfile.TemporaryDirectory(prefix="cel-") as folder:
        system = Started(Path(folder))
        try:
            system.wait_until_ready()
            _take(browser, system, *_work(system))
        finally:
            system.clean_up()
    return 0


@contextmanager
def _browser(program: str) -> Iterator[Chromium]:
    folder = tempfile.mkdtemp(prefix="cel-chromium-")
    browser = Chromium(program, Path(folder))
    try:
        yield browser
    finally:
        browser.close()
        shutil.rmtree(folder, ignore_errors=True)


def _work(system: Started) -> tuple[str, str]:
    """Fill the service; the ids of a failed task and of a schedule."""
    many(system, [{"name": f"daily report {day}", "tags": ["reports"], **SUM, "args": [day]} for day in range(1, 80)])
    failed = many(system, [{"name": f"import order {1000 + n}", **NO_ROW, "args": [1000 + n]} for n in range(4)])
    many(system, [{"name": "send invoices", "tags": ["billing"], **CALL}])
    nightly = {"name": "nightly report", "cron_expression": "0 3 * * *", "timezone": "Europe/Berlin"}
    schedule = system.post("/api/scheduled-tasks", {**nightly, **SUM, "args": [1]})
    for _ in range(6):
        system.post(f"/api/scheduled-tasks/{schedule['id']}/run", None)
    return str(failed[-1]["id"]), str(schedule["id"])


def _take(browser: Chromium, system: Started, task: str, schedule: str) -> None:
    for name, (address, condition) in VIEWS.items():
        for size, (width, height) in SIZES.items():
            for scheme in SCHEMES:
                browser.look(width, height, scheme)
                browser.open(url_of(system, address.format(task=task, schedule=schedule)))
                browser.wait_for(condition)
                browser.wait_for("document.querySelector('#health').classList.length === 2")
                browser.screenshot(IMAGES / f"{name}-{size}-{scheme}.png")


if __name__ == "__main__":
    sys.exit(main())
