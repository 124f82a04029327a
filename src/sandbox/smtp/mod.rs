//! A mail server that keeps what it takes: SMTP with logins, STARTTLS or TLS from the start, and refusals on demand at each part of the
//! exchange. It delivers nothing to anybody.

mod account;
mod session;
mod simulator;

pub use account::{Mail, Refusal, Stage};
pub use simulator::{Smtp, SmtpOptions, SmtpTls};
