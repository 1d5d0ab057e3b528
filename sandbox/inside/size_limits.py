"""How large a program may be, so that its check takes no more than about a second.

The parser and the compiler bound nothing themselves, and some constructs cost them the square of their number.
"""

from __future__ import annotations

import ast
import collections
import re
import sys
import unicodedata
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

#: With these, the worst 256 KiB of source take about a second of processor time.
MAX_NODES = 200_000
MAX_FUNCTIONS = 3_000
#: The compiler compares each name in a call, or in a pattern of a class, with all others there.
MAX_KEYWORDS = 2_000
#: The compiler copies the names of a function, and those declared global, for each function, class, comprehension and
#: type parameter within.
MAX_COPIED_NAMES = 8_000_000
#: It hands each name through all functions around the one that uses it.
MAX_PASSED_NAMES = 400_000
#: In a source with formatted strings: the parser looks for each expression from the start of its string.
MAX_BRACES = 25_000
#: The compiler finds constants by their hashes, which large integers, tuples and sets can have in common.
MAX_ALIKE = 1_000
#: It works out what has constants alone as operands: the hashes of the results are unknown here.
MAX_OPERATIONS = 2_000
#: The compiler moves each name that a pattern binds past all that is still to be matched, and among alternatives (`|`)
#: each past all others, for each.
MAX_MOVED_NAMES = 2_000_000
#: The parser normalizes names, and sorts each run of combining characters slowly.
MAX_COMBINING = 100


class TooLarge(Exception):
    """A program that would take too long to check."""


def check_source(source: str) -> None:
    """What the parser would take long for. Raises TooLarge."""
    _check_braces(source)
    _check_combining(source)


def _check_braces(source: str) -> None:
    if source.count("{") > MAX_BRACES and _FORMATTED.search(source):
        raise TooLarge(
            f"the code is too large: it has formatted strings and more than {MAX_BRACES:,} opening braces; "
            "pass data as arguments"
        )


_FORMATTED = re.compile(r"""\b[rR]?[fF][rR]?["']""")


def _check_combining(source: str) -> None:
    for run in _MANY_NOT_ASCII.findall(source):
        length = 0
        for character in run:
            length = length + 1 if _is_combining(character) else 0
            if length > MAX_COMBINING:
                raise TooLarge(f"the code has more than {MAX_COMBINING} combining characters in a row")


_MANY_NOT_ASCII = re.compile(rf"[^\x00-\x7f]{{{MAX_COMBINING + 1},}}")


def _is_combining(character: str) -> bool:
    """As what it is decomposed into: U+0F73 and U+FF9E are not combining themselves."""
    return unicodedata.combining(unicodedata.normalize("NFKD", character)[0]) > 0


def check_tree(tree: ast.AST) -> None:
    """What the compiler would take long for. Raises TooLarge.

    Functions are counted by themselves because the compiler compares each with all others that look like it.
    """
    functions = scopes = finals = 0
    nodes = [tree]
    for node in nodes:  # which grows meanwhile: ast.walk() takes twice the time
        kind = type(node)
        scopes += kind in _SCOPES
        if kind in _FUNCTIONS:
            functions += 1
            if functions > MAX_FUNCTIONS:
                raise TooLarge(
                    f"the code is too large: it has more than {MAX_FUNCTIONS:,} functions, classes and comprehensions"
                )
        for field in kind._fields:
            value = getattr(node, field, None)
            if isinstance(value, list):
                if len(value) > MAX_KEYWORDS and field in ("keywords", "kwd_attrs"):
                    where = "call" if field == "keywords" else "pattern"
                    raise TooLarge(
                        f"the code is too large: a {where} has more than {MAX_KEYWORDS:,} arguments with names"
                    )
                finals += field == "finalbody" and value != []
                nodes += [each for each in value if isinstance(each, ast.AST)]
            elif isinstance(value, ast.AST):
                nodes.append(value)
        if len(nodes) > MAX_NODES:
            raise TooLarge(
                f"the code is too large: it has more than {MAX_NODES:,} syntax elements; pass data as arguments"
            )
    if finals or functions > 1:
        _check_written_out(nodes)
    _check_patterns(nodes)
    if len(nodes) > MAX_ALIKE:
        _check_constants(nodes)
    if scopes > _FEW_SCOPES and _copied_names(tree, scopes) > MAX_COPIED_NAMES:
        raise TooLarge(
            "the code is too large: the names that functions define, each counted once for each function, class and "
            f"comprehension within, are more than {MAX_COPIED_NAMES:,}"
        )


