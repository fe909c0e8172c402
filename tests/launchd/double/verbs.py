"""Which verb a call is; the faults that were asked for come first."""
from __future__ import annotations

import os
from typing import Optional

from .call import RICHER, Answer, Call, Usage
from .errors import ALREADY, NO_DOMAIN, NO_SERVICE, USAGE, text
from .verbs_load import Loading
from .verbs_look import Looking
from .verbs_run import Running


class Verbs(Loading, Running, Looking):
    """Answers calls."""

    def run(self, call: Call) -> Optional[Answer]:
        """None: the answer comes later."""
        verb, words = (call.words[0], call.words[1:]) if call.words else ("help", [])
        if self.machine.faults.all:
            labels = [self.label_of(os.path.join(call.cwd, word) if word.endswith(".plist") else word) for word in words]
            label = next((label for label in labels if label), None)
            fault = self.machine.faults.take(verb, label=label)
            if fault:
                return self._failed(call, verb, fault.code)
        method = getattr(self, "verb_" + verb.replace("-", "_"), None)
        if method is None:
            return Answer(USAGE, err=f"Unrecognized subcommand: {verb}\nUsage: launchctl <subcommand> ... | help [subcommand]\n")
        try:
            return method(call, words)
        except Usage as error:
            return Answer(USAGE, err=str(error) or f"Usage: launchctl {verb} <service-target>\n")

    def _failed(self, call: Call, verb: str, code: int) -> Answer:
        """A failure in the words of the verb."""
        words = call.words[1:]
        names = {"bootstrap": "Bootstrap failed", "bootout": "Boot-out failed"}
        names.update(enable="Could not enable service", disable="Could not disable service")
        label = self.label_of(words[-1]) if words else None
        names.update(kickstart=f'Could not kickstart service "{label}"')
        if verb in ("load", "unload"):
            return self._legacy_failed(verb, code)
        if code in (NO_DOMAIN, NO_SERVICE) and verb in ("print", "kickstart", "kill", "blame") and label:
            kind, uid, domain, label = self.target(words[-1], call)
            return self._no_service(label, domain) if domain and code == NO_SERVICE else self._no_domain(kind, uid)
        if verb not in names or (verb, code) == ("kickstart", ALREADY):
            return Answer(code)
        return Answer(code, err=f"{names[verb]}: {code}: {text(code)}\n" + (RICHER if verb == "bootstrap" else ""))
