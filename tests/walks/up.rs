//! The manifest as a way of life: `up`, `down`, `diff`.

use crate::ground::{Ground, sleep};
use crate::support::Ran;
use serde_json::{Value, json};

/// Services of a manifest, each a text of its fields.
fn write(ground: &Ground, services: &[(&str, &str)]) {
    let text: String = services.iter().map(|(name, fields)| format!("[service.{name}]\n{fields}\n")).collect();
    ground.write("p/svc.toml", &text);
}

fn run(ground: &Ground, more: &str) -> Ran {
    ground.sh(&format!("cd p && svc up {more}"))
}

/// What the plan says of each: how it differs and what is done.
fn planned(document: &Value) -> Vec<(String, String, Option<String>)> {
    let text = |value: &Value| value.as_str().map(str::to_owned);
    let items = document["plan"].as_array().unwrap_or_else(|| panic!("no plan: {document}"));
    let item = |item: &Value| (text(&item["name"]).unwrap(), text(&item["change"]).unwrap(), text(&item["action"]));
    items.iter().map(item).collect()
}

fn item(name: &str, change: &str, action: &str) -> (String, String, Option<String>) {
    (name.into(), change.into(), (!action.is_empty()).then(|| action.into()))
}

/// Everything that can be told of files and processes: what `up` may not touch when there is nothing to do.
fn stamp(ground: &Ground) -> String {
    let line = "cd; find . -type f -not -name lock -not -name '*.log' -not -path './.bash*' -printf '%p %T@ %i\\n' | grep -vE '/(launchd|state)/|supervisor/[^/]*$' | sort; \
        svc list --json | grep -o '\"pid\":[0-9]*'";
    ground.sh(line).ok().out
}

