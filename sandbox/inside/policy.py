"""What a program may say: RestrictedPython's transformer, opened for everyday Python.

The stock policy refuses much of it (`self._x`, `+=` on items, annotations, `match`, …). Here:

- every attribute that is read becomes a call of a guard, which looks at the object (attributes.py);
- every attribute that is set or deleted has its object looked at first;
- items, iteration and calls are left alone: no object that a program can hold does harm by them;
- names, of variables and attributes, are checked when the program is compiled.

Guards have names that no source can spell, so a program can neither replace nor call them.
"""

from __future__ import annotations

import ast
import builtins
from dataclasses import dataclass
from types import CodeType
from typing import Any

from RestrictedPython.transformer import RestrictingNodeTransformer

from sandbox.inside import builtin_names, cells, facades, names, size_limits
from sandbox.inside.names import CHANGE, CHECK_SLOTS, HOOK, RAISE_ON, READ_PRIVATE, READ_PUBLIC, READ_SPECIAL, WRITE

MAX_PROBLEMS = 100
#: In one function, around a comprehension and with it. Beyond 20, the compilers of Python 3.12 and 3.13 crash.
MAX_BLOCKS = 18
#: `from x import *` is written out.
MAX_STARS = 50


@dataclass(frozen=True, slots=True)
class Found:
    """One thing wrong with a program. Line and column count from 1."""

    type: str
    message: str
    line: int | None = None
    column: int | None = None


