"""Code in C that reads on in what its own calls have let go of: each program would end in a crash, or read free memory.

The buffers are so large that their memory is given back to the system at once, where reading it is noticed.
"""

from __future__ import annotations

import sys

import pytest

from tests.box.programs import Runner, plain, same

CLEARING = """
    class Position:
        def __index__(self):
            held.clear()
            return 3
        def __bytes__(self):
            held.clear()
            return b"3"
    class Text(str):
        def __len__(self):
            held.clear()
            return 1
    class Bytes(bytes):
        __len__ = Text.__len__
    def main():
        global held
        held = bytearray(b"%b") + bytearray(40_000_000)
        try:
            {}
        except ValueError as error:
            return "not found" in str(error)
        return True
    """
ON_A_BYTEARRAY = (
    *("held.find(b'a', Position())", "held.rfind(b'a', Position())", "held.count(b'a', Position())"),
    *("held.index(b'a', Position())", "held.rindex(b'a', Position())", "bytearray.find(held, b'a', Position())"),
    *("held.find(Position())", "held.rfind(Position())", "held.count(Position())", "held.index(Position())"),
    *("held.startswith(b'a', Position())", "held.endswith(b'a', Position())", "Position() in held"),
    *("held % Position()", "held.hex(Text('-'))", "held.hex(Bytes(b'-'))", "held.hex(sep=Text('-'))"),
)


@pytest.mark.parametrize("expression", ON_A_BYTEARRAY)
def test_a_bytearray_may_be_emptied_while_it_is_read(run: Runner, expression: str) -> None:
    assert run.answer(CLEARING.format(expression)) is True


EXTENDED = """
    class Own(bytes): pass
    class Hinting:
        def __init__(self, *items): self.items = items
        def __iter__(self): return iter(self.items)
        def __length_hint__(self): return 0
    class Long(Hinting):
        def __length_hint__(self): return 100
    class Wrong(Hinting):
        def __length_hint__(self): return -1
    def main():
        told = []
        for values in (b"a", bytearray(b"b"), memoryview(b"c"), Own(b"d"), [101], [], (102,), range(3), {5: 6}, (x for x in b"g"),
                       map(ord, "hi"), Long(1, 2), Long(), "text", 5, None, [256], ["a"], (each for each in [1, -1])):
            held = bytearray(b"before")
            try: held.extend(values)
            except (TypeError, ValueError) as error: told.append(type(error).__name__)
            told.append(list(held))
        return told
    """


def test_a_bytearray_is_extended_as_in_cpython(run: Runner) -> None:
    same(run, EXTENDED, plain(EXTENDED))


def test_a_bytearray_is_extended_by_more_than_was_promised(run: Runner) -> None:
    program = (
        EXTENDED.partition("def main")[0]
        + """
    def main():
        held = bytearray()
        for values in (Hinting(), Hinting(1), Hinting(*range(2, 100)), Wrong(100)): held.extend(values)
        return list(held)
    """
    )
    assert run.answer(program) == list(range(1, 101))


JOINED = """
    def parts():
        held.clear()
        yield b""
        yield b""
    def main():
        global held
        held = bytearray(b"A" * 40_000_000)
        return len(held.join(parts())), held.join(parts()) == b""
    """


def test_a_bytearray_may_be_emptied_while_it_joins(run: Runner) -> None:
    assert run.answer(JOINED) == [40_000_000, True]


VIEWS = {
    "hex": """
        class Text(str):
            def __len__(self):
                view.release()
                held.clear()
                return 1
        def main():
            global view, held
            held = bytearray(40_000_000)
            view = memoryview(held)
            try:
                return len(view.hex(Text("-")))
            except (ValueError, BufferError):
                return 119_999_999
        """,
    "hash": """
        class Bytes(bytes):
            def __hash__(self):
                global held
                view.release()
                held = None
                return 1
        def main():
            global view, held
            held = Bytes(40_000_000)
            view, held = memoryview(held), None
            return 119_999_999 if hash(view) == hash(bytes(40_000_000)) else None
        """,
}


@pytest.mark.parametrize("program", VIEWS.values(), ids=list(VIEWS))
def test_a_view_may_be_released_while_it_is_read(run: Runner, program: str) -> None:
    assert run.answer(program) == 119_999_999


RESULTS = {
    "positions": "[bytearray(b'abcabc').find(*a) for a in ((b'c',), (99,), (b'c', 3), (b'c', None, -3), (b'x',))]",
    "counts": "[bytearray(b'aXaXa').count(b'a', 1), bytearray(b'aa').rfind(97), bytearray(b'aXa').rindex(b'a')]",
    "prefixes": "[bytearray(b'abc').startswith((b'x', b'ab')), bytearray(b'abc').endswith(b'c', 1, 2)]",
    "in": "[98 in bytearray(b'abc'), b'bc' in bytearray(b'abc'), bytearray(b'x') in bytearray(b'abc'), b'' in bytearray()]",
    "format": "[(bytearray(b'%d-%b') % (7, bytearray(b'x'))).decode(), type(bytearray(b'%%') % ()).__name__]",
    "hex": "[bytearray(b'abc').hex(), bytearray(b'abc').hex(':', 2), memoryview(b'abc').hex(sep='-', bytes_per_sep=-2)]",
    "hash": "[hash(memoryview(b'abc')) == hash(b'abc'), hash(memoryview(b'abcdef')[::2]) == hash(b'ace')]",
    "join": "[bytearray(b'-').join([b'a', bytearray(b'b')]).decode(), type(bytearray().join(())).__name__]",
    "a subclass": """
        class Own(bytearray):
            def find(self, *args): return super().find(*args) * 10
        def main(): return [Own(b'abc').find(b'c'), 97 in Own(b'a'), bytearray.find(Own(b'abc'), b'c')]
        """,
    "errors": """
        def main():
            out = []
            for call in (lambda: bytearray().index(b'x'), lambda: bytearray().find(256), lambda: bytearray().find('x'),
                         lambda: 'x' in bytearray(), lambda: bytearray.find(b'x', b'x'), lambda: bytearray().find(),
                         lambda: bytearray(b'%d') % 'x', lambda: bytearray().join(['x']), lambda: 5 % bytearray(), lambda: hash(bytearray()),
                         lambda: hash(memoryview(bytearray(1))), lambda: hash(memoryview(bytes(4)).cast('i'))):
                try: call()
                except Exception as error: out.append(type(error).__name__)
            return out
        """,
}


