"""What programs may import: façades with the names that somebody has read and found harmless.

A public name is not a harmless one: whole families run strings as code, set attributes on any object, format
without a guard, hand out frames or files, or change the process. So ADMITTED is a list of names by module, and
LEFT_OUT says why the rest of a module's public names are missing.
"""

from __future__ import annotations
import __future__ as future

import datetime
import importlib
import random
import types
import zoneinfo
from collections.abc import Iterable
from io import BytesIO
from pathlib import Path

_EVERYTHING = "*"  # every public name of the module that is no module itself

#: module -> the names of it that are handed out.
ADMITTED: dict[str, str] = {
    "math": _EVERYTHING,
    "cmath": _EVERYTHING,
    "time": "time time_ns sleep monotonic monotonic_ns perf_counter perf_counter_ns process_time process_time_ns "
    "gmtime localtime mktime strftime strptime asctime ctime struct_time timezone altzone daylight tzname",
    "datetime": "date time datetime timedelta tzinfo timezone MINYEAR MAXYEAR UTC",
    "zoneinfo": "ZoneInfo ZoneInfoNotFoundError available_timezones",
    "calendar": "Calendar TextCalendar HTMLCalendar IllegalMonthError IllegalWeekdayError firstweekday isleap "
    "leapdays weekday monthrange monthcalendar prmonth month prcal calendar timegm month_name month_abbr day_name "
    "day_abbr MONDAY TUESDAY WEDNESDAY THURSDAY FRIDAY SATURDAY SUNDAY",
    "json": "dumps loads JSONDecodeError JSONEncoder JSONDecoder",
    "re": "compile search match fullmatch split findall finditer sub subn escape purge error Pattern Match RegexFlag "
    "A ASCII I IGNORECASE L LOCALE M MULTILINE S DOTALL X VERBOSE U UNICODE NOFLAG",
    "statistics": "mean fmean geometric_mean harmonic_mean median median_low median_high median_grouped mode "
    "multimode quantiles pstdev pvariance stdev variance covariance correlation linear_regression NormalDist "
    "StatisticsError kde",
    "decimal": "Decimal Context DecimalTuple getcontext setcontext localcontext BasicContext ExtendedContext "
    "DefaultContext DecimalException Clamped InvalidOperation DivisionByZero Inexact Rounded Subnormal Overflow "
    "Underflow FloatOperation ROUND_CEILING ROUND_DOWN ROUND_FLOOR ROUND_HALF_DOWN ROUND_HALF_EVEN ROUND_HALF_UP "
    "ROUND_UP ROUND_05UP MAX_PREC MAX_EMAX MIN_EMIN MIN_ETINY",
    "fractions": "Fraction",
    "random": "Random SystemRandom seed getstate setstate random uniform triangular randint choice choices sample "
    "shuffle randrange randbytes getrandbits betavariate expovariate gammavariate gauss lognormvariate "
    "normalvariate paretovariate vonmisesvariate weibullvariate",
    "collections": "Counter OrderedDict defaultdict deque namedtuple ChainMap UserDict UserList",
    "collections.abc": _EVERYTHING,
    "itertools": _EVERYTHING,
    "functools": "reduce partial partialmethod lru_cache cache cached_property cmp_to_key total_ordering "
    "wraps update_wrapper",
    "operator": _EVERYTHING,
    "string": "ascii_letters ascii_lowercase ascii_uppercase digits hexdigits octdigits punctuation printable "
    "whitespace capwords Template",
    "textwrap": "TextWrapper wrap fill dedent indent shorten",
    "hashlib": "md5 sha1 sha224 sha256 sha384 sha512 sha3_224 sha3_256 sha3_384 sha3_512 shake_128 shake_256 blake2b "
    "blake2s new pbkdf2_hmac scrypt algorithms_available algorithms_guaranteed",
    "hmac": "new compare_digest digest HMAC",
    "base64": "b64encode b64decode standard_b64encode standard_b64decode urlsafe_b64encode urlsafe_b64decode "
    "b32encode b32decode b32hexencode b32hexdecode b16encode b16decode a85encode a85decode b85encode b85decode "
    "encodebytes decodebytes",
    "binascii": _EVERYTHING,
    "uuid": "UUID uuid3 uuid4 uuid5 SafeUUID NAMESPACE_DNS NAMESPACE_URL NAMESPACE_OID NAMESPACE_X500",
    "csv": "reader writer DictReader DictWriter Dialect excel excel_tab unix_dialect Error field_size_limit QUOTE_ALL "
    "QUOTE_MINIMAL QUOTE_NONNUMERIC QUOTE_NONE list_dialects get_dialect register_dialect Sniffer",
    "io": "StringIO BytesIO",
    "urllib": "",
    "urllib.parse": "urlparse urlunparse urljoin urldefrag urlsplit urlunsplit urlencode parse_qs parse_qsl quote "
    "quote_plus quote_from_bytes unquote unquote_plus unquote_to_bytes",
    "heapq": "heappush heappop heapify heapreplace merge nlargest nsmallest heappushpop",
    "bisect": "bisect bisect_left bisect_right insort insort_left insort_right",
    "copy": "copy deepcopy Error error",
    "html": "escape unescape",
    "unicodedata": _EVERYTHING,
    "difflib": "SequenceMatcher Differ get_close_matches ndiff restore unified_diff context_diff diff_bytes "
    "IS_LINE_JUNK IS_CHARACTER_JUNK HtmlDiff",
    "dataclasses": "dataclass field fields asdict astuple replace is_dataclass FrozenInstanceError InitVar KW_ONLY "
    "MISSING",
    "enum": "Enum IntEnum StrEnum Flag IntFlag unique auto verify UNIQUE CONTINUOUS NAMED_FLAGS property member "
    "nonmember FlagBoundary STRICT CONFORM EJECT KEEP ReprEnum",
    "typing": "Any Union Optional List Dict Set FrozenSet Tuple Callable Iterable Iterator Generator Sequence "
    "MutableSequence Mapping MutableMapping Hashable Sized Collection Container Reversible TypeVar Generic Protocol "
    "NamedTuple TypedDict Literal Final ClassVar Annotated NoReturn Never Self TypeAlias TypeGuard Concatenate "
    "ParamSpec Deque DefaultDict OrderedDict Counter ChainMap AbstractSet ByteString Text AnyStr IO SupportsInt "
    "SupportsFloat SupportsIndex SupportsAbs SupportsRound cast overload final override runtime_checkable "
    "no_type_check NewType TYPE_CHECKING assert_never assert_type reveal_type LiteralString Required NotRequired "
    "Unpack TypeVarTuple dataclass_transform Type Pattern Match Awaitable Coroutine AsyncIterator AsyncIterable",
    "types": "SimpleNamespace MappingProxyType NoneType",
    "contextlib": "contextmanager suppress nullcontext closing ExitStack AbstractContextManager ContextDecorator",
    "abc": "ABC abstractmethod abstractclassmethod abstractstaticmethod abstractproperty",
    "numbers": "Number Complex Real Rational Integral",
    "struct": "pack unpack pack_into unpack_from iter_unpack calcsize Struct error",
    "zlib": "compress decompress compressobj decompressobj adler32 crc32 error DEFLATED MAX_WBITS "
    "Z_BEST_COMPRESSION Z_BEST_SPEED Z_DEFAULT_COMPRESSION Z_NO_COMPRESSION",
    "secrets": "token_bytes token_hex token_urlsafe choice randbelow randbits compare_digest SystemRandom",
    "__future__": "annotations division absolute_import print_function unicode_literals generators nested_scopes "
    "with_statement generator_stop barry_as_FLUFL",
}

