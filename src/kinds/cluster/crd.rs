//! The custom resource ArangoCluster.

use std::time::Duration;

use kube::CustomResource;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

pub use super::status::Deployment;
use super::{
    access::{self, AccessRule},
    status,
};
use crate::{
    core::{DriftPolicy, condition::Condition},
    kinds::schema::{LocalRef, Rule},
};

/// How to reach an ArangoDB deployment that already runs: one server, or many coordinators.
#[derive(CustomResource, Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[kube(
    group = "arango-operator.dev",
    version = "v1alpha1",
    kind = "ArangoCluster",
    plural = "arangoclusters",
    shortname = "arcl",
    category = "arangodata",
    namespaced,
    status = "ClusterStatus",
    derive = "PartialEq",
    printcolumn = r#"{"name":"Ready","type":"string","jsonPath":".status.conditions[?(@.type==\"Ready\")].status"}"#,
    printcolumn = r#"{"name":"Reason","type":"string","jsonPath":".status.conditions[?(@.type==\"Ready\")].reason"}"#,
    printcolumn = r#"{"name":"Mode","type":"string","jsonPath":".status.deployment.mode"}"#,
    printcolumn = r#"{"name":"Version","type":"string","jsonPath":".status.deployment.version"}"#,
    printcolumn = r#"{"name":"Message","type":"string","jsonPath":".status.conditions[?(@.type==\"Ready\")].message","priority":1}"#,
    printcolumn = r#"{"name":"Age","type":"date","jsonPath":".metadata.creationTimestamp"}"#
)]
#[serde(rename_all = "camelCase")]
pub struct ArangoClusterSpec {
    /// Addresses of the coordinators, or of the one single server: http://host:port or https://host:port; the port
    /// is 8529 if left out. Either these or deploymentRef.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(min = 1, max = 64), inner(length(min = 1, max = 512)))]
    pub endpoints: Vec<String>,
    /// An ArangoDeployment of kube-arangodb in the same namespace, instead of endpoints. Its servers, whom to trust, and
    /// the secret to sign in with are taken from it, and changes of it are followed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(with = "LocalRef")]
    pub deployment_ref: Option<LocalRef>,
    /// How requests are spread over the coordinators that work. RoundRobin if left out.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(with = "LoadBalancing")]
    pub load_balancing: Option<LoadBalancing>,
    /// How the operator logs in. Can be left out with deploymentRef alone: the operator then signs tokens with the
    /// secret of that deployment.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(with = "Auth")]
    pub auth: Option<Auth>,
    /// How servers are believed, for https endpoints. The system's certificates are trusted if left out. Not with
    /// deploymentRef, which says it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(with = "Tls")]
    pub tls: Option<Tls>,
    /// Who else may use this connection, and for what. This namespace may do all that the connection's account may;
    /// any other one only what a rule that selects it allows. No other one if left out.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 64))]
    pub access: Vec<AccessRule>,
    /// How often what is declared is compared with what is there, and what is done about a difference.
    #[serde(default)]
    pub drift: Drift,
    /// Limits of the operator's own requests.
    #[serde(default)]
    pub requests: Requests,
}

/// How requests are spread over the coordinators.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[schemars(description = "")] // the field says it; a text here would take its place
pub enum LoadBalancing {
    /// One after the other.
    RoundRobin,
    /// At random.
    Random,
}

/// How the operator logs in.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
#[schemars(description = "")] // the field says it; a text here would take its place
pub struct Auth {
    /// A Secret in the same namespace with the keys username and password. The account needs rw on _system.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(with = "LocalRef")]
    pub secret_ref: Option<LocalRef>,
    /// A Secret in the same namespace with the deployment's own JWT secret: the operator signs tokens with it, each for
    /// a minute, and is the superuser, whom no right binds. Instead of secretRef.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(with = "JwtSecretRef")]
    pub jwt_secret_ref: Option<JwtSecretRef>,
    /// JWT (log in once, then send a token) or Basic (send the password with each request). JWT if left out. Only with
    /// secretRef.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(with = "AuthMethod")]
    pub method: Option<AuthMethod>,
}

/// Where the secret is that a deployment's tokens are signed with.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
#[schemars(description = "")] // the field says it; a text here would take its place
pub struct JwtSecretRef {
    /// The name of a Secret in the same namespace.
    #[schemars(length(min = 1, max = 253))]
    pub name: String,
    /// The key in the Secret: what is in the servers' --server.jwt-secret-keyfile, 1 to 64 bytes; white space around it
    /// doesn't count. token if left out.
    #[serde(default = "token")]
    #[schemars(default = "token", length(min = 1, max = 253))]
    pub key: String,
}

