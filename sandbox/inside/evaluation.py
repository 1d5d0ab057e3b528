"""`eval`, `globals` and `locals`, as far as they are harmless: expressions under the policy, and copies to look at.

The names of guards can't be spelled in a source, but they can in a dict, so no other name than an identifier gets from
a program's dict into a namespace. Statements (`exec`) stay out: a program that builds programs can be written plainly.
"""

from __future__ import annotations

import sys
import types
from collections.abc import Mapping
from typing import Any

from sandbox.inside import attributes, cells, names, ownership


def _identifiers(namespace: Mapping[Any, Any]) -> dict[str, Any]:
    """A plain copy without what no program could have written.

    Not only builtins: in the scope of annotations, `__classdict__` is the real namespace of a class that is being made.
    """
    return {
        name: value
        for name, value in dict(namespace).items()
        if type(name) is str and name.isidentifier() and names.may_load(name)
    }


def _callers_locals(frame: types.FrameType) -> dict[str, Any]:
    """The variables of the program's frame that calls; none where the library calls (`map(eval, …)`).

    Before Python 3.13.3, one whose cell a comprehension covers is left out.
    """
    if frame.f_globals is not ownership.state.program:
        return {}
    covered = cells.covered_cells(frame.f_code) if _MISTAKES_CELLS else {}
    if not covered:
        return _identifiers(frame.f_locals)
    return _identifiers({name: frame.f_locals[name] for name in frame.f_locals if name not in covered})


#: CPython gh-128396.
_MISTAKES_CELLS = (3, 13) <= sys.version_info < (3, 13, 3)


def guarded_eval(source: Any, globals: Any = None, locals: Any = None, /) -> Any:
    """`eval` of an expression, compiled under the policy like the program itself."""
    if type(source) is bytes:
        source = source.decode()
    if type(source) is not str:
        raise TypeError("eval() takes a string in the sandbox")
    from sandbox.inside import policy  # the lean zygote does without

    code = policy.compile_expression(source.strip(" \t"))
    program = ownership.state.program
    namespace = {**_identifiers(program if globals is None else globals), "__builtins__": program["__builtins__"]}
    if globals is None and locals is None:
        locals = _callers_locals(sys._getframe(1))
    if locals is not None:
        namespace |= _identifiers(locals)  # one namespace, so that comprehensions and lambdas see them too
    return eval(code, namespace)  # noqa: S307  (compiled under the policy)


def guarded_globals() -> Mapping[str, Any]:
    """The module's variables, to look at."""
    return types.MappingProxyType(_identifiers(ownership.state.program))


def guarded_locals() -> dict[str, Any]:
    """A copy of the caller's variables, as in CPython's functions."""
    return _callers_locals(sys._getframe(1))


def guarded_vars(*values: Any) -> dict[str, Any]:
    """`vars`."""
    if len(values) > 1:
        raise TypeError(f"vars expected at most 1 argument, got {len(values)}")
    if values and not hasattr(values[0], "__dict__"):
        raise TypeError("vars() argument must have __dict__ attribute")
    found: dict[str, Any] = (
        attributes.guarded_getattr(values[0], "__dict__") if values else _callers_locals(sys._getframe(1))
    )
    return found


BUILTINS: dict[str, Any] = {
    "eval": guarded_eval,
    "globals": guarded_globals,
    "locals": guarded_locals,
    "vars": guarded_vars,
}
