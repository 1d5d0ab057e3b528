"""Suggests the field that was meant by an unknown name."""

from __future__ import annotations

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
#: These, and our own names in another spelling.
_MEANT = {other: field for field, others in _KNOWN_ELSEWHERE.items() for other in (*others, field.replace("_", ""))}


def hint(name: str) -> str:
    """`: did you mean …?` for a name that is known elsewhere or spelled another way, otherwise nothing."""
    plain = name.lower().replace("_", "").replace("-", "")
    meant = _MEANT.get(plain)
    return f": did you mean {meant}?" if meant is not None and meant != name else ""
