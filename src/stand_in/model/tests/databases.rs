use super::*;

#[test]
fn dropping_a_database_strips_its_grants_from_everybody() {
    let mut model = model();
    model.add_user("alice");
    model.add_database("shop");
    model.add_collection("shop", "orders");
    for what in ["shop", "shop/orders", "*", "other"] {
        model.grant("alice", what, "ro");
    }
    let response = model.root(Request::delete("/_api/database/shop"));
    assert_eq!(response.json(), json!({"error": false, "code": 200, "result": true}));
    assert_eq!(model.grants("alice").unwrap().keys().collect::<Vec<_>>(), ["*", "other"]);
    is(&model.root(Request::delete("/_api/database/shop")), 404, 1228);
    model.add_database("shop");
    assert!(!model.grants("alice").unwrap().contains_key("shop"));
}

#[test]
fn first_users_get_rw_and_keep_what_they_had() {
    let mut model = model();
    model.add_user("old");
    let users = json!([
        {"username": "old", "passwd": "other", "active": false, "extra": {"a": 1}},
        {"user": "new", "passwd": "new", "active": false},
        {"username": "wrong-key", "password": "lost"},
        {"username": ""},
    ]);
    let response = model.root(Request::post("/_api/database", &json!({"name": "shop", "users": users})));
    is(&response, 201, 0);
    assert!(model.password_matches("old", "old"));
    assert_eq!(model.user("old").unwrap().extra["a"], 1);
    assert!(!model.user("new").unwrap().active);
    assert!(model.password_matches("wrong-key", ""));
    for user in ["old", "new", "wrong-key"] {
        assert_eq!(model.effective_database_level(user, "shop"), Level::Rw);
        assert_eq!(model.grants(user).unwrap()["shop"].collections["*"], Level::Rw);
    }
    assert!(!model.grants("root").unwrap().contains_key("shop"), "nobody else gets an entry");
    assert_eq!(model.users().count(), 4);
}

#[test]
fn first_users_of_a_wrong_kind_refuse_the_request() {
    let mut model = model();
    for users in [json!({}), json!([{}]), json!([{"username": 1}]), json!([{"username": "a", "passwd": 1}])] {
        is(&model.root(Request::post("/_api/database", &json!({"name": "shop", "users": users}))), 400, 400);
    }
    is(&model.root(Request::post("/_api/database", &json!({"name": "shop", "options": []}))), 400, 400);
    assert_eq!(model.databases().count(), 1);
}

#[test]
fn names_follow_the_extended_rules() {
    let mut model = model();
    let mut create = |name: &str| model.root(Request::post("/_api/database", &json!({"name": name})));
    let long = "x".repeat(129);
    let bad =
        ["", "1x", "_x", ".x", " x", "x ", "a/b", "a:b", "a\u{0}b", "a\u{1f}", "\u{212b}", "A\u{30a}", &long];
    for name in bad {
        is(&create(name), 400, 1208);
    }
    for name in ["mötör", "R = 4.7 kΩ, ⌀ 200 mm", "🍎", "x", "a.b", &"x".repeat(128)] {
        is(&create(name), 201, 0);
    }
    is(&create("x"), 409, 1207);
    for body in [json!({}), json!({"name": 1})] {
        is(&model.root(Request::post("/_api/database", &body)), 400, 1208);
    }
    is(&model.root(Request::post("/_api/database", &json!({})).body("{")), 400, 400);
    is(&model.root(Request::get("/_db/A%CC%8A/_api/version")), 400, 1208);
    is(&model.root(Request::get("/_db/m%C3%B6t%C3%B6r/_api/version")), 200, 0);
}

