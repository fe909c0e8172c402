//! The block and the entry on a fake home, read back by real shells.
#![allow(clippy::unwrap_used, clippy::disallowed_methods, reason = "tests")]

use super::*;
use crate::service::AbsPath;
use std::fs::Permissions;
use std::process::Command;

const SH: &str = "/bin/sh";

struct Home(tempfile::TempDir, Environment);

fn home() -> Home {
    let folder = tempfile::tempdir().unwrap();
    let environment = Environment {
        home: AbsPath::new(folder.path()).unwrap(),
        xdg_config_home: None,
        xdg_state_home: None,
        launchctl: None,
        ..Environment::read().unwrap()
    };
    Home(folder, environment)
}

impl Home {
    fn path(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    fn text(&self, name: &str) -> String {
        std::fs::read_to_string(self.path(name)).unwrap()
    }

    fn set(&self, shell: &str, on: bool) -> Result<(), Error> {
        set(&self.1, Path::new(shell), on)
    }

    fn names(&self) -> Vec<String> {
        let mut names: Vec<String> = std::fs::read_dir(self.0.path())
            .unwrap()
            .map(|entry| entry.unwrap().file_name().into_string().unwrap())
            .collect();
        names.sort();
        names
    }
}

#[test]
fn it_is_made_once_and_leaves_nothing_behind() {
    let home = home();
    home.set(SH, true).unwrap();
    let first = (home.text(".profile"), home.text(".config/autostart/svc.desktop"));
    home.set(SH, true).unwrap();
    assert_eq!((home.text(".profile"), home.text(".config/autostart/svc.desktop")), first);
    assert!(is_on(&home.1));
    assert_eq!(home.names(), [".config", ".profile"]);
    home.set(SH, false).unwrap();
    assert_eq!(home.names(), Vec::<String>::new());
    home.set(SH, false).unwrap();
    assert!(!is_on(&home.1));
}

#[test]
fn other_bytes_modes_and_links_stay() {
    let home = home();
    std::fs::create_dir(home.path("dotfiles")).unwrap();
    let real = home.path("dotfiles/profile");
    let text = b"umask 077\n\xff no end";
    std::fs::write(&real, text).unwrap();
    std::fs::set_permissions(&real, Permissions::from_mode(0o640)).unwrap();
    std::os::unix::fs::symlink("dotfiles/profile", home.path(".profile")).unwrap();
    home.set(SH, true).unwrap();
    assert!(std::fs::symlink_metadata(home.path(".profile")).unwrap().is_symlink());
    let there = std::fs::read(&real).unwrap();
    assert!(there.ends_with(text) && there.len() > text.len());
    assert_eq!(std::fs::metadata(&real).unwrap().mode() & 0o777, 0o640);
    home.set(SH, false).unwrap();
    assert_eq!(std::fs::read(&real).unwrap(), text);
    assert_eq!(std::fs::metadata(&real).unwrap().mode() & 0o777, 0o640);
    assert!(std::fs::symlink_metadata(home.path(".profile")).unwrap().is_symlink());
    // an empty file of the user's own stays too
    std::fs::write(&real, b"").unwrap();
    home.set(SH, true).unwrap();
    home.set(SH, false).unwrap();
    assert_eq!(std::fs::read(&real).unwrap(), b"");
}

#[test]
fn files_that_would_hide_the_profile_have_the_block_too() {
    let home = home();
    std::fs::write(home.path(".bash_profile"), "export A=1\n").unwrap();
    home.set(SH, true).unwrap();
    assert!(home.text(".bash_profile").ends_with("# <<< svc <<<\nexport A=1\n"));
    assert!(!home.path(".zprofile").exists());
    home.set("/usr/bin/zsh", true).unwrap();
    assert!(home.path(".zprofile").exists());
    home.set("/usr/bin/zsh", false).unwrap();
    assert_eq!(home.text(".bash_profile"), "export A=1\n");
    assert_eq!(home.names(), [".bash_profile"]);
    assert_eq!(unknown_shell(Path::new("/usr/bin/fish")).as_deref(), Some("fish"));
    assert_eq!(unknown_shell(Path::new("/bin/bash")), None);
}

#[test]
fn odd_files_are_left_alone_in_words() {
    let home = home();
    std::fs::create_dir(home.path(".profile")).unwrap();
    assert!(home.set(SH, true).unwrap_err().message.contains("is no file"));
    home.set(SH, false).unwrap();
    std::fs::remove_dir(home.path(".profile")).unwrap();
    std::os::unix::fs::symlink("nowhere", home.path(".profile")).unwrap();
    assert!(home.set(SH, true).unwrap_err().message.contains("leads nowhere"));
    std::fs::remove_file(home.path(".profile")).unwrap();
    std::fs::write(home.path(".profile"), "# >>> svc >>>\nexport A=1\n").unwrap();
    assert!(home.set(SH, true).unwrap_err().message.contains("line 1"));
    assert_eq!(home.text(".profile"), "# >>> svc >>>\nexport A=1\n");
}

#[test]
fn an_entry_of_somebody_else_stays() {
    let home = home();
    std::fs::create_dir_all(home.path(".config/autostart")).unwrap();
    let entry = home.path(".config/autostart/svc.desktop");
    std::fs::write(&entry, "[Desktop Entry]\nExec=mine\n").unwrap();
    home.set(SH, true).unwrap();
    home.set(SH, false).unwrap();
    assert_eq!(std::fs::read_to_string(&entry).unwrap(), "[Desktop Entry]\nExec=mine\n");
}

#[test]
fn the_block_runs_in_every_shell_without_a_word_and_never_fails() {
    let folder = tempfile::tempdir().unwrap();
    let odd = folder.path().join("it's $HOME `x` \\ \"q\" %");
    std::fs::create_dir(&odd).unwrap();
    let program = odd.join("svc");
    let out = folder.path().join("out");
    let script = format!("#!/bin/sh\necho noise; echo noise >&2; printf '%s|' \"$@\" >'{}'; exit 3\n", out.display());
    std::fs::write(&program, script).unwrap();
    std::fs::set_permissions(&program, Permissions::from_mode(0o755)).unwrap();
    let mut words = vec![program.clone().into_os_string()];
    words.extend(["--quiet", "supervisor", "start"].map(OsString::from));
    let shells = ["/bin/sh", "/bin/bash", "/bin/dash", "/usr/bin/zsh", "/usr/bin/ksh", "/bin/busybox"];
    for shell in shells.into_iter().filter(|shell| Path::new(shell).exists()) {
        for missing in [false, true] {
            let _ = std::fs::remove_file(&out);
            if missing {
                words[0] = folder.path().join("gone").into_os_string();
            } else {
                words[0] = program.clone().into_os_string();
            }
            let text = block::put(b"echo end\n", &body(&words, false)).unwrap();
            let file = folder.path().join("profile");
            std::fs::write(&file, text).unwrap();
            let mut command = Command::new(shell);
            if shell.ends_with("busybox") {
                command.arg("sh");
            }
            let ran = command.args(["-eu", "-c", ". \"$0\""]).arg(&file).output().unwrap();
            assert_eq!(String::from_utf8_lossy(&ran.stdout), "end\n", "{shell}");
            assert_eq!(String::from_utf8_lossy(&ran.stderr), "", "{shell}");
            assert!(ran.status.success(), "{shell}");
            if !missing {
                let found = (0..500).find_map(|_| {
                    std::thread::sleep(std::time::Duration::from_millis(10));
                    std::fs::read_to_string(&out).ok().filter(|text| text.ends_with("start|"))
                });
                assert_eq!(found.as_deref(), Some("--quiet|supervisor|start|"), "{shell}");
            }
        }
    }
}

#[test]
fn a_state_folder_of_ones_own_is_named() {
    let home = home();
    let plain = command(&home.1).unwrap();
    assert!(plain[0].as_bytes().starts_with(b"/") && plain.len() == 4);
    let other = Environment { xdg_state_home: Some("/data/it's".into()), ..home.1.clone() };
    let line = shell_line(&command(&other).unwrap()).into_string().unwrap();
    assert!(line.starts_with("/usr/bin/env 'XDG_STATE_HOME=/data/it'\\''s' /"), "{line}");
    assert!(line.ends_with(" --quiet supervisor start"), "{line}");
}

/// Reads `Exec=` as the specification says: first the escapes of a value, then the quoting.
fn parse_exec(value: &str) -> Vec<String> {
    let mut plain = String::new();
    let mut chars = value.chars();
    while let Some(c) = chars.next() {
        if c == '\\' {
            match chars.next() {
                Some('\\') => plain.push('\\'),
                Some('s') => plain.push(' '),
                other => panic!("no escape: {other:?}"),
            }
        } else {
            plain.push(c);
        }
    }
    let (mut words, mut word, mut quoted) = (Vec::new(), None::<String>, false);
    let mut chars = plain.chars();
    while let Some(c) = chars.next() {
        match c {
            '"' => {
                quoted = !quoted;
                word.get_or_insert_default();
            }
            '\\' if quoted => word.get_or_insert_default().push(chars.next().unwrap()),
            ' ' if !quoted => words.extend(word.take()),
            '%' => {
                assert_eq!(chars.next(), Some('%'));
                word.get_or_insert_default().push('%');
            }
            c => {
                assert!(quoted || !"'><~|&;$*?#()`\t\n".contains(c), "{c:?} must be in quotes");
                assert!(!(quoted && "`$".contains(c)), "{c:?} must be escaped");
                word.get_or_insert_default().push(c);
            }
        }
    }
    words.extend(word);
    words
}

#[test]
fn words_of_an_entry_follow_both_rules() {
    assert_eq!(exec_word(OsStr::new("/usr/bin/svc")).unwrap(), "/usr/bin/svc");
    assert_eq!(exec_word(OsStr::new(r#"/a b/$x"y`\%"#)).unwrap(), r#""/a b/\\$x\\"y\\`\\\\%%""#);
    for refused in ["", "/a=b", "/a\nb", "/a\u{1b}"] {
        assert_eq!(exec_word(OsStr::new(refused)), None);
    }
    assert_eq!(exec_word(OsStr::from_bytes(b"/\xff")), None);
    assert!(exec_word(OsStr::new("XDG_STATE_HOME=/x")).is_some());
}

proptest::proptest! {
    #[test]
    fn any_path_comes_back_from_an_entry(name in "[^\\x00-\\x1f\\x7f-\\u{9f}=]{0,20}") {
        let words: Vec<OsString> = [format!("/opt/{name}"), "--quiet".into(), format!("x{name}")].map(OsString::from).into();
        let text = entry(&words).unwrap();
        let value = text.lines().find_map(|line| line.strip_prefix("Exec=")).unwrap();
        proptest::prop_assert_eq!(parse_exec(value).into_iter().map(OsString::from).collect::<Vec<_>>(), words);
    }

    #[test]
    fn any_path_is_one_word_of_a_shell(bytes in proptest::collection::vec(1..=255_u8, 1..12)) {
        let word = OsString::from_vec(bytes);
        let mut script = OsString::from("printf %s ");
        script.push(shell_line(std::slice::from_ref(&word)));
        let output = Command::new("/bin/sh").arg("-c").arg(&script).env("LC_ALL", "C").output().unwrap();
        proptest::prop_assert_eq!(OsString::from_vec(output.stdout), word);
    }
}
