"""The verbs of launchctl: exit status, stdout and stderr as recorded."""
from __future__ import annotations

import os
import re
import signal
from dataclasses import dataclass
from typing import Callable, Optional

from . import output, plist
from .domain import SESSIONS, Domain
from .errors import (
    ALREADY, IN_PROGRESS, IO, MANY, MASKED, NO_DOMAIN, NO_PROCESS, NO_SERVICE, NOT_PERMITTED, TEARING_DOWN,
    UNSUPPORTED, USAGE, Failure, text,
)
from .job import DEMAND

FORM = "Unrecognized target specifier. <service-target> takes a form of <domain-target>/<service-id>.\n"
RICHER = "Try re-running the command as root for richer errors.\n"
VERSION = "Darwin Bootstrapper Version 7.0.0: the launchd double\n"


@dataclass
class Answer:
    """What a call gives."""

    code: int = 0
    out: str = ""
    err: str = ""


@dataclass
class Call:
    """One call: who, where, what; `reply` may come later."""

    words: list
    uid: int
    cwd: str
    env: dict
    tty: bool
    reply: Callable

    @property
    def rich(self) -> bool:
        """Whether errors are shown as they are."""
        value = self.env.get("LAUNCHD_DOUBLE_RICH")
        return self.uid == 0 if not value else value not in ("0", "no", "false")


class Usage(Exception):
    """Wrong words."""


