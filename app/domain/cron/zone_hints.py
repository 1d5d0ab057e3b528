"""The time zones that a wrong name may stand for.

Names that are understood: a UTC offset ("UTC+8"), a place ("Asia/Beijing", "Germany", "new york"), what a clock or
Windows calls the zone ("北京时间", "CEST", "China Standard Time"), and a misspelt name ("Europe/Belrin").
"""

from __future__ import annotations

import re
import unicodedata
from collections import Counter
from difflib import get_close_matches
from functools import lru_cache
from importlib.resources import files

MAX_HINTS = 3
_CLOSE = 0.8  # of 1, by difflib: "Europe/Belrin" is 0.92, "Europe" to "Europe/Rome" 0.75

_OFFSET = re.compile(r"(?:utc|gmt|z)?([+-])(\d{1,2})(?::?([0-5]\d))?(?::?00)?", re.ASCII)

#: Minutes east of UTC -> a zone that is there all year round, and that many people know.
_ALL_YEAR = {
    -600: "Pacific/Honolulu",
    -570: "Pacific/Marquesas",
    -420: "America/Phoenix",
    -300: "America/Bogota",
    -180: "America/Sao_Paulo",
    180: "Europe/Moscow",
    210: "Asia/Tehran",
    240: "Asia/Dubai",
    270: "Asia/Kabul",
    300: "Asia/Karachi",
    330: "Asia/Kolkata",
    345: "Asia/Kathmandu",
    360: "Asia/Dhaka",
    390: "Asia/Yangon",
    420: "Asia/Bangkok",
    480: "Asia/Shanghai",
    525: "Australia/Eucla",
    540: "Asia/Tokyo",
    570: "Australia/Darwin",
    600: "Australia/Brisbane",
}

#: Places and other names by zone, which the tables of tzdata and tzlocal lack. See _key for how they are compared.
_OTHER_NAMES = {
    "America/Chicago": "CST CDT US USA Houston Dallas Austin",
    "America/Denver": "MDT",
    "America/Los_Angeles": "PST PDT US USA SanFrancisco Seattle SanDiego LasVegas",
    "America/New_York": "EDT US USA UnitedStates Boston Washington Miami Philadelphia Atlanta",
    "America/Sao_Paulo": "BRT Brazil Brasil Rio RioDeJaneiro Brasilia",
    "America/Toronto": "Canada Montreal Ottawa",
    "Asia/Hong_Kong": "HKT 香港 香港时间 香港時間",
    "Asia/Jerusalem": "IST IDT",
    "Asia/Kolkata": "IST Mumbai Bombay Delhi NewDelhi Bangalore Bengaluru Chennai Hyderabad भारत",
    "Asia/Seoul": "KST 서울 한국 Busan",
    "Asia/Shanghai": "Beijing Peking Shenzhen Guangzhou Hangzhou Chengdu Wuhan Nanjing CST"
    " 北京 北京时间 北京時間 上海 中国 中国时间 中国标准时间 东八区",
    "Asia/Singapore": "SGT 新加坡 新加坡时间",
    "Asia/Taipei": "台北 台湾 臺北 臺灣 台北時間",
    "Asia/Tokyo": "JST 東京 日本 日本時間 日本标准时间 日本標準時 東京時間 东京 Osaka Kyoto",
    "Australia/Sydney": "AEST AEDT Australia Canberra",
    "Europe/Berlin": "CEST Deutschland Munich München Muenchen Hamburg Frankfurt Köln Cologne Stuttgart MEZ MESZ",
    "Europe/Dublin": "IST",
    "Europe/Istanbul": "TRT Ankara Стамбул",
    "Europe/Kyiv": "Київ Киев",
    "Europe/London": "BST England Scotland Wales Manchester Edinburgh Cardiff UK",
    "Europe/Madrid": "Barcelona Valencia Seville",
    "Europe/Moscow": "Москва МСК MSK Russia Россия Petersburg SaintPetersburg",
    "Europe/Rome": "Milan Milano Roma Torino Naples",
    "Europe/Zurich": "Geneva Basel Bern",
    "Pacific/Auckland": "NZST NZDT Wellington",
    "UTC": "Z",
}


def near_names(name: str, known: frozenset[str]) -> list[str]:
    """At most MAX_HINTS of the `known` zones, the likeliest first."""
    by_offset = _by_offset(name)
    if by_offset is not None:
        found = by_offset
    else:
        index = _index(known)
        whole, place = _key(name), _key(name.rpartition("/")[2])
        found = index.get(whole) or index.get(place) or _similar(whole, index)
    return [zone for zone in dict.fromkeys(found) if zone in known][:MAX_HINTS]


def _similar(key: str, index: dict[str, list[str]]) -> list[str]:
    return [zone for close in get_close_matches(key, index, n=2, cutoff=_CLOSE) for zone in index[close]]


def _by_offset(name: str) -> list[str] | None:
    """The zones of an offset as "UTC+8", "+08:00", "GMT-0330"; None where it is none."""
    text = unicodedata.normalize("NFKC", name).replace("\N{MINUS SIGN}", "-").replace(" ", "").lower()
    match = _OFFSET.fullmatch(text)
    if match is None:
        return None
    sign, hours, minutes = -1 if match[1] == "-" else 1, int(match[2]), int(match[3] or 0)
    if hours == minutes == 0:
        return ["UTC"]
    # POSIX counts west of Greenwich, so these names have the opposite sign.
    fixed = [f"Etc/GMT{'+' if sign < 0 else '-'}{hours}"] if minutes == 0 else []
    all_year = _ALL_YEAR.get(sign * (hours * 60 + minutes))
    return [*fixed, all_year] if all_year else fixed


def _key(name: str) -> str:
    """Letters and digits without case and accents: "New York" and "new_york" are one."""
    plain = unicodedata.normalize("NFKD", name).casefold()
    return "".join(character for character in plain if character.isalnum())


@lru_cache(maxsize=1)
def _index(known: frozenset[str]) -> dict[str, list[str]]:
    """Key -> zones: their own names, their places, other names, countries with few zones, and Windows' names."""
    from tzlocal.windows_tz import win_tz  # needed only where a name is wrong

    index: dict[str, list[str]] = {}
    named = [(name, name) for name in sorted(known)]
    named += [(name.rpartition("/")[2], name) for name in sorted(known)]
    named += [(other, zone) for zone, others in _OTHER_NAMES.items() for other in others.split()]
    named += [(windows, zone) for windows, zone in win_tz.items()]
    for name, zone in [*named, *_countries()]:
        index.setdefault(_key(name), []).append(zone)
    return index


def _countries() -> list[tuple[str, str]]:
    """(country, zone) of tzdata's tables, for countries with so few zones that their name says something."""
    countries = dict(line.split("\t")[:2] for line in _table("iso3166.tab"))
    zones = [(line.split("\t")[0], line.split("\t")[2]) for line in _table("zone.tab")]
    counts = Counter(code for code, _ in zones)
    return [(countries[code], zone) for code, zone in zones if counts[code] <= MAX_HINTS]


def _table(name: str) -> list[str]:
    text = files("tzdata").joinpath("zoneinfo", name).read_text("utf-8")
    return [line for line in text.splitlines() if line and not line.startswith("#")]
