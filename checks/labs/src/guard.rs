//! Assertions of the core, caught.

use std::any::Any;
use std::panic::{AssertUnwindSafe, catch_unwind};

/// Lets the core work; the message if it stops at an assertion. What it worked on must not be
/// used any more then.
pub fn guarded<T>(work: impl FnOnce() -> T) -> Result<T, String> {
    catch_unwind(AssertUnwindSafe(work)).map_err(|panic: Box<dyn Any + Send>| {
        match panic.downcast::<String>() {
            Ok(message) => *message,
            Err(panic) => panic.downcast_ref::<&str>().unwrap_or(&"no message").to_string(),
        }
    })
}
