//! The rules: one file a rule, one page a rule, one list of all of them.
//!
//! A rule sees one client in one environment and reports under its own code. The pages of codes that other stages
//! report (`yaml`, `config`, `project`) stand here too.

mod bad_owner;
mod bad_placeholder;
mod bad_schedule;
mod connection_config;
mod disabled_pipeline;
mod duplicate_name;
mod foreign_write;
mod name_differs;
mod no_events;
mod read_only;
mod retry_too_long;
mod secret_written;
mod short_interval;
mod test_case;
mod unknown_api_version;
mod unknown_connector;
mod unknown_event;
mod unknown_pipeline;
mod unused_connection;
mod unused_part;

use super::view::{Found, View};
use crate::diagnostic::Code;

/// One thing that can be wrong with a client.
pub(super) struct Rule {
    /// The code of everything that it finds.
    pub(super) code: Code,
    /// Looks for it.
    pub(super) check: fn(&View, &mut Found),
}

/// All rules, in the order in which a reader meets what they are about.
pub(super) const RULES: &[Rule] = &[
    name_differs::RULE,
    duplicate_name::RULE,
    bad_placeholder::RULE,
    secret_written::RULE,
    unknown_connector::RULE,
    connection_config::RULE,
    unknown_api_version::RULE,
    unused_connection::RULE,
    bad_owner::RULE,
    foreign_write::RULE,
    read_only::RULE,
    no_events::RULE,
    unknown_event::RULE,
    disabled_pipeline::RULE,
    retry_too_long::RULE,
    bad_schedule::RULE,
    short_interval::RULE,
    unused_part::RULE,
    unknown_pipeline::RULE,
    test_case::RULE,
];
