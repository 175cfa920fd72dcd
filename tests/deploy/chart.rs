//! The chart without a control plane: what Helm makes of it, what it refuses, and that kustomize gives the same.

use std::{
    collections::{BTreeMap, BTreeSet},
    process::Command,
};

use arango_operator::control_plane::{Progress, Tools};
use serde::Deserialize;
use serde_json::{Map, Value, json};

use crate::{
    helm::{Helm, all_values, chart, object, objects, values},
    machine::repository,
};

#[tokio::test]
async fn helm_finds_no_fault_with_the_chart_whatever_is_set() {
    let Some(helm) = Helm::find().await else { return };
    let chart = chart();
    for values in all_values() {
        let values = format!("--values={}", values.display());
        let said =
            helm.succeeds(&["lint", "--strict", chart.to_str().unwrap(), "--kube-version=1.31.0", &values]);
        assert!(!said.contains("[WARNING]") && !said.contains("[ERROR]"), "{values}: {said}");
    }
    let folder = tempfile::tempdir().unwrap();
    let folder = format!("--destination={}", folder.path().display());
    let said = helm.succeeds(&["package", chart.to_str().unwrap(), &folder]);
    assert!(said.contains(&format!("arango-operator-{}.tgz", env!("CARGO_PKG_VERSION"))), "{said}");
}

/// A value that the chart refuses.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Bad {
    what: String,
    values: Value,
    /// Parts of what is said.
    says: Vec<String>,
}

#[tokio::test]
async fn a_bad_value_is_refused_by_its_name_and_with_a_reason() {
    let Some(helm) = Helm::find().await else { return };
    let table = std::fs::read_to_string(repository("tests/deploy/bad_values.yaml")).unwrap();
    let table: Vec<Bad> = serde_saphyr::from_str(&table).unwrap();
    let folder = tempfile::tempdir().unwrap();
    for Bad { what, values, says } in table {
        let path = folder.path().join("values.json");
        std::fs::write(&path, values.to_string()).unwrap();
        let said = helm.refuses(&path);
        assert!(says.len() >= 2, "{what}: which value, and what is wrong with it");
        for part in says {
            assert!(said.contains(&part), "{what}: {part:?} is not in: {said}");
        }
    }
}

#[tokio::test]
async fn every_value_that_is_set_is_found_in_what_is_installed() {
    let Some(helm) = Helm::find().await else { return };
    let path = values("everything-set");
    let mut set: Value = serde_saphyr::from_str(&std::fs::read_to_string(&path).unwrap()).unwrap();
    // Names what the other names are made of.
    set.as_object_mut().unwrap().remove("nameOverride");
    let manifest = helm.template(&path);
    let mut texts = Vec::new();
    for object in objects(&manifest) {
        scalars(&object, &mut texts);
    }
    let mut expected = Vec::new();
    scalars(&set, &mut expected);
    assert!(expected.len() > 60, "{expected:?}");
    for value in expected {
        assert!(texts.iter().any(|text| text.contains(&value)), "{value:?} was set and is nowhere");
    }
    // And what can be set is in that file, but for what it would switch off.
    let all: Value =
        serde_saphyr::from_str(&std::fs::read_to_string(chart().join("values.yaml")).unwrap()).unwrap();
    let unset: Vec<_> =
        all.as_object().unwrap().keys().filter(|name| set.get(name.as_str()).is_none()).collect();
    let switches = ["crds", "global", "kubeArangodb", "nameOverride", "rbac"];
    let beside = ["securityContext", "tests", "watchNamespaces"];
    assert_eq!(unset, [&switches[..], &beside].concat(), "not in {}", path.display());
}

/// All texts and numbers in it, as text.
fn scalars(value: &Value, texts: &mut Vec<String>) {
    match value {
        Value::Object(map) => map.values().for_each(|value| scalars(value, texts)),
        Value::Array(list) => list.iter().for_each(|value| scalars(value, texts)),
        Value::String(text) => texts.push(text.clone()),
        Value::Number(number) => texts.push(number.to_string()),
        Value::Null | Value::Bool(_) => {}
    }
}

