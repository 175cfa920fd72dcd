use super::*;

/// The user-management page's worked cases: grants, then what follows.
#[test]
fn effective_levels_follow_the_reference() {
    type Case = (&'static [(&'static str, &'static str)], &'static [(&'static str, &'static str)]);
    let cases: [Case; 7] = [
        (
            &[("_system", "none"), ("*", "ro"), ("shop1", "rw")],
            &[("shop1", "rw"), ("_system", "none"), ("shop2", "ro")],
        ),
        (&[("_system", "rw"), ("*", "none")], &[("shop1", "rw"), ("missing", "rw")]),
        (&[("*", "ro"), ("*/*", "rw"), ("shop1/*", "none")], &[("shop1/customers", "rw"), ("shop1", "ro")]),
        (
            &[("_system", "ro"), ("shop1/customers", "none")],
            &[("shop1/customers", "none"), ("shop1/other", "ro")],
        ),
        (&[("shop2", "rw")], &[("shop2/orders", "rw"), ("shop2/_apps", "rw"), ("shop1/customers", "none")]),
        (&[("shop1", "none"), ("shop1/customers", "rw")], &[("shop1/customers", "rw"), ("shop1", "none")]),
        (
            &[("_system", "rw")],
            &[("_system/_users", "none"), ("shop1/_queues", "ro"), ("shop1/_frontend", "rw"), ("*", "none")],
        ),
    ];
    for (grants, levels) in cases {
        let mut model = model();
        model.add_user("alice");
        model.add_database("shop1");
        model.add_database("shop2");
        for name in ["customers", "other"] {
            model.add_collection("shop1", name);
        }
        for (what, level) in grants {
            assert_eq!(model.grant("alice", what, level).status, StatusCode::OK, "{what}");
        }
        for (what, level) in levels {
            assert_eq!(model.shown("alice", what), *level, "{grants:?}: {what}");
        }
    }
}

#[test]
fn a_grant_on_a_collection_alone_gives_no_database_access() {
    let mut model = model();
    model.add_user("alice");
    model.add_database("shop");
    model.add_collection("shop", "orders");
    let answer = model.grant("alice", "shop/orders", "rw");
    assert_eq!(answer.json(), json!({"shop/orders": "rw", "code": 200, "error": false}));
    assert_eq!(model.effective_database_level("alice", "shop"), Level::None);
    assert_eq!(model.grants("alice").unwrap()["shop"].level, None);
    is(&model.by("alice", Request::get("/_db/shop/_api/version")), 401, 11);
    // The wildcard still counts for the database: its own level is undefined.
    model.grant("alice", "*", "ro");
    assert_eq!(model.effective_database_level("alice", "shop"), Level::Ro);
}

#[test]
fn database_grants_need_no_database() {
    let mut model = model();
    model.add_user("alice");
    assert_eq!(
        model.grant("alice", "missing", "ro").json(),
        json!({"missing": "ro", "code": 200, "error": false})
    );
    assert_eq!(model.shown("alice", "missing"), "ro");
    assert_eq!(model.shown("alice", "missing/anything"), "ro");
    let short = model.root(Request::get("/_api/user/alice/database")).json();
    assert_eq!(short["result"], json!({}), "missing databases are in no listing");
}

#[test]
fn collection_grants_need_database_collection_and_user_in_this_order() {
    let mut model = model();
    model.add_user("alice");
    let put = |model: &mut Model, user: &str, what: &str| model.grant(user, what, "ro");
    is(&put(&mut model, "ghost", "shop/orders"), 404, 1228);
    model.add_database("shop");
    is(&put(&mut model, "ghost", "shop/orders"), 404, 1203);
    is(&model.revoke("alice", "shop/orders"), 404, 1203);
    model.add_collection("shop", "orders");
    is(&put(&mut model, "ghost", "shop/orders"), 404, 1703);
    is(&put(&mut model, "alice", "shop/orders"), 200, 0);
    is(&put(&mut model, "alice", "shop/_apps"), 400, 10);
    is(&put(&mut model, "alice", "*/orders"), 400, 10);
    is(&put(&mut model, "alice", "*/*"), 200, 0);
    is(&model.grant("alice", "shop/orders", "RW"), 400, 10);
    is(
        &model.by("alice", Request::put("/_api/user/alice/database/nowhere/x", &json!({"grant": "ro"}))),
        403,
        11,
    );
}

#[test]
fn the_wanted_level_is_read_strictly() {
    let mut model = model();
    model.add_user("alice");
    for body in
        [json!({}), json!([]), json!({"grant": 1}), json!({"grant": "undefined"}), json!({"grant": "RW"})]
    {
        is(&model.root(Request::put("/_api/user/alice/database/shop", &body)), 400, 10);
    }
    is(&model.root(Request::put("/_api/user/alice/database/shop", &json!({})).body("{")), 400, 10);
    assert_eq!(model.grant("alice", "shop", "").json()["shop"], "none");
    assert_eq!(model.grants("alice").unwrap()["shop"].level, Some(Level::None));
    is(&model.grant("ghost", "shop", "rw"), 404, 1703);
    let named_error = model.grant("alice", "error", "rw").json();
    assert_eq!(named_error, json!({"error": false, "code": 200}), "the last of two equal keys wins");
}

