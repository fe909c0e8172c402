//! The consumer is the judge: `systemd-analyze verify` has nothing to say of any unit. Its exit code
//! is 0 also where it ignores a line with a warning, so that the test is "no output".

use super::hostile::{PARTS, services};
use super::target;
use crate::backend::Scope;
use crate::backend::systemd::render::render;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::Command;

/// The version of the `systemd-analyze` of this machine, or none, said aloud.
#[allow(clippy::print_stderr, reason = "a skipped test is said")]
fn analyze_version() -> Option<u32> {
    let output = Command::new("systemd-analyze").arg("--version").output();
    let text = output.map(|output| String::from_utf8_lossy(&output.stdout).into_owned()).unwrap_or_default();
    let version = text.split_whitespace().nth(1).and_then(|version| version.parse().ok());
    if version.is_none() {
        eprintln!("SKIPPED: systemd-analyze is not on this machine, nobody judged the units");
    }
    version
}

/// What `systemd-analyze verify` says of all units in `folder`.
fn verify(folder: &Path, scope: Scope) -> String {
    let mut command = Command::new("systemd-analyze");
    command.arg(format!("--{}", scope.word())).args(["--man=no", "verify"]);
    command.env("XDG_RUNTIME_DIR", folder);
    for entry in std::fs::read_dir(folder).expect("the folder is there") {
        let path = entry.expect("an entry").path();
        if path.is_file() {
            command.arg(path);
        }
    }
    let output = command.output().expect("systemd-analyze runs");
    let said = [output.stdout, output.stderr].concat();
    String::from_utf8_lossy(&said).lines().filter(|line| !is_of_the_machine(line)).collect::<Vec<_>>().join("\n")
}

/// Complaints about units that the machine brought along.
fn is_of_the_machine(line: &str) -> bool {
    ["/lib/systemd/", "/usr/lib/systemd/", "/etc/systemd/"].iter().any(|folder| line.starts_with(folder))
}

#[allow(clippy::disallowed_methods, reason = "a test's own folder")]
fn write(path: &Path, text: &str, mode: u32) {
    std::fs::write(path, text).expect("the folder is writable");
    std::fs::set_permissions(path, PermissionsExt::from_mode(mode)).expect("the file is ours");
}

#[test]
fn systemd_has_nothing_to_say_of_hostile_units() {
    let Some(version) = analyze_version() else { return };
    let folder = tempfile::tempdir().expect("a temporary folder");
    let bin = folder.path().join("bin");
    std::fs::create_dir(&bin).expect("the folder is writable");
    for part in PARTS {
        write(&bin.join(part), "#!/bin/sh\n", 0o755);
    }
    let services = services(&bin);
    assert!(services.len() > 600, "{} cases", services.len());
    for scope in [Scope::User, Scope::System] {
        let units = tempfile::tempdir().expect("a temporary folder");
        for service in &services {
            let rendered = render(service, &target(scope, version))
                .unwrap_or_else(|problems| panic!("{} was refused: {problems:?}", service.name));
            for file in rendered.files {
                let name = file.path.file_name().expect("a unit has a name");
                write(&units.path().join(name), &file.contents, file.mode);
            }
        }
        assert_eq!(verify(units.path(), scope), "", "{} scope", scope.word());
    }
}

/// The judge is awake: a line that systemd ignores with a warning is heard.
#[test]
fn the_judge_hears_a_wrong_line() {
    if analyze_version().is_none() {
        return;
    }
    let folder = tempfile::tempdir().expect("a temporary folder");
    write(&folder.path().join("bad.service"), "[Service]\nExecStart=:/bin/sleep 1\nCPUQuota=50\n", 0o644);
    assert!(verify(folder.path(), Scope::System).contains("bad.service:3"));
}
