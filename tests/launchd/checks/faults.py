"""Faults a test can ask for; the first call of all."""
from __future__ import annotations

import os
import subprocess
import sys
import threading
import time

from .support import FOREVER, HERE, Mac, UID, wait


class Faults(Mac):
    """What a test can ask for."""

    def test_bootstrap_answers_5_twice(self):
        path = self.write("a", FOREVER, RunAtLoad=True)
        self.double("fault", "bootstrap", "5", "times=2")
        for _ in range(2):
            self.ctl("bootstrap", self.gui, path, code=5)
            self.assertEqual(self.fields("a"), {})
        self.ctl("bootstrap", self.gui, path)
        self.assertEqual(self.double("fault", "list"), "")

    def test_5_though_it_is_loaded(self):
        path = self.write("a", FOREVER, RunAtLoad=True)
        self.double("fault", "bootstrap-ok-but-5")
        self.ctl("bootstrap", self.gui, path, code=5)
        self.running("a")

    def test_loaded_but_never_spawned(self):
        self.double("fault", "no-spawn", "label=a")
        self.start("other", FOREVER)
        self.running("other")
        self.start("a", FOREVER, KeepAlive=True)
        time.sleep(0.3)
        self.assertEqual((self.fields("a")["state"], self.fields("a")["runs"]), ("not running", "0"))
        self.ctl("kickstart", f"{self.gui}/a")
        self.running("a")

    def test_vanish_garbage_codesign(self):
        for words in (["vanish", "label=v"], ["garbage"], ["codesign", "label=c"]):
            self.double("fault", *words)
        self.ctl("bootstrap", self.gui, self.write("v", FOREVER, RunAtLoad=True))
        self.assertNotIn("state = ", self.ctl("print", f"{self.gui}/v", code=0).replace("{ state", ""))
        self.ctl("print", f"{self.gui}/v", code=113)
        self.start("c", FOREVER)
        fields = self.wait_fields("c", state="not running", runs="1")
        self.assertEqual(fields["last exit reason"], "OS_REASON_CODESIGNING")

    def test_hang_and_slow(self):
        with open(os.path.join(self.state, "faults"), "w", encoding="utf-8") as file:
            file.write("hang verb=print\nslow verb=list ms=400\n")
        begin = time.monotonic()
        self.ctl("list")
        self.assertGreater(time.monotonic() - begin, 0.4)
        hanging = subprocess.Popen([sys.executable, f"{HERE}/launchctl", "print", self.gui], env=self.env)
        wait("hanging", lambda: "print: hangs" in self.double("log"))
        with self.assertRaises(subprocess.TimeoutExpired):
            hanging.wait(0.5)
        hanging.kill()
        hanging.wait()
        self.ctl("print", self.gui)
        begin = time.monotonic()
        self.ctl("list", LAUNCHD_DOUBLE_DELAY="300")
        self.assertGreater(time.monotonic() - begin, 0.3)

    def test_any_verb(self):
        self.start("a", FOREVER)
        for verb, words in (("bootout", [f"{self.gui}/a"]), ("kickstart", [f"{self.gui}/a"]), ("print", [f"{self.gui}/a"]),
                            ("enable", [f"{self.gui}/a"]), ("kill", ["TERM", f"{self.gui}/a"])):
            self.double("fault", verb, "150", "label=a")
            self.ctl(verb, *words, code=150)
        self.double("fault", "print", "113")
        self.ctl("print", f"{self.gui}/a", code=113,
                 err=f'Bad request.\nCould not find service "a" in domain for user gui: {UID}\n')
        self.double("fault", "bootout", "150", "times=forever")
        self.double("fault", "clear")
        self.ctl("bootout", f"{self.gui}/a")


class FirstUse(Mac):
    """Without a boot."""

    login = False

    def test_the_first_call_boots_and_logs_in(self):
        self.double("shutdown")
        self.write("a", FOREVER, RunAtLoad=True)
        self.assertEqual(self.ctl("manageruid"), f"{UID}\n")
        self.running("a")

    def test_many_first_calls_at_once(self):
        self.double("shutdown")
        codes = []
        threads = [threading.Thread(target=lambda: codes.append(self.run_script("launchctl", ["managername"]).code)) for _ in range(8)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        self.assertEqual(codes, [0] * 8)
