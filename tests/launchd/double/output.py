"""What launchctl prints, in the forms of several releases. `print` is "NOT API in any sense at all"
(launchctl(1)); the order of lines and the tabs are as recorded."""
from __future__ import annotations

import os
import signal

from .job import KILLED, PROXY, RUNNING, TERMED, Job

SIGNALS = {
    "SIGHUP": "Hangup",
    "SIGINT": "Interrupt",
    "SIGQUIT": "Quit",
    "SIGILL": "Illegal instruction",
    "SIGTRAP": "Trace/BPT trap",
    "SIGABRT": "Abort trap",
    "SIGFPE": "Floating point exception",
    "SIGKILL": "Killed",
    "SIGBUS": "Bus error",
    "SIGSEGV": "Segmentation fault",
    "SIGSYS": "Bad system call",
    "SIGPIPE": "Broken pipe",
    "SIGALRM": "Alarm clock",
    "SIGTERM": "Terminated",
    "SIGUSR1": "User defined signal 1",
    "SIGUSR2": "User defined signal 2",
    "SIGXCPU": "Cputime limit exceeded",
    "SIGXFSZ": "Filesize limit exceeded",
}
EXITS = (
    "EX_USAGE EX_DATAERR EX_NOINPUT EX_NOUSER EX_NOHOST EX_UNAVAILABLE EX_SOFTWARE EX_OSERR EX_OSFILE "
    "EX_CANTCREAT EX_IOERR EX_TEMPFAIL EX_PROTOCOL EX_NOPERM EX_CONFIG"
).split()
COUNTERS = (
    "forks = 0",
    "execs = 1",
    "initialized = 1",
    "trampolined = 1",
    "started suspended = 0",
    "proxy started suspended = 0",
    "checked allocations = 0 (queried = 1)",
    "checked allocations reason = no host",
    "checked allocations flags = 0x0",
)


def signal_text(number: int) -> str:
    """`Terminated: 15`."""
    try:
        name = SIGNALS.get(signal.Signals(number).name, "Unknown signal")
    except ValueError:
        name = "Unknown signal"
    return f"{name}: {number}"


def exit_text(code: int) -> str:
    """`1`, `78: EX_CONFIG`."""
    return f"{code}: {EXITS[code - 64]}" if 64 <= code <= 78 else str(code)


def last_end(job: Job) -> str:
    """The one line about the run before; a signal takes the exit code's place."""
    if job.status is None:
        return "last exit code = (never exited)"
    if job.exit_reason and job.pid is None:
        return f"last exit reason = {job.exit_reason}"
    if os.WIFSIGNALED(job.status):
        return f"last terminating signal = {signal_text(os.WTERMSIG(job.status))}"
    return f"last exit code = {exit_text(os.WEXITSTATUS(job.status))}"


def block(name: str, lines: list) -> list:
    """A nested block, and the empty line behind it."""
    return [f"\t{name} = {{", *[f"\t\t{line}" for line in lines], "\t}", ""]


def properties(job: Job) -> str:
    """Joined by ` | `."""
    definition = job.definition
    flags = [
        ("keepalive", definition.keep_alive),
        ("runatload", definition.run_at_load),
        ("inferred program", definition.get("Program") is None),
        ("abandon process group", definition.get("AbandonProcessGroup")),
        ("launch only once", definition.get("LaunchOnlyOnce")),
        ("penalty box", job.penalty),
    ]
    return " | ".join(name for name, holds in flags if holds)


