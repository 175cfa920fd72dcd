//! One request to one coordinator after the other, until one answers: what an answer or its absence says about the
//! coordinator, and whether the request may go on to the next.

use std::{pin::pin, sync::Arc, time::Duration};

use http::HeaderValue;
use tokio::time::{Instant, sleep, sleep_until, timeout};

use super::{
    Error, Repeat, Request, Response,
    connect::{Answer, Coordinator, Failure},
    pool::Inner,
};
use crate::core::balance::jittered;

/// How often one request waits for a coordinator that is full.
const WAITS_MAX: u32 = 4;
/// Waiters don't come back together: each takes up to this much longer.
const SCATTER: Duration = Duration::from_millis(50);

/// What an answer says about the coordinator that gave it (reference: general rules, temporary errors).
#[derive(Debug, PartialEq, Eq)]
enum Verdict {
    /// It serves.
    Serves,
    /// It serves, but not this request now, of which nothing was run.
    Full,
    /// It is starting or stopping.
    Away {
        /// Whether the request may have been run nevertheless.
        may_have_run: bool,
    },
    /// Something behind or before it failed, and the request may have been run. Another one may do better.
    Odd,
    /// It doesn't know who asks. That is the login's business, or it is only starting and knows nobody yet.
    Stranger,
}

impl Verdict {
    fn of(response: &Response, authenticated: bool) -> Self {
        match (response.status.as_u16(), response.error_num()) {
            // While it starts, even the open paths are refused to whoever comes without HTTP Basic; a login with a wrong
            // password has another number (reference: the gate; authentication, login).
            (401, Some(11)) if !authenticated => Self::Away { may_have_run: false },
            (401, _) if authenticated => Self::Stranger,
            // A proxy says 429; ArangoDB has its own words.
            (503, Some(21003)) | (412, Some(21004)) | (429, _) => Self::Full,
            (503, Some(503 | 38)) => Self::Away { may_have_run: false },
            // Without a number it is a proxy's answer, and 30 may come out of a handler.
            (503, Some(30) | None) => Self::Away { may_have_run: true },
            // The agency or a DB-Server is away, and this coordinator may be the only one to think so.
            (503, Some(1465 | 1478 | 1495 | 1496)) => Self::Odd,
            // ArangoDB's own failures have a number. This is a page of something between.
            (500 | 502 | 504, None) => Self::Odd,
            _ => Self::Serves,
        }
    }
}

impl Inner {
    /// Asks one coordinator after the other until one answers. What is not safe to repeat is sent a second time
    /// only if the first was certainly not run.
    pub(super) async fn dispatch(
        self: &Arc<Self>,
        request: &Request,
        login: Option<&HeaderValue>,
        deadline: Instant,
    ) -> Result<Response, Error> {
        if request.coordinator.is_some_and(|only| only >= self.coordinators.len()) {
            return Err(Error::Unusable("there is no coordinator at that place of the list".to_owned()));
        }
        let safe = request.repeat == Repeat::Safe;
        let mut tried = Vec::new();
        let mut seen = Vec::new();
        let mut last = None;
        let mut sent = false;
        let mut waits = 0;
        loop {
            let index = match self.pick(request, &tried) {
                Ok(Some(index)) => index,
                Ok(None) => break,
                Err(rested) => {
                    let until = rested + jittered(SCATTER, rand::random());
                    if waits == WAITS_MAX || until >= deadline {
                        let retry_in = rested.saturating_duration_since(Instant::now());
                        return last.ok_or(Error::Full { retry_in });
                    }
                    waits += 1;
                    sleep_until(until).await;
                    continue;
                }
            };
            let Some(coordinator) = self.coordinators.get(index) else { break };
            // A turn or a login that came at the last moment is too late: nothing is sent after the deadline.
            if Instant::now() >= deadline {
                return Err(self.timed_out(request, sent));
            }
            let why = match self.attempt(index, coordinator, request, login, &tried, deadline).await {
                Ok(Answer { response, retry_after }) => match Verdict::of(&response, request.authenticated) {
                    Verdict::Stranger => return Ok(response),
                    Verdict::Serves => {
                        self.served(index);
                        return Ok(response);
                    }
                    Verdict::Full => {
                        self.full(index, retry_after);
                        last = Some(response);
                        continue;
                    }
                    verdict => {
                        let moves = safe || verdict == Verdict::Away { may_have_run: false };
                        let why = format!("it answers {}", response.status);
                        if verdict == Verdict::Odd {
                            self.suspected(index);
                        } else {
                            self.failed(index, &why);
                        }
                        if !moves {
                            return Ok(response);
                        }
                        last = Some(response);
                        why
                    }
                },
                Err(Failure::NeverSent(why)) => {
                    self.failed(index, &why);
                    why
                }
                Err(Failure::Lost(why)) => {
                    self.suspected(index);
                    if !safe {
                        let (method, path) = (request.method.clone(), request.path.clone());
                        let coordinator = coordinator.endpoint.to_string();
                        return Err(Error::Lost { method, path, coordinator, why });
                    }
                    sent = true;
                    why
                }
                Err(Failure::Slow) => {
                    self.suspected(index);
                    sent = true;
                    if !safe || Instant::now() >= deadline {
                        return Err(self.timed_out(request, true));
                    }
                    "no answer in its share of the time".to_owned()
                }
                Err(Failure::Final(error)) => return Err(error),
            };
            tried.push(index);
            seen.push((index, why));
        }
        last.ok_or_else(|| self.unreachable(request, &seen))
    }

