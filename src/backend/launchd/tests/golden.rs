//! The property lists of examples/, as they lie in launchd/: living documentation. `GOLDEN=rewrite` writes
//! them anew. A service that launchd can't have has `NAME.refused` there, with the reasons.

use super::target;
use crate::backend::Scope;
use crate::backend::golden::{Golden, by_name};
use crate::backend::launchd::render::render;
use crate::definition::problem::Problem;

#[test]
fn examples_render_as_they_lie_in_launchd() {
    let golden = Golden { folder: "launchd", home: "/Users/me", below: "/Users/me" };
    golden.check(|service| match render(service, &target(Scope::User)) {
        Ok(rendered) => by_name(rendered).collect(),
        Err(problems) => {
            let line = |problem: &Problem| {
                let hint = problem.hint.as_ref().map(|hint| format!("  hint: {hint}\n")).unwrap_or_default();
                format!("{problem}\n{hint}")
            };
            [(format!("{}.refused", service.name), problems.iter().map(line).collect())].into()
        }
    });
}
