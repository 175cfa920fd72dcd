//! The manifests on the pages, taken by a real API server without being stored.

use arango_operator::control_plane::{ControlPlane, Options};
use serde_json::{Value, json};
use tokio::{io::AsyncWriteExt, process::Command};

use crate::page::{Block, Page, root};

const VERSION: &str = "arango-operator.dev/v1alpha1";

/// A block of YAML, and what it is.
enum Sort {
    /// Whole manifests.
    Whole,
    /// What a page shows of a manifest of that kind.
    Part(String),
    /// Something else, or somebody else's; a page says so.
    Other,
}

fn sort(block: &Block) -> Result<Sort, String> {
    if let Some(kind) = block.note("part of") {
        return Ok(Sort::Part(kind.to_owned()));
    }
    if block.note("not a manifest").is_some() || block.note("not run").is_some() {
        return Ok(Sort::Other);
    }
    if block.text.contains("kustomize.config.k8s.io") {
        // Read by kubectl and never sent.
        return Ok(Sort::Other);
    }
    let whole = |document: &str| document.contains("apiVersion:") && document.contains("kind:");
    if documents(&block.text).iter().all(|document| whole(document)) {
        return Ok(Sort::Whole);
    }
    Err("is no whole manifest; write `part of KIND` or `not a manifest: …` before it".to_owned())
}

fn documents(text: &str) -> Vec<String> {
    let parts = text.split("---\n").map(str::to_owned);
    parts.filter(|part| part.lines().any(|line| !line.trim().is_empty() && !line.starts_with('#'))).collect()
}

/// A whole manifest of which the part is a part.
fn completed(kind: &str, part: &str) -> Result<Value, String> {
    let mut part: Value = serde_saphyr::from_str(part).map_err(|error| error.to_string())?;
    let kind = part["kind"].as_str().unwrap_or(kind).to_owned();
    let cluster = json!({"clusterRef": {"name": "prod"}});
    let mut spec = match kind.as_str() {
        "ArangoCluster" => {
            json!({"endpoints": ["https://c.example:8529"], "auth": {"secretRef": {"name": "root"}}})
        }
        "ArangoPermission" => json!({"clusterRef": {"name": "prod"}, "access": "ro"}),
        _ => cluster,
    };
    if kind == "ArangoPermission" {
        for (name, reference) in [("user", "userRef"), ("database", "databaseRef")] {
            if part["spec"].get(reference).is_none() {
                spec[name] = name.into();
            }
        }
    }
    if part["spec"].get("deploymentRef").is_some() {
        spec = json!({});
    }
    let mut whole = json!({"apiVersion": VERSION, "kind": kind, "metadata": {"name": "part"}, "spec": spec});
    merge(&mut whole, part.take());
    Ok(whole)
}

fn merge(into: &mut Value, from: Value) {
    match (into, from) {
        (Value::Object(into), Value::Object(from)) => {
            for (name, value) in from {
                merge(into.entry(name).or_insert(Value::Null), value);
            }
        }
        (into, from) => *into = from,
    }
}

/// What the API server says against the manifests on the pages, and how many it took.
pub(crate) async fn taken(pages: &[Page]) -> (usize, Vec<String>) {
    let plane = ControlPlane::start(Options::default(), &|_| {}).await.unwrap();
    let crds = root().join("crds");
    kubectl(&plane, &["apply", "--server-side", "-k", crds.to_str().unwrap()], "").await.unwrap();
    kubectl(&plane, &["wait", "crd", "--all", "--for=condition=Established"], "").await.unwrap();
    let (mut taken, mut wrong) = (0, Vec::new());
    let mut namespaces = vec![String::new(), "default".to_owned()];
    for page in pages {
        for block in page.blocks.iter().filter(|block| ["yaml", "yml"].contains(&block.language.as_str())) {
            match take(&plane, block, &mut namespaces).await {
                Ok(count) => taken += count,
                Err(why) => wrong.push(format!("{}:{}: {why}", page.name, block.line)),
            }
        }
    }
    plane.stop().await.unwrap();
    (taken, wrong)
}

async fn take(plane: &ControlPlane, block: &Block, namespaces: &mut Vec<String>) -> Result<usize, String> {
    let manifests = match sort(block)? {
        Sort::Other => return Ok(0),
        Sort::Whole => documents(&block.text),
        Sort::Part(kind) => {
            let documents = documents(&block.text);
            let wholes = documents.iter().map(|part| completed(&kind, part));
            wholes.map(|whole| whole.map(|whole| whole.to_string())).collect::<Result<_, _>>()?
        }
    };
    for manifest in &manifests {
        let value: Value = serde_saphyr::from_str(manifest).map_err(|error| error.to_string())?;
        let named = if value["kind"] == "Namespace" {
            &value["metadata"]["name"]
        } else {
            &value["metadata"]["namespace"]
        };
        let namespace = named.as_str().unwrap_or_default().to_owned();
        if !namespaces.contains(&namespace) {
            kubectl(plane, &["create", "namespace", &namespace], "").await?;
            namespaces.push(namespace);
        }
        // Somebody else's kinds are not installed here, and a page that shows one says so (`not a manifest`).
        kubectl(
            plane,
            &["apply", "--server-side", "--dry-run=server", "--validate=strict", "-f", "-"],
            manifest,
        )
        .await?;
    }
    Ok(manifests.len())
}

async fn kubectl(plane: &ControlPlane, arguments: &[&str], input: &str) -> Result<(), String> {
    let mut command = Command::new(plane.kubectl().expect("the tools of the control plane include kubectl"));
    command.arg("--kubeconfig").arg(plane.kubeconfig_path()).args(arguments);
    command.arg("--cache-dir").arg(plane.data_dir().join("kubectl-cache"));
    command.stdin(std::process::Stdio::piped()).stdout(std::process::Stdio::null());
    command.stderr(std::process::Stdio::piped()).kill_on_drop(true);
    let mut child = command.spawn().unwrap();
    let mut stdin = child.stdin.take().unwrap();
    stdin.write_all(input.as_bytes()).await.unwrap();
    drop(stdin);
    let output = child.wait_with_output().await.unwrap();
    if output.status.success() { Ok(()) } else { Err(String::from_utf8_lossy(&output.stderr).into_owned()) }
}
