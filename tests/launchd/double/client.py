"""The two commands: they send their words to the double's process, which they start if there is none."""
from __future__ import annotations

import json
import os
import socket
import sys
import time

NO_FOLDER = "LAUNCHD_DOUBLE is not set: it names the folder where the launchd double keeps its state\n"


def launchctl(words: list) -> int:
    """launchctl of the double."""
    folder = _folder()
    if folder is None:
        return 70
    if _start(folder) and os.environ.get("LAUNCHD_DOUBLE_AUTOLOGIN", "1") != "0":
        _call(folder, "launchctl-double", ["login"])
    if words[:1] == ["asuser"]:
        return _as_user(folder, words)
    return _show(_call(folder, "launchctl", words))


def control(words: list) -> int:
    """launchctl-double."""
    folder = _folder()
    if folder is None:
        return 70
    if words == ["shutdown"]:
        connection = _connect(folder)
        if connection is None:
            return 0
        connection.close()
    else:
        _start(folder)
    code = _show(_call(folder, "launchctl-double", words))
    while words == ["shutdown"] and os.path.exists(os.path.join(folder, "socket")):
        time.sleep(0.005)
    return code


def _folder():
    folder = os.environ.get("LAUNCHD_DOUBLE")
    if not folder:
        sys.stderr.write(NO_FOLDER)
        return None
    os.makedirs(folder, exist_ok=True)
    return os.path.realpath(folder)


def _connect(folder: str):
    """A connection; None: nobody listens."""
    cwd = os.open(".", os.O_RDONLY)
    connection = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    try:
        # the folder's name may be longer than a socket's may be
        os.chdir(folder)
        connection.connect("socket")
        return connection
    except (FileNotFoundError, ConnectionRefusedError):
        connection.close()
        return None
    finally:
        os.fchdir(cwd)
        os.close(cwd)


def _start(folder: str) -> bool:
    """Whether it was this call that started the process."""
    connection = _connect(folder)
    if connection is not None:
        connection.close()
        return False
    import subprocess  # only where it is needed: every call pays for what is imported

    for _ in range(200):
        connection = _connect(folder)
        if connection is not None:
            connection.close()
            return False
        reader, writer = os.pipe()
        env = {key: value for key, value in os.environ.items() if key != "LAUNCHD_DOUBLE_JOB"}
        here = os.path.dirname(os.path.dirname(os.path.realpath(__file__)))
        code = "import sys; sys.path.insert(0, sys.argv[1]); from double import server; server.main(sys.argv[2], int(sys.argv[3]))"
        with open(os.path.join(folder, "launchd.err"), "ab") as errors:
            process = subprocess.Popen(
                [sys.executable, "-I", "-S", "-B", "-c", code, here, folder, str(writer)],
                stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=errors, env=env, cwd="/",
                pass_fds=(writer,), start_new_session=True,
            )
        os.close(writer)
        os.read(reader, 1)
        os.close(reader)
        if process.poll() is None and _connect(folder) is not None:
            # its parent is not its owner
            process.returncode = 0
            return True
        # another call was quicker, and is about to listen
        time.sleep(0.02)
    sys.stderr.write(f"the launchd double does not start: see {folder}/launchd.err\n")
    sys.exit(70)


def _call(folder: str, program: str, words: list) -> dict:
    connection = _connect(folder)
    if connection is None:
        sys.stderr.write("the launchd double is gone\n")
        sys.exit(70)
    try:
        cwd = os.getcwd()
    except OSError:
        cwd = "/"
    env = {key: value for key, value in os.environ.items() if key.startswith("LAUNCHD_DOUBLE_") or key == "HOME"}
    request = {
        "program": program, "words": words, "uid": os.geteuid(), "cwd": cwd, "env": env, "tty": sys.stdout.isatty(),
    }
    connection.sendall((json.dumps(request) + "\n").encode())
    data = b""
    while not data.endswith(b"\n"):
        part = connection.recv(65536)
        if not part:
            sys.stderr.write("the launchd double has hung up\n")
            sys.exit(70)
        data += part
    return json.loads(data)


def _show(answer: dict) -> int:
    for stream, text in ((sys.stdout, answer["out"]), (sys.stderr, answer["err"])):
        stream.buffer.write(text.encode("utf-8", "surrogateescape"))
        stream.flush()
    return answer["code"]


def _as_user(folder: str, words: list) -> int:
    """Runs a command in a user's bootstrap context; its uid stays."""
    answer = _call(folder, "launchctl", words)
    if answer["code"]:
        return _show(answer)
    os.environ["LAUNCHD_DOUBLE_SESSION"] = answer["out"].strip()
    try:
        os.execvp(words[2], words[2:])
    except OSError as error:
        sys.stderr.write(f"{words[2]}: {error.strerror}\n")
        return 127
