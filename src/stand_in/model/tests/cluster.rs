use std::time::Duration;

use super::*;

#[test]
fn a_coordinator_asks_other_servers_for_anybody_who_reaches_the_database() {
    let mut model = configured(Config::cluster(2, 1));
    model.add_user("alice");
    model.grant("alice", "_system", "ro");
    let (server, other) =
        (model.config().db_server_ids[0].clone(), model.config().coordinator_ids[1].clone());
    let mut ask = |path: &str| model.by("alice", Request::get(format!("/_admin/cluster/{path}")));
    for id in [&server, &other] {
        assert!(ask(&format!("nodeVersion?ServerID={id}")).json()["version"].is_string());
        assert_eq!(ask(&format!("nodeEngine?ServerID={id}")).json()["name"], "rocksdb");
        for path in ["nodeStatistics?ServerID", "statistics?DBserver"] {
            let statistics = ask(&format!("{path}={id}")).json();
            for key in ["time", "enabled", "system", "client", "http", "server"] {
                assert!(statistics.get(key).is_some(), "{path}: {key}");
            }
        }
    }
    let engine =
        |ask: &mut dyn FnMut(&str) -> Response, id: &str| ask(&format!("nodeEngine?ServerID={id}")).json();
    assert!(engine(&mut ask, &server).get("endianness").is_some());
    assert!(engine(&mut ask, &other).get("endianness").is_none());
    for path in
        ["nodeVersion", "nodeEngine", "nodeStatistics", "nodeVersion?ServerID=", "nodeEngine?ServerID=x"]
    {
        is(&ask(path), 400, 400);
    }
}

#[test]
fn a_server_that_is_away_doesnt_answer_through_another_one() {
    let mut model = configured(Config::cluster(2, 1));
    let away = format!("/_admin/cluster/statistics?DBserver={}", model.config().coordinator_ids[1]);
    is(&model.root(Request::get(&away)), 200, 0);
    model.set_away(1, Some(NOW));
    is(&model.root(Request::get(&away)), 408, 504);
    model.set_away(1, None);
    is(&model.root(Request::get(&away)), 200, 0);
}

#[test]
fn wished_servers_are_read_by_everybody_and_set_by_administrators() {
    let mut model = model();
    model.add_user("alice");
    model.grant("alice", "_system", "ro");
    let path = "/_admin/cluster/numberOfServers";
    let wishes = json!({"numberOfDBServers": null, "numberOfCoordinators": null, "cleanedServers": [],
        "error": false, "code": 200});
    assert_eq!(model.by("alice", Request::get(path)).json(), wishes);
    is(&model.by("alice", Request::put(path, &json!({}))), 403, 403);
    assert_eq!(model.root(Request::put(path, &json!({}))).json(), json!({"error": false, "code": 200}));
    assert_eq!(model.root(Request::get(path)).json(), wishes, "an empty wish changes nothing");
    is(&model.root(Request::put(path, &json!([]))), 400, 600);
    model.root(Request::put(path, &json!({"numberOfDBServers": 4, "cleanedServers": ["PRMR-1"]})));
    let servers = model.root(Request::get(path)).json();
    assert_eq!((&servers["numberOfDBServers"], &servers["cleanedServers"]), (&json!(4), &json!(["PRMR-1"])));
}

#[test]
fn a_change_of_maintenance_says_how_long_it_takes() {
    let takes = Duration::from_millis(1300);
    let mut model = configured(Config { maintenance_takes: takes, ..Config::cluster(1, 1) });
    let path = "/_admin/cluster/maintenance";
    assert_eq!(model.root(Request::put(path, &json!("on"))).takes, takes);
    assert_eq!(model.root(Request::put(path, &json!("off"))).takes, takes);
    assert_eq!(model.root(Request::get(path)).takes, Duration::ZERO);
    assert_eq!(model.root(Request::put(path, &json!("piff!"))).takes, Duration::ZERO);
}

#[test]
fn repeating_maintenance_begins_its_hour_again() {
    let mut model = model();
    let path = "/_admin/cluster/maintenance";
    let mut at = |seconds: f64, request: Request| {
        model.handle(&request.basic("root", PASSWORD), Now(NOW.0 + seconds)).json()
    };
    at(0.0, Request::put(path, &json!("on")));
    at(3000.0, Request::put(path, &json!("on")));
    assert_eq!(at(6599.0, Request::get(path))["result"], "Maintenance");
    assert_eq!(at(6600.0, Request::get(path))["result"], "Normal");
    at(7000.0, Request::put(path, &json!("7200")));
    assert_eq!(at(14_199.0, Request::get(path)), json!({"error": false, "result": "Maintenance"}));
    assert_eq!(at(14_200.0, Request::get(path))["result"], "Normal");
    let off = at(14_300.0, Request::put(path, &json!("off")));
    assert_eq!(off, json!({"error": false, "code": 200, "warning": "Cluster supervision reactivated."}));
}

