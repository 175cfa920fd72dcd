use super::*;
use crate::stand_in::model::Phase;

const VERSION: &str = "/_api/version";

#[test]
fn a_user_without_a_right_on_the_database_gets_401_and_not_403() {
    let mut model = model();
    model.add_user("alice");
    model.add_database("shop");
    is(&model.nobody(&Request::get(VERSION)), 401, 11);
    is(&model.by("alice", Request::get(VERSION)), 401, 11);
    is(&model.by("alice", Request::get("/_db/shop/_api/version")), 401, 11);
    is(&model.by("alice", Request::get("/_api/unknown")), 401, 11);
    model.grant("alice", "shop", "ro");
    is(&model.by("alice", Request::get("/_db/shop/_api/version")), 200, 0);
    is(&model.by("alice", Request::get("/_db/shop/_api/user")), 403, 403);
    is(&model.by("alice", Request::post("/_db/shop/_api/user", &json!({"user": "x"}))), 403, 11);
    is(&model.handle(&Request::get(VERSION).basic("root", "wrong"), NOW), 401, 11);
}

#[test]
fn names_of_missing_databases_cant_be_guessed() {
    let mut model = model();
    model.add_user("alice");
    let missing = Request::get("/_db/missing/_api/version");
    is(&model.nobody(&missing), 401, 11);
    is(&model.nobody(&Request::post("/_db/missing/_open/auth", &json!({}))), 401, 11);
    is(&model.by("alice", missing.clone()), 401, 11);
    is(&model.root(missing.clone()), 404, 1228);
    for grant in ["*", "_system", "missing"] {
        model.grant("alice", grant, "ro");
        is(&model.by("alice", missing.clone()), 404, 1228);
        model.revoke("alice", grant);
    }
    model.grant("alice", "*", "rw");
    model.grant("alice", "missing", "none");
    is(&model.by("alice", missing.clone()), 401, 11);
    let token = model.superuser_token(None).unwrap();
    is(&model.handle(&missing.bearer(&token), NOW), 404, 1228);
}

#[test]
fn some_paths_need_less() {
    let mut model = model();
    model.add_user("alice");
    model.add_database("shop");
    is(&model.nobody(&Request::get("/_admin/server/availability")), 200, 0);
    is(&model.by("alice", Request::get("/_api/cluster/endpoints")), 200, 0);
    is(&model.by("alice", Request::get("/_db/shop/_api/user/alice")), 200, 0);
    is(&model.by("alice", Request::get("/_api/user")), 401, 11);
    is(&model.by("alice", Request::get("/_api/user/root")), 403, 403);
    is(&model.by("alice", Request::get("/_api/user/ghost")), 403, 403);
    is(&model.nobody(&Request::get("/_api/user/alice")), 401, 11);
    let own = model.by("alice", Request::get("/_api/database/user"));
    assert_eq!(own.json()["result"], json!([]));
    // The check of one's own password runs with a wrong one in the header, if a slash follows the name.
    let check = |path: &str| Request::post(path, &json!({"passwd": "alice"})).basic("alice", "wrong");
    is(&model.handle(&check("/_api/user/alice"), NOW), 401, 11);
    is(&model.handle(&check("/_api/user/alice/"), NOW), 200, 0);
    is(&model.handle(&check("/_api/user/root/"), NOW), 401, 11);
}

#[test]
fn logging_in_says_401_in_its_own_number() {
    let mut model = model();
    model.add_user("alice");
    let mut ask = |body: Value| model.nobody(&Request::post("/_open/auth", &body));
    is(&ask(json!({"username": "alice", "password": "wrong"})), 401, 401);
    is(&ask(json!({"username": "ghost", "password": "x"})), 401, 401);
    is(&ask(json!({"password": "x"})), 401, 401);
    is(&ask(json!({"username": "alice"})), 400, 400);
    is(&ask(json!({"username": 1, "password": "x"})), 401, 401);
    is(&ask(json!({"username": "alice", "password": 1})), 400, 400);
    is(&ask(json!([])), 400, 400);
    is(&model.nobody(&Request::get("/_open/auth")), 405, 405);
    is(&model.nobody(&Request::post("/_open/auth", &json!({})).body("{")), 400, 600);
    let token = model.log_in("alice");
    assert_eq!(token.split('.').count(), 3);
}

#[test]
fn a_token_outlives_a_password_change_and_deactivation_but_not_its_end() {
    let mut model = model();
    model.add_user("alice");
    model.grant("alice", "_system", "ro");
    let token = model.log_in("alice");
    model.root(Request::patch("/_api/user/alice", &json!({"passwd": "new", "active": false})));
    for forget in [false, true] {
        if forget {
            model.forget_tokens();
        }
        is(&model.handle(&Request::get(VERSION).bearer(&token), NOW), 200, 0);
    }
    is(&model.handle(&Request::get(VERSION).basic("alice", "new"), NOW), 401, 11);
    is(&model.handle(&Request::get(VERSION).bearer(&token), Now(NOW.0 + 3599.0)), 200, 0);
    is(&model.handle(&Request::get(VERSION).bearer(&token), Now(NOW.0 + 3600.0)), 401, 11);
    model.forget_tokens();
    is(&model.handle(&Request::get(VERSION).bearer(&token), Now(NOW.0 + 3600.0)), 401, 11);
}

