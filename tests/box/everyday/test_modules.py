"""Modules. Each program stands beside what it returns, in the sandbox and in plain CPython."""

from __future__ import annotations

from typing import Any

from sandbox import Sandbox
from tests.box.everyday.programs import Table, check, each, in_plain_python, in_the_sandbox
from tests.box.programs import Runner

PROGRAMS: Table = {
    "mathematics": (
        """
import math, cmath, statistics, random, fractions, decimal, numbers, operator
from math import *
from decimal import Decimal, getcontext, localcontext, ROUND_HALF_UP
from fractions import Fraction as Fr
def main():
    getcontext().prec = 10
    with localcontext() as c:
        c.prec = 3
        third = str(Decimal(1) / 3)
    random.seed(3); a = random.random(); random.seed(3)
    r = random.Random(1)
    return [sqrt(16), math.pi > 3, gcd(4, 6), factorial(5), math.inf > 1, cmath.sqrt(-1).imag, statistics.mean([1, 2]), statistics.median([1, 3, 2]), statistics.stdev([1, 2, 3]),
            a == random.random(), 1 <= random.randint(1, 6) <= 6, len(random.sample(range(9), 3)), isinstance(r.choice("ab"), str), str(Fr(1, 3) + Fr(1, 6)), third, str(Decimal(2) / 3),
            str(Decimal("2.345").quantize(Decimal("0.01"), ROUND_HALF_UP)), isinstance(1, numbers.Integral), operator.add(1, 2), operator.itemgetter(1)([5, 6]), operator.attrgetter("real")(3), operator.methodcaller("upper")("a"), perm(3), comb(4, 2), isclose(0.1 + 0.2, 0.3)]
""",
        [
            4.0,
            True,
            2,
            120,
            True,
            1.0,
            1.5,
            2,
            1.0,
            True,
            True,
            3,
            True,
            "1/2",
            "0.333",
            "0.6666666667",
            "2.35",
            True,
            3,
            6,
            3,
            "A",
            6,
            6,
            True,
        ],
    ),
    "dates": (
        """
import datetime, time, calendar, zoneinfo
from datetime import datetime as dt, timedelta, date, timezone
from zoneinfo import ZoneInfo
def main():
    d = dt(2024, 2, 28, 12, 30)
    utc = dt(2024, 7, 1, 12, tzinfo=timezone.utc)
    berlin = utc.astimezone(ZoneInfo("Europe/Berlin"))
    return [(d + timedelta(days=2)).isoformat(), d.strftime("%Y/%m/%d %A"), dt.strptime("2024-01-02", "%Y-%m-%d").day, (date(2024, 3, 1) - date(2024, 2, 1)).days, berlin.isoformat(), berlin.tzname(),
            calendar.isleap(2024), calendar.monthrange(2024, 2)[1], calendar.month_name[3], calendar.month(2024, 2).split()[0], time.strftime("%Y", time.gmtime(0)), time.time() > 1e9, date.fromisoformat("2024-05-06").weekday(),
            dt.fromtimestamp(0, timezone.utc).year, len(zoneinfo.available_timezones()) > 400, isinstance(berlin.tzinfo, ZoneInfo), time.strptime("2024", "%Y").tm_year, datetime.datetime.now() > d, str(ZoneInfo("Asia/Shanghai")), time.perf_counter() >= 0]
""",
        [
            "2024-03-01T12:30:00",
            "2024/02/28 Wednesday",
            2,
            29,
            "2024-07-01T14:00:00+02:00",
            "CEST",
            True,
            29,
            "March",
            "February",
            "1970",
            True,
            0,
            1970,
            True,
            True,
            2024,
            True,
            "Asia/Shanghai",
            True,
        ],
    ),
    "text": (
        """
import re, string, textwrap, json, html, unicodedata, difflib, csv, io, pprint
def main():
    out = io.StringIO()
    w = csv.DictWriter(out, fieldnames=["a", "b"]); w.writeheader(); w.writerow({"a": 1, "b": "x,y"})
    out.seek(0)
    class E(json.JSONEncoder):
        def default(self, o): return sorted(o) if isinstance(o, set) else super().default(o)
    buffer = io.StringIO(); json.dump({"k": 1}, buffer); buffer.seek(0)
    other = io.StringIO(); print("to buffer", file=other)
    pat = re.compile(r"(?P<w>\\w+)@(\\w+)\\.com", re.I)
    m = pat.search("x bob@Site.com")
    return [list(csv.DictReader(out)), json.dumps({"s": {2, 1}}, cls=E), json.loads('{"a": [1, null]}'), json.load(buffer), json.dumps({"z": 1, "a": "é"}, sort_keys=True, indent=1, ensure_ascii=False),
            m.group("w"), m.groups(), m.span(), re.sub(r"\\d", lambda g: str(int(g.group()) * 2), "a1b2"), re.findall(r"\\b\\w", "ab cd"), re.split(r"[,;]", "a,b;c"), bool(re.fullmatch("a+", "aaa")), [x.start() for x in re.finditer("a", "aba")],
            string.ascii_lowercase[:3], string.capwords("ab cd"), textwrap.wrap("aaa bbb ccc", 7), textwrap.dedent("  a\\n  b"), textwrap.shorten("hello big world", 12), html.escape("<a>"), unicodedata.name("é"), unicodedata.normalize("NFD", "é") == "é",
            difflib.get_close_matches("appel", ["ape", "apple"]), round(difflib.SequenceMatcher(None, "abc", "abd").ratio(), 2), pprint.pformat({"a": [1]}), other.getvalue()]
""",
        [
            [{"a": "1", "b": "x,y"}],
            '{"s": [1, 2]}',
            {"a": [1, None]},
            {"k": 1},
            '{\n "a": "é",\n "z": 1\n}',
            "bob",
            ["bob", "Site"],
            [2, 14],
            "a2b4",
            ["a", "c"],
            ["a", "b", "c"],
            True,
            [0, 2],
            "abc",
            "Ab Cd",
            ["aaa bbb", "ccc"],
            "a\nb",
            "hello [...]",
            "&lt;a&gt;",
            "LATIN SMALL LETTER E WITH ACUTE",
            False,
            ["apple", "ape"],
            0.67,
            "{'a': [1]}",
            "to buffer\n",
        ],
    ),
    "redirected output": (
        """
import contextlib, io, logging, sys, traceback
class Tee:
    def __init__(self, *files): self.files = files
    def write(self, text):
        for each in self.files: each.write(text)
        return len(text)
    def flush(self): pass
def main():
    first, second, third = io.StringIO(), io.StringIO(), io.StringIO()
    out = sys.stdout
    with contextlib.redirect_stdout(first):
        print("a"); print("error", file=sys.stderr); print("out", file=out); sys.stdout.write("b")
        logging.warning("logged"); traceback.print_exc()
        with contextlib.redirect_stdout(second):
            print("c", file=sys.stdout, flush=True); print("d", flush=True)
        print("e")
    with contextlib.redirect_stdout(Tee(sys.stdout, third)):
        print("f")
    with contextlib.redirect_stdout(sys.stderr):
        print("g")
    with contextlib.redirect_stdout(None):
        print("h"); print("i", file=None, flush=True)
        nothing = sys.stdout
    return [first.getvalue(), second.getvalue(), third.getvalue(), nothing, sys.stdout is out]
""",
        ["a\nbe\n", "c\nd\n", "f\n", None, True],
    ),
    "data structures": (
        """
import collections, itertools, functools, heapq, bisect, copy, enum, dataclasses, types, contextlib, collections.abc, graphlib
from collections import Counter, defaultdict, namedtuple, OrderedDict, deque, ChainMap, UserDict, UserString
from dataclasses import dataclass, field, asdict, astuple, replace, fields
from itertools import chain, groupby, product
Point = namedtuple("Point", "x y", defaults=[0])
class Color(enum.Enum):
    RED = enum.auto()
    GREEN = "g"
    @classmethod
    def _missing_(cls, value): return cls.RED
    def describe(self): return f"{self.name}={self.value}"
class Perm(enum.IntFlag):
    R = 4
    W = 2
Animal = enum.Enum("Animal", "CAT DOG")
@dataclass(order=True)
class Item:
    name: str
    price: float = 1.0
    _hidden: int = field(default=3, repr=False, compare=False)
    tags: list = field(default_factory=list)
    def __post_init__(self): self.total = self.price * 2
@dataclass(frozen=True, slots=True)
class Fixed:
    format: int
class Seq(collections.abc.Sequence):
    def __len__(self): return 2
    def __getitem__(self, i): return [7, 8][i]
class D(UserDict):
    def __setitem__(self, k, v): super().__setitem__(k.upper(), v)
@contextlib.contextmanager
def managed(log):
    log.append("in")
    try: yield "v"
    finally: log.append("out")
class Node:
    def __init__(self, v, kids=()): self.v, self.kids = v, list(kids)
def main():
    p = Point(1)
    log = []
    with managed(log) as v, contextlib.suppress(KeyError): {}["q"]
    h = [3, 1, 2]; heapq.heapify(h)
    dq = deque([1, 2], maxlen=2); dq.append(3); dq.rotate(1)
    dd = defaultdict(list); dd["a"].append(1)
    n = Node(1, [Node(2)]); m = copy.deepcopy(n); m.kids[0].v = 9
    s = copy.copy(n); s.v = 5
    try: Fixed(1).format = 2
    except dataclasses.FrozenInstanceError as e: frozen = type(e).__name__
    ns = types.SimpleNamespace(a=1); ns.b = 2; ns._c = 3
    return [p._asdict(), p._replace(y=5), Point._fields, Point._make([1, 2]), p.x, Counter("aab").most_common(1), dd, list(dq), dict(ChainMap({"a": 1}, {"b": 2})), list(OrderedDict(a=1).items()),
            Color.RED.name, Color("g").describe(), Color("zzz").name, [c.name for c in Color], Color["GREEN"].value, len(Color), Color.RED is Color.RED, list(Color.__members__), (Perm.R | Perm.W).value, Perm.R in Perm(6), Animal.DOG.value, Color.RED._value_,
            repr(Item("a")), asdict(Item("b", 2.0, tags=["t"])), Item("a") < Item("b"), replace(Item("a"), price=4).total, [f.name for f in fields(Item)], Fixed(1).format, frozen, list(Seq()), Seq().index(8), D(a=1)["A"], log, heapq.heappop(h), heapq.nlargest(2, h), bisect.bisect([1, 3], 2),
            n.kids[0].v, n.v, ns.a + ns.b + ns._c, list(itertools.accumulate([1, 2, 3])), [list(g) for _, g in groupby("aab")], len(list(product("ab", repeat=2))), functools.reduce(lambda a, b: a * b, [2, 3]), functools.partial(pow, 2)(3), list(itertools.islice(itertools.count(), 2)), UserString("ab").upper() == "AB",
            dataclasses.is_dataclass(Item), list(itertools.pairwise([1, 2, 3])), list(graphlib.TopologicalSorter({"b": {"a"}}).static_order())]
""",
        [
            {"x": 1, "y": 0},
            [1, 5],
            ["x", "y"],
            [1, 2],
            1,
            [["a", 2]],
            {"a": [1]},
            [3, 2],
            {"a": 1, "b": 2},
            [["a", 1]],
            "RED",
            "GREEN=g",
            "RED",
            ["RED", "GREEN"],
            "g",
            2,
            True,
            ["RED", "GREEN"],
            6,
            True,
            2,
            1,
            "Item(name='a', price=1.0, tags=[])",
            {"name": "b", "price": 2.0, "_hidden": 3, "tags": ["t"]},
            True,
            8,
            ["name", "price", "_hidden", "tags"],
            1,
            "FrozenInstanceError",
            [7, 8],
            1,
            1,
            ["in", "out"],
            1,
            [3, 2],
            1,
            2,
            1,
            6,
            [1, 3, 6],
            [["a", "a"], ["b"]],
            4,
            6,
            8,
            [0, 1],
            True,
            True,
            [[1, 2], [2, 3]],
            ["a", "b"],
        ],
    ),
    "encodings": (
        """
import base64, binascii, hashlib, hmac, uuid, struct, zlib, secrets, urllib.parse, io, array
from urllib.parse import urlparse, urlencode, parse_qs, quote
def main():
    u = urlparse("https://a.b/c?d=1#e")
    return [base64.b64encode(b"hi").decode(), binascii.hexlify(b"a").decode(), hashlib.sha256(b"x").hexdigest()[:8], hashlib.new("md5", b"").hexdigest()[:4], hmac.new(b"k", b"m", hashlib.sha1).hexdigest()[:6], hmac.compare_digest("a", "a"),
            len(str(uuid.uuid4())), uuid.uuid5(uuid.NAMESPACE_DNS, "a").version, uuid.uuid1().version, struct.unpack(">HB", struct.pack(">HB", 1, 2)), zlib.decompress(zlib.compress(b"data")).decode(), len(secrets.token_hex(4)),
            u.netloc, u._replace(scheme="ftp").geturl(), urlencode({"a": 1, "b": "x y"}), parse_qs("a=1&a=2"), quote("a b/é"), urllib.parse.urljoin("http://a/b", "c"), io.BytesIO(b"abc").read(2).decode(), list(array.array("i", [1, 2])), zlib.crc32(b"a")]
""",
        [
            "aGk=",
            "61",
            "2d711642",
            "d41d",
            "772b71",
            True,
            36,
            5,
            1,
            [1, 2],
            "data",
            8,
            "a.b",
            "ftp://a.b/c?d=1#e",
            "a=1&b=x+y",
            {"a": ["1", "2"]},
            "a%20b/%C3%A9",
            "http://a/c",
            "ab",
            [1, 2],
            3904355907,
        ],
    ),
    "typing and dispatch": (
        """
from __future__ import annotations
import functools, typing
from typing import Generic, TypeVar, NamedTuple, TypedDict, Protocol, Union, Callable, Any, Literal, cast, runtime_checkable, NewType, overload, Type, get_type_hints
T = TypeVar("T")
class Stack(Generic[T]):
    def __init__(self) -> None: self._items: list[T] = []
    def push(self, x: T) -> Stack[T]: self._items.append(x); return self
class Emp(NamedTuple):
    name: str
    id: int = 3
    def label(self): return f"{self.name}{self.id}"
class Movie(TypedDict, total=False):
    title: str
@runtime_checkable
class Closes(Protocol):
    def close(self) -> None: ...
class Door:
    def close(self): pass
UserId = NewType("UserId", int)
@functools.singledispatch
def show(x): return "obj"
@show.register
def _(x: int): return "int"
@show.register(list)
def _(x): return "list"
class P:
    @functools.singledispatchmethod
    def f(self, x): return "base"
    @f.register
    def _(self, x: str): return "str"
    @functools.cached_property
    def slow(self): return 42
def make(kind: Type[Emp], t: type[int]) -> Emp: return kind("z")
def main():
    return [len(Stack[int]().push(1)._items), Emp("a").label(), Emp("b")._asdict(), Movie(title="x"), isinstance(Door(), Closes), UserId(5), show(1), show([]), show("a"), P().f("s"), P().f(1), P().slow, make(Emp, int).name, cast(int, "a"),
            get_type_hints(make)["kind"] is not None, get_type_hints(Emp)["name"].__name__, str(Union[int, str]), typing.get_args(dict[str, int])[0].__name__]
""",
        [
            1,
            "a3",
            {"name": "b", "id": 3},
            {"title": "x"},
            True,
            5,
            "int",
            "list",
            "obj",
            "str",
            "base",
            42,
            "z",
            "a",
            True,
            "str",
            "typing.Union[int, str]",
            "str",
        ],
    ),
    "names of modules": (
        """
import collections.abc as cabc
import urllib.parse
import math as m
def main(): return 1
""",
        1,
    ),
}


