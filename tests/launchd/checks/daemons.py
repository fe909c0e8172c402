"""The system domain, and other users."""
from __future__ import annotations

import os
import unittest

from .support import FOREVER, Mac, ROOT, UID, alive


class Daemons(Mac):
    """The system domain."""

    def test_only_root_changes_it(self):
        path = self.write("d", FOREVER, folder=self.daemons, RunAtLoad=True)
        user = {"LAUNCHD_DOUBLE_AS": "4242"}
        self.ctl("bootstrap", "system", path, code=1, **user,
                 err="Bootstrap failed: 1: Operation not permitted\nTry re-running the command as root for richer errors.\n")
        self.ctl("bootout", "system/d", code=1, err="Boot-out failed: 1: Operation not permitted\n", **user)
        self.ctl("enable", "system/d", code=1, err="Could not enable service: 1: Operation not permitted\n", **user)
        self.ctl("print", "system/d", code=113, **user)
        self.ctl("bootstrap", f"gui/{UID}", path, code=1, **user)
        root = {"LAUNCHD_DOUBLE_AS": "0"}
        self.ctl("bootstrap", "system", path, **root)
        fields = self.wait_fields("d", "system", state="running")
        self.assertEqual((fields["type"], fields["domain"]), ("LaunchDaemon", "system"))
        self.ctl("kickstart", "-k", "system/d", code=1, **user)
        self.ctl("kill", "TERM", "system/d", code=1, err="Not privileged to signal service.\n", **user)
        self.assertIn("d\n", self.ctl("list", LAUNCHD_DOUBLE_SESSION="", **root))

    def test_reboot(self):
        self.write("d", "env; echo up; " + FOREVER, folder=self.daemons, RunAtLoad=True, StandardOutPath=self.out())
        self.start("agent", FOREVER)
        agent = self.running("agent")
        for words in (["reboot"], ["reboot", "--power"]):
            self.double(*words)
            daemon = int(self.wait_fields("d", "system", state="running")["pid"])
            self.assertFalse(alive(agent))
            self.ctl("print", self.gui, code=112)
        self.double("login")
        self.running("agent")
        self.assertTrue(alive(daemon))
        self.assertNotIn("HOME=", self.read())

    @unittest.skipUnless(ROOT, "only root can switch users")
    def test_user_name(self):
        os.chmod(self.folder, 0o755)
        path = self.write("d", "id -un; id -gn; echo $HOME $USER", folder=self.daemons, RunAtLoad=True, UserName="daemon",
                          StandardOutPath="/dev/null")
        log = self.out("log")
        os.mkfifo(log)
        os.chown(log, 1, 1)
        os.unlink(path)
        os.chmod(self.folder, 0o777)
        path = self.write("d", "id -un; id -gn; echo $USER", folder=self.daemons, RunAtLoad=True, UserName="daemon",
                          StandardOutPath=self.out())
        self.ctl("bootstrap", "system", path)
        self.assertEqual(self.lines(3), ["daemon", "daemon", "daemon"])
        self.assertEqual(os.stat(self.out()).st_uid, 1)
        self.assertEqual(self.fields("d", "system")["username"], "daemon")
        path = self.write("e", "true", folder=self.daemons, RunAtLoad=True, UserName="nobody-of-this-name")
        self.ctl("bootstrap", "system", path)
        self.wait_fields("e", "system", last_exit_code="78: EX_CONFIG")
        # an agent's UserName counts for nothing
        self.start("a", "id -u", UserName="daemon", StandardOutPath=self.out("agent"))
        self.assertEqual(self.read("agent"), f"{UID}\n")

    @unittest.skipUnless(ROOT, "only root can switch users")
    def test_agents_of_another_user(self):
        os.chmod(self.folder, 0o755)
        for folder in (self.home, f"{self.home}/Library", self.agents):
            os.chown(folder, 4242, 4242)
        os.chown(self.write("a", f"id -u > {self.home}/id", RunAtLoad=True), 4242, -1)
        self.double("login", "4242", "--home", self.home)
        self.wait_fields("a", "gui/4242", last_exit_code="0")
        self.assertEqual(self.read("home/id"), "4242\n")
        self.ctl("bootout", "gui/4242/a", LAUNCHD_DOUBLE_AS="4242")
        self.ctl("print", "gui/4242/a", code=113, LAUNCHD_DOUBLE_AS="4242")
