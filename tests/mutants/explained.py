"""The survivors that docs/mutants.md explains."""

from __future__ import annotations

import re

#: | `file` | `line` | `before` → `after` | why |
ROW = re.compile(r"^\| `([^`]+)` \| `` (.+?) `` \| (.+?) \| .+ \|$", re.MULTILINE)


def explained_in(page: str) -> set[tuple[str, str, str]]:
    """Path, text of the line and change (`Mutant.identity`) of each row of the page's tables."""
    return {(path, line.replace("\\|", "|"), change.replace("\\|", "|")) for path, line, change in ROW.findall(page)}
