//! Any argv and environment arrives byte for byte through `svc install` and a real systemd, or svc's own
//! supervisor, or is refused before anything is written. One manifest of many services, one program that writes down
//! what it got.
#![allow(clippy::unwrap_used, clippy::print_stderr, reason = "test code")]

mod support;
use proptest::prelude::*;
use proptest::strategy::ValueTree;
use proptest::test_runner::TestRunner;
use std::collections::BTreeMap;
use support::{Host, host, wait_until};

/// Writes argv and environment as hexadecimal JSON to got/NAME, then waits.
const PROBE: &str = r#"#!/usr/bin/python3
import json, os, sys, time
argv = [os.fsencode(word).hex() for word in sys.argv]
env = {k.hex(): v.hex() for k, v in os.environb.items()}
name = os.environ["PROBE_NAME"]
folder = os.environ["PROBE_OUT"]
with open(f"{folder}/.{name}", "w") as out:
    json.dump({"argv": argv, "env": env, "cwd": os.fsencode(os.getcwd()).hex()}, out)
print("up", flush=True)
os.rename(f"{folder}/.{name}", f"{folder}/{name}")
time.sleep(100000)
"#;

#[derive(Debug, Clone)]
struct Case {
    args: Vec<String>,
    env: BTreeMap<String, String>,
}

/// Characters that mean something to systemd, a shell, TOML or a terminal, beside all others.
fn text() -> impl Strategy<Value = String> {
    let special = prop::sample::select(
        "%$\\\"';#{}[]()<>|&*?~`!:@+-= \t\n\r\u{1}\u{1b}\u{7f}\u{80}äß€😀\u{202e}\u{feff}".chars().collect::<Vec<_>>(),
    );
    let words = prop::sample::select(vec![
        "%h",
        "%%",
        "$HOME",
        "${HOME}",
        "$$",
        "\\x41",
        "\\",
        "\\\\",
        ";",
        "\\;",
        "{name}",
        "{home",
        "%",
        "'",
        "\"",
        "-",
        "@",
        "",
        " ",
        "\n[Service]\nUser=root",
        "#x",
        "%n%i",
    ]);
    prop_oneof![
        3 => prop::collection::vec(special, 0..20).prop_map(|all| all.into_iter().collect()),
        2 => prop::collection::vec(words, 0..4).prop_map(|all| all.concat()),
        1 => any::<String>(),
        1 => "[a-z]{1,2000}",
    ]
    // what no process or no unit can have is refused, and tested below
    .prop_filter("can be carried", |text: &String| !text.chars().any(|c| c == '\0' || is_noncharacter(c)))
}

fn is_noncharacter(c: char) -> bool {
    let code = u32::from(c);
    (0xfdd0..=0xfdef).contains(&code) || code & 0xfffe == 0xfffe
}

fn case() -> impl Strategy<Value = Case> {
    let name = "[A-Za-z_][A-Za-z0-9_]{0,12}".prop_map(|name| format!("T_{name}"));
    (prop::collection::vec(text(), 0..6), prop::collection::btree_map(name, text(), 0..5))
        .prop_map(|(args, env)| Case { args, env })
}

/// `{name}` and its like are replaced by design.
fn expanded(text: &str, name: &str) -> String {
    text.replace("{name}", name)
}

/// The manager that runs the services.
const MANAGERS: [&str; 2] = ["systemd", "supervisor"];

