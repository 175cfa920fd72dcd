use http::Method;

use super::*;

/// A shop with a collection `orders`, and alice with `rw` on the collection and `ro` on the database.
fn shop() -> Model {
    let mut model = model();
    model.add_user("alice");
    model.add_database("shop");
    model.add_collection("shop", "orders");
    model.grant("alice", "shop", "ro");
    model.grant("alice", "shop/orders", "rw");
    model
}

fn insert(document: &Value) -> Request {
    Request::post("/_db/shop/_api/document/orders", document)
}

fn count(model: &mut Model) -> Value {
    model.root(Request::get("/_db/shop/_api/collection/orders/count")).json()["count"].take()
}

#[test]
fn a_document_that_is_put_in_can_be_read_counted_and_removed() {
    let mut model = shop();
    let put = model.by("alice", insert(&json!({"_key": "one", "price": 3})));
    is(&put, 202, 0);
    let shown = put.json();
    assert_eq!((&shown["_id"], &shown["_key"]), (&json!("orders/one"), &json!("one")));
    assert_eq!(put.headers["location"], "/_db/shop/_api/document/orders/one");
    let path = "/_db/shop/_api/document/orders/one";
    let read = model.by("alice", Request::get(path));
    assert_eq!(read.headers["etag"].to_str().unwrap(), format!("\"{}\"", shown["_rev"].as_str().unwrap()));
    let mut wanted = shown.clone();
    wanted["price"] = json!(3);
    assert_eq!(read.json(), wanted);
    let head = model.by("alice", Request::new(Method::HEAD, path));
    assert_eq!((head.status.as_u16(), head.body.len()), (200, 0));
    assert_eq!(count(&mut model), 1);
    assert_eq!(model.by("alice", Request::delete(path)).json(), shown);
    is(&model.by("alice", Request::delete(path)), 404, 1202);
    is(&model.by("alice", Request::get(path)), 404, 1202);
    assert_eq!(count(&mut model), 0);
}

#[test]
fn what_a_write_answers_can_be_chosen() {
    let mut model = shop();
    let path = |query: &str| format!("/_db/shop/_api/document/orders?{query}");
    is(&model.root(Request::post(path("waitForSync=true"), &json!({}))), 201, 0);
    assert_eq!(model.root(Request::post(path("silent=1"), &json!({}))).json(), json!({}));
    let new = model.root(Request::post(path("returnNew=true"), &json!({"a": 1}))).json();
    assert_eq!((&new["new"]["a"], &new["new"]["_key"]), (&json!(1), &new["_key"]));
    let several =
        model.root(Request::post(path(""), &json!([{"_key": "a"}, {"_key": "a"}, 1, {"_key": ""}])));
    assert_eq!(several.headers["x-arango-error-codes"], "1210:1,1221:1,1227:1");
    let numbers: Vec<_> =
        several.json().as_array().unwrap().iter().map(|one| one["errorNum"].clone()).collect();
    assert_eq!(numbers, [json!(null), json!(1210), json!(1227), json!(1221)]);
    assert_eq!(count(&mut model), 4);
}

#[test]
fn wrong_documents_are_refused() {
    let mut model = shop();
    is(&model.root(insert(&json!({})).body("{")), 400, 600);
    is(&model.root(insert(&json!(1))), 400, 1227);
    let long = "x".repeat(255);
    for key in [json!("a/b"), json!("ä"), json!(""), json!(1), json!(long)] {
        is(&model.root(insert(&json!({"_key": key}))), 400, 1221);
    }
    is(&model.root(insert(&json!({"_key": "a"}))), 202, 0);
    is(&model.root(insert(&json!({"_key": "a"}))), 409, 1210);
    is(&model.root(Request::post("/_db/shop/_api/document/missing", &json!({}))), 404, 1203);
    is(&model.root(Request::get("/_db/shop/_api/document/orders")), 400, 400);
    assert_eq!(count(&mut model), 1);
}

#[test]
fn writing_needs_rw_on_the_collection_and_only_ro_on_the_database() {
    let mut model = shop();
    let truncate = Request::new(Method::PUT, "/_db/shop/_api/collection/orders/truncate");
    is(&model.by("alice", insert(&json!({}))), 202, 0);
    model.grant("alice", "shop/orders", "ro");
    is(&model.by("alice", insert(&json!({}))), 403, 1004);
    is(&model.by("alice", truncate.clone()), 403, 1004);
    is(&model.by("alice", Request::get("/_db/shop/_api/collection/orders/properties")), 200, 0);
    model.grant("alice", "shop/orders", "none");
    is(&model.by("alice", insert(&json!({}))), 403, 11);
    is(&model.by("alice", Request::get("/_db/shop/_api/collection/orders/properties")), 403, 11);
    model.grant("alice", "shop/orders", "rw");
    model.grant("alice", "shop", "none");
    is(&model.by("alice", insert(&json!({}))), 401, 11);
    // System collections follow their own rules.
    is(&model.root(Request::post("/_api/document/_users", &json!({}))), 403, 11);
    is(&model.root(Request::post("/_api/document/_queues", &json!({}))), 403, 1004);
    is(&model.root(Request::post("/_api/document/_frontend", &json!({}))), 202, 0);
}

