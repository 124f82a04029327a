//! Query jobs of the Bulk API 2.0: begun, worked on, read page by page as CSV. What loads records is not simulated.

use base64::Engine;
use base64::engine::general_purpose::STANDARD_NO_PAD;
use serde_json::{Map, Value as Json, json};

use super::error::ApiError;
use super::id;
use super::org::Org;
use super::soql::{self, Query, Select};
use crate::sandbox::reply::{Reply, Request};

/// Jobs beyond this are refused, as Salesforce refuses those beyond a day's 10,000.
const JOBS_MAX: usize = 10_000;

/// Rows of a page when the client does not say how many.
const PAGE: usize = 50_000;

/// How the org works on jobs.
#[derive(Debug, Clone, Default)]
pub(super) struct Works {
    /// How often a job is asked after until it is done, besides the last time.
    pub(super) questions: u32,
    /// Why all of them fail.
    pub(super) failure: Option<String>,
}

/// One query job.
#[derive(Debug, Clone)]
pub(super) struct QueryJob {
    operation: String,
    query: Query,
    state: State,
    created: String,
    version: u32,
    asked: u32,
    delimiter: (&'static str, u8),
    crlf: bool,
    error: Option<String>,
    rows: Vec<Vec<String>>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum State {
    UploadComplete,
    InProgress,
    JobComplete,
    Failed,
    Aborted,
}

impl State {
    fn word(self) -> &'static str {
        match self {
            Self::UploadComplete => "UploadComplete",
            Self::InProgress => "InProgress",
            Self::JobComplete => "JobComplete",
            Self::Failed => "Failed",
            Self::Aborted => "Aborted",
        }
    }

    fn has_ended(self) -> bool {
        matches!(self, Self::JobComplete | Self::Failed | Self::Aborted)
    }
}

/// The delimiters that there are, by Salesforce's names for them.
const DELIMITERS: [(&str, u8); 6] = [
    ("COMMA", b','),
    ("SEMICOLON", b';'),
    ("TAB", b'\t'),
    ("PIPE", b'|'),
    ("CARET", b'^'),
    ("BACKQUOTE", b'`'),
];

/// Carries out one call below `/jobs/query`.
pub(super) fn route(
    org: &mut Org,
    method: &str,
    path: &[&str],
    (request, version): (&Request, u32),
    body: impl FnOnce() -> Result<Json, ApiError>,
) -> Result<Reply, ApiError> {
    match (method, path) {
        ("POST", []) => {
            let id = begin(org, &body()?, version)?;
            Ok(Reply::json(200, &org.shown_job(&id)?))
        }
        ("GET", []) => {
            let ids: Vec<String> = org.jobs.keys().cloned().collect();
            let records: Vec<Json> = ids.iter().map(|id| org.shown_job(id)).collect::<Result<_, _>>()?;
            Ok(Reply::json(200, &json!({"done": true, "records": records, "nextRecordsUrl": null})))
        }
        ("GET", [id]) => {
            org.work_on(id)?;
            Ok(Reply::json(200, &org.shown_job(id)?))
        }
        ("GET", [id, "results"]) => org.results(id, request),
        ("PATCH", [id]) => {
            if body()?.get("state") != Some(&json!("Aborted")) {
                return Err(ApiError::new(
                    "INVALIDJOB",
                    "The state of a query job can be set to Aborted only",
                ));
            }
            let job = org.job(id)?;
            if job.state.has_ended() {
                let message = format!("Aborting already {} Job not allowed", job.state.word());
                return Err(ApiError::new("INVALIDJOBSTATE", message));
            }
            job.state = State::Aborted;
            Ok(Reply::json(200, &org.shown_job(id)?))
        }
        ("DELETE", [id]) => {
            let state = org.job(id)?.state;
            if !state.has_ended() {
                let message = format!("Deleting not allowed on job in state: {}", state.word());
                return Err(ApiError::new("INVALIDJOBSTATE", message));
            }
            org.jobs.shift_remove(*id);
            Ok(Reply::empty(204))
        }
        _ => Err(ApiError::not_found()),
    }
}

fn begin(org: &mut Org, body: &Json, version: u32) -> Result<String, ApiError> {
    let text = |key: &str| body.get(key).and_then(Json::as_str);
    let operation = text("operation").filter(|operation| matches!(*operation, "query" | "queryAll"));
    let operation = operation.ok_or_else(|| ApiError::new("INVALIDJOB", "operation is query or queryAll"))?;
    let statement = text("query").ok_or_else(|| ApiError::new("INVALIDJOB", "query is missing"))?;
    let query = soql::parse(statement).map_err(|error| refused(&error))?;
    if let Some(unfit) = unfit(&query) {
        return Err(ApiError::new(
            "API_ERROR",
            format!("MALFORMED_QUERY: {unfit} is not supported in Bulk Query"),
        ));
    }
    // What is wrong with the statement is told when the job is made, not when it has failed.
    org.found(&query, false).map_err(|error| refused(&error))?;
    let wanted = text("columnDelimiter").unwrap_or("COMMA");
    let delimiter = DELIMITERS.into_iter().find(|(name, _)| *name == wanted);
    let delimiter = delimiter.ok_or_else(|| ApiError::new("INVALIDJOB", "no such columnDelimiter"))?;
    if org.jobs.len() >= JOBS_MAX {
        return Err(ApiError::new("EXCEEDED_MAX_JOBS", "the day's query jobs are used up").status(403));
    }
    let id = id::make("750", org.records.next());
    let job = QueryJob {
        operation: operation.to_owned(),
        query,
        state: State::UploadComplete,
        created: org.stamp_now(),
        version,
        asked: 0,
        delimiter,
        crlf: text("lineEnding") == Some("CRLF"),
        error: None,
        rows: Vec::new(),
    };
    org.jobs.insert(id.clone(), job);
    Ok(id)
}

/// A statement's mistake as the Bulk API reports it.
fn refused(error: &ApiError) -> ApiError {
    ApiError::new("API_ERROR", format!("{}: {}", error.code, error.message()))
}

/// What a job cannot give.
fn unfit(query: &Query) -> Option<&'static str> {
    if query.offset > 0 {
        return Some("OFFSET");
    }
    query.select.iter().find_map(|select| match select {
        Select::Path(_) => None,
        Select::Fields(_) => Some("FIELDS()"),
        Select::Count => Some("COUNT()"),
        Select::Children(_) => Some("a sub-select"),
    })
}

