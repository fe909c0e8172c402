//! docs/errors.md: broken manifests with what svc says of them. The manifests lie in tests/broken; the page is
//! made of them and of what the binary says (`make docs`), and this test fails when it differs.
#![allow(clippy::unwrap_used, clippy::disallowed_methods, clippy::panic, reason = "test code")]

mod support;

use support::{Project, root};

const HEAD: &str = "# Broken manifests and their messages

What is wrong is said all at once, before anything is touched: file, line and column, the service, the field, the value,
and what to write instead. The exit code is 2. Each of these is `svc render`; `install` and `up` say the same.

This page is made of `tests/broken/` by `make docs`.
";

/// Title, manifest and what svc says of it.
fn pages() -> Vec<(String, String, String)> {
    let mut files: Vec<_> =
        std::fs::read_dir(root().join("tests/broken")).unwrap().map(|entry| entry.unwrap().path()).collect();
    files.sort();
    let page = |file: &std::path::PathBuf| {
        let text = std::fs::read_to_string(file).unwrap();
        let (title, manifest) = text.split_once('\n').unwrap();
        let project = Project::new().manifest(manifest).env("SVC_BACKEND", "supervisor");
        let ran = project.svc(&["render"]).code(2);
        assert_eq!(ran.out, "", "{}", file.display());
        assert!(project.files().is_empty(), "{}", file.display());
        (title.trim_start_matches("# ").to_owned(), manifest.to_owned(), ran.err)
    };
    files.iter().map(page).collect()
}

#[test]
fn the_page_of_errors_is_what_svc_says() {
    let pages = pages();
    assert!(pages.len() >= 10, "{}", pages.len());
    let mut text = HEAD.to_owned();
    for (title, manifest, said) in &pages {
        text.push_str(&format!("\n## {title}\n\n```toml\n{manifest}```\n\n```text\n{said}```\n"));
    }
    let page = root().join("docs/errors.md");
    if std::env::var_os("GOLDEN").is_some_and(|how| how == "rewrite") {
        std::fs::write(page, text).unwrap();
        return;
    }
    assert!(std::fs::read_to_string(page).unwrap() == text, "docs/errors.md is not what svc says: `make docs`\n{text}");
}

/// Every message has the place of what is wrong, and what is in the page is lines and words only.
#[test]
fn every_message_names_its_place() {
    for (title, manifest, said) in pages() {
        for line in said.lines() {
            let place = line.strip_prefix("error: svc.toml:").and_then(|rest| rest.split(':').next());
            match place {
                Some(number) => {
                    let number: usize = number.parse().unwrap();
                    assert!((1..=manifest.lines().count()).contains(&number), "{title}: {line}");
                }
                None => assert!(line.starts_with("  hint: "), "{title}: {line}"),
            }
        }
    }
}
