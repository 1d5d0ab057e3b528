"""Walks the graph of objects from everything that a program can name, and tells what must not be in it.

A script, run in an interpreter of its own because it calls whatever it finds: `python -I object_graph.py ALIKE
[MUTATION.py...]`. ALIKE is how many objects that seem alike it looks at; more of the same tell little new. If that is one, calls that the
interpreter refuses whatever the arguments hold are left out as well. A mutation is a
file that changes the library once it is ready; it may define `ONLY`, the one module to start from, and `WANTED`, what ends
the walk when it is found. Each has a walk of its own, in a fork.
It prints one JSON object per walk and line: how much was seen, and the forbidden objects with the paths that lead to them.

Edges are what programs have: attributes that the guards permit, items, operators, calls with a few arguments, and what is
passed to a program's own methods and functions by anything that is called with them.
"""

from __future__ import annotations

import builtins
import collections
import functools
import gc
import importlib.util
import inspect
import io
import itertools
import json
import os
import re
import resource
import signal
import sys
import types
from collections.abc import Iterator
from typing import Any

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
ITEMS = 40
#: After so much processor time, or at most twice as much, a call is ended; and after so much time if it waits.
CALL_CPU_SECONDS = 0.01
CALL_SECONDS = 5
CPU_SECONDS = 240
#: Called, they wait, or take long.
NOT_CALLED = frozenset(
    {"sleep", "pbkdf2_hmac", "scrypt", "prcal", "repeat", "product", "pow", "perm", "comb", "factorial"}
)

SPY_METHODS = """
def {name}(self, *args, **kwargs):
    seen.extend(args)
    seen.extend(kwargs.values())
    return {answer}
"""
ANSWERS = {
    "__hash__": "1", "__len__": "0", "__length_hint__": "0", "__bool__": "True", "__str__": "'spy'", "__repr__": "'spy'",
    "__format__": "'spy'", "__bytes__": "b'spy'", "__int__": "1", "__float__": "1.0", "__complex__": "1j",
    "__index__": "1", "__iter__": "iter([1])", "__reversed__": "iter([1])", "__next__": "stop()", "__dir__": "[]",
    "__sizeof__": "1", "__init__": "None", "__fspath__": "'spy'", "__contains__": "True", "__enter__": "self",
    "__getattr__": "missing()", "__deepcopy__": "self", "__copy__": "self", "__getstate__": "{}", "__del__": "None",
    "__call__": "self",
}  # fmt: skip
#: A spy answers to every special method but those that decide what a class is.
NO_SPY = frozenset({"__new__", "__init_subclass__", "__class_getitem__", "__set_name__", "__post_init__", "__setattr__",
                    "__delattr__", "__instancecheck__"})  # fmt: skip

PROGRAM = """
import functools
seen = []
def stop(): raise StopIteration
def missing(): raise AttributeError("no")
class Spy:
{methods}
class Meta(type):
    def __call__(cls, *args, **kwargs):
        seen.extend(args)
        return super().__call__(*args, **kwargs)
    def __instancecheck__(cls, instance):
        seen.append(instance)
        return True
    def __subclasscheck__(cls, other):
        seen.append(other)
        return False
    def __contains__(cls, item):
        seen.append(item)
        return True
    def __or__(cls, other):
        seen.append(other)
        return cls
    __ror__ = __or__
class Watched(metaclass=Meta):
    @classmethod
    def __subclasshook__(cls, other):
        seen.append(other)
        return NotImplemented
class Plain:
    kept = 1
    def method(self): return 1
class Descriptor:
    def __get__(self, *args): seen.extend(args)
    def __set__(self, *args): seen.extend(args)
    def __set_name__(self, *args): seen.extend(args)
class Holder:
    field = Descriptor()
def function(*args, **kwargs):
    seen.extend(args)
    seen.extend(kwargs.values())
    return args[0] if args else None
def annotated(a: int = 1) -> str: return ""
def generator():
    got = yield 1
    seen.append(got)
def caught():
    try:
        1 / 0
    except ZeroDivisionError as error:
        return error
def missed(thing):
    try:
        thing.nothing_of_the_kind
    except AttributeError as error:
        return error
def inside():
    outer = 1
    class Inner:
        inner = locals()
    return locals(), globals(), vars(), Inner
def hooks():
    class Base:
        def __init_subclass__(cls, **kwargs): seen.append(cls)
        def __class_getitem__(cls, item): return item
    class Derived(Base): pass
    return Derived, Derived[int]
"""
TYPE_PARAMETERS = """
def scopes(found):
    def put(scope):
        found.append(scope)
        return int
    class Generic:
        def method[T: put(locals())](self, a: put(locals())): pass
        type Alias = put(locals())
    return found
"""


