//! Replays what a real ArangoDB 3.12.10 answered: the stand-in must give the same status, headers and body. What
//! 3.11.14 answered is replayed as well: there the shape of the body must be the same but for a list of changes.
//!
//! The recordings were made without authentication. The server's own values (ids, times, host names) are compared by
//! their type.

// Clippy knows tests by their attribute; these are their helpers.
#![allow(clippy::unwrap_used, clippy::panic)]

use std::collections::BTreeSet;

use arango_operator::stand_in::{Config, Options, StandIn};
use reqwest::{Client, Method};
use serde_json::{Value, json};

/// Recorded exchanges that aren't replayed, with the reason. There is none at present.
const SKIPPED: [(&str, &str); 0] = [];

/// A request that brings the stand-in into the recorded state.
type Step = (Method, &'static str, Value);

fn user(name: &str) -> Step {
    (Method::POST, "/_api/user", json!({"user": name}))
}

fn collection(name: &str) -> Step {
    (Method::POST, "/_api/collection", json!({"name": name}))
}

fn grant(path: &'static str) -> Step {
    (Method::PUT, path, json!({"grant": "rw"}))
}

/// What was there before the exchange. Every exchange has its own fresh server.
fn before(name: &str) -> Vec<Step> {
    let collections = ["demo", "mycollection", "animals", "ignore"].map(collection);
    match name {
        "RestCollectionGetAllCollections" => collections.into(),
        "RestDatabaseDrop" => vec![(Method::POST, "/_api/database", json!({"name": "example"}))],
        "RestDeleteUser" => vec![user("userToDelete@myapp")],
        "RestFetchAllUser" => {
            vec![user("admin"), (Method::POST, "/_api/user", json!({"user": "tester", "active": false}))]
        }
        "RestFetchUserDatabaseListFull"
        | "RestFetchUserDatabaseList"
        | "RestFetchUserDatabasePermission"
        | "RestFetchUserCollectionPermission" => {
            let mut steps = vec![user("anotherAdmin@secapp")];
            steps.push(grant("/_api/user/anotherAdmin@secapp/database/_system"));
            steps.extend(collections);
            steps
        }
        "RestFetchUser" | "RestGrantDatabase" | "RestReplaceUser" | "RestRevokeDatabase"
        | "RestUpdateUser" => {
            vec![user("admin@myapp")]
        }
        "RestGrantCollection" | "RestRevokeCollection" => vec![user("admin@myapp"), collection("reports")],
        _ => Vec::new(),
    }
}

/// Values that are the server's own, as JSON pointers. `+` stands for every element whose `isSystem` is false.
fn own_values(name: &str) -> &'static [&'static str] {
    match name {
        "RestAdminStatistics1" => &["/time"],
        "RestAdminStatus" => &[
            "/pid",
            "/hostname",
            "/serverInfo/persistedId",
            "/serverInfo/serverId",
            "/serverInfo/address",
            "/coordinator/foxxmaster",
            "/coordinator/isFoxxmaster",
            "/agency/agencyComm/endpoints/0",
            "/agency/agencyComm/endpoints/1",
            "/agency/agencyComm/endpoints/2",
        ],
        "RestCollectionCreateCollection" => &["/id", "/globallyUniqueId", "/objectId"],
        "RestCollectionGetAllCollections" => &["/result/+/id", "/result/+/globallyUniqueId"],
        _ => &[],
    }
}

/// Puts the name of its type in the place of a value.
fn blank(value: &mut Value) {
    let kind = match value {
        Value::Null => "null",
        Value::Bool(_) => "a truth value",
        Value::Number(_) => "a number",
        Value::String(_) => "a text",
        Value::Array(_) => "an array",
        Value::Object(_) => "an object",
    };
    *value = json!(kind);
}

