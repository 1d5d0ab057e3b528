"""What programs may import: façades with the names that somebody has read and found harmless.

A public name is not a harmless one: whole families run strings as code, set attributes on any object, format
without a guard, hand out frames or files, or change the process. So ADMITTED is a list of names by module, LEFT_OUT
says why the rest of a module's public names are missing, and SUBCLASSABLE which classes may be bases: the methods of
some are called by the library in places where it trusts them.
"""

from __future__ import annotations

import sys

from sandbox.inside.words import words

EVERYTHING = "*"  # every public name of the module that is no module itself, read once for Python 3.11 to 3.14

#: module -> the names of it that are handed out. A name that this Python does not have is skipped.
ADMITTED: dict[str, str] = {
    "__future__": "annotations division absolute_import print_function unicode_literals generators nested_scopes "
    "with_statement generator_stop",
    "abc": "ABC ABCMeta abstractmethod abstractclassmethod abstractstaticmethod abstractproperty",
    "array": "array typecodes ArrayType",
    "base64": "b64encode b64decode standard_b64encode standard_b64decode urlsafe_b64encode urlsafe_b64decode "
    "b32encode b32decode b32hexencode b32hexdecode b16encode b16decode a85encode a85decode b85encode b85decode "
    "encodebytes decodebytes z85encode z85decode",
    "binascii": EVERYTHING,
    "bisect": "bisect bisect_left bisect_right insort insort_left insort_right",
    "calendar": "Calendar TextCalendar HTMLCalendar IllegalMonthError IllegalWeekdayError Month Day firstweekday "
    "setfirstweekday isleap leapdays weekday monthrange monthcalendar prmonth month prcal calendar timegm "
    "month_name month_abbr day_name day_abbr error EPOCH MONDAY TUESDAY WEDNESDAY THURSDAY FRIDAY SATURDAY SUNDAY "
    "JANUARY FEBRUARY MARCH APRIL MAY JUNE JULY AUGUST SEPTEMBER OCTOBER NOVEMBER DECEMBER",
    "cmath": EVERYTHING,
    "collections": "Counter OrderedDict defaultdict deque namedtuple ChainMap UserDict UserList UserString",
    "collections.abc": EVERYTHING,
    "colorsys": "rgb_to_yiq yiq_to_rgb rgb_to_hls hls_to_rgb rgb_to_hsv hsv_to_rgb",
    "contextlib": "contextmanager asynccontextmanager suppress nullcontext closing aclosing ExitStack AsyncExitStack "
    "AbstractContextManager AbstractAsyncContextManager ContextDecorator redirect_stdout",
    "copy": "copy deepcopy replace Error error",
    "csv": "reader writer DictReader DictWriter Dialect excel excel_tab unix_dialect Error field_size_limit QUOTE_ALL "
    "QUOTE_MINIMAL QUOTE_NONNUMERIC QUOTE_NONE QUOTE_STRINGS QUOTE_NOTNULL list_dialects get_dialect "
    "register_dialect unregister_dialect Sniffer",
    "dataclasses": "dataclass field fields asdict astuple replace is_dataclass make_dataclass FrozenInstanceError "
    "InitVar KW_ONLY MISSING",
    "datetime": "date time datetime timedelta tzinfo timezone MINYEAR MAXYEAR UTC",
    "decimal": EVERYTHING,
    "difflib": "SequenceMatcher Differ Match get_close_matches ndiff restore unified_diff context_diff diff_bytes "
    "IS_LINE_JUNK IS_CHARACTER_JUNK HtmlDiff",
    "enum": "Enum IntEnum StrEnum Flag IntFlag ReprEnum unique auto verify UNIQUE CONTINUOUS NAMED_FLAGS "
    "member nonmember FlagBoundary STRICT CONFORM EJECT KEEP",
    "fractions": "Fraction",
    "functools": "reduce partial partialmethod lru_cache cache cached_property cmp_to_key total_ordering wraps "
    "update_wrapper singledispatch singledispatchmethod",
    "graphlib": "TopologicalSorter CycleError",
    "hashlib": "md5 sha1 sha224 sha256 sha384 sha512 sha3_224 sha3_256 sha3_384 sha3_512 shake_128 shake_256 blake2b "
    "blake2s new pbkdf2_hmac scrypt algorithms_available algorithms_guaranteed",
    "heapq": "heappush heappop heapify heapreplace merge nlargest nsmallest heappushpop",
    "hmac": "new compare_digest digest HMAC",
    "html": "escape unescape",
    "io": "StringIO BytesIO SEEK_SET SEEK_CUR SEEK_END UnsupportedOperation",
    "itertools": EVERYTHING,
    "json": "dumps loads dump load JSONDecodeError JSONEncoder JSONDecoder",
    "json.decoder": "JSONDecodeError JSONDecoder",
    "json.encoder": "JSONEncoder",
    "keyword": "iskeyword kwlist issoftkeyword softkwlist",
    "math": EVERYTHING,
    "numbers": "Number Complex Real Rational Integral",
    "operator": EVERYTHING,
    "pprint": "pformat pprint pp saferepr isreadable isrecursive",
    "random": "Random SystemRandom seed getstate setstate random uniform triangular randint choice choices sample "
    "shuffle randrange randbytes getrandbits betavariate expovariate gammavariate gauss lognormvariate "
    "normalvariate paretovariate vonmisesvariate weibullvariate binomialvariate",
    "re": "compile search match fullmatch split findall finditer sub subn escape purge error PatternError Pattern "
    "Match RegexFlag A ASCII I IGNORECASE L LOCALE M MULTILINE S DOTALL X VERBOSE U UNICODE NOFLAG DEBUG",
    "reprlib": "Repr repr recursive_repr aRepr",
    "secrets": "token_bytes token_hex token_urlsafe choice randbelow randbits compare_digest SystemRandom",
    "statistics": "mean fmean geometric_mean harmonic_mean median median_low median_high median_grouped mode "
    "multimode quantiles pstdev pvariance stdev variance covariance correlation linear_regression NormalDist "
    "StatisticsError LinearRegression kde kde_random",
    "string": "ascii_letters ascii_lowercase ascii_uppercase digits hexdigits octdigits punctuation printable "
    "whitespace capwords Template Formatter",
    "struct": "pack unpack pack_into unpack_from iter_unpack calcsize Struct error",
    "textwrap": "TextWrapper wrap fill dedent indent shorten",
    "time": "time time_ns sleep monotonic monotonic_ns perf_counter perf_counter_ns process_time process_time_ns "
    "thread_time thread_time_ns gmtime localtime mktime strftime strptime asctime ctime struct_time timezone "
    "altzone daylight tzname",
    # Each of the others is the type of something that a program has.
    "types": "SimpleNamespace MappingProxyType NoneType EllipsisType NotImplementedType UnionType GeneratorType "
    "FunctionType LambdaType MethodType BuiltinFunctionType BuiltinMethodType CoroutineType AsyncGeneratorType",
    "typing": "Any Union Optional List Dict Set FrozenSet Tuple Callable Iterable Iterator Generator Sequence "
    "MutableSequence Mapping MutableMapping Hashable Sized Collection Container Reversible TypeVar Generic Protocol "
    "NamedTuple TypedDict Literal Final ClassVar Annotated NoReturn Never Self TypeAlias TypeGuard TypeIs "
    "Concatenate ParamSpec Deque DefaultDict OrderedDict Counter ChainMap AbstractSet MutableSet KeysView ItemsView "
    "ValuesView MappingView ByteString Text AnyStr IO TextIO BinaryIO SupportsInt SupportsFloat SupportsIndex "
    "SupportsAbs SupportsRound SupportsBytes SupportsComplex cast overload final override runtime_checkable "
    "no_type_check NewType TYPE_CHECKING assert_never assert_type LiteralString Required NotRequired ReadOnly Unpack "
    "TypeVarTuple Type Pattern Match Awaitable Coroutine AsyncIterator AsyncIterable AsyncGenerator ContextManager "
    "get_type_hints get_origin get_args is_typeddict",
    "unicodedata": EVERYTHING,
    "urllib": "",
    "urllib.parse": "urlparse urlunparse urljoin urldefrag urlsplit urlunsplit urlencode parse_qs parse_qsl quote "
    "quote_plus quote_from_bytes unquote unquote_plus unquote_to_bytes ParseResult SplitResult",
    "uuid": "UUID uuid1 uuid3 uuid4 uuid5 uuid6 uuid7 uuid8 getnode SafeUUID NAMESPACE_DNS NAMESPACE_URL "
    "NAMESPACE_OID NAMESPACE_X500 RESERVED_NCS RFC_4122 RESERVED_MICROSOFT RESERVED_FUTURE",
    "zlib": "compress decompress compressobj decompressobj adler32 crc32 error DEFLATED MAX_WBITS DEF_MEM_LEVEL "
    "Z_BEST_COMPRESSION Z_BEST_SPEED Z_DEFAULT_COMPRESSION Z_NO_COMPRESSION Z_DEFAULT_STRATEGY Z_FINISH "
    "Z_SYNC_FLUSH Z_FULL_FLUSH Z_NO_FLUSH Z_FILTERED Z_HUFFMAN_ONLY Z_RLE Z_FIXED Z_BLOCK Z_PARTIAL_FLUSH",
    "zoneinfo": "ZoneInfo ZoneInfoNotFoundError InvalidTZPathWarning available_timezones",
}

