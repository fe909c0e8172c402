//! Limits, figures and sandbox on a virtual machine with a kernel of its own.
#![allow(clippy::unwrap_used, clippy::print_stderr, reason = "test code")]

mod support;
use std::process::Command;
use support::{no_hosts, root, skip};

#[test]
fn limits_figures_and_sandbox_on_a_real_kernel() {
    let test = "limits_figures_and_sandbox_on_a_real_kernel";
    if let Some(reason) = no_hosts() {
        return skip(test, &reason);
    }
    for program in ["qemu-system-x86_64", "mmdebstrap", "cpio"] {
        if !Command::new(program).arg("--version").output().is_ok_and(|output| output.status.success()) {
            return skip(test, &format!("{program} is missing"));
        }
    }
    // bookworm's own C library is older than that of the machine's release: trixie has a newer one
    let output = Command::new(root().join("tests/vm/linux-vm"))
        .arg("trixie")
        .arg(root().join("tests/vm/script"))
        .arg(format!("{}=/usr/bin/svc", env!("CARGO_BIN_EXE_svc")))
        .output()
        .unwrap();
    let out = String::from_utf8_lossy(&output.stdout);
    assert!(output.status.success() && out.contains("all ok"), "{out}\n{}", String::from_utf8_lossy(&output.stderr));
    eprintln!("{out}");
}
