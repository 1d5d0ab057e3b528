"""What source may look like. Each program stands beside what it returns, in the sandbox and in plain CPython."""

from __future__ import annotations

from typing import Any

from sandbox import Sandbox
from tests.box.everyday.programs import Table, check, each

PROGRAMS: Table = {
    "chinese identifiers and text": (
        """
class 动物:
    def __init__(self, 名字): self.名字 = 名字
    def 叫(self): return f"{self.名字}:汪"
def main():
    数量 = {"苹果": 3}
    return [动物("小白").叫(), 数量["苹果"], "日本語".encode("utf-8").hex()[:6], len("🎉é")]
""",
        ["小白:汪", 3, "e697a5", 2],
    ),
    "a program with tabs": (
        """
def main():
	if True:
		return [1]
""",
        [1],
    ),
    "comments docstrings and continuations": (
        '''
#!/usr/bin/env python
# -*- coding: utf-8 -*-
"""Module docstring."""
def main():
    """doc"""
    x = 1 + \\
        2; y = (3 +
                4)
    pass
    return [x, y, main.__doc__, 0xFF, 1_000, 1e3, 0b11, r"\\n", b"a".decode(), "a" "b"]  # end
''',
        [3, 7, "doc", 255, 1000, 1000.0, 3, "\\n", "a", "ab"],
    ),
}


@each(PROGRAMS)
def test_a_program_returns_what_plain_python_does(box: Sandbox, program: str, expected: Any) -> None:
    check(box, program, expected)
