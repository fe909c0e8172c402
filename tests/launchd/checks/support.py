"""A Mac of its own for each test: folders, the two commands, waiting."""
from __future__ import annotations

import os
import plistlib
import re
import shutil
import subprocess
import sys
import tempfile
import time
import unittest

HERE = os.path.dirname(os.path.dirname(os.path.realpath(__file__)))

UID = os.getuid()
ROOT = UID == 0


class Ran:
    """What a command gave."""

    def __init__(self, words, process):
        self.words, self.code = words, process.returncode
        self.out, self.err = process.stdout, process.stderr

    def __repr__(self):
        return f"{' '.join(self.words)}: exit {self.code}\n{self.out}{self.err}"


def wait(what, check, seconds=15):
    """Until it is true."""
    end = time.monotonic() + seconds
    while True:
        seen = check()
        if seen:
            return seen
        if time.monotonic() > end:
            raise AssertionError(f"{what}: not after {seconds} s")
        time.sleep(0.01)


def at_least(number):
    """For `wait_fields`."""
    return lambda seen: seen is not None and int(seen) >= number


def children(pid):
    """(pid, state) of every child."""
    ran = subprocess.run(["ps", "-Ao", "ppid=,pid=,stat="], capture_output=True, text=True, check=True)
    return [(words[1], words[2]) for words in map(str.split, ran.stdout.splitlines()) if words[0] == str(pid)]


def alive(pid):
    """Not even a zombie."""
    ran = subprocess.run(["ps", "-o", "stat=", "-p", str(pid)], capture_output=True, text=True, check=False)
    return ran.returncode == 0 and not ran.stdout.startswith("Z")


class Mac(unittest.TestCase):
    """A booted machine with its user logged in; an ordinary user's view of errors."""

    settings: dict = {}
    login = True

    def setUp(self):
        self.folder = os.path.realpath(tempfile.mkdtemp(prefix="launchd"))
        self.home = os.path.join(self.folder, "home")
        self.agents = os.path.join(self.home, "Library/LaunchAgents")
        self.daemons = os.path.join(self.folder, "root/Library/LaunchDaemons")
        self.state = os.path.join(self.folder, "state")
        for folder in (self.agents, self.daemons, self.state):
            os.makedirs(folder)
        self.env = {
            "PATH": os.environ["PATH"],
            "HOME": self.home,
            "LAUNCHD_DOUBLE": self.state,
            "LAUNCHD_DOUBLE_ROOT": os.path.join(self.folder, "root"),
            "LAUNCHD_DOUBLE_SCALE": "0.05",
            "LAUNCHD_DOUBLE_RICH": "0",
            "LAUNCHD_DOUBLE_SESSION": "Aqua",
            **self.settings,
        }
        self.gui = f"gui/{UID}"
        self.double("boot")
        if self.login:
            self.double("login")

    def tearDown(self):
        self.double("shutdown")
        with open(os.path.join(self.state, "launchd.err"), encoding="utf-8") as errors:
            self.assertEqual(errors.read(), "")
        shutil.rmtree(self.folder, ignore_errors=True)

    def run_script(self, script, words, env=()):
        process = subprocess.run(
            [sys.executable, "-I", "-S", os.path.join(HERE, script), *words],
            capture_output=True, text=True, env={**self.env, **dict(env)}, check=False, cwd=self.folder, timeout=60,
        )
        return Ran([script, *words], process)

    def double(self, *words):
        ran = self.run_script("launchctl-double", words)
        self.assertEqual(ran.code, 0, ran)
        return ran.out

    def ctl(self, *words, code=0, err=None, **env):
        """launchctl; its exit status and all of stderr are as said."""
        ran = self.run_script("launchctl", words, env)
        self.assertEqual(ran.code, code, ran)
        if err is not None:
            self.assertEqual(ran.err, err, ran)
        elif code == 0 and words[0] not in ("load", "unload"):
            self.assertEqual(ran.err, "", ran)
        return ran.out

    def write(self, label, script=None, folder=None, **keys):
        """A property list; `script` is run by sh."""
        value = {"Label": label, **keys}
        if script is not None:
            value["ProgramArguments"] = ["sh", "-c", script]
        path = os.path.join(folder or self.agents, label + ".plist")
        with open(path, "wb") as file:
            plistlib.dump(value, file)
        os.chmod(path, 0o644)
        return path

    def start(self, label, script, **keys):
        """Written and bootstrapped."""
        keys.setdefault("RunAtLoad", True)
        path = self.write(label, script, **keys)
        self.ctl("bootstrap", self.gui, path)
        return path

    def fields(self, label, domain=None):
        """The lines of print with exactly one tab; empty: not loaded."""
        ran = self.run_script("launchctl", ["print", f"{domain or self.gui}/{label}"])
        self.assertIn(ran.code, (0, 113), ran)
        fields = {}
        for line in ran.out.splitlines():
            match = re.fullmatch(r"\t([^\t=]+) = (.*)", line)
            if match and match[1] not in fields:
                fields[match[1]] = match[2]
        return fields

    def wait_fields(self, label, domain=None, **wanted):
        def check():
            fields = self.fields(label, domain)
            named = {key.replace(" ", "_"): value for key, value in fields.items()}
            fits = lambda value, seen: value(seen) if callable(value) else seen == value  # noqa: E731
            return fields if all(fits(value, named.get(key)) for key, value in wanted.items()) else None

        try:
            return wait(f"{label} {wanted}", check)
        except AssertionError as error:
            log = "\n".join(self.double("log").splitlines()[-30:])
            raise AssertionError(f"{error}: {self.fields(label, domain)}\n{log}") from error

    def running(self, label):
        """Waits for its process."""
        return int(self.wait_fields(label, state="running")["pid"])

    def is_job(self, pid):
        """Whether it is a process of a job of this test (a pid may be somebody else's by now)."""
        try:
            with open(f"/proc/{pid}/environ", "rb") as file:
                return self.state.encode() in file.read()
        except OSError:
            return not os.path.exists("/proc/self") and alive(pid)

    def slow(self):
        """A program that ends, with 3, when it has had SIGTERM and `let_go` was called."""
        return f"trap 'while ! test -e {self.out('go')}; do sleep 0.02; done; exit 3' TERM; echo up; while :; do sleep 0.02; done"

    def let_go(self):
        """Lets the slow ones end."""
        open(self.out("go"), "w", encoding="utf-8").close()

    def gone(self, label):
        wait(f"{label} gone", lambda: not self.fields(label))

    def out(self, name="out"):
        return os.path.join(self.folder, name)

    def read(self, name="out"):
        """What a job has written, once there is a line of it."""
        path = self.out(name)
        wait(path, lambda: os.path.exists(path) and os.path.getsize(path))
        with open(path, encoding="utf-8") as file:
            return file.read()

    def lines(self, count, name="out"):
        """Waits for so many lines."""
        wait(f"{count} lines", lambda: os.path.exists(self.out(name)) and len(self.read(name).splitlines()) >= count)
        return self.read(name).splitlines()


FOREVER = "exec sleep 1000"
STUBBORN = "trap '' TERM; echo up; while :; do sleep 0.05; done"