@pytest.mark.parametrize("program", RESULTS.values(), ids=list(RESULTS))
def test_buffers_are_as_in_cpython(run: Runner, program: str) -> None:
    same(run, program, plain(program))


COUNTER = """
    import collections
    kept = []
    class Later:
        def __del__(self): kept.append([complex(1e300, 1e300) for _ in range(300)])
    class Count:
        __slots__ = ()
        def __add__(self, other):
            later = Later()
            counted.clear()
            return NotImplemented
    counted = collections.Counter()
    def letters():
        for _ in range(20):
            yield "a"
            counted["a"] = Count()
    def main():
        for _ in range(20):
            counted.clear()
            try: counted.update(letters())
            except TypeError as error: told = str(error)
        return told
    """


def test_a_count_may_go_while_it_is_added_to(run: Runner) -> None:
    assert run.answer(COUNTER) == "unsupported operand type(s) for +: 'Count' and 'int'"


COUNTED = {
    "plain": "collections.Counter('abca')",
    "twice": "collections.Counter('ab') + collections.Counter(['a', 1, None])",
    "objects": "{str(k): v for k, v in collections.Counter([(1, 2), (1, 2), 1.5, 'x']).items()}",
    "subclass": "type('Own', (collections.Counter,), {'__missing__': lambda self, key: 5})('aab')",
    "update": "[c := collections.Counter(a=2), c.update('abb'), c.update({'a': 3}), c.subtract('a')][0]",
}


@pytest.mark.parametrize("expression", COUNTED.values(), ids=list(COUNTED))
def test_counts_are_those_of_cpython(run: Runner, expression: str) -> None:
    program = f"import collections\ndef main(): return {expression}"
    same(run, program, plain(program))


ENCODED = """
    import json
    class Own: pass
    def give(value):
        held["value"] = 1
        kept.append([[1.5] * 30 for _ in range(100)])
        return 1
    kept = []
    held = {}
    def main():
        for _ in range(100):
            held["value"] = {f"p{i}": Own() for i in range(30)}
            text = json.dumps(held, default=give, check_circular=False)
        return len(json.loads(text)["value"])
    """


def test_what_is_encoded_may_be_let_go_of(run: Runner) -> None:
    assert run.answer(ENCODED) == 30


def test_a_zone_is_not_read_from_a_file_of_the_program(run: Runner) -> None:
    program = "import io, zoneinfo\ndef main(): zoneinfo.ZoneInfo.from_file(io.BytesIO(b'TZif'))"
    assert run.failure(program).message == "there are no zone files in the sandbox: use ZoneInfo(key)"
    program = "import zoneinfo\ndef main(): return str(zoneinfo.ZoneInfo.no_cache('Europe/Berlin'))"
    assert run.answer(program) == "Europe/Berlin"


ZONES = {
    "the cache is cleared": ("Zone(Key())", "Zone.clear_cache()"),
    "the cache is cleared by a key": ("Zone.clear_cache(only_keys=[Key()])", "Zone.clear_cache()"),
    "zones take another's place": ("Zone(Key())", "for each in names[8:]: Zone(each)"),
}


@pytest.mark.parametrize("case", ZONES.values(), ids=list(ZONES))
def test_zones_may_go_while_one_is_looked_for(run: Runner, case: tuple[str, str]) -> None:
    program = """
        import zoneinfo
        Zone = zoneinfo.ZoneInfo
        names = sorted(zoneinfo.available_timezones())[:20]
        class Key:
            def __init__(self): self.hash = 1
            def __hash__(self): return self.hash
            def __eq__(self, other):
                {1}
                return False
        def main():
            for _ in range(10):
                for each in names[:8]: Zone(each)
                try: {0}
                except (TypeError, zoneinfo.ZoneInfoNotFoundError): pass
            return str(Zone(names[0])) == names[0]
        """
    assert run.answer(program.format(*case)) is True


ZONES_IN_USE = """
    import copy, datetime, zoneinfo
    class Text(str): pass
    def main():
        zone, summer = zoneinfo.ZoneInfo("Europe/Berlin"), datetime.datetime(2030, 7, 1, 12)
        told = [repr(zone), str(zone), zone.key, zone is zoneinfo.ZoneInfo("Europe/Berlin"), type(zone).__name__,
                type(zone) is zoneinfo.ZoneInfo, zone is zoneinfo.ZoneInfo.no_cache("Europe/Berlin"), zone == copy.copy(zone),
                copy.deepcopy(zone) is zone, type(zone).__module__, repr(summer.replace(tzinfo=zone))]
        for key in ("Europe/Berlin", "UTC", "America/New_York", "Asia/Kolkata", "Australia/Lord_Howe", Text("Africa/Cairo")):
            zone = zoneinfo.ZoneInfo(key)
            for year in (1890, 1945, 1999, 2024, 2036, 2050):
                for month in range(1, 13):
                    then = datetime.datetime(year, month, 28, 2, 30, tzinfo=zone)
                    told += [str(then), str(then.replace(fold=1)), then.tzname(), str(then.dst())]
                    told.append(str(then.replace(tzinfo=datetime.timezone.utc).astimezone(zone)))
        told += [str(zone.utcoffset(None)), zone.tzname(None), datetime.time(1, tzinfo=zone).isoformat()]
        for key in ("Nowhere", "../x", "/etc", "", 5, None, []):
            try: zoneinfo.ZoneInfo(key)
            except Exception as error: told.append(type(error).__name__)
        zoneinfo.ZoneInfo.clear_cache()
        zoneinfo.ZoneInfo.clear_cache(only_keys=["UTC"])
        return told
    """


def test_zones_are_as_in_cpython(run: Runner) -> None:
    same(run, ZONES_IN_USE, plain(ZONES_IN_USE))


LISTS = {
    "statement": "items[::2] = values()",
    "method": "items.__setitem__(slice(None, None, 2), values())",
    "method of the class": "list.__setitem__(items, slice(None, None, 2), values())",
    "operator": "operator.setitem(items, slice(None, None, 2), values())",
    "subclass": "own[::2] = values()",
    "loop": "for items[::2] in [values()]: pass",
}


