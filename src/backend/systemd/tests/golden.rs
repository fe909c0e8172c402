//! The units of examples/, as they lie in systemd/: living documentation. `GOLDEN=rewrite` writes them anew.

use super::target;
use crate::backend::Scope;
use crate::backend::systemd::render::{NEWEST_KNOWN, render};
use crate::definition::{Surroundings, read_text};
use crate::service::sample::abs;
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

fn root() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR"))
}

/// Names in a folder, sorted.
fn names(folder: &Path) -> Vec<String> {
    let entries = std::fs::read_dir(folder).into_iter().flatten();
    let mut names: Vec<String> = entries.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
    names.sort();
    names
}

/// The units of one example, as if it lay in `/srv/EXAMPLE`.
fn rendered(example: &str) -> BTreeMap<String, String> {
    let manifest = root().join("examples").join(example).join("svc.toml");
    let folder = abs(&format!("/srv/{example}"));
    let around = Surroundings {
        folder: folder.clone(),
        home: abs("/home/me"),
        path: "/usr/bin:/bin".into(),
        other_accounts: false,
    };
    let text = std::fs::read_to_string(manifest).unwrap();
    let definitions = read_text(&text, &folder.as_path().join("svc.toml"), &around).unwrap();
    let files = definitions
        .services
        .iter()
        .flat_map(|service| render(service, &target(Scope::User, NEWEST_KNOWN)).unwrap().files);
    files.map(|file| (file.path.file_name().unwrap().to_str().unwrap().to_owned(), file.contents)).collect()
}

#[test]
#[allow(clippy::disallowed_methods, reason = "rewrites files of the repository, when asked to")]
fn examples_render_as_they_lie_in_systemd() {
    let rewrite = std::env::var_os("GOLDEN").is_some_and(|word| word == "rewrite");
    let examples = names(&root().join("examples"));
    assert!(examples.len() >= 4, "{examples:?}");
    for example in &examples {
        let golden = root().join("systemd").join(example);
        let files = rendered(example);
        if rewrite {
            let _ = std::fs::remove_dir_all(&golden);
            std::fs::create_dir_all(&golden).unwrap();
            for (name, contents) in &files {
                std::fs::write(golden.join(name), contents).unwrap();
            }
        }
        assert_eq!(names(&golden), files.keys().cloned().collect::<Vec<_>>(), "systemd/{example}: GOLDEN=rewrite");
        for (name, contents) in &files {
            let lies = std::fs::read_to_string(golden.join(name)).unwrap();
            assert_eq!(&lies, contents, "systemd/{example}/{name}: GOLDEN=rewrite writes it anew");
        }
    }
    assert_eq!(names(&root().join("systemd")), examples);
}
