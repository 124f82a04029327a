//! All simulators together.

use std::io;
use std::sync::Arc;

use super::activecampaign::{ActiveCampaign, ActiveCampaignOptions};
use super::bitrix24::{Bitrix24, Bitrix24Options};
use super::hubspot::{HubSpot, HubSpotOptions};
use super::salesforce::{Salesforce, SalesforceOptions};
use super::slack::Slack;
use super::smtp::{Smtp, SmtpOptions};
use super::stripe::{Stripe, StripeOptions};
use crate::clock::{SharedClock, SystemClock};

/// What a sandbox is started with.
#[derive(Debug, Clone)]
pub struct SandboxOptions {
    /// The time that the simulators live in.
    pub clock: SharedClock,
    /// The Stripe simulator.
    pub stripe: StripeOptions,
    /// The Salesforce simulator.
    pub salesforce: SalesforceOptions,
    /// The Bitrix24 simulator.
    pub bitrix24: Bitrix24Options,
    /// The HubSpot simulator.
    pub hubspot: HubSpotOptions,
    /// The ActiveCampaign simulator.
    pub activecampaign: ActiveCampaignOptions,
    /// The port of the Slack simulator; 0 takes a free one.
    pub slack_port: u16,
    /// The mail server.
    pub smtp: SmtpOptions,
}

impl Default for SandboxOptions {
    fn default() -> Self {
        Self {
            clock: Arc::new(SystemClock),
            stripe: StripeOptions::default(),
            salesforce: SalesforceOptions::default(),
            bitrix24: Bitrix24Options::default(),
            hubspot: HubSpotOptions::default(),
            activecampaign: ActiveCampaignOptions::default(),
            slack_port: 0,
            smtp: SmtpOptions::default(),
        }
    }
}

/// Why a sandbox did not start.
#[derive(Debug, thiserror::Error)]
pub enum SandboxError {
    /// The port is taken or not allowed.
    #[error("the {simulator} simulator could not listen on port {port}")]
    Listen {
        /// Which simulator.
        simulator: &'static str,
        /// The port that was asked for; 0 is any.
        port: u16,
        /// What the system said.
        source: io::Error,
    },
    /// The client that delivers webhooks could not be made.
    #[error("the HTTP client for webhooks could not be made")]
    Client(#[from] reqwest::Error),
}

/// Running simulators. Dropped, they stop.
#[derive(Debug)]
pub struct Sandbox {
    stripe: Stripe,
    salesforce: Salesforce,
    bitrix24: Bitrix24,
    hubspot: HubSpot,
    activecampaign: ActiveCampaign,
    slack: Slack,
    smtp: Smtp,
}

impl Sandbox {
    /// Starts all simulators on loopback ports.
    pub async fn start(options: SandboxOptions) -> Result<Self, SandboxError> {
        let clock = options.clock;
        Ok(Self {
            stripe: Stripe::start(options.stripe, Arc::clone(&clock)).await?,
            salesforce: Salesforce::start(options.salesforce, Arc::clone(&clock)).await?,
            bitrix24: Bitrix24::start(options.bitrix24, Arc::clone(&clock)).await?,
            hubspot: HubSpot::start(options.hubspot, Arc::clone(&clock)).await?,
            activecampaign: ActiveCampaign::start(options.activecampaign, Arc::clone(&clock)).await?,
            slack: Slack::start(options.slack_port, Arc::clone(&clock)).await?,
            smtp: Smtp::start(options.smtp, clock).await?,
        })
    }

    /// The Stripe simulator.
    pub fn stripe(&self) -> &Stripe {
        &self.stripe
    }

    /// The Salesforce simulator.
    pub fn salesforce(&self) -> &Salesforce {
        &self.salesforce
    }

    /// The Bitrix24 simulator.
    pub fn bitrix24(&self) -> &Bitrix24 {
        &self.bitrix24
    }

    /// The HubSpot simulator.
    pub fn hubspot(&self) -> &HubSpot {
        &self.hubspot
    }

    /// The ActiveCampaign simulator.
    pub fn activecampaign(&self) -> &ActiveCampaign {
        &self.activecampaign
    }

    /// The Slack simulator.
    pub fn slack(&self) -> &Slack {
        &self.slack
    }

    /// The mail server.
    pub fn smtp(&self) -> &Smtp {
        &self.smtp
    }
}