class Policy(RestrictingNodeTransformer):
    """Collects what is forbidden in `found`."""

    def __init__(self, tree: ast.Module) -> None:
        super().__init__()
        self.found: list[Found] = []
        self._left_out: list[ast.Name] = []
        self._lazy_annotations = _has_lazy_annotations(tree)
        self._class_names: list[str] = []
        self._tolerant_depth = 0
        self._missing = 0
        self._stars = 0
        self._blocks = 0

    def error(self, node: ast.AST, info: str) -> None:
        if len(self.found) < MAX_PROBLEMS:
            column = getattr(node, "col_offset", None)
            line = getattr(node, "lineno", None)
            self.found.append(Found("SecurityError", info, line, None if column is None else column + 1))

    def not_allowed(self, node: ast.AST) -> None:
        self.error(node, f"{type(node).__name__} is not allowed in the sandbox")

    # --- variables ------------------------------------------------------------------------------

    def check_name(self, node: ast.AST, name: str | None, allow_magic_methods: bool = False) -> None:
        if name is not None and not names.may_bind(name):
            self.error(node, f"the name {name!r} may not be used")

    def _keep(self, node: Any) -> Any:
        return self.node_contents_visit(node)

    def visit_Name(self, node: ast.Name) -> Any:
        if not isinstance(node.ctx, ast.Load):
            self.check_name(node, node.id)
            if node.id == "__slots__":
                self.error(node, "__slots__ may only be assigned, by a statement of its own in a class")
        elif not names.may_load(node.id):
            self.error(node, f"the name {node.id!r} may not be used")
        elif node.id in builtin_names.LEFT_OUT:
            self._left_out.append(node)
        return node

    def refuse_left_out(self, tree: ast.AST) -> None:
        """Once all of the tree has been visited: builtins that are not there, unless the program binds their names."""
        bound = _names_bound_anywhere(tree) if self._left_out else set()
        for node in self._left_out:
            if node.id not in bound:
                self.error(node, f"{node.id!r} is not available in the sandbox: {builtin_names.LEFT_OUT[node.id]}")

    def visit_Global(self, node: ast.Global | ast.Nonlocal) -> Any:
        for name in node.names:
            self.check_name(node, name)
        return node

    visit_Nonlocal = visit_Global

    def visit_NamedExpr(self, node: ast.NamedExpr) -> Any:
        return self._keep(node)

    def visit_ExceptHandler(self, node: ast.ExceptHandler) -> Any:
        self.check_name(node, node.name)
        return self._keep(node)

    # --- attributes -----------------------------------------------------------------------------

    def visit_Attribute(self, node: ast.Attribute) -> Any:
        name = names.mangled(node.attr, self._class_names[-1] if self._class_names else None)
        node.value = self.visit(node.value)
        if isinstance(node.ctx, ast.Load):
            if not names.may_read(name):
                self.error(node, f"the attribute {node.attr!r} may not be read")
            return self._guard(_reader(name), node, node.value, name)
        if not names.may_write(name):
            self.error(node, f"the attribute {node.attr!r} may not be changed")
        node.value = self._guard(WRITE, node.value, node.value, name)
        return node

    def _guard(self, guard: str, place: ast.expr, value: ast.expr, name: str) -> ast.expr:
        return _call(guard, place, value, ast.Constant(name))

    # --- imports --------------------------------------------------------------------------------

    def visit_Import(self, node: ast.Import) -> Any:
        for alias in node.names:
            self.check_name(node, alias.asname or alias.name.partition(".")[0])
            if not facades.is_admitted(alias.name):
                self._miss(node, facades.why_not(alias.name))
        return node

    def visit_ImportFrom(self, node: ast.ImportFrom) -> Any:
        module = node.module or ""
        if node.level:
            self.error(node, "relative imports are not possible in the sandbox")
        elif module == "__future__":
            pass  # the compiler knows what there is
        elif not facades.is_admitted(module):
            self._miss(node, facades.why_not(module))
        else:
            node.names = [each for alias in node.names for each in self._admitted(node, module, alias)]
        for alias in node.names:
            self.check_name(node, alias.asname or alias.name)
        return node

    def _admitted(self, node: ast.ImportFrom, module: str, alias: ast.alias) -> list[ast.alias]:
        """The name that is imported; for `*`, all there are."""
        if alias.name == "*":
            self._stars += 1
            if self._stars > MAX_STARS:
                raise size_limits.TooLarge(
                    f"the code has more than {MAX_STARS} imports of everything (*) that a module has"
                )
            return [ast.copy_location(ast.alias(name, None), node) for name in facades.public_names(module)]
        if not facades.has_name(module, alias.name):
            self._miss(node, facades.why_not(module, alias.name))
        return [alias]

    def _miss(self, node: ast.Import | ast.ImportFrom, why: str) -> None:
        self._missing += 1
        if not self._tolerant_depth:
            self.error(node, why)

    def visit_Try(self, node: ast.Try) -> Any:
        """What is missing may be asked for by a program that is ready to do without, or where nothing leads."""
        self._blocks += _BLOCKS_OF_TRY
        missing_before = self._missing
        tolerant = any(_catches(handler.type, _IMPORT_ERRORS | _ALL_ERRORS) for handler in node.handlers)
        node.body = [self._visit_tolerantly(statement, tolerant) for statement in node.body]
        all_there = self._missing == missing_before
        node.handlers = [
            self._visit_tolerantly(handler, all_there and _catches(handler.type, _IMPORT_ERRORS))
            for handler in node.handlers
        ]
        for part in ("orelse", "finalbody"):
            setattr(node, part, [self.visit(statement) for statement in getattr(node, part)])
        self._blocks -= _BLOCKS_OF_TRY
        return node

    def _visit_tolerantly(self, node: Any, tolerant: bool) -> Any:
        self._tolerant_depth += tolerant
        visited = self.visit(node)
        self._tolerant_depth -= tolerant
        return visited

    def visit_TryStar(self, node: ast.AST) -> Any:
        """CVE-2025-22153: CPython confuses types in it."""
        self.error(node, "except* is not allowed in the sandbox")
        return node

    def visit_Raise(self, node: ast.Raise) -> Any:
        """`raise` alone, in a hook, raises what the library handles: a guard that is always true looks at it first."""
        if node.exc is not None:
            return self._keep(node)
        return ast.copy_location(ast.If(_call(RAISE_ON, node), [node], []), node)

    # --- definitions ----------------------------------------------------------------------------

    def visit_FunctionDef(self, node: ast.FunctionDef | ast.AsyncFunctionDef) -> Any:
        if node.name not in names.CLASS_HOOKS:
            self.check_name(node, node.name)
        self.check_function_argument_names(node)
        node = self._visit_function(node)
        if node.name in names.CLASS_HOOKS:
            node.decorator_list.insert(0, ast.copy_location(ast.Name(HOOK, ast.Load()), node))
        return node

    visit_AsyncFunctionDef = visit_FunctionDef

    def _visit_function(self, node: ast.FunctionDef | ast.AsyncFunctionDef) -> Any:
        body, node.body = node.body, []
        returns = node.returns
        if self._lazy_annotations:
            node.returns = None
        node = self._keep(node)
        if self._lazy_annotations:
            node.returns = returns
        node.body = self._visit_body(body)
        return node

    def _visit_body(self, body: list[ast.stmt]) -> list[ast.stmt]:
        """Of a function or class, whose blocks are counted by themselves."""
        outside, self._blocks = self._blocks, 0
        visited = [self.visit(statement) for statement in body]
        self._blocks = outside
        return visited

    def visit_Lambda(self, node: ast.Lambda) -> Any:
        self.check_function_argument_names(node)
        return self._keep(node)

    def visit_arg(self, node: ast.arg) -> Any:
        return node if self._lazy_annotations else self._keep(node)

    def visit_ClassDef(self, node: ast.ClassDef) -> Any:
        self.check_name(node, node.name)
        for part in ("bases", "keywords", "decorator_list", "type_params"):  # the last since Python 3.12
            setattr(node, part, [self.visit(each) for each in getattr(node, part, [])])
        self._class_names.append(node.name)
        node.body = self._visit_body(node.body)
        self._class_names.pop()
        return node

    def visit_Module(self, node: ast.Module) -> Any:
        return self._keep(node)

    def visit_Assign(self, node: ast.Assign) -> Any:
        if _is_only("__slots__", node.targets) and self._class_names:
            node.value = self._checked_slots(node.value)
            return node
        if _is_only("__match_args__", node.targets):
            if not (self._class_names and _is_harmless_tuple(node.value)):
                self.error(node, "__match_args__ must be a plain tuple of names of public attributes")
            return node
        return self._keep(node)

    def visit_AnnAssign(self, node: ast.AnnAssign) -> Any:
        if _is_only("__slots__", [node.target]) and self._class_names and node.value is not None:
            node.value = self._checked_slots(node.value)
        else:
            node.target = self.visit(node.target)
            node.value = None if node.value is None else self.visit(node.value)
        if not self._lazy_annotations:
            node.annotation = self.visit(node.annotation)
        return node

    def _checked_slots(self, value: ast.expr) -> ast.expr:
        return _call(CHECK_SLOTS, value, self.visit(value))

    def visit_AugAssign(self, node: ast.AugAssign) -> Any:
        """`a.b += c` reads `a.b` without a further guard, so the one that permits the change looks at that too."""
        node = self._keep(node)
        if isinstance(node.target, ast.Attribute):
            node.target.value.func.id = CHANGE  # type: ignore[attr-defined]
        return node

    # --- match ----------------------------------------------------------------------------------

    def visit_MatchAs(self, node: ast.MatchAs) -> Any:
        self.check_name(node, node.name)
        return self._keep(node)

    def visit_MatchStar(self, node: ast.MatchStar) -> Any:
        self.check_name(node, node.name)
        return node

    def visit_MatchMapping(self, node: ast.MatchMapping) -> Any:
        self.check_name(node, node.rest)
        node.patterns = [self.visit(pattern) for pattern in node.patterns]
        for key in node.keys:
            self._check_dotted(key)
        return node

    def visit_MatchClass(self, node: ast.MatchClass) -> Any:
        self._check_dotted(node.cls)
        for attribute in node.kwd_attrs:
            if not names.may_match(attribute):
                self.error(node, f"the attribute {attribute!r} may not be read in a pattern")
        node.patterns = [self.visit(pattern) for pattern in node.patterns]
        node.kwd_patterns = [self.visit(pattern) for pattern in node.kwd_patterns]
        return node

    def visit_MatchValue(self, node: ast.MatchValue) -> Any:
        self._check_dotted(node.value)
        return node

    def _check_dotted(self, node: ast.expr) -> None:
        """Names with dots in patterns: the language permits no call there, so none of a guard."""
        for part in ast.walk(node):
            if isinstance(part, ast.Attribute) and not names.may_match(part.attr):
                self.error(part, f"the attribute {part.attr!r} may not be read in a pattern")
            elif isinstance(part, ast.Name):
                self.visit_Name(part)

    # --- blocks ---------------------------------------------------------------------------------

    def _visit_block(self, node: Any) -> Any:
        blocks = len(node.items) if isinstance(node, ast.With | ast.AsyncWith) else 1
        self._blocks += blocks
        node = self._keep(node)
        self._blocks -= blocks
        return node

    visit_For = visit_AsyncFor = visit_While = visit_With = visit_AsyncWith = _visit_block

    def visit_ListComp(self, node: Any) -> Any:
        """In a lambda too, the blocks around that count: its defaults belong to them."""
        if self._blocks >= MAX_BLOCKS:
            self.error(node, f"a comprehension is nested in {MAX_BLOCKS} blocks and comprehensions or more")
            return node
        return self._visit_block(node)

    visit_SetComp = visit_DictComp = visit_ListComp

    # --- what nothing but names decides ---------------------------------------------------------

    visit_Subscript = visit_Slice = visit_Call = visit_comprehension = visit_GeneratorExp = _keep
    visit_withitem = visit_Delete = visit_keyword = _keep
    visit_Match = visit_match_case = visit_MatchSingleton = visit_MatchSequence = visit_MatchOr = _keep
    visit_Assert = visit_Starred = visit_Yield = visit_YieldFrom = _keep
    visit_Await = _keep

    def _has_nothing_to_visit(self, node: Any) -> Any:
        """The commonest nodes. RestrictedPython's own methods would look for further nodes in them."""
        return node

    visit_Constant = visit_Load = visit_Store = visit_Del = _has_nothing_to_visit

    def visit_TypeVar(self, node: Any) -> Any:
        """Python 3.12: def f[T]()."""
        self.check_name(node, node.name)
        return self._keep(node)

    visit_ParamSpec = visit_TypeVarTuple = visit_TypeVar
    visit_TypeAlias = _keep