/// New, changed with and without a restart, unchanged, gone.
pub fn up(ground: &Ground) {
    let (a, b, c) = (sleep(), sleep(), sleep());
    let command = |sleep: &str| format!("command = \"{sleep}\"");
    let with = |sleep: &str, more: &str| format!("command = \"{sleep}\"\n{more}");
    write(ground, &[("a", &command(&a)), ("b", &with(&b, "start = \"manual\"")), ("c", &command(&c))]);
    // nothing is touched by looking
    ground.sh("cd p && svc diff").code(1).says("+ a: new: install, enable and start").says("+++ ").says("/dev/null");
    run(ground, "--dry-run").ok().says("+ b: new: install\n");
    ground.nothing_is_left();
    // new
    let first = run(ground, "").ok().says("a: installed, enabled and started").says("b: installed").warns("+ a: new");
    assert!(!first.out.contains("new"), "the plan goes to stderr: {first}");
    assert_eq!((ground.count(&a), ground.count(&b), ground.count(&c)), (1, 0, 1));
    // a second one does nothing
    let before = stamp(ground);
    run(ground, "").ok().says("nothing to do: all 3 services are as their definitions say");
    let document = run(ground, "--json").ok().json();
    assert_eq!(planned(&document), ["a", "b", "c"].map(|name| item(name, "unchanged", "")));
    assert_eq!(document["results"], json!([]));
    ground.sh("cd p && svc diff").ok();
    assert_eq!(ground.sh("cd p && svc diff").out, "");
    assert_eq!(stamp(ground), before);
    // changed: what needs it is restarted, and nothing else is
    write(
        ground,
        &[
            ("a", &with(&a, "description = \"other words\"\ngroup = [\"x\"]")),
            ("b", &with(&b, "start = \"manual\"")),
            ("c", &with(&c, "umask = \"027\"")),
        ],
    );
    let (pid_a, pid_c) = (ground.status("a")["pid"].clone(), ground.status("c")["pid"].clone());
    ground
        .sh("cd p && svc diff")
        .code(1)
        .says("~ a: changed (group, description): update\n")
        .says("~ c: changed (umask)");
    let done =
        run(ground, "").ok().says("a: updated (pid ").says("c: updated and restarted").says("1 service unchanged");
    assert!(done.err.contains("\n+") && done.err.contains("\n-"), "the diff is shown: {done}");
    assert_eq!(ground.status("a")["pid"], pid_a);
    assert_ne!(ground.status("c")["pid"], pid_c);
    assert_eq!((&ground.status("a")["drifted"], &ground.status("c")["drifted"]), (&json!(false), &json!(false)));
    run(ground, "").ok().says("nothing to do");
    // a manual one that runs takes its new command
    let other = sleep();
    ground.sh("svc start b").ok();
    write(ground, &[("a", &command(&a)), ("b", &with(&other, "start = \"manual\"")), ("c", &command(&c))]);
    run(ground, "").ok().says("b: updated and restarted");
    assert_eq!((ground.count(&b), ground.count(&other)), (0, 1));
    // one that was stopped is started, one that is not to start by itself any more does not
    ground.sh("svc stop a").ok();
    write(
        ground,
        &[("a", &command(&a)), ("b", &with(&other, "start = \"manual\"")), ("c", &with(&c, "start = \"manual\""))],
    );
    let pid_c = ground.status("c")["pid"].clone();
    run(ground, "").ok().says("a: started").says("c: updated and disabled");
    let manual = ground.status("c");
    assert_eq!(
        (&manual["enabled"], &manual["pid"], &manual["drifted"]),
        (&json!(false), &pid_c, &json!(false)),
        "{manual}"
    );
    // gone: named, and uninstalled only when that is asked for
    write(ground, &[("a", &command(&a)), ("b", &with(&other, "start = \"manual\""))]);
    ground.sh("cd p && svc diff").ok().warns("c: gone from the manifest: stays (`--prune` uninstalls it)");
    run(ground, "").ok().says("nothing to do").warns("c: gone from the manifest");
    assert_eq!(ground.count(&c), 1);
    ground
        .sh("cd p && svc diff --prune")
        .code(1)
        .says("- c: gone from the manifest: stop and uninstall")
        .says("+++ /dev/null");
    let document = run(ground, "--prune --json").ok().json();
    assert_eq!(planned(&document)[2], item("c", "gone", "stop and uninstall"));
    assert_eq!((&document["results"][0]["name"], &document["results"][0]["ok"]), (&json!("c"), &json!(true)));
    assert_eq!(ground.count(&c), 0);
    ground.sh("svc status c").code(4);
    run(ground, "--prune").ok().says("nothing to do");
    // the way back
    write(ground, &[("a", &command(&a))]);
    ground.sh("cd p && svc down --purge b").ok().says("b: stopped and uninstalled");
    assert_eq!((ground.count(&a), ground.count(&other)), (1, 0));
    ground.sh("rm p/svc.toml; cd p && svc down --purge --json").ok();
    assert_eq!(ground.count(&a), 0);
    ground.sh("cd p && svc down").code(2).warns("there is no manifest");
    ground.nothing_is_left();
    write(ground, &[("a", &command(&a))]);
    ground.sh("cd p && svc down").ok().warns("nothing to do");
    ground.sh("svc up").code(2).warns("there is no `svc.toml` here");
    ground.sh("cd p && svc up nobody").code(4).warns("there is no service `nobody`");
    ground.nothing_is_left();
}