@pytest.mark.parametrize("statement", LISTS.values(), ids=list(LISTS))
def test_a_list_may_shrink_while_a_slice_of_it_is_set(run: Runner, statement: str) -> None:
    program = f"""
        import operator
        class Own(list): pass
        items, own = [None] * 400_000, Own([None] * 400_000)
        def values():
            del items[16:]
            del own[16:]
            yield from range(200_000)
        def main():
            try:
                {statement}
            except ValueError as error:
                return str(error)
        """
    assert run.answer(program) == "attempt to assign sequence of size 200000 to extended slice of size 8"


SLICES = {
    "set": "[x := list(range(6)), x.__setitem__(slice(None, None, 2), iter('abc')), x.__setitem__(-1, 'z')][0]",
    "delete": "[x := list(range(6)), x.__delitem__(slice(None, None, 2)), x.__delitem__(-1)][0]",
    "itself": "[x := list(range(4)), x.__setitem__(slice(None, None, -1), x)][0]",
    "errors": """
        def main():
            out, items = [], [1, 2, 3]
            for key, value in ((slice(None, None, 2), 5), (slice(None, None, 2), [1]), (9, 1), ("a", 1), (slice(0, 1), 5)):
                try: items[key] = value
                except Exception as error: out.append(type(error).__name__)
            return out
        """,
}


@pytest.mark.parametrize("program", SLICES.values(), ids=list(SLICES))
def test_lists_are_as_in_cpython(run: Runner, program: str) -> None:
    same(run, program, plain(program))


COMPARED = {
    "operator": "items < others",
    "the other side": "others > items",
    "method": "items.__le__(others)",
    "method of the class": "list.__lt__(items, others)",
    "function": "operator.ge(items, others)",
    "sorted": "sorted([others, items])",
    "of a tuple": "(items,) < (others,)",
}


@pytest.mark.parametrize("own", ["list", "Own"])
@pytest.mark.parametrize("expression", COMPARED.values(), ids=list(COMPARED))
def test_an_item_may_go_while_it_is_compared(run: Runner, expression: str, own: str) -> None:
    program = f"""
        import operator
        class Own(list): pass
        class Emptying:
            def __eq__(self, other): return False
            def __lt__(self, other):
                items.clear()
                others.clear()
                return NotImplemented
            __gt__ = __le__ = __ge__ = __lt__
        class Late:
            def __eq__(self, other): return False
            def __lt__(self, other):
                kept.extend(bytes(each) for each in range(200))
                seen.append(type(other).__name__)
                return True
            __gt__ = __le__ = __ge__ = __lt__
        kept, seen = [], []
        def main():
            global items, others
            for first, second in ((Emptying, Late), (Late, Emptying)):
                items, others = {own}([first()]), {own}([second()])
                {expression}
            return set(seen) <= {{"Emptying"}}
        """
    assert run.answer(program) is True


ORDERED = """
    import itertools
    class Own(list): pass
    class Always(list):
        def __lt__(self, other): return "mine"
    def main():
        values = [[], [1], [1, 2], [2, 1], ["a"], [[1]], [float("nan")], Own([1]), Always([1]), (1,), None, 1]
        found = []
        for a, b in itertools.product(values, values):
            for compare in (lambda: a < b, lambda: a <= b, lambda: a > b, lambda: a >= b, lambda: a == b, lambda: a != b,
                            lambda: list.__lt__(a, b)):
                try: found.append(str(compare()))
                except TypeError as error: found.append(type(error).__name__)
        same = [float("nan")]
        return [found, same <= same, same < same, sorted([[2, "b"], [2, "a"], [1]]), max([1, 2], [3])]
    """


def test_lists_are_ordered_as_in_cpython(run: Runner) -> None:
    same(run, ORDERED, plain(ORDERED))


FREED = """
    class Emptying:
        def __repr__(self):
            items.clear()
            kept.extend(Other() for _ in range(3))
            return "x"
    class Other:
        def __repr__(self): return "another object"
    class Part:
        def __repr__(self): return "y"
    class Late:
        def __repr__(self):
            items.append(slice(Emptying(), Part()))
            return "late"
    kept = []
    def main():
        global items
        items = [slice(Emptying(), Part(), 1)]
        told = [repr(items)]
        items = [Late()]
        told.append(repr(items))
        return told
    """


def test_what_a_list_holds_may_go_while_it_is_shown(run: Runner) -> None:
    assert run.answer(FREED) == ["[slice(x, y, 1)]", "[late]"]


SHOWN = {
    "lists": """
        class Own(list): pass
        class Said(list):
            def __repr__(self): return "said" + super().__repr__()
        def main():
            a, b, empty = [1], Own([2]), []
            a.extend([b, a, {"a": a}, (a, b), empty, empty])
            b.append(a)
            return [repr(a), str(b), f"{a!r:>3}{b}", repr([]), repr(Said([a, Said()])), list.__repr__(b), repr([a, a])]
        """,
    "an error in between": """
        class Wrong:
            def __repr__(self): raise ValueError
        def main():
            a = [Wrong()]
            try: repr(a)
            except ValueError: a[0] = a
            return repr(a)
        """,
    "slices": "[repr(slice(1)), str(slice('a', None, [1])), repr([slice(1, 2)]), slice.__repr__(slice(0, 1, 2))]",
    "partial objects": """
        import functools
        class Own(functools.partial):
            class Inner(functools.partial): pass
        class Text(str): pass
        def main():
            a = functools.partial(int, "1", base=2)
            b = Own(a, [1], c={})
            a.keywords.update(a=a, b=b)
            a.keywords[5] = a.keywords[Text("t")] = 6
            return [repr(a), str(b), repr(Own.Inner(int, a)), f"{[functools.partial(int)]}", functools.partial.__repr__(b)]
        """,
    "not of these": """
        from functools import partial as functools_partial
        def main():
            out = []
            for call in (lambda: functools_partial.__repr__({}), lambda: list.__repr__({}), lambda: list.__repr__(), lambda: slice.__repr__([])):
                try: call()
                except TypeError as error: out.append(type(error).__name__)
            return out
        """,
    "laid out": """
        import pprint
        class Own(list): pass
        def main(): return [pprint.pformat([["a" * 30] * 3, Own("b" * 30)]), pprint.pformat(Own([1])), pprint.saferepr([[]])]
        """,
}


