"""Programs that reached real builtins, or damaged the interpreter's memory, before what they used was closed."""

from __future__ import annotations

import sys
import textwrap
import weakref
from collections.abc import Iterator
from pathlib import Path

import pytest

from sandbox import Sandbox
from sandbox.inside import caught_errors
from tests.box.programs import Runner, same

ATTACKS = sorted(Path(__file__).with_name("attacks").glob("*.txt"))
#: What the language layer says; a crash, or an answer with what a program may not have, is none of these.
REFUSALS = ("SecurityError", "SyntaxError", "KeyError", "TypeError", "IndexError", "AttributeError")


@pytest.mark.parametrize("attack", ATTACKS, ids=[attack.stem for attack in ATTACKS])
def test_an_attack_is_refused_by_the_language_layer(run: Runner, attack: Path) -> None:
    assert run.failure(attack.read_text(), wall_seconds=30.0).type in REFUSALS


@pytest.mark.parametrize("operation", range(6))
def test_an_ordered_dict_may_change_while_it_is_searched(run: Runner, operation: int) -> None:
    attack = next(each for each in ATTACKS if each.stem == "ordereddict_changes_while_searched")
    verdict = run.verdict(attack.read_text(), operation)
    assert verdict.failure is None or verdict.failure.type in REFUSALS


BLOCKS = {
    "with": "with y:\n",
    "with two": "with y, y:\n",
    "for": "for x in y:\n",
    "while": "while y:\n",
    "a handler": "try: 0\nexcept E as e:\n",
}


@pytest.mark.parametrize("block", BLOCKS.values(), ids=list(BLOCKS))
def test_the_compiler_does_not_crash_on_a_comprehension_in_many_blocks(run: Runner, block: str) -> None:
    for depth in range(3, 20):
        source = "[[[1 for x in y] for x in y] for x in y]\n"
        for _ in range(depth):
            source = block + textwrap.indent(source, " ")
        problems = run.problems("def main(y=()):\n" + textwrap.indent(source, " "))
        assert {each.message for each in problems} <= {
            "a comprehension is nested in 18 blocks and comprehensions or more",
            "too many statically nested blocks",
        }
        assert not problems or depth >= 6


def test_blocks_of_another_function_or_class_do_not_count(run: Runner) -> None:
    source = "def f(y):\n  return [[x for x in y] for _ in y]\nclass A:\n  x = [1 for x in ()]\n"
    for _ in range(17):
        source = "for z in (1,):\n" + textwrap.indent(source, " ")
    assert run.answer(f"{source}def main(): return f((1, 2))\n") == [[1, 2], [1, 2]]


def test_the_library_has_no_cache_in_c_that_a_program_could_use() -> None:
    """Any of them may get a key of a program's (`typing.List[x]`), and hand its class on. (ipaddress is not admitted.)"""
    program = """
        import gc, typing
        def main():
            gc.unfreeze()
            caches = [each for each in gc.get_objects() if type(each).__name__ == "_lru_cache_wrapper"]
            return sorted({type(each).__name__ for each in gc.get_referrers(*caches) if each is not caches})
        """
    box = Sandbox(spare_children=1, extra_modules=["gc"], runs_programs=False)
    box.start()
    try:
        assert set(Runner(box).answer(program)) <= {"property", "builtin_function_or_method", "tuple"}
    finally:
        box.close()


@pytest.mark.parametrize("made", ["functools.cache(f)", "functools.lru_cache(f)", "functools.lru_cache(9, True)(f)"])
def test_the_class_of_a_cache_makes_no_other(run: Runner, made: str) -> None:
    failure = run.failure(f"import functools\ndef f(x): pass\ndef main(): return str(type({made})(f, 3, True, len))")
    assert failure.type == "TypeError"


