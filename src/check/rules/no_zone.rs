#![doc = include_str!("no-zone.md")]

use super::super::types::{Sight, Typed};
use super::super::view::{Found, View};
use super::TypedRule;
use crate::diagnostic::{Code, Path};
use crate::expr::TimeForm;

pub(super) const RULE: TypedRule = TypedRule { code: Code::NoZone, check };

fn check(view: &View, typed: &Typed, found: &mut Found) {
    let zone = Path::root().key("timezone");
    if view.draft.file.has(&zone) || view.overlay.is_some_and(|overlay| overlay.has(&zone)) {
        return;
    }
    for (place, sight) in &typed.sights {
        let Sight::Told { form } = sight else { continue };
        let what = if *form == TimeForm::Date { "the day" } else { "the time" };
        let finding = found
            .at(place.clone(), format!("nothing says in which time zone {what} is told"))
            .label("it is told in UTC")
            .help("write `timezone: Europe/London` into client.yaml, or `zone:` beside it");
        found.push(finding);
    }
}
