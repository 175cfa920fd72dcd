//! A connection that is lent to other namespaces: by whom, for what, how far, and what becomes of it when it is taken
//! back.

use std::time::Duration;

use reqwest::Method;
use serde_json::json;

use crate::support::{
    PATIENCE, ROOT_PASSWORD, Server, World, database, document, eventually, grant, passwords, permission,
    user_with_password, within,
};

/// What an `ArangoCluster` says of its rules.
fn lent(server: &Server, rules: &str) -> String {
    server.manifest_for(("root", ROOT_PASSWORD), &format!("drift: {{interval: 1s}}, access: [{rules}]"))
}

/// The same resources through the `ArangoCluster` `prod` of another namespace.
pub(super) fn through(owner: &str, manifests: &[String]) -> String {
    let other = format!("clusterRef: {{name: prod, namespace: {owner}}}");
    manifests.concat().replace("clusterRef: {name: prod}", &other)
}

/// An owner with a connection that has these rules, and two other namespaces, of which the first has the label `team:
/// shop`.
pub(super) async fn delegated(rules: &str) -> (World, Server) {
    let (mut world, server) = tokio::join!(World::among(2), Server::start());
    label(&world, "team=shop").await;
    world.apply(&lent(&server, rules)).await;
    world.start_operator().await;
    world.ready(&["arangocluster/prod"]).await;
    (world, server)
}

async fn label(world: &World, label: &str) {
    let namespace = &*world.neighbours[0].namespace;
    world.kubectl(&["label", "namespace", namespace, label, "--overwrite"]).await.unwrap();
}

/// A database, a user and his right, all named as the usual rule has them.
fn triple(level: &str) -> [String; 4] {
    [
        passwords(&[("shop-app", "a password")]),
        database("shop-a", "deletionPolicy: Delete"),
        user_with_password("shop-app", "deletionPolicy: Delete"),
        grant("shop-app", "shop-a", &format!("access: {level}")),
    ]
}

const TRIPLE: [&str; 3] =
    ["arangodatabase/shop-a", "arangouser/shop-app", "arangopermission/shop-app-shop-a"];

/// Databases and users of a name, up to a level, for the team shop.
pub(super) fn rule(level: &str, more: &str) -> String {
    format!(
        "{{namespaces: {{matchLabels: {{team: shop}}}}, databases: ['shop-*'], users: ['shop-*'], maxAccess: \
         {level}, {more}}}"
    )
}

