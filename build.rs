//! Links the unwinder into the binary instead of loading `libgcc_s.so.1` at each start: that takes
//! a tenth of the time of a whole `svc status`, and a small container may not have the library.
//!
//! The standard library asks for `-lgcc_s`; a linker script of that name in front of the system's
//! folders gives it GCC's own static one. Only where a C compiler says that it has it.

#![expect(clippy::disallowed_methods, reason = "a build script has no other way to learn its target")]

use std::path::{Path, PathBuf};
use std::process::Command;

fn main() {
    println!("cargo:rerun-if-changed=build.rs");
    let is = |name: &str, value: &str| std::env::var(name).is_ok_and(|found| found == value);
    let wanted = is("CARGO_CFG_TARGET_OS", "linux") && is("CARGO_CFG_TARGET_ENV", "gnu") && is("PROFILE", "release");
    let here = std::env::var("HOST").ok() == std::env::var("TARGET").ok();
    let Some(folder) = std::env::var_os("OUT_DIR").map(PathBuf::from).filter(|_| wanted && here && has_static()) else {
        return;
    };
    let script = folder.join("libgcc_s.so");
    if std::fs::write(&script, "GROUP ( -lgcc_eh -lgcc )\n").is_ok() {
        println!("cargo:rustc-link-search=native={}", folder.display());
    }
}

/// A compiler that does not have it prints the name without a folder.
fn has_static() -> bool {
    let asked = Command::new("cc").arg("-print-file-name=libgcc_eh.a").output();
    asked.is_ok_and(|answer| Path::new(String::from_utf8_lossy(&answer.stdout).trim()).is_absolute())
}
