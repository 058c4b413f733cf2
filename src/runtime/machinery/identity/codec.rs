//! The form of notes and hellos: JSON with a version, so that a build which does not know it
//! says so.

use crate::runtime::std;

use std::string::String;
use std::vec::Vec;

use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use thiserror::Error;

const VERSION: u32 = 1;

#[derive(Serialize, Deserialize)]
struct Form<T> {
    version: u32,
    value: T,
}

/// The version alone, whatever else is there.
#[derive(Deserialize)]
struct Version {
    version: u32,
}

/// Bytes that this build cannot read.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum Unreadable {
    /// It is of another version.
    #[error("it has version {0}, and this build reads version {VERSION}: upgrade the older one")]
    Version(u32),
    /// It has no such form.
    #[error("{0}")]
    Form(String),
}

pub(super) fn encode<T: Serialize>(value: &T) -> Vec<u8> {
    serde_json::to_vec(&Form { version: VERSION, value })
        .expect("numbers, texts and maps of them with numbers as keys have a form in JSON")
}

pub(super) fn decode<T: DeserializeOwned>(bytes: &[u8]) -> Result<T, Unreadable> {
    let form = |error: serde_json::Error| Unreadable::Form(std::format!("{error}"));
    let Version { version } = serde_json::from_slice(bytes).map_err(form)?;
    if version != VERSION {
        return Err(Unreadable::Version(version));
    }
    let Form { version: _, value } = serde_json::from_slice(bytes).map_err(form)?;
    Ok(value)
}
