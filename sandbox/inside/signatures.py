"""Whether a function can be called with the arguments of a task, as far as its source tells."""

from __future__ import annotations

import ast
from collections.abc import Sequence

from sandbox.inside import policy

MAX_SHOWN_CHARS = 300


def problem_of_call(tree: ast.Module, name: str, count: int, keywords: Sequence[str]) -> policy.Found | None:
    """What is wrong with `name(<count arguments>, keyword=…)`; None where nothing is, or the source does not tell."""
    definition = _plain_definition(tree, name)
    if definition is None:
        return None
    wrong = _mismatch(definition.args, count, keywords)
    if wrong is None:
        return None
    shown = f"{name}({ast.unparse(definition.args)})"[:MAX_SHOWN_CHARS]
    return policy.Found("TypeError", f"{shown} {wrong}", definition.lineno, definition.col_offset + 1)


def _plain_definition(tree: ast.Module, name: str) -> ast.FunctionDef | ast.AsyncFunctionDef | None:
    """The one `def` of the name, if nothing decorates it and nothing else binds the name."""
    bound = [each for each in policy.own_level(tree.body) if name in policy.bound_by(each)]
    only = bound[0] if len(bound) == 1 else None
    if not isinstance(only, ast.FunctionDef | ast.AsyncFunctionDef) or only.decorator_list or only not in tree.body:
        return None
    for each in ast.walk(tree):
        if isinstance(each, ast.Global) and name in each.names:
            return None
    return only


def _mismatch(args: ast.arguments, count: int, keywords: Sequence[str]) -> str | None:
    positional = [each.arg for each in (*args.posonlyargs, *args.args)]
    by_name = {each.arg for each in (*args.args, *args.kwonlyargs)}
    if count > len(positional) and args.vararg is None:
        return f"takes at most {_counted(len(positional))}, but args has {count}"
    filled = set(positional[:count])
    for keyword in keywords:
        if keyword not in by_name and args.kwarg is None:
            return f"has no parameter {keyword!r}, but kwargs has"
        if keyword in filled and keyword in by_name:
            return f"gets {keyword!r} twice: from args and from kwargs"
    given = filled | (set(keywords) & by_name)
    required = positional[: len(positional) - len(args.defaults)]
    required += [each.arg for each, default in zip(args.kwonlyargs, args.kw_defaults, strict=True) if default is None]
    missing = [repr(each) for each in required if each not in given]
    return f"needs {', '.join(missing)}, which neither args nor kwargs has" if missing else None


def _counted(number: int) -> str:
    return f"{number} positional argument" + ("" if number == 1 else "s")
