"""How a process is started."""
from __future__ import annotations

import os
import re
import stat
import sys

from .support import HERE, Mac, children, wait


class Processes(Mac):
    """How a process is started."""

    def test_environment_folder_session(self):
        self.start("a", "env; pwd; echo me=$$; ps -o pgid=,sess= -p $$; ls /proc/$$/fd 2>/dev/null | wc -l",
                   StandardOutPath=self.out(), EnvironmentVariables={"A": "b c", "N": 5, "PATH": "/x:/usr/bin:/bin"})
        self.wait_fields("a", last_exit_code="0")
        env = dict(line.split("=", 1) for line in self.read().splitlines() if "=" in line)
        own = {key: value for key, value in env.items() if not key.startswith("LAUNCHD_DOUBLE")}
        wanted = {"A", "PATH", "HOME", "USER", "LOGNAME", "SHELL", "TMPDIR", "SSH_AUTH_SOCK", "XPC_SERVICE_NAME", "XPC_FLAGS"}
        self.assertEqual(set(own) - {"PWD", "SHLVL", "_", "OLDPWD", "me"}, wanted)
        self.assertEqual((env["A"], env["HOME"], env["XPC_SERVICE_NAME"]), ("b c", self.home, "a"))
        self.assertTrue(os.path.isdir(env["TMPDIR"]))
        lines = self.read().splitlines()
        self.assertIn("/", lines)
        group, session = next(line.split() for line in lines if re.fullmatch(r"\s*\d+\s+\d+", line))
        self.assertEqual(group, env["me"])
        if sys.platform.startswith("linux"):
            self.assertEqual(session, env["me"])
            self.assertLessEqual(int(lines[-1]), 4)

    def test_path_is_minimal_and_env_can_be_bare(self):
        self.double("set", "env", "bare")
        self.start("a", "env", StandardOutPath=self.out())
        self.assertIn("PATH=/usr/bin:/bin:/usr/sbin:/sbin\n", self.read())
        self.wait_fields("a", last_exit_code="0")
        self.assertNotIn("LAUNCHD_DOUBLE", self.read())

    def test_a_job_reaches_its_launchd(self):
        launchctl = f"{sys.executable} -I -S {HERE}/launchctl"
        self.start("a", f"{launchctl} print {self.gui}/a | sed -n 5p; {launchctl} managername", StandardOutPath=self.out())
        self.assertEqual(self.lines(2), ["\tstate = running", "Aqua"])

    def test_arguments_arrive_byte_for_byte(self):
        words = ["a b", "", "ü\n\"'", "$HOME", "--", "&<>"]
        self.write("a", ProgramArguments=["printf", "%s|", *words], StandardOutPath=self.out(), RunAtLoad=True)
        self.ctl("bootstrap", self.gui, f"{self.agents}/a.plist")
        self.assertEqual(wait("out", lambda: "".join(f"{word}|" for word in words) == self.read()), True)

    def test_program_and_argv0(self):
        self.write("a", Program="/bin/sh", ProgramArguments=["name", "-c", "echo $0 $1", "zero", "one"],
                   StandardOutPath=self.out(), RunAtLoad=True)
        self.ctl("bootstrap", self.gui, f"{self.agents}/a.plist")
        self.assertEqual(self.read(), "zero one\n")
        self.assertNotIn("inferred program", self.fields("a")["properties"])

    def test_output_is_appended_and_umask_holds(self):
        with open(self.out(), "w", encoding="utf-8") as file:
            file.write("before\n")
        self.start("a", f"echo out; echo err >&2; umask > {self.out('mask')}", StandardOutPath=self.out(),
                   StandardErrorPath=self.out(), Umask=0o027)
        self.assertEqual(sorted(self.lines(3)), ["before", "err", "out"])
        self.assertEqual(self.read("mask").strip()[-3:], "027")
        self.start("b", "echo x", StandardOutPath=self.out("new"), Umask="077")
        self.read("new")
        self.assertEqual(stat.S_IMODE(os.stat(self.out("new")).st_mode), 0o600)
        self.assertEqual(self.fields("b")["umask"], "77")

    def test_nice_limits_working_directory(self):
        self.start("a", "ulimit -n; ulimit -Hn; pwd; ps -o ni= -p $$", StandardOutPath=self.out(), Nice=7,
                   SoftResourceLimits={"NumberOfFiles": 123, "Core": "x"}, HardResourceLimits={"NumberOfFiles": 234},
                   WorkingDirectory=self.home)
        self.assertEqual([line.strip() for line in self.lines(4)], ["123", "234", self.home, "7"])

    def test_signals_are_as_at_birth(self):
        if not os.path.exists("/proc/self/status"):
            self.skipTest("no /proc")
        self.write("a", ProgramArguments=["cat", "/proc/self/status"], RunAtLoad=True, StandardOutPath=self.out())
        self.ctl("bootstrap", self.gui, f"{self.agents}/a.plist")
        status = dict(line.split(":\t", 1) for line in self.lines(20) if ":\t" in line)
        # 32 and 33 are the C library's own: no program can set them
        own = ~(1 << 31 | 1 << 32)
        self.assertEqual((int(status["SigBlk"], 16) & own, int(status["SigIgn"], 16) & own), (0, 0))

    def test_what_is_not_usable_is_exit_78(self):
        for number, keys in enumerate((
            {"ProgramArguments": ["/nowhere/program"]},
            {"ProgramArguments": ["not-in-the-path"]},
            {"ProgramArguments": ["true"], "WorkingDirectory": "/nowhere"},
            {"ProgramArguments": ["true"], "StandardOutPath": "/nowhere/out"},
            {"ProgramArguments": ["true"], "StandardErrorPath": self.folder},
        )):
            label = f"job{number}"
            path = self.write(label, RunAtLoad=True, **keys)
            self.ctl("bootstrap", self.gui, path)
            fields = self.wait_fields(label, last_exit_code="78: EX_CONFIG")
            self.assertIn("penalty box", fields["properties"])
            self.assertEqual(fields["state"], "not running")
        self.assertIn("could not spawn", self.double("log"))

    def test_all_children_are_reaped(self):
        for number in range(4):
            self.start(f"job{number}", "echo $PPID; exit 1", StandardOutPath=self.out())
        server = self.lines(4)[0]
        wait("no zombie", lambda: not children(server))
