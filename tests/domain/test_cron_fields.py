"""What a field may contain, what each form means, and how the other forms are refused."""

from __future__ import annotations

from contextlib import suppress
from datetime import UTC, datetime

import pytest

from app.domain.cron import Cron, CronError, CronZoneError
from app.domain.cron.fields import LAST, parse_fields
from tests.cpu_cost import adjusted, cpu_seconds

NOW = datetime(2026, 11, 23, 8, 30, tzinfo=UTC)
FIVE_OR_SIX = (
    "a cron expression has five fields (minute, hour, day of month, month, day of week)"
    " or six (with the second first); this one has "
)
ALIASES = "@hourly, @daily, @midnight, @weekly, @monthly, @yearly, @annually"
NO_YEAR = "is not supported; leave it out, and bound the schedule with start_at and end_at"
ONLY_L = "is not supported (only L); write L for the last day, or the number of a day"
ONE_DAY = "is not supported; write one day, as in 'fri#2' or 'L5'"
NO_LAST_WEEKDAY = "is not supported (the last weekday); write L, or L5 in the day of week for the last Friday"
NO_NEAREST_WEEKDAY = "is not supported (the nearest weekday); write the day, or mon#3 in the day of week"


def numbers(bits: int) -> list[int]:
    return [number for number in range(64) if bits >> number & 1]


@pytest.mark.parametrize(
    ("field", "expected"),
    [
        ("*", list(range(60))),
        ("7", [7]),
        ("007", [7]),
        ("1,5,3,5", [1, 3, 5]),
        ("10-13", [10, 11, 12, 13]),
        ("5-5", [5]),
        ("58-1", [58, 59, 0, 1]),  # a range may wrap
        ("2-0/58", [2, 0]),
        ("59-1", [59, 0, 1]),
        ("50-10/20", [50, 10]),
        ("50-9/20", [50]),
        ("0-59", [*range(60)]),
        ("*/20", [0, 20, 40]),
        ("*/59", [0, 59]),
        ("10-30/10", [10, 20, 30]),
        ("10-29/10", [10, 20]),
        ("50-9/10", [50, 0]),
        ("45/5", [45, 50, 55]),  # up to the field's end
        ("59/15", [59]),
        ("1,*/30", [0, 1, 30]),
        ("1-3,50-52/2", [1, 2, 3, 50, 52]),
    ],
)
def test_minutes(field: str, expected: list[int]) -> None:
    assert numbers(parse_fields(f"{field} 0 1 1 *").minutes) == sorted(expected)


@pytest.mark.parametrize(
    ("field", "expected"),
    [
        ("*", [0, 1, 2, 3, 4, 5, 6]),
        ("0", [0]),
        ("7", [0]),
        ("Sun", [0]),
        ("MON-fri", [1, 2, 3, 4, 5]),
        ("fri-mon", [0, 1, 5, 6]),
        ("5-7", [0, 5, 6]),
        ("0-7", [0, 1, 2, 3, 4, 5, 6]),
        ("7-2", [0, 1, 2]),
        ("sun-sun", [0]),
        ("sat,tue", [2, 6]),
        ("mon-6/2", [1, 3, 5]),
        ("*/2", [0, 2, 4, 6]),
        ("1/3", [1, 4]),
        ("7/3", [0, 3, 6]),
    ],
)
def test_days_of_the_week(field: str, expected: list[int]) -> None:
    fields = parse_fields(f"0 0 * * {field}")
    assert numbers(fields.weekdays) == expected
    assert fields.nth_weekdays == frozenset()


@pytest.mark.parametrize(
    ("field", "plain", "nth"),
    [
        ("L5", [], {(5, LAST)}),
        ("5L", [], {(5, LAST)}),
        ("friL", [], {(5, LAST)}),
        ("l7", [], {(0, LAST)}),
        ("mon#1", [], {(1, 1)}),
        ("7#5", [], {(0, 5)}),
        ("1#2,3#4", [], {(1, 2), (3, 4)}),
        ("mon,fri#2,L0", [1], {(5, 2), (0, LAST)}),
    ],
)
def test_nth_and_last_days_of_the_week(field: str, plain: list[int], nth: set[tuple[int, int]]) -> None:
    fields = parse_fields(f"0 0 * * {field}")
    assert (numbers(fields.weekdays), fields.nth_weekdays) == (plain, frozenset(nth))


