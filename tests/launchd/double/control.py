"""The commands of launchctl-double: what a person, a power cut or a clock does to a Mac."""
from __future__ import annotations

import json
from typing import Optional

from . import faults, output
from .domain import home_of
from .call import Answer, Call

HELP = """usage: launchctl-double COMMAND
  boot                        start the machine (a first launchctl does it, too, and logs its user in)
  shutdown                    kill every job and end
  reboot [--power]            end every job (--power: SIGKILL at once), boot again; nobody is logged in
  login [UID] [--home DIR]    gui/UID comes, with the agents of DIR/Library/LaunchAgents
  logout [UID]                gui/UID goes; returns when its jobs are gone
  user UID [--home DIR]       user/UID comes (that of a caller is always there)
  nouser UID                  user/UID goes
  clock [+-]SECONDS           shift the wall clock (calendars)
  fault KIND [CODE] [times=N|forever] [label=L] [verb=V] [ms=N]; fault clear; fault list
  set NAME VALUE              a setting; settings: all of them
  state                       every job, as JSON
  log                         what launchd would have put into the unified log
"""


class Control:
    """Answers commands."""

    def __init__(self, machine):
        self.machine = machine

    def run(self, call: Call) -> Optional[Answer]:
        """None: the answer comes later."""
        command, words = (call.words[0], call.words[1:]) if call.words else ("help", [])
        method = getattr(self, "command_" + command, None)
        if method is None or command == "help":
            return Answer(0 if command == "help" else 64, err=HELP)
        try:
            return method(call, words)
        except (ValueError, KeyError, IndexError) as error:
            return Answer(64, err=f"launchctl-double {command}: {error!r}\n{HELP}")

    def command_boot(self, _call: Call, _words: list) -> Answer:
        """It is there already."""
        return Answer()

    def command_shutdown(self, call: Call, _words: list) -> None:
        """Everything ends."""
        self.machine.shutdown(lambda: call.reply(Answer()))

    def command_reboot(self, call: Call, words: list) -> None:
        """All jobs end; then the daemons of the system domain start."""
        self.machine.reboot("--power" in words, lambda: call.reply(Answer()))

    def _user(self, call: Call, words: list) -> tuple:
        home = None
        if "--home" in words:
            at = words.index("--home")
            home = words[at + 1]
            words = words[:at] + words[at + 2 :]
        uid = int(words[0]) if words else call.uid
        if home is None:
            home = self.machine.homes.get(uid) or (call.env.get("HOME") if uid == call.uid else None) or home_of(uid)
        return uid, home

    def command_login(self, call: Call, words: list) -> Answer:
        """gui/UID comes."""
        uid, home = self._user(call, words)
        if self.machine.domains.get(("gui", uid)):
            return Answer(1, err=f"{uid} is logged in already\n")
        self.machine.login(uid, home)
        return Answer()

    def command_logout(self, call: Call, words: list) -> Optional[Answer]:
        """gui/UID goes."""
        uid, _ = self._user(call, words)
        domain = self.machine.domains.get(("gui", uid))
        if domain is None:
            return Answer(1, err=f"{uid} is not logged in\n")
        domain.tear_down(lambda: call.reply(Answer()))
        return None

    def command_user(self, call: Call, words: list) -> Answer:
        """user/UID comes."""
        self.machine.user(*self._user(call, words))
        return Answer()

    def command_nouser(self, call: Call, words: list) -> Optional[Answer]:
        """user/UID goes."""
        domain = self.machine.domains.get(("user", int(words[0])))
        if domain is None:
            return Answer()
        domain.tear_down(lambda: call.reply(Answer()))
        return None

    def command_clock(self, _call: Call, words: list) -> Answer:
        """Shifts the wall clock."""
        self.machine.shift(float(words[0]))
        return Answer()

    def command_fault(self, _call: Call, words: list) -> Answer:
        """Asks for a fault."""
        if not words or words[0] == "list":
            return Answer(out="".join(f"{fault}\n" for fault in self.machine.faults.all))
        if words[0] == "kinds":
            return Answer(out="".join(f"{kind}: {what}\n" for kind, what in faults.SPECIAL.items()))
        self.machine.faults.add(words)
        return Answer()

    def command_set(self, _call: Call, words: list) -> Answer:
        """A setting."""
        self.machine.settings.set(words[0], words[1])
        return Answer()

    def command_settings(self, _call: Call, _words: list) -> Answer:
        """All of them."""
        return Answer(out="".join(f"{name}={value}\n" for name, value in self.machine.settings.values.items()))

    def command_state(self, _call: Call, _words: list) -> Answer:
        """Every job."""
        jobs = [output.state(job) for domain in self.machine.domains.values() for job in domain.jobs.values()]
        return Answer(out=json.dumps(jobs, indent=1) + "\n")

    def command_log(self, _call: Call, _words: list) -> Answer:
        """The log."""
        with open(self.machine.log_path, encoding="utf-8", errors="replace") as file:
            return Answer(out=file.read())
