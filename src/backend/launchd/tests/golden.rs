//! The property lists of examples/, as they lie in launchd/: living documentation. `GOLDEN=rewrite` writes
//! them anew. A service that launchd can't have has `NAME.refused` there, with the reasons.

use super::target;
use crate::backend::Scope;
use crate::backend::launchd::render::render;
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

/// The files of one example, as if it lay in `/Users/me/EXAMPLE`.
fn rendered(example: &str) -> BTreeMap<String, String> {
    let manifest = root().join("examples").join(example).join("svc.toml");
    let folder = abs(&format!("/Users/me/{example}"));
    let around = Surroundings {
        folder: folder.clone(),
        home: abs("/Users/me"),
        path: "/usr/bin:/bin".into(),
        other_accounts: false,
    };
    let text = std::fs::read_to_string(manifest).unwrap();
    let definitions = read_text(&text, &folder.as_path().join("svc.toml"), &around).unwrap();
    let mut all = BTreeMap::new();
    for service in &definitions.services {
        match render(service, &target(Scope::User)) {
            Ok(rendered) => all.extend(
                rendered
                    .files
                    .into_iter()
                    .map(|file| (file.path.file_name().unwrap().to_str().unwrap().to_owned(), file.contents)),
            ),
            Err(problems) => {
                let line = |problem: &crate::definition::problem::Problem| {
                    let hint = problem.hint.as_ref().map(|hint| format!("  hint: {hint}\n")).unwrap_or_default();
                    format!("{problem}\n{hint}")
                };
                all.insert(format!("{}.refused", service.name), problems.iter().map(line).collect());
            }
        }
    }
    all
}

#[test]
#[allow(clippy::disallowed_methods, reason = "rewrites files of the repository, when asked to")]
fn examples_render_as_they_lie_in_launchd() {
    let rewrite = std::env::var_os("GOLDEN").is_some_and(|word| word == "rewrite");
    let examples = names(&root().join("examples"));
    assert!(examples.len() >= 4, "{examples:?}");
    for example in &examples {
        let golden = root().join("launchd").join(example);
        let files = rendered(example);
        if rewrite {
            let _ = std::fs::remove_dir_all(&golden);
            std::fs::create_dir_all(&golden).unwrap();
            for (name, contents) in &files {
                std::fs::write(golden.join(name), contents).unwrap();
            }
        }
        assert_eq!(names(&golden), files.keys().cloned().collect::<Vec<_>>(), "launchd/{example}: GOLDEN=rewrite");
        for (name, contents) in &files {
            let lies = std::fs::read_to_string(golden.join(name)).unwrap();
            assert_eq!(&lies, contents, "launchd/{example}/{name}: GOLDEN=rewrite writes it anew");
        }
    }
    assert_eq!(names(&root().join("launchd")), examples);
}
