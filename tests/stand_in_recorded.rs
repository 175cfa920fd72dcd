//! Replays what a real ArangoDB 3.12.10 answered: the stand-in must give the same status, headers and body.
//!
//! The recording was made without authentication. The server's own values (ids, times, host names) are compared by
//! their type.

// Clippy knows tests by their attribute; these are their helpers.
#![allow(clippy::unwrap_used, clippy::panic)]

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

async fn replay(recorded: &Value) {
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
        assert_eq!(comparable(name, &answer), comparable(name, &wanted), "{name}: body");
        // Where no value is the server's own, even the length is the same.
        if own_values(name).is_empty() {
            assert_eq!(Value::from(length), wanted_length, "{name}: recorded content-length");
        }
    }
    stand_in.stop().await.unwrap();
}

#[tokio::test]
async fn recorded_answers_are_the_stand_ins_answers() {
    let recorded: Vec<Value> = serde_json::from_str(include_str!("golden/arangodb-3.12.10.json")).unwrap();
    let mut replayed = 0;
    for exchange in &recorded {
        let name = exchange["name"].as_str().unwrap();
        if !SKIPPED.iter().any(|(skipped, _)| *skipped == name) {
            replay(exchange).await;
            replayed += 1;
        }
    }
    assert_eq!(replayed + SKIPPED.len(), recorded.len());
    assert_eq!(recorded.len(), 29, "the recording is complete");
}
