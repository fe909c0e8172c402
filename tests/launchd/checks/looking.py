"""print, list and the other verbs that look."""
from __future__ import annotations

import subprocess
import sys

from .support import FOREVER, HERE, Mac, UID


class Looking(Mac):
    """print, list and the others."""

    def test_print_as_recorded(self):
        path = self.start("a", "sleep 1000\n}\nstate = odd", StandardOutPath=self.out(), EnvironmentVariables={"K": "v"})
        pid = self.running("a")
        text = self.ctl("print", f"{self.gui}/a")
        begin = (
            f"{self.gui}/a = {{\n\tactive count = 1\n\tpath = {path}\n\ttype = LaunchAgent\n\tstate = running\n\n"
            "\tprogram = sh\n\targuments = {\n\t\tsh\n\t\t-c\n\t\tsleep 1000\n}\nstate = odd\n\t}\n\n"
            f"\tstdout path = {self.out()}\n\tinherited environment = {{\n"
        )
        self.assertEqual(text[: len(begin)], begin)
        for part in (
            "\tdefault environment = {\n\t\tPATH => /usr/bin:/bin:/usr/sbin:/sbin\n\t}\n\n",
            "\tenvironment = {\n\t\tK => v\n\t\tOSLogRateLimit => 64\n\t\tXPC_SERVICE_NAME => a\n\t}\n\n",
            f"\tminimum runtime = 10\n\texit timeout = 5\n\truns = 1\n\tpid = {pid}\n\timmediate reason = speculative\n",
            "\tlast exit code = (never exited)\n",
            "\t\tstate = active\n",
            "\tjob state = running\n\n\tproperties = runatload | inferred program\n}\n",
        ):
            self.assertIn(part, text)
        self.double("set", "macos", "15")
        self.assertNotIn("job state", self.ctl("print", f"{self.gui}/a"))

    def test_not_running(self):
        self.start("a", "exit 1", RunAtLoad=False)
        fields = self.fields("a")
        self.assertEqual((fields["state"], fields["active count"], fields["runs"]), ("not running", "0", "0"))
        self.assertEqual(fields["last exit code"], "(never exited)")
        self.assertNotIn("pid", fields)
        self.assertNotIn("immediate reason", fields)
        self.ctl("kickstart", f"{self.gui}/a")
        self.wait_fields("a", last_exit_code="1")
        self.start("b", "exit 64")
        self.wait_fields("b", last_exit_code="64: EX_USAGE")

    def test_unknown_targets(self):
        self.ctl("print", f"{self.gui}/x", code=113,
                 err=f'Bad request.\nCould not find service "x" in domain for user gui: {UID}\n')
        self.ctl("print", f"user/{UID}/x", code=113,
                 err=f'Bad request.\nCould not find service "x" in domain for uid: {UID}\n')
        self.ctl("print", "system/x", code=113, err='Bad request.\nCould not find service "x" in domain for system\n')
        self.ctl("print", "gui/424242", code=112, err="Could not find domain for user gui: 424242\n")
        form = "Unrecognized target specifier. <service-target> takes a form of <domain-target>/<service-id>.\n"
        for word in ("x", "gui", "gui/x", "user/-1/x", "svc.name"):
            self.ctl("print", word, code=64, err=form)
        self.ctl("bootstrap", f"{self.gui}/x", "/x", code=64, err=form)
        self.ctl("kickstart", self.gui, code=64)
        self.ctl("frobnicate", code=64)

    def test_list(self):
        self.start("a", FOREVER)
        self.start("b", "kill -KILL $$")
        self.start("c", "exit 75")
        self.start("d", FOREVER, KeepAlive=True)
        pid, other = self.running("a"), self.running("d")
        self.wait_fields("b", state="not running", runs="1")
        self.wait_fields("c", last_exit_code="75: EX_TEMPFAIL")
        self.assertEqual(self.ctl("list"), f"PID\tStatus\tLabel\n{pid}\t0\ta\n-\t-9\tb\n-\t75\tc\n{other}\t0\td\n")
        entry = self.ctl("list", "c")
        self.assertIn('\t"LastExitStatus" = 19200;\n', entry)
        self.assertNotIn('"PID"', entry)
        entry = self.ctl("list", "d")
        self.assertIn(f'\t"PID" = {other};\n', entry)
        self.assertIn('\t"OnDemand" = false;\n', entry)
        self.ctl("list", "x", code=113, err='Could not find service "x" in domain for port\n')
        self.assertEqual(self.ctl("list", LAUNCHD_DOUBLE_SESSION="Background"), "PID\tStatus\tLabel\n")
        self.assertIn(f"\t\t{pid:8d}      - \ta\n", self.ctl("print", self.gui))

    def test_small_verbs(self):
        self.start("a", FOREVER)
        self.running("a")
        self.assertEqual(self.ctl("blame", f"{self.gui}/a"), "speculative\n")
        self.assertEqual(self.ctl("error", "119"), "119: Service is disabled\n")
        self.assertEqual(self.ctl("managername"), "Aqua\n")
        self.assertEqual(self.ctl("managername", LAUNCHD_DOUBLE_SESSION="System"), "System\n")
        self.assertEqual(self.ctl("manageruid"), f"{UID}\n")
        self.assertTrue(self.ctl("version").startswith("Darwin Bootstrapper"))
        words = [sys.executable, "-I", "-S", f"{HERE}/launchctl", "managername"]
        self.assertEqual(self.ctl("asuser", str(UID), *words, LAUNCHD_DOUBLE_SESSION="System"), "Aqua\n")
        self.ctl("setenv", "FOO", "bar")
        self.start("b", "echo $FOO", StandardOutPath=self.out())
        self.assertEqual(self.read(), "bar\n")

    def test_kickstart_says_the_pid(self):
        self.start("a", FOREVER, RunAtLoad=False)
        pid = self.ctl("kickstart", "-p", f"{self.gui}/a")
        self.assertEqual(pid, f"{self.running('a')}\n")
        self.assertEqual(self.ctl("kickstart", "-p", f"{self.gui}/a"), pid)
        self.double("set", "kickstart-running", "37")
        self.ctl("kickstart", f"{self.gui}/a", code=37, err="")
        self.ctl("kickstart", f"{self.gui}/x", code=113)

    def test_the_commands_run_by_themselves(self):
        ran = subprocess.run([f"{HERE}/launchctl", "managername"], capture_output=True, text=True, env=self.env, check=False)
        self.assertEqual((ran.returncode, ran.stdout, ran.stderr), (0, "Aqua\n", ""))
        env = {"PATH": self.env["PATH"]}
        ran = subprocess.run([f"{HERE}/launchctl", "list"], capture_output=True, text=True, env=env, check=False)
        self.assertEqual(ran.returncode, 70)
