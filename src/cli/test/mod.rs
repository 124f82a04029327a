//! `lockstep test`: runs the pipeline tests and tells what came of them: for people, for programs, as `JUnit` XML, and what no
//! test has reached. Begin reading at [`Test`].

mod command;
mod coverage;
mod difference;
mod human;
mod junit;
mod results;

pub(super) use command::Test;
