//! `svc render` of examples/ against systemd/: the binary gives what the repository shows.
//!
//! The exact bytes for the newest systemd are compared by the library's own test, which can choose the
//! version and the folder; here the lines that depend on the systemd of this machine are left out.

#![allow(clippy::unwrap_used, reason = "test code")]

mod support;

use std::collections::BTreeMap;
use std::path::Path;
use std::process::Command;
use support::{root, skip};

/// Directives that older or newer versions do not have, and the hash over all.
const OF_THE_VERSION: [&str; 10] = [
    "OnFailure=svc:restarts.service",
    "OnSuccess=svc:restarts.service",
    "RestartSteps=",
    "RestartMaxDelaySec=",
    "CPUAccounting=",
    "ProtectProc=",
    "ProtectKernelTunables=",
    "ProtectControlGroups=",
    "Type=",
    "Hash=",
];

/// Name → text of the units in a folder, without those lines and with the project in /srv.
fn units(folder: &Path, project: &str, example: &str) -> BTreeMap<String, String> {
    let entries = std::fs::read_dir(folder).unwrap_or_else(|error| panic!("{}: {error}", folder.display()));
    entries
        .map(|entry| {
            let path = entry.unwrap().path();
            let text = std::fs::read_to_string(&path).unwrap().replace(project, &format!("/srv/{example}"));
            let of_the_version = |line: &str| OF_THE_VERSION.iter().any(|start| line.starts_with(start));
            let lines = text.lines().filter(|line| !of_the_version(line));
            let name = path.file_name().unwrap().to_str().unwrap().to_owned();
            (name, lines.fold(String::new(), |all, line| all + line + "\n"))
        })
        .collect()
}

/// A folder for the examples: the sandbox has a /tmp of its own, so none there, and none whose path
/// needs quotes, wherever the repository lies.
fn plain_folder() -> Option<tempfile::TempDir> {
    let bases = [root().join("target"), "/srv".into(), "/opt".into(), "/var/lib".into(), "/run".into()];
    let plain = |path: &Path| {
        let text = path.to_str().unwrap_or(" ");
        let hidden = ["/tmp", "/var/tmp", "/dev/shm"].iter().any(|folder| path.starts_with(folder));
        !hidden && text.bytes().all(|b| b.is_ascii_alphanumeric() || b"/._-".contains(&b))
    };
    bases
        .iter()
        .filter(|base| plain(base))
        .find_map(|base| tempfile::Builder::new().prefix("svc-golden-").tempdir_in(base).ok())
}

#[test]
fn the_binary_renders_the_examples() {
    let Some(home) = plain_folder() else {
        return skip("the_binary_renders_the_examples", "no folder with a plain path outside /tmp can be made");
    };
    let folder = home.path().join("examples");
    let copied = Command::new("cp").arg("-r").arg(root().join("examples")).arg(&folder).status().unwrap();
    assert!(copied.success());
    let plain = folder.to_str().unwrap();
    let mut compared = 0;
    for entry in std::fs::read_dir(&folder).unwrap() {
        let example = entry.unwrap().file_name().into_string().unwrap();
        let out = tempfile::tempdir().unwrap();
        let project = format!("{plain}/{example}");
        let output = Command::new(env!("CARGO_BIN_EXE_svc"))
            .args(["--user", "--backend", "systemd", "-f", &format!("{project}/svc.toml"), "render", "-o"])
            .arg(out.path())
            .env_clear()
            .envs([("HOME", "/home/me"), ("PATH", "/usr/bin:/bin")])
            .output()
            .unwrap();
        assert!(output.status.success(), "{example}: {}", String::from_utf8_lossy(&output.stderr));
        let golden = units(&root().join("systemd").join(&example), &project, &example);
        assert_eq!(units(out.path(), &project, &example), golden, "{example}");
        compared += golden.len();
    }
    assert!(compared >= 8, "{compared} units");
}
