#![doc = include_str!("unknown-field.md")]

use super::super::access::accesses;
use super::super::view::{Found, View};
use super::Rule;
use crate::diagnostic::Code;
use crate::nearest::nearest;

pub(super) const RULE: Rule = Rule { code: Code::UnknownField, check };

fn check(view: &View, found: &mut Found) {
    for access in accesses(view) {
        for line in access.lines().iter().filter(|line| !access.known.has(line.name)) {
            let near = nearest(line.name, access.known.names());
            let finding = found
                .at(access.key(&line.path), format!("`{}` is not a field of {}", line.name, access.object))
                .label("the account has no such field")
                .help(match near {
                    Some(near) => format!("did you mean `{near}`?"),
                    None => format!(
                        "if it is new there, pull the account's fields again: `lockstep schema pull {} {}`",
                        view.draft.folder, access.object.connection
                    ),
                });
            found.push(finding);
        }
    }
}
