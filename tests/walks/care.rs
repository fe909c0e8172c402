//! What is done for a service beside running it: `wait_for`, `on_failure`, `health`, `restart_reset`.

use crate::ground::{Ground, sleep};
use crate::support::wait_until;

/// A path that comes late, one that never comes, and the network.
pub fn wait_for(ground: &Ground) {
    let sleep = sleep();
    let work = ground.work();
    ground
        .sh(&format!(
            "(svc install waits --wait-for {work}/there -- {sleep}; echo \"exit $?\") >out 2>&1 </dev/null & disown"
        ))
        .ok();
    wait_until("it waits", 20, || {
        let ran = ground.sh("svc status waits --json");
        if ran.code == 3 && ran.json()[0]["state"] == "starting" { Ok(()) } else { Err(ran.to_string()) }
    });
    assert_eq!(ground.count(&sleep), 0, "not before it is there");
    ground.sh("touch there").ok();
    let out = wait_until("the install ends", 20, || {
        let out = ground.sh("cat out").out;
        if out.contains("exit") { Ok(out) } else { Err(out) }
    });
    assert!(out.ends_with("exit 0\n"), "{out}");
    ground.wait_state("waits", "running");
    assert_eq!(ground.count(&sleep), 1);
    // once more, with all of it there
    ground.sh("svc restart waits").ok();
    ground.sh("svc uninstall waits --purge").ok();

    ground
        .sh(&format!("svc install late --wait-for {work}/never --start-timeout 1s --restart never -- {sleep}"))
        .code(1)
        .warns("never")
        .warns("nothing of it is left behind");
    ground.sh("svc status late").code(4);
    // every machine that runs this has more than a loopback, or waits in vain
    let up = ground.sh("ip -o addr show scope global up 2>/dev/null | grep -q .").code == 0;
    let network =
        ground.sh(&format!("svc install online --wait-for network --start-timeout 2s --restart never -- {sleep}"));
    assert_eq!(network.code, i32::from(!up), "{network}");
    ground.sh("svc uninstall --all --purge").ok();
    ground.nothing_is_left();
}

/// Told once, when it has failed for good, not at each crash.
pub fn on_failure(ground: &Ground) {
    ground.write(
        "svc.toml",
        r#"
[service.bad]
command = ["/bin/sh", "-c", "exit 7"]
restart_delay = "100ms"
restart_limit = { count = 3, within = "1m" }
env = { WHO = "me" }
on_failure = { command = ["/bin/sh", "-c", "echo \"{name} $WHO $SVC_SERVICE: $SVC_REASON\" >> told"] }
"#,
    );
    ground.sh("svc install --no-start").ok();
    ground.sh("svc start bad").code(1);
    ground.wait_state("bad", "failed");
    let told = ground.read("told");
    assert!(told.starts_with("bad me bad: exit code 7"), "{told}");
    assert_eq!(told.lines().count(), 1, "{told}");
    // a person's stop is no failure
    ground.sh("rm told svc.toml; svc uninstall bad --purge").ok();
    ground.sh(&format!("svc install good --on-failure 'touch told' -- {}", sleep())).ok();
    ground.sh("svc stop good").ok();
    ground.sh("svc uninstall --all --purge; test ! -e told").ok();
    ground.nothing_is_left();
}

