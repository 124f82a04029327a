#![doc = include_str!("key-not-unique.md")]

use super::super::access::{Doing, accesses};
use super::super::view::{Found, View};
use super::Rule;
use crate::diagnostic::Code;

pub(super) const RULE: Rule = Rule { code: Code::KeyNotUnique, check };

fn check(view: &View, found: &mut Found) {
    let accesses = accesses(view);
    for access in accesses.iter().filter(|access| matches!(access.doing, Doing::Create | Doing::Upsert)) {
        // Of several fields together, nothing is said; one unique alternative is enough.
        let single = |fields: &crate::config::Fields| {
            let name = fields.keys().next().filter(|_| fields.len() == 1)?;
            Some((name.clone(), access.known.field(name)?.unique?))
        };
        let known: Option<Vec<_>> = access.identities.iter().map(|(_, fields)| single(fields)).collect();
        let Some(known) = known.filter(|known| !known.iter().any(|(_, unique)| *unique)) else { continue };
        let (Some((name, _)), Some((path, _))) = (known.first(), access.identities.first()) else { continue };
        let finding = found
            .at(
                access.key(&path.key(name.as_str())),
                format!("nothing keeps two {} records from having one `{name}`", access.object),
            )
            .label("what is created by it may be there twice")
            .help(format!("make `{name}` unique in the account, or use a field that is"));
        found.push(finding);
    }
}
