//! What users see, black-box: through the binary, HTTP and YAML. One file for each thing a user can do.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

mod acme_saas;
mod audit;
mod connector;
mod crash;
mod demo;
mod docs;
mod echoes;
mod endpoints;
mod engine;
mod event_table;
mod example;
mod faults;
mod fitness_club;
mod fuzz_cases;
mod harbor_cloud;
mod ingest;
mod large;
mod looking;
mod mails;
mod operating;
mod order;
mod pipedrive;
mod pipelines;
mod polls;
mod postgres;
mod reload;
mod replicas;
mod rules;
mod sandbox_activecampaign;
mod sandbox_bitrix24;
mod sandbox_hubspot;
mod sandbox_salesforce;
mod sandbox_sdk;
mod sandbox_slack;
mod sandbox_stripe;
mod secrets;
mod simulation;
mod store;
mod tidy;
mod upkeep;
mod validate;
mod web_shop;
mod webhooks;
mod world;
