"""What can be set: by LAUNCHD_DOUBLE_NAME in the environment of the boot, or `launchctl-double set`."""
from __future__ import annotations

import os
import signal

DEFAULTS = {
    # multiplies ThrottleInterval and StartInterval; ExitTimeOut is real time
    "scale": "1",
    # milliseconds that every call of launchctl takes at least
    "delay": "3",
    # release whose output is printed
    "macos": "26",
    # stands before /Library/LaunchDaemons and /Library/LaunchAgents
    "root": "",
    # exit code of `kickstart` without -k for a running job: 0 or 37
    "kickstart-running": "0",
    # 1: kickstart waits for the throttle like everything else
    "throttle-kickstart": "0",
    # what the rest of the process group gets when the main process is dead: TERM or KILL
    "group-kill": "TERM",
    # exit code of enable, disable where there is no such domain: 125 or 112
    "enable-missing": "125",
    # `bare`: jobs get nothing in their environment that launchd does not give
    "env": "double",
    # seconds without a call after which the machine goes down (a test that was killed); 0: never
    "idle": "900",
    # 0: a first launchctl call does not log its user in
    "autologin": "1",
}
# of the caller, not of the machine
OF_A_CALL = {"LAUNCHD_DOUBLE_RICH", "LAUNCHD_DOUBLE_SESSION", "LAUNCHD_DOUBLE_AS", "LAUNCHD_DOUBLE_JOB"}


class Settings:
    """Names and texts."""

    def __init__(self, folder: str, env: dict):
        self.folder = folder
        self.values = dict(DEFAULTS)
        for name in DEFAULTS:
            variable = "LAUNCHD_DOUBLE_" + name.upper().replace("-", "_")
            if variable in env:
                self.values[name] = env[variable]
        self.inherited = {
            name: value
            for name, value in env.items()
            if (name.startswith("LAUNCHD_DOUBLE_") and name not in OF_A_CALL) or name == "SVC_LAUNCHCTL"
        }

    def set(self, name: str, value: str) -> None:
        """Raises KeyError for a name that is none, ValueError for a value that is none."""
        if name not in self.values:
            raise KeyError(name)
        if name in ("scale", "delay", "idle"):
            float(value)
        elif name in ("macos", "kickstart-running", "enable-missing"):
            int(value)
        self.values[name] = value

    def number(self, name: str) -> float:
        """As a number."""
        return float(self.values[name])

    def flag(self, name: str) -> bool:
        """Whether it is switched on."""
        return self.values[name] not in ("", "0", "no", "false")

    def group_signal(self) -> int:
        """For the rest of a process group."""
        return getattr(signal, "SIG" + self.values["group-kill"])

    def marked(self, domain) -> dict:
        """What a job needs to reach its launchd (on a Mac: a Mach port), and to be found at a reboot."""
        if self.values["env"] == "bare":
            return {}
        mark = {"LAUNCHD_DOUBLE": self.folder, "LAUNCHD_DOUBLE_JOB": self.mark()}
        return {**self.inherited, **mark, "LAUNCHD_DOUBLE_SESSION": domain.name}

    def mark(self) -> str:
        """In the environment of every job of this launchd."""
        return os.path.realpath(self.folder)
