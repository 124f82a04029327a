//! Simulators of the systems that lockstep talks to, as real servers on loopback: what `lockstep demo`,
//! `lockstep sandbox` and the tests stand on instead of accounts.
//!
//! Each simulator is a plain function from request to reply over a store in memory; `server.rs` gives it HTTP,
//! recording, latency and faults, the same for all. Faithfulness is proved by the vendors' own SDKs
//! (`tests/it/sandbox_sdk.rs`). Ids are counted, times come from the clock that is passed in: the same calls give the
//! same world.
//!
//! It is not reachable from outside the machine, keeps nothing on disk and knows nothing of pipelines or manifests.
//! Begin reading in `world.rs`.

mod calls;
mod control;
mod faults;
mod reply;
mod server;
mod world;

pub mod activecampaign;
pub mod bitrix24;
pub mod hubspot;
pub mod salesforce;
pub mod slack;
pub mod smtp;
pub mod stripe;

pub use activecampaign::ActiveCampaign;
pub use bitrix24::Bitrix24;
pub use calls::{Call, Counts};
pub use faults::{Fault, Faults};
pub use hubspot::HubSpot;
pub use salesforce::Salesforce;
pub use slack::Slack;
pub use smtp::Smtp;
pub use stripe::Stripe;
pub use world::{Sandbox, SandboxError, SandboxOptions};