@pytest.mark.parametrize("program", SHOWN.values(), ids=list(SHOWN))
def test_lists_and_slices_are_shown_as_in_cpython(run: Runner, program: str) -> None:
    same(run, program, plain(program))


LET_GO_OF = {
    "OSError": ("OSError(Emptying(), Part())", "str(held)", "held.strerror, held.args = None, ()", "[Errno x] y"),
    "OSError with files": (
        *("OSError(2, Emptying(), Part(), None, Part())", "str(held)"),
        *("held.filename = held.filename2 = held.args = ()", "[Errno 2] x: y -> y"),
    ),
    "an argument": (
        "ValueError(slice(Emptying(), Part()))",
        "repr(held)",
        "held.args = ()",
        "ValueError(slice(x, y, None))",
    ),
    "arguments": ("ValueError((Emptying(), Part()), 1)", "repr(held)", "held.args = ()", "ValueError((x, y), 1)"),
    "arguments as text": ("KeyError(Emptying(), Part())", "str(held)", "held.args = ()", "(x, y)"),
    "a key": ("KeyError((Emptying(), Part()))", "str(held)", "held.args = ()", "(x, y)"),
    "a namespace": (
        *("types.SimpleNamespace(a=(Emptying(), Part()), b=2)", "repr(held)"),
        *("vars(held).clear()", "namespace(a=(x, y), b=2)"),
    ),
    "a namespace with what is new": (
        *("types.SimpleNamespace(a=Emptying(), b=(Part(), Part()))", "repr(held)"),
        *("held.b = (Again(), Part())", "namespace(a=x, b=(y, y))"),
    ),
    "an attribute of its own": (
        *("types.SimpleNamespace(a=types.SimpleNamespace(b=Emptying(), c=Part()))", "repr(held)"),
        *("vars(held).clear()", "namespace(a=namespace(b=x, c=y))"),
    ),
    "a keyword of a partial object": (
        *("with_keywords(list[Emptying(), Part()])", "repr(held).partition('>, ')[2]"),
        *("held.keywords.clear()", "list[x, y]=1)"),
    ),
    "keywords of a partial object": (
        *("with_keywords(list[Emptying(), Part()], list[Part()])", "repr(held).partition('>, ')[2]"),
        *("held.keywords.clear()", "list[x, y]=1, list[y]=1)"),
    ),
}
LETTING_GO = """
    import functools, types
    def with_keywords(*keys):
        made = functools.partial(print)
        made.keywords.update(dict.fromkeys(keys, 1))
        return made
    class Emptying:
        def __repr__(self):
            {2}
            kept.extend([Other() for _ in range(3)] + [(Other(), Other()) for _ in range(3)])
            kept.extend(list[Other(), Other()] for _ in range(3))
            return "x"
    class Again:
        def __repr__(self):
            held.b = None
            kept.extend([Other() for _ in range(3)] + [(Other(), Other()) for _ in range(3)])
            return "again"
    class Other:
        def __repr__(self): return "another object"
    class Part:
        def __repr__(self): return "y"
    kept = []
    def main():
        global held
        held = {0}
        return {1}
    """


@pytest.mark.parametrize("case", LET_GO_OF.values(), ids=list(LET_GO_OF))
def test_what_an_error_or_a_namespace_holds_may_go_while_it_is_shown(run: Runner, case: tuple[str, ...]) -> None:
    assert run.answer(LETTING_GO.format(*case)) == case[3]


ERRORS = """
    import types, pprint
    class Own(types.SimpleNamespace): pass
    class Text(str):
        def __str__(self): return "another"
    class Mine(OSError):
        def __init__(self, *args): self.mine = 1
    def main():
        loop = types.SimpleNamespace(a=1)
        loop.b, vars(loop)["c d"], vars(loop)[""], vars(loop)[5], vars(loop)[Text("e")] = Own(x=loop), 2, 3, 4, 5
        errors = [ValueError(), ValueError(1), ValueError("a", 2), KeyError("a"), KeyError(), KeyError(1, 2), OSError(2, "b"),
                  OSError(2, "b", "c"), OSError(2, "b", "c", None, "d"), OSError("e"), ImportError("f", name="g"), OSError(),
                  SyntaxError("h", ("file", 3, 4, "text")), SyntaxError("i"), AttributeError("j"), NameError("k", name="l"),
                  ExceptionGroup("m", [ValueError(1)]), StopIteration(5), FileNotFoundError(2, "n"), SystemExit(3), Mine(4, "o"),
                  UnicodeError("p"), Mine.__new__(Mine), KeyError.__new__(KeyError, "q"), ValueError([loop])]
        told = [repr(loop), str(loop), repr(Own()), repr(types.SimpleNamespace()), types.SimpleNamespace.__repr__(Own(a=1))]
        for error in errors: told += [str(error), repr(error), f"{error}"]
        return [*told, pprint.pformat(types.SimpleNamespace(a=["a" * 50, "b" * 50], b=1)), OSError.__str__(errors[6])]
    """


def test_errors_and_namespaces_are_shown_as_in_cpython(run: Runner) -> None:
    same(run, ERRORS, plain(ERRORS))


@pytest.mark.parametrize(
    "made",
    [
        "UnicodeDecodeError('x', b'abc', -(1 << 40), 1 - (1 << 40), 'r')",
        "UnicodeEncodeError('x', 'abc', -(1 << 40), 1 - (1 << 40), 'r')",
        "UnicodeTranslateError('abc', -(1 << 40), 1 - (1 << 40), 'r')",
    ],
)
def test_a_unicode_error_is_not_believed_where_it_points(run: Runner, made: str) -> None:
    assert run.answer(f"str({made})").endswith(f"s in position {-(1 << 40)}-{-(1 << 40)}: r")


