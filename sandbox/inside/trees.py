"""The module `xml.etree.ElementTree` of programs: the library's own, written in Python, without entities and files.

The accelerator in C is left out, because its elements can be changed while it works on them. Entities of a document's
own are refused: they read files, or grow without bound.
"""

from __future__ import annotations

import importlib
import sys
import types
from typing import Any


def load() -> types.ModuleType:
    """The module, without its accelerator."""
    sys.modules["_elementtree"] = None  # type: ignore[assignment]
    found: Any = importlib.import_module("xml.etree.ElementTree")
    _refuse_entities(found)
    found.open = _refuse_files
    return found  # type: ignore[no-any-return]


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
