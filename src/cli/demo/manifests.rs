//! The manifests of `examples/`, which are part of the binary: the demo runs without a checkout.

use anyhow::{Context, Result, anyhow};
use kube::core::DynamicObject;
use serde_json::{Value, json};

/// Name and text, in the order in which kubectl would apply the folder.
const QUICKSTART: [(&str, &str); 5] = [
    ("00-namespace.yaml", include_str!("../../../examples/quickstart/00-namespace.yaml")),
    ("10-cluster.yaml", include_str!("../../../examples/quickstart/10-cluster.yaml")),
    ("20-databases.yaml", include_str!("../../../examples/quickstart/20-databases.yaml")),
    ("30-users.yaml", include_str!("../../../examples/quickstart/30-users.yaml")),
    ("40-permissions.yaml", include_str!("../../../examples/quickstart/40-permissions.yaml")),
];

/// One more database, user and right, for the person who tries the demo to apply.
pub(super) const TENANT: &str = include_str!("../../../examples/tenant.yaml");

/// The objects of `examples/quickstart` in file order; its connection leads to `endpoints`, with that root password.
pub(super) fn quickstart(endpoints: &[String], root_password: &str) -> Result<Vec<DynamicObject>> {
    let mut documents = Vec::new();
    for (name, text) in QUICKSTART {
        documents.extend(parse(text).with_context(|| format!("examples/quickstart/{name}"))?);
    }
    let account = connect(&mut documents, endpoints)
        .ok_or_else(|| anyhow!("examples/quickstart has no ArangoCluster with spec.auth.secretRef"))?;
    let secret = documents
        .iter_mut()
        .find(|document| document["kind"] == "Secret" && document["metadata"]["name"] == *account)
        .ok_or_else(|| anyhow!("examples/quickstart has no Secret {account}"))?;
    secret["stringData"]["password"] = json!(root_password);
    documents
        .into_iter()
        .map(|document| serde_json::from_value(document).context("examples/quickstart has no manifest"))
        .collect()
}

/// The documents of one file.
fn parse(text: &str) -> Result<Vec<Value>> {
    Ok(serde_saphyr::from_multiple(text)?)
}

/// Leads the connection to `endpoints`. Returns the name of the Secret that it logs in with.
fn connect(documents: &mut [Value], endpoints: &[String]) -> Option<String> {
    let cluster = documents.iter_mut().find(|document| document["kind"] == "ArangoCluster")?;
    cluster["spec"]["endpoints"] = json!(endpoints);
    cluster["spec"]["auth"]["secretRef"]["name"].as_str().map(str::to_owned)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_connection_leads_to_where_it_is_told_and_the_rest_stays() {
        let endpoints = ["http://127.0.0.1:1".to_owned()];
        let objects = quickstart(&endpoints, "canary").unwrap();
        let kinds: Vec<_> = objects.iter().map(|o| o.types.as_ref().unwrap().kind.as_str()).collect();
        assert_eq!(kinds[..3], ["Namespace", "Secret", "ArangoCluster"]);
        assert_eq!(kinds.len(), 13);
        assert_eq!(objects[1].data["stringData"], json!({"username": "root", "password": "canary"}));
        assert_eq!(objects[2].data["spec"]["endpoints"], json!(endpoints));
        assert_eq!(objects[2].data["spec"]["drift"], json!({"interval": "10s"}));
    }

    #[test]
    fn every_file_that_kustomize_would_apply_is_embedded() {
        let list: Value =
            serde_saphyr::from_str(include_str!("../../../examples/quickstart/kustomization.yaml")).unwrap();
        assert_eq!(list["resources"], json!(QUICKSTART.map(|(name, _)| name)));
    }

    #[test]
    fn the_tenant_is_in_the_wrong_order() {
        let kinds: Vec<_> = parse(TENANT).unwrap().into_iter().map(|d| d["kind"].clone()).collect();
        assert_eq!(kinds, ["ArangoPermission", "ArangoUser", "ArangoDatabase"]);
    }
}
