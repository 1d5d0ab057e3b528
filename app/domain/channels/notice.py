"""What a notice says: the facts, and their words in the languages of the channels."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass
from enum import StrEnum
from typing import Any, Literal

from app.domain.channels.text import one_line
from app.domain.stored import known_fields
from app.domain.times import to_rfc3339

Language = Literal["en", "zh"]
#: Of a name in a summary, so that there is room for all its lines.
SUMMARY_CHARACTERS = 150


class NoticeType(StrEnum):
    """What a notice is about. Those of tasks and scheduled tasks are the values of a rule's `on`, and `silent`."""

    FAILED = "failed"
    STOPPED = "stopped"
    MISSED = "missed"
    LATE = "late"
    SILENT = "silent"
    RECOVERED = "recovered"
    SUMMARY = "summary"  # of notices that were held back
    TROUBLE = "trouble"  # of the service itself
    WELL = "well"  # the end of a trouble
    TEST = "test"


@dataclass(frozen=True, slots=True)
class Notice:
    """A notice before it is put into the words of a channel. Empty values are unknown or do not apply.

    subject: the name of the task or scheduled task, or a key of _TROUBLES. reason: why, such as the error, or a key of
    _CAUSES; of a summary, a `summary_line` for each notice. count: how many times in a row. since_ms: since when.
    """

    type: NoticeType
    subject: str
    at_ms: int
    reason: str = ""
    task_id: str = ""
    scheduled_task_id: str = ""
    schedule: str = ""
    count: int = 0
    since_ms: int = 0

    @property
    def event_type(self) -> str:
        """The type of its delivery, and of the event that a webhook gets."""
        return f"alert.{self.type}"

    def as_json(self) -> dict[str, Any]:
        """The stored form. Empty values are left out."""
        return {name: value for name, value in asdict(self).items() if value or name in ("type", "subject", "at_ms")}

    @classmethod
    def from_json(cls, stored: Mapping[str, Any]) -> Notice:
        """The notice with this stored form."""
        return cls(**{**known_fields(cls, stored), "type": NoticeType(stored["type"])})


@dataclass(frozen=True, slots=True)
class Message:
    """A notice in words, not yet in the markup of a chat: everything but `link` and labels may be hostile text.

    facts: (label, value). detail: text of several lines, such as an error. link: "" for none.
    """

    headline: str
    facts: tuple[tuple[str, str], ...]
    detail: str
    link: str
    link_label: str
    notice: Notice


_HEADLINES: Mapping[NoticeType, Mapping[Language, str]] = {
    NoticeType.FAILED: {"en": "Failed: {}", "zh": "任务失败：{}"},
    NoticeType.STOPPED: {"en": "Stopped: {}", "zh": "任务被停止：{}"},
    NoticeType.MISSED: {"en": "Missed: {}", "zh": "错过执行：{}"},
    NoticeType.LATE: {"en": "Late: {}", "zh": "仍未完成：{}"},
    NoticeType.SILENT: {"en": "No success: {}", "zh": "长时间没有成功：{}"},
    NoticeType.RECOVERED: {"en": "Recovered: {}", "zh": "已恢复：{}"},
    NoticeType.SUMMARY: {"en": "And {} more in 5 min", "zh": "5 分钟内还有 {} 条通知"},
    NoticeType.TROUBLE: {"en": "Celeriac has trouble: {}", "zh": "Celeriac 服务异常：{}"},
    NoticeType.WELL: {"en": "This trouble of Celeriac is over: {}", "zh": "Celeriac 的这项异常已解除：{}"},
    NoticeType.TEST: {"en": "Test: notices to the channel {} arrive here", "zh": "测试：渠道 {} 的通知会发到这里"},
}
#: The subjects of troubles in words; the detail takes the place of {}.
_TROUBLES: Mapping[str, Mapping[Language, str]] = {
    "beat": {"en": "no beat is running, so scheduled tasks do not fire", "zh": "beat 未运行，定时任务不会触发"},
    "workers": {"en": "no worker serves the queue {}", "zh": "没有 worker 处理队列 {}"},
    "memory": {"en": "Redis has used {} of its memory", "zh": "Redis 已使用 {} 的内存"},
    "writes": {"en": "writes are refused: {}", "zh": "写入被拒绝：{}"},
    "queue": {"en": "the oldest task of the queue {} has waited too long", "zh": "队列 {} 中最早的任务等待过久"},
    "away": {
        "en": "no beat or worker was running, or Redis was away or refused writes",
        "zh": "此前没有 beat 和 worker 运行，或者 Redis 不可用、拒绝写入",
    },
}
#: Why a firing did not happen, by its outcome, and why a task is late, by its status.
_CAUSES: Mapping[NoticeType, Mapping[str, Mapping[Language, str]]] = {
    NoticeType.MISSED: {
        "skipped_overlap": {"en": "The previous task was not finished.", "zh": "上一个任务尚未结束。"},
        "missed": {
            "en": "No beat was running at that time, or the service was full.",
            "zh": "当时 beat 未运行，或服务已满。",
        },
    },
    NoticeType.LATE: {
        "queued": {"en": "No worker has started it.", "zh": "尚未有 worker 开始执行。"},
        "running": {"en": "It is still running.", "zh": "任务仍在运行。"},
        "waiting": {"en": "It waits for its next attempt.", "zh": "正在等待下一次尝试。"},
    },
}
_LABELS: Mapping[str, Mapping[Language, str]] = {
    "count": {"en": "Count", "zh": "次数"},
    "schedule": {"en": "Schedule", "zh": "计划"},
    "since": {"en": "Since", "zh": "开始时间"},
    "at": {"en": "Time", "zh": "时间"},
    "task": {"en": "Task id", "zh": "任务 ID"},
    "link": {"en": "Open in the console", "zh": "在控制台中打开"},
}


