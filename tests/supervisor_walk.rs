//! What only svc's own supervisor has, by command line; what all backends have is in `tests/walks`. Each
//! test has a home and a runtime folder of its own; whatever it started is gone at its end.
#![allow(clippy::unwrap_used, clippy::disallowed_methods, clippy::print_stderr, reason = "test code")]

mod support;
use support::{Bare, kill, lives, skip, wait_until};

use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::time::{Duration, Instant};

const SLEEP: &str = "/bin/sleep infinity";

/// After the last service nothing is left: no file, no mark, no block, no process, no socket.
#[track_caller]
fn nothing_is_left(bare: &Bare) {
    wait_until("nothing is left", 10, || {
        let processes = bare.processes();
        let files = bare.files();
        let sockets = std::fs::symlink_metadata(bare.runtime()).is_ok();
        if processes.is_empty() && files.is_empty() && !sockets {
            Ok(())
        } else {
            Err(format!("{processes:?} {files:?} runtime folder there: {sockets}"))
        }
    });
}

#[test]
fn what_is_no_program_is_said() {
    let bare = Bare::new();
    bare.sh("printf 'neither' > s; chmod +x s; svc install a -- ./s")
        .code(1)
        .warns("neither a program for this machine");
    bare.sh("cp /bin/sleep mine; svc install gone -- ./mine infinity").ok();
    bare.sh("rm mine; svc restart gone").code(1).warns("no such file");
    bare.sh("svc uninstall --all --purge").ok();
    nothing_is_left(&bare);
}

#[test]
fn nonsense_and_wrong_places_are_refused() {
    let bare = Bare::new();
    for bad in ["../x", "a@", "a..b", "'a b'", "''", "x/y", "$'a\\nb'"] {
        bare.sh(&format!("svc install --no-start {bad} -- /bin/true")).code(2);
    }
    bare.sh("svc --system status").code(5).warns("of one user, not of the machine");
    bare.sh("svc install sb --sandbox strict -- /bin/true").code(2).warns("`sandbox`");
    bare.sh("svc install u --user-name www -- /bin/true").code(2);
    assert_eq!(bare.sh("find ~ -type f").out, "");
    assert_eq!(bare.processes(), []);
    // what lies at the place of the runtime folder is somebody else's: refused, untouched
    let folder = bare.runtime();
    let refused = |what: &str, says: &str| {
        let ran = bare.sh(&format!("svc install a -- {SLEEP}")).code(5).warns(says).warns("hint:");
        assert_eq!(bare.processes(), [], "{what}: {ran}");
    };
    std::os::unix::fs::symlink("/tmp", &folder).unwrap();
    refused("a link", "is a link");
    std::fs::remove_file(&folder).unwrap();
    std::fs::write(&folder, "").unwrap();
    refused("a file", "is not a folder");
    std::fs::remove_file(&folder).unwrap();
    std::fs::create_dir(&folder).unwrap();
    std::fs::set_permissions(&folder, std::fs::Permissions::from_mode(0o755)).unwrap();
    refused("mode 755", "has mode 755");
    std::fs::set_permissions(&folder, std::fs::Permissions::from_mode(0o700)).unwrap();
    if nix::unistd::geteuid().is_root() {
        std::os::unix::fs::chown(&folder, Some(65534), None).unwrap();
        refused("another's", "belongs to the account with id 65534");
        std::os::unix::fs::chown(&folder, Some(0), None).unwrap();
    }
    bare.sh(&format!("svc install a -- {SLEEP}")).ok();
    bare.sh("svc uninstall a --purge").ok();
    nothing_is_left(&bare);
}

