"""Faults that a test asks for: `launchctl-double fault ...`, or lines in the file `faults` of the
double's folder."""
from __future__ import annotations

import os
from dataclasses import dataclass
from typing import Optional

SPECIAL = {
    "bootstrap-ok-but-5": "the job is loaded, the answer is 5",
    "no-spawn": "the job is loaded, and never started until a kickstart",
    "vanish": "bootstrap answers 0, the job is not loaded (background task management)",
    "codesign": "the kernel kills the program at exec (OS_REASON_CODESIGNING)",
    "garbage": "print answers 0 with a text that means nothing",
    "hang": "a call that never returns; verb=VERB",
    "slow": "a call that takes ms=N; verb=VERB",
}


@dataclass
class Fault:
    """What happens `times` times (0: for ever)."""

    kind: str
    code: int = 0
    times: int = 1
    label: Optional[str] = None
    verb: Optional[str] = None
    ms: int = 0

    def __str__(self) -> str:
        parts = [self.kind] + ([str(self.code)] if self.code else [])
        parts += [f"{name}={value}" for name in ("verb", "label", "ms") if (value := getattr(self, name))]
        return " ".join([*parts, f"times={self.times or 'forever'}"])


class Faults:
    """Those that are still to come."""

    def __init__(self, folder: str):
        self.file = os.path.join(folder, "faults")
        self.all: list = []

    def add(self, words: list) -> None:
        """`KIND [CODE] [times=N] [label=L] [verb=V] [ms=N]`; raises ValueError."""
        kind, rest = words[0], words[1:]
        if kind == "clear":
            self.all = []
            return
        fault = Fault(kind)
        if kind not in SPECIAL:
            if not rest:
                raise ValueError(f"fault {kind} needs an exit code")
            fault.code, rest = int(rest[0]), rest[1:]
        for word in rest:
            name, _, value = word.partition("=")
            if name == "times":
                fault.times = 0 if value in ("0", "forever") else int(value)
            elif name == "ms":
                fault.ms = int(value)
            elif name in ("label", "verb"):
                setattr(fault, name, value)
            else:
                raise ValueError(f"fault: what is {word}?")
        self.all.append(fault)

    def load(self) -> None:
        """Takes the lines of the file, if there is one."""
        try:
            with open(self.file, encoding="utf-8") as file:
                lines = file.read().splitlines()
            os.unlink(self.file)
        except OSError:
            return
        for line in lines:
            if line.split():
                self.add(line.split())

    def take(self, kind: str, label: Optional[str] = None, verb: Optional[str] = None) -> Optional[Fault]:
        """The first that fits, which is then used up by one."""
        for fault in self.all:
            if fault.kind != kind or (fault.label and fault.label != label) or (fault.verb and fault.verb != verb):
                continue
            if fault.times:
                fault.times -= 1
                if fault.times == 0:
                    self.all.remove(fault)
            return fault
        return None
