//! The chart on a real API server: installed, upgraded and taken away by Helm, and the operator runs with what it made.

use std::{
    collections::BTreeSet,
    path::{Path, PathBuf},
    process::Command,
};

use k8s_openapi::api::core::v1::Pod;
use kube::{Api, api::PostParams};
use serde_json::{Value, json};

use crate::{
    helm::{Helm, all_values, chart, object, objects, values},
    life::{manifest, whole_life},
    machine::{Machine, Right, eventually, repository},
    prometheus_operator::definition,
    rights::{GROUP, beyond, rights, rights_are_exactly_what_is_used, rights_everywhere},
    stop,
};

/// The release, its namespace, and what it installs.
const NAME: &str = "arango-operator";

/// Helm with the control plane that it works on.
struct On<'a> {
    helm: &'a Helm,
    kubeconfig: String,
}

impl<'a> On<'a> {
    fn new(helm: &'a Helm, machine: &Machine) -> Self {
        Self { helm, kubeconfig: format!("--kubeconfig={}", machine.plane.kubeconfig_path().display()) }
    }

    fn succeeds(&self, arguments: &[&str]) -> String {
        self.helm.succeeds(&[arguments, &[&self.kubeconfig]].concat())
    }

    fn fails(&self, arguments: &[&str]) -> String {
        self.helm.fails(&[arguments, &[&self.kubeconfig]].concat())
    }
}

