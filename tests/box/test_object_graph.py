"""Nothing that leads out of the sandbox can be reached from anything that a program can name.

object_graph.py walks; a second test changes the library for the worse, each time by one thing of a known kind, and expects
the walk to find that.
"""

from __future__ import annotations

import pytest

from tests.box.conftest import Walk


def test_no_path_leads_out(walk: Walk) -> None:
    [walked] = walk("object_graph.py")
    assert walked["forbidden"] == {}
    assert walked["objects"] > 10_000  # it has not stopped at the door
    assert walked["calls"] > 500_000


_FACADE = """
ONLY = "{module}"
WANTED = "{wanted}"
def change():
    from sandbox.inside import facades
    {change}
change()
"""

MUTATIONS = {
    "a decorator copies the namespace of a class": (
        "functools",
        "import functools, types\n"
        "    def decorate(f):\n"
        "        made = functools.partial(print)\n"
        "        vars(made).update(vars(f))\n"
        "        return made\n"
        "    vars(facades.admitted['functools'])['wraps'] = decorate",
        "the descriptor __globals__ of function",
    ),
    "a view hands out the mapping behind it": (
        "struct",
        "import types, json\n"
        "    vars(facades.admitted['struct'])['table'] = types.MappingProxyType({'held': vars(json)})",
        "the namespace of module json",
    ),
    "a view compares the mapping behind it": (
        "struct",
        "import types, json\n    vars(facades.admitted['struct'])['table'] = types.MappingProxyType(vars(json))",
        "the namespace of module json",
    ),
    "a function calls back with the class of a class": (
        "struct",
        "vars(facades.admitted['struct'])['call'] = lambda f: f(type(int))",
        "the real class of classes type",
    ),
    "a method is handed a frame": (
        "struct",
        "import sys\n    vars(facades.admitted['struct'])['find'] = lambda spy: spy == sys._getframe()",
        "a frame object",
    ),
    "an error holds a module": (
        "struct",
        "import json\n    def fail(): raise KeyError(json)\n    vars(facades.admitted['struct'])['fail'] = fail",
        "a module object",
    ),
    "an object gives its code by a public name": (
        "struct",
        "import types\n    vars(facades.admitted['struct'])['run'] = types.SimpleNamespace(code=_walk_me.__code__)\n"
        "def _walk_me(): pass",
        "a code object",
    ),
    "a real builtin is handed out": (
        "struct",
        "vars(facades.admitted['struct'])['reader'] = getattr",
        "the real getattr",
    ),
    "a type with a known hole is handed out": (
        "collections",
        "import _collections\n    vars(facades.admitted['collections'])['OrderedDict'] = _collections.OrderedDict",
        "the class collections.OrderedDict",
    ),
    "a class of classes stands in a module": (
        "abc",
        "import abc\n    vars(facades.admitted['abc'])['Meta'] = abc.ABCMeta",
        "the real class of classes ABCMeta",
    ),
    "a function of the process is a method": (
        "struct",
        "import os\n    class Files: number = staticmethod(os.getpid)\n"
        "    vars(facades.admitted['struct'])['Files'] = Files",
        "posix.getpid",
    ),
}


@pytest.fixture(scope="module")
def forbidden_by_mutation(walk: Walk, tmp_path_factory: pytest.TempPathFactory) -> dict[str, dict[str, str]]:
    """What the walk finds in each changed library."""
    folder = tmp_path_factory.mktemp("mutations")
    paths = []
    for number, (module, change, expected) in enumerate(MUTATIONS.values()):
        paths.append(folder / f"mutation_{number}.py")
        paths[-1].write_text(_FACADE.format(module=module, wanted=expected, change=change))
    walked = walk("object_graph.py", *map(str, paths))
    return {name: each["forbidden"] for name, each in zip(MUTATIONS, walked, strict=True)}


@pytest.mark.parametrize("mutation", MUTATIONS)
def test_the_walk_finds_what_would_lead_out(forbidden_by_mutation: dict[str, dict[str, str]], mutation: str) -> None:
    *_, expected = MUTATIONS[mutation]
    assert expected in forbidden_by_mutation[mutation]