def _call(guard: str, place: ast.expr | ast.stmt, *arguments: ast.expr) -> ast.expr:
    """A call of a guard that stands where `place` does.

    The first argument has a place of its own. (ast.fix_missing_locations would walk the whole of it.)
    """
    function = ast.Name(guard, ast.Load())
    call = ast.Call(function, [*arguments], [])
    for each in (function, *arguments[1:], call):
        ast.copy_location(each, place)
    return call


def _reader(name: str) -> str:
    if name in names.GUARDED:
        return READ_SPECIAL
    return READ_PRIVATE if name.startswith("_") else READ_PUBLIC


#: One for what may fail, one for `finally`, or two for a handler.
_BLOCKS_OF_TRY = 3
_IMPORT_ERRORS = frozenset({"ImportError", "ModuleNotFoundError"})
_ALL_ERRORS = frozenset({"Exception", "BaseException", None})


def _catches(caught: ast.expr | None, errors: frozenset[str | None]) -> bool:
    """Whether `except caught:` names one of the errors. None stands for `except:`, which names none."""
    if caught is None:
        return None in errors
    return any(isinstance(part, ast.Name) and part.id in errors for part in ast.walk(caught))


def _has_lazy_annotations(tree: ast.Module) -> bool:
    """With `from __future__ import annotations` they become strings, which nothing evaluates but our get_type_hints."""
    return any(
        isinstance(statement, ast.ImportFrom)
        and statement.module == "__future__"
        and any(alias.name == "annotations" for alias in statement.names)
        for statement in tree.body
    )


