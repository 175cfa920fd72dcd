//! Users by databases: levels, where they come from, and what is marked.

use arango_operator::stand_in::LogEntry;
use serde_json::{Value, json};

use crate::cli_support::{Deployment, run};

/// A user whose name wants to be markup.
const HOSTILE: &str = r#"<img src=x onerror=alert(1)>"'&"#;

/// A deployment with all that is marked.
pub(super) async fn company() -> Deployment {
    let deployment = Deployment::single().await;
    let path = |user: &str, place: &str| {
        let user = arango_operator::core::encode_segment(user);
        format!("/_api/user/{user}/database/{place}")
    };
    let mut calls: Vec<(&str, String, Value)> = Vec::new();
    for database in ["shop", "billing", "archive"] {
        calls.push(("POST", "/_api/database".into(), json!({"name": database})));
    }
    calls.push(("POST", "/_db/shop/_api/collection".into(), json!({"name": "customers"})));
    for user in ["alice", "auditor", "ghost", "left", "reader", "shop-api", "shop-worker", HOSTILE] {
        let body = json!({"user": user, "passwd": "x", "active": user != "left"});
        calls.push(("POST", "/_api/user".into(), body));
    }
    for (user, place, level) in [
        ("alice", "_system", "rw"),
        ("auditor", "_system", "ro"),
        ("auditor", "billing", "none"),
        ("left", "shop", "rw"),
        ("reader", "*", "ro"),
        ("reader", "*/*", "rw"),
        ("shop-api", "shop", "rw"),
        ("shop-api", "shop/customers", "none"),
        ("shop-worker", "*", "ro"),
        (HOSTILE, "archive", "rw"),
    ] {
        calls.push(("PUT", path(user, place), json!({"grant": level})));
    }
    for (method, path, body) in calls {
        deployment.run(&["request", method, &path, "--data", &body.to_string()]).await.ok();
    }
    deployment
}

fn user<'a>(matrix: &'a Value, name: &str) -> &'a Value {
    matrix["users"].as_array().unwrap().iter().find(|row| row["user"] == name).unwrap()
}

fn marks(row: &Value) -> Vec<&str> {
    row["remarks"].as_array().unwrap().iter().map(|it| it["mark"].as_str().unwrap()).collect()
}

#[tokio::test]
async fn the_matrix_has_every_level_with_its_source_and_marks_what_is_wide_or_unused() {
    let deployment = company().await;
    deployment.stand_in.clear_requests();
    let matrix = deployment.run(&["matrix", "-o", "json"]).await.json();
    let log = deployment.stand_in.request_log();
    let about_rights = |entry: &&LogEntry| entry.path.starts_with("/_db/_system/_api/user/");
    assert_eq!(log.iter().filter(about_rights).count(), 2 * 9, "a listing and a question a user");
    assert!(
        log.iter().all(|entry| entry.method == "GET" || entry.path == "/_open/auth"),
        "nothing is written"
    );

    assert_eq!(matrix["databases"], json!(["_system", "archive", "billing", "shop"]));
    let level = |level: &str, by: Value| json!({"level": level, "by": by, "collections": {}});
    assert_eq!(
        user(&matrix, "auditor"),
        &json!({
            "user": "auditor", "active": true, "wildcards": {"*": null, "*/*": null},
            "remarks": [{
                "mark": "systemReader",
                "text": "ro on _system, which reaches every database without a level of its own"
            }],
            "levels": {
                "_system": level("ro", json!("_system")), "archive": level("ro", json!("_system")),
                "billing": level("none", json!("billing")), "shop": level("ro", json!("_system")),
            },
        })
    );
    assert_eq!(
        user(&matrix, "shop-api")["levels"]["shop"],
        json!({"level": "rw", "by": "shop", "collections": {"customers": "none"}})
    );
    assert_eq!(user(&matrix, "ghost")["levels"]["shop"], level("none", Value::Null));
    assert_eq!(user(&matrix, "reader")["wildcards"], json!({"*": "ro", "*/*": "rw"}));
    for (name, expected) in [
        ("alice", &["administrator"][..]),
        ("root", &["administrator", "wildcardWrite"]),
        ("ghost", &["noRights"]),
        ("left", &["inactiveWithRights"]),
        ("reader", &["wildcardRead", "allCollections"]),
        ("shop-api", &[]),
    ] {
        assert_eq!(marks(user(&matrix, name)), expected, "{name}");
    }
}

#[tokio::test]
async fn patterns_choose_users_and_databases_and_what_is_said_of_a_user_stays() {
    let deployment = company().await;
    let flags = ["--users", "shop-*", "--users", "alice", "--databases", "?illing"];
    let chosen = deployment.run(&[&["matrix", "-o", "json"], &flags[..]].concat()).await.json();
    assert_eq!(chosen["databases"], json!(["billing"]));
    let names: Vec<_> = chosen["users"].as_array().unwrap().iter().map(|row| &row["user"]).collect();
    assert_eq!(names, ["alice", "shop-api", "shop-worker"]);
    assert_eq!(marks(user(&chosen, "alice")), ["administrator"], "by a right that isn't shown");
    assert_eq!(marks(user(&chosen, "shop-api")), [""; 0], "rights elsewhere are rights");
}

#[tokio::test]
async fn the_table_tells_own_rights_from_wider_ones() {
    let deployment = company().await;
    let table = deployment.run(&["matrix"]).await.ok();
    let row = |name: &str| {
        let line = table.lines().find(|line| line.trim_start().starts_with(name)).unwrap();
        line.split("  ").map(str::trim).filter(|cell| !cell.is_empty()).map(str::to_owned).collect::<Vec<_>>()
    };
    assert_eq!(row("user"), ["user", "_system", "archive", "billing", "shop", "remarks"]);
    assert_eq!(row("auditor"), ["auditor", "ro", "ro (_system)", "none", "ro (_system)", "_system ro"]);
    assert_eq!(row("reader"), ["reader", "ro (*)", "ro (*)", "ro (*)", "ro (*)", "* ro, */*"]);
    assert_eq!(row("shop-api"), ["shop-api", "-", "-", "-", "rw +1", "-"]);
}

#[tokio::test]
async fn only_an_administrator_sees_the_matrix() {
    let deployment = company().await;
    let endpoints = deployment.endpoints();
    let environment =
        [("ARANGO_ENDPOINT", endpoints.as_str()), ("ARANGO_USER", "shop-api"), ("ARANGO_PASSWORD", "x")];
    let error = run(&["matrix"], &environment).await.failed(1);
    assert!(
        error.contains("shown to administrators (rw on _system) only, which \"shop-api\" is not"),
        "{error}"
    );
}

#[tokio::test]
async fn the_page_stands_alone_and_names_in_it_are_only_text() {
    let deployment = company().await;
    let page = deployment.run(&["matrix", "-o", "html"]).await.ok();
    assert!(
        !page.contains("<img") && page.contains("&lt;img src=x onerror=alert(1)&gt;&quot;&#39;&amp;"),
        "escaped"
    );
    assert!(!page.contains("http://") && !page.contains("https://"), "nothing is loaded from anywhere");
    assert!(page.contains("default-src 'none'"), "nor could it be");
    assert_eq!(page.matches("scope=\"col\"").count(), 5);
    assert_eq!(page.matches("scope=\"row\"").count(), 9);
}
