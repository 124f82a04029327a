//! `lockstep sandbox`: the simulators as a process, to develop a client against.

use anyhow::Context;
use clap::Args;
use serde::Serialize;

use super::output::{Format, say, say_json};
use super::signals::Signals;
use super::{ExitCode, runtime};
use crate::sandbox::{Sandbox, SandboxOptions};

#[derive(Debug, Args)]
#[command(
    after_help = "Examples:\n  lockstep sandbox\n  lockstep sandbox --webhook http://127.0.0.1:8080/hooks/acme-saas/stripe\n\n\
                        Nothing is kept: a sandbox that is started again is empty. Each simulator is steered under /_sandbox/:\n  \
                        curl -d '{\"story\": \"signs_up\", \"name\": \"Ada\", \"email\": \"ada@example.com\"}' http://127.0.0.1:12111/_sandbox/play\n  \
                        curl http://127.0.0.1:12112/_sandbox/records        what is stored; /_sandbox/calls: what was asked\n  \
                        curl -d '{\"times\": 3, \"effect\": {\"answer\": {\"status\": 503}}}' http://127.0.0.1:12112/_sandbox/faults\n\
                        docs/sandbox.md has all of them."
)]
pub(super) struct SandboxCommand {
    /// The port of the Stripe simulator; 0 takes a free one
    #[arg(long, value_name = "PORT", env = "LOCKSTEP_SANDBOX_STRIPE_PORT", default_value_t = 12111)]
    stripe_port: u16,
    /// The port of the Salesforce simulator; 0 takes a free one
    #[arg(long, value_name = "PORT", env = "LOCKSTEP_SANDBOX_SALESFORCE_PORT", default_value_t = 12112)]
    salesforce_port: u16,
    /// The port of the Slack simulator; 0 takes a free one
    #[arg(long, value_name = "PORT", env = "LOCKSTEP_SANDBOX_SLACK_PORT", default_value_t = 12113)]
    slack_port: u16,
    /// The port of the Bitrix24 simulator; 0 takes a free one
    #[arg(long, value_name = "PORT", env = "LOCKSTEP_SANDBOX_BITRIX24_PORT", default_value_t = 12114)]
    bitrix24_port: u16,
    /// The port of the HubSpot simulator; 0 takes a free one
    #[arg(long, value_name = "PORT", env = "LOCKSTEP_SANDBOX_HUBSPOT_PORT", default_value_t = 12115)]
    hubspot_port: u16,
    /// The port of the ActiveCampaign simulator; 0 takes a free one
    #[arg(long, value_name = "PORT", env = "LOCKSTEP_SANDBOX_ACTIVECAMPAIGN_PORT", default_value_t = 12116)]
    activecampaign_port: u16,
    /// The port of the mail server; 0 takes a free one
    #[arg(long, value_name = "PORT", env = "LOCKSTEP_SANDBOX_SMTP_PORT", default_value_t = 12117)]
    smtp_port: u16,
    /// The port of the page that shows its mails; 0 takes a free one
    #[arg(long, value_name = "PORT", env = "LOCKSTEP_SANDBOX_SMTP_PAGE_PORT", default_value_t = 12118)]
    smtp_page_port: u16,
    /// Registers a webhook endpoint for all events of the Stripe simulator
    #[arg(long, value_name = "URL")]
    webhook: Option<String>,
    /// How to answer
    #[arg(long, value_enum, default_value_t)]
    format: Format,
}

/// Where the simulators are, and what opens them.
#[derive(Debug, Serialize)]
struct Told {
    stripe: StripeTold,
    salesforce: SalesforceTold,
    slack: SlackTold,
    bitrix24: Bitrix24Told,
    hubspot: HubSpotTold,
    activecampaign: ActiveCampaignTold,
    smtp: SmtpTold,
}

#[derive(Debug, Serialize)]
struct StripeTold {
    url: String,
    api_key: String,
    webhook_secret: Option<String>,
}

#[derive(Debug, Serialize)]
struct SalesforceTold {
    url: String,
    client_id: String,
    client_secret: String,
}

#[derive(Debug, Serialize)]
struct SlackTold {
    url: String,
    webhook_url: String,
}

#[derive(Debug, Serialize)]
struct HubSpotTold {
    url: String,
    token: String,
    webhook_secret: String,
}

#[derive(Debug, Serialize)]
struct Bitrix24Told {
    url: String,
    webhook_url: String,
}

#[derive(Debug, Serialize)]
struct ActiveCampaignTold {
    url: String,
    api_token: String,
}

#[derive(Debug, Serialize)]
struct SmtpTold {
    host: String,
    port: u16,
    user: &'static str,
    password: &'static str,
    /// The page, which answers under `/_sandbox/`.
    url: String,
}

impl SandboxCommand {
    pub(super) fn run(self) -> anyhow::Result<ExitCode> {
        runtime()?.block_on(async {
            let mut signals = Signals::listen()?;
            let mut options = SandboxOptions::default();
            options.stripe.port = self.stripe_port;
            options.salesforce.port = self.salesforce_port;
            options.slack_port = self.slack_port;
            options.bitrix24.port = self.bitrix24_port;
            options.hubspot.port = self.hubspot_port;
            options.activecampaign.port = self.activecampaign_port;
            options.activecampaign.per_second = Some(5);
            (options.smtp.port, options.smtp.page_port) = (self.smtp_port, self.smtp_page_port);
            let sandbox = Sandbox::start(options).await.context("the sandbox did not start")?;
            let webhook = self.webhook.as_deref();
            let secret = webhook.map(|url| sandbox.stripe().register_webhook(url)).transpose();
            let told = Told::of(&sandbox, secret.context("the webhook could not be registered")?);
            match self.format {
                Format::Json => say_json(&told)?,
                Format::Human => say(told.page())?,
            }
            signals.next().await;
            Ok(ExitCode::Fine)
        })
    }
}