@pytest.mark.parametrize(
    ("expression", "days", "last"),
    [
        ("0 0 L * *", [], True),
        ("0 0 15,l * *", [15], True),
        ("0 0 30-2 * *", [1, 2, 30, 31], False),
        ("0 0 L,3-1 * *", [1, *range(3, 32)], True),  # thirty days and L are not all days
        ("0 0 L,1-29,31 * *", [*range(1, 30), 31], True),
    ],
)
def test_days_of_the_month(expression: str, days: list[int], last: bool) -> None:
    fields = parse_fields(expression)
    assert (numbers(fields.days), fields.last_day) == (days, last)


def test_months_by_name_and_number() -> None:
    assert numbers(parse_fields("0 0 1 nov-Feb,6 *").months) == [1, 2, 6, 11, 12]


def test_six_fields_begin_with_the_second() -> None:
    fields = parse_fields("*/30 5 3 * * *")
    assert (numbers(fields.seconds), numbers(fields.minutes), numbers(fields.hours)) == ([0, 30], [5], [3])


@pytest.mark.parametrize(
    ("alias", "written_out"),
    [
        ("@hourly", "0 * * * *"),
        ("@daily", "0 0 * * *"),
        ("@weekly", "0 0 * * 0"),
        ("@monthly", "0 0 1 * *"),
        ("@yearly", "0 0 1 1 *"),
        ("@midnight", "0 0 * * *"),
        ("@annually", "0 0 1 1 *"),
        ("  @Daily\t", "0 0 * * *"),
    ],
)
def test_an_alias_is_an_expression_written_out(alias: str, written_out: str) -> None:
    assert parse_fields(alias) == parse_fields(written_out)


@pytest.mark.parametrize(
    ("expression", "with_stars"),
    [
        ("0 0 12 * * ?", "0 0 12 * * *"),  # as Quartz has it, seconds first
        ("0 0 ? * mon", "0 0 * * mon"),
        ("0 0 13 * ?", "0 0 13 * *"),
        ("0 0 ? * ?", "0 0 * * *"),
        ("? ?/2 1,? ? ?", "* */2 1,* * *"),
    ],
)
def test_a_question_mark_is_a_star(expression: str, with_stars: str) -> None:
    assert parse_fields(expression) == parse_fields(with_stars)


@pytest.mark.parametrize(
    ("expression", "both_days", "real_time"),
    [
        ("0 0 1 * mon", False, False),
        ("0 0 * * mon", True, False),
        ("0 0 */2 * mon", True, False),  # begins with a star: AND, as Debian's cron does it
        ("0 0 1 * */2", True, False),
        ("0 0 1-31 * mon", False, False),
        ("0 0 1,*/2 * mon", False, False),
        ("0 * * * *", True, True),
        ("*/15 3 * * *", True, True),
        ("*,5 3 * * *", True, True),
        ("5,* 3 * * *", True, False),
        ("* 0 3 * * *", True, False),  # the star of the seconds has no say
        ("0-59 0-23 * * *", True, False),
    ],
)
def test_what_a_leading_star_means(expression: str, both_days: bool, real_time: bool) -> None:
    fields = parse_fields(expression)
    assert (fields.both_days, fields.real_time) == (both_days, real_time)


