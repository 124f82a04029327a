//! `lockstep init`: a client to start from. The files it writes stand beside this one, a folder for each CRM.

mod command;
mod templates;

pub(super) use command::Init;