def _names_bound_anywhere(tree: ast.AST) -> set[str]:
    """Names that the program itself gives a meaning to, in whatever scope."""
    found: set[str] = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.Name):
            if not isinstance(node.ctx, ast.Load):
                found.add(node.id)
        elif isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
            found.add(node.name)
        elif isinstance(node, ast.arg):
            found.add(node.arg)
        elif isinstance(node, ast.alias):
            found.add((node.asname or node.name).partition(".")[0])
        elif isinstance(node, ast.ExceptHandler | ast.MatchAs | ast.MatchStar) and node.name is not None:
            found.add(node.name)
    return found


def _stored(tree: ast.AST) -> set[str]:
    """Every name that is assigned somewhere in `tree`."""
    return {node.id for node in ast.walk(tree) if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store)}


def _is_only(name: str, targets: list[ast.expr]) -> bool:
    return len(targets) == 1 and isinstance(targets[0], ast.Name) and targets[0].id == name


def _is_harmless_tuple(value: ast.expr) -> bool:
    return isinstance(value, ast.Tuple) and all(
        isinstance(item, ast.Constant) and isinstance(item.value, str) and names.may_match(item.value)
        for item in value.elts
    )


def parse(source: str) -> ast.Module:
    """The program's tree. Raises SyntaxError, and whatever the compiler dies of on a hostile one."""
    tree: Any = builtins.compile(
        source.removeprefix("\ufeff"), names.FILENAME, "exec", ast.PyCF_ONLY_AST, dont_inherit=True
    )
    return tree  # type: ignore[no-any-return]


