"""No process says that something of ours has failed: Redis away is expected here, a traceback is not."""

from __future__ import annotations

from collections.abc import Iterator

from tests.system.chaos.cluster import Cluster
from tests.system.chaos.findings import Finding
from tests.system.chaos.journal import log_lines

#: What Celery says of a connection that broke, which is what we do to it.
EXPECTED = ("celery.worker.consumer", "celery.worker.control", "kombu")


def logs(cluster: Cluster) -> Iterator[Finding]:
    """Errors and tracebacks in everybody's log but the services'."""
    for name, member in cluster.members.items():
        if name in cluster.services:
            continue
        for life in member.lives:
            for line in log_lines(life.log):
                is_error = line["level"] in ("ERROR", "CRITICAL") or "traceback" in line
                if is_error and not line["logger"].startswith(EXPECTED):
                    words = f"{line['message']} {line.get('traceback', '')[-600:]}"
                    yield Finding("nothing fails unexpectedly", f"{life.log}: {line['logger']}: {words}")
            if "Traceback (most recent call last)" in _bare(life.log.read_text(errors="replace")):
                yield Finding("nothing fails unexpectedly", f"{life.log}: a traceback")


def _bare(text: str) -> str:
    """The lines that did not go through our logs."""
    return "\n".join(line for line in text.splitlines() if not line.startswith("{"))
