//! What the end of one execution leads to: the one place where failures are judged.

use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;

use super::jitter::Jitter;
use crate::config::RetryFile;
use crate::connector::{Class, Failure};
use crate::secret::Redactor;
use crate::steps::{CallId, Ending, Spent, StepRetry};
use crate::store::Outcome;
use crate::value::Value;

/// What becomes of a run.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Verdict {
    /// It has ended.
    End {
        outcome: Outcome,
        reason: String,
        candidates: Vec<Value>,
        /// Failed attempts, all told.
        attempts: u32,
    },
    /// It keeps its lane, and is tried again.
    Hold { until: Until, attempts: u32, spent: Spent, reason: String },
    /// It leaves its lane, and is tried again.
    Wait { due: Timestamp, spent: Spent, reason: String },
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
pub(crate) enum Until {
    /// A time.
    Due(Timestamp),
    /// A connection that is paused.
    Back(Arc<str>),
}

/// What is known of the run that is judged.
#[derive(Debug, Clone)]
pub(crate) struct Case {
    /// Failed attempts before this one.
    pub(crate) attempts: u32,
    /// What steps with rules of their own have used up before this one.
    pub(crate) spent: Spent,
    /// The present.
    pub(crate) now: Timestamp,
    /// The pipeline's rule.
    pub(crate) retry: RetryFile,
    /// When the connection that failed is tried next, if it is paused.
    pub(crate) paused_until: Option<Timestamp>,
}

/// The first delay when somebody else holds a record: locks last for moments.
const LOCKED_FIRST: Duration = Duration::from_millis(250);

/// How long a run waits for an identity at the head of its lane: a create takes less.
const HELD_IN_LANE: Duration = Duration::from_secs(10);

/// The wait when a throttled system names none.
const THROTTLED: Duration = Duration::from_secs(5);

/// How long after the next try of a paused connection the run that made the last one is looked at again.
const AFTER_TRY: Duration = Duration::from_secs(1);

/// Said of a run that found nothing to do its work on.
const MISSED: &str = "what it looked for is not there, and nothing was written";

/// When a run that the store has interrupted is looked at again.
const INTERRUPTED: Duration = Duration::from_secs(2);

/// The first and the longest pause between looks at something that is not there yet.
const WAIT_FIRST: Duration = Duration::from_secs(5);
const WAIT_LONGEST: Duration = Duration::from_mins(10);

impl Case {
    /// Judges how one execution ended.
    pub(crate) fn judge(&self, ending: Ending, jitter: &Jitter) -> Verdict {
        match ending {
            Ending::Succeeded => self.end(Outcome::Succeeded, String::new()),
            Ending::Missed => self.end(Outcome::Succeeded, MISSED.to_owned()),
            Ending::Skipped { reason } => self.end(Outcome::Skipped, reason),
            Ending::Conflict { reason, candidates } => {
                Verdict::End { outcome: Outcome::Conflict, reason, candidates, attempts: self.attempts }
            }
            Ending::Waiting { call, reason, at_most } => self.waiting(&call, reason, at_most),
            Ending::Held { call } => self.held(&call, jitter),
            Ending::Failed { step, failure, connection, retry } => {
                self.failed(&step, failure, connection, retry.as_ref(), jitter)
            }
            Ending::Interrupted { reason } => self.hold(INTERRUPTED, self.attempts, reason),
        }
    }

