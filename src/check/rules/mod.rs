//! The rules: one file a rule, one page a rule, one list of all of them.
//!
//! A rule sees one client in one environment and reports under its own code. The pages of codes that other stages
//! report (`yaml`, `config`, `project`) stand here too.

mod bad_owner;
mod bad_placeholder;
mod bad_schedule;
mod connection_config;
mod constant_condition;
mod disabled_pipeline;
mod duplicate_name;
mod endless_loop;
mod field_type;
mod foreign_write;
mod impossible_word;
mod key_not_unique;
mod map_words;
mod minor_units;
mod missing_field;
mod mixed_modes;
mod moved_field;
mod name_differs;
mod no_events;
mod no_zone;
mod not_expanded;
mod partial_field;
mod raw_time;
mod read_only;
mod read_only_field;
mod required_field;
mod retry_too_long;
mod secret_written;
mod short_interval;
mod test_case;
mod text_too_long;
mod two_writers;
mod unknown_api_version;
mod unknown_connector;
mod unknown_event;
mod unknown_field;
mod unknown_option;
mod unknown_path;
mod unknown_pipeline;
mod unordered_update;
mod unpulled_object;
mod unreachable_step;
mod unused_connection;
mod unused_part;
mod unused_result;
mod wrong_kind;
mod wrong_money;

use super::types::Typed;
use super::view::{Found, View};
use crate::diagnostic::Code;

/// One thing that can be wrong with a client.
pub(super) struct Rule {
    /// The code of everything that it finds.
    pub(super) code: Code,
    /// Looks for it.
    pub(super) check: fn(&View, &mut Found),
}

/// One thing that can be wrong with the values in a client's pipelines.
pub(super) struct TypedRule {
    /// The code of everything that it finds.
    pub(super) code: Code,
    /// Looks for it.
    pub(super) check: fn(&View, &Typed, &mut Found),
}

/// The rules that look at what values are, once every expression is compiled.
pub(super) const TYPED_RULES: &[TypedRule] = &[
    unknown_path::RULE,
    moved_field::RULE,
    partial_field::RULE,
    not_expanded::RULE,
    impossible_word::RULE,
    map_words::RULE,
    minor_units::RULE,
    wrong_money::RULE,
    wrong_kind::RULE,
    raw_time::RULE,
    no_zone::RULE,
    constant_condition::RULE,
    unreachable_step::RULE,
    field_type::RULE,
    unknown_option::RULE,
    text_too_long::RULE,
    required_field::RULE,
];

/// All other rules, in the order in which a reader meets what they are about.
pub(super) const RULES: &[Rule] = &[
    name_differs::RULE,
    duplicate_name::RULE,
    bad_placeholder::RULE,
    secret_written::RULE,
    unknown_connector::RULE,
    connection_config::RULE,
    unknown_api_version::RULE,
    mixed_modes::RULE,
    unused_connection::RULE,
    bad_owner::RULE,
    foreign_write::RULE,
    read_only::RULE,
    unpulled_object::RULE,
    unknown_field::RULE,
    read_only_field::RULE,
    missing_field::RULE,
    key_not_unique::RULE,
    no_events::RULE,
    unknown_event::RULE,
    disabled_pipeline::RULE,
    two_writers::RULE,
    endless_loop::RULE,
    unordered_update::RULE,
    unused_result::RULE,
    retry_too_long::RULE,
    bad_schedule::RULE,
    short_interval::RULE,
    unused_part::RULE,
    unknown_pipeline::RULE,
    test_case::RULE,
];