@pytest.mark.parametrize("made", ["Decode", "Encode"])
def test_a_unicode_error_does_not_show_another_object(run: Runner, made: str) -> None:
    text = "b'abc'" if made == "Decode" else "'abc'"
    program = f"""
        def main():
            error = Unicode{made}Error("x", {text}, 0, 1, "r")
            error.object = 1.5
            return str(error)
        """
    failure = run.failure(program)
    assert failure.type == "TypeError"
    assert failure.message == f"object attribute must be {'bytes' if made == 'Decode' else 'str'}"


UNICODE_ERRORS = """
    class Text(str):
        def __str__(self): return "said " + self[:]
    class Bytes(bytes):
        def __len__(self): return 1
        def __getitem__(self, at): return 7
    class Own(UnicodeDecodeError): pass
    def main():
        told = []
        for call in (lambda: b"a\\xff".decode("utf-8"), lambda: b"a\\xe2\\x28\\xa1".decode("utf-8"), lambda: "aé".encode("ascii"),
                     lambda: "€€".encode("latin-1"), lambda: "\\ud800".encode("utf-8"), lambda: "\\U0001f600".encode("ascii")):
            try: call()
            except UnicodeError as error: told += [str(error), repr(error)]
        for start, end in ((0, 1), (0, 2), (2, 3), (3, 4), (5, 9), (2, 1)):
            told.append(str(UnicodeDecodeError("x", b"abc", start, end, "r")))
            told.append(str(UnicodeDecodeError("x", Bytes(b"abc"), start, end, "r")))
            told.append(str(UnicodeEncodeError(Text("x"), Text("a\\xe9€"), start, end, Text("r"))))
            told.append(str(UnicodeTranslateError("\\U0001f600é€", start, end, "r")))
        error = Own("x", bytearray(b"abc"), 1, 2, "r")
        error.reason, error.encoding = 5, Text("y")
        told += [str(error), str(Own.__new__(Own)), f"{error}"]
        error.start, error.end = 0, 3
        return [*told, str(error)]
    """


def test_unicode_errors_are_told_as_in_cpython(run: Runner) -> None:
    same(run, UNICODE_ERRORS, plain(UNICODE_ERRORS))


ALIAS = """
    class Emptying:
        def __repr__(self):
            arguments.clear()
            return "x"
    def main():
        global arguments
        for _ in range(50):
            arguments = [Emptying() for _ in range(1000)]
            text = repr(list[arguments])
        return text
    """


def test_the_arguments_of_an_alias_may_go_while_it_is_shown(run: Runner) -> None:
    assert run.answer(ALIAS).startswith("list[[")


ALIASES = "[repr(each) for each in (list[int], dict[[int, 'a', [str]], None], tuple[int, ...], list[[]], type[int])]"


def test_aliases_are_shown_as_in_cpython(run: Runner) -> None:
    same(run, ALIASES, plain(ALIASES))


SUBSTITUTED_BY = {
    "an instance": "Forged()",
    "a namespace": "types.SimpleNamespace(**{'__typing_subst__': give, '__typing_is_unpacked_typevartuple__': True})",
    "a function": "function",
    "a bound method": "types.MethodType(Forged(), 1)",
    "an alias of an instance": "type(list[int])(Forged(), ())",
}
FORGED = """
    import struct, types, typing
    forged = struct.unpack("<2d", struct.pack("<2Q", 1, 8))
    def give(_): return complex(*forged)
    class Forged:
        def __call__(self): pass
        def __getattr__(self, name):
            if name in ("__typing_subst__", "__typing_is_unpacked_typevartuple__"): return give
            raise AttributeError(name)
    class Late(Forged):
        def __getattr__(self, name):
            asked.append(name)
            if asked.count(name) < 2: raise AttributeError(name)
            return give
    asked = []
    def function(): pass
    vars(function)["__typing_subst__"] = vars(function)["__typing_is_unpacked_typevartuple__"] = give
    T = typing.TypeVar("T")
    def main():
        for made in ({}):
            try: return str(typing.get_args(made()))
            except TypeError as error: told = str(error)
        return told
    """


@pytest.mark.parametrize("carrier", SUBSTITUTED_BY.values(), ids=list(SUBSTITUTED_BY))
@pytest.mark.parametrize("alias", ["list[{}]", "list[typing.TypeVar('T'), {}]", "(type(list[int])({}, ()) | None)"])
def test_what_an_argument_of_an_alias_gives_for_itself_must_be_a_tuple(run: Runner, alias: str, carrier: str) -> None:
    program = FORGED.replace("({})", f"(lambda: {alias.format(carrier)}[{'int, str' if 'T' in alias else 'int'}],)")
    assert "tuple was expected" in run.answer(program)


def test_an_argument_of_an_alias_does_not_become_a_parameter_later(run: Runner) -> None:
    assert run.answer(FORGED.replace("({})", "(lambda: list[T, Late()][int],)")) == (
        "a 'Late' object is no parameter of the alias"
    )


SUBSTITUTIONS = """
    import collections.abc, types, typing
    T, S, P, Ts = typing.TypeVar("T"), typing.TypeVar("S"), typing.ParamSpec("P"), typing.TypeVarTuple("Ts")
    class Box(typing.Generic[T]): pass
    class Row(typing.Generic[typing.Unpack[Ts]]): pass
    class Args(tuple): pass
    def main():
        told, call = [], collections.abc.Callable
        for made in (
            lambda: list[T][int], lambda: dict[T, S][int, "x"], lambda: dict[str, T][int], lambda: dict[T, list[S]][str, int],
            lambda: dict[T, T][int], lambda: list[list[T] | None][int], lambda: (list[T] | None)[int], lambda: (list[T] | S)[int, str],
            lambda: (list[T] | dict[T, S] | int)[str, bytes], lambda: list[Box[T]][int], lambda: list[typing.List[T]][int],
            lambda: list[T][S][int], lambda: list[T][None], lambda: list[T][T], lambda: list[typing.Optional[T]][int],
            lambda: tuple[*Ts][int, str], lambda: tuple[*Ts][()], lambda: tuple[int, *Ts][*tuple[str, bytes]], lambda: tuple[*Ts, T][int, str, None],
            lambda: tuple[*tuple[T, S]][int, str], lambda: next(iter(list[T]))[int], lambda: list[Row[*Ts]][int, str], lambda: tuple[*Ts][*tuple[int, ...]],
            lambda: call[[T], S][int, str], lambda: call[P, T][[int, str], bytes], lambda: call[P, T][..., int], lambda: call[[T], T][int],
            lambda: typing.get_args(list[T, [T]][int])[0], lambda: type(list[int])(list, Args((T, int)))[str], lambda: typing.get_args(type[T][int]),
            lambda: list[typing.Annotated[T, 5]][int], lambda: list[typing.Callable[[T], S]][int, str], lambda: list[T][Args((int,))],
            lambda: list[T][int, str], lambda: dict[T, list[T]][()], lambda: list[int][int], lambda: (list[int] | None)[int], lambda: (list[T] | None)[()],
            lambda: (list[T] | S)[1, 2], lambda: list[T][1], lambda: tuple[*Ts, T][()], lambda: tuple[*Ts, *Ts][int], lambda: list["T"][int],
        ):
            try: alias = made()
            except Exception as error: told.append([type(error).__name__, str(error)])
            else: told.append([type(alias).__name__, repr(alias)])
        return [*told, [list[T][int] == list[int], repr(typing.get_args(list[T | S][S, None]))]]
    """


