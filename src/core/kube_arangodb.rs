//! What an `ArangoDeployment` of kube-arangodb says about how its servers are reached, by that operator's conventions
//! (kube-arangodb reference, sections 1 to 4 and 6). Only what is needed is read, and everything may be absent: the
//! definition lets any shape through, and a fresh object has no status.

use serde::Deserialize;
use serde_json::Value;

use super::Id;

/// Where kube-arangodb's resources are in the API.
pub const GROUP: &str = "database.arangodb.com";
/// The version that is stored.
pub const VERSION: &str = "v1";
/// The kind.
pub const KIND: &str = "ArangoDeployment";
/// Its plural.
pub const PLURAL: &str = "arangodeployments";

/// The name that switches TLS or authentication off instead of naming a Secret. Case-sensitive.
const NONE: &str = "None";
/// The port of every Service, whatever the containers' ports are.
const PORT: u16 = 8529;
/// Longest label of a DNS name; longer names of members lose the end of the deployment's part.
const LABEL_MAX: usize = 63;
/// Longest id of a member that is taken for one. They have 8 characters.
const MEMBER_MAX: usize = 32;
/// Leaves an `ArangoDeployment` alone altogether, if `true`.
const UNATTENDED: &str = "deployment.arangodb.com/maintenance";

/// An `ArangoDeployment`, as far as it matters here.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Deployment {
    /// Which one it is; another one of the same name is another deployment.
    pub uid: String,
    /// Whether it is being deleted.
    pub leaving: bool,
    /// The addresses of its servers, sorted. Empty while it has none.
    pub endpoints: Vec<String>,
    /// The Secrets with the authorities of its certificates; nothing without TLS.
    pub authority: Option<Authority>,
    /// Where the secret is that tokens are signed with; nothing without authentication.
    pub signing: Option<SigningKey>,
    /// Why kube-arangodb does nothing about it at present, if so.
    pub stuck: Option<&'static str>,
    /// Its switch for supervision maintenance.
    pub maintenance: Maintenance,
}

/// Where the authorities of a deployment's certificates are.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Authority {
    /// The Secret with public certificates only, each under a key of its own; old and new ones during a change.
    pub truststore: String,
    /// The Secret with the authority itself, under `ca.crt`: where there is no truststore. Beside it is its private key.
    pub ca: String,
}

/// Where the secret is that tokens are signed with.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct SigningKey {
    /// The Secret.
    pub secret: String,
    /// The key in it.
    pub key: &'static str,
}

/// kube-arangodb's switch for supervision maintenance.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Maintenance {
    /// Whether it can have any effect: only in a cluster.
    pub is_cluster: bool,
    /// `spec.database.maintenance`.
    pub declared: Option<bool>,
    /// The same as kube-arangodb has taken it in; nothing before it has taken in anything.
    pub accepted: Option<bool>,
    /// Whether kube-arangodb has found the agency's supervision off, whoever did that.
    pub in_force: bool,
    /// Whether a version or a rotation is being rolled out: the switch may wait for its end.
    pub busy: bool,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct Object {
    metadata: Metadata,
    spec: Spec,
    status: Status,
}

