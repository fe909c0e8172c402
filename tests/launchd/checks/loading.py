"""bootstrap, the disabled store, login."""
from __future__ import annotations

import os

from .support import FOREVER, Mac, ROOT, UID, alive, wait


class Loading(Mac):
    """bootstrap, the disabled store, login."""

    IO = "Bootstrap failed: 5: Input/output error\nTry re-running the command as root for richer errors.\n"

    def refused(self, path, code, text):
        self.ctl("bootstrap", self.gui, path, code=5, err=self.IO)
        rich = f"{path}: {text}\nBootstrap failed: {code}: {text}\n"
        self.ctl("bootstrap", self.gui, path, code=code, err=rich, LAUNCHD_DOUBLE_RICH="1")

    def test_what_is_refused(self):
        path = self.write("a", "true")
        os.chmod(path, 0o664)
        self.refused(path, 122, "Path had bad ownership/permissions")
        os.chmod(path, 0o600)
        self.ctl("bootstrap", self.gui, path)
        self.refused("/nowhere.plist", 2, "No such file or directory")
        link = os.path.join(self.folder, "link.plist")
        os.symlink(self.write("linked", "true"), link)
        self.ctl("bootstrap", self.gui, link)
        bad = os.path.join(self.agents, "bad.plist")
        for text, code in (
            ("<plist><dict>", 109),
            ("", 109),
            ("<plist version='1.0'><array/></plist>", 109),
            ("<plist version='1.0'><dict><key>Label</key><text>x</text></dict></plist>", 109),
            ("<plist version='1.0'><dict><key>Label</key><string>a\x01</string></dict></plist>", 109),
            ("<plist version='1.0'><dict><key>Program</key><string>/bin/true</string></dict></plist>", 110),
            ("<plist version='1.0'><dict><key>Label</key><integer>1</integer></dict></plist>", 110),
            ("<plist version='1.0'><dict><key>Label</key><string>x</string></dict></plist>", 111),
        ):
            with open(bad, "w", encoding="utf-8") as file:
                file.write(text)
            self.ctl("bootstrap", self.gui, bad, code=5, err=self.IO)
            self.assertEqual(self.run_script("launchctl", ["bootstrap", self.gui, bad], {"LAUNCHD_DOUBLE_RICH": "1"}).code, code, text)
        if ROOT:
            os.chown(path, 12345, 0)
            self.ctl("bootout", f"{self.gui}/a")
            self.refused(path, 122, "Path had bad ownership/permissions")

    def test_wrong_types_are_dropped_and_said(self):
        self.start("a", FOREVER, ThrottleInterval="5", KeepAlive=1, ExitTimeOut=2.5, Frob="x", OnDemand=False,
                   RunAtLoad="yes", EnvironmentVariables={"A": 1})
        self.assertEqual((self.fields("a")["state"], self.fields("a")["minimum runtime"]), ("not running", "10"))
        log = self.double("log")
        for text in ("unknown value for key ThrottleInterval: string", "unknown value for key KeepAlive: integer",
                     "unknown value for key ExitTimeOut: float", "unknown key: Frob", "the OnDemand key is no longer",
                     "unknown value for key RunAtLoad: string", "unknown value in EnvironmentVariables: A (integer)"):
            self.assertIn(text, log)

    def test_already_loaded(self):
        path = self.start("a", FOREVER)
        self.ctl("bootstrap", self.gui, path, code=5, err=self.IO)
        self.ctl("bootstrap", self.gui, path, code=37, LAUNCHD_DOUBLE_RICH="1",
                 err=f"{path}: service already bootstrapped\nBootstrap failed: 37: Operation already in progress\n")

    def test_many_at_once(self):
        paths = [self.write("a", "true"), self.write("b", "true")]
        self.ctl("bootstrap", self.gui, *paths)
        self.assertEqual(self.run_script("launchctl", ["bootstrap", self.gui, *paths]).code, 5)
        ran = self.run_script("launchctl", ["bootstrap", self.gui, *paths], {"LAUNCHD_DOUBLE_RICH": "1"})
        self.assertEqual((ran.code, ran.err.splitlines()[-1]), (133, "Bootstrap failed: 133: Multiple errors were returned"))

    def test_the_disabled_store_outlives_everything(self):
        path = self.write("a", FOREVER, RunAtLoad=True)
        self.ctl("disable", f"{self.gui}/a")
        self.refused(path, 119, "Service is disabled")
        shown = '\n\tdisabled services = {\n\t\t"a" => disabled\n\t}\n\n\tlogin item associations = {\n\t}\n'
        self.assertEqual(self.ctl("print-disabled", self.gui), shown)
        self.assertEqual(self.ctl("print-disabled", f"user/{UID}"), shown)
        self.double("reboot")
        self.double("shutdown")
        os.unlink(path)
        self.double("boot")
        self.double("login")
        self.assertEqual(self.ctl("print-disabled", self.gui), shown)
        self.double("set", "macos", "15")
        self.assertIn('disabled services = {\n\t"a" => disabled\n}\n', self.ctl("print-disabled", self.gui))
        self.double("set", "macos", "12")
        self.assertEqual(self.ctl("print-disabled", self.gui), 'disabled services = {\n\t"a" => true\n}\n')
        self.ctl("enable", f"{self.gui}/a")
        self.assertIn('"a" => false', self.ctl("print-disabled", self.gui))
        self.write("a", FOREVER)
        self.ctl("bootstrap", self.gui, path)

    def test_disable_does_not_stop(self):
        self.start("a", FOREVER, KeepAlive=True, ThrottleInterval=1)
        pid = self.running("a")
        self.ctl("disable", f"{self.gui}/a")
        self.ctl("kill", "KILL", f"{self.gui}/a")
        wait("restart", lambda: self.running("a") != pid)

    def test_disabled_key_is_a_default_only(self):
        path = self.write("a", "true", Disabled=True)
        self.refused(path, 119, "Service is disabled")
        self.ctl("enable", f"{self.gui}/a")
        self.ctl("bootstrap", self.gui, path)

    def test_login_and_logout(self):
        self.write("on", FOREVER, RunAtLoad=True)
        self.write("quiet", FOREVER)
        self.write("off", FOREVER, RunAtLoad=True)
        os.symlink(self.write("linked", FOREVER, folder=self.folder), os.path.join(self.agents, "linked.plist"))
        os.chmod(self.write("loose", FOREVER), 0o666)
        self.ctl("disable", f"{self.gui}/off")
        self.double("logout")
        self.ctl("print", self.gui, code=112, err=f"Could not find domain for user gui: {UID}\n")
        text = "Domain does not support specified action"
        self.ctl("bootstrap", self.gui, f"{self.agents}/on.plist", code=125,
                 err=f"Bootstrap failed: 125: {text}\nTry re-running the command as root for richer errors.\n")
        self.ctl("bootout", f"{self.gui}/on", code=125, err=f"Boot-out failed: 125: {text}\n")
        self.ctl("enable", f"{self.gui}/on", code=125)
        self.double("set", "enable-missing", "112")
        self.ctl("enable", f"{self.gui}/on", code=112)
        self.double("login")
        pid = self.running("on")
        self.assertEqual(self.fields("quiet")["state"], "not running")
        for label in ("off", "linked", "loose"):
            self.assertEqual(self.fields(label), {}, label)
        self.double("logout")
        self.assertFalse(alive(pid))

    def test_plain_bootout_comes_back_at_login(self):
        self.start("a", FOREVER)
        self.running("a")
        self.ctl("bootout", f"{self.gui}/a")
        self.gone("a")
        self.double("logout")
        self.double("login")
        self.running("a")

    def test_sessions(self):
        self.write("plain", "true")
        self.write("both", FOREVER, RunAtLoad=True, LimitLoadToSessionType=["Aqua", "Background"])
        self.refused(self.write("back", "true", LimitLoadToSessionType="Background"), 134,
                     "Service cannot load in requested session")
        self.ctl("bootstrap", f"user/{UID}", f"{self.agents}/plain.plist", code=5)
        self.ctl("bootstrap", f"user/{UID}", f"{self.agents}/back.plist")
        for domain in (self.gui, f"user/{UID}"):
            self.ctl("bootstrap", domain, f"{self.agents}/both.plist")
            self.wait_fields("both", domain, state="running")

    def test_legacy(self):
        path = self.write("a", FOREVER, RunAtLoad=True)
        failed = "Load failed: 5: Input/output error\nTry running `launchctl bootstrap` as root for richer errors.\n"
        self.ctl("load", path, err="")
        self.running("a")
        self.ctl("load", path, err=failed)
        self.ctl("unload", "-w", path, err="")
        self.gone("a")
        self.assertIn('"a" => disabled', self.ctl("print-disabled", self.gui))
        self.ctl("load", path, err=failed)
        self.ctl("unload", path, err="Unload failed: 5: Input/output error\n"
                                     "Try running `launchctl bootout` as root for richer errors.\n")
        self.ctl("load", "-w", path, err="")
        self.running("a")
        self.ctl("remove", "a")
        self.gone("a")
        self.ctl("load", code=64)
        self.ctl("start", "none", code=3, err="")

    def test_old_releases(self):
        self.double("set", "macos", "11")
        self.start("a", self.slow(), ExitTimeOut=60, StandardOutPath=self.out())
        self.read()
        self.ctl("bootout", f"{self.gui}/a", code=36, err="Boot-out failed: 36: Operation now in progress\n")
        self.ctl("bootout", f"{self.gui}/a", code=36)
        self.let_go()
        self.gone("a")
        self.ctl("bootout", f"{self.gui}/a", code=113, err="Boot-out failed: 113: Could not find specified service\n")
        self.ctl("print", f"{self.gui}/a", code=113, err=f'Could not find service "a" in domain for user gui: {UID}\n')
