"""What a program may say: RestrictedPython's transformer, opened for everyday Python.

The stock policy refuses much of it (`self._x`, `+=` on items, annotations, `match`, …) and wraps every attribute,
item and iteration in a call. Here a construct is left as it is where nothing but names decides, and those are
checked when the program is compiled; a call remains where the object decides (`_getattr_`, `_write_` in guards.py).
"""

from __future__ import annotations

import ast
import builtins
from dataclasses import dataclass
from typing import Any

from RestrictedPython.transformer import RestrictingNodeTransformer

from sandbox.inside import modules, names

FILENAME = "<task>"
MAX_PROBLEMS = 100


@dataclass(frozen=True, slots=True)
class Found:
    """One thing wrong with a program. Line and column count from 1."""

    type: str
    message: str
    line: int | None = None
    column: int | None = None


class Policy(RestrictingNodeTransformer):
    """Collects what is forbidden in `found`."""

    def __init__(self) -> None:
        super().__init__()
        self.found: list[Found] = []

    def error(self, node: ast.AST, info: str) -> None:
        if len(self.found) < MAX_PROBLEMS:
            column = getattr(node, "col_offset", None)
            line = getattr(node, "lineno", None)
            self.found.append(Found("SecurityError", info, line, None if column is None else column + 1))

    # --- names ----------------------------------------------------------------------------------

    def check_name(self, node: ast.AST, name: str | None, allow_magic_methods: bool = False) -> None:
        if name is None:
            return
        allowed = names.may_define_method(name) if allow_magic_methods else names.may_bind(name)
        if not allowed:
            self.error(node, f"the name {name!r} may not be used")

    def _keep(self, node: Any) -> Any:
        return self.node_contents_visit(node)

    def visit_Name(self, node: ast.Name) -> Any:
        if isinstance(node.ctx, ast.Load):
            if not (names.may_define_method(node.id) or node.id in ("__name__", "__debug__")):
                self.error(node, f"the name {node.id!r} may not be used")
        elif node.id not in ("__match_args__",):
            self.check_name(node, node.id, allow_magic_methods=True)
        return node

    def visit_Attribute(self, node: ast.Attribute) -> Any:
        node = self._keep(node)
        if not isinstance(node.ctx, ast.Load):
            if not names.may_write(node.attr):
                self.error(node, f"the attribute {node.attr!r} may not be changed")
            node.value = self._guard("_write_", node.value)
            return node
        if node.attr in names.GUARDED:
            return self._guard("_getattr_", node.value, ast.Constant(node.attr), at=node)
        if not names.may_read(node.attr):
            self.error(node, f"the attribute {node.attr!r} may not be read")
        return node

    def _guard(self, guard: str, value: ast.expr, *more: ast.expr, at: ast.expr | None = None) -> ast.expr:
        call = ast.Call(ast.Name(guard, ast.Load()), [value, *more], [])
        place = at if at is not None else value
        return ast.fix_missing_locations(ast.copy_location(call, place))

    def check_import_names(self, node: Any) -> Any:
        for alias in node.names:
            self.check_name(node, alias.asname or alias.name.partition(".")[0])
        return node

    def visit_Import(self, node: ast.Import) -> Any:
        for alias in node.names:
            if not modules.is_admitted(alias.name):
                self.error(node, f"the module {alias.name!r} may not be imported")
        return self.check_import_names(node)

    def visit_ImportFrom(self, node: ast.ImportFrom) -> Any:
        module = node.module or ""
        if node.level or not modules.is_admitted(module):
            self.error(node, f"the module {'.' * node.level + module!r} may not be imported")
            return node
        for alias in node.names:
            if alias.name == "*":
                self.error(node, "import * is not allowed: name what you need")
            elif not modules.has_name(module, alias.name):
                self.error(node, f"{alias.name!r} may not be imported from {module!r}")
        return node if module == "__future__" else self.check_import_names(node)

    def visit_Global(self, node: ast.Global) -> Any:
        for name in node.names:
            self.check_name(node, name)
        return node

    visit_Nonlocal = visit_Global

    def visit_keyword(self, node: ast.keyword) -> Any:
        return self._keep(node)

    # --- definitions ----------------------------------------------------------------------------

    def visit_FunctionDef(self, node: ast.FunctionDef) -> Any:
        self.check_name(node, node.name, allow_magic_methods=True)
        self.check_function_argument_names(node)
        return self._keep(node)

    def visit_ClassDef(self, node: ast.ClassDef) -> Any:
        self.check_name(node, node.name)
        if any(keyword.arg == "metaclass" for keyword in node.keywords):
            self.error(node, "metaclass= is not allowed")
        if any(keyword.arg is None for keyword in node.keywords):
            self.error(node, "** is not allowed among the bases of a class")
        return self._keep(node)

    def visit_Module(self, node: ast.Module) -> Any:
        return self._keep(node)

    def visit_AnnAssign(self, node: ast.AnnAssign) -> Any:
        if isinstance(node.target, ast.Name) and node.target.id == "__match_args__":
            self.error(node, "__match_args__ must be a plain tuple of names")
        return self._keep(node)

    def visit_Assign(self, node: ast.Assign) -> Any:
        for target in node.targets:
            bound = [
                part.id for part in ast.walk(target) if isinstance(part, ast.Name) and isinstance(part.ctx, ast.Store)
            ]
            if "__match_args__" in bound and not (isinstance(target, ast.Name) and _is_harmless_tuple(node.value)):
                self.error(node, "__match_args__ must be a plain tuple of names")
        return self._keep(node)

    def visit_AugAssign(self, node: ast.AugAssign) -> Any:
        if isinstance(node.target, ast.Name) and names.is_dunder(node.target.id):
            self.error(node, f"the name {node.target.id!r} may not be used")
        return self._keep(node)

    def visit_NamedExpr(self, node: ast.NamedExpr) -> Any:
        self.check_name(node, node.target.id)
        return self._keep(node)

    def visit_ExceptHandler(self, node: ast.ExceptHandler) -> Any:
        self.check_name(node, node.name)
        return self._keep(node)

    def visit_MatchAs(self, node: ast.MatchAs) -> Any:
        self.check_name(node, node.name)
        return self._keep(node)

    def visit_MatchStar(self, node: ast.MatchStar) -> Any:
        self.check_name(node, node.name)
        return node

    def visit_MatchMapping(self, node: ast.MatchMapping) -> Any:
        self.check_name(node, node.rest)
        return self._keep(node)

    def visit_MatchClass(self, node: ast.MatchClass) -> Any:
        for attribute in node.kwd_attrs:
            if not names.may_read(attribute):
                self.error(node, f"the attribute {attribute!r} may not be read")
        return self._keep(node)

    # --- what nothing but names decides ---------------------------------------------------------

    visit_Subscript = visit_Slice = visit_Call = visit_For = visit_comprehension = _keep
    visit_With = visit_withitem = visit_Delete = _keep
    visit_Match = visit_match_case = visit_MatchValue = visit_MatchSingleton = _keep
    visit_MatchSequence = visit_MatchOr = _keep
    visit_ListComp = visit_SetComp = visit_DictComp = visit_GeneratorExp = _keep
    visit_Try = visit_Assert = visit_Raise = visit_Starred = visit_Yield = visit_YieldFrom = _keep

    def visit_Lambda(self, node: ast.Lambda) -> Any:
        self.check_function_argument_names(node)
        return self._keep(node)

    def visit_TryStar(self, node: ast.AST) -> Any:
        self.error(node, "except* is not allowed")
        return node