/// Root lends a second account: it can't read, connect, or be believed.
#[test]
fn another_account_gets_nowhere() {
    if !nix::unistd::geteuid().is_root() {
        skip("another_account_gets_nowhere", "a second account needs root");
        return;
    }
    let bare = Bare::new();
    bare.sh(&format!("svc install web --env API_TOKEN=hidden -- {SLEEP}")).ok();
    let socket = bare.runtime().join("supervisor.sock");
    let log = bare.log("web");
    // the folders above are opened to everybody: what is left is the socket's own check
    let connect = format!(
        "import socket,sys\ns=socket.socket(socket.AF_UNIX)\ns.settimeout(5)\ntry:\n  s.connect('{}')\nexcept PermissionError:\n  print('denied'); sys.exit()\nprint(s.recv(100))\n",
        socket.display()
    );
    let script = bare.script("connect.py", &connect);
    let as_other = |line: &str| bare.sh(&format!("setpriv --reuid 65534 --regid 65534 --clear-groups -- {line}"));
    let open = |mode: u32| {
        for folder in [bare.path().to_owned(), bare.path().join("run"), bare.runtime(), bare.path().join("work")] {
            std::fs::set_permissions(folder, std::fs::Permissions::from_mode(mode)).unwrap();
        }
    };
    as_other(&format!("cat {}", log.display())).code(1);
    open(0o755);
    as_other(&format!("python3 {script}")).ok().says("denied");
    std::fs::set_permissions(&socket, std::fs::Permissions::from_mode(0o666)).unwrap();
    as_other(&format!("python3 {script}")).ok().says("b''");
    std::fs::set_permissions(&socket, std::fs::Permissions::from_mode(0o600)).unwrap();
    open(0o700);
    bare.sh("svc status web").ok();
    // nor is one that sits at the socket's place believed
    bare.sh("svc uninstall --all").ok();
    bare.wait_empty();
    std::fs::create_dir_all(bare.runtime()).unwrap();
    std::fs::set_permissions(bare.runtime(), std::fs::Permissions::from_mode(0o777)).unwrap();
    bare.sh("svc install a -- /bin/sleep 9").code(5).warns("has mode 777");
}

#[test]
fn secrets_lie_in_private_files_only() {
    let bare = Bare::new();
    bare.sh("printf 'API_TOKEN=very-hidden\\n' > secret.env; chmod 600 secret.env").ok();
    bare.sh("umask 000; svc install web --env PASSWORD=also-hidden --env-file secret.env -- /bin/sh -c 'echo $API_TOKEN $PASSWORD > got; chmod 600 got; exec sleep infinity'")
        .ok();
    assert_eq!(bare.read("got"), "very-hidden also-hidden\n");
    bare.sh("svc show web").ok().says("PASSWORD = \"***\"");
    let mut holders = 0;
    for path in bare.files() {
        let Ok(bytes) = std::fs::read(&path) else { continue };
        let text = String::from_utf8_lossy(&bytes);
        assert!(!text.contains("very-hidden"), "{}", path.display());
        let data = std::fs::metadata(&path).unwrap();
        if text.contains("also-hidden") {
            holders += 1;
            assert_eq!(data.mode() & 0o777, 0o600, "{}", path.display());
        }
        if path.starts_with(bare.path().join("run")) {
            assert_eq!(data.mode() & 0o077, 0, "{}", path.display());
        }
    }
    assert!(holders > 0);
    for folder in ["home/.local/state/svc", "home/.local/state/svc/supervisor/jobs", "run/svc"] {
        let mode = std::fs::metadata(bare.path().join(folder)).unwrap().mode() & 0o777;
        assert_eq!(mode, 0o700, "{folder}");
    }
    let keepers = bare.keepers();
    for pid in [keepers.0, keepers.1] {
        let line = std::fs::read(format!("/proc/{pid}/cmdline")).unwrap();
        assert!(!String::from_utf8_lossy(&line).contains("hidden"));
    }
    bare.sh("echo A=1 > e; chmod 644 e; svc install open --env-file e -- /bin/sleep infinity")
        .ok()
        .warns("can be read by others");
    bare.sh("svc uninstall --all").ok();
}

