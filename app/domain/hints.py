"""Suggests the field that was meant by an unknown name."""

from __future__ import annotations

from collections.abc import Collection

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
_MEANT = {other: field for field, others in _KNOWN_ELSEWHERE.items() for other in others}


def hint(name: str, fields: Collection[str]) -> str:
    """`: did you mean …?` for a name of one of `fields` elsewhere or in another spelling, otherwise nothing."""
    plain = _plain(name)
    meant = next((field for field in fields if _plain(field) == plain), _MEANT.get(plain))
    return f": did you mean {meant}?" if meant in fields and meant != name else ""


def _plain(name: str) -> str:
    return name.lower().replace("_", "").replace("-", "")
