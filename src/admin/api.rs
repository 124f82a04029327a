//! `/api/v1`: what the listing commands show with `--format json`, over HTTP.

use std::sync::Arc;

use axum::extract::rejection::QueryRejection;
use axum::extract::{Path, Query, State};
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use axum::{Json, Router};
use serde_json::json;

use super::question::{AuditQuestion, EventQuestion, QuestionError, ReportQuestion, RunQuestion};
use super::server::Admin;
use crate::listing::{
    AuditView, EventDetailView, EventView, ListingError, NotFound, ReportView, RunDetailView, RunView,
};
use crate::store::Outcome;

/// The reading addresses.
pub(super) fn routes() -> Router<Arc<Admin>> {
    Router::new()
        .route("/events", get(events))
        .route("/events/{id}", get(event))
        .route("/runs", get(runs))
        .route("/runs/{id}", get(run))
        .route("/dead", get(dead))
        .route("/dead/{id}", get(dead_letter))
        .route("/conflicts", get(conflicts))
        .route("/conflicts/{id}", get(conflict))
        .route("/reports", get(reports))
        .route("/reports/{client}/{poll}/{number}", get(report))
        .route("/audit", get(audit))
}

type Answer<T> = Result<Json<T>, Refused>;
type Asked<T> = Result<Query<T>, QueryRejection>;

/// Why a question was not answered.
pub(super) enum Refused {
    Question(String),
    Listings(ListingError),
}

impl From<QueryRejection> for Refused {
    fn from(rejection: QueryRejection) -> Self {
        Self::Question(rejection.body_text())
    }
}

impl From<QuestionError> for Refused {
    fn from(error: QuestionError) -> Self {
        Self::Question(error.to_string())
    }
}

impl From<ListingError> for Refused {
    fn from(error: ListingError) -> Self {
        Self::Listings(error)
    }
}

impl IntoResponse for Refused {
    fn into_response(self) -> Response {
        let (status, words) = match self {
            Self::Question(words) => (StatusCode::BAD_REQUEST, words),
            Self::Listings(ListingError::NotFound(missing @ NotFound::SeveralEvents { .. })) => {
                (StatusCode::CONFLICT, missing.to_string())
            }
            Self::Listings(ListingError::NotFound(missing)) => (StatusCode::NOT_FOUND, missing.to_string()),
            Self::Listings(ListingError::Store(error)) => {
                (StatusCode::SERVICE_UNAVAILABLE, error.to_string())
            }
        };
        (status, Json(json!({ "error": words }))).into_response()
    }
}

#[derive(serde::Serialize)]
struct Events {
    events: Vec<EventView>,
}

#[derive(serde::Serialize)]
struct Runs {
    runs: Vec<RunView>,
}

/// Runs, and events that no pipeline could take as they are.
#[derive(serde::Serialize)]
struct Conflicts {
    runs: Vec<RunView>,
    events: Vec<EventView>,
}

#[derive(serde::Serialize)]
struct Reports {
    reports: Vec<ReportView>,
}

#[derive(serde::Serialize)]
struct Audit {
    audit: Vec<AuditView>,
}

async fn events(State(admin): State<Arc<Admin>>, asked: Asked<EventQuestion>) -> Answer<Events> {
    let filter = asked?.0.filter(admin.clock.now())?;
    Ok(Json(Events { events: admin.listings.events(filter).await? }))
}

async fn event(State(admin): State<Arc<Admin>>, Path(id): Path<String>) -> Answer<EventDetailView> {
    Ok(Json(admin.listings.event(&id, None).await?))
}

async fn runs(State(admin): State<Arc<Admin>>, asked: Asked<RunQuestion>) -> Answer<Runs> {
    list(&admin, asked, None).await
}

async fn run(State(admin): State<Arc<Admin>>, Path(id): Path<String>) -> Answer<RunDetailView> {
    Ok(Json(admin.listings.run(&id, None).await?))
}

async fn dead(State(admin): State<Arc<Admin>>, asked: Asked<RunQuestion>) -> Answer<Runs> {
    list(&admin, asked, Some(Outcome::Dead)).await
}

async fn dead_letter(State(admin): State<Arc<Admin>>, Path(id): Path<String>) -> Answer<RunDetailView> {
    Ok(Json(admin.listings.run(&id, Some(Outcome::Dead)).await?))
}

async fn conflicts(State(admin): State<Arc<Admin>>, asked: Asked<RunQuestion>) -> Answer<Conflicts> {
    let (question, now) = (asked?.0, admin.clock.now());
    let events = admin.listings.events(question.of_events(now)?).await?;
    let runs = admin.listings.runs(question.filter(Some(Outcome::Conflict), now)?).await?;
    Ok(Json(Conflicts { runs, events }))
}

async fn conflict(State(admin): State<Arc<Admin>>, Path(id): Path<String>) -> Answer<RunDetailView> {
    Ok(Json(admin.listings.run(&id, Some(Outcome::Conflict)).await?))
}

async fn reports(State(admin): State<Arc<Admin>>, asked: Asked<ReportQuestion>) -> Answer<Reports> {
    let filter = asked?.0.filter(admin.clock.now())?;
    Ok(Json(Reports { reports: admin.listings.reports(filter).await? }))
}

async fn report(
    State(admin): State<Arc<Admin>>,
    Path((client, poll, number)): Path<(String, String, String)>,
) -> Answer<ReportView> {
    Ok(Json(admin.listings.report(&format!("{client}/{poll}/{number}")).await?))
}

async fn audit(State(admin): State<Arc<Admin>>, asked: Asked<AuditQuestion>) -> Answer<Audit> {
    let filter = asked?.0.filter(admin.clock.now())?;
    Ok(Json(Audit { audit: admin.listings.audit(filter).await? }))
}

async fn list(admin: &Admin, asked: Asked<RunQuestion>, only: Option<Outcome>) -> Answer<Runs> {
    let filter = asked?.0.filter(only, admin.clock.now())?;
    Ok(Json(Runs { runs: admin.listings.runs(filter).await? }))
}
