use http::Method;
use proptest::{collection::vec, prelude::*, sample::select};

use super::*;

const METHODS: [Method; 7] =
    [Method::GET, Method::POST, Method::PUT, Method::PATCH, Method::DELETE, Method::HEAD, Method::OPTIONS];

/// Paths with holes: `U`, `D` and `C` become names of users, databases and collections.
const PATHS: [&str; 33] = [
    "/_api/user",
    "/_api/user/U",
    "/_api/user/U/",
    "/_api/user/U/database",
    "/_api/user/U/database?full=true",
    "/_api/user/U/database/D",
    "/_api/user/U/database/D",
    "/_api/user/U/database/D/C",
    "/_api/user/U/database/D/C?configured=true",
    "/_api/user/U/config/C",
    "/_api/database",
    "/_api/database/D",
    "/_api/database/user",
    "/_api/database/current",
    "/_db/D/_api/collection",
    "/_db/D/_api/collection/C",
    "/_db/D/_api/version",
    "/_db/D/_open/auth",
    "/_admin/cluster/maintenance",
    "/_admin/cluster/health",
    "/_admin/server/mode",
    "/_admin/cluster/maintenance/C",
    "/_admin/cluster/numberOfServers",
    "/_admin/metrics/v2?serverId=C",
    "/_api/token/U",
    "/_api/token/U/1",
    "/_api/tasks/C",
    "/_api/job/C",
    "/_db/D/_open/auth/renew",
    "/_db/D/_api/document/C",
    "/_db/D/_api/document/C/20",
    "/_db/D/_api/collection/C/truncate",
    "/%GG/\u{e9}//?&=",
];

const USERS: [&str; 4] = ["root", "alice", "bob", "a%2Fb"];
const DATABASES: [&str; 5] = ["_system", "shop", "vault", "*", "A%CC%8A"];
const COLLECTIONS: [&str; 5] = ["orders", "_users", "_graphs", "*", "20"];

fn bodies() -> Vec<Value> {
    let mut bodies = vec![json!(null), json!([]), json!("on"), json!({}), json!({"mode": "readonly"})];
    for level in ["rw", "ro", "none", "", "RW"] {
        bodies.push(json!({"grant": level}));
    }
    for name in ["alice", "bob", "shop", "vault", "orders", ""] {
        let users = json!([{"username": "bob"}]);
        bodies.push(json!({"user": name, "name": name, "passwd": name, "users": users, "value": {"a": 1}}));
        bodies.push(json!({"name": name, "active": false, "extra": {"a": {"b": 1}}, "mode": "default"}));
        bodies.push(json!({"name": name, "_key": name, "valid_until": 4e9, "mode": "maintenance"}));
    }
    bodies
}

fn requests() -> impl Strategy<Value = (Request, &'static str)> {
    let names = (select(&USERS), select(&DATABASES), select(&COLLECTIONS));
    let callers = select(&["nobody", "root", "root", "superuser", "superuser", "alice", "bob", "wrong"][..]);
    (select(&METHODS), select(&PATHS), names, select(bodies()), callers).prop_map(
        |(method, path, (user, database, collection), body, caller)| {
            // One character at a time: a name that was put in may hold one of the marks.
            let put = |mark| match mark {
                'U' => user.to_owned(),
                'D' => database.to_owned(),
                'C' => collection.to_owned(),
                other => other.to_string(),
            };
            let path: String = path.chars().map(put).collect();
            (Request::new(method, path).json(&body), caller)
        },
    )
}

proptest! {
    #[test]
    fn after_any_requests_these_hold(requests in vec(requests(), 1..40)) {
        let mut model = model();
        for (request, caller) in requests {
            let before = model.state().clone();
            let request = match caller {
                "superuser" => request.bearer(&model.superuser_token(None).unwrap()),
                "root" => request.basic("root", PASSWORD),
                "nobody" => request,
                "wrong" => request.basic("alice", "wrong"),
                user => request.basic(user, user),
            };
            let response = model.handle(&request, NOW);

            let body = response.json();
            if let Some(code) = body["code"].as_u64() {
                prop_assert_eq!(code, u64::from(response.status.as_u16()));
            }
            if request.method == Method::HEAD {
                prop_assert!(response.body.is_empty());
            } else {
                let length = response.body.len().to_string();
                prop_assert_eq!(response.headers["content-length"].to_str().unwrap(), length);
            }
            let failed = !response.status.is_success();
            prop_assert_eq!(failed && request.method != Method::HEAD, body["errorNum"].is_u64());
            let reads = [Method::GET, Method::HEAD, Method::OPTIONS].contains(&request.method);
            if reads || failed {
                prop_assert!(&before == model.state(), "{:?} changed something", request);
            }
            // What nobody can take away.
            prop_assert_eq!(model.effective_database_level("root", "_system"), Level::Rw);
            prop_assert!(model.databases().any(|name| name == "_system"));
            // No two tokens of a user have one number or one name, and none of his has more than he ever made.
            for user in model.state().users.values() {
                let numbers: std::collections::BTreeSet<_> = user.tokens.iter().map(|token| token.id).collect();
                let names: std::collections::BTreeSet<_> = user.tokens.iter().map(|token| &token.name).collect();
                prop_assert_eq!((numbers.len(), names.len()), (user.tokens.len(), user.tokens.len()));
                prop_assert!(user.tokens.iter().all(|token| token.id <= user.tokens_made));
            }
            // A user without a right changes nobody's rights but through an administrator.
            if matches!(caller, "nobody" | "wrong") {
                prop_assert!(&before == model.state());
            }
            for gone in before.databases.keys().filter(|name| !model.state().databases.contains_key(*name)) {
                prop_assert!(model.state().users.values().all(|user| !user.grants.contains_key(gone)));
            }
        }
    }

    #[test]
    fn what_is_granted_is_shown_and_what_is_revoked_is_gone(
        levels in vec((select(&["_system", "shop", "vault", "*"]), select(&["rw", "ro", "none"])), 0..6),
        revoked in select(&["_system", "shop", "vault", "*"]),
    ) {
        let mut model = model();
        model.add_user("alice");
        model.add_database("shop");
        let untouched = model.state().clone();
        for (database, level) in &levels {
            is(&model.grant("alice", database, level), 200, 0);
            prop_assert_eq!(model.shown("alice", database), *level);
        }
        let full = model.root(Request::get("/_api/user/alice/database?full=true")).json();
        let short = model.root(Request::get("/_api/user/alice/database")).json();
        for database in ["_system", "shop"] {
            let last = levels.iter().rev().find(|(name, _)| *name == database).map(|(_, level)| *level);
            prop_assert_eq!(&full["result"][database]["permission"], last.unwrap_or("undefined"));
            let effective = model.shown("alice", database);
            let listed = short["result"].get(database).cloned().unwrap_or_else(|| json!("none"));
            prop_assert_eq!(listed, effective);
        }
        model.revoke("alice", revoked);
        prop_assert!(!model.grants("alice").unwrap().contains_key(revoked));
        for database in ["_system", "shop", "vault", "*"] {
            model.revoke("alice", database);
        }
        prop_assert!(&untouched == model.state());
    }
}