REFUSED = [
    ("", FIVE_OR_SIX + "0"),
    ("   ", FIVE_OR_SIX + "0"),
    ("* * * *", FIVE_OR_SIX + "4"),
    ("0 0 0 1 1 * * 2026", FIVE_OR_SIX + "8"),
    ("0 0 0 1 1 * 2026", f"a year ('2026', the last field) {NO_YEAR}"),
    ("0 0 12 * * ? *", f"a year ('*', the last field) {NO_YEAR}"),
    ("0 10 * * ? *", f"a year ('*', the last field) {NO_YEAR}"),  # AWS: daily at 10:00
    ("15 10 ? * MON-FRI *", f"a year ('*', the last field) {NO_YEAR}"),
    ("0 0 12 * * ? */2", f"a year ('*/2', the last field) {NO_YEAR}"),
    ("*/5 * * * * root backup", FIVE_OR_SIX + "7"),
    (
        "cron(0 10 * * ? *)",
        "'cron(…)' is not supported; write the five fields between the parentheses, without the year",
    ),
    ("rate(5 minutes)", "words are not supported; for a fixed interval use every_seconds"),
    ("every 5 minutes", "words are not supported; for a fixed interval use every_seconds"),
    ("Mon *-*-* 09:30:00", "a time like 9:30 is not supported; write the minute and the hour: 30 9 * * *"),
    ("Daily", "'Daily' is not supported; write '@daily'"),
    ("0 9 1 1 ? 2027-2030", f"a year ('2027-2030', the last field) {NO_YEAR}"),
    ("TZ=Asia/Tokyo 0 9 * * *", "a time zone in the expression is not supported; write it in the field timezone"),
    ("CRON_TZ=UTC 0 9 * * *", "a time zone in the expression is not supported; write it in the field timezone"),
    ("@reboot", f"'@reboot' is not one of {ALIASES}"),
    ("@hourly * * * *", "'@hourly' must stand alone"),
    ("@every 90m", "'@every' is not supported; for a fixed interval use every_seconds: 5400"),
    ("@EVERY 1h30m5s", "'@every' is not supported; for a fixed interval use every_seconds: 5405"),
    ("@every 0s", "'@every' is not supported; for a fixed interval use every_seconds"),
    ("@every often", "'@every' is not supported; for a fixed interval use every_seconds"),
    ("* " * 100 + "*", "a cron expression has at most 200 characters, not 201"),
    ("5? * * * *", "minute: '5?' is not a number, a range, a step or '*'"),
    ("?? * * * *", "minute: '??' is not a number, a range, a step or '*'"),
    ("5(3) * * * *", "minute: '5(3)' is not a number, a range, a step or '*'"),
    ("0 12 * * ？", "'？' has no meaning in a cron expression"),
    ("0\n0 * * *", "'\\n' has no meaning in a cron expression"),
    ("0\u00a00 * * *", "'\\xa0' has no meaning in a cron expression"),
    ("0 0 * * ٣", "'٣' has no meaning in a cron expression"),
    ("60 * * * *", "minute: 60 is not between 0 and 59"),
    ("* 24 * * *", "hour: 24 is not between 0 and 23"),
    ("* * 0 * *", "day of month: 0 is not between 1 and 31"),
    ("* * 32 * *", "day of month: 32 is not between 1 and 31"),
    ("* * * 13 *", "month: 13 is not between 1 and 12"),
    ("* * * * 8", "day of week: 8 is not between 0 and 7"),
    ("60 * * * * *", "second: 60 is not between 0 and 59"),
    (f"{'9' * 150} * * * *", f"minute: {'9' * 150} is not between 0 and 59"),
    ("R * * * *", "minute: 'R' (a random time) is not supported; write H instead of R"),
    ("0 R(0-5) * * *", "hour: 'R(0-5)' (a random time) is not supported; write H instead of R"),
    ("H/5 * * * *", "minute: 'H/5' is picked by a scheduled task's id, and there is none here"),
    ("* * * mon *", "month: 'mon' is not a number from 1 to 12 or a name like 'feb'"),
    ("* * * * jan", "day of week: 'jan' is not a number from 0 to 7 or a name like 'mon'"),
    ("* * * * monday", "day of week: 'monday' is not a number from 0 to 7 or a name like 'mon'"),
    ("*/0 * * * *", "minute: the step 0 is not between 1 and 59"),
    ("*/90 * * * *", "minute: the step 90 is not between 1 and 59; for a fixed interval use every_seconds"),
    ("-5 * * * *", "minute: '-5' is not a number, a range, a step or '*'"),
    ("5- * * * *", "minute: '5-' is not a number, a range, a step or '*'"),
    ("*-5 * * * *", "minute: '*-5' is not a number, a range, a step or '*'"),
    ("1-2-3 * * * *", "minute: '1-2-3' is not a number, a range, a step or '*'"),
    ("*/5/5 * * * *", "minute: '*/5/5' is not a number, a range, a step or '*'"),
    ("/5 * * * *", "minute: '/5' is not a number, a range, a step or '*'"),
    ("*5 * * * *", "minute: '*5' is not a number, a range, a step or '*'"),
    ("1-0 * * * *", "minute: '1-0' covers the whole field; write '*' for that"),
    ("30-29/7 * * * * *", "second: '30-29/7' covers the whole field; write '*' for that"),
    ("0 23-22 * * *", "hour: '23-22' covers the whole field; write '*' for that"),
    ("0 0 2-1 * *", "day of month: '2-1' covers the whole field; write '*' for that"),
    ("1,,2 * * * *", "minute: '1,,2' has an empty entry"),
    ("1, * * * *", "minute: '1,' has an empty entry"),
    ("L * * * *", "minute: 'L' is not a number from 0 to 59"),
    ("1#2 * * * *", "minute: '1#2' is not a number, a range, a step or '*'"),
    ("0 0 15W * *", f"day of month: '15W' {NO_NEAREST_WEEKDAY}"),
    ("0 0 1,w15 * *", f"day of month: 'w15' {NO_NEAREST_WEEKDAY}"),
    ("0 0 L-1 * *", f"day of month: 'L-1' {ONLY_L}"),
    ("0 0 1,l-3 * *", f"day of month: 'l-3' {ONLY_L}"),
    ("0 0 L/2 * *", f"day of month: 'L/2' {ONLY_L}"),
    ("0 0 L-3W * *", f"day of month: 'L-3W' {ONLY_L}"),
    ("0 0 5L * *", f"day of month: '5L' {ONLY_L}"),
    ("0 0 W * *", f"day of month: 'W' {NO_NEAREST_WEEKDAY}"),
    ("0 0 LW * *", f"day of month: 'LW' {NO_LAST_WEEKDAY}"),
    ("0 0 0 WL * ?", f"day of month: 'WL' {NO_LAST_WEEKDAY}"),
    ("0 0 * L *", "month: 'L' is not a number from 1 to 12 or a name like 'feb'"),
    ("0 0 * * L", "day of week: 'L' needs a day beside it, as in 'L5', the month's last Friday"),
    ("0 0 * * 9L", "day of week: 9 is not between 0 and 7"),
    ("0 0 * * 1-5L", f"day of week: '1-5L' {ONE_DAY}"),
    ("0 0 * * mon-L", f"day of week: 'mon-L' {ONE_DAY}"),
    ("0 0 * * L-5", f"day of week: 'L-5' {ONE_DAY}"),
    ("0 0 * * L/2", f"day of week: 'L/2' {ONE_DAY}"),
    ("0 0 * * 5#6", "day of week: in '5#6' a number from 1 to 5 must follow the '#'"),
    ("0 0 * * 5#", "day of week: in '5#' a number from 1 to 5 must follow the '#'"),
    ("0 0 * * #1", f"day of week: '#1' {ONE_DAY}"),
    ("0 0 * * mon-fri#1", f"day of week: 'mon-fri#1' {ONE_DAY}"),
    ("0 0 30 2 *", "it never matches: no month that it names has such a day"),
    ("0 0 31 4,6,9,11 *", "it never matches: no month that it names has such a day"),
    ("0 0 31 2 */2", "it never matches: no month that it names has such a day"),  # AND, by the leading star
    ("0 0 */31 * 1#2", "it never matches: no month that it names has such a day"),  # the 1st as a second Monday
]


