"""Which builtins a program gets. Policy is data."""

from __future__ import annotations

from sandbox.inside.words import words

#: As they are. (Exceptions and warnings: all of them, found in guards.py.)
ADMITTED = words(
    "abs all any ascii bin bool bytearray bytes callable chr classmethod complex dict divmod enumerate filter "
    "float frozenset hash hex id int isinstance issubclass iter len list map max memoryview min next object "
    "oct ord pow property range repr reversed round set slice sorted staticmethod str sum super tuple zip "
    "format aiter anext NotImplemented Ellipsis True False None __debug__"
)

#: Replaced by one that looks before it acts.
REPLACED = words(
    "type getattr hasattr setattr delattr dir vars eval globals locals print exit quit __import__ __build_class__"
)

#: Left out, with the reason; the policy refuses a program that uses one, with its line.
LEFT_OUT = {
    "open": "there are no files",
    "input": "nobody is there to answer",
    "exec": "it runs code that nobody has checked",
    "compile": "it makes code that nobody has checked",
    "breakpoint": "there is no debugger",
    "help": "there is no terminal",
}
