"""Which names a program may use for variables, methods and attributes. Policy is data."""

from __future__ import annotations

from typing import Any

from sandbox.inside.words import words

#: The file name of a program's code.
FILENAME = "<task>"
#: `__name__` of the program, and `__module__` of what it defines.
MODULE = "task"
#: Attributes of generators, coroutines, frames and tracebacks that lead to frames or code: RestrictedPython's list,
#: written out here because it is needed where RestrictedPython is not imported.
INSPECT_ATTRIBUTES = words(
    "ag_await ag_code ag_frame co_code cr_await cr_code cr_frame cr_origin f_back f_builtins f_code f_generator "
    "f_globals f_locals f_trace gi_code gi_frame gi_yieldfrom tb_frame tb_next"
)

#: Special methods that a program may define, call and read. What each does concerns the program's own objects only.
METHODS = frozenset(
    f"__{name}__"
    for name in words(
        "init new post_init init_subclass set_name class_getitem del call repr str bytes format bool hash dir "
        "sizeof len length_hint iter next reversed contains getitem setitem delitem missing eq ne lt le gt ge "
        "add sub mul matmul truediv floordiv mod divmod pow lshift rshift and or xor neg pos abs invert radd "
        "rsub rmul rmatmul rtruediv rfloordiv rmod rdivmod rpow rlshift rrshift rand ror rxor iadd isub imul "
        "imatmul itruediv ifloordiv imod ipow ilshift irshift iand ior ixor int float complex index round "
        "trunc floor ceil fspath enter exit getattr setattr delattr get set delete copy deepcopy replace "
        "instancecheck getstate setstate await aiter anext aenter aexit"
    )
)

#: Methods that are handed classes, the real `type` among them: each is wrapped where it is defined, and by `def` only.
CLASS_HOOKS = frozenset({"__subclasshook__", "__subclasscheck__"})

#: Assigned in a class, beside methods. (`__match_args__` too, as a plain tuple of harmless names: policy.visit_Assign.)
CLASS_VARIABLES = frozenset({"__slots__", "__hash__", "__doc__", "__test__"})

#: Special names that may stand in `__slots__`. An empty slot by any other (`__class__`) would hide what the
#: interpreter has there, and the class' `__getattr__` would answer in its place.
SLOTS = frozenset({"__dict__", "__weakref__"})

#: What a class of classes may not define. The library looks classes up in its tables, so `__eq__` and `__hash__` of one
#: would be handed the classes in there (`type`, the class of code objects); `__getattr__` would answer for
#: `__match_args__` and its like; `__setattr__` and `__delattr__` would be handed what dataclasses set, the dict of the
#: fields that they then paste into source, and setters that they compile; `mro` decides who the ancestors are.
NOT_OF_CLASSES = frozenset({"__eq__", "__hash__", "__getattr__", "__setattr__", "__delattr__", "__match_args__", "mro"})

#: What people write at the top of a module.
MODULE_VARIABLES = frozenset(
    f"__{name}__" for name in words("version author all doc license copyright credits date email maintainer status")
)

#: Variables that may be read beside those that may be assigned.
READABLE_VARIABLES = frozenset({"__name__", "__debug__", "__class__"})

#: Special attributes that are read as they are.
READABLE = (
    METHODS
    - {
        "__init__",
        "__get__",
        "__setattr__",
        "__delattr__",
        "__new__",
        "__set__",
        "__delete__",
        "__instancecheck__",
        "__getattr__",
        "__replace__",
    }
    - {
        "__getstate__",
        "__setstate__",
    }  # object's tells the hidden fields of anything, as the code of a forward reference
) | {
    "__subclasshook__",
    "__name__",
    "__qualname__",
    "__doc__",
    "__module__",
    "__slots__",
    "__match_args__",
    "__abstractmethods__",
    "__suppress_context__",
    "__notes__",
    "__version__",
}

#: Attributes that are read through a guard of their own (attributes.SPECIAL), which looks at the object and at
#: what it answers.
GUARDED = frozenset(
    {
        "format",
        "format_map",
        "mro",
        "groupindex",
        "__members__",
        "__init__",
        "__get__",
        "__class__",
        "__cause__",
        "__context__",
        "__dict__",
        "__setattr__",
        "__delattr__",
        "__new__",
        "__wrapped__",
        "__replace__",
        "__annotations__",
        "__subclasses__",
        "__mro__",
        "__bases__",
        "__base__",
        "__set__",
        "__delete__",
        "__getattr__",
    }
)

#: Special attributes that may be set on a program's own objects. (`__dict__` of a class can't be, by anyone.)
WRITABLE = METHODS | {
    "__dict__",
    "__doc__",
    "__name__",
    "__qualname__",
    "__cause__",
    "__context__",
    "__suppress_context__",
}