#[test]
fn many_at_once_end_in_one_state() {
    let bare = Bare::new();
    // the first two: both may have to start the supervisor
    for round in 0..5 {
        bare.sh(&format!("svc install a -- {SLEEP} & one=$!; svc install b -- {SLEEP} || exit 1; wait $one")).ok();
        let names = |name: &str| bare.processes().iter().filter(|seen| seen.name == name).count();
        assert_eq!((names("svc-supervisor"), names("svc-guardian"), names("sleep")), (1, 1, 2), "round {round}");
        bare.sh("svc uninstall --all; svc supervisor stop").ok();
        bare.wait_empty();
    }
    bare.sh(&format!("for i in $(seq 50); do (svc install s$i -- {SLEEP} >out.$i 2>&1; echo $? >>codes) & done; wait"))
        .ok();
    assert_eq!(bare.sh("sort -u codes; wc -l <codes").out, "0\n50\n", "{}", bare.sh("cat out.*"));
    bare.sh("svc status --json | python3 -c 'import json,sys; a=json.load(sys.stdin); print(len(a), {s[\"state\"] for s in a})'").ok().says("50 {'running'}");
    for number in 1..=50 {
        assert_eq!(bare.of_service(&format!("s{number}")).len(), 1);
    }
    // the same three by twenty at once
    let race = "rm -f codes; for i in $(seq 20); do for s in s1 s2 s3; do (svc install $s --description \"round $i\" -- /bin/sleep infinity >out.$i.$s 2>&1; echo $? >>codes) & done; done; wait";
    bare.sh(race).ok();
    assert_eq!(bare.sh("sort -u codes; wc -l <codes").out, "0\n60\n", "{}", bare.sh("cat out.*"));
    for name in ["s1", "s2", "s3"] {
        let status = bare.status(name);
        assert_eq!((&status["state"], &status["drifted"]), (&"running".into(), &false.into()), "{status}");
        assert_eq!(bare.of_service(name).len(), 1);
    }
    bare.sh("for i in $(seq 6); do (svc restart s1 s2 s3 & svc stop s1 & svc uninstall s3; svc install s3 -- /bin/sleep infinity) >/dev/null 2>&1 & done; wait; svc start s1 s2 s3 >/dev/null; svc status").ok();
    for name in ["s1", "s2", "s3"] {
        assert_eq!(bare.of_service(name).len(), 1, "{name}");
    }
    bare.sh("svc uninstall --all --purge").ok();
    nothing_is_left(&bare);
}

const LISTENER: &str = r#"#!/usr/bin/python3
import http.server, os, socket, sys, time
kind, wait = sys.argv[1], float(sys.argv[2])
time.sleep(wait)
if kind == "notify":
    s = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
    s.sendto(b"READY=1\nSTATUS=claimed \x1b[31mP001", os.environ["NOTIFY_SOCKET"])
elif kind == "log":
    print("listening at last", flush=True)
elif kind == "tcp":
    s = socket.socket(); s.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    s.bind(("127.0.0.1", int(sys.argv[3]))); s.listen()
elif kind == "http":
    class H(http.server.BaseHTTPRequestHandler):
        def do_GET(self):
            self.send_response(200 if time.time() > begin + 0.3 else 503); self.end_headers()
        def log_message(self, *a): pass
    begin = time.time()
    http.server.HTTPServer(("127.0.0.1", int(sys.argv[3])), H).serve_forever()
time.sleep(10000)
"#;

/// A port that is free now.
fn port() -> u16 {
    std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port()
}

#[test]
fn start_returns_when_it_is_ready() {
    let bare = Bare::new();
    let program = bare.script("listener", LISTENER);
    for kind in ["notify", "log", "tcp", "http"] {
        let port = port();
        let ready = match kind {
            "notify" => "notify".into(),
            "log" => "log='listening at (last|first)'".into(),
            "tcp" => format!("tcp=127.0.0.1:{port}"),
            _ => format!("http=http://127.0.0.1:{port}/health"),
        };
        let began = Instant::now();
        bare.sh(&format!("svc install {kind} --ready {ready} -- {program} {kind} 0.7 {port}")).ok();
        assert!(began.elapsed() >= Duration::from_millis(700), "{kind} after {:?}", began.elapsed());
        assert_eq!(bare.status(kind)["state"], "running");
        // one that does not get there in time: killed, nothing left, why
        bare.sh(&format!("svc stop {kind}")).ok();
        let began = Instant::now();
        bare.sh(&format!(
            "svc install late --ready {ready} --start-timeout 500ms --restart never -- {program} {kind} 1000 {port}"
        ))
        .code(1)
        .warns("did not become ready within 500ms");
        assert!(began.elapsed() < Duration::from_secs(8), "{kind} after {:?}", began.elapsed());
        assert_eq!(bare.of_service("late"), []);
    }
    bare.sh("svc start notify").ok();
    assert_eq!(bare.status("notify")["status_text"], "claimed \u{1b}[31mP001");
    bare.sh("svc status notify").says("claimed \\x1b[31mP001");
    bare.sh("svc uninstall --all").ok();
}

