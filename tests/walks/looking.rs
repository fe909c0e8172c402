//! What can be looked at: logs, status and list as JSON, the files, the definition.

use crate::ground::{Ground, sleep};
use crate::support::wait_until;

/// By name, count and pattern.
pub fn logs(ground: &Ground) {
    let program = |word: &str| {
        format!(
            "svc install {word} -- /bin/sh -c 'for i in 1 2 3 4 5; do echo {word} line $i; done; printf \"\\033[31mred\\n\"; echo no end >&2; exec sleep 99999'"
        )
    };
    ground.sh(&program("one")).ok();
    ground.sh(&program("two")).ok();
    for name in ["one", "two"] {
        wait_until("lines", 10, || {
            let ran = ground.sh(&format!("svc logs {name}"));
            if ran.out.contains("no end") { Ok(()) } else { Err(ran.to_string()) }
        });
        assert_eq!(ground.status(name)["log"].is_null(), ground.differs().journal, "{}", ground.status(name));
    }
    assert_eq!(ground.sh("svc logs one --grep 'line [0-9]' -n 2").ok().out, "one line 4\none line 5\n");
    assert_eq!(ground.sh("svc logs one --grep '^(one line 1|no end)$'").ok().out, "one line 1\nno end\n");
    // the journal may have the manager's own word on the start behind the program's first ones
    let last = ground.sh("svc logs one -n 1").ok().out;
    assert!(last == "no end\n" || ground.differs().journal && last.starts_with("Started one"), "{last:?}");
    let both = ground.sh("svc logs one two --grep 'line 3'").ok();
    let mut lines: Vec<&str> = both.out.lines().collect();
    lines.sort_unstable();
    assert_eq!(lines, ["one | one line 3", "two | two line 3"]);
    assert_eq!(ground.sh("svc logs 'o*' --grep 'line 3'").ok().out, "one line 3\n");
    ground.sh("svc logs --all --grep 'line 3'").ok().says("two | two line 3");
    let line = ground.sh("svc logs one --grep 'line 3' --json").ok().json();
    let keys: Vec<&String> = line.as_object().unwrap().keys().collect();
    assert_eq!(keys, ["time", "service", "stream", "pid", "message"]);
    assert_eq!((&line["service"], &line["message"]), (&"one".into(), &"one line 3".into()));
    ground.sh("svc logs one --since soon").code(2).warns("is not a time");
    ground.sh("svc logs one --grep '('").code(2).warns("--grep");
    ground.sh("svc logs nobody").code(4).warns("there is no service `nobody`");
    // a terminal gets no escapes of the program; a pipe gets its bytes
    ground.sh("script -qec 'svc logs one --color never' /dev/null | cat -v").ok().says("\\x1b[31mred");
    ground.sh("svc logs one | cat -v").ok().says("^[[31mred");
    // the last lines in the view of one
    ground.sh("svc status two").ok().says("two line 5").says("\\x1b[31mred");
    // followed over a restart
    let followed = ground.sh("timeout 30 svc logs one -f -n 0 --grep 'line 1' | head -1 > followed & sleep 1; svc restart one >/dev/null; wait; cat followed");
    assert_eq!(followed.out, "one line 1\n", "{followed}");
    // a file of one's own
    ground.sh("svc install file --log-file log/out.txt -- /bin/sh -c 'echo to the file; echo and this >&2; exec sleep 99999'").ok();
    wait_until("both lines", 10, || {
        let ran = ground.sh("svc logs file -n 2").ok();
        if ran.out == "to the file\nand this\n" { Ok(()) } else { Err(ran.to_string()) }
    });
    assert_eq!(ground.status("file")["log"], format!("{}/log/out.txt", ground.work()));
    assert_eq!(ground.read("log/out.txt").lines().next(), Some("to the file"));
    // lines are kept until --purge
    ground.sh("svc uninstall file && test -s log/out.txt").ok();
    ground.sh("svc install file --log-file log/out.txt -- /bin/sleep 99999; svc uninstall --all --purge; test ! -e log/out.txt").ok();
    ground.nothing_is_left();
}