#[test]
fn truncating_empties_a_collection_and_keeps_it() {
    let mut model = shop();
    for _ in 0..3 {
        model.root(insert(&json!({})));
    }
    assert_eq!(count(&mut model), 3);
    let emptied = model.by("alice", Request::new(Method::PUT, "/_db/shop/_api/collection/orders/truncate"));
    assert_eq!((emptied.status.as_u16(), &emptied.json()["name"]), (200, &json!("orders")));
    assert_eq!(count(&mut model), 0);
    is(&model.root(Request::new(Method::PUT, "/_db/shop/_api/collection/missing/truncate")), 404, 1203);
}

#[test]
fn read_only_mode_refuses_data_with_its_own_number() {
    let mut model = shop();
    model.add_user("bob");
    model.grant("bob", "shop", "rw");
    model.root(insert(&json!({"_key": "a"})));
    model.root(Request::put("/_admin/server/mode", &json!({"mode": "readonly"})));
    let path = "/_db/shop/_api/document/orders/a";
    is(&model.by("alice", insert(&json!({}))), 403, 1004);
    is(&model.by("alice", Request::delete(path)), 403, 1004);
    is(&model.by("alice", Request::get(path)), 200, 0);
    let create = |name: &str| Request::post("/_db/shop/_api/collection", &json!({"name": name}));
    is(&model.by("bob", create("x")), 403, 1004);
    is(&model.by("alice", create("x")), 403, 11);
    is(&model.by("bob", Request::delete("/_db/shop/_api/collection/orders")), 403, 11);
    is(&model.handle_as_superuser(&create("x"), NOW), 200, 0);
    is(&model.handle_as_superuser(&insert(&json!({})), NOW), 202, 0);
}

#[test]
fn names_of_collections_have_their_rules() {
    let mut model = model();
    let mut create = |body: Value| model.root(Request::post("/_api/collection", &body));
    for name in ["", "1x", "_x", ".x", " x", "x ", "a/b", "a:b", "A\u{30a}"] {
        is(&create(json!({"name": name})), 400, 1208);
    }
    is(&create(json!({})), 400, 1208);
    is(&create(json!({"name": "x".repeat(257)})), 400, 1208);
    for name in ["mötör", "x".repeat(256).as_str(), "a b"] {
        is(&create(json!({"name": name})), 200, 0);
    }
    is(&create(json!({"name": "_x", "isSystem": true})), 200, 0);
    let mut strict = configured(Config { extended_names: false, ..Config::single(1) });
    for (name, status) in [("mötör", 400), ("a b", 400), ("-a", 400), ("a-b_1", 200)] {
        let response = strict.root(Request::post("/_api/collection", &json!({"name": name})));
        assert_eq!(response.status.as_u16(), status, "{name}");
    }
}

#[test]
fn several_documents_are_replaced_and_removed_each_for_itself_and_only_in_the_revision_that_is_meant() {
    let mut model = shop();
    model.root(insert(&json!([{"_key": "a"}, {"_key": "b"}])));
    let all = "/_db/shop/_api/document/orders";
    let minding = format!("{all}?ignoreRevs=false&waitForSync=true");
    let one = model.root(Request::get(format!("{all}/a"))).json();
    let put =
        json!([{"_key": "a", "_rev": one["_rev"], "n": 1}, {"_key": "b", "_rev": "x"}, {"_key": "c"}, 1]);
    let put = model.by("alice", Request::put(&minding, &put));
    is(&put, 201, 0);
    assert_eq!(put.headers["x-arango-error-codes"], "1200:1,1202:1,1227:1");
    let answers = put.json();
    assert_eq!((&answers[0]["_oldRev"], &answers[1]["errorNum"]), (&one["_rev"], &json!(1200)));
    let read = model.root(Request::get(format!("{all}/a"))).json();
    assert_eq!((&read["n"], &read["_rev"]), (&json!(1), &answers[0]["_rev"]));
    // Without the parameter a revision means nothing.
    is(&model.root(Request::put(all, &json!([{"_key": "b", "_rev": "x"}]))), 202, 0);

    let gone = json!([{"_key": "a", "_rev": "x"}, {"_key": "b"}, "c"]);
    let gone = model.by("alice", Request::delete(&minding).json(&gone));
    is(&gone, 200, 0);
    let numbers: Vec<_> = gone.json().as_array().unwrap().iter().map(|one| one["errorNum"].clone()).collect();
    assert_eq!(numbers, [json!(1200), json!(null), json!(1202)]);
    is(&model.root(Request::delete(all).json(&json!(["a"]))), 202, 0);
    assert_eq!(count(&mut model), 0);
    model.grant("alice", "shop/orders", "ro");
    is(&model.by("alice", Request::put(all, &json!([]))), 403, 1004);
    is(&model.by("alice", Request::delete(all).json(&json!([]))), 403, 1004);
}

#[test]
fn a_query_reads_a_collection_whole_and_no_other_query_is_understood() {
    let mut model = shop();
    model.root(insert(&json!([{"_key": "a"}, {"_key": "b"}])));
    let ask = |query: &str, collection: &str| {
        let body = json!({"query": query, "bindVars": {"@collection": collection}, "batchSize": 10});
        Request::post("/_db/shop/_api/cursor", &body)
    };
    let whole = "FOR one IN @@collection RETURN one";
    let read = model.by("alice", ask(whole, "orders"));
    is(&read, 201, 0);
    let read = read.json();
    assert_eq!((&read["result"][1]["_key"], &read["hasMore"]), (&json!("b"), &json!(false)));
    is(&model.by("alice", ask(whole, "missing")), 404, 1203);
    is(&model.by("alice", ask("RETURN 1", "orders")), 501, 9);
    model.grant("alice", "shop/orders", "none");
    is(&model.by("alice", ask(whole, "orders")), 403, 11);
}
