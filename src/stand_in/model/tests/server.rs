use http::{HeaderName, Method};

use super::*;

#[test]
fn metrics_are_prometheus_text() {
    for (mut model, label) in [
        (configured(Config::single(1)), "{role=\"SINGLE\"}"),
        (model(), "{role=\"COORDINATOR\",shortname=\"Coordinator0001\"}"),
    ] {
        for path in ["/_admin/metrics", "/_admin/metrics/v2"] {
            let response = model.root(Request::get(path));
            assert_eq!(response.headers["content-type"], "text/plain; charset=utf-8");
            let text = String::from_utf8(response.body.to_vec()).unwrap();
            assert!(text.ends_with('\n'));
            let lines: Vec<&str> = text.lines().collect();
            for family in lines.chunks(3) {
                let [help, kind, sample] = family else { panic!("three lines for each: {family:?}") };
                let name = help.strip_prefix("# HELP ").unwrap().split_once(' ').unwrap().0;
                assert!(kind.starts_with(&format!("# TYPE {name} ")));
                let value = sample.strip_prefix(&format!("{name}{label} ")).unwrap();
                assert!(value.parse::<f64>().unwrap() > 0.0 || name.contains("async"), "{sample}");
            }
        }
    }
}

#[test]
fn metrics_of_another_server_come_through_a_coordinator() {
    let mut model = configured(Config::cluster(2, 1));
    let ids = [model.config().db_server_ids[1].clone(), model.config().coordinator_ids[1].clone()];
    let mut ask = |query: &str| model.root(Request::get(format!("/_admin/metrics/v2?{query}")));
    for (id, name) in ids.iter().zip(["DBServer0002", "Coordinator0002"]) {
        let text = ask(&format!("serverId={id}")).body;
        assert!(String::from_utf8_lossy(&text).contains(&format!("shortname=\"{name}\"")));
    }
    is(&ask("serverId=PRMR-x"), 404, 400);
    is(&ask("serverId=PRMR-x&mode=local"), 400, 400);
    is(&ask("type=json"), 400, 400);
    is(&ask("mode=what"), 400, 400);
    is(&ask("mode=local"), 200, 0);
    is(&model.root(Request::new(Method::POST, "/_admin/metrics/v2")), 400, 405);
}

#[test]
fn a_hardened_server_shows_its_insides_to_administrators_only() {
    let mut model = configured(Config { harden: true, ..Config::cluster(1, 1) });
    model.add_user("alice");
    model.grant("alice", "_system", "ro");
    is(&model.by("alice", Request::get("/_admin/status")), 403, 11);
    is(&model.by("alice", Request::get("/_admin/metrics/v2")), 403, 11);
    is(&model.by("alice", Request::get("/_admin/cluster/numberOfServers")), 403, 403);
    assert_eq!(model.by("alice", Request::get("/_api/version")).json().get("version"), None);
    for path in ["/_admin/status", "/_admin/metrics/v2", "/_admin/cluster/numberOfServers"] {
        is(&model.root(Request::get(path)), 200, 0);
    }
    assert!(model.root(Request::get("/_api/version")).json()["version"].is_string());
}

#[test]
fn there_are_no_tasks() {
    let mut model = model();
    assert_eq!(model.root(Request::get("/_api/tasks")).json(), json!([]));
    is(&model.root(Request::get("/_api/tasks/1")), 404, 1852);
    is(&model.root(Request::delete("/_api/tasks/1")), 404, 1852);
    is(&model.root(Request::post("/_api/tasks", &json!({"command": "1"}))), 501, 9);
    is(&model.root(Request::new(Method::PATCH, "/_api/tasks")), 405, 405);
}

#[test]
fn programs_are_run_only_where_that_is_configured() {
    let program = |text: &'static str| Request::new(Method::POST, "/_admin/execute").body(text);
    let mut model = model();
    is(&model.root(program("return 1")), 404, 404);
    let mut model = configured(Config { admin_execute: true, ..Config::single(1) });
    model.add_user("alice");
    model.grant("alice", "_system", "ro");
    is(&model.by("alice", program("return 1")), 403, 11);
    assert_eq!(model.root(program("return 1")).json(), json!(1));
    assert_eq!(model.root(program("return {\"a\": [true]};")).json(), json!({"a": [true]}));
    assert_eq!(model.root(program("")).json(), json!({"error": false, "code": 200}));
    let failed = model.root(program("while (true) {}"));
    assert_eq!(failed.status.as_u16(), 500);
    assert_eq!(failed.headers["content-type"], "text/plain; charset=utf-8");
}

