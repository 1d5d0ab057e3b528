"""Ways out of a Python jail. Each program reaches for something outside, and must be refused on the way.

`REFUSED_AT_ONCE`: what the policy sees, with the line; `REFUSED_WHEN_RUN`: what a guard sees. A program of either that
returns anything at all is out.
"""

from __future__ import annotations

import sys

import pytest

from tests.box.programs import Runner

#: RestrictedPython's own advisories and security fixes.
ADVISORIES = {
    "CVE-2023-37271: a generator's frames": (
        """
        def main():
            g = (g.gi_frame.f_back.f_back.f_builtins for _ in [1])
            return str(next(g))
        """,
        3,
    ),
    "CVE-2023-41039: str.format reads attributes": (
        """
        class A: pass
        def main():
            return "{0.__class__.__init__.__globals__}".format(A())
        """,
        None,
    ),
    "CVE-2023-41039: str.format_map reads attributes": (
        """
        def main():
            return "{f.__globals__}".format_map({"f": main})
        """,
        None,
    ),
    "CVE-2023-41039: format of the class, of a subclass, through super()": (
        """
        class S(str):
            def go(self, x):
                return super().format(x)
        def main():
            return [S("{0.__globals__}").go(main), str.format("{0.__globals__}", main)]
        """,
        None,
    ),
    "CVE-2024-47532: AttributeError.obj of the string module": (
        """
        import string
        def main():
            try:
                string.nothing
            except AttributeError as e:
                return str(e.obj._re)
        """,
        None,
    ),
    "CVE-2025-22153: except*": (
        """
        class G(ExceptionGroup):
            def split(self, condition): return 1, 2
        def main():
            try:
                raise G("x", [ValueError()])
            except* ValueError as e:
                return str(e)
        """,
        5,
    ),
    "8.3: a positional-only argument named like a guard": (
        """
        def f(__builtins__, /): return 1
        def main(): return f(1)
        """,
        2,
    ),
    "CVE-2026-76825: string.Formatter": (
        """
        import string
        class F(string.Formatter): pass
        def main():
            return F().format("{0.__globals__}", main) + string.Formatter().vformat("{0.__code__}", (main,), {})
        """,
        None,
    ),
    "CVE-2026-76825: string.Formatter().get_field": (
        """
        import string
        def main():
            return str(string.Formatter().get_field("0.__globals__", (main,), {}))
        """,
        None,
    ),
}

#: What is refused at creation: program and line.
REFUSED_AT_ONCE: dict[str, tuple[str, int]] = {
    "all subclasses of object": ("def main():\n    return str(main.__globals__)", 2),
    "code objects": ("def main():\n    return str(main.__code__)", 2),
    "closures": ("def main():\n    return str(print.__closure__)", 2),
    "a builtin's module": ("def main():\n    return str(print.__self__)", 2),
    "tracebacks": (
        "def main():\n    try: 1/0\n    except Exception as e: return str(e.__traceback__)",
        3,
    ),
    "frames of tracebacks": (
        "class C:\n    def __enter__(self): pass\n    def __exit__(self, k, e, tb): return str(tb.tb_frame)\ndef main(): pass",
        3,
    ),
    "a module that leads out": ("import os\ndef main(): return os.getcwd()", 1),
    "a module of a package": ("import urllib.request\ndef main(): pass", 1),
    "a name of a module": ("from json import codecs\ndef main(): return str(codecs.builtins)", 1),
    "a name of a module by a relative import": ("from . import x\ndef main(): pass", 1),
    "opening a file": ("def main():\n    return open('/etc/passwd').read()", 2),
    "running a string": ("def main():\n    exec('import os')", 2),
    "compiling a string": ("def main():\n    return compile('1', '', 'eval')", 2),
    "importing by name": ("def main():\n    return __import__('os')", 2),
    "the builtins": ("def main():\n    return __builtins__", 2),
    "a loader": ("def main():\n    return __loader__", 2),
    "a name that only looks different (NFKC)": ("def main():\n    return main.__ｇlobals__", 2),
    "a variable that only looks different (NFKC)": ("def main():\n    return ｅｘｅｃ('1')", 2),
    "an attribute in a pattern": (
        "def main():\n    match main:\n        case object(__globals__=g): return str(g)",
        3,
    ),
    "a private attribute in a pattern": (
        "def main():\n    match main:\n        case object(_x=g): return str(g)",
        3,
    ),
    "str.format in a pattern": (
        "def main():\n    match '{0.__globals__}':\n        case str(format=f): return f(main)",
        3,
    ),
    "__match_args__ that name what is hidden": ("class A:\n    __match_args__ = ('gi_frame',)\ndef main(): pass", 2),
    "__match_args__ that are computed": (
        "class A:\n    __match_args__ = tuple(['gi_' + 'frame'])\ndef main(): pass",
        2,
    ),
    "__match_args__ by unpacking": ("class A:\n    __match_args__, x = ('gi_frame',), 1\ndef main(): pass", 2),
    "__match_args__ by a loop": ("class A:\n    for __match_args__ in [('a',)]: pass\ndef main(): pass", 2),
    "__match_args__ by a walrus": ("class A:\n    (__match_args__ := ('a',))\ndef main(): pass", 2),
    "__match_args__ by an import": ("class A:\n    from math import pi as __match_args__\ndef main(): pass", 2),
    "__match_args__ by a def": ("class A:\n    def __match_args__(): pass\ndef main(): pass", 2),
    "fields of a dataclass that name what is hidden": (
        "from dataclasses import dataclass\n@dataclass\nclass A:\n    gi_frame: object = None\ndef main(): pass",
        4,
    ),
    "annotations that become source": ("class A:\n    __annotations__ = {'x=1': int}\ndef main(): pass", 2),
    "fields of a dataclass": ("class A:\n    __dataclass_fields__ = {}\ndef main(): pass", 2),
    "__class__ that lies": ("class A:\n    __class__ = int\ndef main(): pass", 2),
    "__getattribute__ that lies": ("class A:\n    def __getattribute__(self, n): pass\ndef main(): pass", 2),
    "__reduce_ex__": ("class A:\n    def __reduce_ex__(self, p): pass\ndef main(): pass", 2),
    "__mro_entries__": ("class A:\n    def __mro_entries__(self, b): pass\ndef main(): pass", 2),
    "__prepare__": ("class A(type):\n    def __prepare__(name, bases): pass\ndef main(): pass", 2),
    "replacing a guard of a function": ("def main():\n    print.__kwdefaults__ = {}", 2),
    "replacing a function's code": ("def main():\n    main.__code__ = 1", 2),
    "the name of a module": ("__name__ = 'json'\ndef main(): pass", 1),
}

