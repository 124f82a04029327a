#![doc = include_str!("retry-too-long.md")]

use std::time::Duration;

use super::super::view::{Found, View};
use super::super::walk;
use super::Rule;
use crate::config::{DraftFile, RetryFile};
use crate::diagnostic::{Code, Path};
use crate::words::Span;

pub(super) const RULE: Rule = Rule { code: Code::RetryTooLong, check };

/// A run that is retried for longer answers nobody any more, and holds its lane all the while.
const LONGEST: Duration = Duration::from_hours(7 * 24);

fn check(view: &View, found: &mut Found) {
    for file in &view.draft.pipelines {
        let Some(pipeline) = &file.content else { continue };
        compare(file, &Path::root().key("retry"), pipeline.retry, found);
        walk::steps(&pipeline.steps, &Path::root().key("steps"), &mut |path, step| {
            if let Some(retry) = step.retry {
                compare(file, &path.key("retry"), retry, found);
            }
        });
    }
}

fn compare<T>(file: &DraftFile<T>, path: &Path, retry: RetryFile, found: &mut Found) {
    let total = longest(retry);
    if total > LONGEST {
        let fact = format!("retries can go on for {}", Span(total));
        let finding = found
            .at(file.value(path.clone()), fact)
            .label("later runs of the same key wait all the while")
            .help("use fewer attempts or a shorter longest delay; a dead letter can be retried at any time");
        found.push(finding);
    }
}

/// The sum of all delays at their longest, whole days when it is many.
fn longest(retry: RetryFile) -> Duration {
    let mut delay = retry.backoff.first;
    let mut total = Duration::ZERO;
    for _ in 1..retry.attempts {
        total = total.saturating_add(delay);
        delay = delay.saturating_mul(2).min(retry.backoff.longest);
    }
    total
}

#[cfg(test)]
mod tests {
    use pretty_assertions::assert_eq;

    use super::*;
    use crate::words::Backoff;

    #[test]
    fn delays_double_up_to_the_longest() {
        let hour = Duration::from_hours(1);
        let retry = RetryFile { attempts: 5, backoff: Backoff { first: hour, longest: 4 * hour } };
        assert_eq!(longest(retry), hour * (1 + 2 + 4 + 4));
        assert!(longest(RetryFile::default()) < hour);
    }
}
