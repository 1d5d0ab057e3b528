"""The builtins of a program, and the guards that its code calls.

What the guards look at: attributes.py and classes.py.
"""

from __future__ import annotations

import builtins
from collections.abc import Callable
from typing import Any

from sandbox.inside import attributes, builtin_names, caught_errors, classes, names, ownership

_MISSING = object()


def _hasattr(value: Any, name: Any, /) -> bool:
    if names.plain_name(name) == "__dataclass_fields__":  # which can't be read, but is how programs know a dataclass
        return hasattr(value if ownership.is_class(value) else type(value), "__dataclass_fields__")
    return attributes.guarded_getattr(value, name, _MISSING) is not _MISSING


def _delattr(value: Any, name: Any, /) -> None:
    name = names.plain_name(name)
    delattr(attributes.write(value, name), name)


def _dir(value: Any, /) -> list[str]:
    return [name for name in dir(value) if type(name) is str and names.may_read(name)]


def _vars(value: Any, /) -> dict[str, Any]:
    return attributes.namespace(value, "__dict__")


def _exit(code: Any = None) -> None:
    raise SystemExit(code)


def make_builtins(print_function: Callable[..., None], import_function: Callable[..., Any]) -> dict[str, Any]:
    """`__builtins__` of a program, made anew for each, with the guards under names that no source can spell."""
    plain = {name: getattr(builtins, name) for name in builtin_names.ADMITTED}
    exceptions = {
        name: value
        for name, value in vars(builtins).items()
        if isinstance(value, type) and issubclass(value, BaseException)
    }
    replaced = {
        "type": classes.GuardedType,
        "getattr": attributes.guarded_getattr,
        "hasattr": _hasattr,
        "setattr": attributes.guarded_setattr,
        "delattr": _delattr,
        "dir": _dir,
        "vars": _vars,
        "print": print_function,
        "exit": _exit,
        "quit": _exit,
        "__import__": import_function,
        "__build_class__": classes.build_class,
    }
    guards = {
        names.READ_PUBLIC: attributes.read_public,
        names.READ_PRIVATE: attributes.read_private,
        names.READ_SPECIAL: attributes.read_special,
        names.WRITE: attributes.write,
        names.CHANGE: attributes.change,
        names.CHECK_SLOTS: classes.check_slots,
        names.HOOK: classes.hide_type,
        names.RAISE_ON: caught_errors.prepare_to_raise_on,
    }
    return plain | exceptions | replaced | guards
