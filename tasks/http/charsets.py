"""Finding the charset of a text: the declared one, or one that is as good as certain. Pure.

Nothing is lost: bytes become text only if all of them are valid in the charset.
"""

from __future__ import annotations

import codecs
import re
from functools import cache

import charset_normalizer

from app.domain.charsets import MAX_NAME_CHARACTERS, text_codec

SAMPLE_BYTES = 4096
"""The part of a text that is examined to guess its charset. Bounds the work."""

DECLARATION_BYTES = 1024
"""Where HTML looks for its declaration."""

_DECLARATION = re.compile(rb"(?:charset|encoding)[ \t]{0,9}=[ \t]{0,9}[\"']?([A-Za-z0-9_:.-]{1,40})", re.IGNORECASE)

MIN_ZERO_SHARE = 0.7
MIN_EAST_ASIAN_CHARACTERS = 4
MIN_EVERYDAY_SHARE = 0.85
CLEAR_LEAD = 0.1
MIN_COHERENCE = 0.15
"""charset-normalizer's measure of how well a text fits a language. Short texts rarely exceed 0.5."""

_BOMS = (
    (codecs.BOM_UTF8, "utf-8-sig"),
    (codecs.BOM_UTF32_LE, "utf-32"),  # before UTF-16: its mark begins the same
    (codecs.BOM_UTF32_BE, "utf-32"),
    (codecs.BOM_UTF16_LE, "utf-16"),
    (codecs.BOM_UTF16_BE, "utf-16"),
)

_WIDER = {
    "ascii": "cp1252",
    "iso8859-1": "cp1252",
    "iso8859-9": "cp1254",
    "iso8859-11": "cp874",
    "gb2312": "gb18030",
    "gbk": "gb18030",
    "big5": "big5hkscs",
    "shift_jis": "cp932",
    "euc_kr": "cp949",
}
"""Declared charsets and the supersets that their names stand for in practice (WHATWG Encoding)."""

_C1_FILLED = "".join(bytes([byte]).decode("cp1252", "ignore") or chr(byte) for byte in range(256))
"""windows-1252 with its five gaps filled as WHATWG does: every byte is a character."""


def marked(body: bytes) -> str | None:
    """Return the encoding that a byte order mark declares. It takes precedence over any header."""
    return next((encoding for mark, encoding in _BOMS if body.startswith(mark)), None)


def known(charset: str | None) -> str | None:
    """Return Python's name for a charset of the web, or None for an unknown one."""
    if charset is None or len(charset) > MAX_NAME_CHARACTERS:
        return None
    name = charset.strip("'\" ").lower()
    while name.startswith("x-"):  # x-gbk, x-sjis, x-x-big5
        name = name[2:]
    info = text_codec(name)
    if info is None or info.incrementaldecoder is None or info.name == "utf-7":  # UTF-7 can produce lone surrogates
        return None
    return _WIDER.get(info.name, info.name)


def unmarked_utf16(body: bytes) -> str | None:
    """Return UTF-16's byte order if nearly every other byte is zero, as in JSON and markup; else None."""
    sample = body[:SAMPLE_BYTES]
    even, odd = sample[0::2].count(0), sample[1::2].count(0)
    most = len(sample) // 2 * MIN_ZERO_SHARE
    if even + odd == 0 or min(even, odd) > 0 or max(even, odd) < most:
        return None
    return "utf-16-be" if even else "utf-16-le"


def declared_within(body: bytes) -> str | None:
    """Return the charset that HTML or XML declares in its first lines, if it is a known one."""
    found = _DECLARATION.search(body[:DECLARATION_BYTES])
    return known(found[1].decode("ascii")) if found else None


def decode(body: bytes, encoding: str, *, is_whole: bool) -> str:
    """Return the text without its byte order mark. Raises UnicodeError for invalid bytes.

    If a truncated body ends within a character, that character is left out.
    """
    if encoding == "cp1252":
        return codecs.charmap_decode(body, "strict", _C1_FILLED)[0]
    if encoding in ("utf-16", "utf-32") and marked(body) != encoding:
        encoding = _with_byte_order(body, encoding)
    return codecs.getincrementaldecoder(encoding)("strict").decode(body, final=is_whole)


