"""Reads YAML and JSON as plain values: objects, lists, strings, numbers, booleans and null.

YAML is that of version 1.2's core schema, without aliases: `on` and `no` are strings, `2026-01-01` and `12:30` too, and
a name that stands twice is an error. Files come from anywhere, so their size is bounded.
"""

from __future__ import annotations

import json
import math
import re
from collections.abc import Hashable
from typing import Any

import yaml

MAX_FILE_BYTES = 4_194_304
MAX_DOCUMENTS = 10_000
_STAR = "put quotes around a text that begins with *"


class BadFile(ValueError):
    """A file can't be read; the message says where and why."""


class _Loader(yaml.SafeLoader):
    """YAML without aliases, duplicate names and surprising types."""

    yaml_implicit_resolvers: dict[str, list[tuple[str, re.Pattern[str]]]] = {}  # noqa: RUF012 - as in the base class

    def compose_node(self, parent: Any, index: Any) -> Any:
        if self.check_event(yaml.AliasEvent):
            event = self.peek_event()
            raise yaml.composer.ComposerError(None, None, f"aliases are not permitted: {_STAR}", event.start_mark)
        return super().compose_node(parent, index)

    def construct_mapping(self, node: Any, deep: bool = False) -> dict[Hashable, Any]:
        found: dict[Hashable, Any] = {}
        for name_node, value_node in node.value:
            name = self.construct_object(name_node, deep=True)
            if not isinstance(name, str):
                raise yaml.constructor.ConstructorError(None, None, "a name must be a text", name_node.start_mark)
            if name in found:
                raise yaml.constructor.ConstructorError(None, None, f"{name!r} stands twice", name_node.start_mark)
            found[name] = self.construct_object(value_node, deep=True)
        return found


_TAG = "tag:yaml.org,2002:"
_Loader.yaml_constructors = {
    tag: make
    for tag, make in yaml.SafeLoader.yaml_constructors.items()
    if tag is None or tag.removeprefix(_TAG) in ("null", "bool", "int", "float", "str", "seq", "map")
}


def _refused(node: Any, words: str) -> yaml.constructor.ConstructorError:
    return yaml.constructor.ConstructorError(None, None, words, node.start_mark)


def _integer(loader: _Loader, node: Any) -> int:
    """As from JSON: Python reads 4,300 digits at most, since the cost grows with the square of their number."""
    try:
        return int(loader.construct_yaml_int(node))
    except (ValueError, IndexError):  # as from `!!int a` and `!!int ''`, too
        raise _refused(node, "this is not an integer, or has too many digits") from None


def _float(loader: _Loader, node: Any) -> float:
    """As from JSON, which has no infinity."""
    try:
        value = float(loader.construct_yaml_float(node))
    except (ValueError, IndexError):
        value = math.inf
    if not math.isfinite(value):
        raise _refused(node, "this is not a number, or is too large for one")
    return value


def _bool(loader: _Loader, node: Any) -> bool:
    try:
        return bool(loader.construct_yaml_bool(node))
    except KeyError:
        raise _refused(node, "this is neither true nor false") from None


_Loader.add_constructor(_TAG + "int", _integer)
_Loader.add_constructor(_TAG + "float", _float)
_Loader.add_constructor(_TAG + "bool", _bool)


def _resolve(tag: str, pattern: str, first: str) -> None:
    """Give plain texts that match the type `tag`; first: the characters with which they begin."""
    _Loader.add_implicit_resolver(_TAG + tag, re.compile(pattern), list(first) or [""])


_resolve("bool", r"^(?:true|false)$", "tf")
_resolve("null", r"^(?:null|~)$", "n~")
_resolve("null", r"^$", "")
_resolve("int", r"^[-+]?(?:0|[1-9][0-9]*)$", "-+0123456789")
_resolve("float", r"^[-+]?(?:0|[1-9][0-9]*)(?:\.[0-9]+)(?:[eE][-+]?[0-9]{1,3})?$", "-+0123456789")


def read_yaml(text: str) -> list[Any]:
    """The documents in `text`; empty ones are left out. Raises BadFile."""
    try:
        documents = []
        for document in yaml.load_all(text, _Loader):
            documents.append(document)
            if len(documents) > MAX_DOCUMENTS:
                raise BadFile(f"it has more than {MAX_DOCUMENTS:,} documents")
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark
        where = f"line {mark.line + 1}, column {mark.column + 1}: " if mark else ""
        hint = f": {_STAR}" if error.context == "while scanning an alias" else ""
        raise BadFile(f"{where}{error.problem or error.context}{hint}") from None
    except yaml.YAMLError as error:
        raise BadFile(str(error).splitlines()[0]) from None
    except RecursionError:
        raise BadFile("it is nested too deeply") from None
    return [document for document in documents if document is not None]


def read_json(text: str) -> list[Any]:
    """The documents in `text`: the members of an array, or one. Raises BadFile."""
    try:
        found = json.loads(text, object_pairs_hook=_object, parse_constant=_refuse_constant)
    except BadFile:
        raise
    except ValueError as error:
        raise BadFile(str(error)) from None
    except RecursionError:
        raise BadFile("it is nested too deeply") from None
    return found if isinstance(found, list) else [found]


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) != len(pairs):
        names = [name for name, _ in pairs]
        raise BadFile(f"{next(name for name in names if names.count(name) > 1)!r} stands twice")
    return found


def _refuse_constant(word: str) -> None:
    raise BadFile(f"{word} is not JSON")


_OURS = _Loader.yaml_implicit_resolvers
_YAML_1_1 = yaml.SafeDumper.yaml_implicit_resolvers


class _Dumper(yaml.SafeDumper):
    """YAML that people edit: texts of several lines as blocks.

    It quotes texts that `read_yaml` would take for something else, and those that a reader of YAML 1.1 would, as `on`.
    """

    yaml_implicit_resolvers = {  # noqa: RUF012 - as in the base class
        first: [*_OURS.get(first, []), *_YAML_1_1.get(first, [])] for first in {*_OURS, *_YAML_1_1}
    }

    def ignore_aliases(self, data: Any) -> bool:
        return True


#: Where they are not escaped, PyYAML reads them as line breaks, and the first as a newline.
_OTHER_BREAKS = re.compile("[\x85\u2028\u2029]")


def _text(dumper: yaml.SafeDumper, text: str) -> Any:
    style = '"' if _OTHER_BREAKS.search(text) else "|" if "\n" in text else None
    return dumper.represent_scalar(_TAG + "str", text, style=style)


_Dumper.add_representer(str, _text)


def write_yaml(documents: list[Any]) -> str:
    """The documents as YAML that `read_yaml` reads back as they are."""
    return str(yaml.dump_all(documents, Dumper=_Dumper, sort_keys=False, allow_unicode=True, width=120))