/// Order, parts, dependencies, instances, groups, defaults, replacement.
pub fn up_parts(ground: &Ground) {
    let base = sleep();
    let (number, text) = (base.split_once(' ').unwrap().1, |more: &str| {
        format!(
            "project = \"shop\"\n[defaults]\nrestart = \"never\"\nenv = {{ WHO = \"{{name}} of {{project}}\" }}\n\
             [service.w]\ncommand = [\"/bin/sh\", \"-c\", \"echo $WHO {{instance}} {{name}} {{x}} > {{project_dir}}/said-{{instance}}; exec {base}1\"]\n\
             instances = [\"one\", \"two\"]\ngroup = [\"workers\"]\ndepends_on = [\"db\"]\n\
             [service.db]\ncommand = \"{base}2\"\n[service.web]\ncommand = \"{base}3\"\nrestart = \"always\"\n{more}"
        )
    });
    ground.write("p/svc.toml", &text(""));
    let running = || [1, 2, 3].map(|n| ground.count(&format!("/bin/sleep {number}{n}")));
    // a group, and what it depends on
    let document = run(ground, "@workers --json").ok().json();
    let names: Vec<String> = planned(&document).into_iter().map(|(name, ..)| name).collect();
    assert_eq!(names, ["w-one", "w-two", "db"]);
    assert_eq!(running(), [2, 1, 0]);
    assert_eq!(ground.read("p/said-one"), "w-one of shop one w-one {x}\n");
    assert_eq!(ground.read("p/said-two"), "w-two of shop two w-two {x}\n");
    run(ground, "'w-*'").ok().says("nothing to do: all 3");
    run(ground, "").ok().says("web: installed").says("3 services unchanged");
    assert_eq!(running(), [2, 1, 1]);
    ground.sh("svc show web").ok().says("restart = \"always\"");
    ground.sh("svc show w-one").ok().says("restart = \"never\"");
    // one that others depend on is restarted: they run after it
    ground.write("p/svc.toml", &text("").replace("[service.db]", "[service.db]\nnice = 3"));
    run(ground, "").ok().says("db: updated and restarted");
    for name in ["w-one", "w-two", "db", "web"] {
        ground.wait_state(name, "running");
    }
    // an instance less
    ground.write("p/svc.toml", &text("").replace(", \"two\"", ""));
    run(ground, "--prune w-two --yes").ok().says("w-two: stopped and uninstalled");
    assert_eq!(running(), [1, 1, 1]);
    run(ground, "").ok().says("db: updated and restarted");
    ground.wait_state("w-one", "running");
    // what needs one that goes no more is held up
    ground.write(
        "p/svc.toml",
        &text("")
            .replace(", \"two\"", "")
            .replace("depends_on = [\"db\"]\n", "")
            .replace("[service.db]", "[service.base]"),
    );
    let pid = ground.status("web")["pid"].clone();
    run(ground, "--prune")
        .ok()
        .says("db: stopped and uninstalled")
        .says("base: installed")
        .says("w-one: updated and restarted");
    assert_eq!(running(), [1, 1, 1]);
    assert_eq!(ground.status("web")["pid"], pid);
    ground.sh("cd p && svc down --purge @workers").ok().says("w-one: stopped and uninstalled");
    assert_eq!(running(), [0, 1, 1]);
    ground.sh("cd p && svc down --purge").ok();
    assert_eq!(running(), [0, 0, 0]);
    // logs of what was pruned stay
    ground.sh("cd; rm -rf .local/state/svc/logs; rmdir .local/state/svc 2>/dev/null; true").ok();
    ground.nothing_is_left();
}

/// A failure leaves each as it was or as it is wanted, and says which.
pub fn up_failing(ground: &Ground) {
    let (a, b, c) = (sleep(), sleep(), sleep());
    let command = |sleep: &str| format!("command = \"{sleep}\"");
    write(ground, &[("a", &command(&a)), ("b", &format!("{}\ndepends_on = [\"a\"]", command(&b)))]);
    run(ground, "").ok();
    let broken = "command = [\"/bin/sh\", \"-c\", \"echo last words; exit 9\"]";
    write(
        ground,
        &[("a", broken), ("b", &format!("{}\ndepends_on = [\"a\"]", command(&b))), ("c", &command(&c)), ("d", broken)],
    );
    let failed = run(ground, "--json").code(1).json();
    let result = |name: &str| {
        let results = failed["results"].as_array().unwrap();
        results.iter().find(|one| one["name"] == name).cloned().unwrap_or(Value::Null)
    };
    assert_eq!(
        (&result("a")["ok"], &result("c")["ok"], &result("d")["ok"]),
        (&json!(false), &json!(true), &json!(false)),
        "{failed}"
    );
    assert!(result("a")["notes"].to_string().contains("what was there before is back"), "{failed}");
    assert!(result("d")["notes"].to_string().contains("nothing of it is left behind"), "{failed}");
    assert!(result("a")["error"]["log"].to_string().contains("last words"), "{failed}");
    for (name, sleep) in [("a", &a), ("b", &b), ("c", &c)] {
        ground.wait_state(name, "running");
        assert_eq!(ground.count(sleep), 1, "{name}");
        assert_eq!(ground.status(name)["drifted"], false);
    }
    ground.sh("svc status d").code(4);
    // what is wrong is found before anything is touched
    let before = stamp(ground);
    write(ground, &[("a", "command = \"no-such-program\""), ("e", &command(&sleep()))]);
    run(ground, "").code(2).warns("no-such-program");
    write(ground, &[("a", &format!("{}\nrestart_delay = \"fast\"", command(&a)))]);
    run(ground, "--json").code(2);
    assert_eq!(stamp(ground), before);
    ground.sh("cd p && svc down --purge").ok();
    ground.nothing_is_left();
}