def guess(body: bytes) -> str | None:
    """Return the charset of a text that is not UTF-8 if it is as good as certain, else None. Examines a sample.

    East Asian texts consist mostly of everyday characters in the right charset, and of rare ones in a wrong one. For
    other texts, the accents must be those of Western Europe, or charset-normalizer must recognize the language.
    """
    sample = body[:SAMPLE_BYTES]
    is_whole = len(body) <= SAMPLE_BYTES
    if b"\0" in sample or _is_broken_utf8(sample):
        return None
    return _guess_east_asian(sample, is_whole) or _guess_single_byte(sample)


def _with_byte_order(body: bytes, encoding: str) -> str:
    """Tell the byte order of a text without a mark by its zero bytes. Little-endian if in doubt (WHATWG)."""
    if encoding == "utf-32":
        return "utf-32-be" if body[:1] == b"\0" else "utf-32-le"
    sample = body[:SAMPLE_BYTES]
    return "utf-16-be" if sample[0::2].count(0) > sample[1::2].count(0) else "utf-16-le"


def _is_broken_utf8(sample: bytes) -> bool:
    """Tell whether the valid UTF-8 sequences outnumber the invalid ones: a damaged UTF-8 text."""
    text = sample.decode(errors="replace")
    broken = text.count("\ufffd")
    return sum(map(len, re.findall(r"[^\x00-\x7f\ufffd]+", text))) > broken


# --- East Asia -------------------------------------------------------------------------------------

_PUNCTUATION = "、。，：；！？（）《》〈〉「」『』【】〔〕…—－～〜·・“”‘’\u3000％＋＝＜＞／＆＃＠＊￥々〇"
_SIGNS = "℃°×÷±→←↑↓※★☆◆◇■□●○△▲▼①-⑳Ⅰ-Ⅻ"
_FULL_WIDTH = "０-９Ａ-Ｚａ-ｚ"
_KANA = "ぁ-ゖァ-ー"


def _frequent(encoding: str, first_lead: int, last_lead: int, trails: list[int]) -> str:
    """Return the part of a national standard that holds the characters in everyday use."""
    area = bytes(byte for lead in range(first_lead, last_lead + 1) for trail in trails for byte in (lead, trail))
    return re.escape(area.decode(encoding, "ignore"))


_EUC_TRAILS = list(range(0xA1, 0xFF))
_BIG5_TRAILS = [*range(0x40, 0x7F), *range(0xA1, 0xFF)]


def _everyday(characters: str) -> re.Pattern[str]:
    return re.compile(f"[{_PUNCTUATION}{_SIGNS}{_FULL_WIDTH}{characters}]")


@cache
def _everyday_characters() -> dict[str, re.Pattern[str]]:
    """Return a pattern for each encoding. Built on first use."""
    japanese = _everyday(_KANA + _frequent("euc_jp", 0xB0, 0xCF, _EUC_TRAILS))  # level 1 of JIS X 0208
    return {
        "gb18030": _everyday(_frequent("gb2312", 0xB0, 0xD7, _EUC_TRAILS)),  # level 1 of GB 2312
        "big5hkscs": _everyday(_frequent("big5", 0xA4, 0xC6, _BIG5_TRAILS)),  # level 1 of Big5
        "cp932": japanese,
        "euc_jp": japanese,
        "cp949": _everyday(_frequent("euc_kr", 0xB0, 0xC8, _EUC_TRAILS)),  # the syllables of KS X 1001
    }


_COMMON_SYLLABLES = re.compile(
    "[이다는을가의에고하지로은를한도시사기서자리어스요안니주세있나오대해들수"
    "정제인일것라만그게전부진보동장과와으면아없성되된여공구원상습합였았었했]"
)

_KOREAN_SHARE = 0.25
_NOT_KOREAN_SHARE = 0.1
_SURE_CHARACTERS = 6


