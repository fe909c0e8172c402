"""When a StartCalendarInterval comes next, in local time (launchd.plist(5)): a missing key is any
value, Day and Weekday together mean either, 0 and 7 are Sunday."""
from __future__ import annotations

import datetime
import time
from typing import Optional

DAYS = 366 * 8 + 3


def matches_day(interval: dict, day: datetime.date) -> bool:
    """Whether it runs on this day."""
    if "Month" in interval and interval["Month"] != day.month:
        return False
    of_month = day.day == interval["Day"] if "Day" in interval else None
    of_week = day.isoweekday() % 7 == interval["Weekday"] % 7 if "Weekday" in interval else None
    given = [match for match in (of_month, of_week) if match is not None]
    return any(given) if given else True


def next_time(interval: dict, after: float) -> Optional[float]:
    """The first such minute after a wall-clock time (seconds since 1970); none: never."""
    start = time.localtime(after)
    first = datetime.date(start.tm_year, start.tm_mon, start.tm_mday)
    hours = [interval["Hour"]] if "Hour" in interval else range(24)
    minutes = [interval["Minute"]] if "Minute" in interval else range(60)
    for offset in range(DAYS):
        day = first + datetime.timedelta(days=offset)
        if not matches_day(interval, day):
            continue
        for hour in hours:
            if offset == 0 and hour < start.tm_hour:
                continue
            for minute in minutes:
                if not (0 <= hour < 24 and 0 <= minute < 60):
                    return None
                moment = time.mktime((day.year, day.month, day.day, hour, minute, 0, 0, 0, -1))
                there = time.localtime(moment)
                # an hour that the change to summer time leaves out
                if (there.tm_hour, there.tm_min) == (hour, minute) and moment > after:
                    return moment
    return None


def next_of(intervals: list, after: float) -> Optional[float]:
    """The first of several."""
    times = [moment for moment in (next_time(interval, after) for interval in intervals) if moment is not None]
    return min(times) if times else None