/// By a command, restarted; by an address, reported.
pub fn health(ground: &Ground) {
    let sleep = sleep();
    ground.write(
        "svc.toml",
        &format!(
            r#"
[service.web]
command = "{sleep}"
restart_delay = "100ms"
restart_limit = {{ count = 1000, within = "1m" }}
health = {{ command = ["/bin/sh", "-c", "test -e well || exit 3"], interval = "200ms", retries = 2, grace = "0s" }}
"#
        ),
    );
    ground.sh("touch well; svc install").ok();
    let word = |status: &serde_json::Value| status["health"]["state"].as_str().unwrap_or_default().to_owned();
    let well = ground.wait("web", "is healthy", |status| word(status) == "healthy");
    assert!(well["health"]["checked_at"].is_string(), "{well}");
    ground.sh("svc status web").ok().says("healthy, checked");
    ground.sh("rm well").ok();
    let pid = well["pid"].clone();
    ground.wait("web", "is another process", |status| status["pid"].is_u64() && status["pid"] != pid);
    assert!(ground.status("web")["restarts"].as_u64() >= Some(1), "{}", ground.status("web"));
    ground.sh("svc logs web").ok().says("unhealthy: exit code 3");
    ground.sh("touch well").ok();
    ground.wait("web", "is healthy again", |status| word(status) == "healthy" && status["state"] == "running");
    ground.sh("svc stop web").ok();
    assert!(ground.status("web")["health"].is_null(), "nothing is known of one that is down");
    ground.sh("svc uninstall web --purge").ok();

    // an address that answers badly: said, nothing else is done
    let server = ground.write(
        "server.py",
        r#"import http.server, os
class Answer(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        self.send_response(200 if os.path.exists("fine") else 503); self.end_headers()
        self.wfile.write(b"status: fine\n")
    def log_message(self, *_): pass
server = http.server.HTTPServer(("127.0.0.1", 0), Answer)
open("port", "w").write(str(server.server_address[1]) + "\n")
server.serve_forever()
"#,
    );
    ground.sh(&format!("svc install plain -- /usr/bin/python3 {server}")).ok();
    let port = ground.read("port").trim().to_owned();
    ground
        .sh(&format!(
            "svc install looks --health http=http://127.0.0.1:{port}/,body=fine,interval=200ms,retries=2,\
         grace=0s,on_failure=report -- {sleep}"
        ))
        .ok();
    let ill = ground.wait("looks", "is unhealthy", |status| word(status) == "unhealthy");
    assert!(ill["health"]["message"].as_str().unwrap().contains("HTTP status 503"), "{ill}");
    ground.sh("svc status --all").says("unhealthy");
    ground.sh("touch fine").ok();
    let better = ground.wait("looks", "is healthy", |status| word(status) == "healthy");
    assert_eq!((&better["pid"], &better["state"]), (&ill["pid"], &ill["state"]), "it was left alone");
    // another rule, none, and one again: what checks goes by it, the program runs on where its manager can do that
    let runs_on = |status: &serde_json::Value| {
        assert!(status["pid"] == better["pid"] || ground.differs().backend == "launchd", "{status} after {better}");
    };
    let rule = format!(
        "--health http=http://127.0.0.1:{port}/,body=other,interval=200ms,retries=2,grace=0s,on_failure=report"
    );
    ground.sh(&format!("svc install looks {rule} -- {sleep}")).ok();
    runs_on(&ground.wait("looks", "is unhealthy by the new rule", |status| word(status) == "unhealthy"));
    ground.sh(&format!("svc install looks -- {sleep}")).ok();
    runs_on(&ground.wait("looks", "is not checked", |status| status["health"].is_null()));
    ground.sh(&format!("svc install looks {rule} -- {sleep}")).ok();
    runs_on(&ground.wait("looks", "is checked again", |status| word(status) == "unhealthy"));
    ground.sh("svc uninstall --all --purge").ok();
    ground.nothing_is_left();
}

/// Crashes that are far enough apart are never too many.
pub fn restart_reset(ground: &Ground) {
    ground.write(
        "svc.toml",
        r#"
[service.again]
command = ["/bin/sh", "-c", "echo start >> starts; sleep 2.5; exit 1"]
restart_delay = "100ms"
restart_max_delay = "1h"
restart_limit = { count = 2, within = "1h" }
restart_reset = "1s"
"#,
    );
    ground.sh("svc install").ok();
    wait_until("five starts", 60, || {
        let starts = ground.sh("wc -l < starts").out;
        if starts.trim().parse::<u32>().unwrap_or(0) >= 5 { Ok(()) } else { Err(ground.status("again").to_string()) }
    });
    ground.sh("svc uninstall --all --purge").ok();
    ground.nothing_is_left();
}
