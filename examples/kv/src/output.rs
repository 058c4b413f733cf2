//! What goes to standard output and standard error: whoever reads it may have gone away, which
//! changes nothing about what is done. `print!` and its kind would panic.

use std::io::{self, Write};

/// To standard output; on standard error, if nobody reads that.
pub fn say(text: &str) {
    let mut out = io::stdout().lock();
    if out.write_all(text.as_bytes()).and_then(|()| out.flush()).is_err() {
        complain("nobody reads what is printed");
    }
}

/// One line on standard error.
pub fn complain(line: &str) {
    // There is nowhere left to tell that this failed.
    let _ = writeln!(io::stderr(), "kv: {line}");
}