/// A way to log in.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[schemars(description = "")] // the field says it; a text here would take its place
pub enum AuthMethod {
    /// A token, renewed before it ends.
    #[serde(rename = "JWT")]
    Jwt,
    /// HTTP Basic.
    Basic,
}

/// How servers are believed, and how the operator shows itself to them.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
#[schemars(description = "")] // the field says it; a text here would take its place
pub struct Tls {
    /// Certificates in PEM that alone are trusted, instead of the system's.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(with = "CaRef")]
    pub ca_ref: Option<CaRef>,
    /// A Secret in the same namespace with the keys tls.crt and tls.key: the operator's own certificate, for servers
    /// that ask for one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(with = "LocalRef")]
    pub client_certificate_secret_ref: Option<LocalRef>,
    /// Whether every certificate is believed. Whoever is on the way to the server can then read the operator's
    /// password; the status says so. Not if left out.
    #[serde(default)]
    pub insecure_skip_verify: bool,
}

/// Where certificates are.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
#[schemars(description = "")] // the field says it; a text here would take its place
pub struct CaRef {
    /// The name of a Secret in the same namespace.
    #[schemars(length(min = 1, max = 253))]
    pub name: String,
    /// The key in the Secret. ca.crt if left out.
    #[serde(default = "ca_crt")]
    #[schemars(default = "ca_crt", length(min = 1, max = 253))]
    pub key: String,
}

/// How often what is declared is compared with what is there, and what is done about a difference.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Drift {
    /// Time between two comparisons, such as 30s, 5m or 1h; at least 1s. Made up to a tenth shorter or longer, so
    /// that many clusters don't fall into step. 5m if left out.
    #[serde(default = "five_minutes")]
    #[schemars(default = "five_minutes", length(max = 16), regex(pattern = DURATION))]
    pub interval: String,
    /// What is done about differences, where a resource says nothing itself: Correct puts them right, Observe writes
    /// nothing to the server and lists in each resource's status.pending what it would do. Correct if left out.
    #[serde(default)]
    #[schemars(default)]
    pub policy: DriftPolicy,
}

/// Limits of the operator's own requests.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Requests {
    /// How long a request may take, moving on to other coordinators included, such as 30s. 30s if left out.
    #[serde(default = "thirty_seconds")]
    #[schemars(default = "thirty_seconds", length(max = 16), regex(pattern = DURATION))]
    pub timeout: String,
    /// How many requests to the deployment may be under way at once, at most: where answers only take longer, fewer are.
    /// 32 if left out.
    #[serde(default = "thirty_two")]
    #[schemars(default = "thirty_two", range(min = 1, max = 1024), extend("format" = "int32"))]
    pub max_concurrent: u32,
}

/// Whole seconds, minutes and hours, at least one second.
const DURATION: &str = "^([1-9][0-9]{0,4}h)?([1-9][0-9]{0,4}m)?([1-9][0-9]{0,4}s)?$";

fn token() -> String {
    "token".to_owned()
}

fn ca_crt() -> String {
    "ca.crt".to_owned()
}

fn five_minutes() -> String {
    "5m".to_owned()
}

fn thirty_seconds() -> String {
    "30s".to_owned()
}

fn thirty_two() -> u32 {
    32
}

impl Default for Drift {
    fn default() -> Self {
        Self { interval: five_minutes(), policy: DriftPolicy::default() }
    }
}

impl Default for Requests {
    fn default() -> Self {
        Self { timeout: thirty_seconds(), max_concurrent: thirty_two() }
    }
}

/// Reads a duration as the schema allows it.
pub fn duration(text: &str) -> Result<Duration, String> {
    let wrong = || {
        format!("{text:?} is not a duration; write whole hours, minutes and seconds, such as 1h, 5m or 90s")
    };
    let (mut seconds, mut digits) = (0_u64, String::new());
    for c in text.chars() {
        let unit = match c {
            '0'..='9' => {
                digits.push(c);
                continue;
            }
            'h' => 3600,
            'm' => 60,
            's' => 1,
            _ => return Err(wrong()),
        };
        let number: u32 = digits.parse().map_err(|_| wrong())?;
        seconds += u64::from(number) * unit;
        digits.clear();
    }
    if seconds == 0 || !digits.is_empty() {
        return Err(wrong());
    }
    Ok(Duration::from_secs(seconds))
}

