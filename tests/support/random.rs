//! Random arguments and environments, a program that writes down what it got of them, and the comparison.

use proptest::prelude::*;
use proptest::strategy::ValueTree;
use proptest::test_runner::TestRunner;
use serde_json::Value;
use std::collections::BTreeMap;

/// Writes argv and environment as hexadecimal JSON to got/NAME, then waits.
pub const PROBE: &str = r#"#!/usr/bin/python3
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
pub struct Case {
    pub args: Vec<String>,
    pub env: BTreeMap<String, String>,
}

/// Characters that mean something to systemd, a shell, XML, TOML or a terminal, beside all others.
pub fn text() -> impl Strategy<Value = String> {
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
        "]]>",
        "<![CDATA[",
        "&amp;&#13;&#0;",
        "</string><key>Program</key>",
        "-->",
        "<?xml?>",
        "\r\n",
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

/// So many.
pub fn cases(count: usize) -> Vec<Case> {
    // `{home}` is replaced by what only the host knows
    let carried = |case: &Case| !case.args.iter().chain(case.env.values()).any(|text| text.contains("{home}"));
    drawn(case(), count).into_iter().filter(carried).collect()
}

/// So many values of a strategy.
pub fn drawn<S: Strategy>(strategy: S, count: usize) -> Vec<S::Value> {
    let mut runner = TestRunner::default();
    (0..count).map(|_| strategy.new_tree(&mut runner).unwrap().current()).collect()
}

/// What any process can be given, text or not.
pub fn bytes() -> impl Strategy<Value = Vec<u8>> {
    prop_oneof![
        3 => prop::collection::vec(1_u8..=255, 0..40),
        1 => text().prop_map(String::into_bytes),
    ]
}

/// A manifest of services `p0`, `p1`, … that run `probe`, which writes into the folder `out`.
pub fn manifest(cases: &[Case], probe: &str, out: &str) -> String {
    let mut services = toml::Table::new();
    for (at, case) in cases.iter().enumerate() {
        let name = format!("p{at}");
        let mut env: toml::Table = case.env.iter().map(|(key, value)| (key.clone(), value.clone().into())).collect();
        env.insert("PROBE_NAME".into(), name.clone().into());
        env.insert("PROBE_OUT".into(), out.into());
        let words = std::iter::once(probe).chain(case.args.iter().map(String::as_str));
        let command: Vec<toml::Value> = words.map(toml::Value::from).collect();
        let mut service = toml::Table::new();
        service.insert("command".into(), command.into());
        service.insert("env".into(), env.into());
        services.insert(name, service.into());
    }
    let mut manifest = toml::Table::new();
    manifest.insert("service".into(), services.into());
    toml::to_string(&manifest).unwrap()
}

/// As [`PROBE`] writes it.
pub fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// What the program of the service `name` got is what was written.
#[track_caller]
pub fn check(case: &Case, name: &str, probe: &str, got: &Value) {
    let wanted: Vec<String> = std::iter::once(probe)
        .chain(case.args.iter().map(String::as_str))
        .map(|arg| hex(expanded(arg, name).as_bytes()))
        .collect();
    assert_eq!(got["argv"], serde_json::json!(wanted), "argv of {name}: {case:?}");
    for (key, value) in &case.env {
        let wanted = hex(expanded(value, name).as_bytes());
        assert_eq!(got["env"][hex(key.as_bytes())], wanted, "{key} of {name}: {case:?}");
    }
}