#[test]
fn dependencies_in_both_directions() {
    let bare = Bare::new();
    let program = bare.script(
        "member",
        "#!/bin/bash\ntrap 'echo \"$1 down\" >> order; exit 0' TERM\nsleep \"$2\"; echo \"$1 up\" >> order; echo ready now\nwhile :; do sleep 0.02; done\n",
    );
    bare.sh(&format!(
        "printf '[service.db]\\ncommand = [\"{program}\", \"db\", \"0.3\"]\\nready = {{ log = \"ready now\" }}\\n[service.api]\\ncommand = [\"{program}\", \"api\", \"0.2\"]\\nready = {{ log = \"ready now\" }}\\ndepends_on = [\"db\"]\\n[service.web]\\ncommand = [\"{program}\", \"web\", \"0\"]\\nready = {{ log = \"ready now\" }}\\ndepends_on = [\"api\"]\\n' > svc.toml; svc install"
    ))
    .ok();
    let up = "db up\napi up\nweb up\n";
    assert_eq!(bare.read("order"), up);
    // stopped in reverse
    bare.sh("rm order; svc stop").ok();
    assert_eq!(bare.read("order"), "web down\napi down\ndb down\n");
    // the last one brings the others
    bare.sh("rm order; svc start web").ok();
    assert_eq!(bare.read("order"), up);
    // the first one takes the others
    bare.sh("rm order; svc stop db").ok();
    assert_eq!(bare.read("order"), "web down\napi down\ndb down\n");
    for name in ["db", "api", "web"] {
        assert_eq!(bare.status(name)["state"], "stopped", "{name}");
    }
    bare.sh("rm order; svc start").ok();
    assert_eq!(bare.read("order"), up);
    // the end of the supervisor keeps the order, and so does its next start
    bare.sh("rm order; svc supervisor stop").ok();
    assert_eq!(bare.read("order"), "web down\napi down\ndb down\n");
    bare.sh("rm order; svc supervisor start").ok();
    bare.wait_state("web", "running");
    assert_eq!(bare.read("order"), up);
    bare.sh("svc uninstall").ok();
    // what never gets ready takes along who waits for it
    bare.sh(&format!("svc install never --no-start --ready log=xyz --start-timeout 500ms --restart never -- {SLEEP}; svc install after --no-start --depends-on never -- {SLEEP}")).ok();
    bare.sh("svc start after").code(1).warns("`never`");
    assert_eq!((bare.of_service("after"), bare.of_service("never")), (vec![], vec![]));
    bare.sh("svc install lost --depends-on nowhere -- /bin/sleep 9")
        .code(2)
        .warns("is neither among what is to be installed nor installed");
    bare.sh("svc uninstall never").ok().warns("`after` depends on `never`");
    bare.sh("svc uninstall --all").ok();
}

#[test]
fn a_calendar_has_seconds() {
    let bare = Bare::new();
    bare.sh("svc install cal --schedule '*-*-* *:*:*' -- /bin/sh -c 'echo x >> seconds'")
        .ok()
        .says("enabled and armed");
    wait_until("three seconds", 15, || {
        let ran = bare.sh("wc -l < seconds");
        if ran.out.trim().parse::<u32>().unwrap_or(0) >= 3 { Ok(()) } else { Err(ran.to_string()) }
    });
    bare.sh("svc uninstall --all --purge").ok();
    nothing_is_left(&bare);
}

