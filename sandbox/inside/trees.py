"""The module `xml.etree.ElementTree` of programs: the library's own, written in Python, without entities and files.

The accelerator in C is left out, because its elements can be changed while it works on them. Entities of a document's
own are refused: they read files, or grow without bound.
"""

from __future__ import annotations

import importlib
import importlib.util
import pyexpat  # noqa: F401  (loaded before the process gives up its files)
import sys
import types
from typing import Any

NAMES = [
    "Element",
    "SubElement",
    "Comment",
    "ProcessingInstruction",
    "PI",
    "QName",
    "ElementTree",
    "ParseError",
    "XML",
    "XMLID",
    "fromstring",
    "fromstringlist",
    "tostring",
    "tostringlist",
    "indent",
    "dump",
    "iselement",
    "register_namespace",
    "parse",
]


def load() -> types.ModuleType:
    """The module, made anew without its accelerator."""
    importlib.import_module("xml.etree.ElementPath")
    spec = importlib.util.find_spec("xml.etree.ElementTree")
    if spec is None or spec.loader is None:
        raise ImportError("this Python has no xml.etree.ElementTree")
    found = importlib.util.module_from_spec(spec)
    before = sys.modules.get("_elementtree")
    sys.modules["_elementtree"] = None  # type: ignore[assignment]
    try:
        spec.loader.exec_module(found)
    finally:
        del sys.modules["_elementtree"]
        if before is not None:
            sys.modules["_elementtree"] = before
    _refuse_entities(found)
    found.open = _refuse_files  # type: ignore[attr-defined]
    return found


def _refuse_files(*_: Any, **__: Any) -> None:
    raise PermissionError("there are no files in the sandbox: use fromstring() and tostring()")


def _refuse_entities(module: Any) -> None:
    original = module.XMLParser.__init__

    def initialise(self: Any, *, target: Any = None, encoding: Any = None) -> None:
        original(self, target=target, encoding=encoding)

        def refuse(*_: Any) -> None:
            raise module.ParseError("a document with entities of its own is not read in the sandbox")

        self.parser.EntityDeclHandler = refuse
        self.parser.ExternalEntityRefHandler = refuse

    module.XMLParser.__init__ = initialise
