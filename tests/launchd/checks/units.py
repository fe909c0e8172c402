"""Without a process: calendars and keys."""
from __future__ import annotations

import os
import time
import unittest

from double import calendar, plist


class Calendars(unittest.TestCase):
    """Computed in local time."""

    def next(self, interval, after):
        old = os.environ.get("TZ")
        os.environ["TZ"] = "CET-1CEST,M3.5.0,M10.5.0/3"
        time.tzset()
        try:
            start = time.mktime(time.strptime(after, "%Y-%m-%d %H:%M:%S"))
            found = calendar.next_time(interval, start)
            return found and time.strftime("%Y-%m-%d %H:%M", time.localtime(found))
        finally:
            os.environ.pop("TZ")
            if old is not None:
                os.environ["TZ"] = old
            time.tzset()

    def test_next(self):
        for interval, after, wanted in (
            ({}, "2026-03-01 12:00:30", "2026-03-01 12:01"),
            ({"Minute": 0}, "2026-03-01 12:00:00", "2026-03-01 13:00"),
            ({"Hour": 3, "Minute": 0}, "2026-03-01 03:00:00", "2026-03-02 03:00"),
            ({"Hour": 3}, "2026-03-01 03:10:00", "2026-03-01 03:11"),
            ({"Weekday": 0, "Hour": 1, "Minute": 2}, "2026-03-02 00:00:00", "2026-03-08 01:02"),
            ({"Weekday": 7, "Hour": 1, "Minute": 2}, "2026-03-02 00:00:00", "2026-03-08 01:02"),
            ({"Day": 31, "Hour": 0, "Minute": 0}, "2026-03-31 00:00:00", "2026-05-31 00:00"),
            ({"Day": 10, "Weekday": 1, "Hour": 0, "Minute": 0}, "2026-03-05 00:00:00", "2026-03-09 00:00"),
            ({"Day": 10, "Weekday": 1, "Hour": 0, "Minute": 0}, "2026-03-09 00:00:00", "2026-03-10 00:00"),
            ({"Month": 2, "Day": 29, "Hour": 0, "Minute": 0}, "2026-03-01 00:00:00", "2028-02-29 00:00"),
            ({"Month": 2, "Day": 30}, "2026-03-01 00:00:00", None),
            ({"Hour": 25}, "2026-03-01 00:00:00", None),
            # 02:30 is left out on 29 March
            ({"Hour": 2, "Minute": 30}, "2026-03-28 03:00:00", "2026-03-30 02:30"),
        ):
            self.assertEqual(self.next(interval, after), wanted, (interval, after))


class Plists(unittest.TestCase):
    """Keys."""

    def test_umask(self):
        for value, wanted in ((23, 0o027), ("027", 0o027), ("23", 0o027), ("0x17", 0o027), ("x", 0o022)):
            definition = plist.define({"Label": "a", "Program": "/x", "Umask": value}, "a.plist")
            self.assertEqual(definition.umask, wanted, value)

    def test_defaults(self):
        definition = plist.define({"Label": "a", "Program": "/x", "ThrottleInterval": 0}, "a.plist")
        self.assertEqual((definition.throttle, definition.exit_timeout, definition.run_at_load), (10, 5, False))
