//! The verbs at work on systems in memory: tables of what each does, and every place at which a run can be cut.

mod bench;
mod compiling;
mod crashes;
mod owning;
mod reading;
mod scripts;
mod structure;
mod together;
mod writing;