#[test]
fn an_answer_can_be_fetched_later_once() {
    const LATER: HeaderName = HeaderName::from_static("x-arango-async");
    let mut model = model();
    let create = |name: &str, how: &str| {
        Request::post("/_api/user", &json!({"user": name})).header(LATER.clone(), how)
    };
    let forgotten = model.root(create("alice", "true"));
    assert_eq!((forgotten.status.as_u16(), forgotten.body.len()), (202, 0));
    assert!(model.user("alice").is_some() && !forgotten.headers.contains_key("x-arango-async-id"));
    let mut ids = Vec::new();
    for name in ["bob", "bob"] {
        let kept = model.root(create(name, "store"));
        ids.push(kept.headers["x-arango-async-id"].to_str().unwrap().to_owned());
    }
    assert_eq!(model.root(Request::get("/_api/job/done")).json(), json!(ids));
    assert_eq!(model.root(Request::get("/_api/job/done?count=1")).json(), json!(ids[..1]));
    assert_eq!(model.root(Request::get("/_api/job/pending")).json(), json!([]));
    let mut fetch = |id: &str| model.root(Request::new(Method::PUT, format!("/_api/job/{id}")));
    let fetched = fetch(&ids[0]);
    assert_eq!((fetched.status.as_u16(), &fetched.json()["user"]), (201, &json!("bob")));
    assert_eq!(fetched.headers["x-arango-async-id"].to_str().unwrap(), ids[0]);
    is(&fetch(&ids[0]), 404, 404);
    is(&model.root(Request::get(format!("/_api/job/{}", ids[1]))), 200, 0);
    assert_eq!(model.root(Request::delete("/_api/job/all")).json(), json!({"result": true}));
    is(&model.root(Request::get(format!("/_api/job/{}", ids[1]))), 404, 404);
    is(&model.root(Request::delete("/_api/job/1")), 404, 404);
    is(&model.root(Request::delete("/_api/job/expired")), 400, 400);
    is(&model.root(Request::delete("/_api/job/expired?stamp=1")), 200, 0);
    // Whoever isn't let in isn't put off either.
    is(&model.nobody(&create("carol", "store")), 401, 11);
}

#[test]
fn whoever_cant_wait_so_long_is_told_at_once() {
    const QUEUE_TIME: HeaderName = HeaderName::from_static("x-arango-queue-time-seconds");
    let mut model = model();
    model.set_queue_time(0, 2.5);
    let ask = |seconds: &str| Request::get("/_api/version").header(QUEUE_TIME.clone(), seconds);
    let refused = model.root(ask("2"));
    is(&refused, 412, 21004);
    assert_eq!(refused.headers["x-arango-queue-time-seconds"], "2.500000");
    for ready in ["2.5", "3", "0", "x"] {
        is(&model.root(ask(ready)), 200, 0);
    }
    is(&model.nobody(&ask("1")), 401, 11);
}

#[test]
fn the_version_of_the_interface_may_stand_in_front() {
    let mut model = model();
    is(&model.root(Request::get("/_arango/v0/_db/_system/_api/version")), 200, 0);
    let unknown = model.root(Request::get("/_arango/v1/_api/version"));
    is(&unknown, 404, 404);
    assert!(unknown.json()["errorMessage"].as_str().unwrap().starts_with("unknown API version 1"));
    is(&model.root(Request::get("/_arango/v01/_api/version")), 400, 400);
    is(&model.nobody(&Request::get("/_arango/v0/_api/version")), 401, 11);
}

#[test]
fn secrets_are_named_by_their_digests_to_superusers() {
    let mut model = model();
    is(&model.root(Request::get("/_admin/server/jwt")), 403, 403);
    let token = model.superuser_token(None).unwrap();
    for method in [Method::GET, Method::POST] {
        let shown = model.handle(&Request::new(method, "/_admin/server/jwt").bearer(&token), NOW).json();
        assert_eq!(shown["result"]["active"]["sha256"].as_str().unwrap().len(), 64);
        assert_eq!(shown["result"]["passive"], json!([]));
    }
    is(&model.handle(&Request::delete("/_admin/server/jwt").bearer(&token), NOW), 405, 405);
}