#: Attributes with a leading underscore that belong to the standard library, and are documented.
PRIVATE_OF_THE_LIBRARY = frozenset(
    words(
        "_asdict _replace _make _fields _field_defaults _name_ _value_ _missing_ _generate_next_value_ "
        "_ignore_ _order_ _member_names_ _member_map_ _value2member_map_ _member_type_ _iter_member_"
    )
)

#: Left out, with the reason.
LEFT_OUT = {
    "__globals__": "the interpreter's own modules are one step from a function's globals",
    "__builtins__": "the unguarded builtins",
    "__code__": "code that no policy has seen",
    "__closure__": "cells of the guards' own functions",
    "__defaults__": "a guard's could be replaced",
    "__kwdefaults__": "as __defaults__",
    "__self__": "a builtin function's is the builtins module",
    "__func__": "a function under its guard",
    "__getattribute__": "object's reads any attribute, unguarded; one of the program's own lies to the library",
    "__reduce__": "runs any function with any arguments when copied, and sets attributes on what it gives",
    "__reduce_ex__": "as __reduce__",
    "__getnewargs__": "as __reduce__",
    "__getnewargs_ex__": "as __reduce__",
    "__mro_entries__": "puts any class into the bases of another",
    "__prepare__": "a namespace of a class that is no dict",
    "__dataclass_fields__": "dataclasses paste the names in it into source code",
    "__orig_bases__": "aliases, and the classes behind them",
    "__traceback__": "leads to frames",
    "__loader__": "loads modules",
    "__spec__": "leads to a loader",
    "__import__": "imports without a guard",
    "__origin__": "the class behind an alias, unguarded",
    "__args__": "as __origin__",
    "__objclass__": "a class, unguarded",
    "__weakref__": "of no use without weakref",
    **dict.fromkeys(INSPECT_ATTRIBUTES, "leads to frames or code"),
}

#: The guards' names in a program's tree, by what they are for. No source can spell them.
READ_PUBLIC, READ_PRIVATE, READ_SPECIAL = "<read>", "<read private>", "<read special>"
WRITE, CHANGE = "<write>", "<change>"
HOOK, CHECK_SLOTS, RAISE_ON = "<hook>", "<slots>", "<raise on>"


def is_special(name: str) -> bool:
    """`__x__`: a name to which the language gives a meaning. `_`, `__` are not."""
    return name.startswith("__") and name.endswith("__") and name.strip("_") != ""


def is_private(name: str) -> bool:
    """`_x`, `__x`, `_`: a name that its owner keeps for itself."""
    return name.startswith("_") and not is_special(name)


def mangled(name: str, class_name: str | None) -> str:
    """What the compiler makes of `__x` within a class; a string that names an attribute has to be told."""
    if class_name is None or not name.startswith("__") or name.endswith("__"):
        return name
    owner = class_name.lstrip("_")
    return f"_{owner}{name}" if owner else name


def may_bind(name: str) -> bool:
    """Whether a variable, argument, function, class, import or dataclass field may have this name."""
    if name in LEFT_OUT:
        return False
    return not is_special(name) or name in METHODS or name in CLASS_VARIABLES or name in MODULE_VARIABLES


def may_load(name: str) -> bool:
    """Whether a variable may be read."""
    return may_bind(name) or name in READABLE_VARIABLES


def may_read(name: str) -> bool:
    """Whether an attribute may be read at all; private and GUARDED ones then depend on the object."""
    if name in LEFT_OUT:
        return False
    return not is_special(name) or name in READABLE or name in GUARDED


def may_write(name: str) -> bool:
    """Whether an attribute may be set or deleted, of an object that permits it."""
    return name not in LEFT_OUT and (not is_special(name) or name in WRITABLE)


def may_be_slot(name: str) -> bool:
    """Whether `__slots__` may hold the name."""
    return name in SLOTS or (not is_special(name) and may_bind(name))


def may_match(name: str) -> bool:
    """Whether a class pattern may read the attribute: it does so without a guard, of any object."""
    return may_read(name) and name not in GUARDED and not name.startswith("_")


def check_string(name: Any) -> None:
    """Raise TypeError unless it is a plain string: one of a subclass could equal one name and be another."""
    if type(name) is not str:
        raise TypeError("the name of an attribute must be a string")


def plain_name(name: Any) -> str:
    """What an object of a subclass of str, such as a member of StrEnum, names: whatever it may compare equal to."""
    if not issubclass(type(name), str):
        raise TypeError("the name of an attribute must be a string")
    return str.__str__(name)
