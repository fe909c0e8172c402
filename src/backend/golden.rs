//! The files of examples/, as they lie in the folder of each manager: living documentation.
//! `GOLDEN=rewrite` writes them anew.

use crate::definition::{Surroundings, read_text};
use crate::service::Service;
use crate::service::sample::abs;
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

/// One manager's folder of the repository, and where its examples are said to lie.
pub(crate) struct Golden {
    pub(crate) folder: &'static str,
    pub(crate) home: &'static str,
    /// Examples lie in folders of this one.
    pub(crate) below: &'static str,
}

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

impl Golden {
    /// What `render` makes of every service of every example lies there, and nothing else.
    #[allow(clippy::disallowed_methods, reason = "rewrites files of the repository, when asked to")]
    pub(crate) fn check(&self, render: impl Fn(&Service) -> BTreeMap<String, String>) {
        let Self { folder, .. } = self;
        let rewrite = std::env::var_os("GOLDEN").is_some_and(|word| word == "rewrite");
        let examples = names(&root().join("examples"));
        assert!(examples.len() >= 4, "{examples:?}");
        for example in &examples {
            let golden = root().join(folder).join(example);
            let files: BTreeMap<String, String> = self.services(example).iter().flat_map(&render).collect();
            if rewrite {
                let _ = std::fs::remove_dir_all(&golden);
                std::fs::create_dir_all(&golden).unwrap();
                for (name, contents) in &files {
                    std::fs::write(golden.join(name), contents).unwrap();
                }
            }
            assert_eq!(names(&golden), files.keys().cloned().collect::<Vec<_>>(), "{folder}/{example}: GOLDEN=rewrite");
            for (name, contents) in &files {
                let lies = std::fs::read_to_string(golden.join(name)).unwrap();
                assert_eq!(&lies, contents, "{folder}/{example}/{name}: GOLDEN=rewrite writes it anew");
            }
        }
        assert_eq!(names(&root().join(folder)), examples);
    }

    fn services(&self, example: &str) -> Vec<Service> {
        let manifest = root().join("examples").join(example).join("svc.toml");
        let folder = abs(&format!("{}/{example}", self.below));
        let around = Surroundings {
            folder: folder.clone(),
            home: abs(self.home),
            path: "/usr/bin:/bin".into(),
            other_accounts: false,
        };
        let text = std::fs::read_to_string(manifest).unwrap();
        read_text(&text, &folder.as_path().join("svc.toml"), &around).unwrap().services
    }
}

/// Files by their names.
pub(crate) fn by_name(rendered: super::Rendered) -> impl Iterator<Item = (String, String)> {
    let pair = |file: super::RenderedFile| (file.path.file_name().unwrap().to_str().unwrap().to_owned(), file.contents);
    rendered.files.into_iter().map(pair)
}
