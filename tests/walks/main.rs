//! The same walks of a person by the same command lines on every backend. A scenario is a function over a
//! [`Ground`]; each is a test of each ground: `systemd::life`, `supervisor::life`, `launchd::life`.
//!
//! What only one backend has lies in `host_walk.rs` and `supervisor_walk.rs`.
#![allow(unreachable_pub, missing_docs, clippy::unwrap_used, clippy::disallowed_methods, reason = "test code")]

mod care;
mod failing;
mod fields;
mod ground;
mod life;
mod looking;
mod many;
mod starting;
#[path = "../support/mod.rs"]
mod support;
mod tasks;
mod timed;
mod up;

use ground::Ground;

macro_rules! walks {
    ($($file:ident::$scenario:ident)*) => {
        walks! { @ systemd $($file $scenario)* }
        walks! { @ supervisor $($file $scenario)* }
        walks! { @ launchd $($file $scenario)* }
    };
    (@ $ground:ident $($file:ident $scenario:ident)*) => {
        mod $ground {
            $(#[test]
            fn $scenario() {
                if let Some(ground) = super::Ground::$ground(stringify!($scenario)) {
                    super::$file::$scenario(&ground);
                }
            })*
        }
    };
}

walks! {
    life::life
    life::drift
    life::two_at_once
    failing::failed_starts
    failing::failed_update
    failing::crash_loop
    failing::exit_codes
    fields::fields
    fields::odd_bytes
    fields::secrets
    looking::logs
    looking::history
    looking::keys_of_json
    looking::list_show_render
    looking::show_makes_a_manifest
    many::manifest
    starting::ready
    starting::reload
    timed::scheduled
    care::wait_for
    care::on_failure
    care::health
    care::restart_reset
    up::up
    up::up_parts
    up::up_failing
    up::up_drift
    up::up_places
    up::up_terminal
    up::up_label
    up::up_timed
    up::up_at_once
    tasks::tasks
    tasks::line
    tasks::loops
    tasks::odd_task
}
