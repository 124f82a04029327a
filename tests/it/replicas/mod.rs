//! Several `lockstep run` share one PostgreSQL store: what each of them does, and what happens when one of them dies.
//!
//! The binary runs as several processes (`fleet`) against a CRM in this process that keeps what reached it, and when
//! (`crm`).

mod crm;
mod death;
mod fleet;
mod limits;
mod roles;
mod share;
