//! Requests whose answer is fetched later: `x-arango-async`, and `/_api/job` (reference: headers).

use std::collections::VecDeque;

use http::{HeaderName, HeaderValue, Method, StatusCode};
use serde_json::json;

use super::{
    Call, Model, Request,
    answer::{Answer, Failure, Reply, bare},
};

/// In a request: `true` for an answer that nobody wants, `store` for one that is fetched later.
const ASYNC: HeaderName = HeaderName::from_static("x-arango-async");
/// In an answer: under which number the real one is kept.
const ASYNC_ID: HeaderName = HeaderName::from_static("x-arango-async-id");
/// How many answers are kept; a real server keeps all of them.
const KEPT_MAX: usize = 1000;
/// How many numbers a list shows unless the request says something else.
const LISTED: usize = 100;

/// Answers that are kept, by number, oldest first.
#[derive(Debug, Clone, Default)]
pub(super) struct Jobs {
    made: u64,
    kept: VecDeque<(u64, Answer)>,
}

/// What becomes of an answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Wanted {
    Now,
    Never,
    Later,
}

/// What the request says about its answer.
pub(super) fn wanted(request: &Request) -> Wanted {
    match request.headers.get(ASYNC).map(HeaderValue::as_bytes) {
        Some(b"true") => Wanted::Never,
        Some(b"store") => Wanted::Later,
        _ => Wanted::Now,
    }
}

impl Jobs {
    /// Keeps an answer, or forgets it, as it was wanted; what is said in its place. Work is always done at once here.
    pub(super) fn put_off(&mut self, answer: Answer, wanted: Wanted) -> Answer {
        let mut reply = Reply { status: StatusCode::ACCEPTED, text: true, ..Reply::default() };
        match wanted {
            Wanted::Now => return answer,
            Wanted::Never => {}
            Wanted::Later => {
                self.made += 1;
                if self.kept.len() == KEPT_MAX {
                    self.kept.pop_front();
                }
                self.kept.push_back((self.made, answer));
                reply.headers.push((ASYNC_ID, HeaderValue::from(self.made)));
            }
        }
        Ok(reply)
    }

    fn place(&self, id: &str) -> Result<usize, Failure> {
        let id = id.parse().ok();
        self.kept.iter().position(|(kept, _)| Some(*kept) == id).ok_or_else(|| Failure::missing(404))
    }

    fn take(&mut self, id: &str) -> Answer {
        let place = self.place(id)?;
        let (id, answer) = self.kept.remove(place).ok_or_else(|| Failure::missing(404))?;
        let mut reply = answer?;
        reply.headers.push((ASYNC_ID, HeaderValue::from(id)));
        Ok(reply)
    }
}

impl Model {
    pub(super) fn job_routes(&mut self, call: &Call<'_>, rest: &[&str]) -> Answer {
        let jobs = &mut self.jobs;
        match (call.method(), rest) {
            (&Method::GET, ["pending"]) => bare(&json!([])),
            (&Method::GET, ["done"]) => {
                let count = call.target.parameter("count").and_then(|count| count.parse().ok());
                let ids = jobs.kept.iter().map(|(id, _)| id.to_string()).take(count.unwrap_or(LISTED));
                bare(&ids.collect::<Vec<_>>())
            }
            (&Method::GET, [id]) => jobs.place(id).map(|_| Reply::default()),
            (&Method::PUT, [id]) => jobs.take(id),
            (&Method::DELETE, [which]) => {
                match *which {
                    "all" => jobs.kept.clear(),
                    // Nothing is kept for longer than it is wanted here, so nothing has ended.
                    "expired" => drop(call.target.parameter("stamp").ok_or_else(|| Failure::bad(400))?),
                    id => drop(jobs.kept.remove(jobs.place(id)?)),
                }
                bare(&json!({"result": true}))
            }
            (&Method::GET | &Method::PUT | &Method::DELETE, _) => Err(Failure::bad(400)),
            _ => Err(Failure::method()),
        }
    }
}
