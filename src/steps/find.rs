//! `find`: one record by what identifies it.

use super::calls::{At, Before, fingerprint};
use super::ending::Ending;
use super::execute::{Execution, Stop};
use super::given::{Given, Outcome};
use super::look_up::{Found, Hit, LookUp, many_in_words, none_in_words};
use super::lower::Lowering;
use super::lower_steps::Selecting;
use super::mapping::Mapping;
use super::target::Target;
use super::uses::Role;
use super::ways::Way;
use crate::config::step::FindStep;
use crate::config::step::ManyFound;
use crate::config::{Match, ObjectRef};
use crate::connector::ActionKind;
use crate::connector::{Fields, Select};
use crate::diagnostic::{Code, Diagnostic, Path};
use crate::expr::Expr;
use crate::value::Value;
use crate::words::NoneFound;

/// `find`, ready to be performed.
#[derive(Debug)]
pub(super) struct Find {
    /// Where it is looked for, in turn: one place, or those of `any`.
    pub(super) places: Vec<Place>,
    pub(super) none: NoneFound,
    pub(super) many: ManyFound,
    pub(super) reason: Option<Expr>,
    pub(super) params: Mapping,
    /// The fields that later expressions read of it.
    pub(super) select: Select,
}

/// One place in which a record is looked for.
#[derive(Debug)]
pub(super) struct Place {
    pub(super) target: Target,
    /// Alternatives in order.
    pub(super) alternatives: Vec<Mapping>,
}

impl Find {
    pub(super) async fn perform(&self, at: &At<'_>, run: &mut Execution<'_>) -> Result<Value, Stop> {
        let names: Vec<String> = self.places.iter().map(|place| place.target.to_string()).collect();
        let fingerprint = fingerprint(&["find", &names.join(" ")]);
        if let Before::Done(given) = run.before(at, fingerprint)? {
            return Ok(given);
        }
        let mut places = Vec::with_capacity(self.places.len());
        for place in &self.places {
            places.push((&place.target, place.identities(at, run)?));
        }
        if places.iter().all(|(_, alternatives)| alternatives.is_empty()) {
            return Err(run.conflict(at, self.reason.as_ref(), self.blank_in_words(), Vec::new()));
        }
        let params = self.params.eval_params(at, run)?;
        for (target, alternatives) in &places {
            let look = LookUp { target, alternatives, select: &self.select, params: params.clone() };
            let hit = match run.look_up(at, &look).await? {
                Found::None => continue,
                Found::One(hit) => hit,
                Found::Many { first, candidates, by } => {
                    self.several(at, run, first, many_in_words(target, &by, &candidates), candidates)?
                }
                Found::Contradiction { candidate, words } => {
                    return Err(run.conflict(at, self.reason.as_ref(), words, vec![candidate]));
                }
            };
            let given = Given::new(Outcome::Found).id(Some(&hit.id)).object(target).record(hit.record);
            return run.remember(at, fingerprint, given.into()).await;
        }
        let given = run.none_found(at, self.none, self.reason.as_ref(), none_in_words(&places))?;
        run.remember(at, fingerprint, given).await
    }

    /// What `many:` says of several records.
    fn several(
        &self,
        at: &At<'_>,
        run: &Execution<'_>,
        first: Hit,
        words: String,
        candidates: Vec<Value>,
    ) -> Result<Hit, Stop> {
        run.took(&at.step.label, Way::ManyFound);
        let reason = self.reason.as_ref();
        match self.many {
            ManyFound::First => Ok(first),
            ManyFound::Conflict => Err(run.conflict(at, reason, words, candidates)),
            ManyFound::Skip => {
                Err(Box::new(Ending::Skipped { reason: run.reason(at, reason, words, &candidates)? }))
            }
            ManyFound::Fail => Err(at.refuse(run.reason(at, reason, words, &candidates)?)),
        }
    }

    fn blank_in_words(&self) -> String {
        let ways: Vec<String> = self.places.iter().map(Place::blank_in_words).collect();
        format!("nothing to look by: {}", ways.join("; "))
    }
}

impl Place {
    /// The alternatives that have a value, in order.
    fn identities(&self, at: &At<'_>, run: &Execution<'_>) -> Result<Vec<Fields>, Stop> {
        identities(&self.alternatives, at, run)
    }

    fn blank_in_words(&self) -> String {
        blank_in_words(&self.target, &self.alternatives)
    }
}

/// The alternatives that have a value, in order: blank ones are passed over.
pub(super) fn identities(
    alternatives: &[Mapping],
    at: &At<'_>,
    run: &Execution<'_>,
) -> Result<Vec<Fields>, Stop> {
    let mut identities = Vec::with_capacity(alternatives.len());
    for alternative in alternatives {
        identities.extend(alternative.eval_identity(at, run)?);
    }
    Ok(identities)
}

