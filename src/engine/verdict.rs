//! What the end of one execution leads to: the one place where failures are judged.

use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;

use super::jitter::Jitter;
use crate::config::RetryFile;
use crate::connector::{Class, Failure};
use crate::secret::Redactor;
use crate::steps::Ending;
use crate::store::Outcome;
use crate::value::Value;

/// What becomes of a run.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Verdict {
    /// It has ended.
    End {
        outcome: Outcome,
        reason: String,
        candidates: Vec<Value>,
        /// Failed attempts, all told.
        attempts: u32,
    },
    /// It keeps its lane, and is tried again.
    Hold { until: Until, attempts: u32, reason: String },
    /// It leaves its lane, and is tried again.
    Wait { due: Timestamp, reason: String },
}

impl Verdict {
    /// Blots out the secrets in what is said and kept about the run.
    pub(super) fn redact(&mut self, redactor: &Redactor) {
        let reason = match self {
            Self::End { reason, candidates, .. } => {
                for candidate in candidates {
                    if let Some(clean) = redactor.redact_value(candidate) {
                        *candidate = clean;
                    }
                }
                reason
            }
            Self::Hold { reason, .. } | Self::Wait { reason, .. } => reason,
        };
        *reason = redactor.redact(reason);
    }
}

/// What a held run waits for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Until {
    /// A time.
    Due(Timestamp),
    /// A connection that is paused.
    Back(Arc<str>),
}

/// What is known of the run that is judged.
#[derive(Debug, Clone, Copy)]
pub(super) struct Case {
    /// Failed attempts before this one.
    pub(super) attempts: u32,
    /// When its event reached us.
    pub(super) received: Timestamp,
    /// The present.
    pub(super) now: Timestamp,
    /// The pipeline's rule.
    pub(super) retry: RetryFile,
    /// When the connection that failed is tried next, if it is paused.
    pub(super) paused_until: Option<Timestamp>,
}

/// The first delay when somebody else holds a record: locks last for moments.
const LOCKED_FIRST: Duration = Duration::from_millis(250);

/// The wait when a throttled system names none.
const THROTTLED: Duration = Duration::from_secs(5);

/// How long after the next try of a paused connection the run that made the last one is looked at again.
const AFTER_TRY: Duration = Duration::from_secs(1);

/// When a run that the store has interrupted is looked at again.
const INTERRUPTED: Duration = Duration::from_secs(2);

/// The first and the longest pause between looks at something that is not there yet.
const WAIT_FIRST: Duration = Duration::from_secs(5);
const WAIT_LONGEST: Duration = Duration::from_mins(10);

impl Case {
    /// Judges how one execution ended.
    pub(super) fn judge(&self, ending: Ending, jitter: &Jitter) -> Verdict {
        match ending {
            Ending::Succeeded => self.end(Outcome::Succeeded, String::new()),
            Ending::Skipped { reason } => self.end(Outcome::Skipped, reason),
            Ending::Conflict { reason, candidates } => {
                Verdict::End { outcome: Outcome::Conflict, reason, candidates, attempts: self.attempts }
            }
            Ending::Waiting { reason, at_most } => self.waiting(reason, at_most),
            Ending::Held => self.hold(
                jitter.of(LOCKED_FIRST * 4),
                self.attempts,
                "another run is about to create the same record".to_owned(),
            ),
            Ending::Failed { step, failure, connection, retry } => {
                self.failed(&step, failure, connection, retry.unwrap_or(self.retry), jitter)
            }
            Ending::Interrupted { reason } => self.hold(INTERRUPTED, self.attempts, reason),
        }
    }