/// Edited, removed, lost: the same words everywhere, and `up` mends it.
pub fn up_drift(ground: &Ground) {
    let (a, other) = (sleep(), sleep());
    write(ground, &[("a", &format!("command = \"{a}\"\nenv = {{ API_TOKEN = \"hush-hush\", X = \"1\" }}"))]);
    run(ground, "").ok();
    let file = ground.status("a")["files"].as_array().unwrap().last().unwrap().as_str().unwrap().to_owned();
    let (old, new) = (a.split_once(' ').unwrap().1, other.split_once(' ').unwrap().1);
    ground.sh(&format!("sed -i 's/{old}/{new}/; s/hush-hush/mine-own/' {file}")).ok();
    ground.sh("svc status a").says("was edited");
    ground.sh("svc doctor a").code(1).says("was edited");
    let diff = ground.sh("cd p && svc diff").code(1).says("! a: drifted").says("was edited").says("***");
    assert!(diff.out.contains(old) && diff.out.contains(new), "{diff}");
    assert!(!diff.out.contains("hush-hush") && !diff.out.contains("mine-own"), "{diff}");
    let document = ground.sh("cd p && svc diff --json").code(1).json();
    assert!(document["plan"][0]["drift"].to_string().contains("was edited"), "{document}");
    assert!(!document.to_string().contains("hush-hush"), "{document}");
    let mended = run(ground, "").ok().says("a: updated and restarted");
    assert!(!format!("{mended}").contains("hush-hush"), "{mended}");
    assert_eq!((ground.count(&a), ground.count(&other)), (1, 0));
    ground.sh("cd p && svc diff").ok();
    ground.sh(&format!("rm {file}")).ok();
    ground.sh("cd p && svc diff").code(1).says("! a: drifted").says("was removed");
    run(ground, "").ok();
    assert_eq!(ground.status("a")["drifted"], false);
    ground.sh("svc disable a").ok();
    run(ground, "").ok().says("a: enabled (pid ");
    // what somebody wrote there can move no cursor; a file gets the bytes
    ground.sh(&format!("printf '# \\033[2J\\n' >> {file}")).ok();
    let err = run(ground, "").ok().err;
    assert!(err.contains("\\x1b[2J") && !err.contains("\x1b[2J"), "{err}");
    ground.sh("cd p && svc down --purge").ok();
    ground.nothing_is_left();
}