def service(job: Job, macos: float) -> str:
    """`print DOMAIN/LABEL`."""
    definition, domain = job.definition, job.domain
    lines = [
        f"{domain.name}/{job.label} = {{",
        f"\tactive count = {1 if job.pid else 0}",
        f"\tpath = {definition.path}",
        f"\ttype = {'LaunchDaemon' if domain.kind == 'system' else 'LaunchAgent'}",
        f"\tstate = {job.state}",
        "",
        f"\tprogram = {definition.program}",
    ]
    if definition.get("ProgramArguments"):
        # as they are: an argument of several lines leaves lines without a tab
        lines += block("arguments", definition.arguments)
    else:
        lines.append("")
    if definition.get("WorkingDirectory"):
        lines += [f"\tworking directory = {definition.get('WorkingDirectory')}", ""]
    for key, name in (("StandardInPath", "stdin"), ("StandardOutPath", "stdout"), ("StandardErrorPath", "stderr")):
        if definition.get(key):
            lines.append(f"\t{name} path = {definition.get(key)}")
    if domain.kind == "gui":
        lines += block("inherited environment", [f"SSH_AUTH_SOCK => {domain.temporary()}ssh-agent"])
    lines += block("default environment", ["PATH => /usr/bin:/bin:/usr/sbin:/sbin"])
    own = [f"{key} => {value}" for key, value in definition.get("EnvironmentVariables", {}).items()]
    lines += block("environment", [*own, "OSLogRateLimit => 64", f"XPC_SERVICE_NAME => {job.label}"])
    lines += [f"\tdomain = {domain.name}" + ("" if domain.kind == "system" else f" [{domain.asid}]")]
    if domain.kind != "system":
        lines.append(f"\tasid = {domain.asid}")
    for key, name in (("UserName", "username"), ("GroupName", "group")):
        if domain.kind == "system" and definition.get(key):
            lines.append(f"\t{name} = {definition.get(key)}")
    if definition.get("Umask") is not None:
        lines.append(f"\tumask = {definition.umask:o}")
    if definition.get("Nice"):
        lines.append(f"\tnice = {definition.get('Nice')}")
    lines += [
        f"\tminimum runtime = {definition.throttle}",
        f"\texit timeout = {definition.exit_timeout}",
        f"\truns = {job.runs}",
    ]
    if job.pid:
        lines += [f"\tpid = {job.pid}", f"\timmediate reason = {job.reason}"]
        lines += [f"\t{counter}" for counter in COUNTERS]
    lines += [f"\t{last_end(job)}", ""]
    lines += _triggers(job)
    for name in ("resource coalition", "jetsam coalition"):
        lines += block(
            name,
            [
                f"ID = {1000 + job.runs}",
                f"type = {name.split()[0]}",
                "state = active",
                f"active count = {1 if job.pid else 0}",
                f"name = {job.label}",
            ],
        )
    lines += ["\tspawn type = daemon (3)", "\tjetsam priority = 40", "\tcpumon = default"]
    if definition.get("StartInterval", 0) > 0:
        lines.append(f"\trun interval = {definition.get('StartInterval')} seconds")
    if macos >= 26:
        lines.append(f"\tjob state = {'running' if job.pid else 'exited' if job.runs else 'uninitialized'}")
    lines += ["", f"\tproperties = {properties(job)}", "}"]
    return "\n".join(lines) + "\n"


def _triggers(job: Job) -> list:
    definition, lines = job.definition, []
    conditions = []
    for key, name in (("SuccessfulExit", "successful exit"), ("Crashed", "crashed")):
        if key in definition.conditions:
            conditions.append(f"{name} => {int(definition.conditions[key])}")
    for key in ("PathState", "OtherJobEnabled"):
        for name, wanted in definition.conditions.get(key, {}).items():
            conditions.append(f"{'path' if key == 'PathState' else 'other job'} {name} => {int(wanted)}")
    if conditions:
        lines += block("semaphores", conditions)
    if definition.calendar:
        inner = []
        for number, interval in enumerate(definition.calendar):
            inner += [
                f"{job.label}.{268435456 + number} => {{",
                "\tkeepalive = 0",
                f"\tservice = {job.label}",
                "\tstream = com.apple.launchd.calendarinterval",
                "\tmonitor = com.apple.UserEventAgent-Aqua",
                "\tdescriptor = {",
                *[f'\t\t"{key}" => {value}' for key, value in interval.items()],
                "\t}",
                "}",
            ]
        lines += block("event triggers", inner)
    return lines


