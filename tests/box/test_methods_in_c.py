"""Special methods that are written in C: an honest program keeps them, a hostile one does not lose its self by them."""

from __future__ import annotations

import textwrap

import pytest

from tests.box.programs import Runner, plain

HONEST = {
    "a dict with attributes": """
        class Dots(dict):
            __getattr__, __setattr__, __delattr__ = dict.get, dict.__setitem__, dict.__delitem__
        class Upper(Dots):
            def __setattr__(self, name, value): super().__setattr__(name.upper(), value)
        def main():
            dots, upper = Dots(a=1), Upper()
            dots.b = 2
            del dots.a
            Dots.__setattr__(dots, "c", 3)
            upper.d = 4
            return [dots.b, dots.nothing, dots, upper]
        """,
    "methods of the same name": """
        class Plain(dict):
            __hash__ = object.__hash__
            __eq__, __ne__, __iter__, __len__ = object.__eq__, object.__ne__, dict.__iter__, dict.__len__
        class Unhashable: __hash__ = None
        def main():
            try: hash(Unhashable())
            except TypeError as error: told = str(error)
            return [Plain() == Plain(), len({Plain(), Plain()}), list(Plain(a=1)), told, Unhashable.__hash__,
                    Plain.__len__ is dict.__len__]
        """,
    "methods of other names": """
        import functools, operator
        class Loud(str):
            __str__, __call__, __invert__ = str.upper, str.replace, str.title
        class Backwards(int):
            __lt__, __gt__ = int.__gt__, int.__lt__
            __str__ = int.__repr__
        class Items(list):
            __iadd__ = __add__ = lambda self, other: Items([*self, *other])
            __radd__, __call__, __lshift__ = __add__, list.index, list.append
        def main():
            items = Items([1])
            items << 2
            return [str(Loud("ab")), Loud("ab")("a", "c"), ~Loud("ab"), sorted([Backwards(1), Backwards(2)]),
                    str(Backwards(3)), items(2), [5] + items, Loud.__call__.__name__]
        """,
    "what is not bound": """
        import functools, operator
        class Number:
            __call__ = staticmethod(functools.partial(max, 2))
            __str__ = staticmethod(str)
            __enter__ = classmethod(id)
            __float__ = "x".__len__
            __iter__ = [].__iter__
            __len__ = {}.__len__
            __getitem__ = operator.itemgetter(0)
            __class_getitem__ = classmethod(lambda cls, item: [cls.__name__, item])
        class Typed:
            __class_getitem__ = classmethod(type(list[int]))
        def main():
            return [Number()(1), Number()(3), Number.__enter__() == id(Number), list(Number()), len(Number()),
                    Number()["ab"], operator.length_hint(Number()), Number[5], str(Typed[int])]
        """,
    "by a class in Python": """
        import functools, operator
        class Adder:
            def __init__(self, n): self.n = n
            def __call__(self, *args): return [self.n, *args]
        class Bound(Adder):
            def __get__(self, instance, owner=None): return functools.partial(self, owner.__name__)
        class Number:
            def __init__(self, n): self.n = n
            def _compare(self, other, by): return by(self.n, other.n)
            __lt__ = functools.partialmethod(_compare, by=operator.lt)
            __gt__ = functools.partialmethod(_compare, by=operator.gt)
            __call__, __add__ = Adder(1), Bound(2)
            @functools.cache
            def __getitem__(self, n): return n * self.n
            @property
            def __float__(self): return lambda: 1.5
            @classmethod
            def __enter__(cls): return cls.__name__
            @staticmethod
            def __exit__(*args): pass
        def main():
            number = Number(2)
            with number as entered: pass
            return [number < Number(3), number > Number(3), number(4), number + 5, number[4], number[4], float(number),
                    entered, Number.__getitem__.cache_info().hits, type(Number.__call__).__name__]
        """,
    "set later": """
        class Text(str): pass
        class Other(str): pass
        def main():
            Text.__call__, Text.__invert__ = str.replace, lambda self: 3
            setattr(Text, "__len__", lambda self: 7)
            type.__setattr__(Text, "__str__", str.upper)
            for Other.__str__ in [str.upper, str.title]: pass
            text, found = Text("ab"), []
            found += [text("a", "c"), ~text, len(text), str(text), str(Other("ab"))]
            del Text.__str__
            Text.__doc__ = "x"
            Text.__doc__ += "y"
            return [*found, str(text), Text.__doc__]
        """,
    "made by calls": """
        import dataclasses
        class Meta(type):
            def __new__(mcs, name, bases, namespace, /, **keywords):
                namespace["__call__"] = str.replace
                return super().__new__(mcs, name, bases, namespace)
        class Text(str, metaclass=Meta, name="x", bases=1, namespace=2): pass
        def main():
            namespace = {"__str__": str.upper}
            made = type("Made", (str,), namespace)
            @dataclasses.dataclass
            class Data:
                n: int
                __hash__ = object.__hash__
            return [str(made("ab")), Text("ab")("a", "c"), namespace == {"__str__": str.upper}, Data(1) == Data(1)]
        """,
}


