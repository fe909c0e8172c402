"""enable, disable, and what starts or signals a job that is loaded."""
from __future__ import annotations

import signal
from typing import Optional

from .call import FORM, Answer, Call, Targets, Usage
from .errors import ALREADY, NO_PROCESS, NOT_PERMITTED, USAGE, text
from .job import DEMAND


class Running(Targets):
    """What changes what runs."""

    def verb_enable(self, call: Call, words: list) -> Answer:
        """enable DOMAIN/LABEL"""
        return self._switch(call, words, "enable")

    def verb_disable(self, call: Call, words: list) -> Answer:
        """disable DOMAIN/LABEL"""
        return self._switch(call, words, "disable")

    def _switch(self, call: Call, words: list, verb: str) -> Answer:
        if not words:
            raise Usage()
        _, uid, domain, label = self.target(words[0], call)
        if label is None:
            raise Usage(FORM)
        code = 0
        if not self._allowed(call, uid):
            code = NOT_PERMITTED
        elif domain is None:
            code = int(self.machine.settings.number("enable-missing"))
        if code:
            return Answer(code, err=f"Could not {verb} service: {code}: {text(code)}\n")
        domain.store.set(label, verb == "disable")
        return Answer()

    def verb_kickstart(self, call: Call, words: list) -> Optional[Answer]:
        """kickstart [-kps] DOMAIN/LABEL"""
        flags = "".join(word[1:] for word in words if word.startswith("-"))
        words = [word for word in words if not word.startswith("-")]
        if not words or set(flags) - set("kps"):
            raise Usage("Usage: launchctl kickstart [-k] [-p] <service-target>\n")
        _, uid, _, label = self.target(words[0], call)
        job, missing, label = self._service(call, words[0])
        if not self._allowed(call, uid):
            return Answer(1, err=f'Could not kickstart service "{label}": 1: {text(1)}\n')
        if missing:
            return missing
        if job.leaving:
            return Answer(ALREADY)
        if job.pid and "k" not in flags and self.machine.settings.number("kickstart-running"):
            return Answer(int(self.machine.settings.number("kickstart-running")))

        def done() -> None:
            if job.leaving:
                call.reply(Answer(ALREADY))
                return
            line = f"service spawned with pid: {job.pid}\n" if call.tty else f"{job.pid}\n"
            call.reply(Answer(out=line if "p" in flags else ""))

        job.kickstart("k" in flags, done)
        return None

    def verb_kill(self, call: Call, words: list) -> Answer:
        """kill SIGNAL DOMAIN/LABEL"""
        if len(words) < 2:
            raise Usage("Usage: launchctl kill <signal-number|signal-name> <service-target>\n")
        name = words[0].lstrip("-").upper()
        try:
            number = int(name) if name.isdigit() else signal.Signals[name if name.startswith("SIG") else "SIG" + name]
            signal.Signals(number)
        except (KeyError, ValueError):
            return Answer(USAGE, err="Invalid signal.\n")
        _, uid, _, _ = self.target(words[1], call)
        job, missing, _ = self._service(call, words[1])
        if not self._allowed(call, uid):
            return Answer(NOT_PERMITTED, err="Not privileged to signal service.\n")
        if missing:
            return missing
        return Answer() if job.signal(number) else Answer(NO_PROCESS, err="No process to signal.\n")

    def _legacy_job(self, call: Call, words: list):
        if not words:
            raise Usage("Usage: launchctl <subcommand> <service-name>\n")
        domain = self._own(call)
        return domain.jobs.get(words[0]) if domain else None

    def verb_start(self, call: Call, words: list) -> Answer:
        """start LABEL: held without a word while throttled"""
        job = self._legacy_job(call, words)
        if job is None:
            return Answer(NO_PROCESS)
        job.no_spawn = False
        job.demand(DEMAND)
        return Answer()

    def verb_stop(self, call: Call, words: list) -> Answer:
        """stop LABEL"""
        job = self._legacy_job(call, words)
        if job is None:
            return Answer(NO_PROCESS)
        if job.pid:
            job.terminate()
        return Answer()