    fn failed(
        &self,
        step: &str,
        failure: Failure,
        connection: Option<Arc<str>>,
        retry: RetryFile,
        jitter: &Jitter,
    ) -> Verdict {
        let reason = format!("step {step}: {failure}");
        let asked = failure.wait.unwrap_or_default();
        match failure.class {
            // Those who can be helped by looking again were helped by their step.
            Class::Permanent | Class::Partial | Class::Missing | Class::Duplicate => Verdict::End {
                outcome: Outcome::Dead,
                reason,
                candidates: failure.candidates,
                attempts: self.attempts + 1,
            },
            Class::Throttled => {
                let wait = failure.wait.unwrap_or(THROTTLED);
                // A tenth more, at random: those who were told the same do not come back at the same moment.
                self.hold(wait + jitter.of(wait / 10), self.attempts, reason)
            }
            Class::Transient | Class::Unknown => match self.paused_until {
                // It was the connection and not this run, which uses up no attempt. Another run makes the next try, so
                // that an event that its system chokes on does not keep the others waiting.
                Some(tried) => Verdict::Hold {
                    until: Until::Due(after(tried, AFTER_TRY)),
                    attempts: self.attempts,
                    reason,
                },
                None => self.again(retry, retry.backoff.first, asked, jitter, reason),
            },
            Class::Locked => self.again(retry, LOCKED_FIRST, asked, jitter, reason),
            Class::Expired | Class::ConnectionDown => match connection {
                Some(connection) => {
                    Verdict::Hold { until: Until::Back(connection), attempts: self.attempts, reason }
                }
                None => self.end(Outcome::Dead, reason),
            },
        }
    }

    /// Exponential backoff from `first` with full jitter, as long as there are attempts left; never sooner than the
    /// system asked for.
    fn again(
        &self,
        retry: RetryFile,
        first: Duration,
        asked: Duration,
        jitter: &Jitter,
        reason: String,
    ) -> Verdict {
        let attempts = self.attempts + 1;
        if attempts >= retry.attempts {
            let reason = format!("{reason}; given up after {attempts} attempts");
            return Verdict::End { outcome: Outcome::Dead, reason, candidates: Vec::new(), attempts };
        }
        let doubled = first.saturating_mul(2_u32.saturating_pow(self.attempts));
        let delay = jitter.of(doubled.min(retry.backoff.longest.max(first)));
        self.hold(delay.max(asked), attempts, reason)
    }

    /// Looked at again after a quarter of the time that it has waited: often at first, seldom later.
    fn waiting(&self, reason: String, at_most: Duration) -> Verdict {
        let waited = Duration::try_from(self.now.duration_since(self.received)).unwrap_or_default();
        if waited >= at_most {
            return self.end(Outcome::Dead, format!("{reason}; waited for it as long as was allowed"));
        }
        let pause = (waited / 4).clamp(WAIT_FIRST, WAIT_LONGEST).min(at_most.saturating_sub(waited));
        Verdict::Wait { due: after(self.now, pause), reason }
    }

    fn end(&self, outcome: Outcome, reason: String) -> Verdict {
        Verdict::End { outcome, reason, candidates: Vec::new(), attempts: self.attempts }
    }

    fn hold(&self, wait: Duration, attempts: u32, reason: String) -> Verdict {
        Verdict::Hold { until: Until::Due(after(self.now, wait)), attempts, reason }
    }
}

/// `wait` after `time`; the end of time when there is no such moment.
pub(super) fn after(time: Timestamp, wait: Duration) -> Timestamp {
    time.checked_add(wait).unwrap_or(Timestamp::MAX)
}

#[cfg(test)]
mod tests {
    use pretty_assertions::assert_eq;

    use super::*;
    use crate::config::Backoff;

    fn case(attempts: u32) -> Case {
        Case {
            attempts,
            received: Timestamp::UNIX_EPOCH,
            now: after(Timestamp::UNIX_EPOCH, Duration::from_secs(100)),
            retry: RetryFile { attempts: 4, backoff: Backoff::default() },
            paused_until: None,
        }
    }

    fn failed(class: Class, wait: Option<u64>) -> Ending {
        Ending::Failed {
            step: "2 task".into(),
            failure: Failure { wait: wait.map(Duration::from_secs), ..Failure::new(class, "no") },
            connection: Some("crm".into()),
            retry: None,
        }
    }

