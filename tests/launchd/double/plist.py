"""Reads a property list as launchd does: who owns it, that it is one, and which of its keys have the
type that launchd looks for. A key of another type is logged and dropped; an unknown one is logged
and ignored (launchd.plist(5), launchd-842)."""
from __future__ import annotations

import os
import plistlib
import stat
import xml.parsers.expat
from dataclasses import dataclass, field

from .errors import BAD_OWNER, BAD_PLIST, NO_FILE, NO_LABEL, NO_PROGRAM, Failure

STRING, BOOL, INT, ARRAY, DICT = "string", "boolean", "integer", "array", "dictionary"

KEYS = {
    **dict.fromkeys(
        "Label Program WorkingDirectory RootDirectory UserName GroupName StandardInPath StandardOutPath "
        "StandardErrorPath ProcessType BundleProgram POSIXSpawnType".split(),
        (STRING,),
    ),
    **dict.fromkeys(
        "Disabled RunAtLoad AbandonProcessGroup LaunchOnlyOnce SessionCreate EnablePressuredExit "
        "EnableTransactions LowPriorityIO LowPriorityBackgroundIO StartOnMount InitGroups Debug "
        "WaitForDebugger LegacyTimers MaterializeDatalessFiles HopefullyExitsFirst HopefullyExitsLast "
        "NoFork".split(),
        (BOOL,),
    ),
    **dict.fromkeys("ThrottleInterval ExitTimeOut StartInterval Nice".split(), (INT,)),
    **dict.fromkeys("ProgramArguments WatchPaths QueueDirectories".split(), (ARRAY,)),
    **dict.fromkeys(
        "EnvironmentVariables SoftResourceLimits HardResourceLimits Sockets MachServices LaunchEvents "
        "inetdCompatibility SpawnConstraint".split(),
        (DICT,),
    ),
    "Umask": (INT, STRING),
    "KeepAlive": (BOOL, DICT),
    "StartCalendarInterval": (DICT, ARRAY),
    "LimitLoadToSessionType": (STRING, ARRAY),
    "AssociatedBundleIdentifiers": (STRING, ARRAY),
    "LimitLoadToHardware": (DICT,),
    "LimitLoadFromHardware": (DICT,),
}
DEAD = {"TimeOut", "OnDemand", "ServiceIPC", "EnableGlobbing", "LimitLoadToHosts", "LimitLoadFromHosts"}
TAGS = {"plist", "dict", "key", "array", "string", "integer", "real", "true", "false", "data", "date"}
KEEP_ALIVE = {
    "SuccessfulExit": BOOL,
    "Crashed": BOOL,
    "NetworkState": BOOL,
    "AfterInitialDemand": BOOL,
    "PathState": DICT,
    "OtherJobEnabled": DICT,
}
CALENDAR = ("Minute", "Hour", "Day", "Weekday", "Month")


def kind_of(value: object) -> str:
    """The name of a value's type."""
    for kind, types in ((BOOL, bool), (STRING, str), (INT, int), (ARRAY, list), (DICT, dict)):
        if isinstance(value, types):
            return kind
    return type(value).__name__


@dataclass
class Definition:
    """What launchd keeps of a property list; it is never read again until the next bootstrap."""

    label: str
    path: str
    keys: dict
    notes: list = field(default_factory=list)

    def get(self, key: str, default=None):
        """The value of a key that has the right type."""
        return self.keys.get(key, default)

    @property
    def arguments(self) -> list:
        """argv."""
        return self.get("ProgramArguments") or [self.get("Program")]

    @property
    def program(self) -> str:
        """The program, not yet looked up."""
        return self.get("Program") or self.arguments[0]

    @property
    def throttle(self) -> int:
        """Least seconds between two starts; 0 is ignored."""
        value = self.get("ThrottleInterval", 10)
        return value if value > 0 else 10

    @property
    def exit_timeout(self) -> int:
        """Seconds from SIGTERM to SIGKILL; 0: for ever."""
        return max(self.get("ExitTimeOut", 5), 0)

    @property
    def umask(self) -> int:
        """An integer as it is (a plist has decimal ones), a string as strtoul(3) with base 0 reads it."""
        value = self.get("Umask", 0o022)
        if isinstance(value, int):
            return value & 0o777
        try:
            digits = value.strip().lower()
            base = 16 if digits.startswith("0x") else 8 if digits.startswith("0") else 10
            return int(digits, base) & 0o777
        except ValueError:
            return 0o022

    @property
    def conditions(self) -> dict:
        """The conditions of a KeepAlive dictionary."""
        value = self.get("KeepAlive")
        return value if isinstance(value, dict) else {}

    @property
    def keep_alive(self) -> bool:
        """Unconditional KeepAlive."""
        return self.get("KeepAlive") is True

    @property
    def run_at_load(self) -> bool:
        """RunAtLoad, also where another key implies it."""
        return bool(self.get("RunAtLoad")) or self.keep_alive or "SuccessfulExit" in self.conditions

    @property
    def sessions(self) -> list:
        """Session types it may be loaded in; empty: not said."""
        value = self.get("LimitLoadToSessionType", [])
        return [value] if isinstance(value, str) else value

    @property
    def calendar(self) -> list:
        """Dictionaries of StartCalendarInterval."""
        value = self.get("StartCalendarInterval", [])
        return [value] if isinstance(value, dict) else value