def _guess_east_asian(sample: bytes, is_whole: bool) -> str | None:
    shares = {encoding: _everyday_share(sample, encoding, is_whole) for encoding in _everyday_characters()}
    least = max(MIN_EVERYDAY_SHARE, max(shares.values()) - CLEAR_LEAD)
    likely = {encoding for encoding, share in shares.items() if share >= least}
    if likely >= {"gb18030", "cp949"}:  # Korean syllables have the same bytes as frequent hanzi in GB 2312
        return _chinese_or_korean(sample, is_whole)
    if len(likely) > 1 and len(re.findall(rb"[\x80-\xff]{2}", sample)) >= _SURE_CHARACTERS:
        likely.discard("big5hkscs")  # half of its second bytes are below 0x80; those of the others never are
    return likely.pop() if len(likely) == 1 else None


def _everyday_share(sample: bytes, encoding: str, is_whole: bool) -> float:
    """Return the share of everyday characters among those beyond ASCII; 0 if there are too few to tell."""
    try:
        text = decode(sample, encoding, is_whole=is_whole)
    except UnicodeError:
        return 0.0
    foreign = re.sub(r"[\x00-\x7f]+", "", text)
    if len(foreign) < MIN_EAST_ASIAN_CHARACTERS or (encoding == "euc_jp" and not re.search(f"[{_KANA}]", foreign)):
        return 0.0
    return len(_everyday_characters()[encoding].findall(foreign)) / len(foreign)


def _chinese_or_korean(sample: bytes, is_whole: bool) -> str | None:
    syllables = re.findall("[\uac00-\ud7a3]", decode(sample, "cp949", is_whole=is_whole))
    common = sum(_COMMON_SYLLABLES.match(syllable) is not None for syllable in syllables)
    if common >= len(syllables) * _KOREAN_SHARE:
        return "cp949"
    is_chinese = len(syllables) >= _SURE_CHARACTERS and common <= len(syllables) * _NOT_KOREAN_SHARE
    return "gb18030" if is_chinese else None


# --- the rest --------------------------------------------------------------------------------------

_WESTERN = re.compile(
    r"[\x00-\x7fÀÁÂÃÄÅÆÇÈÉÊËÍÎÏÑÓÔÕÖØÚÛÜßàáâãäåæçèéêëíîïñòóôõöøùúûüœŒ€£§©®°«»·¡¿ºª½¼¾–—‘’“”„…•™\xa0]+"
)
_TAG = re.compile(r"<[^<>]{0,200}>")
_MISPLACED = re.compile(
    r"[^\W\d_][£§©®°¡¿€™•]|[¡¿æñ](?![^\W\d_])"  # a sign after a letter, a letter that ends no word
    r"|(?<![A-Za-z])[À-ÿŒœ]{2,}(?![A-Za-z])|[À-ÿŒœ]{3,}"  # a word of accents alone
)
MIN_PLAIN_LETTERS = 4
MAX_ACCENTED_SHARE = 0.34

_OTHER_ALPHABETS = ["cp1250", "cp1251", "koi8_r", "cp1253", "cp1255", "cp1256", "cp874", "cp1254", "cp1252"]


def _guess_single_byte(sample: bytes) -> str | None:
    if _is_western(sample):
        return "cp1252"
    found = charset_normalizer.from_bytes(sample, cp_isolation=_OTHER_ALPHABETS, enable_fallback=False)
    best = found.best()
    if best is None or best.chaos > 0 or best.coherence < MIN_COHERENCE:
        return None
    is_clear = all(other is best or other.coherence <= best.coherence / 2 for other in found)
    return known(best.encoding) if is_clear else None


def _is_western(sample: bytes) -> bool:
    """Tell whether the text is mostly plain letters, with accents and signs of Western Europe in plausible places."""
    text = _TAG.sub(" ", decode(sample, "cp1252", is_whole=True))
    letters = re.sub(r"[\W\d_]+", "", text)
    plain = len(re.sub(r"[^\x00-\x7f]+", "", letters))
    return (
        plain >= MIN_PLAIN_LETTERS
        and len(letters) - plain <= len(letters) * MAX_ACCENTED_SHARE
        and _WESTERN.fullmatch(text) is not None
        and not _MISPLACED.search(text)
    )
