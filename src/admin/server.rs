//! The admin addresses.

use std::sync::Arc;

use axum::extract::State;
use axum::http::{StatusCode, header};
use axum::middleware::from_fn_with_state;
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use axum::{Json, Router};
use serde_json::json;

use super::access::{Access, guard};
use super::api;
use super::health::{Health, healthz, readyz};
use crate::clock::SharedClock;
use crate::listing::Listings;
use crate::metrics::Metrics;
use crate::store::{CircuitState, Role, Store};

/// What `Content-Type` OpenMetrics text goes by.
const OPEN_METRICS: &str = "application/openmetrics-text; version=1.0.0; charset=utf-8";

/// What the admin address shows.
pub struct Admin {
    pub(super) access: Access,
    pub(super) store: Arc<dyn Store>,
    pub(super) listings: Listings,
    pub(super) metrics: Arc<Metrics>,
    pub(super) health: Arc<Health>,
    pub(super) clock: SharedClock,
    pub(super) role: Role,
}

impl Admin {
    /// Shows `store`, `metrics` and `health` of a process with this role to those whom `access` lets look.
    pub fn new(
        access: Access,
        store: Arc<dyn Store>,
        metrics: Arc<Metrics>,
        health: Arc<Health>,
        clock: SharedClock,
        role: Role,
    ) -> Self {
        Self { access, listings: Listings::new(Arc::clone(&store)), store, metrics, health, clock, role }
    }

    /// All admin addresses. Probes need no token: a load balancer has none.
    pub fn router(self: Arc<Self>) -> Router {
        let guarded = Router::new()
            .route("/metrics", get(metrics))
            .nest("/api/v1", api::routes())
            .layer(from_fn_with_state(self.access.clone(), guard));
        Router::new()
            .route("/healthz", get(healthz))
            .route("/readyz", get(readyz))
            .merge(guarded)
            .fallback(elsewhere)
            .with_state(self)
    }
}

async fn metrics(State(admin): State<Arc<Admin>>) -> Response {
    let (counts, connections) = match tokio::try_join!(admin.store.counts(), admin.store.connections()) {
        Ok(both) => both,
        Err(error) => {
            let words = Json(json!({ "error": error.to_string() }));
            return (StatusCode::SERVICE_UNAVAILABLE, words).into_response();
        }
    };
    admin.metrics.unfinished(counts.unfinished.values().sum());
    let open = connections.iter().filter(|state| matches!(state.circuit, CircuitState::Open { .. }));
    admin.metrics.paused(open.map(|state| (&state.client, &state.connection)));
    ([(header::CONTENT_TYPE, OPEN_METRICS)], admin.metrics.render()).into_response()
}

async fn elsewhere() -> Response {
    let words =
        "nothing is here: /healthz, /readyz, /metrics and /api/v1/{events,runs,dead,conflicts,audit} are";
    (StatusCode::NOT_FOUND, Json(json!({ "error": words }))).into_response()
}