OTHERS_OF_THE_KIND = {
    "a cache copies a namespace": """
        import functools
        def main(): return list(vars(functools.cache(type(main))))
        """,
    "a context manager copies a namespace": """
        import contextlib
        def main(): return list(vars(functools.lru_cache()(contextlib.contextmanager(type(main)))))
        """,
    "wraps copies a namespace": """
        import functools
        def main():
            @functools.wraps(type(main))
            def f(): pass
            return list(vars(f))
        """,
    "update_wrapper copies a namespace": """
        import functools
        def main():
            def f(): pass
            return list(vars(functools.update_wrapper(f, type(main))))
        """,
    "vars of a scope of annotations": """
        def main(): return list(vars())
        """,
}


@pytest.mark.parametrize("program", OTHERS_OF_THE_KIND.values(), ids=list(OTHERS_OF_THE_KIND))
def test_no_copy_of_a_namespace_holds_special_attributes(run: Runner, program: str) -> None:
    verdict = run.verdict(program)
    assert b"__globals__" not in (verdict.result_json or b"")


REFLECTED = {
    "the registry of a generic function": ("functools.singledispatch(lambda x: 1)", "registry"),
    "the members of an enum": ("enum.Enum('E', 'A B')", "__members__"),
    "the groups of a pattern": ("re.compile('(?P<a>b)')", "groupindex"),
}


@pytest.mark.parametrize("view", REFLECTED.values(), ids=list(REFLECTED))
@pytest.mark.parametrize("operator", ["==", "!=", "|", "<", ">="])
def test_a_view_does_not_hand_its_mapping_to_the_other_side(run: Runner, view: tuple[str, str], operator: str) -> None:
    holder, name = view
    program = f"""
        import functools, enum, re
        got = []
        class Other:
            def note(self, other):
                got.append(other)
                return True
            __eq__ = __ne__ = __lt__ = __gt__ = __le__ = __ge__ = __or__ = __ror__ = note
        def main():
            holder = {holder}
            try:
                holder.{name} {operator} Other()
            except TypeError:
                pass
            for each in got:
                if isinstance(each, dict):
                    each["new"] = 1
            return "new" in holder.{name}
        """
    assert run.answer(program) is False


def test_the_groups_of_a_pattern_are_read_from_the_pattern_alone(run: Runner) -> None:
    """A descriptor's `__get__` would hand out a view of the pattern's own dict."""
    assert run.failure("import re\ndef main(): return str(re.Pattern.groupindex)").type == "SecurityError"


def test_a_class_method_is_never_bound_to_the_real_type(run: Runner) -> None:
    program = """
        import functools
        class Spy:
            def __get__(self, *args):
                found.extend(args)
                return self
            def __call__(self, *args): found.extend(args)
        found = []
        class Holder:
            part = functools.partialmethod(classmethod(Spy()))
            single = functools.singledispatchmethod(classmethod(Spy()))
        def main():
            for bound in (classmethod(found.append).__get__(int), classmethod(Spy()).__get__(int, None),
                          classmethod.__get__(classmethod(Spy()), int), vars(Holder)["part"].__get__(int),
                          vars(Holder)["single"].__get__(int)):
                try:
                    bound()
                except Exception as error:
                    found.append(error)
            made = [each for each in found if isinstance(each, type) and issubclass(each, type)]
            return [each is type for each in made]
        """
    answer = run.answer(program)
    assert answer
    assert all(answer)


#: How a program could get at what the library handles while it calls it.
HANDLED = {
    "exc_info": "found.append(sys.exc_info()[1])",
    "a bare raise": "raise",
    "a bare raise in another function": "again()",
    "a bare raise in a class": "class A: raise",
    "a context": """
                try: raise ValueError
                except ValueError as error: found.append(error.__context__)""",
    "a record of logging": "logging.exception('x')",
}


@pytest.fixture(scope="module")
def run_open() -> Iterator[Runner]:
    """Runs programs that may do what they like by `builtins`, and so bring about what the guards are there for."""
    box = Sandbox(spare_children=1, extra_modules=["builtins"], runs_programs=False)
    box.start()
    yield Runner(box)
    box.close()


