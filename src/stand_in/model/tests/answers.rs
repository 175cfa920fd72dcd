use http::{HeaderName, Method, header};

use super::*;

#[test]
fn options_is_answered_without_credentials() {
    let mut model = model();
    let response = model.nobody(&Request::new(Method::OPTIONS, "/_api/anything"));
    assert_eq!((response.status, response.body.len()), (StatusCode::OK, 0));
    assert_eq!(response.headers["allow"], "DELETE, GET, HEAD, OPTIONS, PATCH, POST, PUT");
    assert_eq!(response.headers["content-length"], "0");
    assert!(response.headers["content-type"].to_str().unwrap().starts_with("text/plain"));
    let preflight = Request::new(Method::OPTIONS, "/")
        .header(header::ORIGIN, "http://ui")
        .header(header::ACCESS_CONTROL_REQUEST_HEADERS, "x-one");
    let response = model.nobody(&preflight);
    assert_eq!(response.headers["access-control-allow-origin"], "http://ui");
    assert_eq!(response.headers["access-control-allow-credentials"], "false");
    assert_eq!(response.headers["access-control-allow-headers"], "x-one");
    assert_eq!(response.headers["access-control-max-age"], "1800");
}

#[test]
fn head_has_no_body() {
    let mut model = model();
    for (path, status) in [("/_api/version", 200), ("/_api/collection", 405), ("/_api/unknown", 404)] {
        let response = model.root(Request::new(Method::HEAD, path));
        assert_eq!((response.status.as_u16(), response.body.len()), (status, 0), "{path}");
        assert_eq!(response.headers["server"], "ArangoDB");
    }
}

#[test]
fn unknown_paths_and_methods_have_their_numbers() {
    let mut model = model();
    let response = model.root(Request::get("/_db/_system/_api/unknown?x=1"));
    is(&response, 404, 404);
    assert_eq!(response.json()["errorMessage"], "unknown path '/_api/unknown'");
    for (method, path) in [
        (Method::PUT, "/_api/database"),
        (Method::POST, "/_api/engine"),
        (Method::DELETE, "/_admin/server/mode"),
        (Method::POST, "/_admin/cluster/health"),
        (Method::POST, "/_api/cluster/endpoints"),
    ] {
        is(&model.root(Request::new(method, path)), 405, 405);
    }
    for unheard in [Method::TRACE, Method::from_bytes(b"FETCH").unwrap()] {
        let refused = model.nobody(&Request::new(unheard, "/_api/version"));
        assert_eq!((refused.status.as_u16(), refused.body.len()), (405, 0));
    }
    is(&model.root(Request::get("/_admin/server/what")), 404, 404);
    is(&model.root(Request::get("/_admin/cluster/what")), 400, 400);
    is(&model.root(Request::get("/_admin/cluster/health/a/b")), 400, 601);
}

#[test]
fn the_character_set_goes_when_json_is_asked_for() {
    let mut model = model();
    let kind = |response: &Response| response.headers["content-type"].to_str().unwrap().to_owned();
    assert_eq!(kind(&model.root(Request::get("/_api/version"))), "application/json; charset=utf-8");
    let asked = Request::get("/_api/version").header(header::ACCEPT, "application/json");
    assert_eq!(kind(&model.root(asked)), "application/json");
    let closing = Request::get("/_api/version").header(header::CONNECTION, "close");
    assert_eq!(model.root(closing).headers["connection"], "Close");
    let from_elsewhere = Request::get("/_api/nothing").header(HeaderName::from_static("origin"), "http://ui");
    assert_eq!(model.root(from_elsewhere).headers["access-control-allow-origin"], "http://ui");
}

#[test]
fn an_empty_answer_is_plain_text() {
    let mut model = model();
    model.add_user("alice");
    let kept = model.root(Request::put("/_api/user/alice/config/a", &json!({"value": 1})));
    assert_eq!((kept.status.as_u16(), kept.body.len()), (200, 0));
    assert_eq!(kept.headers["content-type"], "text/plain; charset=utf-8");
}

#[test]
fn recorded_files_are_there() {
    let mut model = model();
    let details = model.root(Request::get("/_api/version?details=true")).json();
    assert_eq!(details["details"]["role"], "COORDINATOR");
    assert!(model.root(Request::get("/_api/engine")).json()["supports"]["indexes"].is_array());
    assert!(model.root(Request::get("/_admin/statistics")).json()["http"]["requestsTotal"].is_number());
    assert!(model.root(Request::get("/_admin/statistics-description")).json()["figures"].is_array());
}

#[test]
fn details_are_for_everybody_unless_the_server_is_hardened() {
    for harden in [false, true] {
        let mut model = model();
        model.config.harden = harden;
        model.add_user("alice");
        model.grant("alice", "_system", "ro");
        let shown = model.by("alice", Request::get("/_api/version?details=true")).json();
        assert_eq!(shown["details"].is_object(), !harden);
        assert_eq!(shown["version"].is_string(), !harden);
        let shown = model.root(Request::get("/_api/version?details=true")).json();
        assert!(shown["details"].is_object() && shown["version"].is_string());
    }
}