class Verbs:
    """Answers calls."""

    def __init__(self, machine):
        self.machine = machine

    def run(self, call: Call) -> Optional[Answer]:
        """None: the answer comes later."""
        verb, words = (call.words[0], call.words[1:]) if call.words else ("help", [])
        label = next((match for word in words for match in [self._label(word)] if match), None)
        fault = self.machine.faults.take(verb, label=label)
        if fault:
            return self._failed(verb, fault.code, words)
        method = getattr(self, "verb_" + verb.replace("-", "_"), None)
        if method is None:
            return Answer(USAGE, err=f"Unrecognized subcommand: {verb}\nUsage: launchctl <subcommand> ... | help [subcommand]\n")
        try:
            return method(call, words)
        except Usage as error:
            return Answer(USAGE, err=str(error) or f"Usage: launchctl {verb} <service-target>\n")

    def _label(self, word: str) -> Optional[str]:
        match = re.fullmatch(r"(?:system|(?:gui|user)/\d+)/(.+)", word)
        if match:
            return match[1]
        if word.endswith(".plist"):
            try:
                return plist.parse(open(word, "rb").read(), word).get("Label")
            except (OSError, Failure):
                return None
        return None

    def _failed(self, verb: str, code: int, words: list) -> Answer:
        """A failure in the words of the verb."""
        names = {"bootstrap": "Bootstrap failed", "bootout": "Boot-out failed"}
        names.update(enable="Could not enable service", disable="Could not disable service")
        label = self._label(words[-1]) if words else None
        names.update(kickstart=f'Could not kickstart service "{label}"')
        if verb in ("load", "unload"):
            return self._legacy_failed(verb, code)
        if code in (NO_DOMAIN, NO_SERVICE) or verb not in names or (verb, code) == ("kickstart", ALREADY):
            return Answer(code)
        return Answer(code, err=f"{names[verb]}: {code}: {text(code)}\n" + (RICHER if verb == "bootstrap" else ""))

    # --- targets

    def target(self, word: str, call: Call) -> tuple:
        """The domain (or its name, if there is none), and the label."""
        match = re.fullmatch(r"(system|gui/(\d+)|user/(\d+))(?:/(.*))?", word, re.DOTALL)
        if not match:
            raise Usage(FORM)
        kind = match[1].split("/")[0]
        uid = None if kind == "system" else int(match[2] or match[3])
        return kind, uid, self.machine.domain(kind, uid, call), match[4] or None

    def _no_domain(self, kind: str, uid: Optional[int]) -> Answer:
        tail = f"user gui: {uid}" if kind == "gui" else f"uid: {uid}"
        return Answer(NO_DOMAIN, err=f"Could not find domain for {tail}\n")

    def _no_service(self, label: str, domain: Domain) -> Answer:
        first = "Bad request.\n" if self.machine.settings.number("macos") >= 13 else ""
        where = "domain for " + domain.tail
        return Answer(NO_SERVICE, err=f'{first}Could not find service "{label}" in {where}\n')

    def _allowed(self, call: Call, uid: Optional[int]) -> bool:
        return call.uid == 0 or (uid is not None and call.uid == uid)

    def _service(self, call: Call, word: str):
        """The job, or the answer that there is none."""
        kind, uid, domain, label = self.target(word, call)
        if label is None:
            raise Usage(FORM)
        if domain is None:
            return None, self._no_domain(kind, uid), label
        job = domain.jobs.get(label)
        return job, None if job else self._no_service(label, domain), label

    def _own(self, call: Call) -> Optional[Domain]:
        """The domain that the legacy verbs mean."""
        return self.machine.own_domain(call)

    # --- loading

    def verb_bootstrap(self, call: Call, words: list) -> Answer:
        """bootstrap DOMAIN PATH..."""
        if not words:
            raise Usage("Usage: launchctl bootstrap <domain-target> [service-path1, ...]\n")
        kind, uid, domain, label = self.target(words[0], call)
        if label is not None:
            raise Usage(FORM)
        if not self._allowed(call, uid):
            return self._bootstrap_failed(call, NOT_PERMITTED)
        if domain is None:
            return self._bootstrap_failed(call, UNSUPPORTED)
        if len(words) == 1:
            return Answer()
        errors = []
        for path in self._paths(call, words[1:]):
            try:
                self._bootstrap_one(domain, path)
            except Failure as failure:
                self.machine.log(f"{domain.name}: {path}: not loaded: {failure.code} {text(failure.code)} {failure.why}")
                errors.append((path, failure.code))
        if not errors:
            return Answer()
        return self._bootstrap_failed(call, errors[0][1] if len(errors) == 1 else MANY, errors)

    def _bootstrap_one(self, domain: Domain, path: str) -> None:
        faults = self.machine.faults
        definition = plist.read(path, domain.owners)
        if faults.take("vanish", label=definition.label):
            domain.check(definition)
            self.machine.log(f"{domain.name}/{definition.label}: removed by background task management: 161")
            return
        domain.bootstrap(path)
        if faults.take("bootstrap-ok-but-5", label=definition.label):
            raise Failure(IO, "though it is loaded (fault)")

    def _bootstrap_failed(self, call: Call, code: int, errors: tuple = ()) -> Answer:
        err = ""
        if call.rich:
            for path, one in errors:
                err += f"{path}: {'service already bootstrapped' if one == ALREADY else text(one)}\n"
        elif code in MASKED:
            code = IO
        err += f"Bootstrap failed: {code}: {text(code)}\n"
        return Answer(code, err=err + ("" if call.rich else RICHER))

    def _paths(self, call: Call, words: list) -> list:
        """Folders mean the property lists in them."""
        paths = []
        for word in words:
            path = os.path.normpath(os.path.join(call.cwd, word))
            if os.path.isdir(path):
                paths += [os.path.join(path, name) for name in sorted(os.listdir(path)) if name.endswith(".plist")]
            else:
                paths.append(path)
        return paths

    def verb_bootout(self, call: Call, words: list) -> Optional[Answer]:
        """bootout [--wait] DOMAIN/LABEL | DOMAIN PATH... | DOMAIN"""
        wait = "--wait" in words
        words = [word for word in words if word != "--wait"]
        if not words:
            raise Usage()
        kind, uid, domain, label = self.target(words[0], call)
        if not self._allowed(call, uid):
            return self._bootout_failed(call, NOT_PERMITTED)
        if domain is None:
            return self._bootout_failed(call, UNSUPPORTED)
        if label is not None:
            missing = NO_SERVICE if self.machine.settings.number("macos") <= 11 else NO_PROCESS
            job = domain.jobs.get(label)
            return self._leave(call, [job], wait) if job else self._bootout_failed(call, missing)
        if len(words) == 1:
            return self._tear_down(call, domain)
        jobs = [self._by_path(domain, path) for path in self._paths(call, words[1:])]
        if None in jobs or not jobs:
            self._leave(call, [job for job in jobs if job], False)
            return self._bootout_failed(call, IO)
        return self._leave(call, jobs, wait)

    def _by_path(self, domain: Domain, path: str):
        try:
            with open(path, "rb") as file:
                return domain.jobs.get(plist.define(plist.parse(file.read(), path), path).label)
        except (OSError, Failure):
            return None

    def _leave(self, call: Call, jobs: list, wait: bool) -> Optional[Answer]:
        left = len(jobs)

        def gone() -> None:
            nonlocal left
            left -= 1
            if wait and left == 0:
                call.reply(Answer())

        for job in jobs:
            job.leave(gone)
        if wait:
            return None
        # macOS 11 waits a little, and says so when that was not enough
        if self.machine.settings.number("macos") <= 11 and left:
            def late() -> None:
                call.reply(self._bootout_failed(call, IN_PROGRESS) if left else Answer())

            self.machine.loop.later(0.1, late)
            return None
        return Answer()

    def _tear_down(self, call: Call, domain: Domain) -> Answer:
        if domain.kind == "system":
            return self._bootout_failed(call, UNSUPPORTED)
        if domain.tearing:
            return self._bootout_failed(call, TEARING_DOWN)
        domain.tear_down(lambda: None)
        return Answer()

    def _bootout_failed(self, call: Call, code: int) -> Answer:
        return Answer(code, err=f"Boot-out failed: {code}: {text(code)}\n" + ("" if call.rich or code != IO else RICHER))

    def verb_load(self, call: Call, words: list) -> Answer:
        """load [-wF] PATH..."""
        return self._legacy(call, "load", words)

    def verb_unload(self, call: Call, words: list) -> Answer:
        """unload [-w] PATH..."""
        return self._legacy(call, "unload", words)

    def _legacy(self, call: Call, verb: str, words: list) -> Answer:
        paths, write = [], False
        while words:
            word, words = words[0], words[1:]
            if word in ("-S", "-D"):
                words = words[1:]
            elif word.startswith("-"):
                write = write or "w" in word
            else:
                paths.append(word)
        domain = self._own(call)
        if not paths:
            raise Usage(f"Usage: launchctl {verb} <service-path, service-path2, ...>\n")
        if domain is None:
            return self._legacy_failed(verb, IO)
        err = ""
        for path in self._paths(call, paths):
            try:
                self._legacy_one(verb, domain, path, write)
            except Failure as failure:
                code = IO if failure.code in MASKED else failure.code
                self.machine.log(f"{domain.name}: {path}: {verb}: {failure.code} {failure.why}")
                err += self._legacy_failed(verb, code).err
        return Answer(err=err)

    def _legacy_one(self, verb: str, domain: Domain, path: str, write: bool) -> None:
        definition = plist.read(path, domain.owners)
        if write:
            domain.store.set(definition.label, verb == "unload")
        if verb == "load":
            self._bootstrap_one(domain, path)
            return
        job = domain.jobs.get(definition.label)
        if job is None:
            raise Failure(IO, "not loaded")
        job.leave()

    def _legacy_failed(self, verb: str, code: int) -> Answer:
        new = {"load": "bootstrap", "unload": "bootout"}[verb]
        err = f"{verb.capitalize()} failed: {code}: {text(code)}\n"
        return Answer(err=err + f"Try running `launchctl {new}` as root for richer errors.\n")

    def verb_remove(self, call: Call, words: list) -> Answer:
        """remove LABEL"""
        job = self._legacy_job(call, words)
        if job is None:
            return Answer(NO_PROCESS)
        job.leave()
        return Answer()

    # --- the disabled store

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

    def verb_print_disabled(self, call: Call, words: list) -> Answer:
        """print-disabled DOMAIN"""
        if not words:
            raise Usage()
        kind, uid, domain, _ = self.target(words[0], call)
        if domain is None:
            return self._no_domain(kind, uid)
        return Answer(out=output.disabled(domain.store, self.machine.settings.number("macos")))

    # --- running

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

    # --- looking

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

