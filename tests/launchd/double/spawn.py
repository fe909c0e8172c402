"""What xpcproxy does: from fork to exec, in the child. Whatever is not usable (program, working
directory, files of standard input and output, user) ends it with exit 78, EX_CONFIG, and no word on
any output; the reason comes back through a pipe, for the log."""
from __future__ import annotations

import os
import pwd
import grp
import resource
import signal
from dataclasses import dataclass
from typing import Optional

from .plist import Definition

PATH = "/usr/bin:/bin:/usr/sbin:/sbin"
EX_CONFIG = 78
LIMITS = {
    "CPU": "RLIMIT_CPU",
    "Core": "RLIMIT_CORE",
    "Data": "RLIMIT_DATA",
    "FileSize": "RLIMIT_FSIZE",
    "MemoryLock": "RLIMIT_MEMLOCK",
    "NumberOfFiles": "RLIMIT_NOFILE",
    "NumberOfProcesses": "RLIMIT_NPROC",
    "ResidentSetSize": "RLIMIT_RSS",
    "Stack": "RLIMIT_STACK",
}


@dataclass
class Identity:
    """Whom a process runs as; no uid: whom launchd runs as."""

    uid: Optional[int]
    gid: Optional[int]
    user: Optional[str]


def identity(definition: Definition, domain) -> Identity:
    """UserName and GroupName count in the system domain only, and only root can switch. Raises
    KeyError for a user or group that does not exist."""
    root = os.geteuid() == 0
    if domain.kind != "system":
        try:
            entry = pwd.getpwuid(domain.uid)
        except KeyError:
            return Identity(domain.uid if root else None, domain.uid if root else None, None)
        return Identity(entry.pw_uid if root else None, entry.pw_gid if root else None, entry.pw_name)
    user, group = definition.get("UserName"), definition.get("GroupName")
    if not root:
        return Identity(None, None, user)
    gid = grp.getgrnam(group).gr_gid if group else None
    if user is None:
        return Identity(None, gid, None)
    entry = pwd.getpwnam(user)
    return Identity(entry.pw_uid, entry.pw_gid if gid is None else gid, user)


def environment(definition: Definition, domain, who: Identity) -> dict:
    """An agent's is that of a login without a shell; a daemon's hardly more than PATH."""
    env = {"PATH": PATH, "XPC_SERVICE_NAME": definition.label, "XPC_FLAGS": "1" if domain.kind == "gui" else "0x0"}
    if domain.kind != "system":
        name = who.user or f"user{domain.uid}"
        env.update(HOME=domain.home, USER=name, LOGNAME=name, SHELL=_shell(domain.uid), TMPDIR=domain.temporary())
        if domain.kind == "gui":
            env["SSH_AUTH_SOCK"] = os.path.join(domain.temporary(), "ssh-agent")
    elif who.user is not None:
        try:
            entry = pwd.getpwnam(who.user)
            env.update(HOME=entry.pw_dir, USER=who.user, LOGNAME=who.user, SHELL=entry.pw_shell or "/bin/sh")
        except KeyError:
            pass
    env.update(domain.machine.variables)
    env.update(domain.machine.settings.marked(domain))
    env.update(definition.get("EnvironmentVariables", {}))
    return env


def _shell(uid: int) -> str:
    try:
        return pwd.getpwuid(uid).pw_shell or "/bin/sh"
    except KeyError:
        return "/bin/zsh"


def look_up(program: str, folder: str) -> str:
    """A bare name is looked up in launchd's own PATH, not in the job's."""
    if "/" in program:
        return os.path.join(folder, program)
    for directory in PATH.split(":"):
        path = os.path.join(directory, program)
        if os.access(path, os.X_OK) and not os.path.isdir(path):
            return path
    raise FileNotFoundError(2, "No such file or directory", program)


def start(definition: Definition, domain, kill: bool = False) -> tuple:
    """Forks; returns the pid and the reading end of a pipe that is closed by exec, or holds why not.
    `kill`: the kernel refuses its code signature, so exec is death."""
    reader, writer = os.pipe()
    pid = os.fork()
    if pid == 0:
        try:
            _child(definition, domain, kill)
        except BaseException as error:  # noqa: BLE001 - nothing may escape from the child
            os.write(writer, (str(error) or repr(error)).encode("utf-8", "replace")[:4000])
        finally:
            os._exit(EX_CONFIG)
    os.close(writer)
    os.set_blocking(reader, False)
    return pid, reader


def _child(definition: Definition, domain, kill: bool) -> None:
    signal.set_wakeup_fd(-1)
    for number in signal.valid_signals():
        if number not in (signal.SIGKILL, signal.SIGSTOP):
            try:
                signal.signal(number, signal.SIG_DFL)
            except (OSError, ValueError):
                pass
    signal.pthread_sigmask(signal.SIG_SETMASK, [])
    os.setsid()
    who = identity(definition, domain)
    env = environment(definition, domain, who)
    _limits(definition)
    if definition.get("Nice"):
        try:
            os.setpriority(os.PRIO_PROCESS, 0, definition.get("Nice"))
        except OSError:
            pass
    if definition.get("RootDirectory"):
        os.chroot(definition.get("RootDirectory"))
    if who.gid is not None:
        os.setgid(who.gid)
    if who.uid is not None and who.uid != os.getuid():
        os.initgroups(who.user or str(who.uid), who.gid if who.gid is not None else who.uid)
        os.setuid(who.uid)
    folder = definition.get("WorkingDirectory", "/")
    os.chdir(folder)
    os.umask(definition.umask)
    append = os.O_WRONLY | os.O_CREAT | os.O_APPEND
    _redirect(0, definition.get("StandardInPath"), os.O_RDONLY | os.O_CREAT)
    _redirect(1, definition.get("StandardOutPath"), append)
    _redirect(2, definition.get("StandardErrorPath"), append)
    program = look_up(definition.program, folder)
    if kill:
        os.kill(os.getpid(), signal.SIGKILL)
    encode = lambda text: text.encode("utf-8", "surrogateescape")  # noqa: E731
    os.execve(
        encode(program),
        [encode(argument) for argument in definition.arguments],
        {encode(key): encode(value) for key, value in env.items()},
    )


def _redirect(descriptor: int, path: Optional[str], flags: int) -> None:
    if path is None:
        path, flags = "/dev/null", os.O_RDONLY if descriptor == 0 else os.O_WRONLY
    opened = os.open(path.encode("utf-8", "surrogateescape"), flags | os.O_NOCTTY, 0o666)
    if opened != descriptor:
        os.dup2(opened, descriptor)
        os.close(opened)
    else:
        os.set_inheritable(descriptor, True)


def _limits(definition: Definition) -> None:
    soft, hard = definition.get("SoftResourceLimits", {}), definition.get("HardResourceLimits", {})
    for name, number in LIMITS.items():
        if name not in soft and name not in hard:
            continue
        which = getattr(resource, number)
        old_soft, old_hard = resource.getrlimit(which)
        new_hard = hard.get(name, old_hard)
        new_soft = soft.get(name, old_soft)
        if new_hard != resource.RLIM_INFINITY and (new_soft == resource.RLIM_INFINITY or new_soft > new_hard):
            new_soft = new_hard
        try:
            resource.setrlimit(which, (new_soft, new_hard))
        except (OSError, ValueError):
            pass