#: What no policy sees: program; it must fail by one of REFUSALS.
REFUSED_WHEN_RUN: dict[str, str] = {
    "subclasses of object by getattr": "getattr(object, '__subclasses__')()",
    "subclasses of object by the name": "().__class__.__base__.__subclasses__()",
    "subclasses of object by __mro__": "''.__class__.__mro__[1].__subclasses__()",
    "subclasses of object by super()": "super(int, 1).__subclasses__()",
    "globals by getattr": "getattr(main, '__globals__')",
    "globals by attrgetter": "__import_operator__.attrgetter('__globals__')(main)",
    "globals by a dotted attrgetter": "__import_operator__.attrgetter('main.__globals__')(type('X', (), {'main': main}))",
    "globals by methodcaller": "__import_operator__.methodcaller('__getattribute__', '__globals__')(main)",
    "globals by reduce": "__import_functools__.reduce(getattr, ['__globals__'], main)",
    "globals by map": "list(map(getattr, [main], ['__globals__']))",
    "globals by a format of a subclass": "type('S', (str,), {})('{0.__globals__}').format(main)",
    "globals by map of format": "list(map('{0.__globals__}'.format, [main]))",
    "globals by UserString": "__import_collections__.UserString('{0.__globals__}').format(main)",
    "globals by partialmethod of format": (
        "type('A', (), {'f': __import_functools__.partialmethod(str.format, main)})().f()"
    ),
    "globals by wraps": "__import_functools__.wraps(main, assigned=('__globals__',))(type('X', (), {})()).__globals__",
    "the module behind a façade": "__import_json__.codecs",
    "a module behind a façade by getattr": "getattr(__import_json__, 'decoder').json",
    "a façade's dict": "vars(__import_json__)",
    "a façade changed": "setattr(__import_json__, 'loads', 1) or 'out'",
    "a façade made anew": "__import_json__.__init__('x', {}) or 'out'",
    "a class of the library changed": "setattr(__import_json__.JSONEncoder, 'default', 1) or 'out'",
    "a guard changed": "setattr(getattr, 'x', 1) or 'out'",
    "a builtin class of classes by type": "type(type(1))('X', (__import_dataclasses__.Field,), {})",
    "a class with a hidden base": "type('X', (type(__import_dataclasses__.field()),), {})",
    "a class with names that no policy has seen": "type('X', (), {'__match_args__': ('gi_frame',)})",
    "a class with an evil annotation": "type('X', (), {'__annotations__': {'x=1': int}})",
    "a class by ABCMeta": "__import_abc__.ABCMeta('X', (), {'__match_args__': ('gi_frame',)})",
    "a class by the class of a class": "type(__import_enum__.Enum)('X', (), {'__match_args__': ('gi_frame',)})",
    "a class by typing's alias of type": "__import_typing__.Type[int]('X', (), {'__match_args__': ('gi_frame',)})",
    "a class by an alias of type": "type[int]('X', (), {'__match_args__': ('gi_frame',)})",
    "a class by get_origin": "__import_typing__.get_origin(type[int])('X', (), {'__match_args__': ('gi_frame',)})",
    "a named tuple with hidden fields": "__import_collections__.namedtuple('N', 'gi_frame f_back')",
    "a typed named tuple with hidden fields": "__import_typing__.NamedTuple('N', [('gi_frame', int)])",
    "an enum with hidden names": "__import_enum__.Enum('E', [('__match_args__', ('gi_frame',))])",
    "an enum with a hidden base": "__import_enum__.Enum('E', 'A', type=type(__import_dataclasses__.field()))",
    "a dataclass made of a typed dict": (
        "__import_dataclasses__.dataclass(__import_typing__.TypedDict('T', {'x, *, y=print(1), z': int}))"
    ),
    "a dataclass made of strings": "__import_dataclasses__.make_dataclass('C', ['x, *, y=print(1), z'])",
    "a dataclass made of hidden names": "__import_dataclasses__.make_dataclass('C', ['gi_frame'])",
    "a dataclass made of a class of the library": "__import_dataclasses__.dataclass(__import_json__.JSONEncoder)",
    "a field renamed": "setattr(__import_dataclasses__.field(), 'name', 'x=1')",
    "a field renamed by its slot": (
        "type(__import_dataclasses__.field()).name.__set__(__import_dataclasses__.field(), 'x=1') or 'out'"
    ),
    "a field renamed by super()": (
        "super(type(__import_dataclasses__.field()), __import_dataclasses__.field()).__setattr__('name', 'x=1') or 'out'"
    ),
    "a field renamed by object": "object.__setattr__(__import_dataclasses__.field(), 'name', 'x=1') or 'out'",
    "a string evaluated by typing": "__import_typing__.get_type_hints(type('X', (), {'__annotations__': {'a': 'open'}}))",
    "a string evaluated by a forward reference": (
        "__import_typing__.get_args(__import_typing__.List['1'])[0]._evaluate({}, {}, frozenset())"
    ),
    "an alias' own getattr": "__import_typing__.Annotated[str, 1].__getattr__('format')",
    "a random class of the library": "type(main)(type(main), {})",
    "an enum's class": "__import_enum__.Enum._member_type_.__class__.__call__(type, 'X', (), {}).__subclasses__(object)",
    "evaluating an attribute": "eval('main.__globals__')",
    "evaluating under guards of one's own": "eval('main.__globals__', {'main': main, '<read special>': getattr})",
    "the interpreter's own modules by a late import": "__import_time__.strptime.__globals__",
    "a network card by uuid": "__import_uuid__.uuid1().sys",
    "a lying name": (
        "getattr(object, type('S', (str,), {'__hash__': lambda s: hash('format'), '__eq__': lambda s, o: o == 'format'})"
        "('__subclasses__'))()"
    ),
}