fn run(host: &Host, manager: &str, cases: &[Case]) {
    let mut services = toml::Table::new();
    for (at, case) in cases.iter().enumerate() {
        let name = format!("p{at}");
        let mut env: toml::Table = case.env.iter().map(|(key, value)| (key.clone(), value.clone().into())).collect();
        env.insert("PROBE_NAME".into(), name.clone().into());
        env.insert("PROBE_OUT".into(), "/home/tester/got".into());
        let command: Vec<toml::Value> = std::iter::once("/home/tester/probe".into())
            .chain(case.args.iter().map(|arg| arg.clone().into()))
            .collect();
        let mut service = toml::Table::new();
        service.insert("command".into(), command.into());
        service.insert("env".into(), env.into());
        services.insert(name, service.into());
    }
    let mut manifest = toml::Table::new();
    manifest.insert("service".into(), services.into());
    host.write("/home/tester/many/svc.toml", &toml::to_string(&manifest).unwrap());
    host.user(&format!("rm -rf got; mkdir got; cd many && svc --backend {manager} install -q")).ok();
    wait_until("all have written what they got", 60, || {
        let count: usize = host.user("ls got | wc -l").out.trim().parse().unwrap_or(0);
        if count == cases.len() { Ok(()) } else { Err(format!("{count} of {}", cases.len())) }
    });
    let all = host.user("for f in got/*; do echo \"${f#got/} $(cat $f)\"; done").ok().out;
    let hex = |text: &str| text.bytes().map(|byte| format!("{byte:02x}")).collect::<String>();
    for line in all.lines() {
        let (name, json) = line.split_once(' ').unwrap();
        let got: serde_json::Value = serde_json::from_str(json).unwrap();
        let case = &cases[name[1..].parse::<usize>().unwrap()];
        let wanted: Vec<String> = std::iter::once("/home/tester/probe".into())
            .chain(case.args.iter().cloned())
            .map(|arg| hex(&expanded(&arg, name)))
            .collect();
        assert_eq!(got["argv"], serde_json::json!(wanted), "argv of {name}: {case:?}");
        for (key, value) in &case.env {
            assert_eq!(got["env"][hex(key)], hex(&expanded(value, name)), "{key} of {name}: {case:?}");
        }
    }
    host.user("cd many && svc uninstall -q").ok();
}

#[test]
fn five_hundred_random_services_get_what_was_written() {
    let Some(host) = host("property") else { return };
    host.write("/home/tester/probe", PROBE);
    host.user("chmod +x probe").ok();
    let mut runner = TestRunner::default();
    let cases: Vec<Case> = (0..500)
        .map(|_| case().new_tree(&mut runner).unwrap().current())
        .filter(|case| !case.args.iter().any(|arg| arg.contains("{home}")))
        .collect();
    for manager in MANAGERS {
        for batch in cases.chunks(125) {
            run(&host, manager, batch);
        }
        eprintln!("{manager}: {} services started, each with the argv and environment that was written", cases.len());
    }
}

#[test]
fn what_can_not_be_carried_is_refused_and_nothing_is_written() {
    let Some(host) = host("refused") else { return };
    let cases = [
        ("svc install a -- /bin/echo $'\\xff'", "UTF-8"),
        ("svc install a -- /bin/echo $'\\uffff'", "no character"),
        ("svc install a --env $'K=\\xff' -- /bin/true", "UTF-8"),
        ("svc install a --env 'A.B=1' -- /bin/true", "a variable's name"),
        ("svc install a --env '=1' -- /bin/true", "a variable's name"),
        ("svc install a --description $'x\\ny' -- /bin/true", "control character"),
        ("svc install a --description $'x\\e[2J' -- /bin/true", "control character"),
        ("svc install a --log-file $'a\\nb' -- /bin/true", "log"),
        ("svc install a --systemd $'Service.X=a\\nUser=root' -- /bin/true", "line end"),
        ("svc install a --systemd 'Service.X=a\\' -- /bin/true", "swallow"),
        ("svc install a --systemd 'Evil.X=a' -- /bin/true", "section"),
        ("svc install a -- /bin/echo \"$(head -c 131073 /dev/zero | tr '\\0' a)\"", "argument"),
    ];
    for (line, reason) in cases {
        let ran = host.user(line);
        if ran.err.contains("Argument list too long") {
            continue; // the kernel says so to the shell already
        }
        let ran = ran.code(2);
        assert!(ran.err.contains(reason), "no {reason:?}: {ran}");
        assert!(!ran.err.chars().any(|c| c.is_control() && c != '\n'), "a control character is shown raw: {ran:?}");
    }
    assert_eq!(host.user("find ~/.config/systemd ~/.local -type f 2>/dev/null").out, "");
}

