"""What applying files would change: pure comparison of what they declare with what the service has."""

from __future__ import annotations

import difflib
import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from app.apply.documents import Declared
from app.apply.printable import printable
from app.domain.cron.cron import EXAMPLE_ID, Cron
from app.domain.fields import HIDDEN, secret_names, with_stand_ins
from app.domain.spec import ScheduleSpec, kept_fields, parse_schedule
from app.domain.times import parse_rfc3339, to_rfc3339
from app.usecases.timing import TIMES, make_rule

FIRINGS_SHOWN = 3
_NAMES = frozenset(ScheduleSpec.model_fields)
_SECRET = secret_names(ScheduleSpec)
#: The fields whose change may give an ended one firings again.
_FIRINGS = (*TIMES, "max_runs")


class Act(StrEnum):
    """What becomes of a scheduled task."""

    CREATE = "+"
    CHANGE = "~"
    DELETE = "-"
    KEEP = "="


@dataclass(frozen=True, slots=True)
class Field:
    """A field that changes: its values as they are shown, None for none."""

    name: str
    before: Any
    after: Any


@dataclass(frozen=True, slots=True)
class Step:
    """What happens to one scheduled task. declared: None to delete. existing_id: None to create."""

    act: Act
    key: str
    declared: Declared | None = None
    existing_id: str | None = None
    fields: Sequence[Field] = ()
    pause: bool | None = None
    updated_at: str | None = None
    next_before: Sequence[str] = ()
    next_after: Sequence[str] = ()

    @property
    def has_secrets(self) -> bool:
        """Whether it declares values that the service does not tell."""
        return self.declared is not None and any(self.declared.body.get(name) for name in _SECRET)


def make_plan(
    declared: Iterable[Declared], existing: Mapping[str, Mapping[str, Any]], prune: Iterable[str], now_ms: int
) -> list[Step]:
    """The steps, in the order of the files, deletions last.

    existing: key -> the scheduled task as the API returns it. prune: the keys to delete unless they are declared.
    """
    steps = [_step(one, existing.get(one.key), now_ms) for one in declared]
    keys = {step.key for step in steps}
    gone = sorted(key for key in prune if key not in keys)
    return steps + [
        Step(Act.DELETE, key, existing_id=existing[key]["id"], next_before=existing[key]["next_runs"][:FIRINGS_SHOWN])
        for key in gone
    ]


def _step(declared: Declared, existing: Mapping[str, Any] | None, now_ms: int) -> Step:
    after = shown(declared.spec)
    if existing is None:
        fields = [Field(name, None, value) for name, value in after.items()]
        firings = () if declared.paused else _firings(declared.spec, EXAMPLE_ID, now_ms, now_ms)
        return Step(Act.CREATE, declared.key, declared, None, fields, declared.paused or None, next_after=firings)
    before = shown(spec_of(existing))
    names = [name for name in {**before, **after} if before.get(name) != after.get(name)]
    fields = [Field(name, before.get(name), after.get(name)) for name in names]
    is_paused = existing["status"] == "paused"
    stays_ended = existing["status"] == "ended" and not any(name in _FIRINGS for name in names)
    pause = None if declared.paused in (None, is_paused) or stays_ended else declared.paused
    next_before = existing["next_runs"][:FIRINGS_SHOWN]
    next_after: Sequence[str] = ()
    will_be_paused = is_paused if pause is None else pause
    if not will_be_paused and (pause is not None or any(name in TIMES for name in names)):
        next_after = _firings(declared.spec, existing["id"], _created_ms(existing), now_ms)
    act = Act.CHANGE if fields or pause is not None else Act.KEEP
    return Step(
        act, declared.key, declared, existing["id"], fields, pause, existing["updated_at"], next_before, next_after
    )


def _created_ms(existing: Mapping[str, Any]) -> int:
    return parse_rfc3339(existing["created_at"])


def _firings(spec: ScheduleSpec, schedule_id: str, created_ms: int, now_ms: int) -> Sequence[str]:
    """Its next firings, or words where an `H` gets its value from an id that does not exist yet."""
    fields = kept_fields(spec)
    rule = make_rule(fields, schedule_id, created_ms)
    if schedule_id == EXAMPLE_ID and isinstance(rule.timing, Cron) and rule.timing.has_hash:
        return ("once H has its value",)
    shown_count = FIRINGS_SHOWN if spec.max_runs is None else min(FIRINGS_SHOWN, spec.max_runs)
    return [to_rfc3339(ms) for ms in rule.upcoming(now_ms, shown_count)]


def spec_of(existing: Mapping[str, Any]) -> ScheduleSpec:
    """The spec of a scheduled task that the API returned. The values of headers are hidden, so they are others here."""
    fields = {name: value for name, value in existing.items() if name in _NAMES}
    return parse_schedule(with_stand_ins(fields, ScheduleSpec), lambda _: [])


def shown(spec: ScheduleSpec) -> dict[str, Any]:
    """The fields that differ from their defaults, as JSON. Values of secret fields are hidden."""
    kept = kept_fields(spec)
    found = {}
    for name in kept:
        value = spec.model_dump(mode="json", include={name})[name]
        if name in _SECRET and value:
            value = dict.fromkeys(sorted(value), HIDDEN)
        if name == "timezone" or value != _default(name):
            found[name] = value
    return found


def _default(name: str) -> Any:
    return ScheduleSpec.model_fields[name].get_default(call_default_factory=True)


# --- in words ----------------------------------------------------------------------------------------


def lines_of(step: Step) -> Iterator[str]:
    """A step for people."""
    yield f"{step.act} {printable(step.key)}" + {Act.CREATE: " (new)", Act.DELETE: " (deleted)"}.get(step.act, "")
    for each in step.fields:
        yield from _lines_of_field(each)
    if step.pause is not None:
        yield f"    paused: {json.dumps(step.pause)}"
    if step.act is Act.DELETE or step.next_after:
        yield f"    next firings: {_change(', '.join(step.next_before), ', '.join(step.next_after))}"


def _lines_of_field(changed: Field) -> Iterator[str]:
    before, after = changed.before, changed.after
    if isinstance(before, str) and isinstance(after, str) and "\n" in before + after:
        yield f"    {changed.name}:"
        for line in difflib.unified_diff(before.splitlines(), after.splitlines(), n=2, lineterm=""):
            if not line.startswith(("---", "+++")):
                yield f"      {printable(line)}"
        return
    texts = ["" if value is None else json.dumps(value, ensure_ascii=False) for value in (before, after)]
    yield f"    {changed.name}: {_change(*texts)}"


def _change(before: str, after: str) -> str:
    return printable(after if not before else f"{before} -> {after or 'none'}")
