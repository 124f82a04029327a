//! `lockstep --help`: the commands in groups, in the order in which a user meets them.

use std::fmt::Write;

use clap::CommandFactory;

use super::app::App;

/// Every command is in exactly one group.
const GROUPS: &[(&str, &[&str])] = &[
    ("Writing and checking", &["init", "validate", "test", "dry-run", "plan", "show", "quota"]),
    ("Running", &["demo", "run", "endpoints", "sandbox"]),
    ("Looking", &["events", "runs", "dead", "conflicts", "reports", "audit"]),
    ("Keeping", &["purge"]),
    ("Reference", &["connectors", "rules", "schema", "completions"]),
];

/// The wide column: the longest command name and two blanks.
const NAME_WIDTH: usize = 14;

/// The whole command line, as clap knows it.
pub fn command() -> clap::Command {
    let command = App::command();
    let groups = groups(&command);
    command.disable_help_subcommand(true).help_template(format!(
        "{{about}}\n\n{{usage-heading}} {{usage}}\n\n{groups}Options:\n{{options}}\n\n\
         `lockstep <COMMAND> --help` explains a command and its options.\n"
    ))
}

fn groups(command: &clap::Command) -> String {
    let mut text = String::new();
    for (heading, names) in GROUPS {
        // Writing into a String cannot fail.
        let _ = writeln!(text, "{heading}:");
        for name in *names {
            let about = command.find_subcommand(name).and_then(clap::Command::get_about);
            let _ = writeln!(text, "  {name:NAME_WIDTH$}{}", about.cloned().unwrap_or_default());
        }
        text.push('\n');
    }
    text
}

#[cfg(test)]
mod tests {
    use pretty_assertions::assert_eq;

    use super::*;

    #[test]
    fn every_command_is_in_one_group_and_says_what_it_does() {
        let command = command();
        command.clone().debug_assert();
        let mut known: Vec<&str> = command.get_subcommands().map(clap::Command::get_name).collect();
        let mut listed: Vec<&str> = GROUPS.iter().flat_map(|(_, names)| names.iter().copied()).collect();
        known.sort_unstable();
        listed.sort_unstable();
        assert_eq!(listed, known);
        for subcommand in command.get_subcommands() {
            assert!(subcommand.get_about().is_some(), "{}", subcommand.get_name());
            assert!(subcommand.get_name().len() < NAME_WIDTH, "{}", subcommand.get_name());
        }
    }
}
