use super::*;

#[test]
fn a_created_user_is_shown_without_his_password_and_has_no_right() {
    let mut model = model();
    let body = json!({"user": "alice", "passwd": "secret", "extra": {"team": "shop"}, "active": "maybe"});
    let response = model.root(Request::post("/_api/user", &body));
    let shown =
        json!({"user": "alice", "active": true, "extra": {"team": "shop"}, "code": 201, "error": false});
    assert_eq!((response.status, response.json()), (StatusCode::CREATED, shown));
    assert!(model.grants("alice").unwrap().is_empty());
    is(&model.root(Request::post("/_api/user", &body)), 409, 1702);
}

#[test]
fn secrets_arent_shown_to_debuggers() {
    let mut model = model();
    model.add_user("alice");
    let token = model.log_in("alice");
    is(&model.handle(&Request::get("/_api/user/alice").bearer(&token), NOW), 200, 0);
    let text = format!("{model:?} {:?}", Request::get("/").bearer(&token).basic("root", PASSWORD));
    for secret in [&token, PASSWORD, "cm9vdDpyb290J3M=", "salt"] {
        assert!(!text.contains(secret), "{secret}");
    }
}

#[test]
fn creating_needs_a_name_under_the_right_key() {
    let mut model = model();
    for body in [json!({}), json!({"user": ""}), json!({"user": 1}), json!({"username": "x"})] {
        is(&model.root(Request::post("/_api/user", &body)), 400, 1700);
    }
    is(&model.root(Request::post("/_api/user", &json!([]))), 400, 600);
    is(&model.root(Request::post("/_api/user", &json!({})).body("{")), 400, 600);
}

#[test]
fn replacing_wipes_grants_password_and_extra() {
    let mut model = model();
    let body = json!({"user": "alice", "passwd": "secret", "extra": {"a": 1}, "active": false});
    model.root(Request::post("/_api/user", &body));
    model.grant("alice", "shop", "rw");
    let response = model.root(Request::put("/_api/user/alice", &json!({})).body(""));
    let shown = json!({"user": "alice", "active": true, "extra": {}, "code": 200, "error": false});
    assert_eq!(response.json(), shown);
    assert!(model.grants("alice").unwrap().is_empty());
    assert!(model.password_matches("alice", ""));
    is(&model.root(Request::put("/_api/user/ghost", &json!({}))), 404, 1703);
    is(&model.root(Request::put("/_api/user/alice", &json!({})).body("{")), 400, 10);
    is(&model.root(Request::put("/_api/user", &json!({}))), 400, 10);
}

#[test]
fn replacing_root_leaves_it_system_only() {
    let mut model = model();
    is(&model.root(Request::put("/_api/user/root", &json!({"passwd": PASSWORD}))), 200, 0);
    let grants = model.grants("root").unwrap();
    assert_eq!(grants.keys().collect::<Vec<_>>(), ["_system"]);
    assert_eq!(grants["_system"].level, Some(Level::Rw));
}

#[test]
fn updating_changes_what_is_given_and_merges_extra() {
    let mut model = model();
    model.add_user("alice");
    model.grant("alice", "shop", "rw");
    model.root(Request::patch("/_api/user/alice", &json!({"extra": {"foo": {"a": 1}, "bar": 1}})));
    let response =
        model.root(Request::patch("/_api/user/alice", &json!({"extra": {"foo": {"b": 2}, "bar": 2}})));
    assert_eq!(response.json()["extra"], json!({"foo": {"a": 1, "b": 2}, "bar": 2}));
    assert!(model.password_matches("alice", "alice"));
    model.root(Request::patch("/_api/user/alice", &json!({"passwd": "new"})));
    assert!(model.password_matches("alice", "new"));
    assert_eq!(model.effective_database_level("alice", "shop"), Level::Rw);
    is(&model.root(Request::patch("/_api/user/ghost", &json!({}))), 404, 1703);
}

#[test]
fn users_change_themselves_and_nobody_else() {
    let mut model = model();
    model.add_user("alice");
    model.add_user("bob");
    is(&model.by("alice", Request::patch("/_api/user/bob", &json!({"passwd": "x"}))), 403, 11);
    is(&model.by("alice", Request::put("/_api/user/bob", &json!({}))), 403, 11);
    is(&model.by("alice", Request::delete("/_api/user/alice")), 403, 11);
    is(&model.by("alice", Request::patch("/_api/user/alice", &json!({"active": false}))), 200, 0);
    is(&model.by("alice", Request::get("/_api/user/alice")), 401, 11);
}

#[test]
fn removing_is_202_then_404_and_never_root() {
    let mut model = model();
    model.add_user("alice");
    let response = model.root(Request::delete("/_db/_system/_api/user/alice"));
    assert_eq!((response.status.as_u16(), response.json()), (202, json!({"error": false, "code": 202})));
    is(&model.root(Request::delete("/_api/user/alice")), 404, 1703);
    is(&model.root(Request::delete("/_api/user/root")), 403, 11);
    is(&model.root(Request::delete("/_api/user")), 400, 10);
}

#[test]
fn checking_a_password_is_200_or_404() {
    let mut model = model();
    model.add_user("alice");
    let mut check = |user: &str, body: Value| model.root(Request::post(format!("/_api/user/{user}"), &body));
    assert_eq!(check("alice", json!({"passwd": "alice"})).json()["result"], true);
    is(&check("alice", json!({"passwd": "x"})), 404, 1703);
    is(&check("alice", json!({})), 404, 1703);
    is(&check("ghost", json!({})), 404, 1703);
    model.root(Request::patch("/_api/user/alice", &json!({"active": false})));
    is(&model.root(Request::post("/_api/user/alice", &json!({"passwd": "alice"}))), 404, 1703);
}

#[test]
fn config_is_null_until_something_is_kept() {
    let mut model = model();
    model.add_user("alice");
    let config = |model: &mut Model, path: &str| {
        model.root(Request::get(format!("/_api/user/alice/config{path}"))).json()["result"].take()
    };
    assert_eq!(config(&mut model, ""), json!(null));
    model.root(Request::put("/_api/user/alice/config/a", &json!({"value": {"x": 1}})));
    assert_eq!(config(&mut model, ""), json!({"a": {"x": 1}}));
    assert_eq!(config(&mut model, "/a"), json!({"x": 1}));
    is(&model.root(Request::delete("/_api/user/alice/config/a")), 200, 0);
    assert_eq!(config(&mut model, ""), json!(null));
}

#[test]
fn names_of_users_may_hold_anything() {
    let mut model = model();
    model.root(Request::post("/_api/user", &json!({"user": "a/b + c"})));
    let path = format!("/_api/user/{}", crate::core::encode_segment("a/b + c"));
    assert_eq!(model.root(Request::get(path)).json()["user"], "a/b + c");
    let listed = model.root(Request::get("/_api/user")).json();
    assert_eq!(listed["result"].as_array().unwrap().len(), 2);
}

#[test]
fn a_wrong_method_is_400_with_405_inside() {
    let mut model = model();
    let refused = model.root(Request::new(http::Method::HEAD, "/_api/user"));
    assert_eq!(refused.status.as_u16(), 400, "HEAD has no body that could say 405");
}
