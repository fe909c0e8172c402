//! The machine against a simulated world: see [`twin`].

mod scenarios;
mod twin;