#[tokio::test(flavor = "multi_thread")]
async fn a_namespace_uses_a_lent_connection_for_the_names_and_levels_of_its_rule_and_for_no_other() {
    let (world, server) = delegated(&rule("rw", "")).await;
    let (owner, tenant, stranger) = (&*world.namespace, &world.neighbours[0], &world.neighbours[1]);
    tenant.apply(&through(owner, &triple("rw"))).await;
    tenant.ready(&TRIPLE).await;
    server.has_levels("shop-app", &[("shop-a", "rw")]).await;
    assert_eq!(server.login("shop-app", "a password").await, 200);
    for object in TRIPLE {
        let object = tenant.object(object).await;
        assert_eq!(object["status"]["origin"], "Created");
        // Whoever may write the resource could write this too, so nothing is remembered there.
        assert!(object["metadata"]["annotations"]["arango-operator.dev/claim"].is_null(), "{object}");
    }

    server.stand_in.clear_requests();
    let others = [
        database("billing", ""),
        user_with_password("auditor", ""),
        permission("not-his", "user: auditor, database: shop-a, access: ro"),
        permission("not-there", "user: shop-app, database: billing, access: ro"),
    ];
    tenant.apply(&through(owner, &others)).await;
    for (object, named) in [
        ("arangodatabase/billing", "billing"),
        ("arangouser/auditor", "auditor"),
        ("arangopermission/not-his", "auditor"),
        ("arangopermission/not-there", "billing"),
    ] {
        let message = tenant.condition(object, "False", "AccessDenied").await;
        for part in [named, "shop-*", &format!("{owner}/prod"), &*tenant.namespace] {
            assert!(message.contains(part), "{part} is missing: {message}");
        }
        tenant.event(object, "AccessDenied").await;
        assert!(tenant.object(object).await["metadata"]["finalizers"].is_null(), "{object}");
    }
    stranger.apply(&through(owner, &triple("ro"))).await;
    for object in TRIPLE.into_iter().take(2) {
        let message = stranger.condition(object, "False", "AccessDenied").await;
        assert!(message.contains("no rule"), "{message}");
    }
    // References stay in the namespace: the row names what is declared there.
    stranger.condition(TRIPLE[2], "False", "AccessDenied").await;
    assert!(server.writes().is_empty(), "{:?}", server.writes());

    // The owner's own namespace is not bound, and is not held up by who may not declare the same.
    world
        .apply(
            &[passwords(&[("auditor", "his")]), database("billing", ""), user_with_password("auditor", "")]
                .concat(),
        )
        .await;
    world.ready(&["arangodatabase/billing", "arangouser/auditor"]).await;
    tenant.condition("arangodatabase/billing", "False", "AccessDenied").await;

    tenant.delete(&["arangodatabase/billing", "arangouser/auditor"]).await;
    tenant.delete(&TRIPLE).await;
    stranger.delete(&TRIPLE).await;
    assert_eq!(server.databases().await, ["billing"]);
    assert_eq!(server.users().await, ["auditor"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn no_user_ends_above_the_highest_level_whatever_right_it_comes_from() {
    let (world, server) = delegated(&rule("ro", "")).await;
    let (owner, tenant) = (&*world.namespace, &world.neighbours[0]);
    tenant.apply(&through(owner, &triple("ro"))).await;
    tenant.ready(&TRIPLE).await;
    server.make_collection("shop-a", "orders").await;
    server.make_database("shop-b").await;
    server.stand_in.clear_requests();
    for (name, spec, place) in [
        ("level", "database: shop-b, access: rw", "shop-b"),
        ("collection", "database: shop-b, collections: {orders: rw}", "shop-b/orders"),
        ("collections", "database: shop-b, access: ro, collections: {'*': rw}", "shop-b"),
        ("everywhere", "database: '*', access: ro", "*"),
        ("administrator", "database: _system, access: ro", "_system"),
    ] {
        tenant.apply(&through(owner, &[permission(name, &format!("user: shop-app, {spec}"))])).await;
        let object = format!("arangopermission/{name}");
        let message = tenant.condition(&object, "False", "AccessDenied").await;
        let limit = if spec.contains("shop-b") { "at most ro" } else { "at most none" };
        for part in [place, limit, &format!("{owner}/prod")] {
            assert!(message.contains(part), "{part} is missing: {message}");
        }
        tenant.delete(&[object]).await;
    }
    // Raised by hand behind its back: nothing is put right there, and it says so until it is.
    server.set_level("shop-app", "shop-a/orders", "rw").await;
    let message = tenant.condition(TRIPLE[2], "False", "AccessDenied").await;
    assert!(message.contains("shop-a/orders"), "{message}");
    server.set_level("shop-app", "shop-a/orders", "ro").await;
    tenant.ready(&TRIPLE).await;
    let ours: Vec<_> = server.writes().into_iter().filter(|write| !write.path.ends_with("/orders")).collect();
    assert!(ours.is_empty(), "{ours:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_deletion_that_would_raise_a_level_too_far_leaves_the_entry_and_says_so() {
    let (world, server) = delegated(&rule("ro", "")).await;
    let (owner, tenant) = (&*world.namespace, &world.neighbours[0]);
    tenant.apply(&through(owner, &triple("none"))).await;
    tenant.ready(&TRIPLE).await;
    server.set_level("shop-app", "*", "rw").await;
    // Another row tells that it was seen: just after our own writes nothing that was read is believed.
    server.make_database("shop-b").await;
    let probe = permission("probe", "user: shop-app, database: shop-b, access: ro");
    tenant.apply(&through(owner, &[probe])).await;
    let message = tenant.condition("arangopermission/probe", "False", "AccessDenied").await;
    assert!(message.contains("rw on the collections of shop-b"), "{message}");
    tenant.delete(&[TRIPLE[2]]).await;
    let event = tenant.event(TRIPLE[2], "LeftBehind").await;
    assert!(event.contains("rw on shop-a") && event.contains("at most ro"), "{event}");
    let levels = server.levels("shop-app").await;
    assert_eq!((&*levels["*"], &*levels["shop-a"]), ("rw", "none"), "{levels:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn withdrawn_access_stops_all_writes_at_once_and_deletes_nothing_neither_then_nor_later() {
    let (world, server) = delegated(&rule("rw", "")).await;
    let (owner, tenant) = (&*world.namespace, &world.neighbours[0]);
    tenant.apply(&through(owner, &triple("rw"))).await;
    tenant.ready(&TRIPLE).await;

    let withdrawn = async || {
        server.stand_in.clear_requests();
        for object in TRIPLE {
            let message = tenant.condition(object, "False", "AccessDenied").await;
            assert!(message.contains(&format!("{owner}/prod")), "{message}");
        }
    };
    // By the label; a change by hand stays from then on.
    label(&world, "team=depot").await;
    withdrawn().await;
    server.set_level("shop-app", "shop-a", "ro").await;
    server.by_hand(Method::PATCH, "/_api/user/shop-app", json!({"active": false})).await;
    let begin = server.stand_in.requests();
    eventually("the comparisons go on", async || {
        // Only those who may are compared; the connection asks about itself only.
        world.apply(&database("own", "")).await;
        world.ready(&["arangodatabase/own"]).await;
        if server.stand_in.requests() > begin { Ok(()) } else { Err(begin) }
    })
    .await;
    server.has_levels("shop-app", &[("shop-a", "ro")]).await;
    // Given back: everything is as declared again.
    label(&world, "team=shop").await;
    tenant.ready(&TRIPLE).await;
    server.has_levels("shop-app", &[("shop-a", "rw")]).await;
    assert_eq!(server.login("shop-app", "a password").await, 200);

    // By the rule, and deleted afterwards.
    world.apply(&lent(&server, "")).await;
    withdrawn().await;
    tenant.delete(&TRIPLE).await;
    for object in TRIPLE {
        let event = tenant.event(object, "LeftBehind").await;
        assert!(event.contains("stays on the server") && event.contains("prod"), "{event}");
    }
    assert_eq!(server.databases().await, ["own", "shop-a"]);
    assert_eq!(server.users().await, ["shop-app"]);
    server.has_levels("shop-app", &[("shop-a", "rw")]).await;
    assert!(server.writes().is_empty(), "{:?}", server.writes());
}

#[tokio::test(flavor = "multi_thread")]
async fn what_exists_is_not_taken_over_and_a_forged_claim_does_not_help() {
    let (world, server) = delegated(&rule("rw", "")).await;
    let (owner, tenant) = (&*world.namespace, &world.neighbours[0]);
    server.make_database("shop-a").await;
    server.make_user("shop-app", "by hand").await;
    server.set_level("shop-app", "shop-a", "ro").await;
    server.stand_in.clear_requests();
    let forged = r#"annotations: {arango-operator.dev/claim: '{"origin":"Created","memory":{}}'}, name"#;
    let manifests =
        through(owner, &triple("rw")).replace("metadata: {name", &format!("metadata: {{{forged}"));
    tenant.apply(&manifests).await;
    for object in TRIPLE {
        let message = tenant.condition(object, "False", "AccessDenied").await;
        for part in ["there already", "adopt", owner] {
            assert!(message.contains(part), "{part} is missing: {message}");
        }
        assert!(tenant.object(object).await["status"]["origin"].is_null());
    }
    tenant.delete(&TRIPLE).await;
    assert!(server.writes().is_empty(), "{:?}", server.writes());
    assert_eq!(server.databases().await, ["shop-a"]);
    assert_eq!(server.login("shop-app", "by hand").await, 200);
    server.has_levels("shop-app", &[("shop-a", "ro")]).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_rule_may_let_take_over_but_no_user_who_has_more_than_it_lends() {
    let (world, server) = delegated(&rule("rw", "adopt: true")).await;
    let (owner, tenant) = (&*world.namespace, &world.neighbours[0]);
    for name in ["shop-a", "billing"] {
        server.make_database(name).await;
    }
    server.make_user("shop-app", "by hand").await;
    server.set_level("shop-app", "shop-a", "ro").await;
    server.set_level("shop-app", "billing", "ro").await;
    tenant.apply(&through(owner, &triple("rw"))).await;
    let message = tenant.condition("arangouser/shop-app", "False", "AccessDenied").await;
    assert!(message.contains("ro on billing"), "{message}");
    tenant.ready(&[TRIPLE[0], TRIPLE[2]]).await;
    assert_eq!(server.login("shop-app", "by hand").await, 200);
    // Found at the next comparison once the right is gone.
    server.by_hand(Method::DELETE, "/_api/user/shop-app/database/billing", json!(null)).await;
    tenant.ready(&TRIPLE).await;
    assert_eq!(server.login("shop-app", "a password").await, 200);
    for object in TRIPLE {
        assert_eq!(tenant.object(object).await["status"]["origin"], "Adopted", "{object}");
        tenant.event(object, "Adopted").await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_wildcard_and_the_system_database_are_lent_by_levels_of_their_own() {
    let (world, server) = delegated(&rule("rw", "wildcard: rw, system: none")).await;
    let (owner, tenant) = (&*world.namespace, &world.neighbours[0]);
    let row =
        |name: &str, spec: &str| through(owner, &[permission(name, &format!("user: shop-app, {spec}"))]);
    tenant.apply(&through(owner, &triple("rw"))).await;
    tenant.apply(&row("wide", "database: '*', access: rw")).await;
    let message = tenant.condition("arangopermission/wide", "False", "AccessDenied").await;
    assert!(message.contains("rw on _system"), "the wildcard would make an administrator: {message}");
    tenant.apply(&row("shut", "database: _system, access: none")).await;
    tenant.ready(&["arangopermission/shut", "arangopermission/wide"]).await;
    server.has_levels("shop-app", &[("*", "rw"), ("_system", "none"), ("shop-a", "rw")]).await;
    // Opening it again is as much as being given it.
    tenant.delete(&["arangopermission/shut"]).await;
    tenant.event("arangopermission/shut", "LeftBehind").await;
    assert_eq!(server.levels("shop-app").await["_system"], "none");
}

#[tokio::test(flavor = "multi_thread")]
async fn who_may_and_has_declared_holds_a_claim_across_namespaces() {
    let everybody = "{namespaces: {}, databases: ['*'], users: ['*'], maxAccess: rw, adopt: true}";
    let (world, server) = delegated(everybody).await;
    let (owner, first, second) = (&*world.namespace, &world.neighbours[0], &world.neighbours[1]);
    let shop = through(owner, &[database("shop", "deletionPolicy: Delete")]);
    first.apply(&shop).await;
    first.ready(&["arangodatabase/shop"]).await;
    second.apply(&shop).await;
    let message = second.condition("arangodatabase/shop", "False", "Conflict").await;
    assert!(message.contains(&format!("{}/shop", first.namespace)), "{message}");
    // The one who may not any more stands in nobody's way, and gives nothing away by being deleted.
    let name = &second.namespace;
    let only_second =
        everybody.replace("{}", &format!("{{matchLabels: {{kubernetes.io/metadata.name: {name}}}}}"));
    world.apply(&lent(&server, &only_second)).await;
    first.condition("arangodatabase/shop", "False", "AccessDenied").await;
    second.ready(&["arangodatabase/shop"]).await;
    first.delete(&["arangodatabase/shop"]).await;
    assert_eq!(server.databases().await, ["shop"]);
    second.ready(&["arangodatabase/shop"]).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_restart_finds_a_lent_fleet_in_order_and_writes_nothing() {
    let (mut world, server) = delegated(&rule("ro", "")).await;
    let owner = world.namespace.clone();
    world.neighbours[0].apply(&through(&owner, &triple("ro"))).await;
    world.neighbours[0].ready(&TRIPLE).await;
    let versions = world.neighbours[0].versions().await;
    world.take_operator().kill().await;
    server.stand_in.clear_requests();
    world.start_operator().await;
    let tenant = &world.neighbours[0];
    // A change by hand shows that everything is compared.
    server.set_level("shop-app", "shop-a", "none").await;
    tenant.event(TRIPLE[2], "DriftRepaired").await;
    server.has_levels("shop-app", &[("shop-a", "ro")]).await;
    let after = tenant.versions().await;
    for (name, version) in versions {
        assert!(after.get(&name) == Some(&version), "{name} was written");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_tenants_own_database_is_still_his_after_a_crash_before_anything_was_said() {
    let (mut world, server) = delegated(&rule("rw", "")).await;
    let owner = world.namespace.clone();
    // It is made, and the answer never comes.
    let fault = "hang effect=yes method=POST path=/_api/database";
    let fault = server.stand_in.add_fault(fault.parse().unwrap()).await.unwrap();
    let manifest = through(&owner, &[database("shop-a", "deletionPolicy: Retain")]);
    world.neighbours[0].apply(&manifest).await;
    eventually("the database is made", async || {
        let made = server.databases_inside();
        if made == ["shop-a"] { Ok(()) } else { Err(made) }
    })
    .await;
    world.take_operator().kill().await;
    let said = world.neighbours[0].object(TRIPLE[0]).await["status"]["conditions"][0]["reason"].clone();
    assert_eq!(said, "Pending", "nothing was said of it yet");
    server.stand_in.remove_fault(fault).await.unwrap();
    world.start_operator().await;
    world.neighbours[0].ready(&[TRIPLE[0]]).await;
    assert_eq!(world.neighbours[0].object(TRIPLE[0]).await["status"]["origin"], "Created");
}

#[tokio::test(flavor = "multi_thread")]
async fn arangoclusters_elsewhere_do_not_count_and_nothing_connects() {
    let (mut world, server) = tokio::join!(World::among(1), Server::start());
    let counting = world.namespace.clone();
    world.give(["--cluster-namespace".to_owned(), counting.clone()]);
    let elsewhere = &world.neighbours[0];
    elsewhere.apply(&[server.manifest("1s"), database("shop", "")].concat()).await;
    world.apply(&[server.manifest("1s"), database("counts", "")].concat()).await;
    world.start_operator().await;
    world.ready(&["arangocluster/prod", "arangodatabase/counts"]).await;
    let elsewhere = &world.neighbours[0];
    let message = elsewhere.condition("arangocluster/prod", "False", "AccessDenied").await;
    assert!(message.contains("--cluster-namespace") && message.contains(&counting), "{message}");
    let message = elsewhere.condition("arangodatabase/shop", "Unknown", "ClusterMissing").await;
    assert!(message.contains("see its status"), "{message}");
    assert_eq!(server.databases().await, ["counts"]);
    // Nothing goes through it, so nothing holds it.
    within(Duration::from_secs(5), "it goes at once", async || {
        elsewhere.kubectl(&["delete", "arangocluster", "prod", "--ignore-not-found"]).await
    })
    .await;
    elsewhere.delete(&["arangodatabase/shop"]).await;

    // A namespace that counts no more: what was connected is not any more.
    world.take_operator().terminate(PATIENCE).await;
    world.give(["--cluster-namespace".to_owned(), "nowhere".to_owned()]);
    world.start_operator().await;
    world.ready(&["arangocluster/prod"]).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_operator_for_one_namespace_refuses_references_out_of_it() {
    let world = World::new().await;
    world.apply(&through("databases", &[database("shop", "")])).await;
    let message = world.condition("arangodatabase/shop", "False", "AccessDenied").await;
    assert!(message.contains("--namespace") && message.contains("databases/prod"), "{message}");
    world.delete(&["arangodatabase/shop"]).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn rules_that_would_not_mean_what_they_say_are_refused_with_a_sentence() {
    let world = World::without_operator().await;
    let cluster = |rule: &str| {
        let spec = format!(
            "{{endpoints: ['http://127.0.0.1:8529'], auth: {{secretRef: {{name: root}}}}, access: [{rule}]}}"
        );
        document("ArangoCluster", "prod", &spec)
    };
    for (rule, part) in [
        ("{namespaces: {}}", "maxAccess: Required value"),
        ("{maxAccess: rw}", "namespaces: Required value"),
        ("{namespaces: {}, maxAccess: ro, wildcard: rw}", "must not be above its maxAccess"),
        ("{namespaces: {}, maxAccess: none, system: ro}", "must not be above its maxAccess"),
        ("{namespaces: {}, maxAccess: rw, databases: [_system]}", "must not begin with an underscore"),
        ("{namespaces: {}, maxAccess: rw, databases: ['']}", "at least 1 char"),
        ("{namespaces: {matchLabels: {'': x}}, maxAccess: rw}", "1 to 317 characters"),
        (
            "{namespaces: {matchExpressions: [{key: a, operator: In}]}, maxAccess: rw}",
            "In and NotIn need values",
        ),
        (
            "{namespaces: {matchExpressions: [{key: a, operator: Exists, values: [b]}]}, maxAccess: rw}",
            "In and NotIn need values",
        ),
        ("{namespaces: {matchExpressions: [{key: a, operator: Like}]}, maxAccess: rw}", "Unsupported value"),
        ("{namespaces: {}, maxAccess: admin}", "Unsupported value"),
    ] {
        let complaint = world.try_apply(&cluster(rule)).await.unwrap_err();
        assert!(complaint.contains(part), "{rule}: {complaint}");
    }
    world.apply(&cluster(&rule("rw", "adopt: true, wildcard: ro, system: none"))).await;

    world.apply(&database("shop", "")).await;
    for (from, to) in [("{name: prod}", "{name: prod, namespace: other}"), ("{name: prod}", "{name: spare}")]
    {
        let complaint = world.try_apply(&database("shop", "").replace(from, to)).await.unwrap_err();
        assert!(complaint.contains("spec.clusterRef can't be changed"), "{complaint}");
    }
    world.kubectl(&["delete", "arangodata", "--all", "--wait=false"]).await.unwrap();
}