@pytest.mark.parametrize("way", HANDLED.values(), ids=list(HANDLED))
def test_what_the_library_is_handling_does_not_tell_the_real_type(run_open: Runner, way: str) -> None:
    program = f"""
        import builtins, logging, sys
        found, library = [], {{}}
        builtins.exec('''
        def look_up(cls, hook):
            try: return {{}}[cls]
            except KeyError: return hook()
        '''.replace("\\n        ", "\\n"), library)
        class Keep(logging.Handler):
            def emit(self, record): found.append(record.exc_info[1])
        logging.getLogger().addHandler(Keep())
        def again(): raise
        def hook():
                {way}
        def main():
            try:
                library["look_up"](builtins.type, hook)
            except (KeyError, ValueError) as error:
                found.append(error)
            return [each.args[0] is type for each in found if isinstance(each, KeyError)]
        """
    assert run_open.answer(program) == [True]


def test_an_exit_stack_asks_what_it_is_given_before_it_goes_on(run: Runner) -> None:
    """The library's calls methods of a program's stack while it handles AttributeError(obj=type)."""
    program = """
        import contextlib, sys
        found = []
        class Stack(contextlib.ExitStack):
            def _push_exit_callback(self, *args): found.append(sys.exc_info()[1])
        def main(): return [Stack().push(int) is int, found]
        """
    assert run.answer(program) == [True, [None]]


def test_an_exit_stack_takes_functions_and_managers(run: Runner) -> None:
    program = """
        import contextlib
        called = []
        class Manager:
            def __enter__(self): return self
            def __exit__(self, *args): called.append(["manager", str(args[1])])
        def main():
            with contextlib.ExitStack() as stack:
                @stack.push
                def function(kind, error, traceback):
                    called.append(["function", str(error)])
                    return True
                manager = stack.push(Manager())
                raise ValueError("x")
            try: contextlib.ExitStack.push(5, print)
            except (TypeError, AttributeError): return [called, callable(function), type(manager).__name__]
        """
    same(run, program, [[["manager", "x"], ["function", "x"]], True, "Manager"])


@pytest.mark.parametrize(
    "hidden", [weakref.ref(int), sys, sys._getframe(), test_an_attack_is_refused_by_the_language_layer.__code__]
)
def test_what_a_handled_error_speaks_of_is_hidden_if_no_program_may_hold_it(hidden: object) -> None:
    assert caught_errors.told(KeyError(hidden, "x", int)).args == (None, "x", int)
    assert caught_errors.told(AttributeError("x", name="x", obj=hidden)).obj is None


WAYS_TO_A_DESCRIPTOR = (
    "{owner}.{name}",
    "getattr({owner}, '{name}')",
    "super(E, E).{name}",
    "vars({owner})['{name}']",
    "E.__dict__['{name}']",
)


@pytest.mark.parametrize(
    ("owner", "name"),
    [("BaseException", "__context__"), ("BaseException", "__cause__")],
)
@pytest.mark.parametrize("way", WAYS_TO_A_DESCRIPTOR)
def test_no_program_holds_what_reads_a_guarded_attribute_from_any_object(
    run: Runner, way: str, owner: str, name: str
) -> None:
    read = way.format(owner=owner, name=name)
    failure = run.failure(f"class E({owner}): pass\ndef main(): return str({read})")
    assert failure.type in ("SecurityError", "KeyError")


@pytest.mark.parametrize("kind", ["Enum", "Flag", "IntEnum", "IntFlag", "StrEnum", "ReprEnum"])
@pytest.mark.parametrize("name", ["__repr__", "__str__", "__dir__"])
def test_what_an_enum_has_for_its_members_takes_no_class(run: Runner, kind: str, name: str) -> None:
    """Their own methods, or those that they have of str and int; only what any object has is for any."""
    program = f"""
        import enum
        def main():
            method = enum.{kind}.{name}
            if method is object.{name}: raise TypeError
            return str(method(int))
        """
    assert run.failure(program).type == "TypeError"


#: Ways to read what an AttributeError speaks of. (int.nothing speaks of int; what the library asked may be of type.)
WAYS_TO_WHAT_WAS_ASKED = (
    "error.obj",
    "getattr(error, 'obj')",
    "operator.attrgetter('obj')(error)",
    "super(E, error).obj",
    "AttributeError.obj.__get__(error)",
    "error.asked",
    "of_a_pattern(error)",
)


