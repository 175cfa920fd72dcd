use super::*;

const VERSION: &str = "/_api/version";

#[test]
fn a_token_is_shown_once_and_says_whose_it_is() {
    let mut model = model();
    model.add_user("alice");
    let body = json!({"name": "backup", "valid_until": NOW.0 + 100.0});
    let made = model.by("alice", Request::post("/_api/token/alice", &body));
    is(&made, 200, 0);
    let mut made = made.json();
    let text = made["token"].take();
    let text = text.as_str().unwrap();
    let content: Value =
        serde_json::from_slice(&hex::decode(text.strip_prefix("v1.").unwrap()).unwrap()).unwrap();
    assert_eq!((&content["u"], &content["e"]), (&json!("alice"), &json!(1_800_000_100)));
    assert!(content["c"].is_number() && content["r"].is_string());
    assert_eq!(
        made,
        json!({
            "id": 1, "name": "backup", "valid_until": 1_800_000_100, "created_at": 1_800_000_000, "token": null,
            "fingerprint": format!("v1...{}", &text[text.len() - 6..]), "active": true,
        })
    );
    made.as_object_mut().unwrap().remove("token");
    let listed = model.by("alice", Request::get("/_api/token/alice"));
    assert_eq!(listed.json(), json!({"tokens": [made]}), "neither `error` nor the token itself");
}

#[test]
fn a_token_stands_for_the_password_until_it_ends_or_is_deleted() {
    let mut model = model();
    model.add_user("alice");
    model.grant("alice", "_system", "ro");
    let token = model.add_access_token("alice", "a", NOW.0 + 100.0);
    let basic = |name: &str| Request::get(VERSION).basic(name, &token);
    is(&model.handle(&basic("alice"), NOW), 200, 0);
    is(&model.handle(&basic(""), NOW), 200, 0);
    is(&model.handle(&basic("root"), NOW), 401, 11);
    is(&model.handle(&basic("alice"), Now(NOW.0 + 100.0)), 401, 11);
    for (name, status) in [("alice", 200), ("", 200), ("root", 401)] {
        let login = Request::post("/_open/auth", &json!({"username": name, "password": token}));
        is(&model.nobody(&login), status, if status == 401 { 401 } else { 0 });
    }
    let login = model.nobody(&Request::post("/_open/auth", &json!({"password": token}))).json();
    let jwt = login["jwt"].as_str().unwrap();
    is(&model.handle(&Request::get("/_api/user/alice").bearer(jwt), NOW), 200, 0);
    // A password change leaves it, being inactive suspends it, deletion ends it.
    model.root(Request::patch("/_api/user/alice", &json!({"passwd": "new", "active": false})));
    is(&model.handle(&basic("alice"), NOW), 401, 11);
    model.root(Request::patch("/_api/user/alice", &json!({"active": true})));
    let own = Request::delete("/_api/token/alice/1").basic("alice", &token);
    is(&model.handle(&own, NOW), 200, 0);
    is(&model.handle(&basic("alice"), NOW), 401, 11);
    assert_eq!(model.root(Request::get("/_api/token/alice")).json(), json!({"tokens": []}));
}

#[test]
fn a_token_that_ended_before_it_was_made_is_made_and_inactive() {
    let mut model = model();
    model.add_user("alice");
    let token = model.add_access_token("alice", "late", NOW.0 - 1.0);
    let listed = model.root(Request::get("/_api/token/alice")).json();
    assert_eq!(listed["tokens"][0]["active"], false);
    is(&model.handle(&Request::get("/_api/user/alice").basic("alice", &token), NOW), 401, 11);
}

#[test]
fn tokens_are_managed_by_their_user_and_by_administrators() {
    let mut model = model();
    model.add_user("alice");
    model.add_user("bob");
    let body = json!({"name": "x", "valid_until": 4e9});
    let post = |user: &str| Request::post(format!("/_api/token/{user}"), &body);
    is(&model.nobody(&post("alice")), 401, 11);
    is(&model.by("bob", post("alice")), 403, 403);
    is(&model.by("bob", Request::get("/_api/token/ghost")), 403, 403);
    is(&model.by("alice", post("alice")), 200, 0);
    is(&model.root(post("alice")), 409, 1207);
    is(&model.root(post("bob")), 200, 0);
    is(&model.root(post("ghost")), 404, 1703);
    is(&model.root(Request::get("/_api/token/ghost")), 404, 1703);
    is(&model.root(Request::get("/_api/token")), 400, 400);
    is(&model.root(Request::delete("/_api/token/alice")), 400, 400);
    is(&model.root(Request::delete("/_api/token/alice/7")), 404, 404);
    is(&model.root(Request::delete("/_api/token/alice/x")), 404, 404);
    is(&model.root(Request::put("/_api/token/alice", &body)), 400, 405);
    is(&model.root(post("alice").body("{")), 400, 10);
    is(&model.root(post("alice").body("[]")), 400, 10);
    is(&model.root(post("alice").body("{}")), 400, 10);
}