class Graph:
    """What has been found, with the path that first led there."""

    def __init__(self, namespace: dict[str, Any], inside: Any, most_alike: int) -> None:
        self.most_alike = most_alike
        self.namespace, self.inside, self.names = namespace, inside, inside.names
        self.paths: dict[int, str] = {}
        self.kept: list[Any] = []  # so that no id is used again
        self.count_alike: collections.Counter[Any] = collections.Counter()
        self.waiting: collections.deque[Any] = collections.deque()
        self.forbidden: dict[str, str] = {}
        self.calls = 0
        self.module_dicts = {
            id(vars(module)): name for name, module in list(sys.modules.items()) if type(module) is types.ModuleType
        }
        self.unguarded = {
            id(getattr(builtins, name)): name
            for name in [
                "getattr",
                "setattr",
                "delattr",
                "hasattr",
                "eval",
                "exec",
                "compile",
                "open",
                "__import__",
                "__build_class__",
                "globals",
                "locals",
                "vars",
                "dir",
                "input",
                "breakpoint",
            ]
        }

    # --- what must not be there -----------------------------------------------------------------

    def why_forbidden(self, value: Any) -> str | None:
        kind = type(value)
        if kind in (types.FrameType, types.CodeType, types.TracebackType, types.ModuleType, types.CellType):
            return f"a {kind.__name__} object"
        if id(value) in self.unguarded:
            return f"the real {self.unguarded[id(value)]}"
        if id(value) in self.module_dicts:
            return f"the namespace of module {self.module_dicts[id(value)]}"
        if kind is types.BuiltinFunctionType and getattr(value, "__module__", None) in PROCESS_MODULES:
            return f"{value.__module__}.{value.__name__}"
        if kind in DESCRIPTORS and value.__name__ in self.names.LEFT_OUT:
            return f"the descriptor {value.__name__} of {value.__objclass__.__name__}"
        if issubclass(kind, type):
            return self._why_class_forbidden(value)
        return None

    def _why_class_forbidden(self, value: Any) -> str | None:
        if issubclass(value, type) and value in self.inside.ownership.state.library_classes:
            ours = (self.inside.classes.GuardedType, self.inside.classes.GuardedABCMeta)
            return None if value in ours else f"the real class of classes {value.__name__}"
        if value in NO_CLASSES:
            return f"the class {value.__module__}.{value.__name__}"
        return None

    # --- walking --------------------------------------------------------------------------------

    def find(self, value: Any, path: str, step: str = "") -> None:
        """What the last `step` of a path has led to. Most is known, so the way there is the fast one."""
        kind = type(value)
        if kind in PLAIN or id(value) in self.paths:
            return
        if issubclass(kind, BaseException):
            for each in value.args:  # so that errors which differ in what they were given are alike
                if type(each) is not str:
                    self.find(each, path, f"{step}.args")
            alike: Any = (kind, len(value.args), type(getattr(value, "obj", None)))
        else:
            why = self.why_forbidden(value)
            if why is not None:
                self.forbidden.setdefault(why, path + step)
                return
            alike = alike_to(value)
        if self.count_alike.get(alike, 0) >= self.most_alike:
            return
        self.count_alike[alike] += 1
        self.paths[id(value)] = path + step
        self.kept.append(value)
        self.waiting.append(value)

    def walk(self, wanted: str | None) -> None:
        """To the end, or until what is wanted has been found."""
        gc.freeze()  # calls leave much garbage behind: the library need not be searched for it
        while self.waiting and wanted not in self.forbidden:
            value = self.waiting.popleft()
            path = self.paths[id(value)]
            if path.count("(") < 3:
                for step, found in self._edges(value):
                    self.find(found, path, step)
                self._heard(path)

    def _heard(self, path: str) -> None:
        seen = self.namespace["seen"]
        while seen:
            self.find(seen.pop(), f"{path} ~> seen")

    def _edges(self, value: Any) -> Iterator[tuple[str, Any]]:
        edges = [self._attributes(value), self._items(value)]
        if not path_is_own(value, self):
            edges += [self._operators(value), self._calls(value)]
        return itertools.chain.from_iterable(edges)

    def _attributes(self, value: Any) -> Iterator[tuple[str, Any]]:
        found = {
            name
            for kind in (*type.mro(type(value)), *(type.mro(value) if is_class(value) else ()))
            for name in vars(kind)
        }
        found |= {name for name in getattr(value, "__dict__", {}) if type(name) is str}
        for name in sorted(found | self.names.GUARDED):
            try:
                if self.names.may_read(name):
                    yield f".{name}", self.inside.attributes.guarded_getattr(value, name)
            except BaseException as error:
                yield f".{name} !", error

    def _items(self, value: Any) -> Iterator[tuple[str, Any]]:
        kind = type(value)
        if kind is dict:
            for key, item in list(value.items())[:400]:
                yield f"[{key!r:.40}]", item
                yield ".keys()", key
        elif kind in CONTAINERS:
            for item in list(value)[:400]:
                yield "[…]", item
        elif hasattr(kind, "__next__") or kind is types.MappingProxyType:
            try:
                for item in itertools.islice(iter(value), ITEMS):
                    yield "[…]", item
            except BaseException as error:
                yield "[…] !", error

    def _operators(self, value: Any) -> Iterator[tuple[str, Any]]:
        """A reflected operand is handed what the library sees fit."""
        spy = self.namespace["Spy"]()
        for name, operation in OPERATIONS.items():
            for shown, other in (("spy", spy), ("Watched", self.namespace["Watched"])):
                for text, operands in ((f" {name} {shown}", (value, other)), (f" {shown} {name}", (other, value))):
                    try:
                        yield text, in_time(operation, *operands)
                    except BaseException as error:
                        yield f"{text} !", error

    def _calls(self, value: Any) -> Iterator[tuple[str, Any]]:
        path = self.paths[id(value)]
        if not callable(value) or str(getattr(value, "__name__", "")) in NOT_CALLED or path.count("(") > 1:
            return
        for shown, arguments in self._arguments(value, pairs=path.count("(") == 0):
            self.calls += 1
            try:
                yield f"({shown})", in_time(value, *arguments)
            except BaseException as error:
                yield f"({shown}) !", error

    def _arguments(self, value: Any, *, pairs: bool) -> Iterator[tuple[str, tuple[Any, ...]]]:
        yield "", ()
        probes = self._probes()
        for name, probe in probes:
            yield name, (probe,)
        if not pairs or (self.most_alike == 1 and takes_no_pair(value)):
            return
        others = self._probes()[:14]
        for first, one in probes:
            if self.most_alike > 1 or may_be_owner(value, one):
                for second, other in others:
                    yield f"{first}, {second}", (one, other)

    def _probes(self) -> list[tuple[str, Any]]:
        program = self.namespace
        return [
            ("spy", program["Spy"]()), ("function", program["function"]), ("type(function)", types.FunctionType),
            ("Watched", program["Watched"]), ("Plain", program["Plain"]), ("plain", program["Plain"]()), ("1", 1),
            ("'a'", "a"), ("[spy]", [program["Spy"]()]), ("int", int), ("{}", {"a": program["Spy"]()}), ("None", None),
            ("type", self.inside.classes.GuardedType), ("'a b'", "a b"),
            ("type(generator)", types.GeneratorType), ("str", str), ("b'a'", b"a"), ("error", program["caught"]()),
            ("(int, str)", (int, str)), ("generator", program["generator"]()), ("Spy", program["Spy"]), ("object", object),
            ("Meta", program["Meta"]), ("Exception", Exception), ("property", property(program["function"])),
        ]  # fmt: skip