def disabled(store, macos: float) -> str:
    """`print-disabled DOMAIN`."""
    if macos <= 12:
        words, before, tab = {True: "true", False: "false"}, "", ""
    elif macos < 26:
        words, before, tab = {True: "disabled", False: "enabled"}, "", ""
    else:
        words, before, tab = {True: "disabled", False: "enabled"}, "\n", "\t"
    lines = [f"{tab}disabled services = {{"]
    lines += [f'{tab}\t"{label}" => {words[value]}' for label, value in store.entries.items()]
    lines += [f"{tab}}}"]
    if macos >= 13:
        lines += ["", f"{tab}login item associations = {{", f"{tab}}}"]
    return before + "\n".join(lines) + "\n"


def _status(job: Job) -> str:
    if job.status is None:
        return "0"
    if os.WIFSIGNALED(job.status):
        return f"-{os.WTERMSIG(job.status)}"
    return str(os.WEXITSTATUS(job.status))


def domain(place, macos: float) -> str:
    """`print DOMAIN`."""
    jobs = place.jobs.values()
    session = {"system": "System", "user": "Background", "gui": "Aqua"}[place.kind]
    lines = [
        f"{place.name} = {{",
        f"\ttype = {'system' if place.kind == 'system' else 'login' if place.kind == 'gui' else 'user'}",
        f"\thandle = {place.asid}",
        f"\tactive count = {len(place.jobs)}",
        f"\tservice count = {len(place.jobs)}",
        f"\tactive service count = {sum(job.pid is not None for job in jobs)}",
        f"\tsession = {session}",
        "",
        *block("security context", [f"uid = {place.uid or 0}", f"asid = {place.asid}"]),
        "\tservices = {",
    ]
    for job in jobs:
        last = "-" if job.status is None else _status(job)
        lines.append("\t\t%8s %6s \t%s" % (job.pid or 0, last, job.label))
    lines += ["\t}", "", "\tunmanaged processes = {", "\t}", "", "\tendpoints = {", "\t}", ""]
    word = {True: "true", False: "false"} if macos <= 12 else {True: "disabled", False: "enabled"}
    entries = place.store.entries.items()
    lines += block("disabled services", [f'"{label}" => {word[value]}' for label, value in entries])
    lines += ["\tproperties = uncorked | audit check done", "}"]
    return "\n".join(lines) + "\n"


def listing(jobs: list) -> str:
    """`list`."""
    return "PID\tStatus\tLabel\n" + "".join(f"{job.pid or '-'}\t{_status(job)}\t{job.label}\n" for job in jobs)


def entry(job: Job) -> str:
    """`list LABEL`."""
    definition = job.definition

    def quoted(text: str) -> str:
        return '"' + text + '"'

    session = {"system": "System", "user": "Background", "gui": "Aqua"}[job.domain.kind]
    lines = ["{"]
    for key, name in (("StandardOutPath", "StandardOutPath"), ("StandardErrorPath", "StandardErrorPath")):
        if definition.get(key):
            lines.append(f"\t{quoted(name)} = {quoted(definition.get(key))};")
    lines += [
        f'\t"LimitLoadToSessionType" = "{session}";',
        f'\t"Label" = {quoted(job.label)};',
        f'\t"OnDemand" = {"false" if definition.keep_alive else "true"};',
        f'\t"LastExitStatus" = {job.status or 0};',
    ]
    if job.pid:
        lines.append(f'\t"PID" = {job.pid};')
    lines.append(f'\t"Program" = {quoted(definition.program)};')
    if definition.get("ProgramArguments"):
        lines.append('\t"ProgramArguments" = (')
        lines += [f"\t\t{quoted(argument)};" for argument in definition.arguments]
        lines.append("\t);")
    lines.append("};")
    return "\n".join(lines) + "\n"


def state(job: Job) -> dict:
    """For tests: what launchctl prints, and what it does not."""
    return {
        "domain": job.domain.name,
        "label": job.label,
        "state": job.state,
        "pid": job.pid,
        "runs": job.runs,
        "status": job.status,
        "reason": job.reason,
        "active": job.state in (PROXY, RUNNING, TERMED, KILLED),
        "next": job.calendar_next,
    }