def _check_patterns(nodes: list[ast.AST]) -> None:
    """Raises TooLarge. nodes: of the program, parents before their children."""
    known: dict[ast.AST, tuple[int, int]] = {}  # how many names a pattern binds, and how many parts it has
    moved = 0
    for node in reversed(nodes):
        if isinstance(node, ast.pattern):
            parts = [known.get(each, (0, 1)) for each in ast.iter_child_nodes(node)]
            bound = [names for names, _ in parts]
            own = getattr(node, "rest" if isinstance(node, ast.MatchMapping) else "name", None) is not None
            total = max(bound) if isinstance(node, ast.MatchOr) else sum(bound) + own
            size = 1 + sum(size for _, size in parts)
            known[node] = total, size
            if isinstance(node, ast.MatchOr):
                moved += total * total * size
        elif isinstance(node, ast.match_case):
            total, size = known[node.pattern]
            moved += total * size
    if moved > MAX_MOVED_NAMES:
        raise TooLarge(
            "the code is too large: the names that patterns bind, each counted once for each part of its pattern, and "
            f"in alternatives (|) once more for each other name, are more than {MAX_MOVED_NAMES:,}"
        )


def _check_constants(nodes: list[ast.AST]) -> None:
    """Raises TooLarge. nodes: of the program, parents before their children."""
    known: dict[ast.AST, Any] = {}
    alike: dict[int, set[Any]] = collections.defaultdict(set)
    operations = 0
    for node in reversed(nodes):
        if isinstance(node, ast.Constant):
            known[node] = node.value
            if type(node.value) is not int or abs(node.value) < sys.hash_info.modulus:
                continue  # few of these can have one hash
        elif isinstance(node, ast.Tuple | ast.List | ast.Set) and all(each in known for each in node.elts):
            values = [known[each] for each in node.elts]
            known[node] = frozenset(values) if isinstance(node, ast.Set) else tuple(values)
        elif isinstance(node, ast.UnaryOp) and isinstance(node.op, ast.USub) and _is_number(known.get(node.operand)):
            known[node] = -known[node.operand]
        elif isinstance(node, _OPERATIONS) and all(each in known for each in _operands(node)):
            known[node] = None
            operations += 1
        elif _is_constant_in_disguise(node, known):
            known[node] = ""
        if node in known:
            same = alike[hash(known[node])]
            same.add(known[node])
            if len(same) > MAX_ALIKE:
                raise TooLarge(f"the code is too large: it has more than {MAX_ALIKE:,} constants with the same hash")
    if operations > MAX_OPERATIONS:
        raise TooLarge(
            f"the code is too large: it has more than {MAX_OPERATIONS:,} operations on constants alone; "
            "pass data as arguments"
        )


def _is_constant_in_disguise(node: ast.AST, known: dict[ast.AST, Any]) -> bool:
    """A formatted string without anything to format, and `__debug__`."""
    if isinstance(node, ast.JoinedStr):
        return all(each in known for each in node.values)
    return isinstance(node, ast.Name) and node.id == "__debug__"


_OPERATIONS = ast.BinOp | ast.UnaryOp | ast.Subscript


def _operands(node: Any) -> list[ast.expr]:
    if isinstance(node, ast.BinOp):
        return [node.left, node.right]
    return [node.operand] if isinstance(node, ast.UnaryOp) else [node.value, node.slice]


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float | complex)


def _check_written_out(nodes: list[ast.AST]) -> None:
    """Raises TooLarge. nodes: of the program, parents before their children."""
    known: dict[ast.AST, _Written] = {}
    for node in reversed(nodes):
        if type(node) in _FUNCTIONS:
            within = _written_out(ast.iter_child_nodes(node), known)
            known[node] = _Written(
                within.nodes + 1, within.functions + 1, 0, within.names, within.passed_names + within.names
            )
        elif getattr(node, "finalbody", None):
            known[node] = _written_out_try(node, known)
    program = _written_out(nodes[:1], known)
    for number, limit, what in (
        (program.nodes, MAX_NODES, "syntax elements"),
        (program.functions, MAX_FUNCTIONS, "functions, classes and comprehensions"),
        (program.passed_names, MAX_PASSED_NAMES, "names, each counted once for each function around it"),
    ):
        if number > limit:
            raise TooLarge(
                f"the code is too large: it has more than {limit:,} {what}, those of a `finally` counted "
                "once for each way that leads there"
            )