    /// When a run is tried again, in seconds from now, and how many attempts it has used up by then.
    fn held(verdict: &Verdict) -> Option<(i64, u32)> {
        let Verdict::Hold { until: Until::Due(due), attempts, .. } = verdict else { return None };
        Some((due.as_second() - 100, *attempts))
    }

    #[test]
    fn transient_failures_back_off_until_the_attempts_are_used_up() {
        let judge = |attempts| case(attempts).judge(failed(Class::Transient, None), &Jitter::None);
        assert_eq!(
            [0, 1, 2].map(|attempts| held(&judge(attempts))),
            [Some((2, 1)), Some((4, 2)), Some((8, 3))]
        );
        assert_eq!(
            judge(3),
            Verdict::End {
                outcome: Outcome::Dead,
                reason: "step 2 task: no; given up after 4 attempts".into(),
                candidates: vec![],
                attempts: 4
            }
        );
    }

    #[test]
    fn nobody_comes_back_sooner_than_the_system_asked_for() {
        let jitter = Jitter::full();
        for _ in 0..50 {
            let verdict = case(0).judge(failed(Class::Transient, Some(60)), &jitter);
            assert_eq!(held(&verdict), Some((60, 1)));
        }
    }

    #[test]
    fn the_longest_delay_holds() {
        let late = Case { retry: RetryFile { attempts: 100, ..case(0).retry }, ..case(60) };
        assert_eq!(held(&late.judge(failed(Class::Unknown, None), &Jitter::None)), Some((900, 61)));
    }

    #[test]
    fn a_throttled_run_waits_as_long_as_it_is_asked_and_uses_up_no_attempt() {
        let judge = |wait| case(3).judge(failed(Class::Throttled, wait), &Jitter::None);
        assert_eq!(held(&judge(Some(60))), Some((66, 3)));
        assert_eq!(held(&judge(None)), Some((5, 3)));
    }

    #[test]
    fn a_step_has_its_own_rule_when_it_names_one() {
        let mut ending = failed(Class::Transient, None);
        if let Ending::Failed { retry, .. } = &mut ending {
            *retry = Some(RetryFile { attempts: 1, backoff: Backoff::default() });
        }
        assert!(matches!(case(0).judge(ending, &Jitter::None), Verdict::End { outcome: Outcome::Dead, .. }));
    }

    #[test]
    fn what_will_be_refused_again_is_a_dead_letter_at_once() {
        for class in [Class::Permanent, Class::Partial, Class::Missing, Class::Duplicate] {
            let verdict = case(0).judge(failed(class, None), &Jitter::None);
            assert!(matches!(verdict, Verdict::End { outcome: Outcome::Dead, attempts: 1, .. }), "{class}");
        }
    }

    #[test]
    fn a_connection_that_is_down_is_waited_for_without_attempts() {
        for class in [Class::Expired, Class::ConnectionDown] {
            let Verdict::Hold { until, attempts, .. } = case(2).judge(failed(class, None), &Jitter::None)
            else {
                panic!("{class}")
            };
            assert_eq!((until, attempts), (Until::Back("crm".into()), 2));
        }
    }

    #[test]
    fn waiting_ends_with_its_time() {
        let judge = |at_most| {
            let ending =
                Ending::Waiting { reason: "no account yet".into(), at_most: Duration::from_secs(at_most) };
            case(0).judge(ending, &Jitter::None)
        };
        let due = |verdict| if let Verdict::Wait { due, .. } = verdict { due.as_second() - 100 } else { -1 };
        assert_eq!(due(judge(3_600)), 25, "a quarter of the 100 s that it has waited");
        assert_eq!(due(judge(110)), 10, "once more at the end");
        assert!(matches!(judge(100), Verdict::End { outcome: Outcome::Dead, .. }));
    }
}