def check_file(path: str, owners: set) -> None:
    """A regular file of the right owner that nobody else can write."""
    try:
        info = os.stat(path)
    except OSError as error:
        raise Failure(NO_FILE, f"{path}: {error.strerror}") from error
    if not stat.S_ISREG(info.st_mode):
        raise Failure(BAD_OWNER, f"{path}: not a regular file")
    if info.st_uid not in owners:
        raise Failure(BAD_OWNER, f"{path}: owned by {info.st_uid}")
    if info.st_mode & 0o022:
        raise Failure(BAD_OWNER, f"{path}: mode {stat.S_IMODE(info.st_mode):o}")


def parse(data: bytes, path: str) -> dict:
    """The dictionary in it. plistlib lets unknown elements pass; launchd's parser does not."""
    try:
        if not data.startswith(b"bplist"):
            _check_elements(data)
        value = plistlib.loads(data)
    except Exception as error:  # noqa: BLE001 - plistlib raises whatever its parts raise
        raise Failure(BAD_PLIST, f"{path}: {error!r}") from error
    if not isinstance(value, dict):
        raise Failure(BAD_PLIST, f"{path}: not a dictionary")
    return value


def _check_elements(data: bytes) -> None:
    def start(name: str, _attributes: dict) -> None:
        if name not in TAGS:
            raise ValueError(f"unknown element {name}")

    parser = xml.parsers.expat.ParserCreate()
    parser.StartElementHandler = start
    parser.Parse(data, True)


def read(path: str, owners: set) -> Definition:
    """Reads and checks one."""
    check_file(path, owners)
    try:
        with open(path, "rb") as file:
            data = file.read()
    except OSError as error:
        raise Failure(NO_FILE, f"{path}: {error.strerror}") from error
    return define(parse(data, path), path)


def define(value: dict, path: str) -> Definition:
    """Keeps what has the right type."""
    keys, notes = {}, []
    for key, item in value.items():
        if key in DEAD:
            notes.append(f"the {key} key is no longer respected; ignored")
        elif key not in KEYS:
            notes.append(f"unknown key: {key}; ignored")
        elif kind_of(item) not in KEYS[key]:
            notes.append(f"unknown value for key {key}: {kind_of(item)}; dropped")
        else:
            keys[key] = _inner(key, item, notes)
    label = keys.get("Label")
    if not label or "/" in label:
        raise Failure(NO_LABEL, f"{path}: no Label, or one with a slash")
    arguments = keys.get("ProgramArguments")
    if arguments is not None and not all(isinstance(item, str) for item in arguments):
        raise Failure(NO_PROGRAM, f"{path}: ProgramArguments holds something else than strings")
    if not keys.get("Program") and not arguments:
        raise Failure(NO_PROGRAM, f"{path}: neither Program nor ProgramArguments")
    return Definition(label, path, keys, notes)


def _inner(key: str, item, notes: list):
    """Drops what has the wrong type inside a value."""

    def pick(items: dict, wanted) -> dict:
        good = {}
        for name, value in items.items():
            if wanted(name, value):
                good[name] = value
            else:
                notes.append(f"unknown value in {key}: {name} ({kind_of(value)}); dropped")
        return good

    if key == "EnvironmentVariables":
        return pick(item, lambda _, value: isinstance(value, str))
    if key in ("SoftResourceLimits", "HardResourceLimits"):
        return pick(item, lambda _, value: kind_of(value) == INT)
    if key == "KeepAlive" and isinstance(item, dict):
        conditions = pick(item, lambda name, value: KEEP_ALIVE.get(name) == kind_of(value))
        for name in ("PathState", "OtherJobEnabled"):
            if name in conditions:
                conditions[name] = pick(conditions[name], lambda _, value: isinstance(value, bool))
        if "NetworkState" in conditions:
            notes.append("KeepAlive: NetworkState is no longer implemented")
        return conditions
    if key == "StartCalendarInterval":
        dictionaries = [entry for entry in ([item] if isinstance(item, dict) else item) if isinstance(entry, dict)]
        return [pick(entry, lambda name, value: name in CALENDAR and kind_of(value) == INT) for entry in dictionaries]
    if key in ("WatchPaths", "QueueDirectories", "LimitLoadToSessionType") and isinstance(item, list):
        return [entry for entry in item if isinstance(entry, str)]
    return item