impl Told {
    fn of(sandbox: &Sandbox, webhook_secret: Option<String>) -> Self {
        let (stripe, salesforce, slack) = (sandbox.stripe(), sandbox.salesforce(), sandbox.slack());
        let (bitrix24, hubspot, shop) = (sandbox.bitrix24(), sandbox.hubspot(), sandbox.activecampaign());
        let smtp = sandbox.smtp();
        Self {
            stripe: StripeTold { url: stripe.url(), api_key: stripe.api_key().to_owned(), webhook_secret },
            salesforce: SalesforceTold {
                url: salesforce.url(),
                client_id: salesforce.client_id(),
                client_secret: salesforce.client_secret(),
            },
            slack: SlackTold { url: slack.url(), webhook_url: slack.webhook_url() },
            bitrix24: Bitrix24Told { url: bitrix24.url(), webhook_url: bitrix24.webhook_url() },
            hubspot: HubSpotTold {
                url: hubspot.url(),
                token: hubspot.token(),
                webhook_secret: hubspot.webhook_secret(),
            },
            activecampaign: ActiveCampaignTold { url: shop.url(), api_token: shop.api_token().to_owned() },
            smtp: SmtpTold {
                host: smtp.host(),
                port: smtp.port(),
                user: smtp.user(),
                password: smtp.password(),
                url: smtp.url(),
            },
        }
    }

    fn page(&self) -> String {
        let Self { stripe, salesforce, slack, bitrix24, hubspot, activecampaign, smtp } = self;
        let whsec = stripe.webhook_secret.as_deref().unwrap_or("whsec_...");
        format!(
            "simulators of Stripe {stripe}, Salesforce {salesforce}, Slack {slack}, Bitrix24 {bitrix24}, HubSpot {hubspot} and ActiveCampaign {shop}; a mail server on {mail}:{mail_port}, its mails on {mails}\n\n\
             # for `lockstep run --env sandbox` over the client acme-saas\n\
             export SANDBOX_STRIPE_URL={stripe}\n\
             export SANDBOX_SALESFORCE_URL={salesforce}\n\
             export ACME_STRIPE_KEY={key}\n\
             export ACME_STRIPE_WHSEC={whsec}\n\
             export ACME_SF_CLIENT_ID={id}\n\
             export ACME_SF_CLIENT_SECRET={secret}\n\
             export ACME_SLACK_WEBHOOK={webhook}\n\n\
             # for `lockstep run` over a client `acme` of `lockstep init --crm salesforce`\n\
             export ACME_STRIPE_KEY={key} ACME_STRIPE_WEBHOOK_SECRET={whsec}\n\
             export ACME_SALESFORCE_URL={salesforce}\n\
             export ACME_SALESFORCE_CLIENT_ID={id} ACME_SALESFORCE_CLIENT_SECRET={secret}\n\n\
             # for `lockstep run --env sandbox` over the client fitness-club\n\
             export CLUB_STRIPE_URL={stripe} CLUB_STRIPE_KEY={key}\n\
             export CLUB_BITRIX24_WEBHOOK={portal}\n\n\
             # for `lockstep run --env sandbox` over the client harbor-cloud\n\
             export HARBOR_STRIPE_URL={stripe} HARBOR_STRIPE_KEY={key} HARBOR_STRIPE_WHSEC={whsec}\n\
             export HARBOR_SF_URL={salesforce} HARBOR_SF_CLIENT_ID={id} HARBOR_SF_CLIENT_SECRET={secret}\n\
             export HARBOR_SLACK_WEBHOOK={webhook}\n\n\
             # for `lockstep run --env sandbox` over the client orchard-apps\n\
             export SANDBOX_HUBSPOT_URL={hubspot}\n\
             export ORCHARD_STRIPE_KEY={key} ORCHARD_STRIPE_WHSEC={whsec}\n\
             export ORCHARD_HUBSPOT_TOKEN={token} ORCHARD_HUBSPOT_SECRET={app_secret}\n\
             export ORCHARD_SLACK_WEBHOOK={webhook}\n\
             export ORCHARD_SMTP_HOST={mail} SANDBOX_SMTP_PORT={mail_port}\n\
             export ORCHARD_SMTP_USER={mail_user} ORCHARD_SMTP_PASSWORD={mail_password}\n\n\
             # for `lockstep run --env sandbox` over the client web-shop\n\
             export SANDBOX_ACTIVECAMPAIGN_URL={shop} SHOP_ACTIVECAMPAIGN_TOKEN={shop_token}\n\
             export SHOP_STRIPE_KEY={key} SHOP_STRIPE_WHSEC={whsec}\n\n\
             {hint}Ctrl-C ends it",
            bitrix24 = bitrix24.url,
            portal = bitrix24.webhook_url,
            hubspot = hubspot.url,
            token = hubspot.token,
            app_secret = hubspot.webhook_secret,
            shop = activecampaign.url,
            shop_token = activecampaign.api_token,
            mail = smtp.host,
            mail_port = smtp.port,
            mail_user = smtp.user,
            mail_password = smtp.password,
            mails = smtp.url,
            hint = if stripe.webhook_secret.is_some() {
                ""
            } else {
                "no webhook is registered: --webhook URL does, and tells its secret\n"
            },
            stripe = stripe.url,
            salesforce = salesforce.url,
            slack = slack.url,
            key = stripe.api_key,
            id = salesforce.client_id,
            secret = salesforce.client_secret,
            webhook = slack.webhook_url,
        )
    }
}
