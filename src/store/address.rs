//! Where a store is, as it is written: `sqlite:PATH` or `postgres://USER@HOST/DATABASE`.

use std::fmt;
use std::path::{Path, PathBuf};
use std::str::FromStr;

use super::postgres::PostgresAddress;

/// Where a store is. Its text never holds a password.
#[derive(Clone, PartialEq, Eq)]
pub enum StoreAddress {
    /// One SQLite file.
    Sqlite(PathBuf),
    /// A PostgreSQL database.
    Postgres(Box<PostgresAddress>),
}

/// Why a text names no store. Never repeats the text, which may hold a password.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum AddressError {
    /// It has no scheme that names a kind of store.
    #[error(
        "a store is written `sqlite:PATH` or `postgres://USER@HOST/DATABASE`, for instance `sqlite:/var/lib/lockstep/lockstep.db`{}",
        .scheme.as_ref().map(|scheme| format!("; `{scheme}:` is neither")).unwrap_or_default()
    )]
    Scheme {
        /// The scheme that it has instead.
        scheme: Option<String>,
    },
    /// A PostgreSQL address that cannot be read.
    #[error("the address of the PostgreSQL store cannot be read: {0}")]
    Postgres(String),
    /// `sslmode` says something that is not done here.
    #[error(
        "`sslmode={0}` is not supported: write `require` or `verify-full` (both check the certificate; name a private authority with `sslrootcert=FILE`), or `disable`"
    )]
    TlsMode(String),
}

impl FromStr for StoreAddress {
    type Err = AddressError;

    fn from_str(text: &str) -> Result<Self, AddressError> {
        let Some((scheme, rest)) = text.split_once(':') else {
            return Err(AddressError::Scheme { scheme: None });
        };
        match scheme {
            // `sqlite:///var/x` and `sqlite:/var/x` are one file; a relative path has no slashes before it.
            "sqlite" if !rest.is_empty() => {
                Ok(Self::Sqlite(PathBuf::from(rest.strip_prefix("//").unwrap_or(rest))))
            }
            "postgres" | "postgresql" if rest.starts_with("//") => {
                PostgresAddress::parse(text).map(|address| Self::Postgres(Box::new(address)))
            }
            _ => {
                // What stands before the first colon is a scheme only if it looks like one.
                let word = !scheme.is_empty() && scheme.chars().all(|c| c.is_ascii_alphanumeric());
                let scheme = (word && scheme.len() <= 16).then(|| scheme.to_owned());
                Err(AddressError::Scheme { scheme })
            }
        }
    }
}

impl fmt::Display for StoreAddress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Sqlite(path) => path.display().fmt(f),
            Self::Postgres(address) => address.fmt(f),
        }
    }
}

impl fmt::Debug for StoreAddress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "StoreAddress({self})")
    }
}

impl StoreAddress {
    /// The store of the project in `root` when no other is named.
    pub fn of_project(root: &Path) -> Self {
        Self::Sqlite(root.join("lockstep.db"))
    }

    /// The password in it, so that it can be blotted out of whatever is printed.
    pub fn secret(&self) -> Option<String> {
        match self {
            Self::Sqlite(_) => None,
            Self::Postgres(address) => address.password(),
        }
    }
}

#[cfg(test)]
mod tests {
    use pretty_assertions::assert_eq;

    use super::*;

    #[test]
    fn a_file_is_a_scheme_and_a_path() {
        for (text, path) in [
            ("sqlite:lockstep.db", "lockstep.db"),
            ("sqlite:/var/lib/lockstep.db", "/var/lib/lockstep.db"),
            ("sqlite:///var/lib/lockstep.db", "/var/lib/lockstep.db"),
        ] {
            assert_eq!(text.parse(), Ok(StoreAddress::Sqlite(path.into())), "{text}");
        }
    }

    #[test]
    fn what_names_no_store_is_answered_with_what_does() {
        for text in ["lockstep.db", "sqlite:", "", "postgres:acme"] {
            assert!(matches!(text.parse::<StoreAddress>(), Err(AddressError::Scheme { .. })), "{text}");
        }
        let other = "mysql://root:hunter22@db/acme".parse::<StoreAddress>().unwrap_err().to_string();
        assert!(other.ends_with("; `mysql:` is neither"), "{other}");
        // A password that was meant for somewhere else.
        let bare = "hunter22-hunter22-hunter22:x".parse::<StoreAddress>().unwrap_err().to_string();
        assert!(!bare.contains("hunter22"), "{bare}");
    }

    #[test]
    fn a_password_is_never_shown() {
        let text = "postgres://me:hunter22@db.example:6432/acme?sslmode=require";
        let address: StoreAddress = text.parse().unwrap();
        assert_eq!(address.to_string(), "postgres://me@db.example:6432/acme");
        assert!(!format!("{address:?}").contains("hunter22"));
        assert_eq!(address.secret().as_deref(), Some("hunter22"));
        for broken in [
            "postgres://me:hunter22@db.example:port/acme",
            "postgres://me:hunter22?@db/acme",
            "postgres://me:hunter22@db/acme?sslmode=sometimes",
            "postgres://me:hunter22@db/acme?pool=hunter22",
        ] {
            let error = broken.parse::<StoreAddress>().unwrap_err().to_string();
            assert!(!error.contains("hunter22"), "{error}");
        }
    }
}
