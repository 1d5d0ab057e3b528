"""Methods of datetime that take what is none for a datetime, exchanged.

`astimezone` and `tzinfo.fromutc` call the class of a datetime for another one, and read and write the fields of one in
whatever that gives. Here they work on a plain datetime, and its class is called with the answer. Before Python 3.13,
`date.replace` of a datetime makes one with room for a date only, and sets nothing beyond that. `ctime`
believes the year.
"""

from __future__ import annotations

import datetime
import sys
from collections.abc import Callable
from typing import Any

from sandbox.inside import static_types

_state_of: Callable[..., tuple[Any, ...]] = datetime.datetime.__dict__["__reduce_ex__"]
_as_time_zone: Callable[..., Any] = datetime.datetime.__dict__["astimezone"]
_replace: Callable[..., Any] = datetime.date.__dict__["replace"]
_from_utc: Callable[..., Any] = datetime.tzinfo.__dict__["fromutc"]
_year_of: Callable[[Any], int] = datetime.date.__dict__["year"].__get__


def guard_datetimes() -> None:
    """Exchange the methods. Once, in the zygote."""
    if not static_types.may_exchange([datetime.date, datetime.datetime, datetime.tzinfo]):
        return
    static_types.exchange(datetime.datetime, "astimezone", _astimezone)
    static_types.exchange(datetime.tzinfo, "fromutc", _fromutc)
    for kind in (datetime.date, datetime.datetime):
        static_types.exchange(kind, "ctime", _ctime_of(kind))
    if sys.version_info < (3, 13):
        static_types.exchange(datetime.date, "replace", _replace_in_date)


def _astimezone(self: Any, /, tz: Any = None) -> Any:
    if not _is_of_subclass(self):
        return _as_time_zone(self, tz)
    plain = _plain(self)
    found = _as_time_zone(plain, tz)
    return self if found is plain else _of_class(type(self), found)


def _fromutc(self: Any, dt: Any, /) -> Any:
    if not _is_of_subclass(dt):
        return _from_utc(self, dt)
    return _of_class(type(dt), _from_utc(self, _plain(dt)))


def _replace_in_date(self: Any, /, *args: Any, **kwargs: Any) -> Any:
    """Of a datetime, as Python 3.13: its class is called."""
    if not issubclass(type(self), datetime.datetime):
        return _replace(self, *args, **kwargs)
    found = _replace(datetime.datetime.date(self), *args, **kwargs)
    return type(self)(found.year, found.month, found.day)


def _ctime_of(kind: type) -> Callable[[Any], str]:
    """The library's looks up the name of the weekday below its table, in a year that pickled bytes alone can give."""
    original = vars(kind)["ctime"]

    def ctime(self: Any, /) -> Any:
        if issubclass(type(self), datetime.date) and _year_of(self) < datetime.MINYEAR:
            raise ValueError("year 0 is out of range")
        return original(self)

    return ctime


def _is_of_subclass(value: Any) -> bool:
    return type(value) is not datetime.datetime and issubclass(type(value), datetime.datetime)


def _plain(value: Any) -> datetime.datetime:
    _, state = _state_of(value, 4)
    return datetime.datetime(*state)


def _of_class(kind: Any, found: Any) -> Any:
    """What a zone of the program gives is anything; a datetime gets its class by a call such as CPython's."""
    if type(found) is not datetime.datetime:
        return found
    fields = (found.year, found.month, found.day, found.hour, found.minute, found.second, found.microsecond)
    return kind(*fields, found.tzinfo, **({"fold": 1} if found.fold else {}))
