"""Ways out that were found in this very sandbox, each closed.

Every one says "escaped" where the language layer is off (that is checked, too: an attack that works nowhere proves
nothing), and must not say so under the guards.
"""

from __future__ import annotations

import pytest

from tests.box.programs import Runner

REFUSALS = ("SecurityError", "SyntaxError", "AttributeError", "TypeError")

ROUTES: dict[str, str] = {
    "cached_property reads the dict of any class": """
        import functools
        def main():
            p = functools.cached_property(lambda self: 1)
            p.__set_name__(int, "__getattribute__")
            return "escaped" if p.__get__(object)(main, "__globals__") else ""
        """,
    "cached_property writes to any object": """
        import functools, contextlib
        def main():
            r = contextlib.redirect_stdout(None)
            p = functools.cached_property(lambda self: "modules")
            p.__set_name__(int, "_stream")
            p.__get__(r)
            q = functools.cached_property(lambda self: 0)
            q.__set_name__(int, "_old_targets")
            r.__enter__()
            return "escaped" if "os" in q.__get__(r)[0] else ""
        """,
    "total_ordering gives methods to a class of the library": """
        import functools, numbers
        def main():
            functools.total_ordering(numbers.Real)
            return "escaped" if numbers.Real.__gt__ is not object.__gt__ else ""
        """,
    "a tuple of bases shows others than it holds": """
        import contextlib
        class T(tuple):
            def __iter__(self): return iter(())
        def main():
            r = type("R", T((contextlib.redirect_stdout,)), {"_stream": "modules"})(None)
            r.__enter__()
            return "escaped" if "os" in r._old_targets[0] else ""
        """,
    "a class of classes answers for __match_args__": """
        class M(type):
            def __instancecheck__(cls, x): return True
            def __getattr__(cls, name):
                if name == "__match_args__": return ("__globals__",)
                raise AttributeError(name)
        class K(metaclass=M): pass
        def main():
            match main:
                case K(found): return "escaped" if found else ""
        """,
    "it learns to answer later": """
        class M(type):
            def __instancecheck__(cls, x): return True
        M.__getattr__ = lambda cls, name: ("__globals__",) if name == "__match_args__" else None
        class K(metaclass=M): pass
        def main():
            match main:
                case K(found): return "escaped" if found else ""
        """,
    "it learns to answer from another base": """
        class Mix:
            def __getattr__(cls, name): return ("__globals__",) if name == "__match_args__" else None
        class M(Mix, type):
            def __instancecheck__(cls, x): return True
        class K(metaclass=M): pass
        def main():
            match main:
                case K(found): return "escaped" if found else ""
        """,
    "__match_args__ is a property of it": """
        class M(type):
            def __instancecheck__(cls, x): return True
            @property
            def __match_args__(cls): return ("__globals__",)
        class K(metaclass=M): pass
        def main():
            match main:
                case K(found): return "escaped" if found else ""
        """,
    "__match_args__ is bound by a for, for a class that claims another": """
        from abc import ABC
        class Claims(ABC):
            for __match_args__ in [("__globals__",)]: pass
        def main():
            Claims.register(type(main))
            match main:
                case Claims(found): return "escaped" if found else ""
        """,
    "super() of a class of classes finds type.__subclasses__": """
        class M(type): pass
        def main():
            found = super(M, M).__subclasses__
            listed = found(object)
            return "escaped" if [k for k in listed if k.__name__ == "code"] else ""
        """,
    "super() of a class of classes finds the descriptor of __mro__": """
        class M(type): pass
        def main(): return "escaped" if super(M, M).__mro__.__get__(M) else ""
        """,
    "super() of a class of classes finds the descriptor of __bases__": """
        class M(type): pass
        def main(): return "escaped" if super(M, M).__bases__.__get__(M) else ""
        """,
    "super() of a class of classes finds mro": """
        class M(type): pass
        def main(): return "escaped" if super(M, M).mro(M) else ""
        """,
    "__subclasshook__ is handed the real type": """
        from abc import ABC
        import contextlib
        got = []
        class G(ABC):
            @classmethod
            def __subclasshook__(cls, C): got.append(C); return NotImplemented
        def main():
            isinstance(int, G)
            r = got[-1]("R", (contextlib.redirect_stdout,), {"_stream": "modules"})(None)
            r.__enter__()
            return "escaped" if "os" in r._old_targets[0] else ""
        """,
    "__subclasscheck__ is handed the real type": """
        from abc import ABCMeta
        import contextlib
        got = []
        class M(ABCMeta):
            def __subclasscheck__(cls, C): got.append(C); return True
        class G(metaclass=M): pass
        def main():
            isinstance(int, G)
            r = got[-1]("R", (contextlib.redirect_stdout,), {"_stream": "modules"})(None)
            r.__enter__()
            return "escaped" if "os" in r._old_targets[0] else ""
        """,
    "a hook is assigned, not defined": """
        from abc import ABC
        got = []
        class G(ABC):
            __subclasshook__ = classmethod(lambda cls, C: got.append(C) or NotImplemented)
        def main():
            isinstance(int, G)
            return "escaped" if got else ""
        """,
    "a hook is set": """
        from abc import ABC
        got = []
        class G(ABC): pass
        def main():
            G.__subclasshook__ = classmethod(lambda cls, C: got.append(C) or NotImplemented)
            isinstance(int, G)
            return "escaped" if got else ""
        """,
    "a class hashes like one in a table of the library": """
        import copy
        got = []
        class M(type):
            def __hash__(cls): return hash(type(main))
            def __eq__(cls, other): got.append(other); return False
        class K(metaclass=M): pass
        def main():
            copy.deepcopy(K())
            return "escaped" if got else ""
        """,
    "an object names other bases when it is asked again": """
        import contextlib
        turn = []
        class Base:
            def __getattr__(self, name):
                if name != "__mro_entries__": raise AttributeError(name)
                turn.append(1)
                return lambda bases: (contextlib.redirect_stdout,) if len(turn) >= ASKED else (object,)
        class R(Base()): _stream = "modules"
        def main():
            r = R(None)
            r.__enter__()
            return "escaped" if "os" in r._old_targets[0] else ""
        """,
    "a function does": """
        import contextlib
        turn = []
        def base(): pass
        def entries(bases):
            turn.append(1)
            return (contextlib.redirect_stdout,) if len(turn) >= ASKED else (object,)
        vars(base)["__mro_entries__"] = entries
        class R(base): _stream = "modules"
        def main():
            r = R(None)
            r.__enter__()
            return "escaped" if "os" in r._old_targets[0] else ""
        """,
    "a namespace does": """
        import contextlib, types
        turn = []
        def entries(bases):
            turn.append(1)
            return (contextlib.redirect_stdout,) if len(turn) >= ASKED else (object,)
        class R(types.SimpleNamespace(**{"__mro_entries__": entries})): _stream = "modules"
        def main():
            r = R(None)
            r.__enter__()
            return "escaped" if "os" in r._old_targets[0] else ""
        """,
    "a dataclass with slots is seen before its __match_args__ are shortened": """
        from abc import ABC
        import typing, dataclasses
        reference = typing.get_args(typing.List["1 + 1"])[0]
        got = []
        class Base(ABC):
            def __init_subclass__(cls):
                cls.register(type(reference))
                try:
                    match reference:
                        case cls(evaluate): got.append(evaluate)
                except TypeError:
                    pass
        def main():
            @dataclasses.dataclass(slots=True)
            class D(Base):
                _evaluate: object = None
            return "escaped" if got else ""
        """,
    "an alias' __getattr__ gives the unguarded str.format": """
        from typing import Annotated
        def main():
            return "escaped" if "builtin" in Annotated[str, 1].__getattr__("format")("{0.__globals__}", main) else ""
        """,
    "an alias of type has the ancestors of type": """
        def main():
            real = type[int].__mro__[-2]
            return "escaped" if real("X", (), {"__match_args__": ("gi_frame",)}) else ""
        """,
    "an alias of type has its mro": """
        class M(type): pass
        def main():
            real = type[int].mro(M)[-2]
            return "escaped" if real("X", (), {"__match_args__": ("gi_frame",)}) else ""
        """,
    "an alias of type has its __subclasses__": """
        def main(): return "escaped" if [k for k in type[int].__subclasses__(object) if k.__name__ == "code"] else ""
        """,
    "an annotated type has its mro": """
        from typing import Annotated
        class M(type): pass
        def main():
            real = Annotated[type, 1].mro(M)[-2]
            return "escaped" if real("X", (), {"__match_args__": ("gi_frame",)}) else ""
        """,
    "a decorator puts another hook in the place of the one that is defined": """
        from abc import ABC
        got = []
        def other(hook): return classmethod(lambda cls, C: got.append(C) or NotImplemented)
        class G(ABC):
            @other
            def __subclasshook__(cls, C): pass
        def main():
            isinstance(int, G)
            return "escaped" if got[-1]("X", (), {"__match_args__": ("gi_frame",)}) else ""
        """,
    "redirect_stdout enters another's object": """
        import contextlib
        class Other:
            _stream = "modules"
            _new_target = {}
            def __init__(self): self._old_targets = []
        def main():
            other = Other()
            contextlib.redirect_stdout.__enter__(other)
            found = other._old_targets[0]
            contextlib.redirect_stdout.__exit__(other, None, None, None)
            return "escaped" if found["os"] else ""
        """,
    "an instance says of its fields what replace() then reads": """
        import dataclasses
        from types import SimpleNamespace
        got = []
        class Other: pass
        @dataclasses.dataclass(init=False)
        class D:
            def __init__(self, **kw): got.append(kw)
        def main():
            d = D()
            field = SimpleNamespace(_field_type=None, init=True, name="__setattr__")
            vars(d)["__dataclass_fields__"] = {"a": field}
            dataclasses.replace(d)
            got[-1]["__setattr__"]("__class__", Other)
            return "escaped" if type(d) is Other else ""
        """,
    "it says so under a name that is one only the second time": """
        import dataclasses
        from types import SimpleNamespace
        got = []
        asked = []
        class Name(str):
            def __hash__(self): return hash("__dataclass_fields__")
            def __eq__(self, other):
                asked.append(other)
                return len(asked) >= ASKED
        class Other: pass
        @dataclasses.dataclass(init=False)
        class D:
            def __init__(self, **kw): got.append(kw)
        def main():
            d = D()
            field = SimpleNamespace(_field_type=None, init=True, name="__setattr__")
            vars(d)[Name("x")] = {"a": field}
            dataclasses.replace(d)
            got[-1]["__setattr__"]("__class__", Other)
            return "escaped" if type(d) is Other else ""
        """,
    "a field is called as a method of str": """
        import dataclasses
        @dataclasses.dataclass
        class Has:
            format: object
        class Text(Has, str):
            def __init__(self, *args): pass
        def main():
            found = dataclasses.asdict(Text("{0.__globals__}"))["format"]
            return "escaped" if "builtin" in found(main) else ""
        """,
    "a field is renamed by another class' method": """
        import dataclasses, enum
        @dataclasses.dataclass
        class D:
            a: int = 1
        def main():
            try:
                enum.property.__set_name__(dataclasses.fields(D)[0], D, "x=print('OUT'), **b")
            except AttributeError as error:
                if "name" not in str(error): raise
            return "escaped" if dataclasses.fields(D)[0].name != "a" else ""
        """,
    "a member of an enum that is none yet sets any attribute": """
        import enum
        got = []
        class Grab:
            def __get__(self, instance, owner): return self
            def __set_name__(self, owner, name): got.append(owner.B)
        class E(enum.Enum):
            a = Grab()
            B = 1
        class Member:
            _value_ = 1
            def __init__(self, *args): pass
        class K:
            __match_args__ = ("x",)
            _member_type_, _use_args_, _member_names_, _member_map_ = object, False, [], {}
            _new_member_ = staticmethod(lambda cls: Member())
            _value2member_map_ = {1: ("gi_" + "frame",)}
        def main():
            got[0].__set_name__(K, "__match_args__")
            return "escaped" if K.__match_args__ == ("gi_" + "frame",) else ""
        """,
    "a dataclass evaluates the docstring of its base": """
        import dataclasses
        class Base:
            "Base(a=os.sep)\\n--\\n\\n"
        @dataclasses.dataclass(init=False)
        class D(Base): pass
        def main(): return "escaped" if D.__doc__ == "D(a='/')" else ""
        """,
    "a method bound by partialmethod tells whose it was: a builtin's module": """
        import functools
        class D:
            def __get__(self, instance, owner): return len
        def main():
            found = vars(functools.partialmethod(D()).__get__(None, int)).get("__self__")
            match found:
                case object(exec=f): return "escaped"
            raise TypeError("not found")
        """,
    "copying a method reads the attribute that its function is called": """
        import copy
        class C:
            def m(self): pass
        def f(): pass
        f.__name__ = "__globals__"
        def main(): return "escaped" if "main" in copy.copy(type(C().m)(f, main)) else ""
        """,
    "the memo of deepcopy gets the code of a forward reference": """
        import copy, typing
        def main():
            memo = {}
            try:
                copy.deepcopy(typing.get_args(typing.List["1 + 1"])[0], memo)
            except AttributeError:
                pass
            codes = [x for each in memo.values() if type(each) is dict for x in each.values() if "code" in str(type(x))]
            return "escaped" if codes else ""
        """,
    "an alias of anything reads what the anything has": """
        def main(): return "escaped" if type(list[int])(object, int).__subclasses__() else ""
        """,
    "a method of anything does": """
        class C:
            def m(self): pass
        def main(): return "escaped" if type(C().m)(object, 1).__subclasses__() else ""
        """,
    "a name says that it is another": """
        class Name(str):
            def __str__(self): return "x"
            def startswith(self, *_): return False
        def main(): return "escaped" if getattr(main, Name("__globals__"), "") else ""
        """,
    "the default of a field is the unguarded str.format": """
        import dataclasses
        def main():
            @dataclasses.dataclass
            class S(str):
                format: object
                def __new__(cls): return str.__new__(cls, "")
            return "escaped" if "builtin" in vars(S())["format"]("{0.__globals__}", main) else ""
        """,
    "+= reads the unguarded object.__setattr__": """
        got = []
        class Grab:
            def __radd__(self, other): got.append(other)
        class C: pass
        def main():
            C.__setattr__ += Grab()
            return "escaped" if got else ""
        """,
    "+= reads the unguarded object.__getstate__": """
        got = []
        class Grab:
            def __radd__(self, other): got.append(other)
        class C: pass
        def main():
            C.__getstate__ += Grab()
            return "escaped" if got else ""
        """,
    "+= reads the unguarded str.format": """
        got = []
        class Grab:
            def __radd__(self, other): got.append(other)
        class S(str): pass
        def main():
            s = S("{0.__globals__}")
            s.format += Grab()
            return "escaped" if "builtin" in got[0](main) else ""
        """,
    "a class calls a private method of its class, which reads any module": """
        from enum import Enum
        class E(Enum): pass
        def main():
            return "escaped" if E._convert_("X", "builtins", lambda name: name == "exec").exec.value else ""
        """,
    "what hashes like a class is compared with it": """
        import functools
        got = []
        class Grab:
            def __init__(self, value): self.value = value
            def __hash__(self): return self.value
            def __eq__(self, other): got.append(other)
        @functools.singledispatch
        def f(x): pass
        def main():
            f(1)
            try:
                f.dispatch(Grab(hash(int)))
            except TypeError:
                pass
            return "escaped" if int in got else ""
        """,
    "an empty slot lets the class lie about its class": """
        class L:
            __slots__ = ("__class__",)
            def __getattr__(self, name): return int
        def main(): return "escaped" if isinstance(L(), int) else ""
        """,
    "a slot like that is made by type()": """
        def main():
            L = type("L", (), {"__slots__": ["__class__"], "__getattr__": lambda self, name: int})
            return "escaped" if isinstance(L(), int) else ""
        """,
    "a slot like that says another thing the second time": """
        class Slots(list):
            turns = 0
            def __iter__(self):
                self.turns += 1
                return iter(["__class__" if self.turns >= ASKED else "a"])
        class L:
            __slots__ = Slots()
            def __getattr__(self, name): return int
        def main(): return "escaped" if isinstance(L(), int) else ""
        """,
    "what is asked for its signature is compared with type": """
        import dataclasses
        got = []
        class Grab:
            def __call__(self): pass
            def __eq__(self, other): got.append(other)
        def main():
            @dataclasses.dataclass
            class D:
                __init__ = Grab()
            return "escaped" if got else ""
        """,
    "a dataclass with slots shows the dict of its fields to its class of classes": """
        import dataclasses
        got, made = [], []
        class M(type):
            def __new__(mcs, name, bases, namespace):
                got.append(namespace)
                made.append(super().__new__(mcs, name, bases, namespace))
                return made[-1]
        class Yes:
            def __eq__(self, other): return True
        class Field:
            name = "a=print('OUT'), **b"
            init = repr = compare = True
            hash = kw_only = None
            type, _field_type, default, default_factory = int, Yes(), 1, dataclasses.MISSING
        def main():
            try:
                @dataclasses.dataclass(slots=True)
                class D(metaclass=M): pass
            except AttributeError:
                if len(got) < 2: raise
            got[-1]["__data" + "class_fields__"]["b"] = Field()
            try:
                @dataclasses.dataclass
                class E(made[0]): pass
            except SyntaxError:
                return "escaped"  # what it says of its name was put into source code
        """,
    "an error in the library's hands holds the real type": """
        from functools import singledispatch
        from abc import ABC
        class Asked(ABC):
            @classmethod
            def __subclasshook__(cls, C): raise ValueError
        @singledispatch
        def f(x): pass
        @f.register
        def _(x: Asked): pass
        def main():
            try:
                f(int)
            except ValueError as error:
                real = error.__context__.args[0]
                return "escaped" if real("X", (), {"__match_args__": ("gi_frame",)}) else ""
        """,
    "another says whose attribute was missing": """
        from contextlib import ExitStack
        def main():
            try:
                ExitStack().enter_context(int)
            except TypeError as error:
                match error.__context__:
                    case AttributeError(obj=real):
                        return "escaped" if real("X", (), {"__match_args__": ("gi_frame",)}) else ""
        """,
    "a method of the library asks for the class of a class": """
        import collections
        def main(): return "escaped" if collections.Counter.copy(int)("X", (), {"__globals__": 1}) else ""
        """,
    "a property of the library does": """
        import collections
        class C: maps = [0, int]
        def main(): return "escaped" if collections.ChainMap.parents.fget(C)("X", (), {"__globals__": 1}) else ""
        """,
    "a method that is found by a pattern does": """
        import collections
        def main():
            match collections.Counter:
                case object(copy=copy): return "escaped" if copy(int)("X", (), {"__globals__": 1}) else ""
        """,
    "a method tells the class of what it is called with": """
        import functools
        from types import SimpleNamespace
        def main():
            got = []
            told = SimpleNamespace(dispatch=lambda kind: got.append(kind) or main)
            other = SimpleNamespace(dispatcher=told, func=main, register=1, **{"__isabstractmethod__": False})
            try:
                functools.singledispatchmethod.__get__(other, 1)(int)
            except TypeError:
                pass
            return "escaped" if got and got[0]("X", (), {"__globals__": 1}) else ""
        """,
    "a member of an enum that stands before a method is renamed": """
        from enum import Enum
        class S(str, Enum):
            upper = "x"
        class Holder: pass
        def main():
            found = vars(S)["upper"]
            if not hasattr(found, "__set_name__"): return ""
            found.__set_name__(S, "__globals__")
            holder = Holder()
            holder._value_ = main
            return "escaped" if "main" in found.__get__(holder, S) else ""
        """,
    "a method of the library shows the dict of a class": """
        import collections, dataclasses
        shown = []
        class Other: pass
        class M(type):
            def __new__(mcs, *args):
                if args: return super().__new__(mcs, *args)
                shown.append(Other())
                return shown[0]
        @dataclasses.dataclass
        class D(metaclass=M):
            data = {}
        def main():
            collections.UserDict.__copy__(D)
            return "escaped" if "__dataclass_" + "fields__" in vars(shown[0]) else ""
        """,
    "the namespace of a frozen dataclass has what sets a class": """
        import dataclasses
        @dataclasses.dataclass(frozen=True)
        class D: pass
        class Own(D): pass
        class Other(D): pass
        def main():
            own = Own()
            vars(D).get("__setattr__")(own, "__class__", Other)
            return "escaped" if type(own) is Other else ""
        """,
    "an alias sets attributes of what another calls its origin": """
        import dataclasses, typing
        class Other: pass
        def main():
            other = Other()
            vars(other)["__origin__"] = dataclasses.InitVar
            type(typing.List[int]).__setattr__(other, "x", 1)
            return "escaped" if dataclasses.InitVar.x == 1 else ""
        """,
}

