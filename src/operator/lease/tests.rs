//! The Lease of an API server that takes its time.

use http::{Method, Request, Response, StatusCode};
use kube::{client::Body, core::Status};
use parking_lot::Mutex;
use serde_json::{Value, json};
use tokio::sync::{oneshot, watch};

use super::*;

/// An API server that has a Lease and nothing else. What it is asked takes effect at once, and is answered late.
struct Slow {
    lease: Mutex<Option<Value>>,
    delay: Duration,
    /// How many writes were taken and answered.
    answered: watch::Sender<u64>,
}

impl Slow {
    fn client(self: &Arc<Self>) -> Client {
        let server = Arc::clone(self);
        let service = tower::service_fn(move |request: Request<Body>| {
            let server = Arc::clone(&server);
            async move {
                let method = request.method().clone();
                let body = request.into_body().collect_bytes().await?;
                let (status, answer) = server.act(&method, serde_json::from_slice(&body).ok());
                sleep(server.delay).await;
                if method != Method::GET && status.is_success() {
                    server.answered.send_modify(|answered| *answered += 1);
                }
                let answer = Body::from(serde_json::to_vec(&answer)?);
                Ok::<_, tower::BoxError>(Response::builder().status(status).body(answer)?)
            }
        });
        Client::new(service, "default")
    }

    fn act(&self, method: &Method, sent: Option<Value>) -> (StatusCode, Value) {
        let mut lease = self.lease.lock();
        let refused = |status: StatusCode| {
            let reason = status.canonical_reason().unwrap_or_default().replace(' ', "");
            (
                status,
                json!({"status": "Failure", "message": reason, "reason": reason, "code": status.as_u16()}),
            )
        };
        let version = |lease: &Value| lease["metadata"]["resourceVersion"].as_str().map(str::to_owned);
        if *method == Method::GET {
            return lease
                .clone()
                .map_or_else(|| refused(StatusCode::NOT_FOUND), |lease| (StatusCode::OK, lease));
        }
        let Some(mut sent) = sent else { return refused(StatusCode::BAD_REQUEST) };
        if version(&sent) != lease.as_ref().and_then(version) {
            return refused(StatusCode::CONFLICT);
        }
        let number = version(&sent).and_then(|version| version.parse().ok()).unwrap_or(0_u64) + 1;
        sent["metadata"]["resourceVersion"] = json!(number.to_string());
        *lease = Some(sent.clone());
        (StatusCode::OK, sent)
    }
}

#[tokio::test]
async fn an_api_server_that_takes_long_for_every_answer_is_no_reason_to_step_down() {
    // Longer than a request is waited for alone, and shorter than a lease that is not renewed holds.
    let delay = Duration::from_millis(1600);
    let terms = Terms::new(Terms::MIN);
    assert!(terms.patience() < delay && delay < terms.validity() / 2);
    let server = Arc::new(Slow { lease: Mutex::default(), delay, answered: watch::Sender::new(0) });
    let election = Election { namespace: None, name: "l".into(), duration: Terms::MIN };
    let lead = Arc::new(Lead::candidate());
    let elector = Elector::new(server.client(), election, "me".into(), Arc::clone(&lead));
    let end = CancellationToken::new();
    let run = tokio::spawn(elector.run(|| (), end.clone()));
    let mut answered = server.answered.subscribe();
    tokio::select! {
        // Taken, and renewed for longer than it holds without that.
        done = answered.wait_for(|answered| *answered > 3) => drop(done.unwrap()),
        () = sleep(Duration::from_secs(60)) => panic!("it is not renewed"),
    }
    assert!(crate::arango::Gate::is_open(&*lead) && !run.is_finished());
    end.cancel();
    assert_eq!(run.await.unwrap(), None);
    let holder = server.lease.lock().as_ref().unwrap()["spec"]["holderIdentity"].clone();
    assert!(holder.is_null(), "it is released as well: {holder}");
}

/// Asks whose answers are given by the test: the senders come in the order of asking.
async fn answered(
    asks: usize,
    answer: impl FnOnce(Vec<oneshot::Sender<kube::Result<usize>>>),
) -> kube::Result<usize> {
    let (sender, mut receiver) = tokio::sync::mpsc::unbounded_channel();
    let asked = first(Duration::from_millis(5), || {
        let (ask, answer) = oneshot::channel();
        sender.send(ask).unwrap();
        async move {
            match answer.await {
                Ok(answer) => answer,
                Err(_) => std::future::pending().await,
            }
        }
    });
    let answers = async {
        let mut all = Vec::new();
        while all.len() < asks {
            all.push(receiver.recv().await.unwrap());
        }
        answer(all);
        std::future::pending::<()>().await;
    };
    tokio::select! {
        answer = asked => answer,
        () = answers => unreachable!(),
    }
}

fn failure() -> kube::Result<usize> {
    Err(kube::Error::Service("the connection is dead".into()))
}

#[tokio::test]
async fn an_answer_that_is_late_counts_though_others_were_asked_for_meanwhile() {
    let answer = answered(3, |mut asks| asks.remove(0).send(Ok(0)).unwrap()).await;
    assert_eq!(answer.unwrap(), 0);
}

#[tokio::test]
async fn on_a_dead_connection_nobody_waits_longer_than_for_the_next_question() {
    let answer = answered(2, |mut asks| asks.remove(1).send(Ok(1)).unwrap()).await;
    assert_eq!(answer.unwrap(), 1);
}

#[tokio::test]
async fn a_failure_tells_nothing_as_long_as_another_answer_may_come() {
    let answer = answered(3, |mut asks| {
        asks.remove(2).send(failure()).unwrap();
        asks.remove(1).send(Ok(1)).unwrap();
    });
    assert_eq!(answer.await.unwrap(), 1);
    let refused = answered(3, |mut asks| {
        let conflict = Status::failure("taken", "Conflict").with_code(409).boxed();
        asks.remove(2).send(Err(kube::Error::Api(conflict))).unwrap();
    });
    assert!(
        refused.await.is_err(),
        "but a refusal is an answer: the first may have been taken, and its answer lost"
    );
    let all_fail = first(Duration::from_secs(60), || std::future::ready(failure())).await;
    assert!(all_fail.is_err(), "and at once where nothing is under way");
}