REFUSALS = {"SecurityError", "AttributeError", "TypeError", "SyntaxError", "ImportError", "KeyError", "NameError"}


@pytest.mark.parametrize(("program", "line"), list(ADVISORIES.values()), ids=list(ADVISORIES))
def test_published_ways_out_are_closed(run: Runner, program: str, line: int | None) -> None:
    if line is not None:
        first = run.problems(program)[0]
        assert (first.type, first.line) == ("SecurityError", line)
    assert run.failure(program).type in REFUSALS


@pytest.mark.parametrize(("program", "line"), list(REFUSED_AT_ONCE.values()), ids=list(REFUSED_AT_ONCE))
def test_what_the_policy_sees_is_refused_with_its_line(run: Runner, program: str, line: int) -> None:
    first = run.problems(program)[0]
    assert (first.type, first.line) == ("SecurityError", line)
    assert run.failure(program).type == "SecurityError"


@pytest.mark.parametrize("expression", list(REFUSED_WHEN_RUN.values()), ids=list(REFUSED_WHEN_RUN))
def test_what_a_guard_sees_is_refused_when_it_happens(run: Runner, expression: str) -> None:
    modules = {word.partition("__")[0] for word in expression.split("__import_")[1:]}
    text = expression
    for module in modules:
        text = text.replace(f"__import_{module}__", module)
    imports = "".join(f"import {module}\n" for module in sorted(modules))
    failure = run.failure(f"{imports}def main():\n    return str({text})\n")
    assert failure.type in REFUSALS, failure


