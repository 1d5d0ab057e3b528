"""Walks the graph of objects that a program of a lean child can reach, as object_graph.py does for the full one.

A script: `python -I lean_graph.py ALIKE`.
"""

from __future__ import annotations

import importlib.util
import io
import json
import marshal
import os
import resource
import sys
from pathlib import Path
from types import ModuleType
from typing import Any

HERE = Path(__file__).resolve().parent


def _loaded(path: Path) -> Any:
    spec = importlib.util.spec_from_file_location(path.stem, path)
    assert spec is not None
    assert spec.loader is not None
    module: ModuleType = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def _compiled(source: str) -> Any:
    """By a process of its own, so that the policy is not imported here."""
    reading, writing = os.pipe()
    if os.fork() == 0:
        from sandbox.inside import policy

        code, problems = policy.compile_program(source, guarded=True)
        assert not problems, problems
        os.write(writing, marshal.dumps(code))
        os._exit(0)
    os.close(writing)
    with os.fdopen(reading, "rb") as sent:
        return marshal.loads(sent.read())


def main() -> None:
    """Print what object_graph.py prints."""
    walker = _loaded(HERE / "object_graph.py")
    resource.setrlimit(resource.RLIMIT_CPU, (walker.CPU_SECONDS, walker.CPU_SECONDS))
    walker.end_long_calls()
    zygote = _loaded(Path(walker.ROOT, "sandbox", "inside", "zygote.py"))
    zygote.prepare_imports(lean=True)
    walker.remember_damageable_classes()
    import sandbox.inside
    from sandbox.inside import facades, lean, names, run

    code = _compiled(walker.PROGRAM.replace("import functools\n", "").format(methods=walker.spy_methods(names)))
    lean.admit()
    real_stdout = sys.stdout
    sys.stdout = sys.__stdout__ = io.StringIO()  # type: ignore[misc,assignment]
    namespace = run._namespace(guarded=True)
    exec(code, namespace)
    graph = walker.Graph(namespace, sandbox.inside, int(sys.argv[1]))
    walker.add_roots(graph, facades, None)
    graph.walk(None)
    sys.stdout = real_stdout
    print(json.dumps({"objects": len(graph.kept), "calls": graph.calls, "forbidden": graph.forbidden}))
    real_stdout.flush()
    os._exit(0)


if __name__ == "__main__":
    main()