def test_aliases_take_arguments_as_in_cpython(run: Runner) -> None:
    same(run, SUBSTITUTIONS, plain(SUBSTITUTIONS))


@pytest.mark.parametrize(
    "call", ["staticmethod.__new__(staticmethod)()", "Own()()", "super.__new__(super).__get__(1).real"]
)
def test_what_was_never_initialised_is_not_called(run: Runner, call: str) -> None:
    program = f"class Own(staticmethod):\n    def __init__(self): pass\ndef main(): {call}"
    assert run.failure(program).type in ("RuntimeError", "AttributeError")


@pytest.mark.parametrize("made", ["Own()", "StopIteration.__new__(Own)", "Exception.__new__(StopIteration)"])
@pytest.mark.parametrize("ask", ["list(delegated())", "waited().send(None)"])
def test_the_end_of_an_iterator_has_a_value_without_being_initialised(run: Runner, made: str, ask: str) -> None:
    program = f"""
        class Own(StopIteration):
            def __init__(self): pass
        class Ending:
            def __iter__(self): return self
            __await__ = __iter__
            def __next__(self): raise {made}
        def delegated(): yield (yield from Ending())
        async def waited(): return [await Ending()]
        def main():
            try: return {ask}
            except StopIteration as error: return error.value
        """
    same(run, program.replace(made, "StopIteration"), [None])
    assert run.answer(program) == [None]


DEQUE = """
    import collections
    kept = []
    class Later:
        def __del__(self): kept.append([complex(1e300, 1e300) for _ in range(200)])
    class Emptying:
        __slots__ = ()
        __hash__ = None
        def __eq__(self, other):
            later = Later()
            held.clear()
            return NotImplemented
    class Position:
        def __index__(self):
            held.extend(Emptying() for _ in range(3))
            return 0
    def main():
        global held
        told = set()
        for _ in range(30):
            for other in ([1], (1,), "a", {}, object()):
                for more in ((), (Position(),), (0, Position())):
                    held = collections.deque(Emptying() for _ in range(5))
                    try: held.index(other, *more)
                    except (RuntimeError, ValueError) as error: told.add(type(error).__name__)
        return sorted(told)
    """


def test_a_deque_may_be_emptied_while_it_is_searched(run: Runner) -> None:
    assert "RuntimeError" in run.answer(DEQUE)


INDICES = """
    import collections
    def main():
        out, items = [], collections.deque("abcab")
        for call in (("b",), ("a", 1), ("b", -3, -1), ("b", 2, 3), ("x",), ("a", "b"), ()):
            try: out.append(items.index(*call))
            except Exception as error: out.append(type(error).__name__)
        return out
    """


def test_deques_are_searched_as_in_cpython(run: Runner) -> None:
    same(run, INDICES, plain(INDICES))


FACTORY = """
    import collections, dataclasses, functools
    from collections import defaultdict
    gone = []
    class Factory(functools.partial):
        def __del__(self): gone.append("gone")
    class Own(defaultdict):
        other = defaultdict.default_factory
        def __new__(cls, *_, **__): return held or super().__new__(cls)
    @dataclasses.dataclass(eq=False, repr=False)
    class Data(Own):
        default_factory: object
        a: int = 0
    def change():
        {}
        return list(gone)
    def main():
        global held
        held = None
        held = {}(Factory(change), a=1)
        return held["b"]
    """


@pytest.mark.parametrize("made", ["defaultdict", "Own", "Data"])
@pytest.mark.parametrize(
    "statement",
    [
        *(
            "held.default_factory = None",
            "del held.default_factory",
            "object.__setattr__(held, 'default_factory', int)",
        ),
        *("held.__init__()", "defaultdict.__init__(held, int)", "isinstance(held, Own) and Own(int)"),
        *("defaultdict.default_factory.__set__(held, None)", "defaultdict.default_factory.__delete__(held)"),
        *("if isinstance(held, Own): held.other = None", "if isinstance(held, Own): del held.other"),
        "if isinstance(held, Data): held.__init__(None)",
    ],
)
def test_a_factory_lives_while_it_is_called(run: Runner, statement: str, made: str) -> None:
    assert run.answer(FACTORY.format(statement, made)) == []


DEFAULTS = {
    "made": "[defaultdict(int, a=1), defaultdict(list, [('b', 2)], c=3), defaultdict(), defaultdict(None, {'d': 4})]",
    "made again": """
        from collections import defaultdict
        def main():
            d = defaultdict(list, a=1)
            d.__init__(int, b=2)
            copied = d.copy()
            return [d["c"], sorted(d), copied["x"], repr(defaultdict(None)), (d | {"z": 1})["z"]]
        """,
    "set": """
        from collections import defaultdict
        class Own(defaultdict):
            other = defaultdict.default_factory
        def main():
            d = Own(int)
            out = [d.other is int, d["a"]]
            d.other = list
            out += [d["b"], d.default_factory is list]
            del d.default_factory, d.other
            return [*out, d.other, "c" in d, "default_factory" in dir(d), defaultdict.default_factory.__doc__]
        """,
    "errors": """
        from collections import defaultdict
        def main():
            out = []
            for call in (lambda: defaultdict(5), lambda: defaultdict.__init__({}, int), lambda: defaultdict(int, 5),
                         lambda: defaultdict(int, {}, {}), lambda: defaultdict.__init__(),
                         lambda: defaultdict.default_factory.__get__({})):
                try: call()
                except TypeError as error: out.append(type(error).__name__)
            return out
        """,
}


