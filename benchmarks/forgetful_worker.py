"""A worker without leases and histories: `python -m benchmarks.forgetful_worker FOLDER WORDS OF CELERY …`.

It reads the service's scripts, takes the lines out that keep them, and has this process use what is left.
"""

from __future__ import annotations

import runpy
import shutil
import sys
from pathlib import Path

from app.store import scripts
from tasks.leases.renewal import Renewal

#: Of each script, the text that keeps leases and histories, and what is left without it.
KEPT = {
    "_lib.lua": (
        ("  record_change(id, task.status, status, now_ms, actor, reason)\n", ""),
        (
            "    unschedule(ending.id)\n    redis.call('ZREM', P .. 'leases', ending.id)\n",
            "    unschedule(ending.id)\n",
        ),
    ),
    "claim.lua": (
        ("redis.call('ZADD', P .. 'leases', lease_until_ms, task_id)\n", ""),
        (", lease_until_ms = lease_until_ms", ""),
    ),
}


def keep_nothing(folder: Path) -> None:
    """Have this process' stores use scripts without leases and histories, which are written into a folder."""
    shutil.copytree(scripts._FOLDER, folder)
    for name, lines in KEPT.items():
        text = (folder / name).read_text()
        for line, left in lines:
            if text.count(line) != 1:
                raise RuntimeError(f"{name} has changed: this benchmark does not find {line!r}")
            text = text.replace(line, left)
        (folder / name).write_text(text)
    scripts._FOLDER = folder
    Renewal._renew = lambda self, now: None  # type: ignore[method-assign]


def main(folder: str, *words: str) -> None:
    """Become the worker."""
    keep_nothing(Path(folder))
    sys.argv = ["celery", *words]
    runpy.run_module("celery", run_name="__main__", alter_sys=True)


if __name__ == "__main__":
    main(*sys.argv[1:])
