"""Makes the mutants of a Python file.

Operators, conditions and numbers are changed, statements are removed, and arguments are swapped. Annotations, texts and
statements that only write a log are left alone.
"""

from __future__ import annotations

import ast
import itertools
import re

from tests.mutants.mutant import Mutant, mutant

COMPARISONS: dict[type[ast.AST], tuple[str, str]] = {
    ast.Eq: ("==", "!="),
    ast.NotEq: ("!=", "=="),
    ast.Lt: ("<", "<="),
    ast.LtE: ("<=", "<"),
    ast.Gt: (">", ">="),
    ast.GtE: (">=", ">"),
    ast.In: ("in", "not in"),
    ast.NotIn: (r"not\s+in", "in"),
    ast.Is: ("is", "is not"),
    ast.IsNot: (r"is\s+not", "is"),
}
NEGATED = (ast.Eq, ast.NotEq, ast.In, ast.NotIn, ast.Is, ast.IsNot)
OPERATIONS: dict[type[ast.AST], tuple[str, str]] = {
    ast.Add: (r"\+", "-"),
    ast.Sub: ("-", "+"),
    ast.Mult: (r"\*", "//"),
    ast.Div: ("/", "*"),
    ast.FloorDiv: ("//", "*"),
    ast.Mod: ("%", "//"),
    ast.Pow: (r"\*\*", "*"),
    ast.LShift: ("<<", ">>"),
    ast.RShift: (">>", "<<"),
    ast.BitAnd: ("&", "|"),
    ast.BitOr: (r"\|", "&"),
}
SWAPPED_NAMES = {"min": "max", "max": "min", "any": "all", "all": "any"}
LOGS = re.compile(r"(self\.)?_?log(ger|_\w+)?\b")


def mutants_of(path: str, source: bytes) -> list[Mutant]:
    """All mutants of a Python file, in the order of the file."""
    finder = _Finder(path, source)
    for statement in ast.parse(source).body:
        finder.visit(statement)
    return sorted(finder.found, key=lambda each: (each.start, each.end))


