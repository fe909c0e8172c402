"""KeepAlive, intervals, the throttle."""
from __future__ import annotations

import os
import threading
import time

from .support import FOREVER, Mac, at_least


class Restarts(Mac):
    """KeepAlive and the throttle."""

    def starts(self, begin, count):
        """Seconds from `begin` to the starts. A slow machine makes them later, never earlier."""
        return [float(line) - begin for line in self.lines(count)]

    def test_keep_alive_also_after_exit_0_and_throttled(self):
        self.double("set", "scale", "0.1")
        begin = time.time()
        self.start("a", "date +%s.%N; exit 0", KeepAlive=True, RunAtLoad=False, StandardOutPath=self.out())
        starts = self.starts(begin, 4)
        self.assertTrue(all(at > 0.99 * number for number, at in enumerate(starts)), starts)
        fields = self.wait_fields("a", state="spawn scheduled")
        self.assertNotIn("pid", fields)
        self.assertEqual((fields["active count"], fields["last exit code"]), ("0", "0"))
        self.assertEqual(fields["minimum runtime"], "10")

    def test_what_ran_longer_than_the_throttle_comes_at_once(self):
        self.double("set", "scale", "1")
        self.start("a", "echo up; sleep 2; exit 1", KeepAlive=True, StandardOutPath=self.out(), ThrottleInterval=1)
        self.lines(2)
        self.assertNotIn("Pushing respawn", self.double("log"))
        self.start("b", "exit 1", KeepAlive=True, ThrottleInterval=1)
        self.wait_fields("b", runs=at_least(2))
        self.assertIn("Pushing respawn", self.double("log"))

    def test_successful_exit(self):
        self.start("bad", "exit 1", KeepAlive={"SuccessfulExit": False}, RunAtLoad=False)
        self.start("killed", "kill -KILL $$", KeepAlive={"SuccessfulExit": False}, RunAtLoad=False)
        self.start("good", "exit 0", KeepAlive={"SuccessfulExit": False}, RunAtLoad=False)
        self.start("good2", "exit 0", KeepAlive={"SuccessfulExit": True}, RunAtLoad=False)
        self.start("bad2", "exit 1", KeepAlive={"SuccessfulExit": True}, RunAtLoad=False)
        for label in ("bad", "killed", "good2"):
            self.wait_fields(label, runs=at_least(3))
        for label in ("good", "bad2"):
            self.assertEqual((self.fields(label)["runs"], self.fields(label)["state"]), ("1", "not running"))
        text = self.ctl("print", f"{self.gui}/bad")
        self.assertIn("\tsemaphores = {\n\t\tsuccessful exit => 0\n\t}\n", text)
        self.assertNotIn("keepalive", self.fields("bad")["properties"])

    def test_crashed(self):
        self.start("segv", "kill -SEGV $$", KeepAlive={"Crashed": True})
        self.start("term", "kill -TERM $$", KeepAlive={"Crashed": True})
        self.start("exit", "exit 1", KeepAlive={"Crashed": True})
        fields = self.wait_fields("segv", runs=at_least(2), state="spawn scheduled")
        self.assertEqual(fields["last terminating signal"], "Segmentation fault: 11")
        self.assertNotIn("last exit code", fields)
        for label in ("term", "exit"):
            self.assertEqual(self.fields(label)["runs"], "1")

    def test_path_state_and_other_job(self):
        flag = self.out("flag")
        self.start("path", FOREVER, KeepAlive={"PathState": {flag: True}}, RunAtLoad=False)
        self.start("other", FOREVER, KeepAlive={"OtherJobEnabled": {"friend": True}}, RunAtLoad=False)
        self.assertEqual(self.fields("path")["state"], "not running")
        self.assertEqual(self.fields("other")["state"], "not running")
        open(flag, "w", encoding="utf-8").close()
        self.running("path")
        self.start("friend", FOREVER, RunAtLoad=False)
        self.running("other")

    def test_watch_paths_and_queues(self):
        watched, queue = self.out("watched"), self.out("queue")
        os.mkdir(queue)
        self.start("watch", "echo seen", WatchPaths=[watched], RunAtLoad=False, StandardOutPath=self.out())
        self.start("queue", f"echo queue; rm -f {queue}/*", QueueDirectories=[queue], RunAtLoad=False,
                   StandardOutPath=self.out("out2"))
        time.sleep(0.3)
        self.assertEqual(self.fields("watch")["runs"], "0")
        open(watched, "w", encoding="utf-8").close()
        open(os.path.join(queue, "x"), "w", encoding="utf-8").close()
        self.assertEqual(self.read(), "seen\n")
        self.assertEqual(self.read("out2"), "queue\n")

    def test_start_interval(self):
        begin = time.time()
        self.start("a", "date +%s.%N", StartInterval=12, ThrottleInterval=1, RunAtLoad=False, StandardOutPath=self.out())
        self.assertEqual(self.fields("a")["run interval"], "12 seconds")
        starts = self.starts(begin, 3)
        # not at load, then every 0.6 s
        self.assertTrue(all(at > 0.59 * (number + 1) for number, at in enumerate(starts)), starts)

    def test_calendar_runs_once_after_a_sleep(self):
        minute = time.localtime(time.time() + 1800).tm_min
        self.start("a", "echo ran", StartCalendarInterval={"Minute": minute}, RunAtLoad=False, StandardOutPath=self.out(),
                   ThrottleInterval=1)
        self.assertEqual(self.fields("a")["runs"], "0")
        self.assertIn(f'\t\t\t\t"Minute" => {minute}', self.ctl("print", f"{self.gui}/a"))
        self.double("clock", "+7200")
        self.wait_fields("a", runs="1", last_exit_code="0")
        self.double("clock", "+3600")
        self.wait_fields("a", runs=at_least(2))
        self.double("clock", "-3600")
        time.sleep(0.7)
        self.assertEqual(self.fields("a")["runs"], "2")

    def test_launch_only_once(self):
        self.start("a", "exit 1", KeepAlive=True, LaunchOnlyOnce=True, ThrottleInterval=1)
        self.wait_fields("a", runs="1", state="not running")
        time.sleep(0.2)
        self.assertEqual(self.fields("a")["runs"], "1")

    def test_start_is_held_by_the_throttle_kickstart_is_not(self):
        self.double("set", "scale", "1")
        self.start("a", "exit 0", ThrottleInterval=100)
        self.wait_fields("a", last_exit_code="0", runs="1")
        self.ctl("start", "a")
        self.wait_fields("a", runs="1", state="spawn scheduled")
        self.ctl("kickstart", f"{self.gui}/a")
        self.wait_fields("a", runs=at_least(2))
        self.double("set", "throttle-kickstart", "1")
        process = threading.Thread(target=self.run_script, args=("launchctl", ["kickstart", f"{self.gui}/a"]))
        process.start()
        time.sleep(0.3)
        self.assertEqual(self.fields("a")["runs"], "2")
        self.ctl("bootout", f"{self.gui}/a")
        process.join()