#[test]
fn fields_reach_the_process() {
    let bare = Bare::new();
    bare.sh("mkdir -p p/a p/b; printf \"FROM_FILE='a b'\\nAPI_TOKEN=hidden-value\\n\" > p/secret.env; chmod 600 p/secret.env").ok();
    bare.script(
        "p/svc.toml",
        r#"project = "shop"
[service.web]
script = "umask > umask; pwd > pwd; env > env; ulimit -n > files; nice > nice; ls -l /proc/self/fd > fds; ps -o sid= -p $$ > session; echo $$ > pid; cat /proc/self/status > status; echo ready; exec sleep infinity"
instances = ["a", "b"]
working_dir = "{instance}"
env = { WHO = "{name} of {project}", BRACE = "{x}" }
env_file = ["secret.env"]
umask = "027"
nice = 5
limits = { files = 321 }
pid_file = ".run/{name}.pid"
ready = { log = "ready" }
"#,
    );
    bare.sh("cd p && svc install").ok().says("web-a: installed");
    let read = |file: &str| bare.read(&format!("p/{file}"));
    let folder = bare.path().join("work/p/a");
    assert_eq!(
        (read("a/umask"), read("a/pwd"), read("a/files"), read("a/nice")),
        ("0027\n".into(), format!("{}\n", folder.display()), "321\n".into(), "5\n".into())
    );
    let env = read("b/env");
    for line in ["WHO=web-b of shop", "BRACE={x}", "FROM_FILE=a b", "API_TOKEN=hidden-value", "SVC_SERVICE=web-b"] {
        assert!(env.lines().any(|one| one == line), "{line} in {env}");
    }
    assert_eq!(read("a/session").trim(), read("a/pid").trim(), "a session of its own");
    let fds = read("a/fds");
    // 0, 1 (here the file), 2, and the folder that ls itself reads
    assert_eq!(fds.lines().count(), 5, "{fds}");
    assert!(fds.contains("0 -> /dev/null") && fds.contains("2 -> pipe:"), "{fds}");
    let status = read("a/status");
    assert!(status.contains("SigBlk:\t0000000000000000"), "{status}");
    // pid file: there, right, gone after stop and after kill -9
    let pid = bare.pid("web-a");
    assert_eq!(read(".run/web-a.pid").trim(), pid.to_string());
    bare.sh("svc stop web-a; test ! -e p/.run/web-a.pid").ok();
    bare.sh("cd p && svc install --restart never 2>/dev/null; svc start web-a").ok();
    bare.sh("svc show web-a").ok().says("WHO = \"web-a of shop\"");
    bare.sh("svc list").ok().says("shop");
    bare.sh("cd p && svc uninstall; test ! -e .run/web-b.pid").ok();
    // of its own account
    if nix::unistd::geteuid().is_root() {
        bare.sh("chmod 711 .. ; chmod 777 .; svc install other --run-as nobody -- /bin/sh -c 'id -un > who; exec sleep infinity'").ok();
        assert_eq!(bare.read("who"), "nobody\n");
        bare.sh("svc install x --run-as nobody-there -- /bin/sleep 1").code(2).warns("nobody-there");
        bare.sh("svc stop other").ok();
        bare.sh("svc uninstall other").ok();
    }
}

