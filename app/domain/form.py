"""The form of the data in Redis: how records, indexes and messages are laid out there.

The number of the form is kept with the data. It grows when an older version could not work on the data any more;
additions that older versions of the same form ignore do not change it (docs/upgrade.md).
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from app.version import VERSION

#: The form that this version reads and writes.
FORM = 2
#: What is stored instead of a form while a backup is being restored (app/store/snapshot/writing.py).
RESTORING = "restoring"
_TEXT = re.compile(r"([1-9][0-9]{0,5})(?:>([1-9][0-9]{0,5}))?")


@dataclass(frozen=True, slots=True)
class Form:
    """The form of the data. `target`: the form to which the data is being changed, None for none."""

    number: int
    target: int | None = None

    @classmethod
    def parse(cls, text: str) -> Form:
        """The form that is stored as `text`: `2`, or `1>2` on the way from 1 to 2. Raises ValueError."""
        found = _TEXT.fullmatch(text)
        if found is None:
            raise ValueError(f"{text[:40]!r} is not the form of Celeriac's data")
        return cls(int(found[1]), None if found[2] is None else int(found[2]))

    def __str__(self) -> str:
        return str(self.number) if self.target is None else f"{self.number}>{self.target}"

    @property
    def is_current(self) -> bool:
        """Whether this version may work on the data as it is."""
        return self.number == FORM and self.target is None

    @property
    def is_newer(self) -> bool:
        """Whether a newer version wrote the data, or is changing it."""
        return max(self.number, self.target or 0) > FORM

    @property
    def words(self) -> str:
        """Why this version does not work on the data now."""
        if self.is_newer:
            return (
                f"the data in Redis has form {self.target or self.number}, and this version of Celeriac ({VERSION}) "
                f"knows no form after {FORM}; it leaves the data alone: start the newer version again, or restore a "
                "backup from before the upgrade"
            )
        return f"the data in Redis is being changed from form {self.number} to form {FORM}; nothing was changed"