class _Finder(ast.NodeVisitor):
    def __init__(self, path: str, source: bytes) -> None:
        self.found: list[Mutant] = []
        self._path, self._source = path, source
        ends = itertools.accumulate(len(line) for line in source.splitlines(keepends=True))
        self._line_starts = [0, *ends]

    def _place(self, line: int, column: int) -> int:
        return self._line_starts[line - 1] + column

    def _span(self, node: ast.expr | ast.stmt) -> tuple[int, int]:
        return self._place(node.lineno, node.col_offset), self._place(node.end_lineno or 0, node.end_col_offset or 0)

    def _text(self, node: ast.expr | ast.stmt) -> str:
        start, end = self._span(node)
        return self._source[start:end].decode()

    def _replace(self, start: int, end: int, after: str) -> None:
        self.found.append(mutant(self._path, self._source, start, end, after))

    def _replace_between(self, left: ast.expr, right: ast.expr, pattern: str, after: str) -> None:
        """Replace what matches the pattern between two expressions."""
        low, high = self._span(left)[1], self._span(right)[0]
        found = re.search(pattern.encode(), self._source[low:high])
        if found:
            self._replace(low + found.start(), low + found.end(), after)

    def _negate(self, condition: ast.expr) -> None:
        """Not for what has a mutant of the same effect."""
        if isinstance(condition, ast.UnaryOp) or (
            isinstance(condition, ast.Compare) and len(condition.ops) == 1 and isinstance(condition.ops[0], NEGATED)
        ):
            return
        start, end = self._span(condition)
        self._replace(start, end, f"(not ({self._text(condition)}))")

    def visit_Compare(self, node: ast.Compare) -> None:
        for left, operator, right in zip([node.left, *node.comparators], node.ops, node.comparators, strict=False):
            self._replace_between(left, right, *COMPARISONS[type(operator)])
        self.generic_visit(node)

    def visit_BinOp(self, node: ast.BinOp) -> None:
        if type(node.op) in OPERATIONS and not _is_text(node.left):
            self._replace_between(node.left, node.right, *OPERATIONS[type(node.op)])
        self.generic_visit(node)

    def visit_BoolOp(self, node: ast.BoolOp) -> None:
        before, after = ("and", "or") if isinstance(node.op, ast.And) else ("or", "and")
        for left, right in itertools.pairwise(node.values):
            self._replace_between(left, right, rf"\b{before}\b", after)
        self.generic_visit(node)

    def visit_UnaryOp(self, node: ast.UnaryOp) -> None:
        if isinstance(node.op, (ast.Not, ast.USub)):
            self._replace(*self._span(node), self._text(node.operand))
        self.generic_visit(node)

    def visit_Constant(self, node: ast.Constant) -> None:
        if isinstance(node.value, bool):
            self._replace(*self._span(node), str(not node.value))
        elif isinstance(node.value, (int, float)):
            for change in (1, -1):
                self._replace(*self._span(node), repr(node.value + change))

    def visit_Set(self, node: ast.Set) -> None:
        """Remove each element."""
        for first, second in itertools.pairwise(node.elts):
            self._replace(self._span(first)[0], self._span(second)[0], "")
        if len(node.elts) > 1:
            self._replace(self._span(node.elts[-2])[1], self._span(node.elts[-1])[1], "")
        self.generic_visit(node)

    def visit_Dict(self, node: ast.Dict) -> None:
        """Remove each entry of a table, which is one with several entries that are no strings."""
        pairs = [(key, value) for key, value in zip(node.keys, node.values, strict=True) if key is not None]
        if len(pairs) == len(node.keys) > 1 and not isinstance(node.keys[0], ast.Constant):
            for (first, _), (second, _) in itertools.pairwise(pairs):
                self._replace(self._span(first)[0], self._span(second)[0], "")
            self._replace(self._span(pairs[-2][1])[1], self._span(pairs[-1][1])[1], "")
        self.generic_visit(node)

    def visit_If(self, node: ast.If) -> None:
        self._negate(node.test)
        self.generic_visit(node)

    def visit_While(self, node: ast.While) -> None:
        if not isinstance(node.test, ast.Constant):
            self._negate(node.test)
        self.generic_visit(node)

    def visit_IfExp(self, node: ast.IfExp) -> None:
        self._negate(node.test)
        self.generic_visit(node)

    def visit_comprehension(self, node: ast.comprehension) -> None:
        for condition in node.ifs:
            self._negate(condition)
        self.generic_visit(node)

    def visit_Expr(self, node: ast.Expr) -> None:
        if isinstance(node.value, ast.Constant) or LOGS.match(self._text(node)):
            return
        self._replace(*self._span(node), "pass")
        self.generic_visit(node)

    def visit_Assign(self, node: ast.Assign) -> None:
        if any(isinstance(target, (ast.Attribute, ast.Subscript)) for target in node.targets):
            self._replace(*self._span(node), "pass")
        self.generic_visit(node)

    def visit_AnnAssign(self, node: ast.AnnAssign) -> None:
        if node.value is not None:
            self.visit(node.value)

    def visit_AugAssign(self, node: ast.AugAssign) -> None:
        self._replace(*self._span(node), "pass")
        if isinstance(node.op, (ast.Add, ast.Sub)) and not _is_text(node.value):
            before, after = (r"\+", "-") if isinstance(node.op, ast.Add) else ("-", "+")
            self._replace_between(node.target, node.value, before, after)  # type: ignore[arg-type]
        self.visit(node.value)

    def visit_Break(self, node: ast.Break) -> None:
        self._replace(*self._span(node), "continue")

    def visit_Continue(self, node: ast.Continue) -> None:
        self._replace(*self._span(node), "break")

    def visit_Raise(self, node: ast.Raise) -> None:
        self._replace(*self._span(node), "pass")
        self.generic_visit(node)

    def visit_Call(self, node: ast.Call) -> None:
        if isinstance(node.func, ast.Name) and node.func.id in SWAPPED_NAMES:
            self._replace(*self._span(node.func), SWAPPED_NAMES[node.func.id])
        elif len(node.args) > 1 and not any(isinstance(each, ast.Starred) for each in node.args[:2]):
            first, second = node.args[:2]
            start, end = self._span(first)[0], self._span(second)[1]
            if self._text(first) != self._text(second):
                self._replace(start, end, f"{self._text(second)}, {self._text(first)}")
        self.generic_visit(node)

    def visit_FunctionDef(self, node: ast.FunctionDef) -> None:
        for default in (*node.args.defaults, *node.args.kw_defaults):
            if default is not None:
                self.visit(default)
        for statement in node.body:
            self.visit(statement)

    def visit_ClassDef(self, node: ast.ClassDef) -> None:
        for statement in node.body:
            self.visit(statement)

    def visit_JoinedStr(self, node: ast.JoinedStr) -> None:
        """Python 3.11 gives no exact places within f-strings."""


def _is_text(node: ast.expr) -> bool:
    return isinstance(node, ast.JoinedStr) or (isinstance(node, ast.Constant) and isinstance(node.value, (str, bytes)))
