"""Named tuples and dataclasses, whose fields the library pastes into source code, or reads without a guard."""

from __future__ import annotations

import collections
import dataclasses
import itertools
from collections.abc import Callable, Iterable
from typing import Any

from sandbox.inside import classes, facades, names, ownership, refusals

_namedtuple = collections.namedtuple


def namedtuple(typename: Any, field_names: Any, **options: Any) -> Any:
    """collections.namedtuple; its fields end up in `__match_args__`, by which a pattern reads without a guard."""
    split = str(field_names).replace(",", " ").split() if isinstance(field_names, str) else field_names
    # str(x) may be of a subclass, which says another thing each time
    listed = [str.__str__(str(each)) for each in split]
    if not options.get("rename"):
        classes.check_field_names([each for each in listed if each.isidentifier()])
    options["module"] = names.MODULE
    made: Any = _namedtuple(str.__str__(str(typename)), listed, **options)
    return _harmless_to_match(made)


def _harmless_to_match(made: Any) -> Any:
    """A class pattern may bind the fields up to the first that it may not read."""
    matched = made.__dict__.get("__match_args__", ())
    harmless = _up_to_the_first_harmful(matched)
    if len(harmless) < len(matched):
        type.__setattr__(made, "__match_args__", harmless)
    return made


def _up_to_the_first_harmful(fields: Iterable[str]) -> tuple[str, ...]:
    return tuple(itertools.takewhile(names.may_match, fields))


def dataclass(cls: Any = None, /, **options: Any) -> Any:
    """dataclasses.dataclass; the library pastes the fields' names into source code."""
    if cls is None:
        return lambda decorated: dataclass(decorated, **options)
    own = ownership.is_class(cls) and ownership.is_programs_own(cls)
    if not own or issubclass(cls, type) or not _is_of_program(cls):
        raise refusals.SecurityError("only a class of the program can become a dataclass")
    for each in type.mro(cls):
        if any("__getattr__" in vars(kind) for kind in type.mro(type(each))):
            raise refusals.SecurityError("a class whose metaclass has __getattr__ can't become a dataclass")
    _check_inherited_fields(cls)
    options["slots"] = bool(options.get("slots"))
    if options["slots"] and ownership.is_programs_own(type(cls)):
        # The class is made anew, by a class of classes that would be handed the real dict of its fields.
        raise refusals.SecurityError("a class with a class of classes of its own can't become a dataclass with slots")
    wanted = options.get("match_args", True)
    made: Any = dataclasses.dataclass(cls, **{**options, "match_args": False})
    if wanted and "__match_args__" not in vars(made):
        # Not by the library: with slots=True it hands the new class to __init_subclass__ before we could shorten them.
        type.__setattr__(made, "__match_args__", _positional_fields(made))
    return _harmless_to_match(made)


def _is_of_program(cls: Any) -> bool:
    """By its `__module__`, in whose globals the library runs what it pastes."""
    module = cls.__module__
    return type(module) is str and module == names.MODULE


def _check_inherited_fields(cls: type) -> None:
    """Their names are pasted, too, whoever may have got hold of the dict."""
    for base in type.mro(cls):
        inherited = vars(base).get(_FIELDS, {})
        if type(inherited) is not dict or any(type(each) is not dataclasses.Field for each in inherited.values()):
            raise refusals.SecurityError("a field of a dataclass must be made by field()")
        classes.check_field_names(each.name for each in inherited.values())


def _positional_fields(made: Any) -> tuple[str, ...]:
    kinds = (dataclasses._FIELD, dataclasses._FIELD_INITVAR)  # type: ignore[attr-defined]
    fields = type.__getattribute__(made, "__dataclass_fields__").values()
    return _up_to_the_first_harmful(
        each.name for each in fields if each._field_type in kinds and each.init and not each.kw_only
    )