#[test]
fn revoking_a_database_removes_its_collection_grants_and_can_raise_a_level() {
    let mut model = model();
    model.add_user("alice");
    model.add_database("shop");
    model.add_collection("shop", "orders");
    model.grant("alice", "*", "rw");
    model.grant("alice", "shop", "none");
    model.grant("alice", "shop/orders", "ro");
    assert_eq!(model.effective_database_level("alice", "shop"), Level::None);
    let answer = model.revoke("alice", "shop");
    assert_eq!((answer.status, answer.json()), (StatusCode::ACCEPTED, json!({"error": false, "code": 202})));
    assert!(!model.grants("alice").unwrap().contains_key("shop"));
    assert_eq!(model.effective_database_level("alice", "shop"), Level::Rw);
    is(&model.revoke("alice", "shop"), 202, 0);
    is(&model.revoke("ghost", "shop"), 404, 1703);
}

#[test]
fn setting_a_database_level_keeps_collection_grants_and_revoking_one_keeps_the_level() {
    let mut model = model();
    model.add_user("alice");
    model.add_database("shop");
    model.add_collection("shop", "orders");
    model.grant("alice", "shop/orders", "ro");
    model.grant("alice", "shop", "rw");
    assert_eq!(model.effective_collection_level("alice", "shop", "orders"), Level::Ro);
    is(&model.revoke("alice", "shop/orders"), 202, 0);
    assert_eq!(model.effective_collection_level("alice", "shop", "orders"), Level::Rw);
    assert_eq!(model.effective_database_level("alice", "shop"), Level::Rw);
}

#[test]
fn the_full_listing_shows_what_is_configured() {
    let mut model = model();
    model.add_user("alice");
    model.add_database("shop");
    model.add_collection("shop", "orders");
    model.grant("alice", "shop", "none");
    model.grant("alice", "shop/orders", "rw");
    model.grant("alice", "shop/*", "ro");
    model.grant("alice", "missing", "rw");
    model.grant("alice", "*/*", "rw");
    let full = model.root(Request::get("/_api/user/alice/database?full=true")).json()["result"].take();
    assert_eq!(full["_system"]["permission"], "undefined");
    assert_eq!(full["_system"]["collections"]["_users"], "undefined");
    assert_eq!(full["shop"]["permission"], "none");
    assert_eq!(full["shop"]["collections"]["orders"], "rw");
    assert_eq!(full["shop"]["collections"]["*"], "ro");
    assert_eq!(full["shop"]["collections"]["_graphs"], "undefined");
    assert_eq!(full["*"], json!({"permission": "none"}), "never undefined, and `*/*` is invisible");
    assert!(full.get("missing").is_none());
    assert_eq!(model.shown("alice", "*/*"), "rw", "the only way to see it");
    let short = model.root(Request::get("/_api/user/alice/database/")).json()["result"].take();
    assert_eq!(short, json!({}));
}

#[test]
fn without_a_grant_the_wildcard_reads_as_none() {
    let mut model = model();
    model.add_user("alice");
    model.grant("alice", "*", "rw");
    assert_eq!(model.shown("alice", "*"), "rw");
    assert_eq!(model.shown("alice", "*/*"), "none");
}

#[test]
fn levels_are_shown_to_oneself_and_administrators_only() {
    let mut model = model();
    model.add_user("alice");
    model.add_user("bob");
    is(&model.by("alice", Request::get("/_api/user/alice/database")), 200, 0);
    is(&model.by("alice", Request::get("/_api/user/alice/database/_system")), 200, 0);
    is(&model.by("alice", Request::get("/_api/user/bob/database")), 403, 403);
    is(&model.by("alice", Request::get("/_api/user/bob/database/_system")), 403, 403);
    is(&model.by("alice", Request::put("/_api/user/alice/database/x", &json!({"grant": "rw"}))), 403, 11);
    is(&model.by("alice", Request::delete("/_api/user/alice/database/x")), 403, 11);
    is(&model.root(Request::get("/_api/user/ghost/database")), 404, 1703);
    assert_eq!(model.shown("ghost", "_system"), "none", "an unknown user has no level, but is no error");
}

#[test]
fn root_keeps_system() {
    let mut model = model();
    for (what, level) in [("_system", "ro"), ("_system", "none"), ("_system/*", "ro")] {
        is(&model.grant("root", what, level), 403, 11);
    }
    is(&model.revoke("root", "_system"), 403, 11);
    is(&model.revoke("root", "_system/*"), 403, 11);
    is(&model.revoke("root", "*"), 202, 0);
    assert_eq!(model.effective_database_level("root", "_system"), Level::Rw);
    assert_eq!(model.effective_database_level("root", "shop"), Level::Rw, "through _system");
}

#[test]
fn read_only_mode_masks_rw_and_refuses_writes() {
    let mut model = model();
    model.add_user("alice");
    model.grant("alice", "shop", "rw");
    let mode = Request::put("/_admin/server/mode", &json!({"mode": "readonly"}));
    is(&model.by("alice", mode.clone()), 401, 11);
    assert_eq!(model.root(mode).json(), json!({"error": false, "code": 200, "mode": "readonly"}));
    assert_eq!(model.shown("alice", "shop"), "ro");
    assert_eq!(model.shown("alice", "shop?configured=true"), "rw");
    is(&model.grant("alice", "shop", "ro"), 403, 11);
    is(&model.root(Request::post("/_api/database", &json!({"name": "shop"}))), 403, 11);
    is(&model.root(Request::post("/_api/user", &json!({"user": "bob"}))), 403, 11);
    is(&model.root(Request::get("/_api/user")), 200, 0);
    let superuser = model.handle_as_superuser(&Request::post("/_api/user", &json!({"user": "bob"})), NOW);
    is(&superuser, 201, 0);
    is(&model.root(Request::put("/_admin/server/mode", &json!({"mode": "default"}))), 200, 0);
    assert_eq!(model.shown("alice", "shop"), "rw");
}