#[derive(Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
struct Metadata {
    uid: String,
    deletion_timestamp: Option<String>,
    annotations: std::collections::BTreeMap<String, String>,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct Spec {
    mode: Option<String>,
    auth: Auth,
    tls: Tls,
    database: Database,
}

#[derive(Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
struct Auth {
    jwt_secret_name: Option<String>,
}

#[derive(Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
struct Tls {
    ca_secret_name: Option<String>,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct Database {
    maintenance: Option<bool>,
}

#[derive(Default, Deserialize)]
#[serde(default, rename_all = "kebab-case")]
struct Status {
    phase: String,
    accepted_spec: Option<Spec>,
    current_image: Image,
    members: Members,
    conditions: Vec<Condition>,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct Image {
    enterprise: bool,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct Members {
    coordinators: Vec<Member>,
    single: Vec<Member>,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct Member {
    id: String,
}

/// Not `metav1.Condition`.
#[derive(Default, Deserialize)]
#[serde(default)]
struct Condition {
    #[serde(rename = "type")]
    type_: String,
    status: String,
}

/// How servers are found.
#[derive(Clone, Copy)]
enum Servers {
    /// One by one, by the Services that each member has: they stay while the pods behind them come and go, and they are
    /// the only names of single coordinators that the certificates have.
    Each { role: &'static str, prefix: &'static str },
    /// By the one Service that leads to whoever leads.
    Leader,
}

impl Deployment {
    /// Reads one.
    ///
    /// # Errors
    ///
    /// A sentence about what is not understood.
    pub fn read(id: &Id, object: &Value) -> Result<Self, String> {
        let not_understood =
            |problem: String| format!("the ArangoDeployment {id} is not understood: {problem}");
        let Object { metadata, spec: declared, status } =
            Object::deserialize(without_nulls(object)).map_err(|error| not_understood(error.to_string()))?;
        let is =
            |name: &str, value: &str| status.conditions.iter().any(|c| c.type_ == name && c.status == value);
        // What kube-arangodb itself goes by, defaults filled in.
        let accepted = status.accepted_spec.as_ref();
        let spec = accepted.unwrap_or(&declared);
        let mode = spec.mode.as_deref().filter(|mode| !mode.is_empty()).unwrap_or("Cluster");
        let (servers, members) = match mode {
            "Cluster" => {
                (Servers::Each { role: "coordinator", prefix: "CRDN-" }, &status.members.coordinators)
            }
            "Single" => (Servers::Each { role: "single", prefix: "SNGL-" }, &status.members.single),
            "ActiveFailover" => (Servers::Leader, &status.members.single),
            other => return Err(not_understood(format!("it has the mode {other:?}"))),
        };
        let secret = |named: Option<&str>, suffix: &str| match named {
            Some(NONE) => None,
            None | Some("") => Some(format!("{}-{suffix}", id.name)),
            Some(name) => Some(name.to_owned()),
        };
        let authority = secret(spec.tls.ca_secret_name.as_deref(), "ca")
            .map(|ca| Authority { truststore: format!("{}-truststore", id.name), ca });
        let signing = secret(spec.auth.jwt_secret_name.as_deref(), "jwt").map(|secret| {
            if status.current_image.enterprise {
                // Its servers read a folder of keys, of which this one signs; the other Secret may be ahead of it.
                SigningKey { secret: format!("{}-jwt-folder", id.name), key: "-" }
            } else {
                SigningKey { secret, key: "token" }
            }
        });
        let scheme = if authority.is_some() { "https" } else { "http" };
        let endpoint = |host: String| format!("{scheme}://{host}.{}.svc:{PORT}", id.namespace);
        let mut endpoints = match servers {
            Servers::Leader if members.is_empty() => Vec::new(),
            Servers::Leader => vec![endpoint(id.name.to_string())],
            Servers::Each { role, prefix } => members
                .iter()
                .filter(|member| !member.id.is_empty())
                .map(|member| {
                    let host = host(&id.name, role, member.id.strip_prefix(prefix).unwrap_or(&member.id));
                    let odd = || not_understood(format!("a member has the id {:?}", member.id));
                    host.map(endpoint).ok_or_else(odd)
                })
                .collect::<Result<_, _>>()?,
        };
        endpoints.sort_unstable();
        endpoints.dedup();
        let stuck = if metadata.annotations.get(UNATTENDED).is_some_and(|value| value == "true") {
            Some("it has kube-arangodb's own annotation for maintenance")
        } else if status.phase == "Failed" {
            Some("its phase is Failed")
        } else if is("SecretsChanged", "True") {
            Some("one of its Secrets was changed (condition SecretsChanged)")
        } else if is("SpecAccepted", "False") {
            Some("its spec is not accepted (condition SpecAccepted)")
        } else {
            None
        };
        let maintenance = Maintenance {
            is_cluster: mode == "Cluster",
            declared: declared.database.maintenance,
            accepted: accepted.map(|spec| spec.database.maintenance.unwrap_or(false)),
            in_force: is("Maintenance", "True"),
            busy: ["UpgradeInProgress", "UpdateInProgress", "BackupInProgress"]
                .iter()
                .any(|name| is(name, "True")),
        };
        let Metadata { uid, deletion_timestamp, .. } = metadata;
        let leaving = deletion_timestamp.is_some();
        Ok(Self { uid, leaving, endpoints, authority, signing, stuck, maintenance })
    }
}

/// A null is what is left out.
fn without_nulls(value: &Value) -> Value {
    match value {
        Value::Object(fields) => {
            let fields = fields.iter().filter(|(_, value)| !value.is_null());
            fields.map(|(name, value)| (name.clone(), without_nulls(value))).collect()
        }
        Value::Array(list) => list.iter().map(without_nulls).collect(),
        other => other.clone(),
    }
}

/// The name of a member's Service: `<deployment>-<role>-<id>`, and where that is too long, less of the deployment.
/// Nothing for what is no id: it would become part of an address.
fn host(deployment: &str, role: &str, id: &str) -> Option<String> {
    let is_id = (1..=MEMBER_MAX).contains(&id.len())
        && id.bytes().all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit());
    let suffix = format!("-{role}-{id}");
    let start: String = deployment.chars().take(LABEL_MAX - suffix.len().min(LABEL_MAX)).collect();
    is_id.then(|| start + &suffix)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn read(object: &Value) -> Result<Deployment, String> {
        Deployment::read(&Id::new("db", "prod"), object)
    }

    fn members(mode: &str, members: &Value) -> Value {
        json!({"metadata": {"uid": "u"}, "spec": {"mode": mode}, "status": {"members": members}})
    }

    #[test]
    fn a_fresh_object_has_no_servers_yet_and_the_defaults_of_kube_arangodb() {
        for object in [
            json!({}),
            json!({"spec": {}}),
            json!({"spec": {"tls": null}, "status": {"members": {"coordinators": null}, "conditions": null}}),
            json!({"spec": {"tls": {}, "auth": {}}, "status": {"appliedVersion": "", "members": {}, "hashes": {}}}),
            json!({"spec": {"tls": {"caSecretName": ""}, "auth": {"jwtSecretName": ""}, "mode": ""}}),
        ] {
            let deployment = read(&object).unwrap();
            assert!(deployment.endpoints.is_empty());
            let authority = deployment.authority.unwrap();
            assert_eq!((&*authority.truststore, &*authority.ca), ("prod-truststore", "prod-ca"));
            let signing = deployment.signing.unwrap();
            assert_eq!((&*signing.secret, signing.key), ("prod-jwt", "token"));
        }
    }

    #[test]
    fn each_coordinator_is_addressed_by_the_service_of_its_own() {
        let two = json!({"coordinators": [{"id": "CRDN-zt7m2p4c"}, {"id": "CRDN-kq3vwx8n"}], "single": []});
        let deployment = read(&members("Cluster", &two)).unwrap();
        let expected =
            ["kq3vwx8n", "zt7m2p4c"].map(|id| format!("https://prod-coordinator-{id}.db.svc:8529"));
        assert_eq!(deployment.endpoints, expected);
        let one = json!({"single": [{"id": "SNGL-r5t6y7u8"}]});
        let deployment = read(&members("Single", &one)).unwrap();
        assert_eq!(deployment.endpoints, ["https://prod-single-r5t6y7u8.db.svc:8529"]);
        let deployment = read(&members("ActiveFailover", &one)).unwrap();
        assert_eq!(deployment.endpoints, ["https://prod.db.svc:8529"]);
    }

    #[test]
    fn a_long_name_is_cut_as_kube_arangodb_cuts_it() {
        let name = "a".repeat(60);
        let host = host(&name, "coordinator", "kq3vwx8n").unwrap();
        assert_eq!(host, format!("{}-coordinator-kq3vwx8n", "a".repeat(42)));
        assert_eq!(host.len(), 63);
    }

    #[test]
    fn what_is_no_id_becomes_no_address() {
        for id in ["CRDN-", "CRDN-a.evil.example/", "CRDN-A", "a:80", "CRDN-é", &"a".repeat(33)] {
            let error = read(&members("Cluster", &json!({"coordinators": [{"id": id}]}))).unwrap_err();
            assert!(error.contains("a member has the id"), "{error}");
        }
        assert!(read(&members("Sharded", &json!({}))).unwrap_err().contains("mode"));
        assert!(read(&json!({"spec": {"tls": "off"}})).unwrap_err().contains("not understood"));
    }

    #[test]
    fn what_kube_arangodb_has_accepted_counts_before_what_is_declared() {
        let object = json!({
            "spec": {"mode": "Cluster", "tls": {"caSecretName": "None"}, "database": {"maintenance": true}},
            "status": {"accepted-spec": {"mode": "Single", "auth": {"jwtSecretName": "None"}, "tls": {"caSecretName": "own"}},
                "members": {"single": [{"id": "SNGL-a"}]}},
        });
        let deployment = read(&object).unwrap();
        assert_eq!(deployment.endpoints, ["https://prod-single-a.db.svc:8529"]);
        assert_eq!(deployment.authority.unwrap().ca, "own");
        assert_eq!(deployment.signing, None);
        let switch = deployment.maintenance;
        assert_eq!((switch.is_cluster, switch.declared, switch.accepted), (false, Some(true), Some(false)));
    }

    #[test]
    fn only_the_word_none_switches_off_and_enterprise_signs_with_a_key_of_the_folder() {
        let spec = |tls: &str, jwt: &str| {
            let image = json!({"enterprise": true});
            json!({"spec": {"tls": {"caSecretName": tls}, "auth": {"jwtSecretName": jwt}}, "status": {"current-image": image}})
        };
        let off = read(&spec("None", "None")).unwrap();
        assert_eq!((off.authority, off.signing), (None, None));
        let named = read(&spec("none", "none")).unwrap();
        assert_eq!(named.authority.unwrap().ca, "none");
        assert_eq!(named.signing, Some(SigningKey { secret: "prod-jwt-folder".to_owned(), key: "-" }));
    }

    #[test]
    fn where_kube_arangodb_stands_still_it_is_said_why() {
        let condition = |type_: &str, status: &str| json!({"status": {"conditions": [{"type": type_, "status": status}]}});
        for (object, part) in [
            (json!({"status": {"phase": "Failed"}}), "Failed"),
            (condition("SecretsChanged", "True"), "SecretsChanged"),
            (condition("SpecAccepted", "False"), "SpecAccepted"),
            (json!({"metadata": {"annotations": {UNATTENDED: "true"}}}), "annotation"),
        ] {
            assert!(read(&object).unwrap().stuck.unwrap().contains(part));
        }
        // Everyday life of a rolling restart.
        assert_eq!(read(&condition("Ready", "False")).unwrap().stuck, None);
        assert!(read(&condition("UpgradeInProgress", "True")).unwrap().maintenance.busy);
        assert!(read(&condition("Maintenance", "True")).unwrap().maintenance.in_force);
    }
}