#[test]
fn numbers_of_tokens_are_never_given_twice() {
    let mut model = model();
    model.add_user("alice");
    let first = model.add_access_token("alice", "a", 4e9);
    is(&model.by("alice", Request::delete("/_api/token/alice/1")), 200, 0);
    let second = model.add_access_token("alice", "a", 4e9);
    assert_ne!(first, second);
    assert_eq!(model.by("alice", Request::get("/_api/token/alice")).json()["tokens"][0]["id"], 2);
}

#[test]
fn replacing_or_removing_a_user_ends_his_tokens() {
    let mut model = model();
    for way in ["replace", "remove"] {
        model.add_user("alice");
        let token = model.add_access_token("alice", "a", 4e9);
        let own = Request::get("/_api/user/alice").basic("alice", &token);
        is(&model.handle(&own, NOW), 200, 0);
        if way == "replace" {
            model.root(Request::put("/_api/user/alice", &json!({"passwd": "alice"})));
            is(&model.handle(&own, NOW), 401, 11);
        }
        model.root(Request::delete("/_api/user/alice"));
        is(&model.handle(&own, NOW), 401, 11);
    }
    // Texts that only look like a token are no better than a wrong password.
    for text in ["v1.", "v1.zz", "v1.7b7d", "v1.22"] {
        is(&model.handle(&Request::get(VERSION).basic("", text), NOW), 401, 11);
    }
}

#[test]
fn a_token_of_a_login_is_renewed_when_less_than_150_seconds_are_left() {
    let mut model = model();
    model.add_user("alice");
    let token = model.log_in("alice");
    let mut renew = |token: &str, seconds: f64| {
        let request = Request::new(http::Method::POST, "/_open/auth/renew").bearer(token);
        model.handle(&request, Now(NOW.0 + seconds))
    };
    assert_eq!(renew(&token, 0.0).json(), json!({}));
    assert_eq!(renew(&token, 3450.0).json(), json!({}));
    let renewed = renew(&token, 3450.5).json()["jwt"].as_str().unwrap().to_owned();
    assert_eq!(renew(&renewed, 3700.0).json(), json!({}), "the new one lives for an hour again");
    is(&renew(&token, 3600.0), 404, 1703);
    is(&model.nobody(&Request::get("/_open/auth/renew")), 405, 405);
    let endless = model.sign(&json!({"iss": "arangodb", "preferred_username": "alice"})).unwrap();
    let superuser = model.superuser_token(None).unwrap();
    let post = Request::new(http::Method::POST, "/_open/auth/renew");
    assert_eq!(model.handle(&post.clone().bearer(&endless), NOW).json(), json!({}));
    is(&model.handle(&post.clone().bearer(&superuser), NOW), 404, 1703);
    is(&model.by("alice", post.clone()), 404, 1703);
    is(&model.nobody(&post), 404, 1703);
}

#[test]
fn the_lifetime_of_a_login_is_configured() {
    let mut model = configured(Config { session_timeout: 5, ..Config::single(1) });
    let login = json!({"username": "root", "password": PASSWORD});
    let jwt = model.nobody(&Request::post("/_open/auth", &login)).json()["jwt"].as_str().unwrap().to_owned();
    let at = |seconds: f64| Now(NOW.0 + seconds);
    is(&model.handle(&Request::get(VERSION).bearer(&jwt), at(4.0)), 200, 0);
    is(&model.handle(&Request::get(VERSION).bearer(&jwt), at(5.0)), 401, 11);
}

#[test]
fn without_authentication_a_login_gives_something_that_is_taken() {
    let mut model = configured(Config { authentication: false, ..Config::single(1) });
    for path in ["/_open/auth", "/_open/auth/renew"] {
        assert_eq!(model.nobody(&Request::post(path, &json!({}))).json(), json!({"jwt": "invalid"}));
    }
    is(&model.nobody(&Request::get(VERSION).bearer("invalid")), 200, 0);
}
