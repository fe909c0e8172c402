"""The error numbers of launchctl, their texts, and what a caller who is not root gets to see of them."""
from __future__ import annotations

TEXTS = {
    0: "No error",
    1: "Operation not permitted",
    2: "No such file or directory",
    3: "No such process",
    5: "Input/output error",
    13: "Permission denied",
    17: "File exists",
    22: "Invalid argument",
    36: "Operation now in progress",
    37: "Operation already in progress",
    64: "Command line usage error",
    108: "Invalid path",
    109: "Invalid property list",
    110: "Invalid or missing service identifier",
    111: "Invalid or missing Program/ProgramArguments",
    112: "Could not find specified domain",
    113: "Could not find specified service",
    119: "Service is disabled",
    121: "Path not searched for services",
    122: "Path had bad ownership/permissions",
    124: "Domain is tearing down",
    125: "Domain does not support specified action",
    133: "Multiple errors were returned",
    134: "Service cannot load in requested session",
    150: "Operation not permitted while System Integrity Protection is engaged",
    155: "Refusing to execute/trust quarantined program/file",
    159: "Sandbox restriction",
    161: "Service cannot be launched because of BTM policy",
}

NOT_PERMITTED, NO_FILE, NO_PROCESS, IO = 1, 2, 3, 5
IN_PROGRESS, ALREADY, USAGE = 36, 37, 64
BAD_PLIST, NO_LABEL, NO_PROGRAM, NO_DOMAIN, NO_SERVICE = 109, 110, 111, 112, 113
DISABLED, BAD_OWNER, TEARING_DOWN, UNSUPPORTED, MANY, WRONG_SESSION = 119, 122, 124, 125, 133, 134

# what a caller who is not root sees as 5
MASKED = {NO_FILE, 17, ALREADY, 108, BAD_PLIST, NO_LABEL, NO_PROGRAM, DISABLED, 121, BAD_OWNER, MANY, WRONG_SESSION, 155, 161}


def text(code: int) -> str:
    """The text of `launchctl error`."""
    return TEXTS.get(code, f"Unknown error: {code}")


class Failure(Exception):
    """A call failed with an error number of launchd."""

    def __init__(self, code: int, why: str = ""):
        super().__init__(code, why)
        self.code = code
        self.why = why
