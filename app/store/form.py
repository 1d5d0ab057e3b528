"""The form of the data in Redis, and the progress of changing it.

    form = "1"      data of an older version; the scripts of ours refuse it
    form = "1>2"    the exclusive steps run: the scripts of all versions refuse (scripts.py)
    form = "2"      the data is in use. While there is a record of work, further steps run beside that

A step is done in parts, and each part is recorded when it is done. A process that dies loses at most its part, which
the next one does again: every part can be done twice.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from app.domain.errors import OtherForm
from app.domain.form import FORM, Form
from app.store.client import Client, other_form
from app.store.keys import Keys
from app.store.lease import Lease
from app.store.migrations import STEPS, Data, Step, Work
from app.store.scripts import Scripts

#: How long a process that stops answering keeps the others from the work.
LEASE_MS = 5_000


@dataclass(frozen=True, slots=True)
class Progress:
    """How far a change of the form is: the step, and how many of its records are done."""

    target: int
    step: str
    done: int
    size: int
    is_exclusive: bool


class FormStore:
    """The form of the data under one prefix. Thread-safe; raises Unavailable if Redis can't be reached.

    `lease`: of the work on a change.
    """

    def __init__(self, client: Client, keys: Keys, scripts: Scripts) -> None:
        self._client = client
        self._keys = keys
        self._scripts = scripts
        self._data = Data(client, keys, scripts)
        self.lease = Lease(client, f"{keys.form}:lease", LEASE_MS)

    def look(self) -> Form:
        """The form of the data. An empty Redis gets ours. Raises OtherForm if what is stored is not a form."""
        return _parsed(str(self._scripts("form_open", own=FORM)))

    def read(self) -> Form:
        """The form of the data; ours if none is stored. Writes nothing. Raises OtherForm as `look`."""
        return _parsed(str(self._client.get(self._keys.form) or FORM))

    def progress(self) -> Progress | None:
        """How far the change is, None if none is under way."""
        work = self._work()
        if work is None:
            return None
        return Progress(work.target, work.step, work.done, work.size, is_exclusive=_step(work).is_exclusive)

    def advance(self, now_ms: int) -> bool:
        """Do one part of bringing the data to our form, of a few milliseconds. Returns whether there is more to do.

        Raises OtherForm if the data is newer.
        """
        form, work = self.look(), self._work()
        if form.is_newer:
            raise OtherForm(form.words)
        if work is not None:
            self._do_part(work)
            return True
        if form.is_current:
            return False
        first, *_ = STEPS[form.number + 1]
        target = form.number + 1
        begun = {"before": str(form), "during": str(Form(form.number, target)), "target": target, "step": first.name}
        self._scripts("form_begin", **begun, size=first.size(self._data), now_ms=now_ms)
        return True

    def _do_part(self, work: Work) -> None:
        step, following = _step(work), _step_after(work)
        part = step.run(self._data, work)
        seen: dict[str, Any] = {"seen_target": work.target, "seen_step": work.step}
        if part.cursor is not None:
            now = {"step": work.step, "cursor": part.cursor, "done": work.done + part.done, "size": work.size}
            self._scripts("form_advance", **seen, seen_cursor=work.cursor, **now)
            return
        begun = (
            {"step": "", "size": 0}
            if following is None
            else {"step": following.name, "size": following.size(self._data)}
        )
        if following is not None and following.is_exclusive == step.is_exclusive:
            self._scripts("form_advance", **seen, seen_cursor=work.cursor, cursor="", done=0, **begun)
        else:
            self._scripts("form_end", **seen, **begun)

    def _work(self) -> Work | None:
        found: Any = self._client.hgetall(f"{self._keys.form}:work")
        if not found or int(found["target"]) not in STEPS:
            return None
        numbers = {name: int(found[name]) for name in ("target", "done", "size", "began_ms", "last_seq")}
        return Work(step=found["step"], cursor=found["cursor"], **numbers)


def _parsed(text: str) -> Form:
    try:
        return Form.parse(text)
    except ValueError:
        raise other_form(text) from None


def _step(work: Work) -> Step:
    return next(step for step in STEPS[work.target] if step.name == work.step)


def _step_after(work: Work) -> Step | None:
    names = [step.name for step in STEPS[work.target]]
    following = names.index(work.step) + 1
    return STEPS[work.target][following] if following < len(names) else None
