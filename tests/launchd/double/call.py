"""One call of launchctl, its answer, and what a target in it means."""
from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Callable, Optional

from . import plist
from .domain import Domain
from .errors import NO_DOMAIN, NO_SERVICE, Failure

FORM = "Unrecognized target specifier. <service-target> takes a form of <domain-target>/<service-id>.\n"
RICHER = "Try re-running the command as root for richer errors.\n"


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


class Targets:
    """What every group of verbs needs."""

    def __init__(self, machine):
        self.machine = machine

    def target(self, word: str, call: Call) -> tuple:
        """The domain (or its name, if there is none), and the label."""
        match = re.fullmatch(r"(system|gui/(\d+)|user/(\d+))(?:/(.*))?", word, re.DOTALL)
        if not match:
            raise Usage(FORM)
        kind = match[1].split("/")[0]
        uid = None if kind == "system" else int(match[2] or match[3])
        return kind, uid, self.machine.domain(kind, uid, call), match[4] or None

    def label_of(self, word: str) -> Optional[str]:
        """The label that a word of a call is about: a service target, or a property list."""
        match = re.fullmatch(r"(?:system|(?:gui|user)/\d+)/(.+)", word, re.DOTALL)
        if match:
            return match[1]
        if word.endswith(".plist"):
            try:
                with open(word, "rb") as file:
                    return plist.parse(file.read(), word).get("Label")
            except (OSError, Failure):
                return None
        return None

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