/// What became of a service, by whom, and what it wrote before; followed services that come and go.
pub fn history(ground: &Ground) {
    let crash = "'echo run $$; sleep 1.2; echo last words; exit 3'";
    ground.sh(&format!("svc install web --restart-delay 200ms --restart-limit 2/1m -- /bin/sh -c {crash}")).ok();
    // meanwhile: who comes is followed, who is named and goes ends it, and so does a reader that goes
    let sleep = sleep();
    let hello =
        |name: &str| format!("svc install {name} -- /bin/sh -c 'echo hello of {name}; exec {sleep}' >/dev/null");
    ground.sh(&format!("timeout -s INT 60 svc logs -f 'fol*' > many 2>&1 & echo $! > pid; {}; (timeout 60 svc logs -f fol1 > one 2>&1; echo exit $? >> one) >/dev/null 2>&1 & timeout 30 svc logs -f fol1 -n 1 | head -1 > first; {}", hello("fol1"), hello("fol2"))).ok();
    let seen = wait_until("the one who came later", 20, || {
        let ran = ground.sh("cat many");
        if ran.out.contains("hello of fol2") { Ok(ran) } else { Err(ran.to_string()) }
    });
    assert!(seen.out.contains("fol1 | ") && seen.out.contains("fol2 | hello of fol2"), "{seen}");
    assert_eq!(ground.sh("grep -c . first").out, "1\n");
    ground.sh("svc uninstall fol1 fol2 --purge").ok();
    wait_until("the end of what was followed", 20, || {
        let ran = ground.sh("cat one");
        if ran.out.ends_with("exit 0\n") { Ok(()) } else { Err(ran.to_string()) }
    });
    ground.sh("test $(grep -c 'hello of fol1' one) = 1; kill -INT $(cat pid)").ok();
    assert_eq!(ground.sh("timeout --preserve-status -s INT 1 svc logs -f web >/dev/null; echo $?").out, "130\n");
    // it crashed, was restarted, and has failed
    ground.wait_state("web", "failed");
    let events = |more: &str| ground.sh(&format!("svc history web --json {more}")).ok().json();
    let words = |events: &serde_json::Value| -> Vec<String> {
        events.as_array().unwrap().iter().map(|one| one["event"].as_str().unwrap().to_owned()).collect()
    };
    let all = wait_until("the whole story", 10, || {
        let all = events("");
        let words = words(&all);
        // systemd has another way to count to the limit
        let whole = words.starts_with(&["installed", "started", "exited", "restarting", "started"].map(str::to_owned));
        let told = all.as_array().unwrap().iter().filter(|one| one["event"] == "exited").all(|one| {
            one["exit_code"] == 3
                && one["lines"].as_array().is_some_and(|lines| lines.last() == Some(&"last words".into()))
        });
        if whole && told && words.last().is_some_and(|last| last == "failed") { Ok(all) } else { Err(all.to_string()) }
    });
    let runs = words(&all).iter().filter(|word| *word == "exited").count();
    assert!(runs >= 2, "{all}");
    assert!(all[0]["by"]["user"].is_string() && all[0]["to"].is_string() && all[0]["from"].is_null(), "{all}");
    assert_eq!(
        (&all[2]["exit_code"], &all[2]["signal"], &all[2]["by"]),
        (&3.into(), &serde_json::Value::Null, &serde_json::Value::Null)
    );
    ground.sh("svc history web").ok().says("exit code 3").says("| last words").says("installed   definition ");
    ground.sh("svc history web -n 1").ok().says("failed");
    ground.sh("svc history nobody").code(4);
    let failed = ground.sh("svc logs web --failed").ok();
    assert_eq!(failed.out.matches("last words").count(), runs, "{failed}");
    assert_eq!(failed.out.matches("exit code 3, 20").count(), runs, "{failed}");
    assert_eq!(ground.sh("svc logs web").ok().out.matches("last words").count(), runs);
    assert_eq!(ground.sh("svc logs web --last-run").ok().out.matches("last words").count(), 1);
    assert_eq!(ground.sh("svc logs web --grep 'last words' -n 2 -B 1 --json").ok().out.lines().count(), 4);
    assert_eq!(ground.sh("svc logs web --since '1h ago' --boot --grep '^last'").ok().out.lines().count(), runs);
    assert_eq!(ground.sh("svc logs web --until '1h ago'").ok().out, "");
    // what people do
    ground.sh(&format!("svc install web -e A=1 -- {sleep}")).ok();
    ground.sh("svc restart web; svc stop web").ok();
    let all = wait_until("what was done", 10, || {
        let all = events("--since '10m ago'");
        // launchd alone tells nobody
        let last = if ground.differs().backend == "launchd" { "stop" } else { "stopped" };
        if words(&all).last().is_some_and(|one| one == last) { Ok(all) } else { Err(all.to_string()) }
    });
    let done = words(&all);
    for word in ["changed", "restart", "stop"] {
        assert_eq!(done.iter().filter(|one| *one == word).count(), 1, "{word}: {done:?}");
    }
    let changed = all.as_array().unwrap().iter().find(|one| one["event"] == "changed").unwrap();
    assert!(changed["fields"].as_array().unwrap().contains(&"env".into()), "{changed}");
    assert_eq!(changed["from"], all[0]["to"], "{all}");
    // two at once are one stream in the order of time
    if ground.differs().backend != "launchd" {
        ground.sh("for s in one two; do svc install $s --no-start -- /bin/sh -c 'for i in 1 2 3 4; do echo '$s'$i; sleep 0.3; done; sleep 9999' & done; wait; svc start one; svc start two").ok();
        wait_until("all lines", 15, || {
            let ran = ground.sh("svc logs one two --grep '^(one|two)[0-9]' --no-prefix");
            let order: Vec<&str> = ran.out.lines().collect();
            let times = ground.sh("svc logs one two --grep '^(one|two)[0-9]' --json | sed 's/\"service.*//'").out;
            let sorted = times.lines().is_sorted();
            if order.len() == 8 && sorted { Ok(()) } else { Err(format!("{order:?} {times}")) }
        });
    }
    ground.sh("svc uninstall --all --purge").ok();
    ground.nothing_is_left();
}

