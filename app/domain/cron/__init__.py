"""When a cron expression fires, in a time zone, through every clock change.

text        an expression -> its six fields as text
kind        the six kinds of field, and what may stand in them
hashed      the numbers that stand for `H`
expansion   checked fields -> the numbers they allow, by croniter
fields      the three together, as bit sets
wall        those numbers -> the times on a wall clock that never changes
zone        a time zone -> stretches of constant offset
zone_hints  the zones that a wrong name may stand for
cron        wall and zone together: the next firing, and a list of them
words       an expression in English
errors      what can be wrong with a schedule's times

Pure: time comes in as an argument.
"""

from __future__ import annotations

from app.domain.cron.cron import EXAMPLE_ID, Cron
from app.domain.cron.errors import CronError, CronZoneError
from app.domain.cron.zone import load_zone, zone_names, zone_version

__all__ = ["EXAMPLE_ID", "Cron", "CronError", "CronZoneError", "load_zone", "zone_names", "zone_version"]