    /// One attempt. While the coordinator is silent it is probed; if it doesn't answer probes either and another one
    /// works, there is nothing to wait for.
    async fn attempt(
        self: &Arc<Self>,
        index: usize,
        coordinator: &Coordinator,
        request: &Request,
        login: Option<&HeaderValue>,
        tried: &[usize],
        deadline: Instant,
    ) -> Result<Answer, Failure> {
        // One that answers probes and hangs all the same shall not use up the time of the others either.
        let others = request.coordinator.is_none() && tried.len() + 1 < self.coordinators.len();
        let until = if others && request.repeat == Repeat::Safe {
            let now = Instant::now();
            now + deadline.saturating_duration_since(now) / 2
        } else {
            deadline
        };
        let mut exchange = pin!(coordinator.send(index, request, login, until, self.max_answer));
        if let Ok(outcome) = timeout(self.patience, &mut exchange).await {
            return outcome;
        }
        let mut states = self.states.subscribe();
        loop {
            self.suspected(index);
            let deserted = states.wait_for(|states| {
                let works = |i: usize| states.get(i).is_some_and(|state| state.reachable);
                let other = |i: &usize| *i != index && !tried.contains(i) && works(*i);
                !works(index) && (0..states.len()).any(|i| other(&i))
            });
            tokio::select! {
                biased;
                outcome = &mut exchange => return outcome,
                _ = deserted, if others => {
                    let why = format!("silent for {:?}, and it answers no probe", self.patience);
                    return Err(Failure::Lost(why));
                }
                () = sleep(self.patience) => {}
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;
    use http::StatusCode;

    use super::*;

    #[test]
    fn what_an_answer_says_about_its_coordinator() {
        let away = |may_have_run| Verdict::Away { may_have_run };
        for (status, body, verdict) in [
            (200, r#"{"errorNum":503}"#, Verdict::Serves),
            (404, r#"{"errorNum":1703}"#, Verdict::Serves),
            (500, r#"{"errorNum":4}"#, Verdict::Serves),
            (503, r#"{"errorNum":503}"#, away(false)),
            (503, r#"{"errorNum":38}"#, away(false)),
            (503, r#"{"errorNum":30}"#, away(true)),
            (503, "<html>", away(true)),
            (503, r#"{"errorNum":21003}"#, Verdict::Full),
            (412, r#"{"errorNum":21004}"#, Verdict::Full),
            (412, r#"{"errorNum":1200}"#, Verdict::Serves),
            (429, "", Verdict::Full),
            (503, r#"{"errorNum":1478}"#, Verdict::Odd),
            (500, "<html>", Verdict::Odd),
            (502, "", Verdict::Odd),
            (504, "", Verdict::Odd),
        ] {
            let status = StatusCode::from_u16(status).unwrap();
            let response = Response { status, body: Bytes::from(body), coordinator: 0 };
            assert_eq!(Verdict::of(&response, true), verdict, "{status} {body}");
        }
        let refused = |body: &'static str| Response {
            status: StatusCode::UNAUTHORIZED,
            body: Bytes::from(body),
            coordinator: 0,
        };
        let (gate, login) = (refused(r#"{"errorNum":11}"#), refused(r#"{"errorNum":401}"#));
        assert_eq!(Verdict::of(&gate, true), Verdict::Stranger);
        assert_eq!(Verdict::of(&gate, false), away(false), "open paths are refused by one that starts");
        assert_eq!(Verdict::of(&login, false), Verdict::Serves, "a wrong password");
    }
}