#[test]
fn the_token_of_a_removed_user_still_authenticates_where_it_was_seen() {
    let mut model = model();
    model.add_user("alice");
    let (seen, unseen) = (model.log_in("alice"), {
        let claims = json!({"iss": "arangodb", "preferred_username": "alice"});
        model.sign(&claims).unwrap()
    });
    is(&model.handle(&Request::get("/_api/user/alice").bearer(&seen), NOW), 200, 0);
    model.root(Request::delete("/_api/user/alice"));
    is(&model.handle(&Request::get("/_api/user/alice").bearer(&seen), NOW), 404, 1703);
    is(&model.handle(&Request::get(VERSION).bearer(&seen), NOW), 401, 11);
    is(&model.handle(&Request::get("/_api/user/alice").bearer(&unseen), NOW), 401, 11);
}

#[test]
fn tokens_are_checked_by_the_letter() {
    let mut model = model();
    let base = json!({"iss": "arangodb", "server_id": "x"});
    let with = |key: &str, value: Value| {
        let mut claims = base.clone();
        claims[key] = value;
        claims
    };
    let mut ask = |claims: &Value| {
        let token = model.sign(claims).unwrap();
        model.handle(&Request::get(VERSION).bearer(&token), NOW).status.as_u16()
    };
    assert_eq!(ask(&base), 200);
    assert_eq!(ask(&with("exp", json!(NOW.seconds() + 1))), 200);
    assert_eq!(ask(&with("exp", json!(NOW.seconds()))), 401);
    assert_eq!(ask(&with("exp", json!(0))), 401);
    assert_eq!(ask(&with("iss", json!("somebody"))), 401);
    assert_eq!(ask(&with("preferred_username", json!("root"))), 200);
    assert_eq!(ask(&with("preferred_username", json!("ghost"))), 401, "the user wins over the server");
    assert_eq!(ask(&json!({"iss": "arangodb"})), 401);
    assert_eq!(ask(&with("allowed_paths", json!([VERSION]))), 200);
    assert_eq!(ask(&with("allowed_paths", json!(["/_api"]))), 401);
    assert_eq!(ask(&with("allowed_paths", json!([]))), 401);
    assert_eq!(ask(&with("allowed_paths", json!(VERSION))), 401);
    let other = Model::new(Config::single(2)).sign(&base).unwrap();
    is(&model.handle(&Request::get(VERSION).bearer(&other), NOW), 401, 11);
    is(&model.handle(&Request::get(VERSION).bearer("no.token"), NOW), 401, 11);
    // The list of paths is compared without the prefix, and shuts the open paths too.
    let narrow = model.sign(&with("allowed_paths", json!([VERSION]))).unwrap();
    is(&model.handle(&Request::get("/_db/_system/_api/version").bearer(&narrow), NOW), 200, 0);
    is(&model.handle(&Request::get("/_admin/server/availability").bearer(&narrow), NOW), 401, 11);
}

#[test]
fn a_401_says_how_to_do_better_unless_asked_not_to() {
    let mut model = model();
    let response = model.nobody(&Request::get(VERSION));
    assert_eq!(response.headers.get_all("www-authenticate").iter().count(), 2);
    let omit = http::HeaderName::from_static("x-omit-www-authenticate");
    let response = model.nobody(&Request::get(VERSION).header(omit, "yes"));
    assert!(response.headers.get("www-authenticate").is_none());
}

#[test]
fn basic_splits_at_the_first_colon_and_takes_any_case_of_its_name() {
    let mut model = model();
    let body = json!({"user": "bob", "passwd": "a:b"});
    model.root(Request::post("/_api/user", &body));
    is(&model.handle(&Request::get("/_api/user/bob").basic("bob", "a:b"), NOW), 200, 0);
    let credentials = "BASIC Ym9iOmE6Yg==";
    let request = Request::get("/_api/user/bob").header(http::header::AUTHORIZATION, credentials);
    is(&model.handle(&request, NOW), 200, 0);
    let request = Request::get("/_api/user/bob").header(http::header::AUTHORIZATION, "Digest x");
    is(&model.handle(&request, NOW), 401, 11);
}

#[test]
fn a_coordinator_that_doesnt_serve_says_503() {
    let mut model = model();
    model.set_phase(0, Phase::Starting);
    is(&model.root(Request::get(VERSION)), 503, 503);
    is(&model.nobody(&Request::get(VERSION)), 401, 11);
    is(&model.nobody(&Request::get("/_admin/server/availability")), 503, 503);
    model.set_phase(0, Phase::Bootstrapping);
    is(&model.nobody(&Request::get(VERSION)), 503, 503);
    model.set_phase(0, Phase::Stopping);
    is(&model.root(Request::get(VERSION)), 503, 30);
    model.set_phase(0, Phase::Serving);
    is(&model.root(Request::get(VERSION)), 200, 0);
}