#[test]
fn logs_rotate_and_are_read_across_rotations() {
    let bare = Bare::new();
    let program = bare.script("lines", "#!/usr/bin/python3\nimport sys, time\nfor i in range(20000): print('line %06d' % i)\nsys.stdout.flush()\nopen('done', 'w').write('done\\n')\ntime.sleep(10000)\n");
    bare.sh(&format!("svc install talk --logs max_size=64K,keep=100 -- {program}")).ok();
    bare.read("done");
    let expected: String = (0..20000).map(|number| format!("line {number:06}\n")).collect();
    wait_until("all lines", 10, || {
        let ran = bare.sh("svc logs talk -n 30000").ok();
        if ran.out == expected { Ok(()) } else { Err(format!("{} lines", ran.out.lines().count())) }
    });
    let mut rotated = 0;
    for path in bare.files() {
        let name = path.file_name().unwrap().to_str().unwrap().to_owned();
        if name.starts_with("talk.log") {
            rotated += 1;
            let data = std::fs::metadata(&path).unwrap();
            assert!(data.len() <= 64 * 1024 + 4096, "{name}: {}", data.len());
        }
    }
    assert!(rotated >= 4, "{rotated} files");
    assert_eq!(bare.sh("svc logs talk --grep '00000[12]$'").ok().out, "line 000001\nline 000002\n");
    // fewer are kept
    bare.sh(&format!("svc install few --logs max_size=64K,keep=2 -- {program}")).ok();
    wait_until("the last line", 10, || {
        let ran = bare.sh("svc logs few -n 1");
        if ran.out == "line 019999\n" { Ok(()) } else { Err(ran.to_string()) }
    });
    let count =
        bare.files().iter().filter(|path| path.file_name().unwrap().to_str().unwrap().starts_with("few.log")).count();
    // each with its times
    assert_eq!(count, 6);
    // time stamps; stdout and stderr; a line without an end is ended
    bare.sh("svc install stamp --logs timestamps=true --log-file out/log.txt --restart never -- /bin/sh -c 'echo out; echo err >&2; printf end; sleep 1'").ok();
    bare.wait_state("stamp", "completed");
    let text = bare.read("out/log.txt");
    let lines: Vec<&str> = text.lines().collect();
    assert!(lines.len() >= 3, "{text}");
    for (line, words) in lines.iter().zip(["out", "err", "end"]) {
        let (stamp, rest) = line.split_once(' ').unwrap();
        assert!(stamp.starts_with("20") && stamp.ends_with('Z') && rest == words, "{text}");
    }
    bare.sh("svc logs stamp --since '1h ago'").ok().says("out");
    bare.sh("svc logs stamp --until '1h ago'").ok();
    bare.sh("svc logs one").code(4);
    // followed over a restart
    bare.sh("svc install f -- /bin/sh -c 'echo begin $$; exec sleep infinity'").ok();
    let followed = bare.sh(
        "timeout 20 svc logs f -f -n 0 | head -1 > followed & sleep 0.7; svc restart f >/dev/null; wait; cat followed",
    );
    assert!(followed.out.starts_with("begin "), "{followed}");
    bare.sh("svc uninstall --all --purge").ok();
    nothing_is_left(&bare);
}

#[test]
fn drift_is_seen_and_mended() {
    let bare = Bare::new();
    let job = "~/.local/state/svc/supervisor/jobs/web.toml";
    bare.sh(&format!("svc install web -- {SLEEP}")).ok();
    bare.sh(&format!("sed -i 's/infinity/1000/' {job}")).ok();
    assert_eq!(bare.status("web")["drifted"], true);
    bare.sh("svc status").says("drifted");
    bare.sh("svc status web").says("was edited").says("next: svc doctor web");
    bare.sh("svc doctor web").code(1).says("was edited").says("fix: svc doctor --fix web");
    bare.sh("svc doctor --fix web").ok();
    assert_eq!(bare.status("web")["drifted"], false);
    let line = |name: &str| std::fs::read_to_string(format!("/proc/{}/cmdline", bare.pid(name))).unwrap();
    assert!(line("web").contains("infinity"));
    // nonsense in it: what runs goes on, and what is asked is answered
    bare.sh(&format!("echo nonsense > {job}")).ok();
    assert_eq!(bare.status("web")["drifted"], true);
    bare.sh("svc restart web").ok();
    assert!(line("web").contains("infinity"));
    bare.sh("svc doctor --fix web; svc status web").ok();
    bare.sh(&format!("rm {job}; svc status web")).says("was removed");
    bare.sh("svc doctor --fix web; svc status web").ok();
    assert_eq!(bare.of_service("web").len(), 1);
    // one whose file somebody removed goes with the rest
    bare.sh(&format!("svc install other -- {SLEEP}; rm ~/.local/state/svc/supervisor/jobs/other.toml; svc uninstall other web --purge")).ok();
    // what svc found there and did not write is kept
    bare.sh("rm ~/.local/state/svc/supervisor/jobs/web.toml.before-svc-1").ok();
    bare.sh("rmdir -p ~/.local/state/svc/supervisor/jobs 2>/dev/null");
    nothing_is_left(&bare);
}

