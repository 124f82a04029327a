//! `lockstep completions`: a script that teaches a shell our commands.

use clap::Args;
use clap_complete::Shell;

use super::ExitCode;
use super::output::say;

#[derive(Debug, Args)]
#[command(after_help = "Examples:\n  lockstep completions bash > /etc/bash_completion.d/lockstep\n  \
                        lockstep completions zsh > ~/.zfunc/_lockstep")]
pub(super) struct Completions {
    /// The shell to write for
    shell: Shell,
}

impl Completions {
    pub(super) fn run(self) -> anyhow::Result<ExitCode> {
        let mut script = Vec::new();
        clap_complete::generate(self.shell, &mut super::command(), "lockstep", &mut script);
        say(String::from_utf8(script)?.trim_end())?;
        Ok(ExitCode::Fine)
    }
}
