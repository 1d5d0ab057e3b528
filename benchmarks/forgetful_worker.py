"""A worker without leases and histories: `python -m benchmarks.forgetful_worker FOLDER worker …`.

It reads the service's scripts, takes the lines out that keep them, and has this process use what is left.
"""

from __future__ import annotations

import re
import shutil
import sys
from pathlib import Path

from app.store import scripts
from tasks import celery_roles
from tasks.leases.renewal import Renewal

#: What keeps leases and histories: statements that stand on lines of their own, and a field of the record.
KEEPING = (
    re.compile(r"^ *record_change\(.*\)\n", re.MULTILINE),
    re.compile(r"^ *redis\.call\('ZADD', P \.\. 'leases', .*\)\n", re.MULTILINE),
    re.compile(r"^ *redis\.call\('ZREM', P \.\. 'leases', .*\)\n", re.MULTILINE),
    re.compile(r", lease_until_ms = lease_until_ms"),
)


def write_scripts(folder: Path) -> None:
    """The service's scripts without leases and histories, into a new folder."""
    shutil.copytree(scripts._FOLDER, folder)
    found = [0] * len(KEEPING)
    for path in folder.glob("*.lua"):
        text = path.read_text()
        for number, keeping in enumerate(KEEPING):
            text, count = keeping.subn("", text)
            found[number] += count
        path.write_text(text)
    if 0 in found:
        raise RuntimeError(f"the scripts have changed: {KEEPING[found.index(0)].pattern} is nowhere in them")


def keep_nothing(folder: Path) -> None:
    """Have this process' stores use scripts without leases and histories, which are written into a folder."""
    write_scripts(folder)
    scripts._FOLDER = folder
    Renewal._renew = lambda self, now: None  # type: ignore[method-assign]


def main(folder: str, *words: str) -> None:
    """Become the worker."""
    keep_nothing(Path(folder))
    sys.exit(celery_roles.main(words))


if __name__ == "__main__":
    main(*sys.argv[1:])
