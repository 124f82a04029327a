//! Who changes something by hand: the audit says it.

use std::sync::Arc;

use clap::Args;

use crate::config::env::{Environment, System};

/// Who is asking.
#[derive(Debug, Clone, Args)]
pub(super) struct By {
    /// Who you are, for the audit [default: the user of this shell]
    #[arg(long, value_name = "NAME", env = "LOCKSTEP_USER")]
    by: Option<String>,
}

impl By {
    /// The name, else that of the shell's user.
    pub(super) fn name(&self) -> Arc<str> {
        let of_shell = || ["USER", "LOGNAME", "USERNAME"].into_iter().find_map(|name| System.variable(name));
        self.by
            .clone()
            .or_else(of_shell)
            .filter(|name| !name.is_empty())
            .unwrap_or_else(|| "somebody".into())
            .into()
    }
}