def _is_harmless_tuple(value: ast.expr) -> bool:
    return isinstance(value, ast.Tuple) and all(
        isinstance(item, ast.Constant) and isinstance(item.value, str) and names.may_read(item.value)
        for item in value.elts
    )


def parse(source: str) -> ast.Module:
    """The program's tree. Raises SyntaxError, and whatever the compiler dies of on a hostile one."""
    tree: ast.Module = builtins.compile(
        source.removeprefix("\ufeff"), FILENAME, "exec", ast.PyCF_ONLY_AST, dont_inherit=True
    )
    return tree


def restrict(tree: ast.Module) -> list[Found]:
    """Rewrite the tree under the policy; what it forbids, in the order of the source."""
    policy = Policy()
    policy.visit(tree)
    return sorted(policy.found, key=lambda found: (found.line or 0, found.column or 0))


def compile_program(source: str, *, guarded: bool) -> tuple[Any, list[Found]]:
    """The code object, or None and what is wrong."""
    try:
        tree = parse(source)
        found = restrict(tree) if guarded else []
        if found:
            return None, found
        return builtins.compile(tree, FILENAME, "exec", dont_inherit=True), []
    except SyntaxError as error:
        return None, [_syntax_error(error)]
    except (RecursionError, MemoryError):
        return None, [Found("SyntaxError", "the code is nested too deeply")]
    except ValueError as error:  # a null in the source, an integer of too many digits
        return None, [Found("SyntaxError", str(error)[:200])]


def _syntax_error(error: SyntaxError) -> Found:
    column = error.offset if error.offset and error.offset > 0 else None
    return Found("SyntaxError", error.msg, error.lineno or None, column)


def binds(source: str, name: str) -> bool:
    """Whether the module's own level binds `name` somewhere: def, class, assignment or import."""
    return any(name in _bound(statement) for statement in _own_level(parse(source).body))


def _own_level(statements: list[ast.stmt]) -> list[ast.stmt]:
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


def _bound(statement: ast.stmt) -> set[str]:
    if isinstance(statement, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
        return {statement.name}
    if isinstance(statement, ast.Import | ast.ImportFrom):
        return {(alias.asname or alias.name).partition(".")[0] for alias in statement.names}
    return _stored(statement)


def _stored(tree: ast.AST) -> set[str]:
    """Every name that is assigned somewhere in `tree`."""
    return {node.id for node in ast.walk(tree) if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store)}
