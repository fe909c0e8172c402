//! SELECTOR of DESIGN §3: names, globs, `@group`, `--all`; none: all of the manifest here.

use super::Context;
use crate::error::{Error, ErrorCode};
use crate::files::record::Record;
use globset::{Glob, GlobMatcher};

/// One selector.
#[derive(Debug)]
enum Selector {
    Name(String),
    Glob(GlobMatcher),
    Group(String),
}

impl Selector {
    fn parse(text: &str) -> Result<Self, Error> {
        if let Some(group) = text.strip_prefix('@') {
            return Ok(Self::Group(group.to_owned()));
        }
        if text.contains(['*', '?', '[', '{']) {
            let glob = Glob::new(text).map_err(|error| {
                Error::new(ErrorCode::Usage, format!("`{}` is not a pattern: {}", text.escape_debug(), error.kind()))
            })?;
            return Ok(Self::Glob(glob.compile_matcher()));
        }
        Ok(Self::Name(text.to_owned()))
    }

    fn fits(&self, name: &str, groups: &[String]) -> bool {
        match self {
            Self::Name(wanted) => wanted == name,
            Self::Glob(glob) => glob.is_match(name),
            Self::Group(group) => groups.iter().any(|one| one == group),
        }
    }

    fn text(&self) -> String {
        match self {
            Self::Name(name) => format!("service `{}`", name.escape_debug()),
            Self::Glob(glob) => format!("service that fits `{}`", glob.glob().glob().escape_debug()),
            Self::Group(group) => format!("group `@{}`", group.escape_debug()),
        }
    }
}

/// Picks from `all` what the selectors say; each must fit something.
pub(crate) fn pick<T>(
    selectors: &[String],
    all: Vec<T>,
    name: impl Fn(&T) -> &str,
    groups: impl Fn(&T) -> Vec<String>,
) -> Result<Vec<T>, Error> {
    let selectors: Vec<Selector> = selectors.iter().map(|text| Selector::parse(text)).collect::<Result<_, _>>()?;
    for selector in &selectors {
        if !all.iter().any(|one| selector.fits(name(one), &groups(one))) {
            return Err(missing(selector, all.iter().map(&name)));
        }
    }
    Ok(all.into_iter().filter(|one| selectors.iter().any(|selector| selector.fits(name(one), &groups(one)))).collect())
}

/// Whether one of the selectors, which were parsed before, fits.
pub(crate) fn fits(selectors: &[String], name: &str, groups: &[String]) -> bool {
    selectors.iter().filter_map(|text| Selector::parse(text).ok()).any(|selector| selector.fits(name, groups))
}

fn missing<'a>(selector: &Selector, names: impl Iterator<Item = &'a str>) -> Error {
    let error = Error::new(ErrorCode::NotFound, format!("there is no {}", selector.text()));
    let Selector::Name(wanted) = selector else { return error.hint("`svc list` shows all services") };
    let near = names
        .map(|name| (strsim::jaro_winkler(name, wanted), name))
        .filter(|(score, _)| *score > 0.8)
        .max_by(|a, b| a.0.total_cmp(&b.0));
    match near {
        Some((_, name)) => error.hint(format!("did you mean `{name}`? `svc list` shows all services")),
        None => error.hint("`svc list` shows all services"),
    }
}

/// What is selected when no selector was typed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Fallback {
    /// All of the manifest here; without one it is bad usage.
    Manifest,
    /// All of the manifest here; without one all that is installed.
    ManifestOrAll,
}

/// The installed services that are meant.
pub(crate) fn installed(
    context: &Context,
    selectors: &[String],
    all: bool,
    fallback: Fallback,
) -> Result<(Vec<Record>, Vec<String>), Error> {
    let plain = |text: &String| crate::service::Name::parse(text).is_ok();
    if !all && !selectors.is_empty() && selectors.iter().all(plain) {
        // a few records, not all: `svc status web` costs the same beside a thousand others
        if let Some(records) = crate::files::record::read_some(&context.paths, selectors) {
            return Ok((records, Vec::new()));
        }
    }
    let (records, warnings) = context.records()?;
    if all {
        return Ok((records, warnings));
    }
    if !selectors.is_empty() {
        let picked = pick(selectors, records, |record| &record.name, |record| record.groups.clone())?;
        return Ok((picked, warnings));
    }
    match context.manifest_path() {
        Some(path) => {
            if !path.exists() {
                return Err(Error::new(ErrorCode::Usage, format!("there is no manifest `{}`", path.display())));
            }
            let mine: Vec<Record> = records.into_iter().filter(|record| Context::is_of(record, &path)).collect();
            if mine.is_empty() && fallback == Fallback::Manifest {
                return Err(Error::new(
                    ErrorCode::NotFound,
                    format!("no service of `{}` is installed", path.display()),
                )
                .hint("`svc install` installs them"));
            }
            let mut warnings = warnings;
            if mine.is_empty() {
                let what = format!("no service of `{}` is installed", path.display());
                warnings.push(format!("{what}; `svc up` installs them, `svc list` shows what else there is"));
            }
            Ok((mine, warnings))
        }
        None if fallback == Fallback::ManifestOrAll => Ok((records, warnings)),
        None => Err(Error::new(ErrorCode::Usage, "which services? there is no `svc.toml` here")
            .hint("name them, or `--all`; `svc list` shows them")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn names(selectors: &[&str]) -> Result<Vec<&'static str>, Error> {
        let selectors: Vec<String> = selectors.iter().map(ToString::to_string).collect();
        pick(
            &selectors,
            vec!["agent-a", "agent-b", "web"],
            |name| name,
            |name| if name.starts_with("agent") { vec!["agents".into()] } else { vec![] },
        )
    }

    #[test]
    fn names_globs_and_groups_select() {
        assert_eq!(names(&["web"]).expect("there"), ["web"]);
        assert_eq!(names(&["agent-*", "web"]).expect("there"), ["agent-a", "agent-b", "web"]);
        assert_eq!(names(&["@agents"]).expect("there"), ["agent-a", "agent-b"]);
    }

    #[test]
    fn what_fits_nothing_is_not_found_and_the_nearest_is_named() {
        let error = names(&["wed"]).expect_err("none");
        assert_eq!(error.code, ErrorCode::NotFound);
        assert_eq!(error.hint.as_deref(), Some("did you mean `web`? `svc list` shows all services"));
        assert_eq!(names(&["@x"]).expect_err("none").message, "there is no group `@x`");
        assert_eq!(names(&["[a"]).expect_err("bad").code, ErrorCode::Usage);
    }
}
