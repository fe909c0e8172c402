"""One loaded job: when it starts, how it ends, whether it comes again.

States (as launchctl prints them) and what leads from one to the next:

    not running      --demand--> spawn scheduled | xpcproxy
    spawn scheduled  --throttle over--> xpcproxy
    xpcproxy         --exec--> running; --exit 78--> as running
    running          --bootout, stop, kickstart -k--> SIGTERMed; --exit--> not running | spawn scheduled
    SIGTERMed        --exit timeout--> SIGKILLed; --exit--> gone | not running | spawn scheduled
"""
from __future__ import annotations

import os
import signal
import time
from typing import Callable, Optional

from . import calendar, spawn
from .plist import Definition

NOT_RUNNING, SCHEDULED, PROXY, RUNNING = "not running", "spawn scheduled", "xpcproxy", "running"
TERMED, KILLED = "SIGTERMed", "SIGKILLed"
CRASHES = {
    getattr(signal, name)
    for name in ("SIGILL", "SIGTRAP", "SIGABRT", "SIGFPE", "SIGBUS", "SIGSEGV", "SIGSYS")
    if hasattr(signal, name)
}
SPECULATIVE, DEMAND, INEFFICIENT, SEMAPHORE = "speculative", "non-ipc demand", "inefficient", "semaphore"
# RunAtLoad is asynchronous: bootstrap has answered before the process is there
SOON = 0.01