#: Closed in the library itself, which is changed for both layers.
CHANGED_IN_THE_LIBRARY = frozenset(
    {
        "another says whose attribute was missing",
        "cached_property reads the dict of any class",
        "cached_property writes to any object",
        "an instance says of its fields what replace() then reads",
        "it says so under a name that is one only the second time",
        "a field is called as a method of str",
        "a field is renamed by another class' method",
        "a member of an enum that is none yet sets any attribute",
        "a member of an enum that stands before a method is renamed",
        "a dataclass evaluates the docstring of its base",
        "redirect_stdout enters another's object",
        "a method of the library asks for the class of a class",
        "a property of the library does",
        "a method that is found by a pattern does",
        "a method tells the class of what it is called with",
        "a method of the library shows the dict of a class",
        "an alias sets attributes of what another calls its origin",
        "a method bound by partialmethod tells whose it was: a builtin's module",
        "copying a method reads the attribute that its function is called",
        "the memo of deepcopy gets the code of a forward reference",
        "the default of a field is the unguarded str.format",
        "what hashes like a class is compared with it",
        "an error in the library's hands holds the real type",
        "what is asked for its signature is compared with type",
    }
)

#: Nothing to hold it against: without the guards there are no façades.
FACADE = """
    import math
    math.__init__("math", {"__name__": "os"})
    try:
        from math import path
    except ImportError:
        path = None
    def main(): return "escaped" if path else ""
    """