@pytest.mark.parametrize("program", DEFAULTS.values(), ids=list(DEFAULTS))
def test_dicts_with_defaults_are_as_in_cpython(run: Runner, program: str) -> None:
    source = program if "main" in program else f"from collections import defaultdict\ndef main(): return {program}"
    same(run, source, plain(source))


CALLED = """
    import functools
    gone, seen = [], []
    class Function(functools.partial):
        def __del__(self): gone.append("function")
    class Sentinel:
        def __del__(self): gone.append("sentinel")
        def __eq__(self, other):
            if other == "ask":
                ask()
            return other == "end"
    def ask():
        next(it, None)
        seen.append(list(gone))
    def call():
        calls.append(len(calls))
        if len(calls) == 2:
            return "end"
        {}
    def main():
        global it, calls
        calls = []
        it = iter(Function(call), Sentinel())
        try: next(it, None)
        except SystemError: pass  # before Python 3.11.3
        return [seen, list(it), sorted(gone)]
    """


@pytest.mark.parametrize("statement", ["ask()", "return 'ask'"])
def test_a_function_and_its_sentinel_live_while_they_are_asked(run: Runner, statement: str) -> None:
    assert run.answer(CALLED.format(statement)) == [[[]], [], ["function", "sentinel"]]


ITEMS = """
    import itertools
    class Items:
        def __getitem__(self, index):
            if index == 1 and not asked:
                asked.append(True)
                next(it, None)
            return [5][index]
    asked = []
    def main():
        global it
        it = {}
        try:
            {}
        except ValueError as error:
            return str(error)
    """


@pytest.mark.parametrize("statement", ["list(it)", "for each in it: pass", "[*it]", "next(it); next(it, None)"])
@pytest.mark.parametrize(
    "iterator",
    [
        *("iter(Items())", "enumerate(Items())", "map(str, Items())", "filter(None, Items())", "zip('abc', Items())"),
        "itertools.takewhile(bool, Items())",
    ],
)
def test_an_iterator_of_items_is_not_asked_while_it_is_asking(run: Runner, iterator: str, statement: str) -> None:
    assert run.answer(ITEMS.format(iterator, statement)) == "iterator already executing"


ITERATED = {
    "functions": """
        def main():
            numbers = iter([1, 2, 3, 4, 5])
            def ends():
                for each in numbers: return each
                raise StopIteration
            it = iter(ends, 4)
            return [next(it), it.__next__(), list(it), next(it, None), list(iter(ends, 4)), type(it).__name__, iter(it) is it]
        """,
    "functions that ask again": """
        def main():
            numbers = iter(range(10))
            def add():
                number = next(numbers)
                return number if number % 2 else [number, next(it)]
            it = iter(add, 9)
            return [next(it), next(it)]
        """,
    "errors of functions": """
        def main():
            numbers, out = iter("x1x23"), []
            it = iter(lambda: int(next(numbers)), 3)
            while True:
                try: out.append(next(it))
                except ValueError as error: out.append(str(error))
                except StopIteration: return out
        """,
    "sequences": """
        class Items:
            def __init__(self, *items): self.items = items
            def __getitem__(self, index): return self.items[index]
            def __len__(self): return 7
        def main():
            items = Items(1, 2, 3)
            it = iter(items)
            first, *rest = items
            out = [next(it), it.__next__(), list(it), next(it, 0), first, rest, 3 in items, sorted(items), type(it).__name__]
            return [*out, list(zip(items, enumerate(items))), [a * b for a in items for b in items], list(reversed(items))[:0]]
        """,
    "sequences of sequences": """
        class Items:
            def __init__(self, items): self.items = items
            def __getitem__(self, index): return [each for each in self.items][index]
        def main(): return list(Items(Items(Items("abc"))))
        """,
    "errors of sequences": """
        class Items:
            def __getitem__(self, index):
                if index == 2: raise StopIteration
                if broken.pop(): raise KeyError(index)
                return index
        broken = [False, False, True, True, False, True]
        def main():
            out, it = [], iter(Items())
            while True:
                try: out.append(next(it))
                except KeyError as error: out.append(repr(error))
                except StopIteration: return [out, list(it)]
        """,
    "views": "[list(memoryview(b'abc')), [each for each in memoryview(b'ab')], sum(memoryview(b'ab'))]",
}


@pytest.mark.parametrize("program", ITERATED.values(), ids=list(ITERATED))
def test_iterators_are_as_in_cpython(run: Runner, program: str) -> None:
    same(run, program, plain(program))


SIGNALS = """
    from decimal import Context, Inexact, getcontext, setcontext
    gone = []
    class Own(Context):
        def __del__(self): gone.append(self.prec)
    def of_the_current():
        setcontext(Own(7, traps=[]))
        found = getcontext().flags
        setcontext(Context())
        return found
    def main():
        signals = {}
        for _ in range(300):
            Own(8).flags, Own(8).traps
        signals[Inexact] = True
        return [7 in gone, len(gone) > 300, sum(signals.values())]
    """


@pytest.mark.parametrize(
    "expression", ["Own(7).flags", "Own(7, traps=[]).traps", "getattr(Own(7), 'flags')", "of_the_current()"]
)
def test_signals_keep_their_context(run: Runner, expression: str) -> None:
    """And let go of it: hundreds of other contexts, whose signals nobody has, are gone."""
    assert run.answer(SIGNALS.format(expression)) == [False, True, 1]