/// `the Stripe_Customer_Id__c of crm.Account is empty`, when no alternative has a value.
pub(super) fn blank_in_words(target: &Target, alternatives: &[Mapping]) -> String {
    let names: Vec<String> = alternatives.iter().map(Mapping::in_words).collect();
    format!("{} of {target} {}", names.join(", "), if names.len() == 1 { "is empty" } else { "are empty" })
}

impl Find {
    /// Several kinds of object have different fields: what is read of the one that is found cannot be asked of all.
    pub(super) fn settle(&mut self, select: Selecting<'_>) {
        let mut targets = self.places.iter().map(|place| &place.target);
        let Some(first) = targets.next() else { return };
        let one_kind = targets.all(|target| target.to_string() == first.to_string());
        self.select = if one_kind { select(first) } else { Select::All };
    }
}

impl Lowering<'_> {
    pub(super) fn find_step(&mut self, path: &Path, written: &FindStep) -> Option<Find> {
        let places = match (&written.object, &written.matching, written.any.as_slice()) {
            (Some(object), Some(matching), []) => self.place(path, object, matching).map(|place| vec![place]),
            (None, None, any @ [_, ..]) => self.places(&path.key("any"), any),
            _ => {
                let fact = "`find` needs either `object` and `match`, or `any`";
                let finding = Diagnostic::new(Code::IncompleteFind, self.key(path), fact);
                self.find(finding);
                None
            }
        };
        let reason = self.reason(path, written.reason.as_ref());
        let params = self.mapping(&path.key("params"), &written.params, Role::Value);
        Some(Find {
            places: places?,
            none: written.none,
            many: written.many,
            reason: reason.ok()?,
            params: params?,
            select: Select::All,
        })
    }

    fn places(&mut self, path: &Path, written: &[crate::config::step::Place]) -> Option<Vec<Place>> {
        let mut places = Some(Vec::new());
        for (index, place) in written.iter().enumerate() {
            match (self.place(&path.index(index), &place.object, &place.matching), &mut places) {
                (Some(place), Some(places)) => places.push(place),
                _ => places = None,
            }
        }
        places
    }

    fn place(&mut self, path: &Path, object: &ObjectRef, matching: &Match) -> Option<Place> {
        let target = self.target(&path.key("object"), object, ActionKind::Find);
        let alternatives = self.alternatives(path, matching, target.as_ref());
        Some(Place { target: target?, alternatives: alternatives? })
    }

    /// The alternatives of a `match`, each of them an identity that the connector can look up by.
    pub(super) fn alternatives(
        &mut self,
        path: &Path,
        matching: &Match,
        target: Option<&Target>,
    ) -> Option<Vec<Mapping>> {
        let path = path.key("match");
        let mut alternatives = Some(Vec::new());
        for (index, fields) in matching.alternatives().iter().enumerate() {
            let path = if matches!(matching, Match::One(_)) { path.clone() } else { path.index(index) };
            if fields.is_empty() {
                let fact = "an empty map identifies nothing";
                let finding = Diagnostic::new(Code::IncompleteFind, self.value(&path), fact);
                self.find(finding);
            }
            let mapping = self.mapping(&path, fields, Role::Value);
            let names: Vec<&str> = fields.keys().map(String::as_str).collect();
            let fits = target.is_none_or(|target| self.finds_by(&path, target, &names));
            match (mapping, &mut alternatives) {
                (Some(mapping), Some(alternatives)) if fits => alternatives.push(mapping),
                _ => alternatives = None,
            }
        }
        alternatives
    }

    /// True when the connector can look a record up by these fields; else a finding says by which it can.
    pub(super) fn finds_by(&mut self, path: &Path, target: &Target, names: &[&str]) -> bool {
        let Some(facts) = target.facts() else { return true };
        if facts.find(names.iter().map(|name| target.field(name))).is_some() {
            return true;
        }
        let fact = format!("`{target}` cannot be looked up by {}", names.join(" and "));
        let ways: Vec<String> = facts.finders.iter().map(in_words_of_finder).collect();
        let finding = Diagnostic::new(Code::UnsupportedAction, self.value(path), fact);
        let finding = if ways.is_empty() {
            finding.help("its connector has no look-up for it at all")
        } else {
            finding.help(format!("it can be looked up by {}", ways.join("; or by ")))
        };
        self.find(finding);
        false
    }
}

fn in_words_of_finder(finder: &crate::connector::Finder) -> String {
    match &finder.by {
        Some(fields) => fields.join(", "),
        None => "any one field".to_owned(),
    }
}
