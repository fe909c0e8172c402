"""The process of the double: one for a folder, reached by a socket in it. Takes one line of JSON for
each call, answers with one."""
from __future__ import annotations

import fcntl
import json
import os
import signal
import socket
import struct
import time
from typing import Optional

from .call import Answer, Call
from .control import Control
from .machine import Machine, kill_marked
from .verbs import Verbs

SOCKET, LOCK, LIMIT = "socket", "lock", 4 << 20


def peer_uid(connection: socket.socket, said: int) -> int:
    """Who is at the other end."""
    if hasattr(socket, "SO_PEERCRED"):
        return struct.unpack("3i", connection.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, 12))[1]
    try:
        # struct xucred of unix(4): version, uid, ...
        return struct.unpack_from("II", connection.getsockopt(0, 1, 76))[1]
    except OSError:
        return said


class Connection:
    """One call."""

    def __init__(self, server, connection: socket.socket):
        self.server = server
        self.socket = connection
        self.data = b""
        self.answered = False
        connection.setblocking(False)
        server.machine.loop.watch(connection, self.readable)

    def readable(self) -> None:
        """More of the request, or the caller has gone."""
        try:
            data = self.socket.recv(65536)
        except BlockingIOError:
            return
        except OSError:
            data = b""
        if not data:
            self.close()
            return
        self.data += data
        if len(self.data) > LIMIT:
            self.close()
        elif self.data.endswith(b"\n"):
            self.server.request(self, json.loads(self.data))

    def reply(self, answer: Answer) -> None:
        """Once."""
        if self.answered or self.socket.fileno() < 0:
            return
        self.answered = True
        line = json.dumps({"code": answer.code, "out": answer.out, "err": answer.err}) + "\n"
        try:
            self.socket.settimeout(10)
            self.socket.sendall(line.encode())
        except OSError:
            pass
        self.close()

    def close(self) -> None:
        """No more."""
        if self.socket.fileno() >= 0:
            self.server.machine.loop.unwatch(self.socket)
            self.socket.close()


class Server:
    """Listens."""

    def __init__(self, folder: str, env: dict):
        self.machine = Machine(folder, env)
        self.verbs = Verbs(self.machine)
        self.control = Control(self.machine)
        self.listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        # the folder's name may be longer than a socket's may be
        os.chdir(folder)
        if os.path.lexists(SOCKET):
            os.unlink(SOCKET)
        self.listener.bind(SOCKET)
        os.chmod(SOCKET, 0o666)
        self.listener.listen(512)
        self.listener.setblocking(False)
        self.inode = os.stat(SOCKET).st_ino
        os.chdir("/")
        self.machine.loop.watch(self.listener, self.accept)
        self.last_call = time.monotonic()

    def accept(self) -> None:
        """All that wait."""
        while True:
            try:
                connection, _ = self.listener.accept()
            except OSError:
                return
            Connection(self, connection)

    def request(self, connection: Connection, request: dict) -> None:
        """After the time that launchctl takes."""
        self.last_call = time.monotonic()
        env = request["env"]
        peer = peer_uid(connection.socket, request["uid"])
        uid = peer
        if env.get("LAUNCHD_DOUBLE_AS", "").isdigit() and peer in (0, os.geteuid()):
            uid = int(env["LAUNCHD_DOUBLE_AS"])
        call = Call(request["words"], uid, request["cwd"], env, request["tty"], connection.reply)
        if request["program"] == "launchctl-double":
            answer: Optional[Answer] = Answer(1, err="not permitted\n")
            if peer in (0, os.geteuid()):
                answer = self.control.run(call)
            if answer:
                connection.reply(answer)
            return
        delay = float(env.get("LAUNCHD_DOUBLE_DELAY") or self.machine.settings.number("delay")) / 1000
        self.machine.faults.load()
        verb = call.words[0] if call.words else ""
        if self.machine.faults.take("hang", verb=verb):
            self.machine.log(f"{verb}: hangs (fault)")
            return
        slow = self.machine.faults.take("slow", verb=verb)
        self.machine.loop.later(slow.ms / 1000 if slow else delay, lambda: self.answer(call))

    def answer(self, call: Call) -> None:
        """Runs the verb."""
        answer = self.verbs.run(call)
        if answer:
            call.reply(answer)

    def watch_folder(self) -> None:
        """A test that has removed the double's folder, or calls no more, is over: so is the machine."""
        self.machine.loop.later(1, self.watch_folder)
        try:
            there = os.stat(os.path.join(self.machine.folder, SOCKET)).st_ino == self.inode
        except OSError:
            there = False
        idle = self.machine.settings.number("idle")
        if not there or 0 < idle < time.monotonic() - self.last_call:
            if not there:
                self.machine.log = lambda _message: None
            self.machine.shutdown(lambda: None)

    def run(self) -> None:
        """Until shutdown."""
        self.machine.boot()
        self.machine.tick()
        self.watch_folder()
        signal.signal(signal.SIGTERM, lambda *_: self.machine.loop.later(0, lambda: self.machine.shutdown(lambda: None)))
        self.machine.loop.run()


def main(folder: str, ready: int) -> None:
    """Becomes the launchd of a folder, unless there is one; says so by closing `ready`."""
    lock = os.open(os.path.join(folder, LOCK), os.O_RDWR | os.O_CREAT, 0o600)
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        return
    env = dict(os.environ)
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGHUP, signal.SIG_IGN)
    os.umask(0o022)
    # what a launchd that was killed has left
    kill_marked(os.path.realpath(folder))
    server = Server(folder, env)
    os.close(ready)
    server.run()
    try:
        os.unlink(os.path.join(folder, SOCKET))
    except OSError:
        pass