@pytest.mark.parametrize(("expression", "message"), REFUSED)
def test_a_refused_expression_says_why(expression: str, message: str) -> None:
    with pytest.raises(CronError) as refused:
        Cron.parse(expression, "UTC", now=NOW)
    assert str(refused.value) == message
    assert not isinstance(refused.value, CronZoneError)


def test_less_than_once_in_ten_years_is_refused() -> None:
    """A February with five Mondays comes in 2044, and once in 28 years. The leading star of the day says AND."""
    with pytest.raises(CronError) as refused:
        Cron.parse("0 0 */28 2 1#5", "UTC", now=NOW)
    assert str(refused.value) == "it does not match within the next ten years"
    assert Cron.parse("0 0 */28 2 1#5", "UTC", now=datetime(2035, 1, 1, tzinfo=UTC)).timezone == "UTC"


def test_the_leap_day_is_accepted_even_where_two_are_eight_years_apart() -> None:
    cron = Cron.parse("0 0 29 2 *", "UTC", now=datetime(2096, 3, 1, tzinfo=UTC))
    assert cron.next_after(datetime(2096, 3, 1, tzinfo=UTC)) == datetime(2104, 2, 29, tzinfo=UTC)


@pytest.mark.parametrize(
    ("zone", "message"),
    [
        ("Mars/Base", "'Mars/Base' is not an IANA timezone, such as 'Europe/Berlin' or 'UTC'"),
        ("europe/berlin", "'europe/berlin' is not an IANA timezone; did you mean 'Europe/Berlin'?"),
        ("", "'' is not an IANA timezone, such as 'Europe/Berlin' or 'UTC'"),
        ("../../etc/passwd", "'../../etc/passwd' is not an IANA timezone, such as 'Europe/Berlin' or 'UTC'"),
        ("/etc/localtime", "'/etc/localtime' is not an IANA timezone, such as 'Europe/Berlin' or 'UTC'"),
        ("Europe", "'Europe' is not an IANA timezone, such as 'Europe/Berlin' or 'UTC'"),
        ("right/UTC", "'right/UTC' is not an IANA timezone; did you mean 'UTC' or 'Etc/UTC'?"),
        ("Factory", "'Factory' is not an IANA timezone, such as 'Europe/Berlin' or 'UTC'"),
        ("localtime", "'localtime' is not an IANA timezone, such as 'Europe/Berlin' or 'UTC'"),
        ("UTC\x00", "'UTC?' is not an IANA timezone; did you mean 'UTC' or 'Etc/UTC'?"),
        ("\u202eabc\n", "'?abc?' is not an IANA timezone, such as 'Europe/Berlin' or 'UTC'"),
        ("x" * 9_999, f"'{'x' * 64}' is not an IANA timezone, such as 'Europe/Berlin' or 'UTC'"),
    ],
)
def test_a_refused_zone_says_why(zone: str, message: str) -> None:
    with pytest.raises(CronZoneError) as refused:
        Cron.parse("0 0 * * *", zone, now=NOW)
    assert str(refused.value) == message


@pytest.mark.parametrize(
    "expression",
    [
        "0 0 29 2 1#5",
        "59 59 23 31 12 6#5",
        ",".join(["*/1"] * 47) + " * * * *",
        "0 0 * * " + ",".join(["1#5"] * 47),
        "* * * * * *",
        f"*/{'1' * 180} * * * *",
        "0 0 31 2 7#5,6#5",
        "0 0 */31 2 1#2",
    ],
)
def test_no_expression_costs_more_than_a_moment(expression: str) -> None:
    """Ten years are 120 months and 30 stretches; 0.25 s is a thousand times the cost."""

    def read() -> None:
        with suppress(CronError):  # refused or not: what counts is the time
            Cron.parse(expression, "America/New_York", now=NOW).upcoming(NOW, 100)

    assert adjusted(cpu_seconds(read), 0.25) < 0.25