/// A body that can be compared: lists that have no order are sorted, the server's own values are blanked.
fn comparable(name: &str, body: &Value) -> Value {
    let mut body = body.clone();
    if let Some(list) = body.get_mut("result").and_then(Value::as_array_mut) {
        list.sort_by_key(|entry| entry.get("name").or(entry.get("user")).unwrap_or(entry).to_string());
    }
    for pointer in own_values(name) {
        if let Some((list, key)) = pointer.split_once("/+/") {
            let list = body.pointer_mut(list).and_then(Value::as_array_mut).unwrap();
            for entry in list.iter_mut().filter(|entry| entry["isSystem"] == false) {
                blank(&mut entry[key]);
            }
        } else {
            blank(body.pointer_mut(pointer).unwrap_or_else(|| panic!("{name}: no value at {pointer}")));
        }
    }
    body
}

/// One recording holds two exchanges, as the shell showed them: the request and the answer of each are cut out.
fn exchanges(recorded: &Value) -> Vec<(Value, Value)> {
    let (body, answer) = (&recorded["body"], &recorded["answer"]);
    let (Some(bodies), Some(answers)) = (body.as_str(), answer.as_str()) else {
        return vec![(body.clone(), answer.clone())];
    };
    let first = |text: &str| -> Value {
        serde_json::Deserializer::from_str(text).into_iter::<Value>().next().unwrap().unwrap()
    };
    let second_body = bodies.rsplit_once("<<'EOF'\n").unwrap().1;
    let second_answer = answers.rsplit_once("nosniff\n\n").unwrap().1;
    vec![(first(bodies), first(answers)), (first(second_body), first(second_answer))]
}

/// One recorded answer, and the stand-in's.
struct Replayed {
    wanted: Value,
    answer: Value,
    /// The `content-length` of both.
    lengths: (Value, Value),
}

/// Asks a fresh stand-in what was asked. The status and the headers must be those of the recording.
async fn replay(recorded: &Value) -> Vec<Replayed> {
    let name = recorded["name"].as_str().unwrap();
    let config = match recorded["deployment"].as_str().unwrap() {
        "single" => Config::single(1),
        "cluster" => Config::cluster(3, 1),
        other => panic!("{name}: a deployment of the kind {other}"),
    };
    let stand_in = StandIn::start(Options::new(Config { authentication: false, ..config })).await.unwrap();
    let endpoint = &stand_in.endpoints()[0];
    let client = Client::new();
    let send = |method: Method, path: &str, body: &Value| {
        let request =
            client.request(method, format!("{endpoint}{path}")).header("accept", "application/json");
        let request = if body.is_null() { request } else { request.body(body.to_string()) };
        async move { request.send().await.unwrap() }
    };
    for (method, path, body) in before(name) {
        let status = send(method, path, &body).await.status();
        assert!(status.is_success(), "{name}: {path} answered {status} while setting up");
    }
    let mut replayed = Vec::new();
    for (body, wanted) in exchanges(recorded) {
        let method = recorded["method"].as_str().unwrap().parse().unwrap();
        let response = send(method, recorded["path"].as_str().unwrap(), &body).await;
        assert_eq!(response.status().as_u16(), recorded["status"], "{name}: status");
        let headers: serde_json::Map<String, Value> = response
            .headers()
            .iter()
            .filter(|(header, _)| *header != "content-length")
            .map(|(header, value)| (header.to_string(), value.to_str().unwrap().into()))
            .collect();
        let length = response.headers()["content-length"].to_str().unwrap().to_owned();
        let text = response.text().await.unwrap();
        assert_eq!(length, text.len().to_string(), "{name}: content-length");
        let answer: Value = serde_json::from_str(&text).unwrap();
        let mut wanted_headers = recorded["headers"].as_object().unwrap().clone();
        let wanted_length = wanted_headers.remove("content-length").unwrap();
        assert_eq!(Value::from(headers), Value::from(wanted_headers), "{name}: headers");
        replayed.push(Replayed { wanted, answer, lengths: (wanted_length, length.into()) });
    }
    stand_in.stop().await.unwrap();
    replayed
}