    fn failed(
        &self,
        step: &str,
        failure: Failure,
        connection: Option<Arc<str>>,
        own: Option<&StepRetry>,
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
                    spent: self.going_on(),
                    reason,
                },
                None => self.again(own, None, asked, jitter, reason),
            },
            Class::Locked => self.again(own, Some(LOCKED_FIRST), asked, jitter, reason),
            Class::Expired | Class::ConnectionDown => match connection {
                Some(connection) => {
                    let (attempts, spent) = (self.attempts, self.going_on());
                    Verdict::Hold { until: Until::Back(connection), attempts, spent, reason }
                }
                None => self.end(Outcome::Dead, reason),
            },
        }
    }

    /// Exponential backoff from `first` (the rule's own when it is not given) with full jitter, as long as there are
    /// attempts left; never sooner than the system asked for. A step with a rule of its own counts its own failures,
    /// and the pipeline's rule those of all other steps.
    fn again(
        &self,
        own: Option<&StepRetry>,
        first: Option<Duration>,
        asked: Duration,
        jitter: &Jitter,
        reason: String,
    ) -> Verdict {
        let mut spent = self.going_on();
        let (rule, failures) = match own {
            Some(own) => (own.rule, spent.failures(&own.call)),
            None => (self.retry, self.attempts.saturating_sub(spent.all_failures())),
        };
        let attempts = self.attempts + 1;
        if failures + 1 >= rule.attempts {
            let reason = format!("{reason}; given up after {} attempts", failures + 1);
            return Verdict::End { outcome: Outcome::Dead, reason, candidates: Vec::new(), attempts };
        }
        if let Some(own) = own {
            spent.fail(&own.call);
        }
        let first = first.unwrap_or(rule.backoff.first);
        let doubled = first.saturating_mul(2_u32.saturating_pow(failures));
        let delay = jitter.of(doubled.min(rule.backoff.longest.max(first))).max(asked);
        Verdict::Hold { until: Until::Due(after(self.now, delay)), attempts, spent, reason }
    }

    /// Looked at again after a quarter of the time that it has waited: often at first, seldom later. Counted from the
    /// first miss, not from the event: one that was kept while lockstep stood still has waited for nothing yet.
    fn waiting(&self, call: &CallId, reason: String, at_most: Duration) -> Verdict {
        let mut spent = self.going_on();
        let since = spent.miss(call, self.now);
        let waited = Duration::try_from(self.now.duration_since(since)).unwrap_or_default();
        if waited >= at_most {
            return self.end(Outcome::Dead, format!("{reason}; waited for it as long as was allowed"));
        }
        let pause = (waited / 4).clamp(WAIT_FIRST, WAIT_LONGEST).min(at_most.saturating_sub(waited));
        Verdict::Wait { due: after(self.now, pause), spent, reason }
    }

    /// Another run holds an identity that this one needs. It is waited for at the head of the lane, as long as that is a
    /// matter of seconds; then those behind it go first, for one of them may be the one that holds it: begun before this
    /// older one came, and stopped half-way by a lost answer or a crash.
    fn held(&self, call: &CallId, jitter: &Jitter) -> Verdict {
        let reason = "another run is about to create the same record".to_owned();
        let mut spent = self.spent.clone();
        let since = spent.hold(call, self.now);
        let waited = Duration::try_from(self.now.duration_since(since)).unwrap_or_default();
        let due = after(self.now, jitter.of(LOCKED_FIRST * 4));
        if waited < HELD_IN_LANE {
            return Verdict::Hold { until: Until::Due(due), attempts: self.attempts, spent, reason };
        }
        Verdict::Wait { due, spent, reason }
    }

    /// What a run has used up that nobody keeps from an identity.
    fn going_on(&self) -> Spent {
        let mut spent = self.spent.clone();
        spent.go_on();
        spent
    }

    fn end(&self, outcome: Outcome, reason: String) -> Verdict {
        Verdict::End { outcome, reason, candidates: Vec::new(), attempts: self.attempts }
    }

    fn hold(&self, wait: Duration, attempts: u32, reason: String) -> Verdict {
        let (until, spent) = (Until::Due(after(self.now, wait)), self.going_on());
        Verdict::Hold { until, attempts, spent, reason }
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
            spent: Spent::default(),
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
        let rule = RetryFile { attempts: 2, backoff: Backoff::default() };
        let call = CallId("1".into());
        let own = || {
            let mut ending = failed(Class::Transient, None);
            if let Ending::Failed { retry, .. } = &mut ending {
                *retry = Some(StepRetry { call: call.clone(), rule });
            }
            ending
        };
        // Three failures of other steps are not its own.
        let first = case(3).judge(own(), &Jitter::None);
        assert_eq!(held(&first), Some((2, 4)));
        let Verdict::Hold { attempts, spent, .. } = first else { panic!("{first:?}") };
        assert_eq!(spent.failures(&call), 1);
        let second = Case { attempts, spent, ..case(0) };
        assert!(matches!(
            second.judge(own(), &Jitter::None),
            Verdict::End { outcome: Outcome::Dead, attempts: 5, reason, .. } if reason.ends_with("given up after 2 attempts")
        ));
        // Nor are its failures those of the others: the run's own rule of 4 attempts has used up 3.
        assert!(matches!(
            second.judge(failed(Class::Transient, None), &Jitter::None),
            Verdict::End { outcome: Outcome::Dead, .. }
        ));
        let fewer = Case { attempts: 3, ..second };
        assert_eq!(held(&fewer.judge(failed(Class::Transient, None), &Jitter::None)), Some((8, 4)));
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
    fn who_waits_long_for_an_identity_lets_those_behind_it_go_first() {
        let held = || Ending::Held { call: CallId("0".into()) };
        let first = case(2).judge(held(), &Jitter::None);
        let Verdict::Hold { attempts: 2, spent, .. } = first else { panic!("{first:?}") };
        let later = |seconds: u64, spent: &Spent| Case {
            now: after(Timestamp::UNIX_EPOCH, Duration::from_secs(100 + seconds)),
            spent: spent.clone(),
            ..case(2)
        };
        assert!(matches!(later(9, &spent).judge(held(), &Jitter::None), Verdict::Hold { .. }));
        assert!(matches!(later(10, &spent).judge(held(), &Jitter::None), Verdict::Wait { .. }));
        // Who got on in between has waited for nothing yet.
        let between = later(9, &spent).judge(failed(Class::Throttled, None), &Jitter::None);
        let Verdict::Hold { spent, .. } = between else { panic!("{between:?}") };
        assert!(matches!(later(60, &spent).judge(held(), &Jitter::None), Verdict::Hold { .. }));
    }

    #[test]
    fn waiting_ends_with_its_time() {
        let call = CallId("0".into());
        let waiting = |at_most| Ending::Waiting {
            call: call.clone(),
            reason: "no account yet".into(),
            at_most: Duration::from_secs(at_most),
        };
        // However old the event is, the first miss begins the waiting.
        let first = case(0).judge(waiting(3), &Jitter::None);
        assert!(matches!(first, Verdict::Wait { due, .. } if due.as_second() == 103), "{first:?}");
        let judge = |at_most| {
            let mut spent = Spent::default();
            spent.miss(&call, Timestamp::UNIX_EPOCH);
            Case { spent, ..case(0) }.judge(waiting(at_most), &Jitter::None)
        };
        let due = |verdict| if let Verdict::Wait { due, .. } = verdict { due.as_second() - 100 } else { -1 };
        assert_eq!(due(judge(3_600)), 25, "a quarter of the 100 s that it has waited");
        assert_eq!(due(judge(110)), 10, "once more at the end");
        assert!(matches!(judge(100), Verdict::End { outcome: Outcome::Dead, .. }));
    }
}
