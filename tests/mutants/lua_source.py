"""Makes the mutants of a Lua script.

Operators, conditions and numbers are changed, calls whose result is not used are removed (above all the writes), and
the last two arguments of calls are swapped.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass

from tests.mutants.mutant import Mutant, mutant

TOKEN = re.compile(
    r"""(?P<comment>--[^\n]*)|(?P<text>'(?:\\.|[^'\\])*'|"(?:\\.|[^"\\])*")|(?P<number>\d+(?:\.\d+)?)"""
    r"""|(?P<name>[A-Za-z_]\w*)|(?P<operator>\.\.\.|\.\.|==|~=|<=|>=|[^\s\w])"""
)
OPPOSITES = {
    "==": "~=", "~=": "==", "<": "<=", "<=": "<", ">": ">=", ">=": ">", "+": "-", "-": "+", "*": "/", "/": "*",
    "%": "*", "and": "or", "or": "and", "true": "false", "false": "true",
    "'('": "''",  # the bounds of a range: exclusive -> inclusive
}  # fmt: skip
UNORDERED = re.compile(r"(read|unset|columns)\b|redis\.call\('DEL'")  # calls whose arguments may come in any order
NEXT = re.compile(r"\[#(\w+) \+ 1\]")  # `list[#list + 1] = value` adds to a list
NAMES = {"math.min": "math.max", "math.max": "math.min", "math.floor": "math.ceil", "math.ceil": "math.floor"}
CLOSING = {"(": ")", "{": "}", "[": "]"}
NO_CALL = frozenset({"and", "elseif", "function", "if", "in", "not", "or", "return", "while"})


@dataclass(frozen=True, slots=True)
class _Token:
    kind: str
    text: str
    start: int
    end: int


def mutants_of(path: str, source: bytes) -> list[Mutant]:
    """All mutants of a script, in the order of the file."""
    text = source.decode()
    found = [
        # Positions in characters become positions in bytes.
        mutant(path, source, len(text[:start].encode()), len(text[:end].encode()), after)
        for start, end, after in _changes(text)
    ]
    return sorted(set(found), key=lambda each: (each.start, each.end))


def _tokens(text: str) -> list[_Token]:
    found = TOKEN.finditer(text)
    return [_Token(each.lastgroup or "", each[0], *each.span()) for each in found if each.lastgroup != "comment"]


def _changes(text: str) -> Iterator[tuple[int, int, str]]:
    """Start, end and replacement of each change."""
    tokens = _tokens(text)
    left_alone = {place for found in NEXT.finditer(text) for place in range(*found.span())}
    for place, token in enumerate(tokens):
        before = tokens[place - 1] if place else None
        if token.start in left_alone:
            continue
        if token.text in OPPOSITES and not (token.text == "-" and _is_sign(before)):
            yield token.start, token.end, OPPOSITES[token.text]
        elif token.text == "not":
            yield token.start, token.end, ""
        elif token.kind == "number" and not (before and before.text == "%"):
            for change in (1, -1):
                yield token.start, token.end, _number(token.text, change)
        elif token.text in ("if", "elseif", "while"):
            yield from _negated(text, tokens, place)
        elif token.text == "break":
            yield token.start, token.end, ""
        elif token.kind == "name" and token.text not in NO_CALL:
            yield from _changes_of_a_name(text, tokens, place)


def _is_sign(before: _Token | None) -> bool:
    return before is None or before.text in ("(", ",", "=", "{", "return")


def _number(text: str, change: int) -> str:
    number = float(text) + change if "." in text else int(text) + change
    return f"({number})" if number < 0 else str(number)


def _negated(text: str, tokens: list[_Token], place: int) -> Iterator[tuple[int, int, str]]:
    """Not for one comparison or negation, which has a mutant of the same effect."""
    last = next(at for at in range(place, len(tokens)) if tokens[at].text in ("then", "do")) - 1
    condition = tokens[place + 1 : last + 1]
    words = [token.text for token in condition]
    is_joined = "and" in words or "or" in words
    if is_joined or not ("not" in words or "==" in words or "~=" in words):
        start, end = condition[0].start, condition[-1].end
        yield start, end, f"not ({text[start:end]})"


