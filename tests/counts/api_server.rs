//! An API server as far as the operator uses one, in memory and in this process: it lists, takes what is written to our
//! kinds, and counts. Nothing of it moves while the operator is at rest, so that what is counted then is the operator's.

use std::{collections::BTreeMap, sync::Arc};

use axum::{
    Router,
    body::{Body, Bytes},
    extract::State,
    http::{Method, StatusCode, Uri},
    response::{IntoResponse, Response},
};
use futures::stream;
use parking_lot::Mutex;
use serde_json::{Value, json};

/// The namespace of everything.
pub(crate) const NAMESPACE: &str = "fleet";

/// Objects, by plural and name.
#[derive(Default)]
struct Objects {
    all: BTreeMap<String, BTreeMap<String, Value>>,
    version: u64,
    /// What was written, by plural and what of it.
    writes: BTreeMap<(String, &'static str), usize>,
    /// The last change of a status: before and after.
    last: Option<(Value, Value)>,
    /// The plurals that are listed; the others are empty to whoever asks.
    shown: Vec<&'static str>,
}

#[derive(Clone, Default)]
pub(crate) struct ApiServer(Arc<Mutex<Objects>>);

impl ApiServer {
    /// Serves it; a client of it comes back.
    pub(crate) async fn serve(&self) -> kube::Client {
        let router = Router::new().fallback(answer).with_state(self.clone());
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let at = listener.local_addr().unwrap();
        tokio::spawn(async move { axum::serve(listener, router).await });
        let mut config = kube::Config::new(format!("http://{at}").parse().unwrap());
        config.default_retry = false;
        kube::Client::try_from(config).unwrap()
    }

    /// Declares an object as `kubectl create` does.
    pub(crate) fn create(&self, plural: &str, name: &str, kind: &str, content: &Value) {
        let mut objects = self.0.lock();
        objects.version += 1;
        let version = objects.version.to_string();
        let mut object = json!({
            "apiVersion": if kind == "Secret" { "v1" } else { "arango-operator.dev/v1alpha1" },
            "kind": kind,
            "metadata": {
                "namespace": NAMESPACE,
                "name": name,
                "uid": format!("00000000-0000-0000-0000-{:012}", objects.version),
                "generation": 1,
                "resourceVersion": version,
                "creationTimestamp": "2026-11-21T00:00:00Z",
            },
        });
        if let (Some(object), Some(content)) = (object.as_object_mut(), content.as_object()) {
            object.extend(content.clone());
        }
        objects.all.entry(plural.to_owned()).or_default().insert(name.to_owned(), object);
    }