/// Everything is killed and the runtime folder is gone: what a login starts is what was enabled.
#[test]
fn a_login_starts_what_is_enabled() {
    let bare = Bare::new();
    bare.sh("echo '# mine' > ~/.profile").ok();
    bare.sh(&format!("svc install on -- {SLEEP}; svc install off -- {SLEEP}; svc install man --start manual -- {SLEEP}; svc disable off")).ok();
    bare.sh("svc install every --every 1h -- /bin/true").ok();
    bare.kill_all();
    std::fs::remove_dir_all(bare.runtime()).unwrap();
    // nobody starts a supervisor for a question
    bare.sh("svc status on").code(3);
    assert_eq!(bare.processes(), []);
    // as the login shell does it
    bare.sh("sh -l -c true").ok();
    bare.wait_state("on", "running");
    assert_eq!(bare.of_service("on").len(), 1, "{:?} {}", bare.processes(), bare.status("on"));
    assert_eq!((bare.of_service("off"), bare.of_service("man")), (vec![], vec![]));
    assert_eq!(bare.status("off")["state"], "stopped");
    bare.sh("svc status every").ok().says("next run");
    bare.sh("svc supervisor start").ok().says("running already");
    // stopped by a person, and a login later: it runs again, as it is enabled
    bare.sh("svc stop on").ok();
    bare.kill_all();
    std::fs::remove_dir_all(bare.runtime()).unwrap();
    bare.sh("svc supervisor start").ok();
    bare.wait_state("on", "running");
    bare.sh("svc uninstall --all --purge").ok();
    assert_eq!(std::fs::read_to_string(bare.home().join(".profile")).unwrap(), "# mine\n");
    std::fs::remove_file(bare.home().join(".profile")).unwrap();
    nothing_is_left(&bare);
}

/// `svc supervisor` itself: start, stop, reload; two that start at once end up as one.
#[test]
fn the_supervisor_itself() {
    let bare = Bare::new();
    bare.sh("svc supervisor status").code(3);
    bare.sh("svc supervisor reload").code(5).warns("is not running");
    bare.sh("svc supervisor stop").ok().says("stopped already");
    let program = bare.script(
        "count",
        "#!/usr/bin/python3\nimport time\ni = 0\nwhile True:\n  print(i, flush=True); i += 1\n  time.sleep(0.001)\n",
    );
    bare.sh(&format!("svc install web -- {program}")).ok();
    bare.sh("svc supervisor status").ok().says("1, 1 running");
    let (pid, keepers) = (bare.pid("web"), bare.keepers());
    for _ in 0..5 {
        bare.sh("svc supervisor reload").ok().says("reloaded");
        assert_eq!(bare.pid("web"), pid);
    }
    assert_eq!(bare.keepers().1, keepers.1, "the guardian is executed in place");
    assert_ne!(bare.keepers().0, keepers.0);
    bare.sh("svc stop web").ok();
    let text = std::fs::read_to_string(bare.log("web")).unwrap();
    let lines: Vec<&str> = text.lines().filter(|line| !line.starts_with("svc: ")).collect();
    for (number, line) in lines.iter().enumerate() {
        assert_eq!(*line, number.to_string());
    }
    bare.sh("svc supervisor stop").ok().says("stopped");
    bare.wait_empty();
    // asked to end by a signal: all is stopped, and it is gone
    bare.sh("svc supervisor start").ok();
    bare.wait_state("web", "running");
    kill(bare.keepers().1, 15);
    bare.wait_empty();
    // twenty at once, in the same moment
    bare.sh("for i in $(seq 20); do svc supervisor start >/dev/null 2>>err || echo failed >>err & done; wait").ok();
    let count = |name: &str| bare.processes().iter().filter(|seen| seen.name == name).count();
    wait_until("one of each", 10, || {
        let seen = (count("svc-supervisor"), count("svc-guardian"));
        if seen == (1, 1) { Ok(()) } else { Err(format!("{seen:?}")) }
    });
    assert_eq!(bare.sh("cat err").out, "");
    bare.wait_state("web", "running");
    assert_eq!(bare.of_service("web").len(), 1);
    bare.sh("svc uninstall --all --purge").ok();
    nothing_is_left(&bare);
}