class TooLong(BaseException):
    """A call that waits, or never ends."""


#: The number of calls begun; of the one that goes on, or 0; and, by timer, of the one that went on at its last tick.
begun = going_on = 0
seen_by_tick = {signal.SIGVTALRM: 0, signal.SIGALRM: 0}


def in_time(function: Any, *arguments: Any) -> Any:
    """A timer of its own for each call would take a quarter of the time of a walk."""
    global begun, going_on
    begun += 1
    going_on = begun
    try:
        return function(*arguments)
    finally:
        going_on = 0


def end_long_calls() -> None:
    """Start the timers that end calls of `in_time`."""
    for timer, signum, seconds in (
        (signal.ITIMER_VIRTUAL, signal.SIGVTALRM, CALL_CPU_SECONDS),
        (signal.ITIMER_REAL, signal.SIGALRM, CALL_SECONDS),
    ):
        signal.signal(signum, _tick)
        signal.setitimer(timer, seconds, seconds)


def _tick(signum: int, _: Any) -> None:
    """End a call that went on at the last tick, too."""
    if going_on and going_on == seen_by_tick[signum]:
        raise TooLong
    seen_by_tick[signum] = going_on


def may_be_owner(function: Any, first: Any) -> bool:
    """Whether a method of a built-in type takes `first` as its object. If not, no further argument is looked at."""
    return type(function) not in OWNED or function.__objclass__ in type.mro(type(first))