#[test]
fn most_of_it_is_in_system_and_for_administrators() {
    let mut model = model();
    model.add_user("alice");
    model.add_database("shop");
    model.grant("alice", "shop", "rw");
    model.grant("alice", "_system", "ro");
    for request in [Request::get("/_db/shop/_api/database"), Request::delete("/_db/shop/_api/database/shop")]
    {
        is(&model.root(request), 403, 1230);
    }
    is(&model.root(Request::post("/_db/shop/_api/database", &json!({"name": "x"}))), 403, 1230);
    is(&model.by("alice", Request::post("/_api/database", &json!({"name": "x"}))), 403, 11);
    is(&model.by("alice", Request::delete("/_api/database/shop")), 403, 11);
    let all = model.by("alice", Request::get("/_api/database"));
    assert_eq!(all.json()["result"], json!(["_system", "shop"]));
    is(&model.root(Request::delete("/_api/database/_system")), 403, 11);
    is(&model.root(Request::delete("/_api/database")), 400, 400);
    is(&model.root(Request::get("/_api/database/what")), 400, 10);
    is(&model.root(Request::get("/_api/database/a/b")), 400, 400);
}

#[test]
fn the_own_list_is_filtered_by_effective_levels() {
    let mut model = model();
    model.add_user("alice");
    model.add_database("shop");
    model.add_database("vault");
    model.grant("alice", "_system", "ro");
    model.grant("alice", "vault", "none");
    let own = model.by("alice", Request::get("/_db/shop/_api/database/user"));
    assert_eq!(own.json()["result"], json!(["_system", "shop"]));
}

#[test]
fn options_are_kept_by_a_cluster() {
    let mut model = model();
    let options = json!({"sharding": "single", "replicationFactor": 2, "writeConcern": 2, "what": 1});
    model.root(Request::post("/_api/database", &json!({"name": "shop", "options": options})));
    let current = model.root(Request::get("/_db/shop/_api/database/current")).json()["result"].take();
    assert_eq!(current["sharding"], "single");
    assert_eq!(current["replicationFactor"], 2);
    assert_eq!(current["writeConcern"], 2);
    assert_eq!(current["isSystem"], false);
    assert!(current["id"].is_string());
    let too_many = json!({"name": "x", "options": {"replicationFactor": 4}});
    is(&model.root(Request::post("/_api/database", &too_many)), 400, 10);
    is(&model.root(Request::post("/_api/database", &json!({"name": "x", "options": {"id": []}}))), 400, 1221);
}

#[test]
fn collections_are_filtered_and_dropped_with_their_grants() {
    let mut model = model();
    model.add_user("alice");
    model.add_database("shop");
    model.add_collection("shop", "orders");
    model.add_collection("shop", "secrets");
    model.grant("alice", "shop", "ro");
    model.grant("alice", "shop/secrets", "none");
    let names = |response: &Response| {
        let list = response.json()["result"].take();
        let names = list.as_array().unwrap().iter().map(|c| c["name"].as_str().unwrap().to_owned());
        names.collect::<Vec<_>>()
    };
    let shown = model.by("alice", Request::get("/_db/shop/_api/collection?excludeSystem=true"));
    assert_eq!(names(&shown), ["orders"]);
    let system = names(&model.root(Request::get("/_api/collection")));
    assert!(!system.contains(&"_users".to_owned()) && system.contains(&"_graphs".to_owned()));
    is(&model.by("alice", Request::get("/_db/shop/_api/collection/secrets")), 403, 11);
    is(&model.by("alice", Request::delete("/_db/shop/_api/collection/orders")), 403, 11);
    is(&model.by("alice", Request::post("/_db/shop/_api/collection", &json!({"name": "x"}))), 403, 11);
    is(&model.root(Request::get("/_db/shop/_api/collection/missing")), 404, 1203);
    is(&model.root(Request::post("/_db/shop/_api/collection", &json!({"name": "orders"}))), 409, 1207);
    is(&model.root(Request::post("/_db/shop/_api/collection", &json!({"name": "_x"}))), 400, 1208);
    is(&model.root(Request::delete("/_db/shop/_api/collection/secrets")), 200, 0);
    assert!(model.grants("alice").unwrap()["shop"].collections.is_empty());
    assert!(!model.collections("shop").any(|name| name == "secrets"));
}
