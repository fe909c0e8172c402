//! Every command line of README.md, run on a booted host as an ordinary user: one after the other,
//! in one shell. `make` lines are looked up in the Makefile.
#![allow(clippy::unwrap_used, clippy::disallowed_methods, reason = "test code")]

mod support;
use support::{host, root};

/// The lines of all ```sh blocks.
fn commands(text: &str) -> Vec<String> {
    let mut inside = false;
    let mut lines = Vec::new();
    for line in text.lines() {
        match (inside, line) {
            (false, "```sh") => inside = true,
            (true, "```") => inside = false,
            (true, line) => lines.push(line.to_owned()),
            (false, _) => {}
        }
    }
    lines
}

#[test]
fn every_command_line_of_the_readme_works() {
    let readme = std::fs::read_to_string(root().join("README.md")).unwrap();
    let makefile = std::fs::read_to_string(root().join("Makefile")).unwrap();
    let (make, rest): (Vec<String>, Vec<String>) =
        commands(&readme).into_iter().partition(|line| line.starts_with("make "));
    assert!(!make.is_empty() && rest.len() > 5, "the README has no command lines");
    for line in make {
        let target = line.split_whitespace().nth(1).unwrap();
        assert!(makefile.lines().any(|rule| rule.starts_with(&format!("{target}:"))), "no target of `{line}`");
    }
    let Some(host) = host("readme") else { return };
    host.write("/home/tester/readme.sh", &rest.join("\n"));
    let ran = host.user("mkdir new && cd new && bash -exo pipefail ~/readme.sh").ok();
    assert!(ran.out.contains("running"), "{ran}");
    host.user("svc uninstall --all 2>/dev/null; test ! -e ~/.local/state/svc").ok();
}
