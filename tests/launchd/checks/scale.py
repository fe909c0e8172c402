"""Many jobs, many calls."""
from __future__ import annotations

import threading

from .support import FOREVER, Mac, wait


class Scale(Mac):
    """Many."""

    def test_500_jobs(self):
        paths = [self.write(f"job{number}", FOREVER, RunAtLoad=True) for number in range(500)]
        self.ctl("bootstrap", self.gui, *paths)
        wait("500 processes", lambda: self.double("state").count('"running"') == 500, 40)
        self.assertEqual(len(self.ctl("list").splitlines()), 501)
        pids = [int(line.split()[0]) for line in self.ctl("list").splitlines()[1:]]
        self.double("shutdown")
        self.assertEqual([pid for pid in pids if self.is_job(pid)], [])

    def test_concurrent_calls(self):
        path = self.start("a", FOREVER, KeepAlive=True, ThrottleInterval=1)
        codes = []

        def call(words):
            codes.append((words[0], self.run_script("launchctl", words).code))

        words = [["print", f"{self.gui}/a"], ["kickstart", "-k", f"{self.gui}/a"], ["bootout", f"{self.gui}/a"],
                 ["bootstrap", self.gui, path], ["list"]]
        threads = [threading.Thread(target=call, args=(words[number % 5],)) for number in range(40)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(30)
        self.assertEqual(len(codes), 40)
        allowed = {"print": (0, 113), "kickstart": (0, 37, 113), "bootout": (0, 3), "bootstrap": (0, 5), "list": (0,)}
        self.assertEqual([(verb, code) for verb, code in codes if code not in allowed[verb]], [])
