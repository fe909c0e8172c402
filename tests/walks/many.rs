//! Several services of a manifest, in their order.

use crate::ground::Ground;

/// Says in a file when it is up and when it is told to stop.
const MEMBER: &str = r#"#!/usr/bin/python3
import os, signal, socket, sys, time
def say(text):
    with open(sys.argv[2], "a") as file:
        file.write(sys.argv[1] + " " + text + "\n")
def stop(*_):
    time.sleep(0.05)
    say("down")
    os._exit(0)
signal.signal(signal.SIGTERM, stop)
time.sleep(0.05)
say("up")
s = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
s.sendto(b"READY=1", os.environ["NOTIFY_SOCKET"])
while True:
    time.sleep(1000)
"#;

const UP: &str = "db up\napi up\nweb up\n";
const DOWN: &str = "web down\napi down\ndb down\n";

/// Three of which each needs the one before it.
pub fn manifest(ground: &Ground) {
    let member = ground.write("member", MEMBER);
    let order = format!("{}/order", ground.work());
    let one = |name: &str, more: &str| {
        format!("[service.{name}]\ncommand = [\"{member}\", \"{name}\", \"{order}\"]\nready = \"notify\"\n{more}\n")
    };
    let text = one("web", "depends_on = [\"api\"]\ngroup = [\"front\"]")
        + &one("db", "group = [\"back\"]")
        + &one("api", "depends_on = [\"db\"]\ngroup = [\"back\"]");
    ground.write("p/svc.toml", &text);
    let happened = |line: &str| {
        ground.sh(&format!("rm -f {order}; cd p && {line}")).ok();
        ground.sh(&format!("cat {order}")).out
    };
    let states = |all: [&str; 3]| {
        for (name, state) in ["db", "api", "web"].iter().zip(all) {
            ground.wait_state(name, state);
        }
    };
    let (running, stopped) = (["running"; 3], ["stopped"; 3]);
    assert_eq!(happened("svc install"), UP);
    states(running);
    ground.sh("cd p && svc status").ok().says("db").says("api").says("web");
    assert_eq!(happened("svc install"), "", "unchanged");
    assert_eq!(happened("svc stop"), DOWN);
    states(stopped);
    assert_eq!(happened("svc start"), UP);
    // the last one brings the others, the first one takes them
    assert_eq!(happened("svc stop db"), DOWN);
    states(stopped);
    assert_eq!(happened("svc start web"), UP);
    states(running);
    assert_eq!(happened("svc stop web"), "web down\n");
    states(["running", "running", "stopped"]);
    ground.sh("cd p && svc status").code(3);
    ground.sh("cd p && svc status @back").ok();
    ground.sh("cd p && svc status 'w*'").code(3);
    // selected: by name, glob, group
    assert_eq!(happened("svc start @front"), "web up\n");
    let names = |selector: &str| -> Vec<String> {
        let all = ground.sh(&format!("cd p && svc status {selector} --json")).json();
        all.as_array().unwrap().iter().map(|one| one["name"].as_str().unwrap().to_owned()).collect()
    };
    for (selector, expected) in [("@back", ["api", "db"]), ("'[ad]*'", ["api", "db"]), ("web db", ["db", "web"])] {
        let mut names = names(selector);
        names.sort();
        assert_eq!(names, expected, "{selector}");
    }
    assert_eq!(names("").len(), 3);
    // one that changed is restarted, the others are not touched
    let before = ground.status("db")["pid"].clone();
    ground.sh("cd p && sed -i 's/\\[service.web\\]/[service.web]\\nnice = 3/' svc.toml").ok();
    assert_eq!(happened("svc install"), "web down\nweb up\n");
    assert_eq!(ground.status("db")["pid"], before);
    // not without the one it needs
    ground
        .sh(&format!("svc install lost --depends-on nowhere -- {member} lost {order}"))
        .code(2)
        .warns("is neither among what is to be installed nor installed");
    // a part goes, with a word about who needs it
    ground.sh("cd p && svc uninstall db").ok().warns("`api` depends on `db`");
    ground.sh("svc status db").code(4);
    ground.sh("cd p && svc install").ok();
    states(running);
    assert_eq!(happened("svc uninstall --purge"), DOWN);
    ground.sh("svc status db").code(4);
    ground.nothing_is_left();
}
