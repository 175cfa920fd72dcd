//! What kubectl shows, with an operator and without.

use crate::support::{World, database, eventually, grant, passwords, user_with_password};

#[tokio::test(flavor = "multi_thread")]
async fn a_fresh_object_is_pending_and_not_ready_before_anybody_looked() {
    let world = World::without_operator().await;
    let manifests = [
        database("shop", ""),
        user_with_password("alice", ""),
        grant("alice", "shop", "access: rw"),
        crate::support::document(
            "ArangoCluster",
            "prod",
            "{endpoints: ['http://127.0.0.1:8529'], auth: {secretRef: {name: prod-root}}}",
        ),
    ];
    world.apply(&manifests.concat()).await;
    let objects =
        ["arangodatabase/shop", "arangouser/alice", "arangopermission/alice-shop", "arangocluster/prod"];
    for object in objects {
        let message = world.condition(object, "Unknown", "Pending").await;
        assert_eq!(message, "waiting for the operator", "{object}");
        assert_eq!(world.object(object).await["status"]["observedGeneration"], -1, "{object}");
        let waited = world.kubectl(&["wait", "--for=condition=Ready", "--timeout=1s", object]).await;
        assert!(waited.unwrap_err().contains("timed out"), "{object}");
    }
    // Gone at once: nothing of it is anywhere but here.
    world.delete(&objects).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn get_wait_explain_and_describe_tell_what_a_person_asks_for() {
    let (world, _server) = World::connected("5m").await;
    let manifests = [
        passwords(&[("alice", "her password")]),
        database("shop", "deletionPolicy: Delete"),
        user_with_password("alice", "name: alice@example.org"),
        grant("alice", "shop", "access: rw"),
        grant("alice", "depot", "access: ro"),
    ];
    world.apply(&manifests.concat()).await;
    let all =
        ["arangodatabase/shop", "arangouser/alice", "arangopermission/alice-shop", "arangocluster/prod"];
    let mut wait = vec!["wait", "--for=condition=Ready", "--timeout=30s"];
    wait.extend(all);
    let waited = world.kubectl(&wait).await.unwrap();
    assert_eq!(waited.matches("condition met").count(), all.len(), "{waited}");
    world.condition("arangopermission/alice-depot", "Unknown", "ReferenceMissing").await;

    let table = world.kubectl(&["get", "arangodata"]).await.unwrap();
    for text in
        ["READY", "REASON", "True", "ReferenceMissing", "alice@example.org on shop", "Cluster", "3.12"]
    {
        assert!(table.contains(text), "{text} is missing in\n{table}");
    }
    let wide = world.kubectl(&["get", "arperm", "-o", "wide"]).await.unwrap();
    for text in ["MESSAGE", "ORIGIN", "Created", "ArangoDatabase depot does not exist"] {
        assert!(wide.contains(text), "{text} is missing in\n{wide}");
    }
    for short in ["arcl", "ardb", "aruser", "arperm"] {
        assert!(world.kubectl(&["get", short, "-o", "name"]).await.unwrap().contains('/'), "{short}");
    }
    let selected = ["get", "ardb", "--field-selector=spec.clusterRef.name=prod", "-o", "name"];
    assert!(world.kubectl(&selected).await.unwrap().ends_with("/shop\n"));

    let cases = [
        ("arangodatabase.spec", &["deletionPolicy", "Retain", "options", "clusterRef", "Unicode NFC"][..]),
        ("arangouser.spec.password", &["secretRef", "generate", "exactly one"]),
        ("arangopermission.spec.access", &["rw", "ro", "none", "wildcard"]),
        ("arangocluster.spec.drift", &["interval", "5m"]),
        ("arangocluster", &["How to reach an ArangoDB deployment"]),
    ];
    for (field, texts) in cases {
        // What the API server explains comes a while after what it serves.
        let explained = eventually("explanations", async || world.kubectl(&["explain", field]).await).await;
        // Lines are wrapped wherever they end.
        let explained = explained.split_whitespace().collect::<Vec<_>>().join(" ");
        for text in texts {
            assert!(explained.contains(text), "{text} is missing in kubectl explain {field}: {explained}");
        }
        assert!(!explained.contains("<empty>"), "{explained}");
    }
    let described = world.kubectl(&["describe", "arangopermission", "alice-depot"]).await.unwrap();
    assert!(described.contains("Unknown") && described.contains("ReferenceMissing"), "{described}");
}

#[tokio::test(flavor = "multi_thread")]
async fn every_example_is_taken_by_the_api_server_as_it_is() {
    let world = World::without_operator().await;
    let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/examples");
    let mut taken = 0;
    let entries = [folder.to_owned(), format!("{folder}/without-kubernetes")].map(std::fs::read_dir);
    for entry in entries.into_iter().flat_map(Result::unwrap) {
        let path = entry.unwrap().path();
        if path.extension().is_some_and(|extension| extension == "yaml") {
            let manifests = std::fs::read_to_string(&path).unwrap();
            assert!(manifests.contains("namespace: shop"), "{}", path.display());
            let here = format!("namespace: {}", world.namespace);
            // One namespace is as good as another for what the API server looks at.
            let manifests =
                manifests.replace("namespace: shop", &here).replace("namespace: databases", &here);
            world.apply(&manifests).await;
            taken += 1;
        }
    }
    assert!(taken >= 3, "the examples are found");
    world.kubectl(&["delete", "arangodata", "--all", "--wait=false"]).await.unwrap();
}