/// Names clash, folders move.
pub fn up_places(ground: &Ground) {
    let (a, b) = (sleep(), sleep());
    write(ground, &[("a", &format!("command = \"{a}\""))]);
    run(ground, "").ok();
    ground.write("q/svc.toml", &format!("[service.a]\ncommand = \"{b}\"\n[service.z]\ncommand = \"{b}\"\n"));
    let before = stamp(ground);
    for command in ["up", "diff", "install", "up --dry-run"] {
        ground
            .sh(&format!("cd q && svc {command}"))
            .code(2)
            .warns(&format!("is installed from `{}/p/svc.toml` already", ground.work()))
            .warns(&format!("this one is from `{}/q/svc.toml`", ground.work()));
    }
    assert_eq!(stamp(ground), before);
    assert_eq!((ground.count(&a), ground.count(&b)), (1, 0));
    // the other project's `down` is not this one's
    ground.sh("cd q && svc down").ok().warns("nothing to do");
    assert_eq!(ground.count(&a), 1);
    ground.sh("mv p moved").ok();
    ground.sh("svc list").ok().says("its manifest is gone").warns("the manifest of `a` is gone");
    let list = ground.sh("svc list --json").ok().json();
    assert_eq!(list[0]["manifest"], format!("{}/p/svc.toml", ground.work()), "{list}");
    assert_eq!(list[0]["manifest_missing"], true, "{list}");
    ground.sh("svc doctor a").says("its manifest").says("is gone");
    ground.sh("cd moved && svc up").code(2).warns("svc install --force a` takes it over, if the project was moved");
    ground.sh("cd moved && svc install --force a").ok();
    ground.sh("cd moved && svc up").ok().says("nothing to do");
    assert_eq!(ground.sh("svc list --json").ok().json()[0]["manifest_missing"], false);
    ground.sh("rm -r moved; svc uninstall a --purge").ok();
    assert_eq!(ground.count(&a), 0);
    ground.nothing_is_left();
}

/// Runs a command on a terminal and answers its question; what the terminal got.
const TERMINAL: &str = r#"#!/usr/bin/python3
import os, pty, sys
answer, command = sys.argv[1], sys.argv[2:]
pid, terminal = pty.fork()
if pid == 0:
    os.environ["TERM"] = "xterm"
    os.execvp(command[0], command)
seen = b""
while True:
    try:
        piece = os.read(terminal, 4096)
    except OSError:
        break
    if not piece:
        break
    seen += piece
    if answer and b"[y/N]" in seen:
        os.write(terminal, answer.encode() + b"\r")
        answer = ""
sys.stdout.buffer.write(seen)
sys.exit(os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]))
"#;

/// A person is asked before something goes, and sees how it comes along.
pub fn up_terminal(ground: &Ground) {
    let terminal = ground.write("terminal", TERMINAL);
    let (a, b) = (sleep(), sleep());
    let on = |answer: &str, line: &str| ground.sh(&format!("cd p && {terminal} '{answer}' svc --color never {line}"));
    write(ground, &[("a", &format!("command = \"{a}\"")), ("b", &format!("command = \"{b}\""))]);
    // nothing goes: no question; lines spin, and the report takes their place
    let shown = on("", "up").ok().says("a: waits").says("b: started").says("a: installed, enabled and started");
    assert!(!shown.out.contains("[y/N]"), "{shown}");
    write(ground, &[("a", &format!("command = \"{a}\""))]);
    on("n", "up --prune").code(1).says("Stop and uninstall `b`?").says("nothing was changed");
    assert_eq!((ground.count(&a), ground.count(&b)), (1, 1));
    on("", "up").ok().says("nothing to do");
    on("y", "up --prune").ok().says("Stop and uninstall `b`?").says("b: stopped and uninstalled");
    assert_eq!((ground.count(&a), ground.count(&b)), (1, 0));
    on("n", "down --purge").code(1).says("Stop and uninstall `a`?").says("nothing was changed");
    assert_eq!(ground.count(&a), 1);
    let shown = on("", "down --purge --yes").ok().says("a: stopped and uninstalled");
    assert!(!shown.out.contains("[y/N]"), "{shown}");
    ground.sh("cd; rm -rf .local/state/svc/logs; rmdir .local/state/svc 2>/dev/null; true").ok();
    ground.nothing_is_left();
}

