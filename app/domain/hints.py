"""Suggests the field that was meant by an unknown name."""

from __future__ import annotations

from functools import cache

#: What other services and libraries call our fields, without case and separators.
_KNOWN_ELSEWHERE = {
    "api_url": ("url", "uri", "endpoint", "target", "targeturl"),
    "method": ("httpmethod", "verb"),
    "headers": ("header", "httpheaders"),
    "params": ("query", "queryparams", "querystring", "param"),
    "data": ("body", "json", "payload", "form", "content", "requestbody"),
    "follow_redirects": ("redirect", "redirects", "allowredirects", "followredirect"),
    "expected_status": ("expectedcode", "expectedstatuscode", "expectedstatuscodes", "statuscode"),
    "function_code": ("code", "script", "source", "program"),
    "function_name": ("function", "entrypoint", "handler"),
    "delay_seconds": ("delay", "countdown"),
    "run_at": ("eta", "scheduledat", "scheduleat"),
    "cron_expression": ("cron", "crontab", "schedule", "expression"),
    "every_seconds": ("interval", "every", "intervalseconds"),
    "timezone": ("tz", "zone", "timezonename"),
    "max_retries": ("retries", "retry", "attempts", "retrycount"),
    "retry_delay": ("backoff", "retryinterval"),
    "timeout": ("timeoutseconds", "timelimit"),
    "task_type": ("type",),
    "name": ("title", "taskname"),
    "tags": ("tag", "labels"),
    "alert": ("alerts", "notify", "notification", "notifications", "onfailure"),
    "start_at": ("startdate", "starttime", "startsat"),
    "end_at": ("enddate", "endtime", "endsat"),
}


def hint(name: str, fields: frozenset[str]) -> str:
    """`: did you mean …?` for a name of one of `fields` elsewhere or in another spelling, otherwise nothing."""
    meant = _meant(fields).get(_plain(name))
    return f": did you mean {meant}?" if meant is not None and meant != name else ""


@cache
def _meant(fields: frozenset[str]) -> dict[str, str]:
    """Name elsewhere, or plain spelling -> field. Made once for a model: a body may have 100,000 unknown names."""
    elsewhere = {other: field for field in fields for other in _KNOWN_ELSEWHERE.get(field, ())}
    return {**elsewhere, **{_plain(field): field for field in fields}}


def _plain(name: str) -> str:
    return name.lower().replace("_", "").replace("-", "")
