//! The machine against a simulated world: see [`twin`].
#![allow(
    clippy::disallowed_methods,
    clippy::print_stdout,
    reason = "SEED, ROUNDS and TRACE are for whoever looks for a failure"
)]

mod fleet;
mod property;
mod random;
mod scenarios;
mod town;
mod twin;
