//! `puente.toml` as text: the only source of configuration. Parsed once; an error names file, line and key.
//!
//! [`Section`] is a part of the file with its place, [`Secret`] what must never be seen. What the parts mean is read by those who know:
//! each connector its own, [`crate::parties`] the rest.

pub(crate) mod limits;
mod links;
pub(crate) mod plain_http;
pub(crate) mod secret;
pub(crate) mod section;

pub use self::{limits::FrontDoor, links::Links, secret::Secret, section::Section};
