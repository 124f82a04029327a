//! The public addresses.

use std::sync::Arc;

use axum::extract::{Path, Request, State};
use axum::http::uri::PathAndQuery;
use axum::http::{Method, StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::routing::any;
use axum::{Json, Router};
use serde_json::json;

use super::body::Room;
use super::receive::{At, Delivery, Ingest, Receipt};
use super::refusal::Refusal;

struct Desk {
    ingest: Arc<Ingest>,
    room: Room,
}

impl Ingest {
    /// What is served in public: the hooks, and nothing else.
    pub fn router(self: &Arc<Self>) -> Router {
        let desk = Desk { ingest: Arc::clone(self), room: Room::default() };
        Router::new()
            .route("/hooks/{client}/{connection}", any(hook))
            .fallback(elsewhere)
            .with_state(Arc::new(desk))
    }
}

async fn hook(
    State(desk): State<Arc<Desk>>,
    Path((client, connection)): Path<(String, String)>,
    request: Request,
) -> Response {
    if request.method() != Method::POST {
        return wrong_method();
    }
    match desk.take(client, connection, request).await {
        Ok(receipt) => Json(receipt).into_response(),
        Err(refusal) => refusal.into_response(),
    }
}

impl Desk {
    async fn take(&self, client: String, connection: String, request: Request) -> Result<Receipt, Refusal> {
        let at = self.ingest.hooks_at(&client).await.inspect_err(|refusal| {
            self.ingest.metrics.refused(None, refusal.word());
        })?;
        let hooks = at.hooks();
        let known = hooks.find(&client, &connection).ok();
        let taken = async {
            let (parts, body) = request.into_parts();
            // An address that is not served is told so before its body is read.
            hooks.find(&client, &connection)?;
            let held = self.room.read(&parts.headers, body).await?;
            let target = parts.uri.path_and_query().map_or("/", PathAndQuery::as_str).to_owned();
            let delivery =
                Delivery { client, connection, target, headers: parts.headers, body: held.body.clone() };
            if matches!(at, At::Door(_)) {
                // Whoever is not who he says calls nobody.
                hooks.find(&delivery.client, &delivery.connection)?.open(&delivery, self.ingest.now())?;
            }
            self.ingest.receive(delivery).await
        };
        taken.await.inspect_err(|refusal| {
            self.ingest.metrics.refused(known.map(|hook| (hook.client(), hook.connection())), refusal.word());
            match (known, &at) {
                (Some(hook), At::Open(_)) => hook.complain(refusal, self.ingest.now()),
                (Some(hook), At::Door(_)) => {
                    hook.complain_by(&self.ingest.complained_at_door, refusal, self.ingest.now());
                }
                (None, _) => {}
            }
        })
    }
}

fn wrong_method() -> Response {
    let words = "this is a webhook's address: it takes POST from the system whose events it is for";
    let allow = [(header::ALLOW, "POST")];
    (StatusCode::METHOD_NOT_ALLOWED, allow, Json(json!({ "error": words }))).into_response()
}

async fn elsewhere() -> Response {
    let words = "nothing is served here: webhooks are posted to /hooks/<client>/<connection>";
    (StatusCode::NOT_FOUND, Json(json!({ "error": words }))).into_response()
}
