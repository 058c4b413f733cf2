//! Bad usage, told in one line that names the command and the option.

use clap::error::{ContextKind, ErrorKind};
use clap::{Command, CommandFactory, Error};

use super::args::Cli;

/// What is wrong, in one line.
pub(super) fn told(error: &Error) -> String {
    let context = |kind| error.get(kind).map(ToString::to_string);
    let option = context(ContextKind::InvalidArg);
    let suggested = context(ContextKind::SuggestedArg);
    match (error.kind(), option) {
        (ErrorKind::UnknownArgument, Some(option)) => {
            let hint = suggested.map_or(String::new(), |other| format!("; is it {other}?"));
            format!("it takes no {option}{hint}")
        }
        _ => {
            let text = error.render().to_string();
            let first = text.split("\n\n").next().unwrap_or_default();
            let words: Vec<&str> = first.split_whitespace().collect();
            words.join(" ").trim_start_matches("error: ").to_owned()
        }
    }
}

/// The command that these arguments name, if any.
pub(super) fn command(arguments: impl Iterator<Item = String>) -> Option<String> {
    let known = Cli::command();
    let is_command = |argument: &String| known.find_subcommand(argument).is_some();
    arguments.skip(1).find(is_command)
}

/// The first of these options that the command called `name` does not take.
pub(super) fn refused(name: &str, options: &[&'static str]) -> Option<&'static str> {
    let cli = Cli::command();
    let takes = |command: &Command, option| {
        command.get_arguments().any(|argument| argument.get_long() == Some(option))
    };
    let command = cli.find_subcommand(name)?;
    options.iter().copied().find(|option| !takes(command, option))
}
