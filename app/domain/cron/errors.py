"""What can be wrong with a schedule's times; each message is meant for the person who wrote it.

CronError
└── CronZoneError
"""

from __future__ import annotations


class CronError(ValueError):
    """The cron expression can't be used; the message says what is wrong with it."""


class CronZoneError(CronError):
    """The timezone is not one of the IANA database."""