@pytest.mark.parametrize("way", WAYS_TO_WHAT_WAS_ASKED)
def test_what_an_error_speaks_of_is_never_the_real_type(run_open: Runner, way: str) -> None:
    program = f"""
        import builtins, operator
        class E(AttributeError): asked = AttributeError.obj
        def of_a_pattern(error):
            match error:
                case AttributeError(obj=asked): return asked
        def main():
            error = E("x", name="x", obj=builtins.type)
            return [{way} is builtins.type, str({way})]
        """
    assert run_open.answer(program) == [False, "<class 'type'>"]


def test_an_attribute_called_obj_is_read_as_any_other(run: Runner) -> None:
    program = """
        import dataclasses
        class Slot: __slots__ = ("obj",)
        @dataclasses.dataclass
        class Held: obj: object
        def main():
            slot = Slot()
            slot.obj = 1
            held = Held(2)
            held.obj += 1
            match held:
                case Held(found): pass
            return [found, slot.obj, held.obj, memoryview(b"x").obj == b"x", Slot.obj.__get__(slot),
                    dataclasses.asdict(held), str(dataclasses.replace(held, obj=4))]
        """
    assert run.answer(program) == [3, 1, 3, True, 1, {"obj": 3}, "Held(obj=4)"]


def test_a_generic_function_does_not_ask_its_functions_attributes(run: Runner) -> None:
    program = """
        import functools
        class Asked:
            def get(self, cls):
                found.append(cls)
                return print
            def keys(self): return ()
            def __contains__(self, cls): return found.append(cls)
        found = []
        def f(x): return 1
        f.registry = f.dispatch = f.register = Asked()
        def main():
            return [functools.singledispatch(f)(int), found]
        """
    assert run.answer(program) == [1, []]


TWICE = {
    "property": "property(lambda self: 1)",
    "staticmethod": "staticmethod(main)",
    "classmethod": "classmethod(main)",
    "super": "super(int, 1)",
}


@pytest.mark.parametrize("kind", ["property", "staticmethod", "classmethod"])
def test_what_a_class_returns_again_is_not_initialised_again(run: Runner, kind: str) -> None:
    program = f"""
        class Own({kind}):
            def __new__(cls, *_): return kept[0] if kept else super().__new__(cls)
        class Further(Own): pass
        kept = []
        def main():
            kept.append(Further(main))
            return str(Own(len))
        """
    failure = run.failure(program)
    assert failure.type == "TypeError"
    assert failure.message == f"a {kind!r} object can't be initialised twice in the sandbox"


@pytest.mark.parametrize("made", TWICE.values(), ids=list(TWICE))
def test_what_is_at_work_is_not_initialised_again(run: Runner, made: str) -> None:
    program = f"""
        import types
        def main():
            made = {made}
            type(made).__init__(made, *((int, 1) if type(made) is super else (main,)))
            return "initialised twice"
        """
    assert run.failure(program).type in ("SecurityError", "TypeError")


def test_a_property_of_ones_own_is_initialised_once(run: Runner) -> None:
    program = """
        class Own(property):
            def __init__(self, function, note):
                super().__init__(function)
                self.note = note
        class Holder:
            value = Own(lambda self: 7, "n")
        def main(): return [Holder().value, Holder.value.note]
        """
    assert run.answer(program) == [7, "n"]


WAYS_TO_DEFINE = {
    "a method": """
        class M(type):
            def {name}(cls, *args): pass
        """,
    "a property": """
        class M(type):
            @property
            def {name}(cls): return print
        """,
    "a variable of a loop": """
        class M(type):
            for {name} in [print]: pass
        """,
    "ABCMeta": """
        from abc import ABCMeta
        class M(ABCMeta):
            def {name}(cls, *args): pass
        """,
    "another base": """
        class Mix:
            def {name}(cls, *args): pass
        class M(Mix, type): pass
        """,
    "assigned later": "class M(type): pass\nM.{name} = print",
    "setattr": "class M(type): pass\nsetattr(M, '{name}', print)",
    "by the class of M": "class M(type): pass\ntype.__setattr__(M, '{name}', print)",
    "type": "type('M', (type,), {{'{name}': print}})",
    "__set_name__": """
        class Part:
            def __set_name__(self, owner, name): owner.{name} = print
        class M(type): part = Part()
        """,
}


