"""`__dict__` of an object and `__name__` of a class: what was there before crashes nothing, and goes when it does in CPython."""

from __future__ import annotations

import pytest

from tests.box.programs import Runner, plain, same

REPLACING = """
    class C: pass
    class E(ValueError): pass
    class K:
        def __hash__(self): return hash("x")
        def __eq__(self, other):
            global armed
            if armed:
                armed = False
                {remove}
                {replace}
                kept.extend(fill + fill for _ in range(100))
            return False
    armed, kept = False, []
    def main():
        global c, armed, fill
        changed = 0
        for size in range(4, 60, 4):
            fill = b"A" * size
            c = {made}
            c.__dict__ = {{K(): 1}}
            armed = True
            try: {change}
            except AttributeError: pass
            changed += len(set(kept)) - 1
            kept.clear()
        return changed
    """


@pytest.mark.parametrize("made", ["C()", "E()", "(lambda: 1)"])
@pytest.mark.parametrize("change", ["c.x = 5", "del c.x", "setattr(c, 'x', 5)", "object.__setattr__(c, 'x', 5)"])
@pytest.mark.parametrize(
    "replace",
    ["c.__dict__ = {}", "c.__dict__, _ = {}, 1", "setattr(c, '__dict__', {})", "object.__setattr__(c, '__dict__', {})"],
)
def test_a_dict_lives_while_an_attribute_is_set_in_it(run: Runner, made: str, change: str, replace: str) -> None:
    for remove in ("pass", "vars(c).clear()"):
        program = REPLACING.format(made=made, change=change, replace=replace, remove=remove)
        assert run.answer(program) == 0


def test_a_dict_that_the_program_lets_go_of_last_lives_as_well(run: Runner) -> None:
    program = REPLACING.format(made="C()", change="c.x = 5", replace="before = vars(c); c.__dict__ = {}", remove="pass")
    assert run.answer(program) == 0


def test_dicts_of_objects_are_set_as_in_cpython(run: Runner) -> None:
    program = """
        class Gone:
            def __del__(self): gone.append(1)
        gone = []
        class Borg:
            shared = {}
            def __init__(self): self.__dict__ = self.shared
        class Attributes(dict):
            def __init__(self, **items):
                super().__init__(**items)
                self.__dict__ = self
        class C: pass
        class E(ValueError): pass
        def main():
            one, other, items, c = Borg(), Borg(), Attributes(a=1), C()
            one.x, items.b, told = 1, 2, []
            told += [other.x, one.__dict__ is other.__dict__, items, items.a]
            for f in (
                lambda: setattr(c, "__dict__", {"y": 1}),
                lambda: object.__setattr__(c, "__dict__", {"y": 2}),
                lambda: object.__delattr__(c, "__dict__"),
                lambda: delattr(c, "__dict__"),
            ):
                c.gone = Gone()
                f()
                told.append([len(gone), sorted(vars(c))])
            c.gone = Gone()
            c.__dict__ = {"z": 1}
            told.append([len(gone), c.z])
            c.__dict__ |= {"w": 2}
            told.append(dict(vars(c)))
            c.gone = Gone()
            before = vars(c)
            c.__dict__ = {}
            told.append([len(gone), sorted(before)])
            c.__dict__ = before
            told.append(sorted(vars(c)))
            before = 5
            del c.__dict__
            told.append(len(gone))
            for each in (E(), main, C()):
                each.gone = Gone()
                each.__dict__ = {"only": 1}
                told.append([len(gone), vars(each)])
            for f in (lambda: setattr(c, "__dict__", 5), lambda: setattr(C, "__dict__", {}), lambda: setattr(5, "__dict__", {})):
                try: f()
                except Exception as error: told.append(isinstance(error, (TypeError, AttributeError)))
            return told + [len([Attributes(n=n) for n in range(1000)])]
        """
    same(run, program, plain(program))


def test_the_name_of_a_class_lives_while_a_message_is_made_of_it(run: Runner) -> None:
    program = """
        kept = []
        class Named(type):
            def __repr__(cls):
                D.__name__ = "y"
                kept.extend(fill + fill for _ in range(200))
                return "E"
        class D: pass
        class E(Exception, metaclass=Named):
            def __new__(cls, *args): return D()
        def waiting(): yield
        def main():
            global fill
            wrong = []
            for size in (50, 54, 60, 70, 80, 90):
                fill = b"secret: " * (size // 8)
                D.__name__ = "".join(["A"] * (2 * size))
                generator = waiting()
                next(generator)
                try: generator.throw(E)
                except TypeError as error: wrong += [] if str(error).endswith("A" * (2 * size)) else [ascii(str(error))]
                kept.clear()
            return wrong
        """
    assert run.answer(program) == []
