//! What the process tells its caller when it ends.

/// The exit codes of every command.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u8)]
pub enum ExitCode {
    /// What was asked was done, and all is well.
    Fine = 0,
    /// It was done, and it found something: errors in files, failed tests, drift, differences.
    Found = 1,
    /// It could not be done: a file could not be read, a port is taken, the arguments make no sense.
    CouldNot = 2,
}

impl From<ExitCode> for std::process::ExitCode {
    fn from(code: ExitCode) -> Self {
        Self::from(code as u8)
    }
}
