//! What a person wrote, and the way from there to a valid [`crate::service::Service`].

pub mod problem;
