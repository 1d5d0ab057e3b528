"""Each file of the inside can be read after those that it imports."""

from __future__ import annotations

import ast
import graphlib
from pathlib import Path

INSIDE = Path(__file__).parents[2] / "sandbox" / "inside"


def _imports(path: Path) -> set[str]:
    """Our own files that a file imports, wherever in it."""
    found: set[str] = set()
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.ImportFrom) and node.module == "sandbox.inside":
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and (node.module or "").startswith("sandbox.inside."):
            found.add((node.module or "").removeprefix("sandbox.inside."))
    return found


def test_no_file_of_the_inside_imports_itself_by_way_of_others() -> None:
    imports = {path.stem: _imports(path) for path in INSIDE.glob("*.py")}
    assert imports["guards"]
    order = list(graphlib.TopologicalSorter(imports).static_order())  # raises CycleError, which names the circle
    for chain in (("names", "attributes", "guards", "zygote"), ("names", "policy", "zygote")):
        places = [order.index(each) for each in chain]
        assert places == sorted(places)
