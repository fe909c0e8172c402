//! `svc init`: what should run, guessed from what lies in a folder. Nothing is run and nothing but these files
//! is looked at.

use super::at;
use super::draft::{Draft, Entry};
use super::import::{self, Source};
use crate::service::Field;
use std::path::Path;
use toml::Value;

/// Largest file that is read: 1 MiB.
const LARGEST: u64 = 1 << 20;

/// Fields that are shown as comments, to be taken in.
const SHOWN: [Field; 8] = [
    Field::Description,
    Field::Env,
    Field::EnvFile,
    Field::Restart,
    Field::DependsOn,
    Field::Ready,
    Field::Logs,
    Field::Limits,
];

/// A manifest for a folder.
pub(crate) fn guess(folder: &Path) -> Draft {
    let mut draft = Draft {
        head: vec![
            "The services of this project, made by `svc init`.".into(),
            "`svc render` shows what becomes of it, `svc install` installs it; `svc schema` has every field.".into(),
        ],
        project: folder.file_name().and_then(|name| name.to_str()).map(str::to_owned),
        ..Draft::default()
    };
    draft.project = draft.project.filter(|name| !name.contains(char::is_control));
    other(folder, "Procfile", &mut draft);
    // of several compose takes the first, in this order
    let compose = ["compose.yaml", "compose.yml", "docker-compose.yaml", "docker-compose.yml"];
    if let Some(name) = compose.iter().find(|name| folder.join(name).exists()) {
        other(folder, name, &mut draft);
    }
    let named = draft.services.len();
    if named == 0 {
        package_json(folder, &mut draft);
        cargo(folder, &mut draft);
        pyproject(folder, &mut draft);
    }
    if draft.services.is_empty() {
        let mut entry = Entry::new("web");
        entry.comments.push("Nothing here says what should run: write your own command.".into());
        entry.command(vec!["/bin/sh".into(), "-c".into(), "while :; do echo working; sleep 60; done".into()]);
        draft.add(entry);
        draft.notes.push(crate::report::Note {
            file: None,
            line: None,
            service: None,
            text:
                "no Procfile, compose file, package.json, Cargo.toml or pyproject.toml says what should run: an example"
                    .into(),
        });
    }
    draft.suggest(&SHOWN);
    draft
}

fn read(folder: &Path, name: &str, draft: &mut Draft) -> Option<String> {
    let path = folder.join(name);
    let size = std::fs::metadata(&path).ok()?.len();
    if size > LARGEST {
        draft.notes.push(at(name, 0, None, "is not read: it has more than a mebibyte"));
        return None;
    }
    match std::fs::read_to_string(&path) {
        Ok(text) => Some(text),
        Err(cause) => {
            draft.notes.push(at(name, 0, None, format!("is not read: {}", crate::error::io_reason(&cause))));
            None
        }
    }
}

fn found(draft: &mut Draft, file: &str, line: usize, entry: Entry, from: &str) {
    draft.notes.push(at(file, line, Some(&entry.name), format!("guessed from {from}")));
    draft.add(entry);
}

/// A file of which `svc import` makes services.
fn other(folder: &Path, name: &str, draft: &mut Draft) {
    let Some(text) = read(folder, name, draft) else { return };
    match import::draft(&[Source { file: name.into(), bytes: text.into_bytes() }]) {
        Ok(read) => {
            draft.notes.extend(read.notes);
            for entry in read.services {
                found(draft, name, 0, entry, "it");
            }
        }
        Err(problems) => {
            draft
                .notes
                .extend(problems.iter().map(|problem| at(name, 0, None, format!("is not read: {}", problem.reason))));
        }
    }
}

/// The line of the first `text`.
fn line_of(whole: &str, text: &str) -> usize {
    whole.lines().position(|line| line.contains(text)).map_or(0, |line| line + 1)
}

fn words(words: &[&str]) -> Vec<String> {
    words.iter().map(|word| (*word).to_owned()).collect()
}

