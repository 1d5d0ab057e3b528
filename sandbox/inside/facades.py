"""The façades that there are: what a program's imports find, and the sentence for what they don't find."""

from __future__ import annotations

import sys
from collections.abc import Callable, Mapping
from typing import Any

from sandbox.inside import modules, refusals


class Facade:
    """A module as programs see it: the admitted names and nothing else. No method of it changes it."""

    def __repr__(self) -> str:
        return f"<module {_names[id(self)]!r}>"

    def __getattr__(self, name: str) -> Any:
        """What is not there: with what to do instead, if there is something."""
        module = _names.get(id(self), "")
        raise AttributeError(f"module {module!r} has no attribute {name!r} here{modules.why_missing(module, name)}")


Facade.__name__ = "module"  # in messages
#: Not an attribute, because `from a import b` would look up the real module `a.b` by it.
_names: dict[int, str] = {}


def module_behind(value: Any) -> str | None:
    """The name of the module that a façade stands for; None of anything else."""
    return _names.get(id(value)) if type(value) is Facade else None


def make_facade(name: str, admitted: Mapping[str, Any]) -> Facade:
    """The façade of one module."""
    facade = Facade()
    vars(facade).update(admitted)
    _names[id(facade)] = name
    return facade


#: module -> what a program gets for it. Filled once, by the `admit` of library.py or lean.py.
admitted: dict[str, Any] = {}


#: What to do with a name that is not admitted, before it is refused.
_look_elsewhere: list[Callable[[str], None]] = []


def look_elsewhere(leave: Callable[[str], None]) -> None:
    """Once, in the lean zygote: what its children do when a program imports a module that they do not have."""
    _look_elsewhere.append(leave)


def put_into_packages() -> None:
    """Make each module an attribute of the one that it is in: `json.decoder`."""
    for name, facade in admitted.items():
        package, _, within = name.rpartition(".")
        if package:
            vars(admitted[package])[within] = facade


#: Filled when they are first imported.
_late: dict[str, Callable[[], dict[str, Any]]] = {}


def fill_late(late: Mapping[str, Callable[[], dict[str, Any]]]) -> None:
    """Remember façades whose values differ from run to run."""
    _late.update(late)


def loaded(name: str) -> dict[str, Any]:
    """What is in a module, made ready if it is one of those that wait for their first import."""
    if name not in admitted:
        _miss(name)
    if name in _late:
        vars(admitted[name]).update(_late.pop(name)())
    contents: dict[str, Any] = vars(admitted[name])
    return contents


def _miss(name: str) -> None:
    for leave in _look_elsewhere:
        leave(name)


def is_admitted(name: str) -> bool:
    """Whether a program may import the module."""
    return name in admitted


def has_name(module: str, name: str) -> bool:
    """Whether `from module import name` gives something."""
    return name in vars(admitted[module]) and not name.startswith("_")


def public_names(module: str) -> list[str]:
    """What `from module import *` gives."""
    return [name for name in vars(admitted[module]) if not name.startswith("_")]


def why_not(module: str, name: str | None = None) -> str:
    """The sentence for a program that wants what there is not."""
    if name is not None:
        return f"{name!r} can't be imported from {module!r} in the sandbox{modules.why_missing(module, name)}"
    reason = modules.LEFT_OUT.get(module) or modules.LEFT_OUT.get(module.partition(".")[0]) or _ASK_THE_OPERATOR
    return f"the module {module!r} can't be imported in the sandbox: {reason}"


#: What helps where no module that is there does the job.
_ASK_THE_OPERATOR = "whoever runs the service can admit it with the setting SANDBOX_EXTRA_MODULES"


def import_guarded(name: str, globals: Any = None, locals: Any = None, fromlist: Any = (), level: int = 0) -> Any:
    """`import` of what is admitted.

    The library's own C code asks here too (for `_strptime`, say), because a program's frame is the nearest: by a list
    of names, where the compiler makes a tuple or None.
    """
    if type(fromlist) is list and name in sys.modules:
        return sys.modules[name]
    for late in tuple(_late):
        # It, one in it (`from xml.etree import ElementTree`), or one that it is in (`import asyncio.exceptions`).
        if f"{late}.".startswith(f"{name}.") or name.startswith(f"{late}."):
            loaded(late)
    if level or not is_admitted(name):
        _miss(name)
        raise refusals.ImportSecurityError(why_not(name), name=name)
    return admitted[name if fromlist else name.partition(".")[0]]
