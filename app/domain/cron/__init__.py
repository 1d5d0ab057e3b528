"""When a cron expression fires, in a time zone, through every clock change.

fields  the expression as text -> the numbers that each field allows
wall    those numbers -> the times on a wall clock that never changes
zone    a time zone -> stretches of constant offset
cron    the three together: the next firing, and a list of them
words   an expression in English
errors  what can be wrong with a schedule's times

Pure: time comes in as an argument.
"""

from __future__ import annotations

from app.domain.cron.cron import HORIZON, Cron
from app.domain.cron.errors import CronError, CronZoneError
from app.domain.cron.zone import load_zone, zone_names

__all__ = ["HORIZON", "Cron", "CronError", "CronZoneError", "load_zone", "zone_names"]