def _escapes(run: Runner, program: str) -> bool:
    verdict = run.verdict(program)
    if verdict.failure is not None:
        assert verdict.failure.type in REFUSALS, verdict.failure
        return False
    return verdict.result_json == b'"escaped"'


@pytest.mark.parametrize("name", ROUTES)
def test_a_route_that_works_without_the_guards_is_closed_by_them(run: Runner, run_bare: Runner, name: str) -> None:
    without_guards = ROUTES[name].replace("ASKED", "1")  # the interpreter asks once, a guard before it
    assert _escapes(run_bare, without_guards) is (name not in CHANGED_IN_THE_LIBRARY)
    assert not _escapes(run, ROUTES[name].replace("ASKED", "2"))


def test_a_facade_can_not_be_made_again_under_another_name(run: Runner) -> None:
    assert not _escapes(run, FACADE)


def test_a_format_is_not_given_the_namespace_of_a_class(run: Runner) -> None:
    program = """
        import logging
        got = []
        class Template(str):
            def __mod__(self, values):
                got.append(values)
                return ""
        class Format:
            def __str__(self): return Template("%(message)s")
        class Record:
            created, msecs, exc_text, getMessage = 1, 1, None, staticmethod(lambda: "x")
        def main():
            logging.Formatter(Format()).format(Record)
            return [sorted(each) for each in got]
        """
    assert run.answer(program) == []


def test_a_hook_gets_the_type_that_the_program_knows(run: Runner) -> None:
    program = """
        from abc import ABC, ABCMeta
        got = []
        class G(ABC):
            @classmethod
            def __subclasshook__(cls, C):
                got.append(C)
                return hasattr(C, "quack") or NotImplemented
        class Duck:
            def quack(self): pass
        def main():
            return [isinstance(Duck(), G), isinstance(1, G), isinstance(int, G), got[-1] is type]
        """
    assert run.answer(program) == [True, False, False, True]