/// Every place in a body with the kind of what is there. The elements of a list are one place.
fn shape(value: &Value, at: &str, places: &mut BTreeSet<String>) {
    match value {
        Value::Object(members) => {
            for (key, member) in members {
                shape(member, &format!("{at}/{key}"), places);
            }
        }
        Value::Array(elements) => {
            places.insert(at.to_owned());
            for element in elements {
                shape(element, &format!("{at}/+"), places);
            }
        }
        scalar => {
            let mut kind = scalar.clone();
            blank(&mut kind);
            places.insert(format!("{at} {}", kind.as_str().unwrap()));
        }
    }
}

/// What 3.12 answers in another shape than 3.11: the exchange, what only 3.11 has, and what only 3.12 has.
const CHANGED: [(&str, &[&str], &[&str]); 6] = [
    // The licence of a cluster with a key, and of one without.
    ("RestAdminLicenseGet", &["/features", "/license", "/status", "/version"], &["/diskUsage"]),
    ("RestCollectionCreateCollection", &[], &["/supportsRBAC"]),
    ("RestEngine", &["/supports/dfdb"], &["/endianness", "/supports/aliases/indexes/zkd"]),
    (
        "RestFetchUserDatabaseListFull",
        // A collection of another example, and one that 3.12 has no more.
        &["/result/_system/collections/schemaCollection", "/result/_system/collections/_pregel_queries"],
        &[],
    ),
    ("RestVersion", &[], &["/apiVersions", "/deprecatedApiVersions", "/requestedApiVersion"]),
    (
        "RestVersionDetails",
        &[],
        &[
            "/apiVersions",
            "/deprecatedApiVersions",
            "/requestedApiVersion",
            "/details/faiss",
            "/details/build-id",
            "/details/openmp",
        ],
    ),
];

#[tokio::test]
async fn recorded_answers_are_the_stand_ins_answers() {
    let recorded: Vec<Value> = serde_json::from_str(include_str!("golden/arangodb-3.12.10.json")).unwrap();
    let mut replayed = 0;
    for exchange in &recorded {
        let name = exchange["name"].as_str().unwrap();
        if !SKIPPED.iter().any(|(skipped, _)| *skipped == name) {
            for Replayed { wanted, answer, lengths } in replay(exchange).await {
                assert_eq!(comparable(name, &answer), comparable(name, &wanted), "{name}: body");
                // Where no value is the server's own, even the length is the same.
                if own_values(name).is_empty() {
                    assert_eq!(lengths.0, lengths.1, "{name}: recorded content-length");
                }
            }
            replayed += 1;
        }
    }
    assert_eq!(replayed + SKIPPED.len(), recorded.len());
    assert_eq!(recorded.len(), 29, "the recording is complete");
}

#[tokio::test]
async fn an_older_version_answered_in_the_same_shape_but_for_known_changes() {
    let recorded: Vec<Value> = serde_json::from_str(include_str!("golden/arangodb-3.11.14.json")).unwrap();
    assert_eq!(recorded.len(), 29, "the recording is complete");
    for exchange in &recorded {
        let name = exchange["name"].as_str().unwrap();
        let mut places = (BTreeSet::new(), BTreeSet::new());
        for Replayed { wanted, answer, .. } in replay(exchange).await {
            shape(&wanted, "", &mut places.0);
            shape(&answer, "", &mut places.1);
        }
        let (older, newer) =
            CHANGED.iter().find(|changed| changed.0 == name).map_or((&[][..], &[][..]), |c| (c.1, c.2));
        for (which, only, known) in [
            ("3.11", places.0.difference(&places.1), older),
            ("the stand-in", places.1.difference(&places.0), newer),
        ] {
            let only: Vec<&String> = only.collect();
            let unknown = only.iter().find(|place| !known.iter().any(|known| place.starts_with(known)));
            assert_eq!(unknown, None, "{name}: only {which} has it");
            let idle = known.iter().find(|known| !only.iter().any(|place| place.starts_with(**known)));
            assert_eq!(idle, None, "{name}: not only {which} has it");
        }
    }
}