#[tokio::test]
async fn a_digest_is_what_counts_of_an_image() {
    let Some(helm) = Helm::find().await else { return };
    let objects = objects(&helm.template(&values("everything-set")));
    let image = "registry.example:5000/mirror/arango-operator:0.1.0-rc.1@sha256:\
                 e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855";
    let template = &object(&objects, "Deployment", "tenants")["spec"]["template"]["spec"];
    assert_eq!(template["containers"][0]["image"], image);
    assert_eq!(object(&objects, "Pod", "tenants-test")["spec"]["containers"][0]["image"], image);
}

#[tokio::test]
async fn nothing_says_as_which_user_id_it_runs() {
    let Some(helm) = Helm::find().await else { return };
    for values in all_values() {
        let manifest = helm.template(&values);
        assert!(
            !manifest.contains("runAsUser:") && !manifest.contains("runAsGroup:"),
            "{}",
            values.display()
        );
    }
}

#[tokio::test]
async fn no_tool_deletes_the_definitions_with_the_release() {
    let Some(helm) = Helm::find().await else { return };
    let objects = objects(&helm.template(&values("default")));
    let definitions = objects.iter().filter(|object| object["kind"] == "CustomResourceDefinition");
    let annotations: Vec<_> = definitions.map(|object| &object["metadata"]["annotations"]).collect();
    assert_eq!(annotations.len(), 4);
    for annotations in annotations {
        assert_eq!(annotations["helm.sh/resource-policy"], "keep");
        assert_eq!(annotations["argocd.argoproj.io/sync-options"], "Prune=false,Delete=false");
    }
}

#[tokio::test]
async fn selectors_find_the_operators_pods_and_not_the_one_of_helm_test() {
    let Some(helm) = Helm::find().await else { return };
    let objects = objects(&helm.template(&values("everything-set")));
    let spec = |kind, name| &object(&objects, kind, name)["spec"];
    let selectors = [
        &spec("Deployment", "tenants")["selector"]["matchLabels"],
        &spec("Service", "tenants-metrics")["selector"],
        &spec("PodDisruptionBudget", "tenants")["selector"]["matchLabels"],
        &spec("NetworkPolicy", "tenants")["podSelector"]["matchLabels"],
    ];
    let pod = &spec("Deployment", "tenants")["template"]["metadata"]["labels"];
    let test = &object(&objects, "Pod", "tenants-test")["metadata"]["labels"];
    let selects = |selector: &Value, labels: &Value| {
        let selector = selector.as_object().unwrap();
        assert!(!selector.is_empty());
        selector.iter().all(|(name, value)| labels[name] == *value)
    };
    for selector in selectors {
        assert!(selects(selector, pod), "{selector} {pod}");
        assert!(!selects(selector, test), "{selector} {test}");
    }
    let service = &object(&objects, "Service", "tenants-metrics")["metadata"]["labels"];
    assert!(selects(&spec("ServiceMonitor", "tenants")["selector"]["matchLabels"], service), "{service}");
    let endpoint = "--endpoint=http://tenants-metrics.arango-operator.svc:9091";
    let arguments = &spec("Pod", "tenants-test")["containers"][0]["args"];
    assert!(arguments.as_array().unwrap().contains(&json!(endpoint)), "{arguments}");
}

/// What the chart gives with a file of values, and the kustomizations that give the same together.
const PAIRS: [(&str, &[&str]); 4] = [
    ("default", &["deploy"]),
    ("namespaced", &["deploy/namespaced", "deploy/namespaced/kube-arangodb"]),
    ("single", &["deploy/overlays/single"]),
    ("full", &["deploy/overlays/full"]),
];

