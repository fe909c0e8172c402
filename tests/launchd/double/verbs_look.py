"""print, list and the others that look."""
from __future__ import annotations

from . import output
from .call import Answer, Call, Targets, Usage
from .domain import SESSIONS
from .errors import NO_PROCESS, NO_SERVICE, text

VERSION = "Darwin Bootstrapper Version 7.0.0: the launchd double\n"


class Looking(Targets):
    """What changes nothing, but for setenv."""

    def verb_print_disabled(self, call: Call, words: list) -> Answer:
        """print-disabled DOMAIN"""
        if not words:
            raise Usage()
        kind, uid, domain, _ = self.target(words[0], call)
        if domain is None:
            return self._no_domain(kind, uid)
        return Answer(out=output.disabled(domain.store, self.machine.settings.number("macos")))

    def verb_print(self, call: Call, words: list) -> Answer:
        """print DOMAIN[/LABEL]"""
        if not words:
            raise Usage("Usage: launchctl print <domain-target> | <service-target>\n")
        kind, uid, domain, label = self.target(words[0], call)
        macos = self.machine.settings.number("macos")
        if domain is None:
            return self._no_domain(kind, uid)
        if self.machine.faults.take("garbage", label=label):
            return Answer(out="service = <0x7f8a>\n\t{ state: ?? }\n")
        if label is None:
            return Answer(out=output.domain(domain, macos))
        job = domain.jobs.get(label)
        return Answer(out=output.service(job, macos)) if job else self._no_service(label, domain)

    def verb_list(self, call: Call, words: list) -> Answer:
        """list [LABEL]"""
        domain = self._own(call)
        jobs = domain.jobs if domain else {}
        if not words:
            return Answer(out=output.listing(list(jobs.values())))
        if words[0] not in jobs:
            return Answer(NO_SERVICE, err=f'Could not find service "{words[0]}" in domain for port\n')
        return Answer(out=output.entry(jobs[words[0]]))

    def verb_blame(self, call: Call, words: list) -> Answer:
        """blame DOMAIN/LABEL"""
        if not words:
            raise Usage()
        job, missing, _ = self._service(call, words[0])
        if missing:
            return missing
        if job.pid is None:
            return Answer(NO_PROCESS, err="Service is not running.\n")
        return Answer(out=f"{job.reason}\n")

    def verb_error(self, _call: Call, words: list) -> Answer:
        """error [posix] N"""
        if not words or not words[-1].lstrip("-").isdigit():
            raise Usage("Usage: launchctl error [posix|mach|bootstrap] <code>\n")
        return Answer(out=f"{words[-1]}: {text(int(words[-1]))}\n")

    def verb_managername(self, call: Call, _words: list) -> Answer:
        """managername"""
        domain = self._own(call)
        return Answer(out=f"{SESSIONS[domain.kind] if domain else 'Background'}\n")

    def verb_manageruid(self, call: Call, _words: list) -> Answer:
        """manageruid"""
        domain = self._own(call)
        return Answer(out=f"{(domain.uid if domain else call.uid) or 0}\n")

    def verb_managerpid(self, _call: Call, _words: list) -> Answer:
        """managerpid"""
        return Answer(out="1\n")

    def verb_asuser(self, call: Call, words: list) -> Answer:
        """asuser UID COMMAND...: the client runs it, in the session that this answers"""
        if len(words) < 2 or not words[0].isdigit():
            raise Usage("Usage: launchctl asuser <UID> <program> [...]\n")
        uid = int(words[0])
        if call.uid not in (0, uid):
            return Answer(1, err=f"Could not switch to audit session: 1: {text(1)}\n")
        domain = self.machine.domain("gui", uid, call) or self.machine.domain("user", uid, call)
        return Answer(out=domain.name) if domain else self._no_domain("gui", uid)

    def verb_version(self, _call: Call, _words: list) -> Answer:
        """version"""
        return Answer(out=VERSION)

    def verb_setenv(self, call: Call, words: list) -> Answer:
        """setenv KEY VALUE: for all jobs started from now on"""
        if len(words) != 2:
            raise Usage("Usage: launchctl setenv <key> <value>\n")
        self.machine.variables[words[0]] = words[1]
        return Answer()

    def verb_unsetenv(self, _call: Call, words: list) -> Answer:
        """unsetenv KEY"""
        self.machine.variables.pop(words[0] if words else "", None)
        return Answer()

    def verb_getenv(self, _call: Call, words: list) -> Answer:
        """getenv KEY"""
        value = self.machine.variables.get(words[0] if words else "")
        return Answer(out=f"{value}\n" if value is not None else "")

    def verb_help(self, _call: Call, _words: list) -> Answer:
        """help"""
        names = [name[5:].replace("_", "-") for name in dir(self) if name.startswith("verb_")]
        return Answer(out="Usage: launchctl <subcommand> ... | help [subcommand]\nSubcommands:\n\t" + "\n\t".join(names) + "\n")