@each(PROGRAMS)
def test_a_program_returns_what_plain_python_does(box: Sandbox, program: str, expected: Any) -> None:
    check(box, program, expected)


ENCODINGS = (
    "utf-8 utf-8-sig utf-16 utf-16-le utf-16-be utf-32 utf-32-le utf-32-be ascii latin-1 gb2312 gbk gb18030 big5 cp950 "
    "shift_jis cp932 euc_jp euc_kr cp949 koi8-r koi8-u cp437 cp850 cp866 cp874 tis-620 mac-roman mac-cyrillic "
    "windows-1250 windows-1251 windows-1252 windows-1253 windows-1254 windows-1255 windows-1256 windows-1257 windows-1258 "
    "iso-8859-1 iso-8859-2 iso-8859-3 iso-8859-4 iso-8859-5 iso-8859-6 iso-8859-7 iso-8859-8 iso-8859-9 iso-8859-10 "
    "iso-8859-11 iso-8859-13 iso-8859-14 iso-8859-15 iso-8859-16"
)


def test_what_python_writes_to_standard_error_is_printed_though_output_is_redirected(run: Runner) -> None:
    program = """
        import asyncio, contextlib, io, logging, sys, traceback
        async def callback():
            asyncio.get_running_loop().call_soon(int, "x")
            await asyncio.sleep(0)
        def main():
            out = sys.stdout
            for target in (io.StringIO(), None):
                with contextlib.redirect_stdout(target):
                    print("error", file=sys.stderr)
                    out.writelines(["o", "ut\\n"])
                    logging.warning("logged")
                    logging.warning("%d", "wrong")
                    traceback.print_exc()
                    traceback.print_exception(ValueError("x"))
                    asyncio.run(callback())
        """
    told = [
        line
        for line in run.stdout(program).splitlines()
        if not line.startswith(("Traceback", " ", "TypeError", "Line"))
    ]
    assert told == 2 * [
        "error",
        "out",
        "WARNING:root:logged",
        "--- Logging error ---",
        "NoneType: None",
        "ValueError: x",
        "Exception in callback",
        "ValueError: invalid literal for int() with base 10: 'x'",
    ]


def test_texts_are_encoded_as_in_plain_python(box: Sandbox) -> None:
    program = f"""
def main():
    return {{
        name: [bytes(range(32, 256)).decode(name, "replace"), "Aéж中".encode(name, "xmlcharrefreplace").hex()]
        for name in {ENCODINGS!r}.split()
    }}
"""
    expected = in_plain_python(program)
    for _ in range(2):  # the second run begins in a child without the library
        assert in_the_sandbox(box, program) == expected
