"""SIGTERM, SIGKILL, process groups, bootout."""
from __future__ import annotations

import os
import signal
import sys
import threading
import time

from .support import FOREVER, Mac, STUBBORN, alive, wait


class Stopping(Mac):
    """SIGTERM, SIGKILL, process groups, bootout."""

    def test_bootout_is_asynchronous(self):
        path = self.start("a", self.slow(), ExitTimeOut=60, StandardOutPath=self.out())
        self.read()
        pid = self.fields("a")["pid"]
        self.ctl("bootout", f"{self.gui}/a")
        fields = self.fields("a")
        self.assertEqual((fields["state"], fields["pid"]), ("SIGTERMed", pid))
        io = "Bootstrap failed: 5: Input/output error\nTry re-running the command as root for richer errors.\n"
        self.ctl("bootstrap", self.gui, path, code=5, err=io)
        rich = f"{path}: service already bootstrapped\nBootstrap failed: 37: Operation already in progress\n"
        self.ctl("bootstrap", self.gui, path, code=37, err=rich, LAUNCHD_DOUBLE_RICH="1")
        self.ctl("kickstart", f"{self.gui}/a", code=37, err="")
        self.let_go()
        self.gone("a")
        self.assertFalse(alive(pid))
        self.ctl("bootout", f"{self.gui}/a", code=3, err="Boot-out failed: 3: No such process\n")
        ran = self.run_script("launchctl", ["bootout", self.gui, path])
        self.assertEqual((ran.code, ran.err.splitlines()[0]), (5, "Boot-out failed: 5: Input/output error"))
        self.ctl("bootstrap", self.gui, path)
        self.running("a")
        self.ctl("bootout", self.gui, path)

    def test_bootout_waits_when_asked(self):
        self.start("a", self.slow(), ExitTimeOut=60, StandardOutPath=self.out())
        self.read()
        call = threading.Thread(target=self.ctl, args=("bootout", "--wait", f"{self.gui}/a"))
        call.start()
        self.wait_fields("a", state="SIGTERMed")
        self.assertTrue(call.is_alive())
        self.let_go()
        call.join()
        self.assertEqual(self.fields("a"), {})

    def test_exit_timeout(self):
        self.start("one", STUBBORN, ExitTimeOut=1, StandardOutPath=self.out("one"))
        self.start("never", STUBBORN, ExitTimeOut=0, StandardOutPath=self.out("never"))
        self.start("default", FOREVER)
        self.assertEqual(self.fields("default")["exit timeout"], "5")
        for label in ("never", "one"):
            self.read(label)
            begin = time.monotonic()
            self.ctl("bootout", f"{self.gui}/{label}")
        self.gone("one")
        self.assertGreater(time.monotonic() - begin, 0.95)
        self.assertEqual(self.fields("never")["state"], "SIGTERMed")

    def test_sigterm_to_the_main_process_then_the_group(self):
        script = (
            "trap 'sleep 0.4; echo main ends; exit' TERM; "
            "(trap 'echo child got TERM; exit' TERM; echo child up; while :; do sleep 0.02; done) & "
            "wait; while :; do sleep 0.02; done"
        )
        self.start("a", script, StandardOutPath=self.out())
        self.read()
        self.ctl("bootout", f"{self.gui}/a")
        self.assertEqual(self.lines(3), ["child up", "main ends", "child got TERM"])

    def test_the_group_may_be_abandoned_or_killed(self):
        plain = f"{FOREVER} & echo $!; sleep 0.2; kill -KILL $$"
        script = f"trap '' TERM; {plain}"
        self.start("kept", plain, StandardOutPath=self.out(), AbandonProcessGroup=True)
        self.start("ignores", script, StandardOutPath=self.out("out2"))
        kept, ignores = int(self.read()), int(self.read("out2"))
        for label in ("kept", "ignores"):
            self.wait_fields(label, last_terminating_signal="Killed: 9")
        time.sleep(0.1)
        self.assertTrue(alive(kept))
        # SIGTERM is ignored by it: launchd sends no more than that
        self.assertTrue(alive(ignores))
        self.double("set", "group-kill", "KILL")
        self.start("third", script, StandardOutPath=self.out("out3"))
        third = int(self.read("out3"))
        wait("death", lambda: not alive(third))

    def test_kill_and_stop(self):
        self.start("a", FOREVER, KeepAlive=True, ThrottleInterval=1)
        pid = self.running("a")
        for sig in ("TERM", "SIGTERM", "15", "-TERM"):
            self.ctl("kill", sig, f"{self.gui}/a")
            wait("another", lambda: self.running("a") != pid)
            pid = self.running("a")
        self.ctl("stop", "a")
        wait("another", lambda: self.running("a") != pid)
        self.start("b", "true", RunAtLoad=False)
        self.ctl("kill", "TERM", f"{self.gui}/b", code=3, err="No process to signal.\n")
        self.ctl("kill", "NONSENSE", f"{self.gui}/b", code=64, err="Invalid signal.\n")
        self.ctl("kill", "TERM", f"{self.gui}/none", code=113)

    def test_kickstart_k_runs_the_old_definition(self):
        path = self.start("a", "echo old; " + self.slow(), ExitTimeOut=60, StandardOutPath=self.out(), KeepAlive=True)
        self.let_go()
        self.lines(2)
        before = self.fields("a")["pid"]
        self.write("a", "echo new", StandardOutPath=self.out())
        after = self.ctl("kickstart", "-k", "-p", f"{self.gui}/a").strip()
        self.assertNotEqual(before, after)
        self.assertEqual(self.fields("a")["pid"], after)
        self.assertEqual(self.fields("a")["last exit code"], "3")
        self.assertEqual(self.lines(4), ["old", "up"] * 2)
        self.assertTrue(os.path.exists(path))

    def test_no_process_is_left_by_shutdown(self):
        runaway = "import os,sys,time\nos.setsid() if os.fork() == 0 else sys.exit()\nprint(os.getpid(), flush=True)\ntime.sleep(999)"
        self.write("a", ProgramArguments=[sys.executable, "-c", runaway], RunAtLoad=True, StandardOutPath=self.out(),
                   AbandonProcessGroup=True)
        self.ctl("bootstrap", self.gui, f"{self.agents}/a.plist")
        self.start("b", STUBBORN, ExitTimeOut=0)
        pids = [int(self.read()), self.running("b")]
        self.double("shutdown")
        if not sys.platform.startswith("linux"):
            pids = pids[1:]
        self.assertEqual([pid for pid in pids if alive(pid)], [])

    def test_a_launchd_that_was_killed_leaves_nothing_to_the_next(self):
        if not sys.platform.startswith("linux"):
            self.skipTest("needs /proc")
        self.start("a", FOREVER)
        pid = self.running("a")
        with open(f"/proc/{pid}/stat", encoding="utf-8") as file:
            os.kill(int(file.read().rsplit(") ", 1)[1].split()[1]), signal.SIGKILL)
        wait("boot", lambda: self.run_script("launchctl-double", ["boot"]).code == 0)
        wait("death", lambda: not alive(pid))
        self.ctl("print", self.gui, code=112)

    def test_it_ends_when_its_folder_is_gone(self):
        self.start("a", FOREVER)
        pid = self.running("a")
        os.rename(self.state, self.state + ".gone")
        wait("death", lambda: not alive(pid))
        os.rename(self.state + ".gone", self.state)
