"""Executes code tasks: runs their programs in the sandbox."""

from __future__ import annotations

import json
from collections.abc import Callable
from contextlib import nullcontext
from typing import TYPE_CHECKING, Any

from app.domain import times
from app.domain.outcome import ExecutorError, Failure, Outcome
from app.settings import Settings
from app.store.tasks import Attempt
from sandbox import Cancel, LayersMissing, Limits, Program, Sandbox, SandboxError, Verdict
from tasks.executors import KindRefused, Output
from tasks.executors.steps import DEFECT, SandboxSteps

if TYPE_CHECKING:
    from app.tracing.spans import Tracing

REFUSAL = (
    "code tasks are refused here, since the sandbox lacks {}: run this worker on a kernel and in a container that "
    "provide this, or name in SANDBOX_REQUIRE the layers that you do require (none: run programs without them)"
)
#: A program that fails with one of these fails every time.
_HOPELESS = frozenset({"SyntaxError", "SecurityError"})


class CodeExecutor:
    """Runs each program in a process of its own."""

    def __init__(self, sandbox: Sandbox, settings: Settings) -> None:
        self._sandbox = sandbox
        self._settings = settings
        self._output: Output | None = None
        self._tracing: Tracing | None = None

    def trace_with(self, tracing: Tracing) -> None:
        self._tracing = tracing

    def pass_output_to(self, output: Output) -> None:
        self._output = output

    def start(self) -> None:
        try:
            self._sandbox.start()
        except LayersMissing as missing:
            raise KindRefused(REFUSAL.format(missing)) from missing

    def close(self) -> None:
        self._sandbox.close()

    def facts(self) -> dict[str, Any]:
        return {"sandbox": dict(self._sandbox.layers), "spare_children": self._sandbox.waiting_children}

    def new_cancel(self) -> Cancel:
        return Cancel()

    def execute(self, attempt: Attempt, cancel: Cancel) -> Outcome:
        if self._tracing is None:
            return self._execute(attempt, cancel, None)
        steps = SandboxSteps(self._tracing.current())
        error_type: str | None = DEFECT
        try:
            outcome = self._execute(attempt, cancel, steps.step)
            error_type = None if outcome.failure is None else outcome.failure.type
        finally:
            steps.end(error_type)
        return outcome

    def _execute(self, attempt: Attempt, cancel: Cancel, on_step: Callable[[str], None] | None) -> Outcome:
        limits = Limits(
            wall_seconds=attempt.timeout,
            memory_bytes=self._settings.sandbox_memory_bytes,
            result_bytes=self._settings.sandbox_result_bytes,
            stdout_bytes=self._settings.sandbox_stdout_bytes,
        )
        with nullcontext() if self._output is None else self._output.opened(attempt) as on_output:
            try:
                verdict = self._sandbox.run(_program(attempt), limits, cancel, on_output, on_step)
            except SandboxError as error:
                raise ExecutorError(str(error)) from error
        return _outcome(verdict)


def make_executor(settings: Settings) -> CodeExecutor:
    """An executor whose sandbox is configured by the settings; not started."""
    sandbox = Sandbox(
        spare_children=settings.code_concurrency,
        memory_bytes=settings.sandbox_memory_bytes,
        require=settings.sandbox_require,
        extra_modules=settings.sandbox_extra_modules,
        max_children=settings.code_concurrency,  # a worker of both queues has many more threads
    )
    return CodeExecutor(sandbox, settings)


def _program(attempt: Attempt) -> Program:
    spec = attempt.spec
    return Program(
        source=spec["function_code"],
        function_name=spec["function_name"],
        args_json=json.dumps(spec["args"]).encode(),
        kwargs_json=json.dumps(spec["kwargs"]).encode(),
        context_json=json.dumps(_context(attempt)).encode(),
    )


def _context(attempt: Attempt) -> dict[str, Any]:
    """The values of the program's module `celeriac`."""
    context: dict[str, Any] = {"task_id": attempt.task_id, "attempt": attempt.number}
    if attempt.scheduled_task_id is not None:
        context["scheduled_task_id"] = attempt.scheduled_task_id
        context["timezone"] = attempt.spec.get("timezone")
    if attempt.scheduled_at_ms is not None:
        context["scheduled_at"] = times.to_rfc3339(attempt.scheduled_at_ms)
    return context


def _outcome(verdict: Verdict) -> Outcome:
    failure = None
    if verdict.failure is not None:
        found = verdict.failure
        failure = Failure(found.type, found.message, found.line, found.traceback)
    permanent = verdict.failure is not None and (verdict.failure.permanent or verdict.failure.type in _HOPELESS)
    return Outcome(
        result_json=verdict.result_json,
        failure=failure,
        stopped=verdict.stopped,
        retryable=not permanent,
        stdout=verdict.stdout,
        stdout_truncated=verdict.stdout_truncated,
        cpu_ms=verdict.cpu_ms,
        memory_kb=verdict.memory_kb,
    )