/// DESIGN §3, and those that came later.
const KEYS: [&str; 27] = [
    "name",
    "kind",
    "backend",
    "scope",
    "state",
    "enabled",
    "pid",
    "started_at",
    "restarts",
    "exit_code",
    "signal",
    "memory_bytes",
    "cpu_seconds",
    "status_text",
    "stage",
    "progress",
    "eta_seconds",
    "health",
    "project",
    "manifest",
    "drifted",
    "files",
    "log",
    "next_run_at",
    "reason",
    "manifest_missing",
    "log_rate",
];

/// The same on all grounds, whatever the state.
pub fn keys_of_json(ground: &Ground) {
    let sleep = sleep();
    ground.sh(&format!("svc install up -- {sleep}; svc install off --no-start --no-enable -- {sleep}; svc install tick --every 1h -- /bin/true")).ok();
    ground.sh("svc install ends -- /bin/sh -c 'sleep 2'").ok();
    ground.wait_state("ends", "completed");
    for command in ["svc status --json", "svc list --json", "svc status up --json"] {
        let all = ground.sh(command).json();
        assert!(!all.as_array().unwrap().is_empty());
        for one in all.as_array().unwrap() {
            let keys: Vec<&String> = one.as_object().unwrap().keys().collect();
            assert_eq!(keys, KEYS, "{command}");
            assert_eq!((&one["kind"], &one["scope"]), (&"service".into(), &"user".into()), "{one}");
            assert_eq!(one["backend"], ground.differs().backend);
            assert!(one["enabled"].is_boolean() && one["drifted"] == false && one["restarts"].is_u64(), "{one}");
            let files = one["files"].as_array().unwrap();
            assert!(
                !files.is_empty() && files.iter().all(|file| file.as_str().is_some_and(|file| file.starts_with('/')))
            );
        }
    }
    // memory and time appear a moment after the start
    let up =
        ground.wait("up", "measured", |one| one["memory_bytes"].as_u64() > Some(0) && one["cpu_seconds"].is_number());
    assert!(up["pid"].as_u64() > Some(1), "{up}");
    let began = up["started_at"].as_str().unwrap();
    assert!(began.starts_with("20") && began.ends_with('Z'), "{up}");
    let off = ground.status("off");
    for absent in
        ["pid", "started_at", "exit_code", "signal", "memory_bytes", "status_text", "next_run_at", "reason", "health"]
    {
        assert!(off[absent].is_null(), "{absent}: {off}");
    }
    let tick = ground.status("tick");
    assert!(tick["next_run_at"].as_str().is_some_and(|at| at.ends_with('Z')) && tick["pid"].is_null(), "{tick}");
    // errors are one document too
    let error = ground.sh("svc status nobody --json").code(4).json();
    let keys: Vec<&String> = error["error"].as_object().unwrap().keys().collect();
    assert_eq!(keys[..4], ["code", "message", "hint", "service"]);
    ground.sh("svc uninstall --all --purge").ok();
    assert_eq!(ground.sh("svc status --json; svc list --json").ok().out, "[]\n[]\n");
    ground.nothing_is_left();
}