def make_dataclass(cls_name: str, fields: Any, *, bases: Any = (), namespace: Any = None, **options: Any) -> Any:
    """dataclasses.make_dataclass, from names that could stand in a program."""
    annotations: dict[str, Any] = {}
    body: dict[str, Any] = dict(namespace or {})
    for each in fields:
        name, kind, default = (each, Any, ()) if isinstance(each, str) else (each[0], each[1], each[2:])
        annotations[name] = kind
        if default:
            body[name] = default[0]
    made = classes.GuardedType(str.__str__(str(cls_name)), tuple(bases), {**body, "__annotations__": annotations})
    return dataclass(made, **options)


_FIELDS = "__dataclass_fields__"
_fields_of_class = dataclasses.fields


def fields(holder: Any) -> tuple[Any, ...]:
    """dataclasses.fields, of the class: an instance could say anything, and what it says is read without a guard."""
    kind = holder if ownership.is_class(holder) else type(holder)
    found = _fields_of_class(kind)
    for each in found:
        if type(each) is not dataclasses.Field:
            raise refusals.SecurityError("a field of a dataclass must be made by field()")
        if each.name in names.GUARDED and any(each.name in vars(base) for base in _ancestors_of_the_library(kind)):
            raise refusals.SecurityError(f"a field can't be called {each.name!r} here: the base class has that")
    return found


def _ancestors_of_the_library(kind: type) -> list[type]:
    return [base for base in type.mro(kind) if not ownership.is_programs_own(base)]


def _guard_replace() -> None:
    """It reads by the names that the instance gives."""
    name = "_replace" if hasattr(dataclasses, "_replace") else "replace"  # Python 3.13: the former is a method too
    original = getattr(dataclasses, name)

    def replace(obj: Any, /, **changes: Any) -> Any:
        if hasattr(type(obj), _FIELDS):
            fields(obj)
            own = getattr(obj, "__dict__", {})
            # No `in`: a key that is no plain string could answer otherwise the next time.
            plain = type(own) is dict and all(type(key) is str and key != _FIELDS for key in own)
            if not plain or type(getattr(type(obj), _FIELDS)) is not dict:
                raise refusals.SecurityError("the fields of an object are those of its class")
        return original(obj, **changes)

    setattr(dataclasses, name, replace)


def _guard_fields() -> None:
    original = dataclasses._get_field  # type: ignore[attr-defined]

    def get_field(cls: Any, name: Any, *args: Any) -> Any:
        classes.check_field_names([name])
        holder = next((base for base in type.mro(cls) if name in vars(base)), cls)
        if not ownership.is_programs_own(holder) and (name in names.GUARDED or names.is_private(name)):
            # Its default would be the library's: `str.format` itself.
            raise refusals.SecurityError(f"a field can't be called {name!r} here: the base class has that")
        found = original(cls, name, *args)
        if type(found) is not dataclasses.Field:
            raise refusals.SecurityError("a field of a dataclass must be made by field()")
        return found

    def set_attribute(self: Any, name: str, value: Any) -> None:
        if name == "name" and value is not None:
            classes.check_field_names([value])  # methods of the library can be called with a field for their self
        object.__setattr__(self, name, value)

    dataclasses._get_field = get_field  # type: ignore[attr-defined]
    dataclasses.Field.__setattr__ = set_attribute  # type: ignore[method-assign]
    dataclasses.fields = fields  # type: ignore[assignment]


def _guard_annotations() -> None:
    """`typing.ClassVar` in an annotation that is a string: the program's `typing` is a façade and not the module."""
    original = dataclasses._is_type  # type: ignore[attr-defined]

    def is_type(annotation: Any, cls: Any, module: Any, kind: Any, predicate: Callable[[Any, Any], bool]) -> Any:
        found = dataclasses._MODULE_IDENTIFIER_RE.match(annotation)  # type: ignore[attr-defined]
        if found and found[1] and facades.module_behind(ownership.state.program.get(found[1])) == module.__name__:
            return predicate(vars(module).get(found[2]), module)
        return original(annotation, cls, module, kind, predicate)

    dataclasses._is_type = is_type  # type: ignore[attr-defined]


def guard_dataclasses() -> None:
    """Make the library keep to the rules for attributes where it makes or copies dataclasses. Once, in the zygote."""
    _guard_fields()
    _guard_annotations()
    _guard_replace()
