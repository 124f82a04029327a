//! The address of a PostgreSQL database, and whether it is talked to over TLS.

use std::fmt;
use std::net::IpAddr;
use std::path::PathBuf;
use std::time::Duration;

use tokio_postgres::Config;
use tokio_postgres::config::{Host, SslMode};

use crate::store::AddressError;

/// A PostgreSQL database. Shown without its password.
#[derive(Clone, PartialEq, Eq)]
pub struct PostgresAddress {
    pub(super) config: Config,
    pub(super) tls: Tls,
}

/// How the connection is protected. There is no mode that falls back to plain text.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Tls {
    /// Plain: the database is on this machine, or the address says so.
    Off,
    /// Encrypted, with a certificate that an authority of this machine vouches for.
    System,
    /// Encrypted, with a certificate that an authority of this PEM file vouches for.
    Roots(PathBuf),
}

/// The parameters of an address that are passed on to the client.
const PASSED_ON: [&str; 11] = [
    "application_name",
    "channel_binding",
    "connect_timeout",
    "hostaddr",
    "keepalives",
    "keepalives_idle",
    "keepalives_interval",
    "keepalives_retries",
    "load_balance_hosts",
    "target_session_attrs",
    "tcp_user_timeout",
];

/// How long one attempt to connect may take.
const CONNECT: Duration = Duration::from_secs(5);

/// A connection whose other end is silent for so long is given up: a network that swallows packets says nothing.
const SILENCE: Duration = Duration::from_secs(20);

impl PostgresAddress {
    pub(in crate::store) fn parse(text: &str) -> Result<Self, AddressError> {
        let (base, parameters) = text.split_once('?').unwrap_or((text, ""));
        let (mut mode, mut roots, mut passed_on) = (None, None, Vec::new());
        for parameter in parameters.split('&').filter(|parameter| !parameter.is_empty()) {
            let (name, value) = parameter.split_once('=').unwrap_or((parameter, ""));
            match name {
                "sslmode" => mode = Some(value),
                "sslrootcert" => roots = Some(value),
                name if PASSED_ON.contains(&name) => passed_on.push(parameter),
                _ => return Err(unknown_parameter()),
            }
        }
        let whole = format!("{base}?{}", passed_on.join("&"));
        let mut config: Config = whole.trim_end_matches('?').parse().map_err(|error| unreadable(&error))?;
        if config.get_hosts().is_empty() {
            return Err(AddressError::Postgres("it names no host".into()));
        }
        let tls = tls(mode, roots, &config)?;
        config.ssl_mode(if tls == Tls::Off { SslMode::Disable } else { SslMode::Require });
        if config.get_application_name().is_none() {
            config.application_name("lockstep");
        }
        if config.get_connect_timeout().is_none() {
            config.connect_timeout(CONNECT);
        }
        if config.get_tcp_user_timeout().is_none() {
            config.tcp_user_timeout(SILENCE);
        }
        config.keepalives_idle(SILENCE);
        Ok(Self { config, tls })
    }

    pub(in crate::store) fn password(&self) -> Option<String> {
        self.config.get_password().map(|password| String::from_utf8_lossy(password).into_owned())
    }
}

/// Without a word about it, a database on this machine is talked to plainly, and any other one over TLS.
fn tls(mode: Option<&str>, roots: Option<&str>, config: &Config) -> Result<Tls, AddressError> {
    let secured = match roots {
        None | Some("" | "system") => Tls::System,
        Some(file) => Tls::Roots(PathBuf::from(file)),
    };
    match mode {
        None if is_all_here(config) && roots.is_none() => Ok(Tls::Off),
        None | Some("require" | "verify-full") => Ok(secured),
        Some("disable") => Ok(Tls::Off),
        Some(word @ ("allow" | "prefer" | "verify-ca")) => Err(AddressError::TlsMode(word.to_owned())),
        Some(_) => {
            Err(AddressError::Postgres("`sslmode` must be `require`, `verify-full` or `disable`".to_owned()))
        }
    }
}

/// An address that stands in the place of the names' own decides.
fn is_all_here(config: &Config) -> bool {
    config.get_hosts().iter().all(is_here) && config.get_hostaddrs().iter().all(IpAddr::is_loopback)
}

fn is_here(host: &Host) -> bool {
    match host {
        Host::Tcp(name) => {
            name == "localhost" || name.parse::<IpAddr>().is_ok_and(|address| address.is_loopback())
        }
        Host::Unix(_) => true,
    }
}

/// The name is not repeated: with a `?` in a password, it is a part of that.
fn unknown_parameter() -> AddressError {
    AddressError::Postgres(format!(
        "after the `?` may stand sslmode, sslrootcert, {}; a `?` in a password is written %3F",
        PASSED_ON.join(", ")
    ))
}

/// The client names the option and not its value.
fn unreadable(error: &tokio_postgres::Error) -> AddressError {
    let cause = std::error::Error::source(error).map_or_else(|| error.to_string(), ToString::to_string);
    AddressError::Postgres(cause)
}

impl fmt::Display for PostgresAddress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("postgres://")?;
        if let Some(user) = self.config.get_user() {
            write!(f, "{user}@")?;
        }
        let ports = self.config.get_ports();
        for (number, host) in self.config.get_hosts().iter().enumerate() {
            let comma = if number == 0 { "" } else { "," };
            match host {
                Host::Tcp(name) => write!(f, "{comma}{name}")?,
                Host::Unix(path) => write!(f, "{comma}{}", path.display())?,
            }
            if let Some(port) = ports.get(number).or_else(|| ports.first()) {
                write!(f, ":{port}")?;
            }
        }
        write!(f, "/{}", self.config.get_dbname().unwrap_or_default())
    }
}

impl fmt::Debug for PostgresAddress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "PostgresAddress({self}, {:?})", self.tls)
    }
}

#[cfg(test)]
mod tests {
    use pretty_assertions::assert_eq;

    use super::*;

    fn tls_of(address: &str) -> Result<Tls, AddressError> {
        PostgresAddress::parse(address).map(|address| address.tls)
    }

    #[test]
    fn only_this_machine_is_talked_to_plainly_unless_the_address_says_so() {
        for (address, expected) in [
            ("postgres://me@localhost/acme", Tls::Off),
            ("postgres://me@127.0.0.1:6432/acme", Tls::Off),
            ("postgres://me@%2Fvar%2Frun%2Fpostgresql/acme", Tls::Off),
            ("postgres://me@db.example/acme", Tls::System),
            ("postgres://me@localhost,db.example/acme", Tls::System),
            ("postgres://me@localhost/acme?hostaddr=127.0.0.1", Tls::Off),
            ("postgres://me@localhost/acme?hostaddr=192.0.2.7", Tls::System),
            ("postgres://me@db.example/acme?sslmode=disable", Tls::Off),
            ("postgres://me@localhost/acme?sslmode=require", Tls::System),
            ("postgres://me@db.example/acme?sslmode=verify-full&sslrootcert=/etc/ca.pem", {
                Tls::Roots("/etc/ca.pem".into())
            }),
            ("postgresql://me@localhost/acme?sslrootcert=/etc/ca.pem", Tls::Roots("/etc/ca.pem".into())),
        ] {
            assert_eq!(tls_of(address), Ok(expected), "{address}");
        }
    }

    #[test]
    fn what_would_fall_back_to_plain_text_is_refused_with_words() {
        for mode in ["prefer", "allow", "verify-ca"] {
            let error = tls_of(&format!("postgres://me@db.example/acme?sslmode={mode}")).unwrap_err();
            assert_eq!(error, AddressError::TlsMode(mode.into()));
        }
    }
}