#[test]
fn what_isnt_a_number_of_seconds_isnt_maintenance() {
    let mut model = model();
    let path = "/_admin/cluster/maintenance";
    for body in [json!("ON"), json!("-1"), json!(-1), json!(1.5), json!(1e300), json!(null), json!(["on"])] {
        is(&model.root(Request::put(path, &body)), 400, 10);
    }
    is(&model.root(Request::put(path, &json!(0)).body("")), 400, 600);
    is(&model.root(Request::post(path, &json!("on"))), 405, 405);
    assert_eq!(model.root(Request::get(path)).json()["result"], "Normal");
}

#[test]
fn maintenance_of_a_db_server_ends_by_itself_and_is_his_alone() {
    let mut model = model();
    let ids = model.config().db_server_ids.clone();
    let path = |id: &str| format!("/_admin/cluster/maintenance/{id}");
    let mut at =
        |seconds: f64, request: Request| model.handle(&request.basic("root", PASSWORD), Now(NOW.0 + seconds));
    for (timeout, lasts) in [(json!(null), 3600.0), (json!(2), 2.0)] {
        let body = json!({"mode": "maintenance", "timeout": timeout});
        is(&at(0.0, Request::put(path(&ids[0]), &body)), 200, 0);
        assert_eq!(at(lasts - 1.0, Request::get(path(&ids[0]))).json()["result"]["Mode"], "maintenance");
        assert!(at(lasts, Request::get(path(&ids[0]))).json().get("result").is_none());
        assert!(at(0.0, Request::get(path(&ids[1]))).json().get("result").is_none());
    }
    is(&at(0.0, Request::put(path(&ids[0]), &json!({"mode": "maintenance"}))), 200, 0);
    assert!(at(3599.0, Request::get(path(&ids[0]))).json().get("result").is_some());
    for timeout in [json!("2"), json!(-1), json!(1.5)] {
        let body = json!({"mode": "maintenance", "timeout": timeout});
        is(&at(0.0, Request::put(path(&ids[0]), &body)), 400, 400);
    }
    is(&at(0.0, Request::put(path(&ids[0]), &json!({})).body("{")), 400, 600);
    is(&at(0.0, Request::get(path("PRMR-unknown"))), 400, 400);
    is(&at(0.0, Request::get(path("a/b"))), 400, 601);
    model.add_user("alice");
    model.grant("alice", "_system", "ro");
    is(&model.by("alice", Request::get(path("PRMR-unknown"))), 403, 403);
    is(&model.by("alice", Request::put(path(&ids[0]), &json!({"mode": "normal"}))), 403, 403);
}

#[test]
fn a_single_server_has_no_cluster_for_anybody() {
    let mut model = configured(Config::single(1));
    model.add_user("alice");
    model.grant("alice", "_system", "ro");
    for path in ["numberOfServers", "statistics", "nodeVersion", "nodeEngine", "nodeStatistics"] {
        let path = format!("/_admin/cluster/{path}");
        let refused = model.by("alice", Request::get(&path));
        is(&refused, 403, 403);
        assert_eq!(refused.json()["errorMessage"], "only allowed on coordinators");
    }
    is(&model.root(Request::put("/_admin/cluster/numberOfServers", &json!({}))), 403, 403);
    // Who is no administrator learns nothing but that.
    for path in ["maintenance", "maintenance/PRMR-1"] {
        let path = format!("/_admin/cluster/{path}");
        assert_eq!(model.by("alice", Request::get(&path)).json()["errorMessage"], "forbidden");
        assert_eq!(model.root(Request::get(&path)).json()["errorMessage"], "not allowed on single servers");
    }
    is(&model.by("alice", Request::get("/_admin/cluster/health")), 403, 403);
}

#[test]
fn health_is_shown_under_every_database() {
    let mut model = model();
    model.add_user("alice");
    model.add_database("shop");
    model.grant("alice", "shop", "ro");
    is(&model.by("alice", Request::get("/_db/shop/_admin/cluster/health")), 200, 0);
    is(&model.by("alice", Request::get("/_admin/cluster/health")), 401, 11);
}