@dataclass(frozen=True, slots=True)
class _Written:
    """What the compiler writes for a part of a program.

    exits: statements that leave it for a `finally` outside. passed_names: each as often as functions are around it.
    """

    nodes: int = 0
    functions: int = 0
    exits: int = 0
    names: int = 0
    passed_names: int = 0


def _written_out_try(node: Any, known: dict[ast.AST, _Written]) -> _Written:
    """The body of `finally` is written where all went well, where nothing did, and at each exit."""
    body = _written_out([*node.body, *node.handlers, *node.orelse], known)
    final = _written_out(node.finalbody, known)
    times = 2 + body.exits
    return _Written(
        body.nodes + times * final.nodes,
        body.functions + times * final.functions,
        body.exits + times * final.exits,
        body.names + times * final.names,
        body.passed_names + times * final.passed_names,
    )


def _written_out(parts: Iterable[ast.AST], known: dict[ast.AST, _Written]) -> _Written:
    nodes = functions = exits = names = passed_names = 0
    waiting = list(parts)
    for node in waiting:
        kind = type(node)
        if node in known:
            nodes += known[node].nodes
            functions += known[node].functions
            exits += known[node].exits
            names += known[node].names
            passed_names += known[node].passed_names
        else:
            nodes += 1
            exits += kind in _EXITS
            names += len(node.names) if isinstance(node, ast.Nonlocal) else _is_read(node)
            waiting += ast.iter_child_nodes(node)
    return _Written(nodes, functions, exits, names, passed_names)


def _is_read(node: ast.AST) -> bool:
    return isinstance(node, ast.Name) and isinstance(node.ctx, ast.Load)


def _copied_names(tree: ast.AST, scopes: int) -> int:
    """At most so many: names anywhere in a function count for all that is in it, global ones for all of the program."""
    copied = 0
    declared: list[ast.AST] = []
    outside = [tree]
    for node in outside:
        kind = type(node)
        if kind in _SCOPES and (kind is not ast.ClassDef or getattr(node, "type_params", None)):
            within = list(ast.walk(node))
            copied += _count_names(within) * sum(type(each) in _SCOPES for each in within)
            # In a comprehension of the module, `x := 1` declares x global.
            declared += [each.target for each in within if isinstance(each, ast.NamedExpr)]
        else:
            if kind is ast.Global:
                declared.append(node)
            outside += ast.iter_child_nodes(node)
    return copied + _count_names(declared) * scopes


def _count_names(nodes: Iterable[ast.AST]) -> int:
    """Each once, but private ones as often as they are there: the compiler makes others of them in each class."""
    found: list[str] = []
    for node in nodes:
        for field in _NAMES_IN.get(type(node), ()):
            value = getattr(node, field)
            found += value if isinstance(value, list) else (value or "",)
    counted = collections.Counter(found).items()
    return sum(times if name.startswith("__") and not name.endswith("__") else 1 for name, times in counted)


_FUNCTIONS = frozenset(
    {
        *(ast.FunctionDef, ast.AsyncFunctionDef, ast.Lambda, ast.ClassDef),
        *(ast.ListComp, ast.SetComp, ast.DictComp, ast.GeneratorExp),
    }
)
_EXITS = frozenset({ast.Return, ast.Break, ast.Continue})
#: Since Python 3.12.
_TYPE_PARAMETERS = [getattr(ast, name) for name in ("TypeVar", "ParamSpec", "TypeVarTuple") if hasattr(ast, name)]
#: What the compiler makes a table of names for; a source has no room for names enough to copy for a few of these.
_SCOPES = _FUNCTIONS.union(_TYPE_PARAMETERS, [ast.TypeAlias] if hasattr(ast, "TypeAlias") else [])
_FEW_SCOPES = 100
#: Where the names are that a function can define.
_NAMES_IN: dict[type, tuple[str, ...]] = {
    ast.Name: ("id",),
    ast.arg: ("arg",),
    ast.alias: ("name", "asname"),
    ast.Global: ("names",),
    ast.MatchMapping: ("rest",),
    **dict.fromkeys([ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef, ast.ExceptHandler], ("name",)),
    **dict.fromkeys([ast.MatchAs, ast.MatchStar, *_TYPE_PARAMETERS], ("name",)),
}