/// Scripts that run a service by their names.
fn package_json(folder: &Path, draft: &mut Draft) {
    let file = "package.json";
    let Some(text) = read(folder, file, draft) else { return };
    let Ok(all) = serde_json::from_str::<serde_json::Value>(&text) else {
        draft.notes.push(at(file, 0, None, "is not read: it is not JSON"));
        return;
    };
    let manager = [("pnpm-lock.yaml", "pnpm"), ("yarn.lock", "yarn"), ("bun.lock", "bun"), ("bun.lockb", "bun")];
    let manager = manager.iter().find(|(lock, _)| folder.join(lock).exists()).map_or("npm", |(_, manager)| manager);
    let project = all["name"].as_str().and_then(|name| name.rsplit('/').next()).unwrap_or("web").to_owned();
    let before = draft.services.len();
    for script in all["scripts"].as_object().into_iter().flat_map(serde_json::Map::keys) {
        let name = match script.as_str() {
            "start" => project.clone(),
            "serve" | "server" | "worker" | "web" => script.clone(),
            _ => match script.strip_prefix("start:") {
                Some(part) => part.to_owned(),
                None => continue,
            },
        };
        let mut entry = Entry::new(&name);
        entry.comments.push(format!("From package.json: the script `{script}`."));
        entry.command(words(&[manager, "run", script]));
        found(draft, file, line_of(&text, &format!("\"{script}\"")), entry, &format!("the script `{script}`"));
    }
    if draft.services.len() == before
        && let Some(main) = all["main"].as_str()
    {
        let mut entry = Entry::new(&project);
        entry.comments.push("From package.json: `main`.".into());
        entry.command(words(&["node", main]));
        found(draft, file, line_of(&text, "\"main\""), entry, "`main`");
    }
}

/// Programs that cargo builds.
fn cargo(folder: &Path, draft: &mut Draft) {
    let file = "Cargo.toml";
    let Some(text) = read(folder, file, draft) else { return };
    let Ok(all) = text.parse::<toml::Table>() else {
        draft.notes.push(at(file, 0, None, "is not read: it is not TOML"));
        return;
    };
    let package = all.get("package").and_then(|package| package.get("name")).and_then(Value::as_str);
    let mut names: Vec<String> = Vec::new();
    let listed = all.get("bin").and_then(Value::as_array).into_iter().flatten();
    names.extend(listed.filter_map(|bin| bin.get("name")?.as_str()).map(str::to_owned));
    if folder.join("src/main.rs").exists() {
        names.extend(package.map(str::to_owned));
    }
    let mut others: Vec<String> = std::fs::read_dir(folder.join("src/bin"))
        .into_iter()
        .flatten()
        .flatten()
        .filter_map(|entry| entry.file_name().to_str()?.strip_suffix(".rs").map(str::to_owned))
        .collect();
    others.sort();
    names.extend(others);
    let mut seen = std::collections::BTreeSet::new();
    for name in names.into_iter().filter(|name| seen.insert(name.clone())) {
        let mut entry = Entry::new(&name);
        entry.comments.push(format!("From Cargo.toml: the program `{name}`; `cargo build --release` makes it."));
        entry.command(vec![format!("target/release/{name}")]);
        found(draft, file, line_of(&text, &format!("\"{name}\"")), entry, &format!("the program `{name}`"));
    }
    if package.is_none() && all.contains_key("workspace") {
        draft.notes.push(at(file, 0, None, "is a workspace: `svc init` in a package's folder knows its programs"));
    }
}

/// Scripts that a Python project installs.
fn pyproject(folder: &Path, draft: &mut Draft) {
    let file = "pyproject.toml";
    let Some(text) = read(folder, file, draft) else { return };
    let Ok(all) = text.parse::<toml::Table>() else {
        draft.notes.push(at(file, 0, None, "is not read: it is not TOML"));
        return;
    };
    let poetry = all.get("tool").and_then(|tool| tool.get("poetry"));
    let scripts = all.get("project").and_then(|project| project.get("scripts"));
    let scripts = scripts.or_else(|| poetry.and_then(|poetry| poetry.get("scripts"))).and_then(Value::as_table);
    for name in scripts.into_iter().flat_map(toml::Table::keys) {
        let mut entry = Entry::new(name);
        entry.comments.push(format!("From pyproject.toml: the script `{name}`."));
        entry.command(if folder.join(".venv").exists() {
            vec![format!(".venv/bin/{name}")]
        } else if folder.join("uv.lock").exists() {
            words(&["uv", "run", name])
        } else if folder.join("poetry.lock").exists() {
            words(&["poetry", "run", name])
        } else {
            words(&[name])
        });
        found(draft, file, line_of(&text, name), entry, &format!("the script `{name}`"));
    }
    if scripts.is_none_or(toml::Table::is_empty) {
        draft.notes.push(at(file, 0, None, "names no scripts, so it does not say what should run"));
    }
}
