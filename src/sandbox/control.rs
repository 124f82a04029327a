//! `/_sandbox/...` on each simulator: faults and inspection for `lockstep sandbox`, which runs as a process.
//!
//! | request | does |
//! | --- | --- |
//! | `GET /_sandbox/calls`, `DELETE` | the calls so far, newest last; forgets them |
//! | `GET /_sandbox/records`, `GET /_sandbox/records/{object}` | what is stored |
//! | `GET /_sandbox/counts` | writes, and creates by object |
//! | `POST /_sandbox/faults`, `DELETE` | the next matching requests meet this fault; none do any more |
//! | `PUT /_sandbox/latency` `{"ms": 50}` | every request takes at least this long |

use std::time::Duration;

use serde::{Deserialize, Serialize};
use serde_json::{Value as Json, json};

use super::calls::Calls;
use super::faults::{Fault, Faults};
use super::reply::{Reply, Request};
use super::server::Simulator;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Latency {
    ms: u64,
}

pub(super) fn answer(simulator: &dyn Simulator, faults: &Faults, calls: &Calls, request: &Request) -> Reply {
    let segments = request.segments();
    let path: Vec<&str> = segments.iter().skip(1).map(String::as_str).collect();
    match (request.method.as_str(), path.as_slice()) {
        ("GET", ["calls"]) => shown(&calls.all()),
        ("DELETE", ["calls"]) => {
            calls.clear();
            Reply::empty(204)
        }
        ("GET", ["records"]) => Reply::json(200, &simulator.records()),
        ("GET", ["records", object]) => match simulator.records().get(*object) {
            Some(records) => Reply::json(200, records),
            None => Reply::json(200, &json!([])),
        },
        ("GET", ["counts"]) => shown(&simulator.counts()),
        ("POST", ["faults"]) => read(request, |fault: Fault| faults.add(fault)),
        ("DELETE", ["faults"]) => {
            faults.clear();
            Reply::empty(204)
        }
        ("PUT", ["latency"]) => {
            read(request, |latency: Latency| faults.latency(Duration::from_millis(latency.ms)))
        }
        _ => simulator
            .control(request)
            .unwrap_or_else(|| Reply::json(404, &json!({"error": "the sandbox has no such control"}))),
    }
}

fn shown(value: &impl Serialize) -> Reply {
    Reply::json(200, &serde_json::to_value(value).unwrap_or(Json::Null))
}

/// Reads a JSON body and acts on it; 400 tells what is wrong with it.
pub(super) fn read<T: for<'de> Deserialize<'de>>(request: &Request, act: impl FnOnce(T)) -> Reply {
    match serde_json::from_slice(&request.body) {
        Ok(value) => {
            act(value);
            Reply::empty(204)
        }
        Err(error) => Reply::json(400, &json!({"error": error.to_string()})),
    }
}