/// Before and after it is installed.
pub fn list_show_render(ground: &Ground) {
    let sleep = sleep();
    ground.write("p/svc.toml", &format!("project = \"shop\"\n[service.web]\ncommand = \"{sleep}\"\ngroup = [\"front\"]\nenv = {{ API_TOKEN = \"topsecret\" }}\n"));
    // rendered: nothing is installed
    let rendered = ground.sh("cd p && svc render --json").ok().json();
    let number = sleep.split_once(' ').unwrap().1;
    ground.sh("cd p && svc render").ok().says(number);
    ground.sh("cd p && svc render --explain").ok().says("restart_delay").says("stop_timeout");
    ground.sh("cd p && svc render -o out && test -n \"$(ls out)\"").ok();
    ground.sh("cd p && svc install --dry-run").ok().says(number);
    ground.nothing_is_left();
    // what is installed is what was rendered
    ground.sh("cd p && svc install").ok().says("web: installed");
    let status = ground.status("web");
    for file in rendered.as_array().unwrap() {
        let path = file["path"].as_str().unwrap();
        let ran = ground.sh(&format!("cat {path} && stat -c %a {path}")).ok();
        let mode = file["mode"].as_str().unwrap().trim_start_matches('0');
        assert_eq!(ran.out, format!("{}{mode}\n", file["contents"].as_str().unwrap()), "{path}");
        assert!(status["files"].as_array().unwrap().contains(&file["path"]), "{path} in {status}");
    }
    assert_eq!(
        (&status["project"], &status["manifest"]),
        (&"shop".into(), &format!("{}/p/svc.toml", ground.work()).into())
    );
    ground
        .sh("svc show web")
        .ok()
        .says("restart = \"on-failure\"")
        .says("API_TOKEN = \"***\"")
        .says("stop_timeout = \"10s\"");
    ground.sh("cd p && sed -i 's/front/back/' svc.toml && svc show web").ok();
    ground.sh("svc list").ok().says("web").says("shop").says("/p/svc.toml");
    // a list is of everything, anywhere; asking for less is for status
    ground.sh(&format!("svc install other --no-start -- {sleep}; cd p && svc list")).ok().says("web").says("other");
    ground.sh("cd p && svc status").ok();
    ground.sh("svc show nobody").code(4);
    ground.sh("svc uninstall --all --purge").ok();
    assert_eq!(ground.sh("svc list --json").ok().out, "[]\n");
    ground.nothing_is_left();
}

/// `svc show NAME > svc.toml`: a service from the command line gets its manifest, and goes on as it is.
pub fn show_makes_a_manifest(ground: &Ground) {
    let sleep = sleep();
    ground.sh(&format!("mkdir q && cd q && svc install web -e 'A=x y' --group g --stop-timeout 3s -- {sleep}")).ok();
    let before = ground.status("web");
    let files = before["files"].as_array().unwrap().clone();
    let read = |files: &[serde_json::Value]| -> String {
        files.iter().map(|file| ground.sh(&format!("cat {}", file.as_str().unwrap())).ok().out).collect()
    };
    let old = read(&files);
    ground.sh("svc show web > q/svc.toml").ok();
    let again = ground.sh("cd q && svc install").ok().says("web: updated").warns("is this manifest's from now on");
    assert!(!again.out.contains("restarted"), "{again}");
    let after = ground.status("web");
    for same in ["pid", "restarts", "state", "enabled", "files", "log"] {
        assert_eq!(after[same], before[same], "{same}: {before} {after}");
    }
    assert_eq!(after["manifest"], format!("{}/q/svc.toml", ground.work()));
    assert_eq!(after["drifted"], false);
    let new = read(&files);
    assert_eq!(new.lines().count(), old.lines().count());
    let differ: Vec<&str> = old.lines().zip(new.lines()).filter(|(old, new)| old != new).map(|(old, _)| old).collect();
    let of_the_place = |line: &&str| line.contains("the command line in") || line.to_lowercase().contains("hash");
    assert!(differ.iter().all(of_the_place), "{differ:?}");
    assert!(new.contains("/q/svc.toml"), "{new}");
    // and it is the manifest's: a second time nothing at all happens, a change of it is taken
    let second = ground.sh("cd q && svc install").ok().says("web: unchanged");
    assert!(!second.err.contains("from now on"), "{second}");
    assert_eq!(read(&files), new);
    ground.sh("cd q && sed -i 's/x y/z/' svc.toml && svc install").ok().says("web: updated");
    // a secret does not get lost on the way
    ground.sh(&format!("svc install other -e API_TOKEN=hush -- {sleep}")).ok();
    ground.sh("mkdir r && svc show other > r/svc.toml").ok().warns("`API_TOKEN` is shown as `***`");
    ground.sh("cd r && svc install").code(2).warns("is what `svc show` prints in the place of a secret");
    ground.sh("svc show other --secrets > r/svc.toml && cd r && svc install").ok().says("other: updated");
    ground.sh("svc uninstall --all --purge").ok();
    ground.nothing_is_left();
}
