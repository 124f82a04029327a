//! Keys of the catalog's objects, and what is to be said of one that is not there.

use std::sync::Arc;

use super::infer::{Infer, under};
use super::resource::{Alternative, Resource};
use super::shape::Shape;
use super::sight::{Miss, Sight};
use crate::expr::Spot;
use crate::nearest::nearest;

impl Infer<'_> {
    /// The value under a key of an object of the catalog.
    pub(super) fn member_of_resource(
        &mut self,
        spot: &Spot,
        of: &Shape,
        resource: &Resource,
        key: &Arc<str>,
    ) -> Shape {
        let reading = resource.key(key);
        match &reading.shape {
            None if reading.unknown => {}
            None => self.see_missing(spot, resource, reading.not_expanded, key),
            Some(_) if reading.without.is_empty() || self.tolerant > 0 || self.scope.loose => {}
            Some(_) => {
                let key = Arc::clone(key);
                let (with, without) = (named(&reading.with), named(&reading.without));
                self.see(spot, Sight::Partial { key, with, without });
            }
        }
        match reading.shape {
            Some(shape) if reading.without.is_empty() && !reading.unknown => under(of, &shape),
            Some(shape) => under(of, &shape.maybe()),
            None => Shape::UNKNOWN,
        }
    }

    fn see_missing(
        &mut self,
        spot: &Spot,
        resource: &Resource,
        not_expanded: Option<super::resource::NotExpanded>,
        key: &Arc<str>,
    ) {
        let sight = match not_expanded {
            Some(not) => {
                Sight::NotExpanded { key: Arc::clone(key), objects: not.objects, left_out: not.left_out }
            }
            None => Sight::Missing(Miss {
                key: Arc::clone(key),
                of: resource.in_words(),
                near: nearest(key, resource.keys()).map(ToOwned::to_owned),
                moved: resource.moved(key),
                pulled: None,
            }),
        };
        self.see(spot, sight);
    }
}

/// The events that bring these, or what they are.
fn named(alternatives: &[Alternative]) -> Vec<String> {
    let mut names = Vec::new();
    for alternative in alternatives {
        if alternative.events.is_empty() {
            names.push(alternative.name.to_string());
        } else {
            names.extend(alternative.events.iter().map(|event| (*event).to_owned()));
        }
    }
    names
}
