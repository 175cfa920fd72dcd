//! What `deploy/` installs: applied with kubectl to a real API server, and the built operator runs with the rights
//! that it gives, no more and no less. The API server's audit log says what was asked and how it was answered.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "the helpers of tests fail as tests do"
)]

mod by_helm;
mod chart;
mod helm;
#[path = "../installed/mod.rs"]
mod installed;
mod kube_arangodb;
mod life;
mod machine;
mod pod;
#[path = "../installed/prometheus_operator.rs"]
mod prometheus_operator;
mod rights;
#[path = "../support/within.rs"]
mod within;

use k8s_openapi::api::{apps::v1::Deployment, core::v1::Pod};
use kube::{
    Api,
    api::{ObjectMeta, PostParams},
};
use serde_json::json;

use life::whole_life;
use machine::{Machine, Right, eventually, repository};
use rights::{GROUP, KINDS, beyond, rights, rights_are_exactly_what_is_used, rights_everywhere};

#[tokio::test(flavor = "multi_thread")]
async fn the_operator_runs_with_the_rights_for_all_namespaces_and_needs_them_all() {
    let machine = Machine::start().await;
    machine.kubectl_succeeds(&["apply", "-k", repository("deploy").to_str().unwrap()]);
    pods_are_let_in(&machine, "arango-operator").await;
    machine.has("arango-operator", &rights_everywhere(), None).await;
    for right in beyond() {
        for namespace in [Some("shop"), Some("arango-operator"), Some("kube-system"), None] {
            assert!(!machine.may("arango-operator", &right, namespace).await, "{right:?} in {namespace:?}");
        }
    }
    people_edit_all_but_connections(&machine).await;

    let operator = machine.operator("arango-operator", &[]).await;
    whole_life(&machine, &operator, "shop").await;
    let log = operator.log();
    operator.stop().await;
    let rights = rights_everywhere();
    rights_are_exactly_what_is_used(&machine, &log, "arango-operator", (&rights, "kube-system"));
    stop(machine).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_operator_runs_with_the_rights_for_one_namespace() {
    let machine = Machine::start().await;
    machine.kubectl_succeeds(&["apply", "-k", repository("crds").to_str().unwrap()]);
    machine.kubectl_succeeds(&["create", "namespace", "shop"]);
    let overlay = overlay(&machine, "shop");
    machine.kubectl_succeeds(&["apply", "-k", overlay.to_str().unwrap()]);

    let deployments = Api::<Deployment>::namespaced(machine.client.clone(), "shop");
    let template = deployments.get("arango-operator").await.unwrap().spec.unwrap().template;
    let variables = template.spec.unwrap().containers.remove(0).env.unwrap();
    let watched = variables.iter().find(|variable| variable.name == "ARANGO_OPERATOR_NAMESPACE").unwrap();
    let field = watched.value_from.as_ref().unwrap().field_ref.as_ref().unwrap();
    assert_eq!(field.field_path, "metadata.namespace");

    machine.has("shop", &rights(), Some("shop")).await;
    for right in rights_everywhere() {
        for namespace in [Some("other"), Some("kube-system"), None] {
            assert!(!machine.may("shop", &right, namespace).await, "{right:?} in {namespace:?}");
        }
    }
    for right in beyond() {
        assert!(!machine.may("shop", &right, Some("shop")).await, "{right:?}");
    }

    let operator = machine.operator("shop", &[]).await;
    whole_life(&machine, &operator, "shop").await;
    let log = operator.log();
    operator.stop().await;
    rights_are_exactly_what_is_used(&machine, &log, "shop", (&rights(), "shop"));
    let elsewhere: Vec<_> = machine
        .requests("shop")
        .into_iter()
        .filter(|asked| asked.namespace.as_deref() != Some("shop"))
        .map(|asked| asked.uri)
        .collect();
    assert!(elsewhere.is_empty(), "{elsewhere:?}");
    stop(machine).await;
}

/// A kustomization that puts the namespaced variant into another namespace, as a user would write it.
fn overlay(machine: &Machine, namespace: &str) -> std::path::PathBuf {
    let folder = machine.folder.path().canonicalize().unwrap().join("overlay");
    std::fs::create_dir(&folder).unwrap();
    // kustomize takes relative paths only.
    let up = "../".repeat(folder.components().count() - 1);
    let variant = repository("deploy/namespaced").canonicalize().unwrap();
    let text = format!("namespace: {namespace}\nresources: ['{up}.{}']\n", variant.display());
    std::fs::write(folder.join("kustomization.yaml"), text).unwrap();
    folder
}

/// The API server takes a pod as the Deployment would make it under the Pod Security level of the namespace, and
/// doesn't take any pod.
async fn pods_are_let_in(machine: &Machine, namespace: &str) {
    let deployments = Api::<Deployment>::namespaced(machine.client.clone(), namespace);
    let spec = deployments.get("arango-operator").await.unwrap().spec.unwrap();
    assert_eq!((spec.replicas, spec.strategy.unwrap().type_.as_deref()), (Some(2), Some("RollingUpdate")));
    let template = spec.template;
    let mut pod = Pod {
        metadata: ObjectMeta { generate_name: Some("operator-".to_owned()), ..template.metadata.unwrap() },
        spec: template.spec,
        status: None,
    };
    let pods = Api::<Pod>::namespaced(machine.client.clone(), namespace);
    let dry = PostParams { dry_run: true, ..PostParams::default() };
    pods.create(&dry, &pod).await.unwrap();
    pod.spec.as_mut().unwrap().host_network = Some(true);
    let refused = pods.create(&dry, &pod).await.unwrap_err();
    assert!(refused.to_string().contains("PodSecurity"), "{refused}");
}

/// Who has `edit` in a namespace writes all kinds but `ArangoCluster`; who has `view` reads all.
async fn people_edit_all_but_connections(machine: &Machine) {
    for role in ["view", "edit"] {
        let (role, user) = (format!("--clusterrole={role}"), format!("--user={role}er"));
        machine.kubectl_succeeds(&["create", "rolebinding", &user[7..], &role, &user, "-n", "default"]);
    }
    let may = async |user: &str, verb: &str, resource: &str| {
        machine.may_user(user, &Right::new(GROUP, resource, verb), Some("default")).await
    };
    eventually("the roles for people are aggregated", async || {
        let (view, edit) =
            (may("viewer", "list", "arangousers").await, may("editer", "create", "arangousers").await);
        if view && edit { Ok(()) } else { Err(format!("view {view}, edit {edit}")) }
    })
    .await;
    for kind in KINDS {
        for verb in ["create", "update", "patch", "delete", "deletecollection"] {
            assert_eq!(may("editer", verb, kind).await, kind != "arangoclusters", "{verb} {kind}");
            assert!(!may("viewer", verb, kind).await, "{verb} {kind}");
        }
        for verb in ["get", "list", "watch"] {
            assert!(may("editer", verb, kind).await && may("viewer", verb, kind).await, "{verb} {kind}");
        }
        // The status is the operator's word.
        assert!(!may("editer", "update", &format!("{kind}/status")).await, "{kind}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_api_server_stores_what_is_generated_as_it_is() {
    let machine = Machine::start().await;
    let (crds, deploy) = (repository("crds"), repository("deploy"));
    let (crds, deploy) = (crds.to_str().unwrap(), deploy.to_str().unwrap());
    let first = machine.kubectl_succeeds(&["apply", "--server-side", "-k", crds]);
    assert_eq!(first.lines().count(), 4, "{first}");
    let versions =
        || machine.kubectl_succeeds(&["get", "crd", "-o", "jsonpath={.items[*].metadata.generation}"]);
    let before = versions();
    machine.kubectl_succeeds(&["apply", "--server-side", "-k", crds]);
    assert_eq!(versions(), before, "applying the same again is a change");
    // Exit code 1 if there is a difference.
    machine.kubectl_succeeds(&["diff", "--server-side", "-k", crds]);

    machine.kubectl_succeeds(&["apply", "--server-side", "-k", deploy]);
    machine.kubectl_succeeds(&["diff", "--server-side", "-k", deploy]);
    machine.kubectl_succeeds(&["diff", "-k", crds]);
    machine.kubectl_succeeds(&["diff", "-k", deploy]);
    keys_are_bounded(&machine).await;
    stop(machine).await;
}

/// A schema can't bound the keys of a map; a rule does.
async fn keys_are_bounded(machine: &Machine) {
    for (length, is_taken) in [(256, true), (257, false)] {
        let spec = json!({
            "clusterRef": {"name": "prod"}, "user": "app", "database": "shop", "collections": {"c".repeat(length): "ro"},
        });
        let metadata = json!({"name": "app-shop", "namespace": "default"});
        let (version, kind) = (format!("{GROUP}/v1alpha1"), "ArangoPermission");
        let manifest = json!({"apiVersion": version, "kind": kind, "metadata": metadata, "spec": spec});
        let path = machine.folder.path().join("permission.json");
        std::fs::write(&path, manifest.to_string()).unwrap();
        // The definitions were stored a moment ago and are served a moment later.
        eventually("the API server decides", async || {
            let output = machine.kubectl(&["apply", "--dry-run=server", "-f", path.to_str().unwrap()]);
            let refusal = String::from_utf8_lossy(&output.stderr).contains("at most 256 characters");
            if output.status.success() == is_taken && refusal != is_taken {
                Ok(())
            } else {
                Err(format!("{output:?}"))
            }
        })
        .await;
    }
}

async fn stop(machine: Machine) {
    machine.stand_in.stop().await.unwrap();
    tokio::time::timeout(machine::LIMIT, machine.plane.stop()).await.unwrap().unwrap();
}