class Job:
    """A label in a domain."""

    def __init__(self, definition: Definition, domain, no_spawn: bool = False):
        self.definition = definition
        self.domain = domain
        self.machine = domain.machine
        self.loop = domain.machine.loop
        self.state = NOT_RUNNING
        self.pid: Optional[int] = None
        self.pipe: Optional[int] = None
        self.runs = 0
        self.reason: Optional[str] = None
        self.status: Optional[int] = None
        self.exit_reason: Optional[str] = None
        self.penalty = False
        self.started: Optional[float] = None
        self.demanded = False
        self.pending = False
        self.leaving = False
        self.restart_after_kill = False
        self.no_spawn = no_spawn
        self.timers: dict = {}
        self.spawned_calls: list = []
        self.gone_calls: list = []
        self.seen_paths: dict = {}
        self.calendar_next: Optional[float] = None

    @property
    def label(self) -> str:
        """Its label."""
        return self.definition.label

    def log(self, message: str) -> None:
        """A line of the unified log."""
        self.machine.log(f"{self.domain.name}/{self.label}{f' [{self.pid}]' if self.pid else ''}: {message}")

    # --- loading

    def load(self) -> None:
        """It has just been bootstrapped."""
        for note in self.definition.notes:
            self.log(note)
        keys = self.definition
        if keys.get("StartInterval", 0) > 0:
            self._interval()
        self.plan()
        if keys.get("WatchPaths") or keys.get("QueueDirectories") or keys.conditions.get("PathState"):
            self.seen_paths = {path: _stamp(path) for path in keys.get("WatchPaths", [])}
            self._after("watch", 0.1, self._watch)
        if self.no_spawn:
            self.log("pending spawn, never done (fault no-spawn)")
        elif keys.run_at_load:
            self.state = SCHEDULED
            self._after("spawn", SOON, lambda: self._spawn(SPECULATIVE))
        else:
            self.consider()

    def _after(self, name: str, seconds: float, call: Callable) -> None:
        self._forget(name)
        self.timers[name] = self.loop.later(seconds, call)

    def _forget(self, name: str) -> None:
        timer = self.timers.pop(name, None)
        if timer:
            timer.cancel()

    def plan(self) -> None:
        """When its calendar comes next."""
        if self.definition.calendar:
            self.calendar_next = calendar.next_of(self.definition.calendar, self.machine.now())

    def tick(self) -> None:
        """The clock has moved on, or jumped: one run for however many moments went by."""
        if self.calendar_next is not None and self.machine.now() >= self.calendar_next:
            self.plan()
            self.demand(DEMAND, again=False)

    def _interval(self) -> None:
        seconds = self.machine.scaled(self.definition.get("StartInterval"))

        def fire() -> None:
            self._after("interval", seconds, fire)
            self.demand(DEMAND, again=False)

        self._after("interval", seconds, fire)

    def _watch(self) -> None:
        self._after("watch", 0.1, self._watch)
        stamps = {path: _stamp(path) for path in self.seen_paths}
        if stamps != self.seen_paths:
            self.seen_paths = stamps
            self.demand(DEMAND)
        self.consider()

    # --- starting

    def consider(self) -> None:
        """Starts it if a condition that needs no exit holds."""
        if self.pid is None and self.state == NOT_RUNNING and not self.no_spawn and self._condition():
            self.demand(SEMAPHORE, again=False)

    def _condition(self) -> bool:
        conditions = self.definition.conditions
        if conditions.get("AfterInitialDemand") and not self.demanded:
            return False
        for path, wanted in conditions.get("PathState", {}).items():
            if os.path.exists(path) == wanted:
                return True
        for label, wanted in conditions.get("OtherJobEnabled", {}).items():
            if (label in self.domain.jobs) == wanted:
                return True
        return any(_listing(path) for path in self.definition.get("QueueDirectories", []))

    def _comes_again(self, status: int) -> Optional[str]:
        """Why it is started again after this end; none: it is not."""
        if self.definition.keep_alive:
            return INEFFICIENT
        conditions = self.definition.conditions
        if conditions.get("AfterInitialDemand") and not self.demanded:
            return None
        good = os.WIFEXITED(status) and os.WEXITSTATUS(status) == 0
        crashed = os.WIFSIGNALED(status) and os.WTERMSIG(status) in CRASHES
        if conditions.get("SuccessfulExit") is good or conditions.get("Crashed") is crashed:
            return SEMAPHORE
        return SEMAPHORE if self._condition() else None

    def throttled(self) -> float:
        """Seconds until it may be started again."""
        if self.started is None:
            return 0.0
        return max(0.0, self.started + self.machine.scaled(self.definition.throttle) - time.monotonic())

    def demand(self, reason: str, again: bool = True) -> None:
        """Wanted: now, or when the throttle is over; `again`: also if it is still running."""
        if self.leaving or self.no_spawn:
            return
        if self.pid is not None:
            self.pending = self.pending or (again and self.state in (TERMED, KILLED))
            return
        if reason != SEMAPHORE:
            self.demanded = True
        if "spawn" in self.timers:
            return
        wait = self.throttled()
        if wait > 0 and self.started is not None:
            self.log(f"Service only ran recently. Pushing respawn out by {wait:.1f} seconds.")
        self.state = SCHEDULED
        self._after("spawn", wait, lambda: self._spawn(reason))

    def _spawn(self, reason: str) -> None:
        self._forget("spawn")
        if self.leaving or self.pid is not None:
            return
        if self.definition.get("LaunchOnlyOnce") and self.runs:
            self.state = NOT_RUNNING
            return
        self.runs += 1
        self.reason = reason
        self.started = time.monotonic()
        self.exit_reason = "OS_REASON_CODESIGNING" if self.machine.faults.take("codesign", label=self.label) else None
        try:
            self.pid, self.pipe = spawn.start(self.definition, self.domain, kill=self.exit_reason is not None)
        except OSError as error:
            self.log(f"fork: {error.strerror}; again in a second")
            self._after("spawn", 1, lambda: self._spawn(reason))
            return
        self.state = PROXY
        self.machine.processes[self.pid] = self
        self.loop.watch(self.pipe, self._executed)
        self.log(f"spawned, because: {reason}")
        for call in self.spawned_calls:
            call()
        self.spawned_calls = []

    def _executed(self) -> None:
        """The pipe is closed, or says why there was no exec."""
        if self.pipe is None:
            return
        try:
            why = os.read(self.pipe, 4096)
        except BlockingIOError:
            return
        self.loop.unwatch(self.pipe)
        os.close(self.pipe)
        self.pipe = None
        self.penalty = bool(why)
        if why:
            self.log(f"xpcproxy: could not spawn: {why.decode('utf-8', 'replace')}; exit 78")
        elif self.state == PROXY:
            self.state = RUNNING

    def kickstart(self, kill: bool, done: Callable) -> None:
        """Starts it whatever the throttle says; `done` once it is spawned."""
        self.no_spawn = False
        self.demanded = True
        if self.pid is not None and not kill:
            done()
            return
        self.spawned_calls.append(done)
        if self.pid is not None:
            self.restart_after_kill = True
            self.terminate()
            return
        wait = self.throttled() if self.machine.settings.flag("throttle-kickstart") else 0
        self._after("spawn", wait, lambda: self._spawn(DEMAND))
        self.state = SCHEDULED

    # --- ending

    def signal(self, number: int) -> bool:
        """To the main process only; false: there is none."""
        if self.pid is None:
            return False
        try:
            os.kill(self.pid, number)
        except ProcessLookupError:
            return False
        return True

    def terminate(self) -> None:
        """SIGTERM, and SIGKILL after the exit timeout."""
        if self.state in (TERMED, KILLED):
            return
        self.state = TERMED
        self.signal(signal.SIGTERM)
        timeout = self.definition.exit_timeout
        if timeout:
            self._after("kill", timeout, self.kill)

    def kill(self) -> None:
        """SIGKILL."""
        self._forget("kill")
        if self.pid is not None:
            self.log("exit timeout elapsed: SIGKILL")
            self.state = KILLED
            self.signal(signal.SIGKILL)

    def leave(self, done: Optional[Callable] = None) -> None:
        """Bootout: gone when its process is."""
        if done:
            self.gone_calls.append(done)
        if self.leaving:
            return
        self.leaving = True
        self.restart_after_kill = False
        for name in list(self.timers):
            if name != "kill":
                self._forget(name)
        if self.pid is None:
            self._gone()
        else:
            self.terminate()

    def _gone(self) -> None:
        for name in list(self.timers):
            self._forget(name)
        self.domain.forget(self)
        for call in self.gone_calls + self.spawned_calls:
            call()
        self.gone_calls, self.spawned_calls = [], []

    def reaped(self, status: int) -> None:
        """Its main process is dead."""
        self._executed()
        if self.pipe is not None:
            # something else holds the pipe open; nobody writes any more
            self.loop.unwatch(self.pipe)
            os.close(self.pipe)
            self.pipe = None
        self._forget("kill")
        pid, self.pid = self.pid, None
        self.status = status
        self.log(f"[{pid}] ended: {describe(status)}")
        if not self.definition.get("AbandonProcessGroup"):
            try:
                os.killpg(pid, self.machine.settings.group_signal())
            except (ProcessLookupError, PermissionError):
                pass
        self.state = NOT_RUNNING
        pending, self.pending = self.pending, False
        if self.leaving:
            self._gone()
            return
        if self.restart_after_kill:
            self.restart_after_kill = False
            self._after("spawn", 0, lambda: self._spawn(DEMAND))
            self.state = SCHEDULED
            return
        reason = self._comes_again(status)
        if reason or pending:
            self.demand(reason or DEMAND)


def describe(status: int) -> str:
    """A wait status in words."""
    if os.WIFSIGNALED(status):
        return f"signal {os.WTERMSIG(status)}"
    return f"exit {os.WEXITSTATUS(status)}"


def _listing(path: str) -> list:
    try:
        return os.listdir(path)
    except OSError:
        return []


def _stamp(path: str):
    try:
        info = os.stat(path)
    except OSError:
        return None
    return info.st_ino, info.st_mtime_ns, info.st_size
