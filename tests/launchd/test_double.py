#!/usr/bin/env python3
"""Runs what is in checks/, several tests at once: most of their time is waiting.

    test_double.py [-j N] [WORD...]     only the tests with one of these words in their names
"""
from __future__ import annotations

import concurrent.futures
import importlib
import io
import os
import sys
import time
import unittest

HERE = os.path.dirname(os.path.realpath(__file__))
sys.dont_write_bytecode = True
sys.path.insert(0, HERE)

NAMES = sorted(name[:-3] for name in os.listdir(os.path.join(HERE, "checks")) if name.endswith(".py"))
MODULES = [f"checks.{name}" for name in NAMES if name not in ("__init__", "support")]


def tests(suite) -> list:
    """The names of all tests of a suite."""
    if isinstance(suite, unittest.TestSuite):
        return [name for part in suite for name in tests(part)]
    return [suite.id()]


def run(name: str) -> tuple:
    """One test, in a process of its own: (name, failure or nothing, why it was skipped or nothing)."""
    stream = io.StringIO()
    suite = unittest.defaultTestLoader.loadTestsFromName(name)
    result = unittest.TextTestRunner(stream=stream, verbosity=0).run(suite)
    failure = "" if result.wasSuccessful() else stream.getvalue()
    return name, failure, result.skipped[0][1] if result.skipped else ""


def main(words: list) -> int:
    """The exit status."""
    jobs = 8
    if words[:1] == ["-j"]:
        jobs, words = int(words[1]), words[2:]
    loader = unittest.defaultTestLoader
    names = [name for module in MODULES for name in tests(loader.loadTestsFromModule(importlib.import_module(module)))]
    names = [name for name in names if not words or any(word in name for word in words)]
    begin, failed, skipped = time.monotonic(), 0, 0
    with concurrent.futures.ProcessPoolExecutor(jobs) as pool:
        for name, failure, why in pool.map(run, names):
            failed += bool(failure)
            skipped += bool(why)
            if failure:
                print(f"FAILED {name}\n{failure}", flush=True)
            elif why:
                print(f"skipped {name}: {why}", flush=True)
    passed = len(names) - failed - skipped
    print(f"{passed} passed, {failed} failed, {skipped} skipped, in {time.monotonic() - begin:.0f} s")
    return 1 if failed or not names else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