#[test]
fn a_single_server_says_that_it_is_one() {
    let mut model = Model::new(Config { root_password: PASSWORD.to_owned(), ..Config::single(1) });
    is(&model.root(Request::get("/_admin/cluster/health")), 403, 403);
    is(&model.root(Request::put("/_admin/cluster/maintenance", &json!("on"))), 403, 403);
    is(&model.root(Request::get("/_admin/cluster/numberOfServers")), 403, 403);
    is(&model.root(Request::get("/_api/cluster/endpoints")), 501, 9);
    is(&model.root(Request::get("/_admin/server/id")), 500, 500);
    assert_eq!(model.root(Request::get("/_admin/server/role")).json()["role"], "SINGLE");
    let status = model.root(Request::get("/_admin/status")).json();
    assert!(status.get("coordinator").is_none() && status["serverInfo"].get("serverId").is_none());
}

#[test]
fn a_coordinator_knows_its_cluster() {
    let mut model = Model::new(Config { root_password: PASSWORD.to_owned(), ..Config::cluster(3, 1) });
    let id = model.root(Request::get("/_admin/server/id").coordinator(1)).json()["id"].take();
    assert_eq!(id, model.config().coordinator_ids[1].as_str());
    let health = model.root(Request::get("/_admin/cluster/health")).json();
    assert_eq!(health["Health"].as_object().unwrap().len(), 9);
    assert_eq!(health["Health"][id.as_str().unwrap()]["Role"], "Coordinator");
    assert_eq!(health["ClusterId"], model.config().cluster_id.as_str());
    let endpoints = model.root(Request::get("/_api/cluster/endpoints")).json();
    assert_eq!(endpoints["endpoints"].as_array().unwrap().len(), 3);
    let wished = json!({"numberOfCoordinators": 4});
    is(&model.root(Request::put("/_admin/cluster/numberOfServers", &wished)), 200, 0);
    let servers = model.root(Request::get("/_admin/cluster/numberOfServers")).json();
    assert_eq!((&servers["numberOfCoordinators"], &servers["numberOfDBServers"]), (&json!(4), &json!(null)));
    is(&model.root(Request::get("/_admin/cluster/statistics")), 400, 400);
}

#[test]
fn maintenance_ends_by_itself() {
    let mut model = model();
    let path = "/_admin/cluster/maintenance";
    let state = |model: &mut Model, seconds: f64| {
        let request = Request::get(path).basic("root", PASSWORD);
        model.handle(&request, Now(NOW.0 + seconds)).json()["result"].take()
    };
    assert_eq!(state(&mut model, 0.0), "Normal");
    let on = model.root(Request::put(path, &json!("on"))).json();
    assert!(on["warning"].as_str().unwrap().contains("2027-01-15T09:00:00Z"), "{on}");
    assert_eq!(state(&mut model, 3599.0), "Maintenance");
    assert_eq!(state(&mut model, 3600.0), "Normal");
    for body in [json!("1800"), json!(666)] {
        is(&model.root(Request::put(path, &body)), 200, 0);
    }
    assert_eq!(state(&mut model, 600.0), "Maintenance");
    is(&model.root(Request::put(path, &json!("off"))), 200, 0);
    assert_eq!(state(&mut model, 0.0), "Normal");
    for body in [json!("piff!"), json!(true), json!({"mode": "on"})] {
        is(&model.root(Request::put(path, &body)), 400, 10);
    }
    is(&model.root(Request::put(path, &json!(1)).body("on")), 400, 600);
    model.add_user("alice");
    model.grant("alice", "_system", "ro");
    is(&model.by("alice", Request::get(path)), 403, 403);
}

#[test]
fn one_db_server_can_be_in_maintenance() {
    let mut model = model();
    let path = format!("/_admin/cluster/maintenance/{}", model.config().db_server_ids[0]);
    assert_eq!(model.root(Request::get(&path)).json(), json!({"error": false, "code": 200}));
    is(&model.root(Request::put(&path, &json!({"mode": "maintenance", "timeout": 360}))), 200, 0);
    let shown = model.root(Request::get(&path)).json()["result"].take();
    assert_eq!(shown, json!({"Mode": "maintenance", "Until": "2027-01-15T08:06:00Z"}));
    is(&model.root(Request::put(&path, &json!({"mode": "normal"}))), 200, 0);
    assert!(model.root(Request::get(&path)).json().get("result").is_none());
    is(&model.root(Request::put(&path, &json!({"mode": "what"}))), 400, 400);
}

#[test]
fn equal_histories_are_equal_states() {
    let (mut one, mut other) = (model(), model());
    assert_eq!(one.state(), other.state());
    one.add_user("alice");
    assert_ne!(one.state(), other.state());
    other.add_user("alice");
    assert_eq!(one.state(), other.state());
    let before = one.clone();
    one.grant("alice", "shop", "ro");
    one.revoke("alice", "shop");
    assert_eq!(one.state(), before.state());
}
