"""Classes: attributes, properties, methods, inheritance, super(), metaclasses, descriptors."""

from __future__ import annotations

import sys
from typing import Any

import pytest

from tests.box.programs import Runner, same

PROGRAMS: dict[str, tuple[str, Any]] = {
    "attributes_with_underscores": (
        """
        class Account:
            count = 0
            def __init__(self, owner, _start=0):
                self.owner = owner
                self._balance = _start
                self.__secret = 7
                Account.count += 1
            def deposit(self, amount):
                self._balance += amount
                return self
            def secret(self):
                return self.__secret
        def main():
            a = Account("x", 5).deposit(10)
            a._note = "n"
            return [a._balance, a.secret(), Account.count, a._note, a._Account__secret, hasattr(a, "_nothing")]
        """,
        [15, 7, 1, "n", 7, False],
    ),
    "properties": (
        """
        class Celsius:
            def __init__(self, degrees): self._degrees = degrees
            @property
            def fahrenheit(self): return self._degrees * 9 / 5 + 32
            @fahrenheit.setter
            def fahrenheit(self, value): self._degrees = (value - 32) * 5 / 9
            @fahrenheit.deleter
            def fahrenheit(self): self._degrees = None
        def main():
            c = Celsius(100)
            first = c.fahrenheit
            c.fahrenheit = 32
            second = c._degrees
            del c.fahrenheit
            return [first, second, c._degrees]
        """,
        [212.0, 0.0, None],
    ),
    "class_and_static_methods": (
        """
        class Shape:
            registry = {}
            @classmethod
            def register(cls, name): cls.registry[name] = cls.__name__; return cls
            @staticmethod
            def area(w, h=2): return w * h
        class Square(Shape): pass
        def main():
            Square.register("sq")
            return [Shape.registry, Square.area(3), Square().area(3, 3)]
        """,
        [{"sq": "Square"}, 6, 9],
    ),
    "super_and_diamond": (
        """
        class A:
            def __init__(self): self.trail = ["A"]
            def who(self): return "A"
        class B(A):
            def __init__(self): super().__init__(); self.trail.append("B")
            def who(self): return "B" + super().who()
        class C(A):
            def __init__(self): super(C, self).__init__(); self.trail.append("C")
            def who(self): return "C" + super().who()
        class D(B, C):
            def who(self): return "D" + super().who()
        def main():
            return [D().trail, D().who(), [k.__name__ for k in D.__mro__], [k.__name__ for k in D.mro()],
                    issubclass(D, A), [b.__name__ for b in D.__bases__]]
        """,
        [["A", "C", "B"], "DBCA", ["D", "B", "C", "A", "object"], ["D", "B", "C", "A", "object"], True, ["B", "C"]],
    ),
    "private_super_attribute": (
        """
        class A:
            _x = 1
            def _go(self): return "A._go"
        class B(A):
            def _go(self): return super()._go() + str(super()._x)
        def main(): return B()._go()
        """,
        "A._go1",
    ),
    "type_of_things": (
        """
        class K: pass
        def main():
            k = K()
            return [type(1) is int, type("") is str, type(k) is K, type(k).__name__, k.__class__.__name__,
                    type(k) == K, isinstance(K, type), isinstance(1, type), type(K) is type, type(None).__name__,
                    type(main).__name__, K.__class__ is type, type(K).__name__, isinstance(k, object),
                    type([]) in (list, tuple), type(ValueError()).__name__, issubclass(bool, int),
                    {int: "i", str: "s"}[type(3)], type(type(3)) is type, K.__module__, K.__qualname__]
        """,
        [
            True,
            True,
            True,
            "K",
            "K",
            True,
            True,
            False,
            True,
            "NoneType",
            "function",
            True,
            "type",
            True,
            True,
            "ValueError",
            True,
            "i",
            True,
            "task",
            "K",
        ],
    ),
    "type_with_three_arguments": (
        """
        def main():
            Point = type("Point", (), {"x": 1, "double": lambda self: self.x * 2})
            Sub = type("Sub", (Point,), {"x": 5})
            return [Point.__name__, Point().double(), Sub().double(), isinstance(Sub(), Point), Point.__module__]
        """,
        ["Point", 2, 10, True, "task"],
    ),
    "slots": (
        """
        class P:
            __slots__ = ("x", "_y")
            def __init__(self, x, y): self.x = x; self._y = y
        def main():
            p = P(1, 2)
            p.x += 1
            try:
                p.z = 3
            except AttributeError as e:
                return [p.x, p._y, e.__class__.__name__, "no attribute 'z'" in str(e), P.__slots__]
        """,
        [2, 2, "AttributeError", True, ["x", "_y"]],
    ),
    "init_subclass_and_set_name": (
        """
        class Plugin:
            known = []
            def __init_subclass__(cls, /, label=None, **kw):
                super().__init_subclass__(**kw)
                Plugin.known.append((cls.__name__, label))
        class Field:
            def __set_name__(self, owner, name): self.name = name; self.owner = owner.__name__
            def __get__(self, obj, kind=None):
                if obj is None: return self
                return obj.__dict__.get(self.name, "unset")
            def __set__(self, obj, value):
                if value == "bad": raise ValueError("bad " + self.name)
                obj.__dict__[self.name] = value
            def __delete__(self, obj): del obj.__dict__[self.name]
        class One(Plugin, label="one"):
            title = Field()
        def main():
            o = One()
            out = [o.title]
            o.title = "t"
            out.append(o.title)
            try: o.title = "bad"
            except ValueError as e: out.append(str(e))
            del o.title
            out.append(o.title)
            return [Plugin.known, out, One.title.owner]
        """,
        [[["One", "one"]], ["unset", "t", "bad title", "unset"], "One"],
    ),
    "abstract_classes": (
        """
        from abc import ABC, abstractmethod, ABCMeta
        class Shape(ABC):
            @abstractmethod
            def area(self): ...
            @property
            @abstractmethod
            def name(self): ...
            def describe(self): return f"{self.name}: {self.area():.1f}"
        class Sq(Shape):
            def __init__(self, s): self.s = s
            def area(self): return self.s ** 2
            @property
            def name(self): return "square"
        class M(metaclass=ABCMeta):
            @abstractmethod
            def go(self): ...
        class Duck: pass
        Shape.register(Duck)
        def main():
            out = [Sq(2).describe(), isinstance(Duck(), Shape), sorted(Shape.__abstractmethods__)]
            for k in (Shape, M):
                try: k()
                except TypeError as e: out.append("abstract" in str(e))
            return out
        """,
        ["square: 4.0", True, ["area", "name"], True, True],
    ),
    "metaclasses": (
        """
        class Meta(type):
            seen = []
            def __new__(mcls, name, bases, ns, **kw):
                ns["added"] = len(ns)  > 0
                cls = super().__new__(mcls, name, bases, ns)
                Meta.seen.append(name)
                return cls
            def __call__(cls, *a, **k):
                if not hasattr(cls, "_instance"):
                    cls._instance = super().__call__(*a, **k)
                return cls._instance
        class Single(metaclass=Meta):
            def __init__(self): self.v = 1
        class Sub(Single): pass
        def main():
            return [Meta.seen, Single() is Single(), Single.added, type(Single) is Meta, type(Single).__name__]
        """,
        [["Single", "Sub"], True, True, True, "Meta"],
    ),
    "new_singleton": (
        """
        class Once:
            _it = None
            def __new__(cls, *args):
                if cls._it is None:
                    cls._it = super().__new__(cls)
                return cls._it
        class Upper(str):
            def __new__(cls, text): return str.__new__(cls, text.upper())
        class Pair(tuple):
            def __new__(cls, a, b): return super().__new__(cls, (a, b))
            @property
            def first(self): return self[0]
        class Pos(int):
            def __new__(cls, v):
                if v < 0: raise ValueError("negative")
                return int.__new__(cls, v)
        def main(): return [Once() is Once(), Upper("abc"), Pair(1, 2).first, Pos(3) + 1, object.__new__(Once) is not None]
        """,
        [True, "ABC", 1, 4, True],
    ),
    "getattr_setattr_hooks": (
        """
        class Bag:
            def __init__(self): object.__setattr__(self, "_data", {})
            def __getattr__(self, name):
                if name.startswith("_"): raise AttributeError(name)
                return self._data.get(name, f"no {name}")
            def __setattr__(self, name, value): self._data[name] = value
            def __delattr__(self, name): del self._data[name]
            def __dir__(self): return list(self._data)
        class Frozen:
            def __init__(self, x): super().__setattr__("x", x)
            def __setattr__(self, n, v): raise AttributeError(f"can't set {n}")
        def main():
            b = Bag(); b.a = 1; b.c = 2; del b.c
            out = [b.a, b.c, getattr(b, "z"), getattr(b, "_q", "dflt"), dir(b)]
            f = Frozen(3)
            try: f.x = 4
            except AttributeError as e: out += [f.x, str(e)]
            setattr(b, "dyn", 9)
            return out + [b.dyn, hasattr(f, "x"), hasattr(f, "y")]
        """,
        [1, "no c", "no z", "dflt", ["a"], 3, "can't set x", 9, True, False],
    ),
    "dynamic_attributes": (
        """
        class P: kind = "k"
        def main():
            p = P()
            for k, v in {"a": 1, "b": 2}.items(): setattr(p, k, v)
            p.__dict__["c"] = 3
            p.__dict__.update(d=4)
            vars(p)["e"] = 5
            delattr(p, "a")
            P.extra = "class"
            return [vars(p), p.__dict__, p.e, getattr(p, "kind"), getattr(p, "none", None), P.extra,
                    sorted(k for k in vars(P) if not k.startswith("__"))]
        """,
        [{"b": 2, "c": 3, "d": 4, "e": 5}, {"b": 2, "c": 3, "d": 4, "e": 5}, 5, "k", None, "class", ["extra", "kind"]],
    ),
    "nested_and_local_classes": (
        """
        class Tree:
            class Node:
                def __init__(self, v, *kids): self.v, self.kids = v, kids
                def __iter__(self):
                    yield self.v
                    for k in self.kids: yield from k
            def __init__(self): self.root = self.Node(1, Tree.Node(2), Tree.Node(3, Tree.Node(4)))
        def main():
            class Local(Tree): limit = 3
            return [list(Local().root), Tree.Node.__qualname__, Local.__qualname__]
        """,
        [[1, 2, 3, 4], "Tree.Node", "main.<locals>.Local"],
    ),
    "docstrings_and_function_attributes": (
        """
        class K:
            "about K"
            def m(self):
                "about m"
        def main():
            "about main"
            main.calls = getattr(main, "calls", 0) + 1
            return [K.__doc__, K.m.__doc__, main.__doc__, main.calls, main.__name__, K().m.__name__, K.m.__qualname__]
        """,
        ["about K", "about m", "about main", 1, "main", "m", "K.m"],
    ),
    "subclasses_of_builtins": (
        """
        class Stack(list):
            def push(self, x): self.append(x); return self
            @property
            def top(self): return self[-1]
        class Attr(dict):
            def __getattr__(self, k):
                try: return self[k]
                except KeyError: raise AttributeError(k) from None
            def __setattr__(self, k, v): self[k] = v
            def __missing__(self, k): return k * 2
        class MyErr(Exception):
            def __init__(self, code, msg=""): super().__init__(msg); self.code = code
        class Name(str):
            def shout(self): return self.upper() + "!"
        class F(float): pass
        class S(set):
            def add(self, x): super().add(x * 2)
        def main():
            a = Attr(x=1); a.y = 2
            s = S(); s.add(2)
            try: raise MyErr(5, "five")
            except MyErr as e: err = [e.code, str(e), e.args]
            return [Stack([1]).push(2).top, a, a.x, a["zz"], err, Name("bo").shout(), F(1.5) * 2, sorted(s)]
        """,
        [2, {"x": 1, "y": 2}, 1, "zzzz", [5, "five", ["five"]], "BO!", 3.0, [4]],
    ),
    "cooperative_mixins": (
        """
        class Repr:
            def __repr__(self): return f"{self.__class__.__name__}({', '.join(f'{k}={v!r}' for k, v in vars(self).items())})"
        class Cmp:
            def __eq__(self, o): return type(self) is type(o) and self.__dict__ == o.__dict__
            def __hash__(self): return hash(tuple(sorted(self.__dict__.items())))
        class P(Repr, Cmp):
            def __init__(self, x, y): self.x = x; self.y = y
        def main(): return [repr(P(1, "a")), P(1, 2) == P(1, 2), P(1, 2) != P(2, 1), len({P(1, 2), P(1, 2)})]
        """,
        ["P(x=1, y='a')", True, True, 1],
    ),
    "class_body_statements": (
        """
        class K:
            squares = [i * i for i in range(4)]
            if len(squares) > 3:
                big = True
            for name in ("a", "b"):
                pass
            del name
            def _helper(n): return n + 1
            value = _helper(1)
            x: int = 3
            y: str
        def main(): return [K.squares, K.big, K.value, hasattr(K, "name"), K.x, hasattr(K, "y"), sorted(K.__annotations__)]
        """,
        [[0, 1, 4, 9], True, 2, False, 3, False, ["x", "y"]],
    ),
    "class_getitem_and_generics": (
        """
        from typing import Generic, TypeVar
        T = TypeVar("T")
        class Box(Generic[T]):
            def __init__(self, v: T) -> None: self.v = v
            def map(self, f) -> "Box[T]": return Box(f(self.v))
        class Own:
            def __class_getitem__(cls, item): return (cls.__name__, item)
        def main(): return [Box[int](3).map(lambda v: v + 1).v, Own[3], list[int]([1]), isinstance(Box(1), Box)]
        """,
        [4, ["Own", 3], [1], True],
    ),
    "instancecheck": (
        """
        class Even(type):
            def __instancecheck__(cls, x): return x % 2 == 0
            def __subclasscheck__(cls, k): return k is int
        class E(metaclass=Even): pass
        def main(): return [isinstance(2, E), isinstance(3, E), issubclass(int, E), isinstance(3, (str, int)), isinstance(3, int | str)]
        """,
        [True, False, True, True, True],
    ),
    "bound_methods_as_values": (
        """
        class C:
            def __init__(self): self.n = 0
            def inc(self, by=1): self.n += by; return self.n
        def main():
            c = C()
            f = c.inc
            ops = {"inc": c.inc, "big": lambda: c.inc(10)}
            return [f(), ops["inc"](), ops["big"](), list(map(c.inc, [1, 2])), C.inc(c, 5), getattr(c, "inc")()]
        """,
        [1, 2, 12, [13, 15], 20, 21],
    ),
    "subclasses_of_own_class": (
        """
        class Base: pass
        class A(Base): pass
        class B(Base): pass
        def main(): return sorted(k.__name__ for k in Base.__subclasses__())
        """,
        ["A", "B"],
    ),
    "class_decorators": (
        """
        def add_repr(cls):
            cls.__repr__ = lambda self: f"<{cls.__name__}>"
            cls.tag = "t"
            return cls
        @add_repr
        class K: pass
        def main(): return [repr(K()), K.tag]
        """,
        ["<K>", "t"],
    ),
    "a protocol of data can be asked for": (
        """
        from typing import Protocol, runtime_checkable
        @runtime_checkable
        class Named(Protocol):
            name: str
        class User:
            def __init__(self): self.name = "Ada"
        def main(): return [isinstance(User(), Named), isinstance(5, Named)]
        """,
        [True, False],
    ),
    "a protocol below an abstract class leaves questions about that alone": (
        """
        from collections.abc import Sized
        from typing import Protocol
        class Coll(Sized, Protocol): pass
        def main(): return [isinstance(5, Sized), isinstance([], Sized), issubclass(int, Sized)]
        """,
        [False, True, False],
    ),
    "an abstract class has a protocol of data below it": (
        """
        from collections.abc import Sized
        from typing import Protocol, runtime_checkable
        @runtime_checkable
        class Named(Sized, Protocol):
            name: str
        class Bag(Named):
            name = "bag"
            def __len__(self): return 1
        def main(): return [isinstance(5, Sized), isinstance(Bag(), Sized), isinstance(5, Named), isinstance(Bag(), Named)]
        """,
        [False, True, False, True],
    ),
    "the namespace of a class tells its special methods": (
        """
        import dataclasses
        def shown(cls):
            if "__repr__" not in cls.__dict__: cls.__repr__ = lambda self: "ours"
            return cls
        @shown
        class A:
            "Words."
            __slots__ = ("x",)
            def __new__(cls): return super().__new__(cls)
            def __init__(self): self.x = 1
            def __init_subclass__(cls): pass
            def __setattr__(self, name, value): object.__setattr__(self, name, value)
            def __repr__(self): return "own"
            def __eq__(self, other): return True
        @shown
        class B: pass
        @shown
        @dataclasses.dataclass(frozen=True)
        class C: x: int = 1
        found = A.__dict__
        def main():
            return [repr(A()), repr(B()), repr(C()), found["__doc__"], found["__module__"] == __name__, found["__slots__"],
                    found["__hash__"], [n in found for n in ("__new__", "__init__", "__init_subclass__", "__setattr__", "x")],
                    "__init__" in vars(C), C.__dict__.get("__annotations__", {})["x"].__name__, "__annotations__" in found]
        """,
        ["own", "ours", "C(x=1)", "Words.", True, ["x"], None, [True] * 5, True, "int", False],
    ),
    "all methods of a class are decorated": (
        """
        import functools
        called = []
        def traced(method):
            @functools.wraps(method)
            def call(*args):
                called.append(method.__name__)
                return method(*args)
            return call
        class A:
            kept = 1
            def __init__(self): pass
            def __len__(self): return 3
            def go(self): pass
        for name, value in A.__dict__.items():
            if callable(value): setattr(A, name, traced(value))
        def main():
            a = A()
            a.go()
            return [len(a), called]
        """,
        [3, ["__init__", "go", "__len__"]],
    ),
    "an abstract class looks for methods in the namespaces of classes": (
        """
        from abc import ABC, abstractmethod
        class MyIterable(ABC):
            @abstractmethod
            def __iter__(self):
                while False: yield None
            @classmethod
            def __subclasshook__(cls, C):
                if cls is MyIterable:
                    if any("__iter__" in B.__dict__ for B in C.__mro__): return True
                return NotImplemented
        class Own:
            def __iter__(self): return iter("a")
        def main(): return [isinstance(each, MyIterable) for each in ([], "a", Own(), iter("a"), 5, 1.5, None, object())]
        """,
        [True] * 4 + [False] * 4,
    ),
    "the module of a class that is made at run time": (
        """
        import dataclasses
        class M(type): pass
        class N(type):
            def __new__(mcs, name, bases, namespace): return super().__new__(mcs, name, bases, {})
        class H(metaclass=N): pass
        def main():
            made = [M("A", (), {}), H, type("B", (), {}), type("C", (), {"__module__": __name__}), type("M2", (M,), {})]
            return [[each.__module__ == __name__ for each in made], type("D", (), {"__module__": "x"}).__module__,
                    [repr(dataclasses.dataclass(each)()) for each in made[:4]]]
        """,
        [[True] * 5, "x", ["A()", "H()", "B()", "C()"]],
    ),
    "the namespace of a class of the library": (
        """
        import collections, fractions
        def main():
            return ["append" in list.__dict__, "keys" in list.__dict__, list.__dict__["__len__"]([1, 2]), vars(str)["upper"]("a"),
                    "_asdict" in vars(int), sorted(k for k in collections.Counter.__dict__ if k in ("most_common", "keys")),
                    "numerator" in fractions.Fraction.__dict__]
        """,
        [True, False, 2, "A", False, ["most_common"], True],
    ),
}


@pytest.mark.parametrize("name", PROGRAMS)
def test_a_class_behaves_as_in_cpython(run: Runner, name: str) -> None:
    program, expected = PROGRAMS[name]
    same(run, program, expected)


@pytest.mark.skipif(sys.version_info < (3, 12), reason="the language has no type statement")
def test_a_type_alias_tells_its_name(run: Runner) -> None:
    program = """
        type Pair[T] = tuple[T, T]
        type Names = list[str]
        def main():
            return [Names.__name__, Pair.__name__, Pair[int].__name__, Names.__module__ == __name__, repr(Names), hasattr(Names, "x")]
        """
    same(run, program, ["Names", "Pair", "Pair", True, "Names", False])