/// Where a label names the job another label is another job, and the old one is gone.
pub fn up_label(ground: &Ground) {
    let a = sleep();
    let labelled = |label: &str| format!("command = \"{a}\"\nlabel = \"{label}\"");
    write(ground, &[("a", &labelled("org.example.a"))]);
    run(ground, "").ok();
    write(ground, &[("a", &labelled("org.example.b"))]);
    run(ground, "").ok().says("a: updated");
    assert_eq!((ground.count(&a), &ground.status("a")["drifted"]), (1, &json!(false)));
    write(ground, &[("a", "command = [\"/bin/sh\", \"-c\", \"exit 9\"]\nlabel = \"org.example.c\"")]);
    run(ground, "").code(1).warns("what was there before is back");
    assert_eq!((ground.count(&a), &ground.status("a")["drifted"]), (1, &json!(false)));
    write(ground, &[("a", &labelled("org.example.b"))]);
    run(ground, "").ok().says("nothing to do");
    ground.sh("cd p && svc down --purge").ok();
    assert_eq!(ground.count(&a), 0);
    ground.nothing_is_left();
}

/// Services that run at times, and those whose work is done.
pub fn up_timed(ground: &Ground) {
    let a = sleep();
    let every = |every: &str| format!("command = \"{a}\"\nevery = \"{every}\"\n");
    let done = "command = [\"/bin/sh\", \"-c\", \"sleep 2\"]\nrestart = \"never\"";
    write(ground, &[("t", &every("1h")), ("once", done)]);
    run(ground, "").ok().says("t: installed, enabled and armed").says("once: installed, enabled and started");
    ground.wait_state("once", "completed");
    let before = stamp(ground);
    run(ground, "").ok().says("nothing to do");
    assert_eq!(stamp(ground), before);
    // other times count from now on
    write(ground, &[("t", &every("2h")), ("once", done)]);
    ground.sh("cd p && svc diff").code(1).says("~ t: changed (every): update");
    run(ground, "").ok().says("t: updated").says("1 service unchanged");
    let next = ground.status("t")["next_run_at"].as_str().unwrap().parse::<jiff::Timestamp>().unwrap();
    let left = next.duration_since(jiff::Timestamp::now()).as_mins();
    assert!((61..=120).contains(&left), "{left} minutes");
    assert_eq!(ground.status("t")["drifted"], false);
    run(ground, "").ok().says("nothing to do");
    // a service of its own, and back
    write(ground, &[("t", &format!("command = \"{a}\"")), ("once", done)]);
    run(ground, "").ok().says("t: updated, enabled and started");
    assert_eq!(ground.count(&a), 1);
    write(ground, &[("t", &every("1h")), ("once", done)]);
    run(ground, "").ok().says("t: updated, enabled and armed");
    assert_eq!(ground.count(&a), 0);
    run(ground, "").ok().says("nothing to do");
    ground.sh("cd p && svc down --purge").ok();
    ground.nothing_is_left();
}

/// Two at once, and some that are killed in the middle: the next one brings about what the manifest says.
pub fn up_at_once(ground: &Ground) {
    let sleeps: Vec<String> = (0..5).map(|_| sleep()).collect();
    let fields: Vec<(String, String)> =
        sleeps.iter().enumerate().map(|(at, sleep)| (format!("a{at}"), format!("command = \"{sleep}\""))).collect();
    let services: Vec<(&str, &str)> = fields.iter().map(|(name, fields)| (name.as_str(), fields.as_str())).collect();
    write(ground, &services);
    let all_run_once = || {
        let counts: Vec<usize> = sleeps.iter().map(|sleep| ground.count(sleep)).collect();
        assert_eq!(counts, [1; 5]);
    };
    let both =
        ground.sh("cd p; svc up >one 2>&1 & one=$!; svc up >two 2>&1; two=$?; wait $one; echo $? $two; cat one two");
    assert!(both.out.starts_with("0 0\n"), "{both}");
    all_run_once();
    run(ground, "").ok().says("nothing to do");
    for moment in ["0.01", "0.03", "0.1", "0.3"] {
        ground.sh("cd p && svc down --yes --purge").ok();
        ground.sh(&format!("cd p && timeout -s KILL {moment} svc up >/dev/null 2>&1"));
        run(ground, "").ok();
        all_run_once();
        run(ground, "").ok().says("nothing to do");
    }
    ground.sh("cd p && svc down --yes --purge").ok();
    ground.nothing_is_left();
}
