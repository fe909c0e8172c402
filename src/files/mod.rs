//! The files svc writes: whose they are.

pub mod owner;