    /// From here on these plurals alone are listed.
    pub(crate) fn show(&self, plurals: &[&'static str]) {
        self.0.lock().shown = plurals.to_vec();
    }

    /// How many objects of a plural are Ready.
    pub(crate) fn ready(&self, plural: &str) -> usize {
        let objects = self.0.lock();
        let all = objects.all.get(plural).into_iter().flat_map(BTreeMap::values);
        all.filter(|object| {
            let conditions = object["status"]["conditions"].as_array();
            conditions.into_iter().flatten().any(|c| c["type"] == "Ready" && c["status"] == "True")
        })
        .count()
    }

    /// Why those of a plural that are not Ready aren't.
    pub(crate) fn complaint(&self, plural: &str) -> Option<String> {
        let objects = self.0.lock();
        let mut all = objects.all.get(plural).into_iter().flat_map(BTreeMap::values);
        all.find_map(|object| {
            let ready = &object["status"]["conditions"][0];
            (ready["status"] != "True").then(|| object["status"].to_string())
        })
    }

    /// What was written since it was last asked.
    pub(crate) fn take_writes(&self) -> BTreeMap<(String, &'static str), usize> {
        std::mem::take(&mut self.0.lock().writes)
    }

    /// The last change of an object's status, before and after.
    pub(crate) fn last_change(&self) -> Option<(Value, Value)> {
        self.0.lock().last.clone()
    }

    /// Sets a value in the spec of every object of a plural, unseen by whoever watches.
    pub(crate) fn set(&self, plural: &str, key: &str, value: &Value) {
        for object in self.0.lock().all.get_mut(plural).into_iter().flat_map(BTreeMap::values_mut) {
            object["spec"][key] = value.clone();
        }
    }
}

async fn answer(State(server): State<ApiServer>, method: Method, uri: Uri, body: Bytes) -> Response {
    let path: Vec<_> = uri.path().split('/').collect();
    let Some(at) = path.iter().position(|part| *part == NAMESPACE) else { return not_found() };
    let query = uri.query().unwrap_or_default();
    match (&method, &path[at + 1..]) {
        (&Method::GET, [_]) if query.contains("watch=true") => {
            Body::from_stream(stream::pending::<Result<Bytes, std::io::Error>>()).into_response()
        }
        (&Method::GET, [plural]) => server.list(plural),
        (&Method::GET, [plural, name]) => server.get(plural, name),
        (&Method::PATCH, [plural, name]) => server.write(plural, name, &body, "metadata"),
        (&Method::PUT, [plural, name, "status"]) => server.write(plural, name, &body, "status"),
        (&Method::POST, [plural]) => {
            *server.0.lock().writes.entry(((*plural).to_owned(), "new")).or_default() += 1;
            (StatusCode::CREATED, body).into_response()
        }
        _ => not_found(),
    }
}

fn not_found() -> Response {
    let status =
        json!({"kind": "Status", "apiVersion": "v1", "status": "Failure", "reason": "NotFound", "code": 404});
    (StatusCode::NOT_FOUND, axum::Json(status)).into_response()
}

impl ApiServer {
    fn list(&self, plural: &str) -> Response {
        let objects = self.0.lock();
        let shown = objects.shown.contains(&plural);
        let items: Vec<_> =
            objects.all.get(plural).filter(|_| shown).into_iter().flat_map(BTreeMap::values).collect();
        let list = json!({
            "apiVersion": "v1",
            "kind": "List",
            "metadata": {"resourceVersion": objects.version.to_string()},
            "items": items,
        });
        axum::Json(list).into_response()
    }

    fn get(&self, plural: &str, name: &str) -> Response {
        let objects = self.0.lock();
        let found = objects.all.get(plural).and_then(|all| all.get(name));
        found.map_or_else(not_found, |found| axum::Json(found).into_response())
    }

    fn write(&self, plural: &str, name: &str, body: &[u8], what: &'static str) -> Response {
        let written: Value = serde_json::from_slice(body).unwrap();
        let mut objects = self.0.lock();
        objects.version += 1;
        let version = objects.version.to_string();
        *objects.writes.entry((plural.to_owned(), what)).or_default() += 1;
        let Some(object) = objects.all.get_mut(plural).and_then(|all| all.get_mut(name)) else {
            return not_found();
        };
        let seen = &written["metadata"]["resourceVersion"];
        assert_eq!(*seen, object["metadata"]["resourceVersion"], "every write says what it is about");
        if what == "status" {
            let before = std::mem::replace(&mut object["status"], written["status"].clone());
            object["metadata"]["resourceVersion"] = json!(version);
            let answer = axum::Json(&*object).into_response();
            if plural != "arangoclusters" {
                objects.last = Some((before, written["status"].clone()));
            }
            return answer;
        }
        merge(&mut object["metadata"], &written["metadata"]);
        object["metadata"]["resourceVersion"] = json!(version);
        axum::Json(&*object).into_response()
    }
}

/// A merge patch.
fn merge(object: &mut Value, patch: &Value) {
    let Some(patch) = patch.as_object() else {
        *object = patch.clone();
        return;
    };
    if !object.is_object() {
        *object = json!({});
    }
    for (key, value) in patch {
        if value.is_null() {
            object.as_object_mut().unwrap().remove(key);
        } else {
            merge(&mut object[key], value);
        }
    }
}