#: Public names that are missing, with the reason.
LEFT_OUT = {
    "calendar.LocaleTextCalendar": "changes the process' locale",
    "calendar.LocaleHTMLCalendar": "as LocaleTextCalendar",
    "collections.UserString": "formats without a guard",
    "dataclasses.make_dataclass": "pastes what it is given into source code",
    "enum.EnumType": "a class of classes",
    "enum.EnumMeta": "as EnumType",
    "functools.singledispatch": "evaluates annotations that are strings as code",
    "functools.singledispatchmethod": "as singledispatch",
    "functools.update_wrapper": "copies any attribute; ours copies a fixed list",
    "hashlib.file_digest": "reads files",
    "json.load": "reads files; loads does the rest",
    "json.dump": "writes files; dumps does the rest",
    "operator.attrgetter": "reads any attribute; ours asks the guard",
    "operator.methodcaller": "calls any method; ours asks the guard",
    "string.Formatter": "reads any attribute",
    "types.FunctionType": "makes functions of code that no policy has seen",
    "types.CodeType": "as FunctionType",
    "types.new_class": "makes classes past the policy",
    "typing.get_type_hints": "evaluates annotations that are strings as code",
    "typing.ForwardRef": "as get_type_hints",
    "typing.get_origin": "hands out the class of classes",
    "uuid.uuid1": "starts programs to find the network card",
    "uuid.getnode": "as uuid1",
    "contextlib.redirect_stdout": "changes the process' own output",
    "contextlib.chdir": "changes the process",
    "abc.ABCMeta": "a class of classes",
    "random.seed": "admitted: each child has a state of its own",
}

