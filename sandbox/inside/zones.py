"""`zoneinfo.ZoneInfo`: the library's in Python.

The one in C keeps a list of recent zones, and asks their keys to compare with a program's key. If that one's `__eq__`
empties the list, or has other zones take its place, it reads on in what has been freed.
"""

from __future__ import annotations

from typing import Any
from zoneinfo import _zoneinfo  # type: ignore[attr-defined]

from sandbox.inside.ordered import OrderedDict

ZoneInfo: Any = _zoneinfo.ZoneInfo


def _repr(self: Any) -> str:
    """As that of the one in C."""
    return f"zoneinfo.ZoneInfo(key={self.key!r})"


ZoneInfo.__repr__ = _repr
ZoneInfo._strong_cache = OrderedDict()
del ZoneInfo.__init_subclass__  # sets attributes of any class
