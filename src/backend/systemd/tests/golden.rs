//! The units of examples/, as they lie in systemd/: living documentation. `GOLDEN=rewrite` writes them anew.

use super::target;
use crate::backend::Scope;
use crate::backend::golden::{Golden, by_name};
use crate::backend::systemd::render::{NEWEST_KNOWN, render};

#[test]
fn examples_render_as_they_lie_in_systemd() {
    let golden = Golden { folder: "systemd", home: "/home/me", below: "/srv" };
    golden.check(|service| by_name(render(service, &target(Scope::User, NEWEST_KNOWN)).unwrap()).collect());
}
