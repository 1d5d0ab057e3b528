"""Which tests cover which source files: the most specific entry counts."""

from __future__ import annotations

from collections.abc import Sequence

#: What uses the scripts; not the other tests of connections, nor those that kill processes.
_STORE_SUBJECTS = """
    admission api_keys audit batches bulk deliveries expiry failures finish_steps form histogram history inbox liveness
    next_task paging programs recovery retention schedule_races schedules scripts small_tasks stats tasks totals
    transitions machine schedule_machine
"""
STORE = tuple(f"tests/store/test_{subject}.py" for subject in _STORE_SUBJECTS.split())

#: What runs programs in the sandbox, and what reads the replies of children.
_RUNS = tuple(
    f"tests/box/test_{subject}.py"
    for subject in ("limits", "exits_and_arguments", "causes", "codes", "live_output", "threads_and_forks")
)
_REPLIES = ("tests/box/test_reply.py", "tests/box/test_hostile_child.py")

COVERING: dict[str, tuple[str, ...]] = {
    "app/domain": ("tests/domain",),
    "app/domain/alerts": ("tests/domain/test_alerts.py", "tests/domain/test_service_troubles.py"),
    "app/domain/alerts/rule.py": ("tests/domain/test_alerts.py", "tests/api/test_alerts.py"),
    "app/domain/batch.py": ("tests/domain", "tests/api/test_create_batch.py"),
    "app/domain/bulk.py": ("tests/domain", "tests/api/test_bulk.py"),
    "app/domain/channels": (
        "tests/domain/test_channels.py",
        "tests/domain/test_names.py",
        "tests/domain/test_webhooks.py",
        "tests/api/test_channels.py",
    ),
    "app/domain/checks.py": ("tests/domain", "tests/api/test_bad_input.py", "tests/api/test_create_task.py"),
    "app/domain/cron": tuple(
        f"tests/domain/test_cron{name}.py"
        for name in (
            "",
            "_fields",
            "_hash",
            "_clock_changes",
            "_words",
            "_docs",
            "_zone_hints",
            "_peers",
            "_properties",
        )
    ),
    "app/domain/interval.py": ("tests/domain/test_interval.py", "tests/domain/test_firings.py"),
    "app/domain/firings.py": ("tests/domain/test_firings.py", "tests/domain/test_interval.py"),
    "app/domain/outcome.py": ("tests/worker/test_execute.py", "tests/store/test_tasks.py"),
    "app/domain/quota.py": ("tests/domain/test_quota.py",),
    "app/domain/retry.py": ("tests/domain/test_retry.py",),
    "app/domain/status.py": ("tests/domain/test_status.py", "tests/store/test_transitions.py"),
    "app/store/lua": (*STORE, "tests/api/test_list_errors.py", "tests/api/test_alerts.py", "tests/api/test_events.py"),
    "tasks/attempts.py": (
        "tests/worker/test_attempts.py",
        "tests/worker/test_execute.py",
        "tests/worker/test_next_task.py",
        "tests/worker/test_claim.py",
        "tests/worker/test_executor_defects.py",
        "tests/worker/test_failure_lines.py",
        "tests/worker/test_leases.py",
        "tests/worker/test_drain.py",
        "tests/worker/test_worker_full.py",
    ),
    "tasks/leases": (
        "tests/worker/test_leases.py",
        "tests/worker/test_in_flight.py",
        "tests/worker/test_drain.py",
    ),
    "tasks/executors": (
        "tests/worker/test_code_executor.py",
        "tests/worker/test_execute.py",
        "tests/worker/test_executor_defects.py",
        "tests/http",
    ),
    "sandbox": (*_RUNS, "tests/box/test_hostile_child.py", "tests/box/test_lean.py"),
    "sandbox/parent.py": ("tests/box/test_parent.py", *_RUNS),
    "sandbox/protocol.py": _REPLIES,
    "sandbox/reply.py": _REPLIES,
}


def covering_tests(path: str) -> Sequence[str]:
    """The tests of the most specific entry. KeyError if there is none."""
    entries = [entry for entry in COVERING if path == entry or path.startswith(f"{entry}/")]
    if not entries:
        raise KeyError(f"{path}: tests/mutants/covering.py names no tests for it")
    return COVERING[max(entries, key=len)]