impl Org {
    fn job(&mut self, id: &str) -> Result<&mut QueryJob, ApiError> {
        self.jobs.get_mut(id).ok_or_else(ApiError::not_found)
    }

    /// Whoever asks after a job sees it get on.
    fn work_on(&mut self, id: &str) -> Result<(), ApiError> {
        let works = self.works.clone();
        let job = self.job(id)?;
        if job.state.has_ended() {
            return Ok(());
        }
        job.asked += 1;
        if job.asked <= works.questions {
            job.state = State::InProgress;
            return Ok(());
        }
        if works.failure.is_some() {
            (job.state, job.error) = (State::Failed, works.failure);
            return Ok(());
        }
        let (query, deleted) = (job.query.clone(), job.operation == "queryAll");
        let rows = self.cells(&query, deleted)?;
        let job = self.job(id)?;
        (job.state, job.rows) = (State::JobComplete, rows);
        Ok(())
    }

    /// The rows of a statement, each value as text.
    fn cells(&self, query: &Query, deleted: bool) -> Result<Vec<Vec<String>>, ApiError> {
        let (shape, found) = self.found(query, deleted)?;
        let paths = || {
            query.select.iter().filter_map(|select| match select {
                Select::Path(path) => Some(path),
                Select::Fields(_) | Select::Count | Select::Children(_) => None,
            })
        };
        let row = |record| paths().map(|path| cell(&self.value(shape, record, path))).collect();
        Ok(found.into_iter().map(row).collect())
    }

