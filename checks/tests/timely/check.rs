//! Runs the program.

use std::process::{Child, Command, Stdio};

/// The program with these arguments, its output to be read.
pub fn command(args: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_check"));
    command.args(args).stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
    command
}

/// The exit status, stdout and stderr of a program that was started.
pub fn finish(child: Child) -> (Option<i32>, String, String) {
    let output = child.wait_with_output().unwrap();
    let text = |bytes| String::from_utf8(bytes).unwrap();
    (output.status.code(), text(output.stdout), text(output.stderr))
}

/// The same of `check` with these arguments.
pub fn check(args: &[&str]) -> (Option<i32>, String, String) {
    finish(command(args).spawn().unwrap())
}

/// What `check run` says about a scope, as JSON.
pub fn verdict(args: &[&str]) -> serde_json::Value {
    let (_, json, stderr) = check(&[&["run"], args, &["--json"]].concat());
    serde_json::from_str(&json).unwrap_or_else(|error| panic!("{args:?}: {error}: {stderr}"))
}