#[test]
fn odd_paths_arrive_too() {
    let Some(host) = host("paths") else { return };
    host.write("/home/tester/probe", PROBE);
    let names = [
        "a b", "a'b", "a\"b", "a\\b", "a\\", "a ", "a%h", "a$HOME", "a*b", "a?b", "a[b]", "a;b", "a#b", "a=b", "-a",
        "a\tb", "ä€", "a:b", "~",
    ];
    for (manager, (at, odd)) in MANAGERS.iter().flat_map(|one| names.iter().enumerate().map(move |name| (one, name))) {
        if at == 0 {
            host.user("rm -rf got d; mkdir got").ok();
        }
        let quoted = format!("'{}'", odd.replace('\'', "'\\''"));
        host.user(&format!("mkdir -p d/{quoted} && cp probe d/{quoted}/prog{quoted} && chmod +x d/{quoted}/prog{quoted} && printf 'FROM=%s\\n' file > d/{quoted}/e{quoted} && chmod 600 d/{quoted}/e{quoted}")).ok();
        let line = format!(
            "svc --backend {manager} install n{at} --working-dir d/{quoted} --env-file d/{quoted}/e{quoted} --log-file d/{quoted}/log{quoted} --env PROBE_NAME=n{at} --env PROBE_OUT=$HOME/got -- d/{quoted}/prog{quoted} {quoted}"
        );
        host.user(&line).ok();
        let got = wait_until(odd, 10, || {
            let ran = host.user(&format!("cat got/n{at}"));
            if ran.code == 0 { Ok(ran.json()) } else { Err(ran.to_string()) }
        });
        let hex = |text: String| text.bytes().map(|byte| format!("{byte:02x}")).collect::<String>();
        let folder = format!("/home/tester/d/{odd}");
        assert_eq!(got["cwd"], hex(folder.clone()), "{odd:?}");
        assert_eq!(
            got["argv"],
            serde_json::json!([hex(format!("{folder}/prog{odd}")), hex((*odd).to_owned())]),
            "{odd:?}"
        );
        assert_eq!(got["env"][hex("FROM".into())], hex("file".into()), "{odd:?}");
        wait_until("its log", 5, || {
            let ran = host.user(&format!("test -f d/{quoted}/log{quoted}"));
            if ran.code == 0 { Ok(()) } else { Err(ran.to_string()) }
        });
        if at + 1 == names.len() {
            host.user("svc uninstall --all").ok();
        }
    }
}

/// The supervisor needs no text: whatever a shell can type arrives.
#[test]
fn bytes_that_are_no_text_arrive_through_the_supervisor() {
    let Some(host) = host("bytes") else { return };
    host.write("/home/tester/probe", PROBE);
    host.user("chmod +x probe; mkdir got").ok();
    let all: String = (1..=255).map(|byte| format!("\\x{byte:02x}")).collect();
    let env = "--env PROBE_NAME=n --env PROBE_OUT=$HOME/got";
    host.user(&format!("svc --backend supervisor install n {env} --env A=$'{all}' -- ./probe $'{all}' $'\\xff'")).ok();
    let got = wait_until("it has started", 10, || {
        let ran = host.user("cat got/n");
        if ran.code == 0 { Ok(ran.json()) } else { Err(ran.to_string()) }
    });
    let hex: String = (1..=255).map(|byte| format!("{byte:02x}")).collect();
    assert_eq!(got["argv"][1], hex);
    assert_eq!(got["argv"][2], "ff");
    assert_eq!(got["env"]["41"], hex);
    host.user("svc uninstall n").ok();
}