def takes_no_pair(function: Any) -> bool:
    """Whether it fails because two arguments are too many, before it looks at them."""
    number = 2
    if type(function) is types.MethodType:
        function, number = function.__func__, 3
    kind = type(function)
    if kind is types.FunctionType:
        code = function.__code__
        return code.co_argcount < number and not code.co_flags & inspect.CO_VARARGS
    counts = kind is types.BuiltinFunctionType or (
        kind is types.MethodWrapperType and function.__name__ not in FORWARDED
    )
    if number != 2 or not counts:
        return False
    try:
        in_time(function, None, None)
    except TypeError as error:
        return COUNTED.search(str(error)) is not None
    except BaseException:
        pass
    return False


def alike_to(value: Any) -> Any:
    """Equal for objects that need not all be looked at."""
    kind = type(value)
    if is_class(value):
        made_by_a_call = value.__module__ == "task"
        return ("class", value.__qualname__) if made_by_a_call else id(value)
    if kind is types.FunctionType:
        return value.__code__
    if kind is types.MethodType:
        return kind, alike_to(value.__func__), alike_class(value.__self__)
    if kind in (types.BuiltinFunctionType, types.MethodWrapperType):
        return kind, value.__name__, alike_class(value.__self__)
    if kind in CALLABLES:
        return id(value)
    if kind in CONTAINERS:
        items = value.values() if kind is dict else value
        return kind, *sorted({type(each).__qualname__ for each in itertools.islice(items, ITEMS)})
    own = getattr(value, "__dict__", None)
    return kind, *(sorted(map(str, own)) if type(own) is dict else ())


def alike_class(holder: Any) -> Any:
    return (holder.__qualname__, "class") if is_class(holder) else type(holder).__qualname__


def is_class(value: Any) -> bool:
    return issubclass(type(value), type)


def path_is_own(value: Any, graph: Graph) -> bool:
    """The program's own functions and spies: what they are handed is noted anyway."""
    return graph.inside.ownership.is_programs_own(value) and (
        not callable(value) or graph.paths[id(value)].count("(") == 0
    )


PLAIN = frozenset({int, float, complex, str, bytes, bool, type(None), type(NotImplemented), type(Ellipsis)})
CONTAINERS = frozenset({dict, list, tuple, set, frozenset, collections.deque})
CALLABLES = frozenset(
    {types.FunctionType, types.BuiltinFunctionType, types.MethodType, types.MethodDescriptorType,
     types.WrapperDescriptorType, types.MethodWrapperType, types.ClassMethodDescriptorType, types.GetSetDescriptorType,
     types.MemberDescriptorType}
)  # fmt: skip
OWNED = frozenset({types.MethodDescriptorType, types.WrapperDescriptorType})
#: Wrappers that pass all arguments on, uncounted.
FORWARDED = frozenset({"__init__", "__call__"})
#: How functions of the interpreter say so.
COUNTED = re.compile(r"(takes|expected) .*\(2 given\)|expected .*, got 2$")
DESCRIPTORS = frozenset({types.GetSetDescriptorType, types.MemberDescriptorType})
PROCESS_MODULES = frozenset(
    [
        "posix",
        "sys",
        "_thread",
        "_socket",
        "marshal",
        "_ctypes",
        "_signal",
        "fcntl",
        "gc",
        "_imp",
        "_posixsubprocess",
        "mmap",
        "resource",
        "_io",
    ]
) - {"_io"}
#: Classes that make what must not be, and those whose memory a program can damage.
NO_CLASSES: set[type] = {types.CodeType, types.ModuleType, types.FrameType, types.TracebackType, types.CellType}
OPERATIONS: dict[str, Any] = {
    "==": lambda a, b: a == b, "<": lambda a, b: a < b, "|": lambda a, b: a | b, "+": lambda a, b: a + b,
    "&": lambda a, b: a & b, "in": lambda a, b: hasattr(type(a), "__contains__") and b in a, "[]": lambda a, b: a[b], "%": lambda a, b: a % b,
}  # fmt: skip


