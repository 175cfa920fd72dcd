//! One manifest as it is written: in the order in which people write it, and without what is the default.

use std::collections::BTreeMap;

use serde::Serialize;
use serde_json::{Map, Value};

use crate::{
    core::{Level, RemovalPolicy},
    kinds::{
        cluster::crd::AuthMethod,
        database::crd::{DatabaseDeletionPolicy, DatabaseOptions},
        schema::{ClusterRef, GROUP, LocalRef},
    },
};

/// A manifest as text, and where it belongs.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Document {
    /// The folder of its kind, empty for the one that has none.
    pub(super) folder: &'static str,
    /// The resource's name.
    pub(super) name: String,
    /// The manifest with the comments above it, without `---`.
    pub(super) text: String,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Manifest<'a, S> {
    api_version: String,
    kind: &'static str,
    metadata: Metadata<'a>,
    spec: S,
}

#[derive(Serialize)]
struct Metadata<'a> {
    name: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    namespace: Option<&'a str>,
}

/// The spec of an ArangoCluster.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Cluster {
    pub(super) endpoints: Vec<String>,
    pub(super) auth: Auth,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) tls: Option<Tls>,
}

#[derive(Debug, Default, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Auth {
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) secret_ref: Option<LocalRef>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) jwt_secret_ref: Option<LocalRef>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) method: Option<AuthMethod>,
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Tls {
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) ca_ref: Option<Ca>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) client_certificate_secret_ref: Option<LocalRef>,
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub(super) insecure_skip_verify: bool,
}

#[derive(Debug, Serialize)]
pub(super) struct Ca {
    pub(super) kind: &'static str,
    pub(super) name: String,
}

/// The spec of an ArangoDatabase.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Database<'a> {
    pub(super) cluster_ref: &'a ClusterRef,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) name: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) options: Option<DatabaseOptions>,
    pub(super) deletion_policy: DatabaseDeletionPolicy,
}

/// The spec of an ArangoUser.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct User<'a> {
    pub(super) cluster_ref: &'a ClusterRef,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) name: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) active: Option<bool>,
    #[serde(skip_serializing_if = "Map::is_empty")]
    pub(super) extra: Map<String, Value>,
    pub(super) deletion_policy: RemovalPolicy,
}

/// The spec of an ArangoPermission.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Permission<'a> {
    pub(super) cluster_ref: &'a ClusterRef,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) user_ref: Option<LocalRef>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) user: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) database_ref: Option<LocalRef>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) database: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) access: Option<Level>,
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub(super) collections: BTreeMap<String, Level>,
    pub(super) deletion_policy: RemovalPolicy,
}

/// Writes a manifest, below its comments.
pub(super) fn write<S: Serialize>(
    kind: &'static str,
    folder: &'static str,
    (namespace, name): (Option<&str>, &str),
    comments: &[String],
    spec: S,
) -> anyhow::Result<Document> {
    let metadata = Metadata { name, namespace };
    let manifest = Manifest { api_version: format!("{GROUP}/v1alpha1"), kind, metadata, spec };
    let comments: String = comments.iter().map(|comment| self::comment(comment)).collect();
    let text = comments + &serde_saphyr::to_string(&manifest)?;
    Ok(Document { folder, name: name.to_owned(), text })
}

/// Lines of comment, whatever is in the text: none of it gets out of its line.
pub(super) fn comment(text: &str) -> String {
    const WIDTH: usize = 110;
    let mut lines = String::new();
    let mut line = String::new();
    let text: String = text
        .chars()
        .map(|c| if c.is_control() || "\u{85}\u{2028}\u{2029}\u{feff}".contains(c) { ' ' } else { c })
        .collect();
    for word in text.split(' ').filter(|word| !word.is_empty()) {
        if !line.is_empty() && line.chars().count() + word.chars().count() > WIDTH {
            lines.extend(["#", &line, "\n"]);
            line.clear();
        }
        line.extend([" ", word]);
    }
    lines.extend(["#", &line, "\n"]);
    lines
}