/// Status of an ArangoCluster.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct ClusterStatus {
    /// The generation of the spec that the last pass looked at; -1 before the first.
    #[serde(default = "never")]
    pub observed_generation: i64,
    /// Ready, Stalled while a person must act, and `DeploymentChanged` while another deployment answers than before.
    #[serde(default)]
    #[schemars(length(max = 16), extend("x-kubernetes-list-type" = "map", "x-kubernetes-list-map-keys" = ["type"]))]
    pub conditions: Vec<Condition>,
    /// The installation of the operator that looks after it: namespace and name of its Lease.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 317))]
    pub installation: Option<String>,
    /// What the deployment says of itself.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub deployment: Option<Deployment>,
    /// The coordinators, in the order of spec.endpoints or by name.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 64))]
    pub coordinators: Vec<status::Coordinator>,
    /// The servers as the cluster's own health shows them, by id.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 256))]
    pub servers: Vec<status::Server>,
    /// What resources declare and is there.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub managed: Option<status::Managed>,
    /// What is there and no resource declares; _system and root apart. Nothing of it is ever touched.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub unmanaged: Option<status::Unmanaged>,
    /// Maintenance, while it is on or asked for.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub maintenance: Option<status::Maintenance>,
    /// The annotation arango-operator.dev/reconcile-at that was obeyed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 256))]
    pub reconcile_at: Option<String>,
}

fn never() -> i64 {
    -1
}

impl Default for ClusterStatus {
    fn default() -> Self {
        Self {
            observed_generation: never(),
            conditions: Vec::new(),
            installation: None,
            deployment: None,
            coordinators: Vec::new(),
            servers: Vec::new(),
            managed: None,
            unmanaged: None,
            maintenance: None,
            reconcile_at: None,
        }
    }
}

/// What the API server checks beside the schema.
pub const RULES: &[Rule] = &[
    Rule::new(
        "",
        "has(self.spec.endpoints) != has(self.spec.deploymentRef)",
        "write either spec.endpoints or spec.deploymentRef, and not both",
    ),
    Rule::new(
        "auth",
        "has(self.spec.deploymentRef) || (has(self.spec.auth) && (has(self.spec.auth.secretRef) || \
         has(self.spec.auth.jwtSecretRef)))",
        "spec.auth needs secretRef (user name and password) or jwtSecretRef (the deployment's JWT secret)",
    ),
    Rule::new(
        "auth",
        "!has(self.spec.auth) || !has(self.spec.auth.secretRef) || !has(self.spec.auth.jwtSecretRef)",
        "spec.auth takes secretRef or jwtSecretRef, not both",
    ),
    Rule::new(
        "auth.method",
        "!has(self.spec.auth) || !has(self.spec.auth.method) || has(self.spec.auth.secretRef)",
        "spec.auth.method is about secretRef; leave it out",
    ),
    Rule::new(
        "tls",
        "!has(self.spec.tls) || !has(self.spec.deploymentRef)",
        "spec.tls can't be used with spec.deploymentRef: the ArangoDeployment says whom to trust; leave it out",
    ),
    Rule::new(
        "endpoints",
        "!has(self.spec.endpoints) || self.spec.endpoints.all(e, e.matches('^(https?|ssl|tcp)://[^/?#@\\\\s]+/?$'))",
        "each endpoint must be http://host:port or https://host:port, without user, path or query",
    ),
    Rule::new(
        "tls",
        "!has(self.spec.tls) || !has(self.spec.endpoints) || self.spec.endpoints.all(e, e.matches('^(https|ssl)://'))",
        "spec.tls says how https is trusted; write https:// in every endpoint, or leave spec.tls out",
    ),
    Rule::new(
        "drift.interval",
        "!has(self.spec.drift) || !has(self.spec.drift.interval) || self.spec.drift.interval != ''",
        "drift.interval must not be empty; write 30s, 5m or 1h, or leave it out",
    ),
    Rule::new(
        "requests.timeout",
        "!has(self.spec.requests) || !has(self.spec.requests.timeout) || self.spec.requests.timeout != ''",
        "requests.timeout must not be empty; write 30s, or leave it out",
    ),
    access::RULES[0],
    access::RULES[1],
    access::RULES[2],
    access::RULES[3],
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_are_read_as_the_schema_allows_them() {
        assert_eq!(duration("1h5m30s"), Ok(Duration::from_secs(3930)));
        assert_eq!(duration("90s"), Ok(Duration::from_secs(90)));
        for wrong in ["", "5", "m", "0s", "5d", "-1s"] {
            assert!(duration(wrong).is_err(), "{wrong:?}");
        }
    }
}