/// A namespace that takes no pod that asks for more than it needs.
fn restricted_namespace(machine: &Machine, name: &str) {
    machine.kubectl_succeeds(&["create", "namespace", name]);
    machine.kubectl_succeeds(&["label", "namespace", name, "pod-security.kubernetes.io/enforce=restricted"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_operator_runs_as_the_chart_says_with_the_rights_for_all_namespaces_and_needs_them_all() {
    let Some(helm) = Helm::find().await else { return };
    let machine = Machine::start().await;
    let on = On::new(&helm, &machine);
    let chart = chart();
    let chart = chart.to_str().unwrap();
    restricted_namespace(&machine, NAME);

    let older = older_chart(machine.folder.path());
    on.succeeds(&["install", NAME, older.to_str().unwrap(), "-n", NAME]);
    assert_eq!(categories(&machine), r#"["old"]"#);
    let notes = on.succeeds(&["upgrade", NAME, chart, "-n", NAME]);
    for part in ["is for all namespaces, with 2 pod(s)", "is a placeholder", "keeps the resource definitions"]
    {
        assert!(notes.contains(part), "{part:?} is not in: {notes}");
    }
    assert_eq!(categories(&machine), r#"["arangodata"]"#, "an upgrade leaves the definitions as they were");

    machine.has(NAME, &rights_everywhere(), None).await;
    for right in beyond() {
        for namespace in [Some("shop"), Some(NAME), Some("kube-system"), None] {
            assert!(!machine.may(NAME, &right, namespace).await, "{right:?} in {namespace:?}");
        }
    }
    let operator = machine.operator(NAME, &[]).await;
    whole_life(&machine, &operator, "shop").await;
    let health = operator.health.clone();
    assert!(helm_test(&helm, &health), "{}", operator.log());
    let log = operator.log();
    operator.stop().await;
    assert!(!helm_test(&helm, &health), "nobody is there, and the test succeeds");
    rights_are_exactly_what_is_used(&machine, &log, NAME, (&rights_everywhere(), "kube-system"));

    // One pod without leader election, and back: another strategy, other rights.
    let single = format!("--values={}", values("single").display());
    on.succeeds(&["upgrade", NAME, chart, "-n", NAME, &single]);
    let strategy = ["get", "deployment", NAME, "-n", NAME, "-o", "jsonpath={.spec.strategy}"];
    assert_eq!(machine.kubectl_succeeds(&strategy), r#"{"type":"Recreate"}"#);
    on.succeeds(&["upgrade", NAME, chart, "-n", NAME]);

    what_is_declared_survives_an_uninstall(&machine, &on).await;
    stop(machine).await;
}

/// The chart as it might have been a version ago, with a definition that says something else.
fn older_chart(folder: &Path) -> PathBuf {
    let older = folder.join("older");
    assert!(Command::new("cp").arg("-R").arg(chart()).arg(&older).status().unwrap().success());
    for (file, now, before) in [
        ("Chart.yaml", concat!("version: ", env!("CARGO_PKG_VERSION")), "version: 0.0.1"),
        ("files/crds/arangodatabases.arango-operator.dev.yaml", "- arangodata\n", "- old\n"),
    ] {
        let text = std::fs::read_to_string(older.join(file)).unwrap();
        assert!(text.contains(now), "{file}");
        std::fs::write(older.join(file), text.replacen(now, before, 1)).unwrap();
    }
    older
}

fn categories(machine: &Machine) -> String {
    let name = format!("crd/arangodatabases.{GROUP}");
    machine.kubectl_succeeds(&["get", &name, "-o", "jsonpath={.spec.names.categories}"])
}

/// Runs what the pod of `helm test` runs, against an operator that is elsewhere than in the pod's network.
fn helm_test(helm: &Helm, health: &str) -> bool {
    let objects = objects(&helm.template(&values("default")));
    let arguments = &object(&objects, "Pod", &format!("{NAME}-test"))["spec"]["containers"][0]["args"];
    let arguments = arguments.as_array().unwrap().iter().map(|argument| {
        let argument = argument.as_str().unwrap();
        if argument.starts_with("--endpoint=") { format!("--endpoint={health}") } else { argument.to_owned() }
    });
    let output = Command::new(env!("CARGO_BIN_EXE_arango-operator")).args(arguments).env_clear().output();
    output.unwrap().status.success()
}

async fn what_is_declared_survives_an_uninstall(machine: &Machine, on: &On<'_>) {
    let chart = chart();
    machine.apply("again.yaml", &manifest(machine, "shop")).await;
    let declared = || {
        let columns = "jsonpath={range .items[*]}{.kind}/{.metadata.name}/{.metadata.uid} {end}";
        machine.kubectl_succeeds(&["get", "arangodata", "-n", "shop", "-o", columns])
    };
    let before = declared();
    assert_eq!(before.split_whitespace().count(), 4, "{before}");
    let said = on.succeeds(&["uninstall", NAME, "-n", NAME]);
    assert!(said.contains("kept due to the resource policy"), "{said}");
    assert_eq!(declared(), before);
    for gone in ["deployment", "serviceaccount", "clusterrole", "role", "poddisruptionbudget", "service"] {
        eventually(&format!("the {gone} is gone"), async || {
            let left =
                machine.kubectl_succeeds(&["get", gone, "-n", NAME, "-o", "name", "--ignore-not-found"]);
            if left.contains("/arango-operator") { Err(left) } else { Ok(()) }
        })
        .await;
    }
    on.succeeds(&["install", NAME, chart.to_str().unwrap(), "-n", NAME]);
    assert_eq!(declared(), before);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_release_for_two_namespaces_asks_for_nothing_elsewhere_beside_one_that_has_the_definitions() {
    let Some(helm) = Helm::find().await else { return };
    let machine = Machine::start().await;
    let on = On::new(&helm, &machine);
    let chart = chart();
    let install = ["install", "team", chart.to_str().unwrap(), "-n", "team"];
    for namespace in ["team", "shop", "warehouse"] {
        machine.kubectl_succeeds(&["create", "namespace", namespace]);
    }
    // Definitions that somebody else installed are not taken from him unless that is said.
    machine.kubectl_succeeds(&["apply", "-k", repository("crds").to_str().unwrap()]);
    let for_two = "--set=watchNamespaces={shop,warehouse}";
    let refused = on.fails(&[&install[..], &[for_two]].concat());
    assert!(refused.contains("invalid ownership metadata"), "{refused}");
    on.succeeds(&[&install[..], &[for_two, "--set=crds.enabled=false"]].concat());

    let user = "system:serviceaccount:team:team-arango-operator";
    let given = async |right: &Right, namespace: &str| {
        eventually("the right is given", async || {
            let may = machine.may_user(user, right, Some(namespace)).await;
            if may { Ok(()) } else { Err(format!("{right:?} in {namespace}")) }
        })
        .await;
    };
    given(&Right::new("coordination.k8s.io", "leases", "create"), "team").await;
    for namespace in ["shop", "warehouse"] {
        for right in rights() {
            given(&right, namespace).await;
        }
        for right in beyond() {
            assert!(!machine.may_user(user, &right, Some(namespace)).await, "{right:?} in {namespace}");
        }
    }
    for right in rights() {
        for namespace in [Some("default"), Some("team"), Some("kube-system"), None] {
            assert!(!machine.may_user(user, &right, namespace).await, "{right:?} in {namespace:?}");
        }
    }

    let operator = machine.operator_of("team", "team-arango-operator", &[]).await;
    whole_life(&machine, &operator, "warehouse").await;
    let log = operator.log();
    operator.stop().await;
    let asked = machine.requests_of(user);
    let refused: Vec<_> = asked.iter().filter(|asked| [401, 403].contains(&asked.code)).collect();
    assert!(refused.is_empty(), "{refused:?}\n{log}");
    // Its Lease is its Deployment's namesake, so that two releases may be in one namespace.
    let leases = asked.iter().filter(|asked| asked.right.resource == "leases");
    let mut leases: BTreeSet<_> = leases.map(|asked| asked.uri.split('?').next().unwrap()).collect();
    let folder = "/apis/coordination.k8s.io/v1/namespaces/team/leases";
    assert!(leases.remove(folder));
    assert_eq!(leases, BTreeSet::from([&*format!("{folder}/team-arango-operator")]));
    let namespaces: BTreeSet<_> = asked
        .iter()
        .filter(|asked| asked.right.resource != "leases")
        .filter(|asked| asked.right != Right::new("", "namespaces", "list"))
        .filter(|asked| asked.right != Right::new("", "namespaces", "watch"))
        .map(|asked| asked.namespace.as_deref().unwrap_or("all"))
        .collect();
    assert_eq!(namespaces, BTreeSet::from(["shop", "warehouse"]));
    stop(machine).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_api_server_takes_what_is_installed_whatever_is_set_also_under_pod_security_restricted() {
    let Some(helm) = Helm::find().await else { return };
    let kinds = ["servicemonitors", "prometheusrules"];
    let machine = Machine::start().await;
    for kind in kinds {
        let Some(definition) = definition(kind).await else { return };
        machine.kubectl_succeeds(&["apply", "--server-side", "-f", definition.to_str().unwrap()]);
    }
    for namespace in ["shop", "warehouse"] {
        machine.kubectl_succeeds(&["create", "namespace", namespace]);
    }
    restricted_namespace(&machine, NAME);
    machine.kubectl_succeeds(&["create", "serviceaccount", "anybody", "-n", NAME]);
    let pods = Api::<Pod>::namespaced(machine.client.clone(), NAME);
    let dry = PostParams { dry_run: true, ..PostParams::default() };
    let apply = ["apply", "--server-side", "--dry-run=server", "--validate=strict"];
    for kind in kinds {
        eventually("it is served", async || {
            let output = machine.kubectl(&["get", kind]);
            if output.status.success() { Ok(()) } else { Err(format!("{output:?}")) }
        })
        .await;
    }
    for values in all_values() {
        let manifest = helm.template(&values);
        let file = machine.folder.path().join("rendered.yaml");
        std::fs::write(&file, &manifest).unwrap();
        machine.kubectl_succeeds(&[&apply[..], &["-f", file.to_str().unwrap()]].concat());
        let rendered = pods_of(&objects(&manifest));
        assert!(!rendered.is_empty());
        for pod in rendered {
            pods.create(&dry, &pod).await.unwrap_or_else(|error| panic!("{}: {error}", values.display()));
        }
    }
    for folder in ["deploy/overlays/full", "deploy/overlays/single"] {
        machine.kubectl_succeeds(&[&apply[..], &["-k", repository(folder).to_str().unwrap()]].concat());
    }
    // And it would refuse what is not restricted.
    let mut pod = pods_of(&objects(&helm.template(&values("default")))).remove(0);
    pod.spec.as_mut().unwrap().security_context = None;
    let refused = pods.create(&dry, &pod).await.unwrap_err();
    assert!(refused.to_string().contains("PodSecurity"), "{refused}");
    stop(machine).await;
}

/// The pods that these objects are or would start, as an account that is there.
fn pods_of(objects: &[Value]) -> Vec<Pod> {
    let template = |object: &Value| match object["kind"].as_str() {
        Some("Deployment") => Some(object["spec"]["template"].clone()),
        Some("Pod") => Some(object.clone()),
        _ => None,
    };
    let pod = |mut template: Value| {
        template["metadata"]["name"] = json!("any");
        template["spec"]["serviceAccountName"] = json!("anybody");
        template["kind"] = json!("Pod");
        template["apiVersion"] = json!("v1");
        serde_json::from_value(template).unwrap()
    };
    objects.iter().filter_map(template).map(pod).collect()
}
