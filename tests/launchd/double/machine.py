"""The machine: its domains, users, clock, and how it boots and goes down."""
from __future__ import annotations

import os
import signal
import sys
import time
from typing import Callable, Optional

from .domain import Domain, home_of
from .faults import Faults
from .loop import Loop
from .settings import Settings
from .store import Store


class Machine:
    """One launchd."""

    def __init__(self, folder: str, env: dict):
        self.folder = folder
        self.settings = Settings(folder, env)
        self.faults = Faults(folder)
        self.loop = Loop(self.reaped)
        self.processes: dict = {}
        self.domains: dict = {}
        self.stores: dict = {}
        self.homes: dict = {}
        self.variables: dict = {}
        self.offset = 0.0
        self.boots = 0
        self.log_path = os.path.join(folder, "launchd.log")
        os.makedirs(os.path.join(folder, "db"), exist_ok=True)

    def log(self, message: str) -> None:
        """What the unified log would hold."""
        with open(self.log_path, "a", encoding="utf-8", errors="replace") as file:
            file.write(f"{time.strftime('%Y-%m-%d %H:%M:%S', time.localtime(self.now()))} {message}\n")

    # --- time

    def now(self) -> float:
        """Wall clock."""
        return time.time() + self.offset

    def shift(self, seconds: float) -> None:
        """As if the machine had slept, or somebody had set the clock."""
        self.offset += seconds
        for job in self._jobs():
            if seconds < 0:
                job.plan()
            job.tick()

    def tick(self) -> None:
        """Twice a second: calendars; and whether the double's folder is still there."""
        self.loop.later(0.5, self.tick)
        for job in self._jobs():
            job.tick()

    def scaled(self, seconds: float) -> float:
        """ThrottleInterval and StartInterval in seconds of the test."""
        return seconds * self.settings.number("scale")

    # --- domains

    def _jobs(self) -> list:
        return [job for domain in list(self.domains.values()) for job in list(domain.jobs.values())]

    def store(self, uid: Optional[int]) -> Store:
        """Disabled labels of a user, or the system's."""
        if uid not in self.stores:
            self.stores[uid] = Store(os.path.join(self.folder, "db"), uid)
        return self.stores[uid]

    def domain(self, kind: str, uid: Optional[int], call) -> Optional[Domain]:
        """user/UID of a caller is always there: it has some session."""
        if kind == "user" and uid == call.uid and ("user", uid) not in self.domains:
            self.user(uid, self.homes.get(uid) or call.env.get("HOME") or home_of(uid))
        return self.domains.get((kind, uid))

    def own_domain(self, call) -> Optional[Domain]:
        """That of the caller's session."""
        said = call.env.get("LAUNCHD_DOUBLE_SESSION", "")
        kind = {"Aqua": "gui", "Background": "user", "System": "system"}.get(said)
        if kind is None and said:
            kind, _, uid = said.partition("/")
            return self.domain(kind, int(uid) if uid.isdigit() else None, call)
        if kind is None:
            kind = "system" if call.uid == 0 else "gui" if ("gui", call.uid) in self.domains else "user"
        return self.domain(kind, None if kind == "system" else call.uid, call)

    def user(self, uid: int, home: str) -> None:
        """user/UID comes."""
        self.homes[uid] = home
        self.domains.setdefault(("user", uid), Domain(self, "user", uid, home))

    def login(self, uid: int, home: str) -> None:
        """gui/UID comes, and every agent that is not disabled."""
        self.user(uid, home)
        domain = self.domains[("gui", uid)] = Domain(self, "gui", uid, home)
        self.log(f"gui/{uid}: login")
        if self.settings.values["root"] or sys.platform != "darwin":
            shared = os.path.join(self.settings.values["root"] or "/", "Library/LaunchAgents")
            domain.load_folder(shared, {0, os.geteuid()})
        domain.load_folder(os.path.join(home, "Library/LaunchAgents"), domain.owners)

    # --- boot and end

    def boot(self) -> None:
        """The system domain comes, with its daemons."""
        self.boots += 1
        self.variables.clear()
        domain = self.domains[("system", None)] = Domain(self, "system", None)
        self.log("boot")
        # on a real Mac the daemons of /Library are somebody else's
        if self.settings.values["root"] or sys.platform != "darwin":
            daemons = os.path.join(self.settings.values["root"] or "/", "Library/LaunchDaemons")
            domain.load_folder(daemons, domain.owners)

    def reaped(self, pid: int, status: int) -> None:
        """A child is dead."""
        job = self.processes.pop(pid, None)
        if job:
            job.reaped(status)

    def _everything_leaves(self, power: bool, done: Callable) -> None:
        jobs = self._jobs()
        left = len(jobs)

        def gone() -> None:
            nonlocal left
            left -= 1
            if left == 0:
                done()

        for domain in self.domains.values():
            domain.tearing = True
        if not jobs:
            done()
        for job in jobs:
            if power and job.pid:
                kill_group(job.pid)
            job.leave(gone)

    def reboot(self, power: bool, done: Callable) -> None:
        """Everything ends; nobody is logged in after it."""

        def down() -> None:
            kill_marked(self.settings.mark())
            self.domains.clear()
            self.boot()
            done()

        self.log("reboot" + (" (power)" if power else ""))
        self._everything_leaves(power, down)

    def shutdown(self, done: Callable) -> None:
        """Every job is killed."""

        def down() -> None:
            kill_marked(self.settings.mark())
            done()
            self.loop.stop()

        self.log("shutdown")
        self._everything_leaves(True, down)


def kill_group(pid: int) -> None:
    """SIGKILL to a job's process group."""
    for kill in (os.killpg, os.kill):
        try:
            kill(pid, signal.SIGKILL)
        except (ProcessLookupError, PermissionError):
            pass


def kill_marked(mark: str) -> None:
    """SIGKILL to whatever still lives of a launchd's jobs, whichever session it has fled to (only
    where /proc shows environments)."""
    wanted = b"LAUNCHD_DOUBLE_JOB=" + os.fsencode(mark)
    for _ in range(20):
        found = False
        try:
            names = os.listdir("/proc")
        except OSError:
            return
        for name in names:
            if not name.isdigit() or int(name) == os.getpid():
                continue
            try:
                with open(f"/proc/{name}/environ", "rb") as file:
                    if wanted in file.read().split(b"\0"):
                        os.kill(int(name), signal.SIGKILL)
                        found = True
            except OSError:
                continue
        if not found:
            return
        time.sleep(0.01)