#: Classes of the interpreter whose instances a program may set attributes on.
WRITABLE: tuple[type, ...] = (types.SimpleNamespace, BaseException)

_facades: dict[str, types.ModuleType] = {}
_zones: dict[str, bytes] = {}


def admit(extra: Iterable[str] = ()) -> None:
    """Import everything and make the façades. Called once, before the zygote locks itself in."""
    global WRITABLE
    from decimal import Context
    from textwrap import TextWrapper

    WRITABLE = (*WRITABLE, Context, TextWrapper)
    for name, admitted in ADMITTED.items():
        _facades[name] = _facade(name, admitted)
    for name in list(_facades):
        parent, _, child = name.rpartition(".")
        if parent:
            setattr(_facades[parent], child, _facades[name])
    for name in extra:
        _facades[name] = importlib.import_module(name)
    _replace_what_needs_a_guard()
    _load_zones()


def _facade(name: str, admitted: str) -> types.ModuleType:
    real = future if name == "__future__" else importlib.import_module(name)
    wanted = _public(real) if admitted == _EVERYTHING else admitted.split()
    facade = types.ModuleType(name)
    facade.__doc__ = None
    facade.__dict__.pop("__loader__", None)
    facade.__dict__.pop("__spec__", None)
    for wanted_name in wanted:
        if hasattr(real, wanted_name):
            setattr(facade, wanted_name, getattr(real, wanted_name))
    return facade


def _public(module: types.ModuleType) -> list[str]:
    return [
        name
        for name, value in vars(module).items()
        if not name.startswith("_") and not isinstance(value, types.ModuleType)
    ]


def _replace_what_needs_a_guard() -> None:
    from sandbox.inside import guards

    _facades["operator"].attrgetter = guards.attrgetter  # type: ignore[attr-defined]
    _facades["operator"].methodcaller = guards.methodcaller  # type: ignore[attr-defined]
    _facades["functools"].wraps = guards.wraps  # type: ignore[attr-defined]
    _facades["functools"].update_wrapper = guards.update_wrapper  # type: ignore[attr-defined]
    _facades["typing"].Type = guards.GuardedType  # type: ignore[attr-defined]
    _facades["zoneinfo"].ZoneInfo = _zone  # type: ignore[attr-defined]
    _facades["zoneinfo"].available_timezones = lambda: set(_zones)  # type: ignore[attr-defined]


def _load_zones() -> None:
    """Every time zone's file, in memory: a child can't read one."""
    folder = Path(importlib.import_module("tzdata").__path__[0]) / "zoneinfo"
    for path in folder.rglob("*"):
        if path.is_file() and path.suffix == "" and path.read_bytes()[:4] == b"TZif":
            _zones[path.relative_to(folder).as_posix()] = path.read_bytes()


_made_zones: dict[str, datetime.tzinfo] = {}


def _zone(key: str) -> datetime.tzinfo:
    """`ZoneInfo(key)`."""
    if key not in _made_zones:
        if key not in _zones:
            raise zoneinfo.ZoneInfoNotFoundError(f"No time zone found with key {key}")
        _made_zones[key] = zoneinfo.ZoneInfo.from_file(BytesIO(_zones[key]), key=key)
    return _made_zones[key]


def is_admitted(name: str) -> bool:
    """Whether a program may import the module."""
    return name in _facades


def has_name(module: str, name: str) -> bool:
    """Whether `from module import name` gives something."""
    return hasattr(_facades[module], name) and not name.startswith("__")


def facade(name: str) -> types.ModuleType:
    """The façade of an admitted module."""
    return _facades[name]


def reseed() -> None:
    """A random state of the child's own."""
    random.seed()