CONTEXTS = {
    "flags": """
        from decimal import Context, Decimal, Inexact, Rounded, getcontext
        def main():
            c = Context(prec=3)
            out = [str(c.divide(1, 3)), [each.__name__ for each in c.flags if c.flags[each]], c.flags is c.flags]
            c.clear_flags()
            out += [any(c.flags.values()), len(c.flags), sum(c.traps.values()), type(c.traps).__name__]
            c.flags[Rounded] = True
            c.flags = {**c.flags, Inexact: True}
            c.traps = Context(traps=[]).flags
            other = c.copy()
            out += [str(c), c.flags == other.flags, c.flags is other.flags, other.flags.copy() == dict(c.flags)]
            Decimal(1) / 3
            return [*out, getcontext().flags[Inexact]]
        """,
    "a local context": """
        from decimal import Decimal, Inexact, getcontext, localcontext
        def main():
            out = []
            with localcontext() as c:
                c.prec = 4
                c.traps[Inexact] = True
                try: Decimal(1) / 3
                except Inexact as error: out.append([type(each).__name__ for each in error.args])
                out.append([c.prec, c.flags[Inexact], getcontext() is c, getcontext().traps is c.traps])
            return [*out, getcontext().traps[Inexact], getcontext().prec]
        """,
    "attributes": """
        from decimal import Context
        class Own(Context):
            note = 5
            def __getattr__(self, name): return name.upper()
        def main():
            c, own, out = Context(rounding="ROUND_UP"), Own(), []
            own.more = 6
            for wrong in (lambda: c.flag, lambda: c.flags["x"], lambda: c.__wrong, lambda: Context.flags):
                try: wrong()
                except Exception as error: out.append([type(error).__name__, str(error)])
            out += [hasattr(c, "flags"), hasattr(c, "x"), getattr(c, "x", 1), c.Emin, c.rounding, str(c.add(1, 2))]
            return [*out, own.note, own.more, own.other, own.prec, own.flags == c.flags, vars(own)]
        """,
}


@pytest.mark.parametrize("program", CONTEXTS.values(), ids=list(CONTEXTS))
def test_contexts_are_as_in_cpython(run: Runner, program: str) -> None:
    same(run, program, plain(program))


SETTING = """
    import decimal, numbers, types
    def change():
        decimal.setcontext(decimal.Context())
        kept.extend(fill + fill for _ in range(400))
    class R(types.SimpleNamespace):
        denominator = 1
        @property
        def numerator(self):
            change()
            return 1
    class K:
        def __hash__(self): return hash("decimal_point")
        def __eq__(self, other):
            change()
            return False
    numbers.Rational.register(R)
    kept = []
    def main():
        global fill
        changed = 0
        for size in range(8, 60, 4):
            fill = bytes(size)
            decimal.setcontext(decimal.Context(traps=[]))
            {}
            changed += sum(any(each) for each in kept)
            kept.clear()
        return changed
    """


@pytest.mark.parametrize(
    "expression",
    [
        *(f"decimal.Decimal('sNaN') {each} R()" for each in ("<", "<=", "==", "!=", ">", ">=")),
        *("R() < decimal.Decimal('sNaN')", "decimal.Decimal.__lt__(decimal.Decimal('sNaN'), R())"),
        "decimal.Decimal(1).__format__('.9f', {K(): 1, 'decimal_point': ',', 'thousands_sep': '', 'grouping': ''})",
    ],
)
def test_the_current_context_lives_while_others_are_asked(run: Runner, expression: str) -> None:
    assert run.answer(SETTING.format(expression)) == 0


def test_decimals_are_compared_as_in_cpython(run: Runner) -> None:
    program = """
        from decimal import Decimal, InvalidOperation
        from fractions import Fraction
        import operator
        class Own(Decimal): pass
        class Other:
            def __gt__(self, other): return "gt"
            def __eq__(self, other): return "eq"
        def main():
            told = []
            for each in ("lt", "le", "eq", "ne", "gt", "ge"):
                for one in (Decimal("1.5"), Own("NaN"), Decimal("sNaN")):
                    for other in (1, 1.5, True, "1", None, 2j, Fraction(3, 2), Decimal(2), Own(1), Other()):
                        try: told.append(getattr(operator, each)(one, other))
                        except (TypeError, InvalidOperation) as error: told.append([type(error).__name__, str(error)])
                told.append(getattr(Decimal, f"__{each}__")(Decimal(1), "x") is NotImplemented)
            told += [hash(Decimal(1)) == 1, sorted([Decimal(2), 1, Fraction(3, 2)])[1] == 1.5, f"{Decimal('1234.5'):,.2f}"]
            return [*told, f"{Own(3)}", format(Decimal(2), ""), Decimal(1) in {1: 2}]
        """
    same(run, program, plain(program))


NAMED = """
    class Text(str):
        def __repr__(self):
            Holder.value.__set_name__(Holder, "x")
            kept.extend(Text(n) for n in range(300))
            return "said"
    class Argument:
        def __repr__(self):
            Holder.value.__set_name__(Holder, "x")
            kept.extend(list[tuple([7] * 12)] for _ in range(300))
            return "y"
    class Holder:
        value = property(len)
    kept = []
    def main(named):
        Holder.value.__set_name__(Holder, Text("text") if named == "text" else list[tuple([Argument()] * 12)])
        try: Holder().value = 1
        except AttributeError as error: return str(error)
    """


def test_the_name_of_a_property_calls_nothing_when_it_is_told(run: Runner) -> None:
    if sys.version_info < (3, 13):
        assert run.answer(NAMED, "text") == "property 'text' of 'Holder' object has no setter"
        assert run.failure(NAMED, "alias").type == "TypeError"
    else:
        assert run.answer(NAMED, "text") == "property said of 'Holder' object has no setter"
        assert "7" not in run.answer(NAMED, "alias")


def test_properties_are_named_as_in_cpython(run: Runner) -> None:
    program = """
        class Own(property):
            def __set_name__(self, owner, name):
                super().__set_name__(owner, name + "2")
        class Holder:
            plain, own = property(len), Own(len)
            bare = property()
        def main():
            out = []
            for name in ("plain", "own", "bare"):
                try: setattr(Holder(), name, 1)
                except AttributeError as error: out.append(str(error))
            try: Holder().bare
            except AttributeError as error: out.append(str(error))
            try: property.__set_name__(1, Holder, "x")
            except TypeError as error: out.append("TypeError")
            return out
        """
    same(run, program, plain(program))
