"""Domains: system, user/UID, gui/UID, and how a property list becomes a job of one."""
from __future__ import annotations

import os
import pwd
import stat
from typing import Callable, Optional

from . import plist
from .errors import ALREADY, DISABLED, TEARING_DOWN, WRONG_SESSION, Failure
from .job import Job

SESSIONS = {"system": "System", "user": "Background", "gui": "Aqua"}


class Domain:
    """Jobs by label."""

    def __init__(self, machine, kind: str, uid: Optional[int], home: str = "/"):
        self.machine = machine
        self.kind = kind
        self.uid = uid
        self.home = home
        self.jobs: dict = {}
        self.asid = 100000 + (uid or 0) % 100000 + machine.boots
        self.tearing = False
        self.gone_calls: list = []

    @property
    def name(self) -> str:
        """As a domain target."""
        return self.kind if self.uid is None else f"{self.kind}/{self.uid}"

    @property
    def tail(self) -> str:
        """As the messages of print name it."""
        return {"system": "system", "user": f"uid: {self.uid}", "gui": f"user gui: {self.uid}"}[self.kind]

    @property
    def store(self):
        """gui and user share the user's."""
        return self.machine.store(self.uid)

    @property
    def owners(self) -> set:
        """Who may own a property list. A launchd that is not root plays root's part, too."""
        return {0, os.geteuid()} if self.uid is None else {0, os.geteuid(), self.uid}

    def temporary(self) -> str:
        """TMPDIR of its user."""
        path = os.path.join(self.machine.folder, "tmp", str(self.uid))
        if not os.path.isdir(path):
            os.makedirs(path, exist_ok=True)
            os.chmod(path, 0o700)
            if os.geteuid() == 0:
                os.chown(path, self.uid, -1)
        return path + "/"

    def check(self, definition: plist.Definition) -> None:
        """Whether it can be loaded here, now."""
        if self.tearing:
            raise Failure(TEARING_DOWN)
        if self.store.disabled(definition.label, bool(definition.get("Disabled"))):
            raise Failure(DISABLED)
        sessions = definition.sessions or ([] if self.kind == "system" else ["Aqua"])
        if sessions and SESSIONS[self.kind] not in sessions:
            raise Failure(WRONG_SESSION, f"LimitLoadToSessionType is {sessions}")
        if definition.label in self.jobs:
            raise Failure(ALREADY)

    def bootstrap(self, path: str, owners: Optional[set] = None) -> Job:
        """Loads a property list."""
        definition = plist.read(path, owners or self.owners)
        self.check(definition)
        faults = self.machine.faults
        job = Job(definition, self, no_spawn=faults.take("no-spawn", label=definition.label) is not None)
        self.jobs[job.label] = job
        job.log(f"bootstrapped from {path}")
        job.load()
        self._changed()
        return job

    def forget(self, job: Job) -> None:
        """A job has left."""
        if self.jobs.get(job.label) is job:
            del self.jobs[job.label]
            job.log("removed")
        self._changed()
        if self.tearing and not self.jobs:
            self._torn()

    def _changed(self) -> None:
        """Jobs that wait for another one to be there, or not."""
        for job in list(self.jobs.values()):
            if job.definition.conditions.get("OtherJobEnabled"):
                job.consider()

    def tear_down(self, done: Callable) -> None:
        """Logout: every job leaves, then the domain is gone."""
        self.gone_calls.append(done)
        self.tearing = True
        for job in list(self.jobs.values()):
            job.leave()
        if not self.jobs:
            self._torn()

    def _torn(self) -> None:
        self.machine.domains.pop((self.kind, self.uid), None)
        calls, self.gone_calls = self.gone_calls, []
        for call in calls:
            call()

    def load_folder(self, folder: str, owners: set) -> None:
        """Every property list of a folder that can be loaded; of the others, why not."""
        try:
            names = sorted(os.listdir(folder))
        except OSError:
            return
        for name in names:
            path = os.path.join(folder, name)
            if not name.endswith(".plist"):
                continue
            if stat.S_ISLNK(os.lstat(path).st_mode) and self.machine.settings.number("macos") >= 14:
                self.machine.log(f"{self.name}: {path}: a symbolic link; ignored")
                continue
            try:
                self.bootstrap(path, owners)
            except Failure as failure:
                self.machine.log(f"{self.name}: {path}: not loaded: {failure.code} {failure.why}")


def home_of(uid: int) -> str:
    """From the user database."""
    try:
        return pwd.getpwuid(uid).pw_dir
    except KeyError:
        return "/"
