"""bootstrap, bootout and their forerunners."""
from __future__ import annotations

import os
from typing import Optional

from . import plist
from .call import FORM, RICHER, Answer, Call, Targets, Usage
from .domain import Domain
from .errors import ALREADY, IN_PROGRESS, IO, MANY, MASKED, NO_PROCESS, NO_SERVICE, NOT_PERMITTED, TEARING_DOWN, UNSUPPORTED, Failure, text


class Loading(Targets):
    """What changes which jobs there are."""

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