WHOLE_PROGRAMS = {
    "a forward reference caught by __eq__": """
        import typing
        code = "print('OUT')"
        seen = []
        class Trap:
            def __hash__(self): return hash((code, None))
            def __eq__(self, other):
                seen.append(other)
                return False
            def __call__(self): pass
        def main():
            typing.Union[code, Trap()]
            for each in seen:
                each._evaluate({}, {}, frozenset())
            raise TypeError("not caught")
    """,
    "a class pattern by a registered class": """
        from abc import ABC
        from dataclasses import make_dataclass
        def main():
            Hidden = make_dataclass("Hidden", [("gi_" + "frame", object, None)], bases=(ABC,))
            Hidden.register(type(x for x in ()))
            match (x for x in ()):
                case Hidden(frame):
                    return str(frame)
    """,
    "a private field read by a pattern of a registered class": """
        import typing
        from abc import ABC
        from dataclasses import dataclass
        @dataclass
        class Hidden(ABC):
            _evaluate: object = None
        def main():
            reference = typing.get_args(typing.List["print('OUT')"])[0]
            Hidden.register(type(reference))
            match reference:
                case Hidden(evaluate):
                    return evaluate({}, {}, frozenset())
    """,
    "a field of a class that lies about its name": """
        import dataclasses
        class Evil(type(dataclasses.field())):
            name = property(lambda self: "x, *, y=print('OUT'), z", lambda self, v: None)
        def main(): return "OUT"
    """,
    "fields that a class of classes makes up": """
        import dataclasses
        class Fake:
            name = "x, *, y=print('OUT'), z"
        class Meta(type):
            def __getattr__(cls, name):
                if name == "__data" + "class_fields__": return {"x": Fake()}
                raise AttributeError(name)
        class Base(metaclass=Meta): pass
        @dataclasses.dataclass
        class Derived(Base):
            y: int = 1
        def main(): return "OUT"
    """,
    "a subclass of the guarded type that leaves a guard out": """
        class Meta(type):
            def __new__(mcs, name, bases, namespace):
                return super(type, mcs).__new__(mcs, name, bases, {"__match_args__": ("gi_frame",)})
        class A(metaclass=Meta): pass
        def main(): return "OUT"
    """,
    "an ancestor's ancestors": """
        class Meta(type):
            def mro(cls): return [cls, object]
        def main(): return "OUT"
    """,
    "subclasses handed to __init_subclass__": """
        class A:
            def __init_subclass__(cls, **kw):
                cls.__subclasses__ = 1
        class B(A): pass
        def main(): return "OUT"
    """,
    "a cached property on what is not the program's": """
        import functools, json
        def main():
            cached = functools.cached_property(lambda self: "OUT")
            cached.__set_name__(None, "loads")
            cached.__get__(json)
            return json.loads
    """,
    "a traceback's frames by attrgetter": """
        import operator
        class C:
            def __enter__(self): return self
            def __exit__(self, kind, error, tb):
                self.found = operator.attrgetter("tb_" + "frame.f_" + "globals")(tb)
                return True
        def main():
            with C() as c: 1 / 0
            return str(c.found)
    """,
    "print into a frame": """
        class File:
            def write(self, text): return text.__globals__
        def main():
            print("x", file=File())
            return "OUT"
    """,
    "an import inside try, of what leads out": """
        try:
            import os
        except ImportError:
            os = None
        def main(): return os.getcwd()
    """,
}


@pytest.mark.parametrize("program", list(WHOLE_PROGRAMS.values()), ids=list(WHOLE_PROGRAMS))
def test_longer_ways_out_are_closed(run: Runner, program: str) -> None:
    verdict = run.verdict(program)
    assert verdict.failure is not None, verdict.result_json
    assert verdict.failure.type in REFUSALS
    assert "OUT" not in verdict.stdout


@pytest.mark.skipif(sys.version_info < (3, 12), reason="the language has no type parameters")
@pytest.mark.parametrize("definition", ["class A[T: main.__globals__]: pass", "def f[T: main.__globals__](): pass"])
def test_what_bounds_a_type_parameter_is_looked_at(run: Runner, definition: str) -> None:
    failure = run.failure(f"def main(): pass\n{definition}\n")
    assert (failure.type, failure.line) == ("SecurityError", 2)


def test_an_exception_takes_no_state_that_sets_its_class(run: Runner) -> None:
    program = """
        import copy
        class Mine(Exception): pass
        class Other(Exception): pass
        def main():
            error = Mine()
            vars(error)["__reduce_ex__"] = lambda protocol: (Mine, (), {"__class__": Other})
            return type(copy.copy(error)).__name__
    """
    assert run.answer(program) == "Mine"


def test_type_can_not_be_iterated(run: Runner) -> None:
    assert run.failure("list(type)").type == "TypeError"