def _changes_of_a_name(text: str, tokens: list[_Token], place: int) -> Iterator[tuple[int, int, str]]:
    """What changes at the first part of a name such as `redis.call`."""
    before = tokens[place - 1] if place else None
    if before and before.text in (".", "function"):
        return
    opening = place + 1
    while tokens[opening : opening + 1] and tokens[opening].text == ".":
        opening += 2
    name = text[tokens[place].start : tokens[opening - 1].end]
    if name in NAMES:
        yield tokens[place].start, tokens[opening - 1].end, NAMES[name]
    if opening >= len(tokens) or tokens[opening].text != "(":
        return
    closing = _closing(tokens, opening)
    if _starts_a_statement(text, tokens, place):
        yield tokens[place].start, tokens[closing].end, ""
    arguments = _arguments(tokens, opening, closing)
    if UNORDERED.match(text, tokens[place].start):
        return
    if len(arguments) > (2 if name in ("redis.call", "gather", "write") else 1) and name not in NAMES:
        (start, middle), (second, end) = arguments[-2:]
        if text[start:middle] != text[second:end]:
            yield start, end, f"{text[second:end]}, {text[start:middle]}"


def _starts_a_statement(text: str, tokens: list[_Token], place: int) -> bool:
    """Whether the call at `place` is a statement: it is the first on its line, or follows one of these words."""
    if place and tokens[place - 1].text in ("then", "do", "else", ";"):
        return True
    line_start = text.rfind("\n", 0, tokens[place].start) + 1
    is_first = not text[line_start : tokens[place].start].strip()
    ends_before = place == 0 or tokens[place - 1].kind in ("name", "text", "number") or tokens[place - 1].text in ")]}"
    joins = place > 0 and tokens[place - 1].text in ("and", "or", "not", "return", "in")
    return is_first and ends_before and not joins


def _closing(tokens: list[_Token], opening: int) -> int:
    depth = 0
    for place in range(opening, len(tokens)):
        if tokens[place].text in CLOSING:
            depth += 1
        elif tokens[place].text in CLOSING.values():
            depth -= 1
            if depth == 0:
                return place
    raise ValueError("no closing parenthesis")


def _arguments(tokens: list[_Token], opening: int, closing: int) -> list[tuple[int, int]]:
    """Start and end of each argument."""
    found, first = [], opening + 1
    place = opening + 1
    while place < closing:
        if tokens[place].text in CLOSING:
            place = _closing(tokens, place)
        elif tokens[place].text == ",":
            found.append((tokens[first].start, tokens[place - 1].end))
            first = place + 1
        place += 1
    if first < closing:
        found.append((tokens[first].start, tokens[closing - 1].end))
    return found


# --- blocks: what runs together ----------------------------------------------------------------------


def blocks_of(source: str) -> list[tuple[int, int]]:
    """Start and end of the body of each function, branch and loop of a script, the outermost first."""
    found: list[tuple[int, int]] = []
    opened: list[int] = []
    tokens = _tokens(source)
    for place, token in enumerate(tokens):
        if token.text in ("end", "else", "elseif", "until") and opened:
            found.append((opened.pop(), token.start))
        if token.text in ("then", "else", "do", "repeat"):
            opened.append(token.end)
        elif token.text == "function":
            opening = next(at for at in range(place, len(tokens)) if tokens[at].text == "(")
            opened.append(tokens[_closing(tokens, opening)].end)
    return sorted(found)


def with_marks(source: str, number: int, *, is_library: bool) -> str:
    """The script with a line in the server's log at the start of each block: the script's number, and the place.

    The outermost block of a script that is no library has the place 0.
    """
    for start, _ in reversed(blocks_of(source)):
        source = f"{source[:start]} {_mark(number, start)} {source[start:]}"
    return source if is_library else f"{_mark(number, 0)}\n{source}"


def _mark(number: int, place: int) -> str:
    return f"redis.log(redis.LOG_WARNING, 'block {number} {place}')"


def block_around(source: str, place: int) -> int:
    """The start of the innermost block around a place, 0 for the outermost statements."""
    return max((start for start, end in blocks_of(source) if start <= place < end), default=0)