#: Those that children of the lean zygote have.
LEAN = words("__future__ json json.decoder json.encoder math re string time")

#: Public names that are missing, with the reason; and whole modules that people ask for.
LEFT_OUT = {
    "abc.get_cache_token": "of no use to a program",
    "abc.update_abstractmethods": "sets an attribute on any class",
    "calendar.LocaleTextCalendar": "changes the process' locale",
    "calendar.LocaleHTMLCalendar": "changes the process' locale",
    "calendar.different_locale": "changes the process' locale",
    "calendar.main": "reads the command line and ends the process",
    "contextlib.chdir": "changes the process",
    "contextlib.redirect_stderr": "what is written to sys.stderr is printed; use redirect_stdout",
    "dataclasses.Field": "the library pastes what a field says of itself into source code; field() makes one",
    "enum.EnumType": "a class of classes, which makes classes that no policy has seen",
    "enum.EnumMeta": "a class of classes, which makes classes that no policy has seen",
    "enum.property": "its methods read and set attributes of whatever they are called with; use the builtin property",
    "enum.global_enum": "puts names into a module",
    "hashlib.file_digest": "reads files",
    "io.open": "there are no files",
    "io.FileIO": "there are no files",
    "io.TextIOWrapper": "wraps files",
    "json.codecs": "json.codecs.builtins is every builtin, unguarded",
    "pprint.PrettyPrinter": "use pprint and pformat, which take the same arguments",
    "re.Scanner": "use finditer with named groups, and lastgroup of each match",
    "typing.ForwardRef": "evaluates a string as code, unguarded",
    "typing.reveal_type": "writes to the process' own standard error",
    "typing.dataclass_transform": "sets an attribute on any object",
    "typing.get_overloads": "of no use to a program",
    "types.CodeType": "makes code that no policy has seen",
    "types.ModuleType": "of no use to a program",
    "types.new_class": "makes classes that no policy has seen",
    "types.GenericAlias": "of no use to a program",
    "zoneinfo.reset_tzpath": "changes the process",
    "os": "there are no files, processes or environment: pass what the program needs as arguments",
    "sys": "only stdout, stderr, exit, exc_info, getsizeof and some constants are there",
    "sys.argv": "there is no command line: use the arguments of the function, which are the task's args and kwargs",
    "sys.path": "there are no files to import from",
    "sys.setrecursionlimit": "the depth of calls is fixed: use a loop, with a list for what is still to do",
    "sys.stdin": "nobody is there to answer: use the arguments of the function, which are the task's args and kwargs",
    "builtins": "the builtins need no import; the unguarded ones are not there",
    "ctypes": "it leads past Python",
    "gc": "it leads to every object of the process",
    "importlib": "it imports without a guard: write the import as a statement",
    "inspect": "it leads to frames and code",
    "marshal": "it makes code that nobody has checked: use json",
    "multiprocessing": "there are no processes: create several tasks",
    "pickle": "it runs what it reads: use json",
    "platform": "it reads the machine's files",
    "resource": "the limits of a task are the service's",
    "runpy": "it runs code that nobody has checked",
    "shelve": "there are no files",
    "signal": "a program gets no signals; set the task's timeout",
    "sqlite3": "there are no files: use lists and dicts",
    "subprocess": "there are no processes",
    "weakref": "it calls back at times that no guard sees",
    "pdb": "there is no debugger",
    "timeit": "use time.perf_counter",
    **dict.fromkeys(
        words("threading concurrent _thread queue sched"),
        "a program has one thread: use asyncio, or create several tasks",
    ),
    **dict.fromkeys(words("pathlib shutil tempfile glob fileinput"), "there are no files"),
    **dict.fromkeys(words("zipfile tarfile"), "there are no files: gzip, bz2, lzma and zlib work on bytes"),
    **dict.fromkeys(
        words(
            "requests httpx aiohttp urllib3 http urllib.request urllib.error socket ssl ftplib smtplib websocket "
            "websockets boto3"
        ),
        "there is no network: use an API task",
    ),
    **dict.fromkeys(
        words("redis pymysql MySQLdb psycopg psycopg2 pymongo sqlalchemy"),
        "there is no network: let a service of yours do it, and call that with an API task",
    ),
    **dict.fromkeys(words("pytz dateutil tzlocal"), "use datetime and zoneinfo"),
    **dict.fromkeys(words("simplejson orjson ujson rapidjson"), "use json"),
    **dict.fromkeys(words("lxml xmltodict defusedxml"), "use xml.etree.ElementTree"),
    "xml": "use xml.etree.ElementTree",
    "xml.etree": "use xml.etree.ElementTree",
    "xml.etree.cElementTree": "use xml.etree.ElementTree",
    "regex": "use re",
    "argparse": "there is no command line: use the arguments of the function, which are the task's args and kwargs",
    "codecs": "use the methods encode and decode of texts and bytes",
    "contextvars": "pass the values as arguments",
    "fnmatch": "use re",
    "getpass": "nobody is there to answer: pass what the program needs as arguments",
    "html.parser": "use xml.etree.ElementTree for what is well-formed, and re",
    "locale": "it changes the process: format numbers with f-strings, as in f'{x:,.2f}'",
    "warnings": "use logging, or print",
    **dict.fromkeys(words("apscheduler celery schedule croniter"), "use a scheduled task"),
    **dict.fromkeys(words("dotenv decouple"), "there is no environment: pass what the program needs as arguments"),
    "six": "this is Python 3: write it without",
    "typing_extensions": "use typing",
    "loguru": "use logging",
    "structlog": "use logging",
    "asyncio": "coroutines only compute and sleep here",
    "asyncio.Runner": "use asyncio.run",
    "asyncio.new_event_loop": "use asyncio.run",
    "asyncio.set_event_loop": "use asyncio.run",
    "logging.FileHandler": "there are no files, and logging goes to standard output",
    "logging.LoggerAdapter": "use the argument extra",
    "logging.captureWarnings": "there is no module warnings",
    "logging.handlers": "logging goes to standard output",
    "logging.config": "use logging.basicConfig",
    "traceback": "only texts of the program's own lines are there",
}