def restrict(tree: ast.Module) -> list[Found]:
    """Rewrite the tree under the policy; what it forbids, in the order of the source."""
    policy = Policy(tree)
    policy.visit(tree)
    policy.refuse_left_out(tree)
    return sorted(policy.found, key=lambda found: (found.line or 0, found.column or 0))


def compile_expression(text: str) -> Any:
    """Code of one expression under the policy (annotations that are strings). Raises SyntaxError."""
    tree: Any = builtins.compile(text, names.FILENAME, "eval", ast.PyCF_ONLY_AST, dont_inherit=True)
    policy = Policy(ast.Module([], []))
    policy.visit(tree)
    policy.refuse_left_out(tree)
    if policy.found:
        raise SyntaxError(policy.found[0].message)
    return builtins.compile(tree, names.FILENAME, "eval", dont_inherit=True)


def _confusing(code: CodeType) -> list[Found]:
    """What shows only in what the compiler has made."""
    return [
        Found(
            "SecurityError",
            f"a variable of a comprehension may not be called {name!r} here, as the first parameter is: "
            "super() would take the one for the other",
            line,
            column,
        )
        for name, line, column in cells.that_confuse_super(code)
    ][:MAX_PROBLEMS]


def compile_program(source: str, *, guarded: bool) -> tuple[Any, list[Found]]:
    """The code object, or None and what is wrong."""
    try:
        size_limits.check_source(source)
        tree = parse(source)
        size_limits.check_tree(tree)
        found = restrict(tree) if guarded else []
        if found:
            return None, found
        code: Any = builtins.compile(tree, names.FILENAME, "exec", dont_inherit=True)
        found = _confusing(code) if guarded else []
        return (None, found) if found else (code, [])
    except SyntaxError as error:
        return None, [_syntax_error(error)]
    except size_limits.TooLarge as error:
        return None, [Found("SyntaxError", str(error))]
    except (RecursionError, MemoryError):
        return None, [Found("SyntaxError", "the code is nested too deeply")]
    except SystemError:  # as of `__class__` in comprehensions (CPython gh-150700); what it says holds addresses
        return None, [Found("SyntaxError", "the compiler can't compile the code, by a defect of this Python")]
    except ValueError as error:  # a null in the source, an integer of too many digits
        return None, [Found("SyntaxError", _without_advice(str(error)[:200]))]


def _without_advice(message: str) -> str:
    """What the compiler says of a number that is too long could not be followed here."""
    return f"{message.partition(';')[0]}: write it by 0x…" if "set_int_max_str_digits" in message else message


def _syntax_error(error: SyntaxError) -> Found:
    column = error.offset if error.offset and error.offset > 0 else None
    return Found("SyntaxError", _without_advice(str(error.msg)), error.lineno or None, column)


def binds(tree: ast.Module, name: str) -> bool:
    """Whether the module's own level binds `name` somewhere: def, class, assignment or import."""
    return any(name in bound_by(statement) for statement in own_level(tree.body))


def own_level(statements: list[ast.stmt]) -> list[ast.stmt]:
    """The statements that run when the module does, those within if, try, for, with included."""
    found: list[ast.stmt] = []
    waiting = list(statements)
    while waiting:
        statement = waiting.pop()
        found.append(statement)
        if isinstance(statement, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
            continue
        for child in ast.iter_child_nodes(statement):
            if isinstance(child, ast.stmt):
                waiting.append(child)
            elif isinstance(child, ast.ExceptHandler | ast.match_case):
                waiting += child.body
    return found


def bound_by(statement: ast.stmt) -> set[str]:
    """The names that a statement binds at its own level."""
    if isinstance(statement, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
        return {statement.name}
    if isinstance(statement, ast.Import):
        return {(alias.asname or alias.name).partition(".")[0] for alias in statement.names}
    if isinstance(statement, ast.ImportFrom):
        star = any(alias.name == "*" for alias in statement.names) and facades.is_admitted(statement.module or "")
        stars = set(facades.public_names(statement.module or "")) if star else set()
        return stars | {alias.asname or alias.name for alias in statement.names}
    return _stored(statement)