@pytest.mark.parametrize("name", ["__setattr__", "__delattr__"])
@pytest.mark.parametrize("way", WAYS_TO_DEFINE.values(), ids=list(WAYS_TO_DEFINE))
def test_no_class_of_classes_is_told_what_the_library_sets(run: Runner, way: str, name: str) -> None:
    failure = run.failure(textwrap.dedent(way.format(name=name)) + "\ndef main(): pass")
    assert failure.type in ("SecurityError", "RuntimeError")
    assert "in the sandbox" in (failure.traceback or failure.message)


OF_ANOTHER_MODULE = {
    "type": "type('D', (), {'__module__': 'contextlib'})",
    "a class of classes": "M('D', (), {'__module__': 'contextlib'})",
    "what compares equal": "type('D', (), {'__module__': Equal('contextlib')})",
    "wraps": "functools.wraps(contextlib.closing)(Plain)",
    "Enum": "enum.Enum('D', [], module='contextlib')",
}


@pytest.mark.parametrize("made", OF_ANOTHER_MODULE.values(), ids=list(OF_ANOTHER_MODULE))
def test_what_dataclasses_paste_runs_in_the_program_only(run: Runner, made: str) -> None:
    """It runs in the globals of the module that the class is said to be of."""
    program = f"""
        import contextlib, dataclasses, enum, functools
        class M(type): pass
        class Plain: pass
        class Equal(str):
            def __eq__(self, other): return True
            def __ne__(self, other): return False
            def __hash__(self): return str.__hash__(self)
        def main():
            dataclasses.dataclass({made})
        """
    assert run.failure(program).type == "SecurityError"


WAYS_TO_NAME_A_CLASS = (
    "C.__name__ = name",
    "C.__qualname__ += name",
    "C.__name__, C.__qualname__ = name, name",
    "for C.__name__ in [name]: pass",
    "setattr(C, '__name__', name)",
    "type.__setattr__(C, '__qualname__', name)",
    "functools.wraps(named)(C)",
    "C = enum.Enum(name, 'A B')",
    "C = collections.namedtuple(name, 'a b')",
    "C = dataclasses.make_dataclass(name, ['a'])",
)
NAMED = """
    import collections, dataclasses, enum, functools
    class Text(str):
        def __str__(self): return self
    class M(type): pass
    class C: pass
    def main():
        global C
        name = Text("name")
        named = C
        {}
        return [type(each) is str for each in (C.__name__, C.__qualname__)]
    """


@pytest.mark.parametrize("way", WAYS_TO_NAME_A_CLASS)
def test_the_name_of_a_class_is_a_plain_string(run: Runner, way: str) -> None:
    """The library reads attributes by it (reprlib), and a subclass of str says what it is joined to."""
    assert run.answer(NAMED.format(way)) == [True, True]


@pytest.mark.parametrize("made", ["type(name, (), {})", "type('C', (), {'__qualname__': name})", "M(name, (), {})"])
def test_a_class_is_made_by_a_plain_string(run: Runner, made: str) -> None:
    assert run.failure(NAMED.format(made)).message == "the name of a class must be a plain string"


def test_what_is_no_class_may_have_any_name(run: Runner) -> None:
    program = """
        class Text(str): pass
        class Named: pass
        class Setter:
            def __setattr__(self, name, value): super().__setattr__(name, [value])
        def main():
            named, setter = Named(), Setter()
            named.__name__ = Text("a")
            named.__name__ += "b"
            setter.__name__ = 5
            main.__name__ = "c"
            kept = named.__name__
            del named.__name__
            return [kept, setter.__name__, main.__name__, hasattr(named, "__name__")]
        """
    same(run, program, ["ab", [5], "c", False])