def why_missing(module: str, name: str) -> str:
    """What to add to the sentence that says that a module does not have the name; nothing if there is no reason."""
    reason = LEFT_OUT.get(f"{module}.{name}") or (LEFT_OUT[module] if module in _LIMITED else None)
    return f": {reason}" if reason else ""


#: Modules of which only a part is there: what LEFT_OUT says of them is true of the rest.
_LIMITED = words("sys asyncio traceback")

#: Classes of the library that may be bases of a program's class. Exceptions may all.
SUBCLASSABLE = (
    "builtins: object bool int float complex str bytes bytearray list tuple dict set frozenset property staticmethod "
    "classmethod "
    "abc: ABC "
    "calendar: Calendar TextCalendar HTMLCalendar "
    "collections: Counter OrderedDict defaultdict deque ChainMap UserDict UserList UserString "
    "contextlib: AbstractContextManager AbstractAsyncContextManager ContextDecorator ExitStack "
    "csv: Dialect excel excel_tab unix_dialect DictReader DictWriter "
    "datetime: date time datetime timedelta tzinfo "
    "decimal: Decimal Context "
    "difflib: SequenceMatcher Differ HtmlDiff "
    "enum: Enum IntEnum StrEnum Flag IntFlag ReprEnum auto "
    "fractions: Fraction "
    "functools: partial cached_property "
    "io: StringIO BytesIO "
    "json: JSONEncoder JSONDecoder "
    "numbers: Number Complex Real Rational Integral "
    "random: Random SystemRandom "
    "statistics: NormalDist "
    "string: Template Formatter "
    "textwrap: TextWrapper "
    "types: SimpleNamespace "
    "typing: Any Generic Protocol _NamedTuple NamedTuple _TypedDict SupportsInt SupportsFloat SupportsIndex "
    "SupportsAbs SupportsRound SupportsBytes SupportsComplex IO TextIO BinaryIO "
    "uuid: UUID"
)

