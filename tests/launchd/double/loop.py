"""One thread: timers, readable descriptors, dead children."""
from __future__ import annotations

import heapq
import itertools
import os
import selectors
import signal
import time
from typing import Callable


class Timer:
    """A call to come."""

    def __init__(self, call: Callable):
        self.call = call
        self.cancelled = False

    def cancel(self) -> None:
        """It will not come."""
        self.cancelled = True


class Loop:
    """Runs until `stop`."""

    def __init__(self, reaped: Callable):
        self.selector = selectors.DefaultSelector()
        self.timers: list = []
        self.count = itertools.count()
        self.reaped = reaped
        self.running = True
        reader, writer = os.pipe()
        os.set_blocking(reader, False)
        os.set_blocking(writer, False)
        signal.signal(signal.SIGCHLD, lambda *_: None)
        signal.set_wakeup_fd(writer, warn_on_full_buffer=False)
        self.watch(reader, lambda: os.read(reader, 65536))

    def later(self, seconds: float, call: Callable) -> Timer:
        """Calls it after so many seconds of the monotonic clock."""
        timer = Timer(call)
        heapq.heappush(self.timers, (time.monotonic() + max(seconds, 0), next(self.count), timer))
        return timer

    def watch(self, descriptor, call: Callable) -> None:
        """Calls it whenever there is something to read."""
        self.selector.register(descriptor, selectors.EVENT_READ, call)

    def unwatch(self, descriptor) -> None:
        """No longer."""
        self.selector.unregister(descriptor)

    def stop(self) -> None:
        """Ends it after what it is doing."""
        self.running = False

    def reap(self) -> None:
        """Takes every dead child."""
        while True:
            try:
                pid, status = os.waitpid(-1, os.WNOHANG)
            except ChildProcessError:
                return
            if pid == 0:
                return
            self.reaped(pid, status)

    def run(self) -> None:
        """Until stopped."""
        while self.running:
            while self.timers and self.timers[0][2].cancelled:
                heapq.heappop(self.timers)
            wait = self.timers[0][0] - time.monotonic() if self.timers else None
            for key, _ in self.selector.select(wait if wait is None else max(wait, 0)):
                # an earlier call of this round may have ended its watch
                if key.fd in self.selector.get_map():
                    key.data()
            self.reap()
            now = time.monotonic()
            while self.timers and self.timers[0][0] <= now:
                timer = heapq.heappop(self.timers)[2]
                if not timer.cancelled:
                    timer.call()