#[tokio::test]
async fn the_chart_and_the_kustomizations_give_the_same_objects() {
    let Some(helm) = Helm::find().await else { return };
    let tools = Tools::find(&|_: Progress| {}).await.unwrap();
    let kubectl = tools.kubectl.expect("these tests need kubectl; the built tools have it");
    for (name, folders) in PAIRS {
        let mut kustomized = Vec::new();
        for folder in folders {
            let output = Command::new(&kubectl).arg("kustomize").arg(repository(folder)).output().unwrap();
            assert!(output.status.success(), "{folder}: {output:?}");
            kustomized.extend(objects(&String::from_utf8(output.stdout).unwrap()));
        }
        // Helm makes no namespace but by a flag.
        kustomized.retain(|object| object["kind"] != "Namespace");
        let mut templated = objects(&helm.template(&values(name)));
        // Only `helm test` starts it.
        templated.retain(|object| object["metadata"]["annotations"]["helm.sh/hook"].is_null());
        let (templated, kustomized) = (by_name(templated), by_name(kustomized));
        let names = |objects: &BTreeMap<String, Value>| objects.keys().cloned().collect::<Vec<_>>();
        assert_eq!(names(&templated), names(&kustomized), "{name}");
        for (object, by_helm) in &templated {
            let mut differences = Vec::new();
            compare("", by_helm, &kustomized[object], &mut differences);
            assert!(differences.is_empty(), "{name}: {object}, by Helm and by kustomize: {differences:#?}");
        }
    }
}

/// Collects where two values differ, each with its path.
fn compare(path: &str, one: &Value, other: &Value, differences: &mut Vec<String>) {
    match (one, other) {
        (Value::Object(a), Value::Object(b)) => {
            let names: BTreeSet<_> = a.keys().chain(b.keys()).collect();
            for name in names {
                compare(&format!("{path}.{name}"), &one[name], &other[name], differences);
            }
        }
        (Value::Array(a), Value::Array(b)) if a.len() == b.len() => {
            for (index, (one, other)) in a.iter().zip(b).enumerate() {
                compare(&format!("{path}[{index}]"), one, other, differences);
            }
        }
        _ if one == other => {}
        _ => differences.push(format!("{path}: {one} and {other}")),
    }
}

/// Comparable objects, by kind and name.
fn by_name(objects: Vec<Value>) -> BTreeMap<String, Value> {
    let mut named = BTreeMap::new();
    for mut object in objects {
        let metadata = &object["metadata"];
        let name = format!("{} {}/{}", object["kind"], metadata["namespace"], metadata["name"]);
        without_helm(&mut object);
        assert!(named.insert(name.clone(), object).is_none(), "{name} twice");
    }
    named
}

/// Takes out what Helm alone has, and says in one way what can be said in two.
fn without_helm(value: &mut Value) {
    const HELMS: [&str; 6] = [
        "app.kubernetes.io/instance",
        "app.kubernetes.io/managed-by",
        "app.kubernetes.io/version",
        "argocd.argoproj.io/sync-options",
        "helm.sh/chart",
        "helm.sh/resource-policy",
    ];
    match value {
        Value::Object(map) => {
            map.retain(|name, _| !HELMS.contains(&name.as_str()));
            map.values_mut().for_each(without_helm);
            // Left over of an object that had Helm's alone.
            if map.get("annotations").and_then(Value::as_object).is_some_and(Map::is_empty) {
                map.remove("annotations");
            }
            // The namespace that it is in, which a kustomization doesn't know.
            if map.get("name") == Some(&json!("ARANGO_OPERATOR_NAMESPACE")) && map.contains_key("valueFrom") {
                assert_eq!(map["valueFrom"]["fieldRef"]["fieldPath"], "metadata.namespace");
                *value = json!({"name": "ARANGO_OPERATOR_NAMESPACE", "value": "arango-operator"});
            }
        }
        Value::Array(list) => {
            list.iter_mut().for_each(without_helm);
            // Their order means nothing as long as none refers to another.
            let variable =
                |value: &Value| value.get("name").is_some() && value.as_object().unwrap().len() == 2;
            if list.iter().all(variable) {
                list.sort_by_key(|value| value["name"].to_string());
            }
        }
        _ => {}
    }
}
