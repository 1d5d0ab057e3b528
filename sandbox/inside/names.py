"""Which names a program may use for variables, methods and attributes. Policy is data."""

from __future__ import annotations

from RestrictedPython.transformer import INSPECT_ATTRIBUTES

#: Names under which guards are called; a program that bound one would replace a guard.
GUARDS = frozenset({"_getattr_", "_write_"})

#: Special methods that a program may define, call and read. What each does concerns the program's own objects only.
METHODS = frozenset(
    f"__{name}__"
    for name in [
        "init",
        "new",
        "post_init",
        "init_subclass",
        "set_name",
        "class_getitem",
        "del",
        "call",
        "repr",
        "str",
        "bytes",
        "format",
        "bool",
        "hash",
        "len",
        "length_hint",
        "iter",
        "next",
        "reversed",
        "contains",
        "getitem",
        "setitem",
        "delitem",
        "missing",
        "eq",
        "ne",
        "lt",
        "le",
        "gt",
        "ge",
        "add",
        "sub",
        "mul",
        "matmul",
        "truediv",
        "floordiv",
        "mod",
        "divmod",
        "pow",
        "lshift",
        "rshift",
        "and",
        "or",
        "xor",
        "neg",
        "pos",
        "abs",
        "invert",
        "radd",
        "rsub",
        "rmul",
        "rmatmul",
        "rtruediv",
        "rfloordiv",
        "rmod",
        "rdivmod",
        "rpow",
        "rlshift",
        "rrshift",
        "rand",
        "ror",
        "rxor",
        "iadd",
        "isub",
        "imul",
        "imatmul",
        "itruediv",
        "ifloordiv",
        "imod",
        "ipow",
        "ilshift",
        "irshift",
        "iand",
        "ior",
        "ixor",
        "int",
        "float",
        "complex",
        "index",
        "round",
        "trunc",
        "floor",
        "ceil",
        "enter",
        "exit",
        "getattr",
        "setattr",
        "delattr",
        "get",
        "set",
        "delete",
        "copy",
        "deepcopy",
    ]
)

#: Assigned in a class; read nowhere else.
CLASS_VARIABLES = frozenset({"__slots__", "__hash__", "__doc__"})

#: Attributes that may be read as they are.
READABLE = METHODS - {"__setattr__", "__delattr__", "__new__"} | {
    "__name__",
    "__qualname__",
    "__doc__",
    "__module__",
    "__cause__",
    "__context__",
    "__notes__",
    "__suppress_context__",
    "__members__",
    "__wrapped__",
}

#: Attributes that are read through `_getattr_`, which looks at the object before it answers.
GUARDED = frozenset({"format", "format_map", "__class__", "__dict__", "__setattr__", "__delattr__", "__new__"})

#: Left out, with the reason.
LEFT_OUT = {
    "__globals__": "the interpreter's own modules are one step from a function's globals",
    "__builtins__": "the unguarded builtins",
    "__code__": "code that no policy has seen",
    "__closure__": "cells of the guards' own functions",
    "__self__": "a builtin function's is the builtins module",
    "__func__": "a function under its guard",
    "__subclasses__": "every class of the interpreter",
    "__bases__": "a way up to object and down again",
    "__base__": "as __bases__",
    "__mro__": "as __bases__",
    "__mro_entries__": "puts any class into the bases of another",
    "__getattribute__": "object's reads any attribute, unguarded",
    "__reduce__": "runs any function with any arguments when copied",
    "__reduce_ex__": "as __reduce__",
    "__getstate__": "as __reduce__",
    "__setstate__": "as __reduce__",
    "__instancecheck__": "makes a pattern match what it is not",
    "__subclasscheck__": "as __instancecheck__",
    "__subclasshook__": "as __instancecheck__",
    "__prepare__": "a namespace of a class that is no dict",
    "__match_args__": "a pattern reads the attributes that it names; allowed as a tuple of harmless names",
    "__annotations__": "dataclasses paste its keys into source code",
    "__traceback__": "leads to frames",
    "__loader__": "loads modules",
    "__spec__": "leads to a loader",
    "__import__": "imports without a guard",
    "__origin__": "the class behind an alias, unguarded",
    "__args__": "as __origin__",
    "__objclass__": "a class, unguarded",
    "__weakref__": "of no use without weakref",
    "mro": "as __mro__",
    **dict.fromkeys(sorted(INSPECT_ATTRIBUTES), "leads to frames or code"),
}


def is_dunder(name: str) -> bool:
    """Whether only the language itself gives such a name a meaning."""
    return name.startswith("__")


def is_private_mangled(name: str) -> bool:
    """`__x` in a class becomes `_Class__x`: a program's own, and harmless."""
    return name.startswith("__") and not name.endswith("__")


def may_bind(name: str) -> bool:
    """Whether a variable, argument, function, class or import may have this name."""
    return name not in GUARDS and (not is_dunder(name) or is_private_mangled(name))


def may_define_method(name: str) -> bool:
    """Whether a function or a class variable may have this name."""
    return may_bind(name) or name in METHODS or name in CLASS_VARIABLES


def may_read(name: str) -> bool:
    """Whether an attribute may be read without a look at the object."""
    if name in LEFT_OUT or name in GUARDED:
        return False
    return not is_dunder(name) or is_private_mangled(name) or name in READABLE


def may_write(name: str) -> bool:
    """Whether an attribute may be set or deleted (of an object that permits it)."""
    return (may_bind(name) and name not in LEFT_OUT) or name in (
        "__doc__",
        "__name__",
        "__qualname__",
        "__cause__",
    )