@pytest.mark.parametrize("program", HONEST.values(), ids=list(HONEST))
def test_special_methods_may_be_written_in_c(run: Runner, program: str) -> None:
    assert run.answer(program) == plain(program)


WAYS_TO_DEFINE = {
    "a class": "class C(list): __bool__ = list.sort",
    "a loop in a class": """
        class C(list):
            for __bool__ in [list.sort]: pass
        """,
    "an attribute": "class C(list): pass\nC.__bool__ = list.sort",
    "a loop": "class C(list): pass\nfor C.__bool__ in [list.sort]: pass",
    "setattr": "class C(list): pass\nsetattr(C, '__bool__', list.sort)",
    "type.__setattr__": "class C(list): pass\ntype.__setattr__(C, '__bool__', list.sort)",
    "super().__setattr__": """
        class M(type):
            def put(cls, name, value): super().__setattr__(name, value)
        class C(list, metaclass=M): pass
        C.put('__bool__', list.sort)
        """,
    "type": "C = type('C', (list,), {'__bool__': list.sort})",
    "ABCMeta": "C = abc.ABCMeta('C', (list,), {'__bool__': list.sort})",
    "a class of classes": """
        class M(type):
            def __new__(mcs, name, bases, namespace):
                return super().__new__(mcs, name, bases, {'__bool__': list.sort})
        class C(list, metaclass=M): pass
        """,
    "a class of classes itself": """
        M = type('M', (type,), {'__bool__': list.sort})
        class C(M): pass
        """,
    "__set_name__": """
        class Part:
            def __set_name__(self, owner, name): owner.__bool__ = list.sort
        class C(list): part = Part()
        """,
    "a dataclass": "C = dataclasses.make_dataclass('C', ['n'], bases=(list,), namespace={'__bool__': list.sort})",
    "an enum": """
        class C(list, enum.Enum):
            __bool__ = list.sort
            A = [1]
        """,
    "a named tuple": """
        class C(typing.NamedTuple):
            a: int
            __bool__ = list.sort
        """,
    "a pattern": """
        match list:
            case object(sort=found): pass
        class C(list): __bool__ = found
        """,
}


@pytest.mark.parametrize("way", WAYS_TO_DEFINE.values(), ids=list(WAYS_TO_DEFINE))
def test_a_method_in_c_of_another_name_is_called_by_a_function(run: Runner, way: str) -> None:
    program = textwrap.dedent(way) + "\ndef main(): return type(C.__bool__).__name__"
    imports = "import abc, dataclasses, enum, typing\n"
    assert run.answer(imports + program) == "function"


#: Called in C, each of these goes on when what it belongs to is gone.
IN_C = (
    "[].sort",
    "list.sort",
    "functools.partial(list.sort, [])",
    "functools.cache(print)",
    "operator.itemgetter(0)",
    "staticmethod(list.sort)",
    "classmethod(functools.partial(print))",
    "print",
    "int",
    "C",
    "Partial(print)",
    "types.MethodType(list.sort, [])",
)
NOT_TO_BE_HELD = (
    "property(list.sort)",
    "property()",
    "Property(list.sort)",
    "Static(list.sort)",
    "classmethod(property(list.sort))",
    "classmethod.__new__(classmethod)",
    "staticmethod.__new__(staticmethod)",
)
IMPORTS = """
import functools, operator, types
class C: pass
class Partial(functools.partial): pass
class Property(property): pass
class Static(staticmethod): pass
"""


@pytest.mark.parametrize("value", IN_C)
@pytest.mark.parametrize("name", ["__len__", "__eq__"])
def test_what_is_called_in_c_is_called_by_a_function(run: Runner, name: str, value: str) -> None:
    program = f"""{IMPORTS}
C.{name} = {value}
def main(): return type(C.{name}).__name__
"""
    assert run.answer(program) == ("method" if value.startswith("classmethod") else "function")


@pytest.mark.parametrize("value", NOT_TO_BE_HELD)
@pytest.mark.parametrize("name", ["__get__", "__len__", "__doc__"])
def test_what_can_not_be_called_by_a_function_is_no_special_method(run: Runner, name: str, value: str) -> None:
    failure = run.failure(f"{IMPORTS}\nC.{name} = {value}\ndef main(): pass")
    assert failure.type == "TypeError"
    assert f"{name!r} of a class can't be a" in failure.message


def test_a_class_is_not_given_a_property_in_c_by_wraps(run: Runner) -> None:
    program = f"""{IMPORTS}
class Wrapped:
    def __init__(self): self.__doc__ = property(list.sort)
def main(): functools.wraps(Wrapped())(C)
"""
    assert run.failure(program).type == "TypeError"
