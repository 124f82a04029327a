//! Search: a small query language over an index that lags behind.

use serde_json::{Value as Json, json};

use super::error::{Answer, ApiError};
use super::params::{Params, Takes};
use super::state::{State, text};

const SEARCH: Takes = Takes { fields: &["query", "limit", "page"], own: &[] };

/// One clause: a field, how it is compared, and with what (`None` is null).
struct Clause {
    negated: bool,
    field: String,
    operator: String,
    value: Option<String>,
}

pub(super) fn search(state: &State, kind: &str, url: &str, params: &Params) -> Answer {
    params.check(SEARCH)?;
    let (all, clauses) = parse(params.required("query")?)?;
    let limit = usize::try_from(params.int("limit")?.unwrap_or(10).clamp(1, 100)).unwrap_or(10);
    let skip: usize = params.text("page").and_then(|page| page.parse().ok()).unwrap_or(0);
    // What changed less than the lag ago, the index does not know yet.
    let seen = state.now() - state.search_lag;
    let indexed = |row: &Json| state.touched.get(&text(row, "id")).is_none_or(|touched| *touched <= seen);
    let found: Vec<&Json> =
        state.all(kind).rev().filter(|row| indexed(row)).filter(|row| holds(all, &clauses, row)).collect();
    let rows: Vec<&Json> = found.iter().skip(skip).take(limit).copied().collect();
    let more = found.len() > skip + rows.len();
    let next = more.then(|| (skip + rows.len()).to_string());
    Ok(json!({"object": "search_result", "data": rows, "has_more": more, "next_page": next, "url": url}))
}

fn holds(all: bool, clauses: &[Clause], row: &Json) -> bool {
    if all {
        clauses.iter().all(|clause| clause.holds(row))
    } else {
        clauses.iter().any(|clause| clause.holds(row))
    }
}

/// Clauses joined by AND (true) or by OR.
fn parse(query: &str) -> Result<(bool, Vec<Clause>), ApiError> {
    let words = words(query);
    let joints: Vec<&str> = words.iter().skip(1).step_by(2).map(String::as_str).collect();
    let all = joints.iter().all(|joint| joint.eq_ignore_ascii_case("and"));
    if !all && !joints.iter().all(|joint| joint.eq_ignore_ascii_case("or")) {
        return Err(malformed(query));
    }
    let clauses: Option<Vec<Clause>> = words.iter().step_by(2).map(|word| clause(word)).collect();
    clauses
        .filter(|clauses| !clauses.is_empty())
        .map(|clauses| (all, clauses))
        .ok_or_else(|| malformed(query))
}

fn malformed(query: &str) -> ApiError {
    ApiError::invalid(format!("We were unable to parse your search query: {query}")).param("query")
}

/// The query's words; white space inside quotes does not part them.
fn words(query: &str) -> Vec<String> {
    let mut words = vec![String::new()];
    let (mut quoted, mut escaped) = (None, false);
    for letter in query.trim().chars() {
        if quoted.is_none() && letter.is_whitespace() {
            words.push(String::new());
            continue;
        }
        if !escaped && (letter == '"' || letter == '\'') && quoted.is_none_or(|quote| quote == letter) {
            quoted = if quoted.is_some() { None } else { Some(letter) };
        }
        escaped = letter == '\\' && !escaped;
        if let Some(word) = words.last_mut() {
            word.push(letter);
        }
    }
    words.retain(|word| !word.is_empty());
    words
}

fn clause(word: &str) -> Option<Clause> {
    let (negated, word) = word.strip_prefix('-').map_or((false, word), |rest| (true, rest));
    // The operator follows the field; a key of metadata is in brackets and quotes.
    let from = word.find(']').map_or(0, |at| at + 1);
    let at = from + word[from..].find([':', '~', '>', '<'])?;
    let operator: String = word[at..].chars().take_while(|letter| ":~><=".contains(*letter)).collect();
    let value = word[at + operator.len()..].trim_matches(['"', '\'']).replace("\\\"", "\"");
    let field = word[..at].replace("[\"", ".").replace("['", ".").replace("\"]", "").replace("']", "");
    Some(Clause { negated, field, operator, value: (value != "null").then_some(value) })
}

impl Clause {
    fn holds(&self, row: &Json) -> bool {
        let found =
            self.field.split('.').try_fold(row, |at, key| at.get(key)).filter(|found| !found.is_null());
        let holds = match (&self.value, found) {
            (None, found) => found.is_none(),
            (Some(_), None) => false,
            (Some(wanted), Some(found)) => self.compares(wanted, found),
        };
        holds != self.negated
    }

    fn compares(&self, wanted: &str, found: &Json) -> bool {
        if let (Some(found), Ok(wanted)) = (found.as_i64(), wanted.parse::<i64>()) {
            return match self.operator.as_str() {
                ">" => found > wanted,
                ">=" => found >= wanted,
                "<" => found < wanted,
                "<=" => found <= wanted,
                _ => found == wanted,
            };
        }
        let found = found.as_str().map_or_else(|| found.to_string(), str::to_owned).to_lowercase();
        let wanted = wanted.to_lowercase();
        if self.operator == "~" { found.contains(&wanted) } else { found == wanted }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn queries_mean_what_stripe_says() {
        let row = json!({"email": "Ann@x.example", "name": "Ann Lee", "created": 100, "metadata": {"crm id": "001"}});
        for (query, holds) in [
            (r#"email:"ann@x.example""#, true),
            (r#"name~"lee""#, true),
            (r#"name:"lee""#, false),
            (r#"metadata["crm id"]:"001""#, true),
            (r#"-metadata["crm id"]:null"#, true),
            (r#"-metadata["other"]:null"#, false),
            (r"created>99 AND created<=100", true),
            (r#"created>100 OR name:"Ann Lee""#, true),
        ] {
            let (all, clauses) = parse(query).unwrap();
            assert_eq!(super::holds(all, &clauses, &row), holds, "{query}");
        }
        assert!(parse(r#"email:"a" AND name:"b" OR name:"c""#).is_err(), "AND and OR are not mixed");
    }
}