/// Both keepers are killed: services go on, and every command still means what it says.
#[test]
fn without_its_keepers_a_service_is_still_under_control() {
    let bare = Bare::new();
    let fork = "import os,signal,time\nif os.fork()==0:\n  os.setsid()\n  if os.fork()==0:\n    signal.signal(15, signal.SIG_IGN)\n    time.sleep(9999)\n  os._exit(0)\ntime.sleep(9999)";
    let program = bare.script("fork.py", fork);
    bare.sh(&format!("svc install web --stop-timeout 500ms -- python3 {program}")).ok();
    wait_until("two processes", 10, || if bare.of_service("web").len() == 2 { Ok(()) } else { Err(String::new()) });
    for (command, left) in [
        ("svc status web", 2),
        ("svc supervisor start", 2),
        (&*format!("svc install web --stop-timeout 500ms -- python3 {program}"), 2),
        ("svc start web", 2),
        ("svc restart web", 2),
        ("svc stop web", 0),
    ] {
        bare.kill_keepers();
        let pid = bare.of_service("web").iter().map(|seen| seen.pid).min().unwrap();
        bare.sh(command).ok();
        wait_until(command, 10, || {
            let all = bare.of_service("web");
            if all.len() == left { Ok(()) } else { Err(format!("{all:?}")) }
        });
        assert_eq!(lives(pid), !matches!(command, "svc restart web" | "svc stop web"), "{command}");
    }
    assert_eq!(bare.status("web")["state"], "stopped");
    bare.sh("svc start web").ok();
    bare.kill_keepers();
    bare.sh("svc uninstall web --purge").ok();
    nothing_is_left(&bare);
}

/// A job file that somebody damaged while a supervisor is killed: no second copy, and it can be stopped.
#[test]
fn a_damaged_job_file_costs_no_service() {
    let bare = Bare::new();
    let job = bare.home().join(".local/state/svc/supervisor/jobs/web.toml");
    bare.sh(&format!("svc install web -- {SLEEP}")).ok();
    let whole = std::fs::read(&job).unwrap();
    for damage in [&b"nonsense"[..], b"", &whole[..whole.len() / 2]] {
        std::fs::write(&job, damage).unwrap();
        let supervisor = bare.keepers().0;
        kill(supervisor, 9);
        wait_until("the next one", 5, || bare.supervisor().filter(|pid| *pid != supervisor).ok_or(String::new()));
        bare.sh("svc status web").ok().says("running").says("was edited");
        bare.sh("svc logs web").says("it runs on, and is not started again before that is mended");
        bare.sh("svc doctor --fix web").ok();
        assert_eq!(std::fs::read(&job).unwrap(), whole);
        assert_eq!(bare.of_service("web").len(), 1);
        assert_eq!(bare.status("web")["state"], "running");
    }
    // and one that is stopped while its file is no good
    std::fs::write(&job, "nonsense").unwrap();
    kill(bare.keepers().0, 9);
    bare.sh("svc stop web").ok();
    assert_eq!(bare.of_service("web"), []);
    bare.sh("svc uninstall web --force --purge; rm ~/.local/state/svc/supervisor/jobs/*; rmdir -p ~/.local/state/svc/supervisor/jobs 2>/dev/null");
    nothing_is_left(&bare);
}

/// The supervisor ends with the last service while another one is installed.
#[test]
fn the_last_leaves_while_the_first_comes() {
    let bare = Bare::new();
    let turn = |name: &str| {
        format!(
            "for i in $(seq 15); do svc install {name} -- {SLEEP} >>out 2>&1 || echo {name} install $i >>failed; svc uninstall {name} >>out 2>&1 || echo {name} uninstall $i >>failed; done"
        )
    };
    bare.sh(&format!("touch failed; ({}) & ({}) & wait", turn("a"), turn("b"))).ok();
    assert_eq!(bare.sh("cat failed").out, "", "{}", bare.sh("cat out"));
    bare.sh("rm -rf ~/.local/state/svc/logs").ok();
    nothing_is_left(&bare);
}

/// Two homes of one account have services of the same name: neither touches the other's.
#[test]
fn two_homes_do_not_meet() {
    let (one, other) = (Bare::new(), Bare::new());
    for bare in [&one, &other] {
        bare.sh(&format!("svc install web -- {SLEEP}")).ok();
    }
    let pid = other.pid("web");
    one.kill_keepers();
    one.sh("svc stop web").ok();
    one.sh("svc start web").ok();
    one.kill_all();
    one.sh("svc status web").code(3);
    one.sh("svc start web && svc restart web").ok();
    assert_eq!(one.of_service("web").len(), 1);
    one.sh("svc uninstall web").ok();
    assert_eq!((other.pid("web"), other.of_service("web").len()), (pid, 1));
    other.sh("svc uninstall web").ok();
}
