//! The log: text for a terminal or one JSON object a line, on standard error, with every known secret blotted out by
//! value before it is written (invariant 5).
//!
//! `info` is start and stop, `warn` was recovered from, `error` wakes a person, `debug` is per event.

use std::io::{self, Write};

use tracing_subscriber::EnvFilter;
use tracing_subscriber::fmt::MakeWriter;
use tracing_subscriber::util::SubscriberInitExt;

use crate::secret::Redactor;

/// How log lines are written.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum LogFormat {
    /// For people.
    #[default]
    Text,
    /// For log collectors: one JSON object a line.
    Json,
}

/// Why there is no log.
#[derive(Debug, thiserror::Error)]
pub enum TelemetryError {
    /// The filter makes no sense.
    #[error("the log filter `{filter}` cannot be read (`info`, `warn,lockstep::engine=debug`): {why}")]
    Filter {
        /// The filter, as it was given.
        filter: String,
        /// What is wrong with it.
        why: tracing_subscriber::filter::ParseError,
    },
    /// Somebody else logs in this process.
    #[error("the log of this process was started before")]
    Started(#[from] tracing_subscriber::util::TryInitError),
}

/// Starts the log of this process. Secrets that `redactor` learns later are blotted out from then on.
pub fn start(format: LogFormat, filter: &str, redactor: Redactor) -> Result<(), TelemetryError> {
    let filter = EnvFilter::try_new(filter)
        .map_err(|why| TelemetryError::Filter { filter: filter.to_owned(), why })?;
    let colours = anstream::AutoStream::choice(&io::stderr()) != anstream::ColorChoice::Never;
    let log = tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_ansi(colours && format == LogFormat::Text)
        .with_writer(Redacting { redactor, to: io::stderr });
    match format {
        LogFormat::Text => log.finish().try_init()?,
        LogFormat::Json => log.json().flatten_event(true).finish().try_init()?,
    }
    Ok(())
}

/// Writes lines without the secrets in them.
#[derive(Clone)]
struct Redacting<M> {
    redactor: Redactor,
    to: M,
}

struct Line<W> {
    redactor: Redactor,
    to: W,
}

impl<'a, W: Write, M: Fn() -> W> MakeWriter<'a> for Redacting<M> {
    type Writer = Line<W>;

    fn make_writer(&'a self) -> Line<W> {
        Line { redactor: self.redactor.clone(), to: (self.to)() }
    }
}

impl<W: Write> Write for Line<W> {
    /// A whole event comes in one piece, so no secret is cut in two here.
    fn write(&mut self, event: &[u8]) -> io::Result<usize> {
        let text = String::from_utf8_lossy(event);
        self.to.write_all(self.redactor.redact(&text).as_bytes())?;
        Ok(event.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        self.to.flush()
    }
}

#[cfg(test)]
mod tests {
    use std::sync::{Arc, Mutex};

    use super::*;

    #[derive(Clone, Default)]
    struct Page(Arc<Mutex<Vec<u8>>>);

    impl Write for Page {
        fn write(&mut self, text: &[u8]) -> io::Result<usize> {
            self.0.lock().unwrap().write(text)
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    #[test]
    fn no_secret_is_logged_whatever_carries_it() {
        let redactor = Redactor::default();
        redactor.learn("sk_live_51H8n2a");
        let page = Page::default();
        let to = page.clone();
        let log = tracing_subscriber::fmt()
            .with_writer(Redacting { redactor, to: move || to.clone() })
            .json()
            .finish();
        tracing::subscriber::with_default(log, || {
            tracing::info!(error = "401 for key sk_live_51H8n2a", "call failed with sk_live_51H8n2a");
        });
        let text = String::from_utf8(page.0.lock().unwrap().clone()).unwrap();
        assert!(text.contains("call failed with [redacted]"), "{text}");
        assert!(!text.contains("sk_live_51H8n2a"), "{text}");
    }
}
