"""Methods of datetime that took for a datetime what is none: each program changed, or read, another object's memory."""

from __future__ import annotations

import pytest

from tests.box.programs import Runner, plain, same

MADE = {
    "by __new__": """
        class D(datetime.datetime):
            def __new__(cls, *args): return held or datetime.datetime.__new__(cls, *args)
        """,
    "by a class of classes": """
        class M(type):
            def __call__(cls, *args): return held or type.__call__(cls, *args)
        class D(datetime.datetime, metaclass=M): pass
        """,
}


@pytest.mark.parametrize("call", ["moment.astimezone(Zone())", "zone.fromutc(moment)", "Zone.fromutc(zone, moment)"])
@pytest.mark.parametrize("made", MADE.values(), ids=list(MADE))
def test_what_a_subclass_makes_is_not_changed(run: Runner, made: str, call: str) -> None:
    program = f"""
        import datetime
        {made}
        class Zone(datetime.tzinfo):
            def utcoffset(self, moment): return datetime.timedelta(hours=2)
            def dst(self, moment): return datetime.timedelta(hours=1)
        held = None
        def main():
            global held
            zone = Zone()
            moment = D(2000, 1, 1, 1, 1, 1, 1, zone)
            held = (1, 2, "three", 4)
            return [{call} is held, held]
        """
    assert run.answer(program) == [True, [1, 2, "three", 4]]


def test_date_replace_of_a_datetime_leaves_nothing_as_it_was(run: Runner) -> None:
    program = """
        import datetime
        def main():
            moment = datetime.datetime(2000, 1, 1)
            for _ in range(50):
                before = [datetime.datetime(1, 1, 1, 1, tzinfo=datetime.timezone.utc) for _ in range(50)]
                del before
                found = datetime.date.replace(moment, year=2001)
                if found != datetime.datetime(2001, 1, 1): return str(found)
        """
    assert run.answer(program) is None


USUAL = """
    import datetime, zoneinfo
    class D(datetime.datetime):
        def __new__(cls, *args, note="", **kwargs):
            made = super().__new__(cls, *args, **kwargs)
            made.note = note
            return made
    class Day(datetime.date): pass
    class Zone(datetime.tzinfo):
        def utcoffset(self, moment): return datetime.timedelta(hours=2)
        def dst(self, moment): return datetime.timedelta(hours=1)
        def tzname(self, moment): return "Z"
    class Own(Zone):
        def fromutc(self, moment): return "other"
    def main():
        zones = [zoneinfo.ZoneInfo("Europe/Berlin"), Zone(), Own(), datetime.timezone.utc, None]
        told = []
        for kind in (datetime.datetime, D):
            for moment in (kind(2025, 10, 26, 0, 30), kind(2025, 10, 26, 1, 30), kind(2025, 3, 30, 2, 30, fold=1)):
                for zone in zones[:-1]:
                    aware = moment.replace(tzinfo=zone)
                    found = [aware.astimezone(other) for other in zones]
                    told += [[type(each).__name__, str(each), getattr(each, "fold", 0)] for each in found]
                    if zone is not zones[2]: told += [str(zone.fromutc(aware)), type(zone.fromutc(aware)).__name__]
                    told.append(aware.astimezone(zone) is aware)
                told.append(str(moment.astimezone(zones[0])))
                told += [str(moment.replace(year=2001)), str(Day(2000, 2, 29).replace(day=1))]
                for wrong in (lambda: moment.astimezone(5), lambda: zones[1].fromutc(moment), lambda: zones[1].fromutc(5)):
                    try: wrong()
                    except Exception as error: told.append([type(error).__name__, str(error)])
        return told
    """


def test_datetimes_are_as_in_cpython(run: Runner) -> None:
    same(run, USUAL, plain(USUAL))


def test_a_year_that_pickled_bytes_alone_give_has_no_weekday(run: Runner) -> None:
    """It is looked up below the table of names."""
    program = """
        import datetime
        def main():
            told = []
            for year in (0, 1, 15):
                for made in (datetime.date(bytes([0, year, 1, 1])), datetime.datetime(bytes([0, year, 1, 1, 0, 0, 0, 0, 0, 0]))):
                    try: told.append(made.ctime())
                    except ValueError as error: told.append(str(error))
            try: datetime.date.ctime(5)
            except TypeError: pass
            return told
        """
    told = ["year 0 is out of range", "Mon Jan  1 00:00:00 0001", "Thu Jan  1 00:00:00 0015"]
    assert run.answer(program) == [each for each in told for _ in range(2)]