    fn shown_job(&self, id: &str) -> Result<Json, ApiError> {
        let job = self.jobs.get(id).ok_or_else(ApiError::not_found)?;
        let object = self.schema.object(&job.query.object).map_or(&job.query.object, |shape| &shape.name);
        let mut shown = json!({
            "id": id, "operation": job.operation, "object": object, "createdById": self.user,
            "createdDate": job.created, "systemModstamp": job.created, "state": job.state.word(),
            "concurrencyMode": "Parallel", "contentType": "CSV", "apiVersion": f64::from(job.version),
            "lineEnding": if job.crlf { "CRLF" } else { "LF" }, "columnDelimiter": job.delimiter.0,
        });
        if job.asked > 0
            && let Json::Object(shown) = &mut shown
        {
            let more = json!({"jobType": "V2Query", "numberRecordsProcessed": job.rows.len(), "retries": 0,
                "totalProcessingTime": 100 * job.asked, "isPkChunkingSupported": true});
            shown.extend(more.as_object().cloned().unwrap_or_else(Map::new));
            if let Some(error) = &job.error {
                shown.insert("errorMessage".to_owned(), json!(error));
            }
        }
        Ok(shown)
    }

    /// A page of a job's rows, below a row of names. The address of the next one is in a header: the text `null` after the last.
    fn results(&mut self, id: &str, request: &Request) -> Result<Reply, ApiError> {
        let invalid = || ApiError::new("INVALID_LOCATOR", "the locator is not one of this job");
        let job = self.job(id)?;
        if job.state != State::JobComplete {
            let message = format!("Results are not available for a job in state: {}", job.state.word());
            return Err(ApiError::new("INVALIDJOBSTATE", message));
        }
        let from = match request.parameter("locator").filter(|locator| !locator.is_empty()) {
            None => 0,
            Some(locator) => {
                let bytes = STANDARD_NO_PAD.decode(locator).map_err(|_| invalid())?;
                let place: Option<usize> = String::from_utf8(bytes).ok().and_then(|place| place.parse().ok());
                place.filter(|place| *place < job.rows.len()).ok_or_else(invalid)?
            }
        };
        let page = match request.parameter("maxRecords") {
            None => PAGE,
            Some(wanted) => wanted
                .parse()
                .ok()
                .filter(|wanted| *wanted > 0)
                .ok_or_else(|| ApiError::new("INVALID_PARAMETER", "maxRecords is a number above 0"))?,
        };
        let to = from.saturating_add(page).min(job.rows.len());
        let rows = job.rows.get(from..to).unwrap_or_default();
        let names: Vec<String> = job.query.select.iter().filter_map(name).collect();
        let locator =
            if to < job.rows.len() { STANDARD_NO_PAD.encode(to.to_string()) } else { "null".to_owned() };
        let count = rows.len().to_string();
        let body = csv(job, &names, rows).map_err(|_| ApiError::of_status(500))?;
        let reply = Reply::of(200, "text/csv; charset=UTF-8", body);
        Ok(reply.header("Sforce-Locator", locator).header("Sforce-NumberOfRecords", count))
    }
}

fn name(select: &Select) -> Option<String> {
    match select {
        Select::Path(path) => Some(path.join(".")),
        Select::Fields(_) | Select::Count | Select::Children(_) => None,
    }
}

/// A value in CSV: nothing is empty, and a datetime is written as the REST API does not.
fn cell(value: &Json) -> String {
    match value {
        Json::Null => String::new(),
        Json::String(text) => match text.strip_suffix("+0000") {
            Some(head) if super::convert::read_datetime(text).is_some() => format!("{head}Z"),
            _ => text.clone(),
        },
        other => other.to_string(),
    }
}

/// All values are quoted, names too.
fn csv(job: &QueryJob, names: &[String], rows: &[Vec<String>]) -> Result<String, csv::Error> {
    let end = if job.crlf { csv::Terminator::CRLF } else { csv::Terminator::Any(b'\n') };
    let mut writer = csv::WriterBuilder::new()
        .delimiter(job.delimiter.1)
        .quote_style(csv::QuoteStyle::Always)
        .terminator(end)
        .from_writer(Vec::new());
    writer.write_record(names)?;
    for row in rows {
        writer.write_record(row)?;
    }
    let bytes = writer.into_inner().map_err(csv::IntoInnerError::into_error)?;
    Ok(String::from_utf8_lossy(&bytes).into_owned())
}