#: Classes of the library on whose instances a program may set attributes.
WRITABLE = (
    "types: SimpleNamespace "
    "decimal: Context "
    "textwrap: TextWrapper "
    "calendar: Calendar TextCalendar HTMLCalendar "
    "functools: partial "
    "json: JSONEncoder JSONDecoder "
    "reprlib: Repr "
    "difflib: SequenceMatcher"
)

#: Single attributes that a program may set on instances of further classes of the library: documented, and believed by
#: nothing but methods of the same class.
SETTABLE = {
    "csv.DictReader": "fieldnames restkey restval",
    "csv.DictWriter": "fieldnames restval extrasaction",
    "csv.Sniffer": "preferred",
    "collections.ChainMap": "maps",
    "collections.UserDict": "data",
    "collections.UserList": "data",
    "collections.UserString": "data",
    "collections.defaultdict": "default_factory",
    "io.BytesIO": "name",
    "io.StringIO": "name",
}

#: What the library imports when it is first needed; in a child there is no file to import from.
LATE = words(
    "_strptime encodings.idna encodings.latin_1 encodings.ascii encodings.utf_16 encodings.utf_32 "
    "encodings.utf_8_sig encodings.cp1252 encodings.punycode encodings.unicode_escape "
    "encodings.raw_unicode_escape encodings.hex_codec encodings.base64_codec encodings.rot_13 encodings.gbk "
    "encodings.gb18030 encodings.big5 encodings.shift_jis encodings.euc_jp encodings.euc_kr "
    "encodings.iso8859_1 encodings.iso8859_15 locale ast quopri "
    "encodings.utf_16_le encodings.utf_16_be encodings.utf_32_le encodings.utf_32_be "
    # In the shared objects of gbk, shift_jis, big5 and euc_kr. (iso2022_jp and the like would add one, with a state.)
    "encodings.gb2312 encodings.cp932 encodings.cp950 encodings.cp949"
)
if sys.version_info >= (3, 12):
    LATE.append("_pylong")  # divides large integers

#: Encodings that are a table each, and imported by the child that needs them.
TABLES = words(
    "encodings.koi8_r encodings.koi8_u encodings.cp437 encodings.cp850 encodings.cp866 encodings.cp874 "
    "encodings.cp1250 encodings.cp1251 encodings.cp1253 encodings.cp1254 encodings.cp1255 encodings.cp1256 "
    "encodings.cp1257 encodings.cp1258 encodings.mac_roman encodings.mac_cyrillic encodings.tis_620 "
    "encodings.iso8859_2 encodings.iso8859_3 encodings.iso8859_4 encodings.iso8859_5 encodings.iso8859_6 "
    "encodings.iso8859_7 encodings.iso8859_8 encodings.iso8859_9 encodings.iso8859_10 encodings.iso8859_11 "
    "encodings.iso8859_13 encodings.iso8859_14 encodings.iso8859_16"
)