def remember_damageable_classes() -> None:
    """Before the library is changed."""
    import _struct
    import array

    NO_CLASSES.update({collections.OrderedDict, array.array, _struct.Struct, itertools.groupby})
    NO_CLASSES.add(type(functools.cache(len)))
    if sys.version_info < (3, 14):
        NO_CLASSES.add(type(itertools.tee([])[0].__reduce__()[2][0]))


def main(arguments: list[str]) -> None:
    resource.setrlimit(resource.RLIMIT_CPU, (CPU_SECONDS, CPU_SECONDS))
    zygote = load(os.path.join(ROOT, "sandbox", "inside", "zygote.py"))
    zygote.prepare_imports()
    remember_damageable_classes()
    import sandbox.inside  # type: ignore[import-not-found]
    from sandbox.inside import facades, library, names, policy, run  # type: ignore[attr-defined]

    library.admit()
    for name in list(facades.admitted):
        facades.loaded(name)
    namespace = run._namespace(guarded=True)
    source = PROGRAM.format(methods=spy_methods(names))
    code, problems = policy.compile_program(source, guarded=True)
    assert not problems, problems
    exec(code, namespace)
    if sys.version_info >= (3, 12):
        code, problems = policy.compile_program(TYPE_PARAMETERS, guarded=True)
        assert not problems, problems
        exec(code, namespace)
    for question in ("is_special", "may_read"):  # asked a million times for the same few hundred names
        setattr(names, question, functools.cache(getattr(names, question)))
    mutation = None
    for path in arguments[1:]:
        pid = os.fork()
        if not pid:
            mutation = load(path)
            break
        assert os.waitpid(pid, 0)[1] == 0, path
    if arguments[1:] and mutation is None:
        return
    end_long_calls()
    # The walk calls the library, and nothing of that may reach the terminal.
    real_stdout = sys.stdout
    sys.stdout = sys.__stdout__ = io.StringIO()  # type: ignore[misc,assignment]
    graph = Graph(namespace, sandbox.inside, int(arguments[0]))
    add_roots(graph, facades, getattr(mutation, "ONLY", None))
    graph.walk(getattr(mutation, "WANTED", None))
    sys.stdout = real_stdout
    print(json.dumps({"objects": len(graph.kept), "calls": graph.calls, "forbidden": graph.forbidden}))
    real_stdout.flush()
    os._exit(0)  # what was made meanwhile has ends of its own


def add_roots(graph: Graph, facades: Any, only: str | None) -> None:
    """Everything that a program can name; or, for a mutation that says so, one module."""
    program = graph.namespace
    if only is not None:
        for attribute, value in vars(facades.admitted[only]).items():
            graph.find(value, f"{only}.{attribute}")
        return
    for name, value in program["__builtins__"].items():
        if name.isidentifier():
            graph.find(value, name)
    for name, facade in facades.admitted.items():
        graph.find(facade, name)
        for attribute, value in vars(facade).items():
            graph.find(value, f"{name}.{attribute}")
    for name in ("Spy", "Watched", "Plain", "function", "annotated", "Holder"):
        graph.find(program[name], name)
    things = {"generator()": program["generator"](), "caught()": program["caught"](), "Spy()": program["Spy"](),
              "Plain().method": program["Plain"]().method, "inside()": program["inside"](), "hooks()": program["hooks"](),
              "super": super(program["Watched"]), "missed(len)": program["missed"](len)}  # fmt: skip
    if "scopes" in program:
        things["scopes()"] = program["scopes"]([])
    for name, thing in things.items():
        graph.find(thing, name)


def spy_methods(names: Any) -> str:
    wanted = sorted(names.METHODS - NO_SPY)
    methods = [SPY_METHODS.format(name=name, answer=ANSWERS.get(name, "self")) for name in wanted]
    return "".join("    " + line + "\n" for method in methods for line in method.strip().splitlines())


def load(path: str) -> Any:
    spec = importlib.util.spec_from_file_location(os.path.basename(path).removesuffix(".py"), path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


if __name__ == "__main__":
    main(sys.argv[1:])