def message_of(notice: Notice, language: Language, public_url: str) -> Message:
    """Put a notice into words. `public_url`: where people reach the console, "" if that is unknown."""
    labels = {name: words[language] for name, words in _LABELS.items()}
    detail = "" if _is_trouble(notice) else notice.reason
    cause = _CAUSES.get(notice.type, {}).get(detail)
    if cause is not None:
        detail = cause[language]
    if notice.type is NoticeType.SUMMARY:
        detail = "\n".join(_summed_up(line, language) for line in detail.split("\n"))
    return Message(
        headline=_headline(notice, language),
        facts=tuple((labels[name], value) for name, value in _facts(notice)),
        detail=detail,
        link=_link(notice, public_url),
        link_label=labels["link"],
        notice=notice,
    )


def summary_line(notice: Notice) -> str:
    """What a summary holds of a notice, not yet in words: its type, subject and, of a trouble, its detail."""
    detail = f" {notice.reason}" if _is_trouble(notice) and notice.reason else ""
    return f"{notice.type}: {one_line(notice.subject, SUMMARY_CHARACTERS)}{detail}"


def _summed_up(line: str, language: Language) -> str:
    """A `summary_line` in words."""
    type_, _, subject = line.partition(": ")
    if type_ not in _HEADLINES:  # "…", or a part of a name that an earlier version has stored
        return line
    detail = ""
    if type_ in (NoticeType.TROUBLE, NoticeType.WELL):
        subject, _, detail = subject.partition(" ")
    return _headline(Notice(NoticeType(type_), subject, 0, reason=detail), language)


def _is_trouble(notice: Notice) -> bool:
    return notice.type in (NoticeType.TROUBLE, NoticeType.WELL) and notice.subject in _TROUBLES


def _headline(notice: Notice, language: Language) -> str:
    subject = _TROUBLES[notice.subject][language].format(notice.reason) if _is_trouble(notice) else notice.subject
    return _HEADLINES[notice.type][language].format(subject)


def _facts(notice: Notice) -> Iterator[tuple[str, str]]:
    if notice.schedule and notice.schedule != notice.subject:
        yield "schedule", notice.schedule
    if notice.count > 1:
        yield "count", str(notice.count)
    if notice.since_ms:
        yield "since", to_rfc3339(notice.since_ms)
    yield "at", to_rfc3339(notice.at_ms)
    if notice.task_id:
        yield "task", notice.task_id


def _link(notice: Notice, public_url: str) -> str:
    """Where the console shows what a notice is about."""
    if not public_url:
        return ""
    base = public_url.rstrip("/")
    if notice.task_id:
        return f"{base}/#/tasks/{notice.task_id}"
    if notice.scheduled_task_id:
        return f"{base}/#/schedule/{notice.scheduled_task_id}"
    return f"{base}/"
