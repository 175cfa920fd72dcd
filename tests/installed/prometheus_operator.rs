//! The Prometheus operator's own resource definitions, from its Go module.

use std::path::{Path, PathBuf};

use serde_json::Value;

use crate::installed::{answer, missing};

const MODULE: &str = "github.com/prometheus-operator/prometheus-operator@v0.85.0";
const SUM: &str = "h1:M5xLCLEoaW2IJfnuCwFzzpL+jSVQu3KGT84Pye+fW8s=";

/// The file with the definition of a kind, by its plural. `None` if there is no Go.
pub(crate) async fn definition(plural: &str) -> Option<PathBuf> {
    let Some(module) = answer("go", &["mod", "download", "-json", MODULE]).await else {
        return missing("Go, and its module proxy");
    };
    let module: Value = serde_json::from_str(&module).unwrap();
    assert_eq!(module["Sum"], SUM, "{module}");
    let folder = Path::new(module["Dir"].as_str().unwrap()).join("example/prometheus-operator-crd");
    Some(folder.join(format!("monitoring.coreos.com_{plural}.yaml")))
}
