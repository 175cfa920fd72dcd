//! What the operator may do in Kubernetes, as RBAC objects: made from the list of kinds, so that a new kind can't be
//! forgotten, and no more than what this module's neighbours ask of the API server.

use std::collections::BTreeMap;

use k8s_openapi::{
    api::rbac::v1::{ClusterRole, ClusterRoleBinding, PolicyRule, Role, RoleBinding, RoleRef, Subject},
    apimachinery::pkg::apis::meta::v1::ObjectMeta,
};
use kube::Resource;

use crate::{
    core::kube_arangodb,
    for_each_kind,
    kinds::{Kind, cluster::crd::ArangoCluster, schema::GROUP, user::crd::ArangoUser},
};

/// Name of the operator's `ServiceAccount`, and of the roles and bindings made for it.
pub const NAME: &str = "arango-operator";

/// The namespace that the operator is installed into, unless an overlay says otherwise.
pub const NAMESPACE: &str = "arango-operator";

const RBAC: &str = "rbac.authorization.k8s.io";

/// Every right of the operator in the namespaces that it is for, but [`identity`].
pub fn rules() -> Vec<PolicyRule> {
    let all = [vec![cluster()], kinds()].concat();
    let statuses: Vec<_> = all.iter().map(|plural| format!("{plural}/status")).collect();
    vec![
        // The caches, and a resource is read again when somebody else wrote it in between; the claim and the finalizer.
        // RBAC can't say "metadata only"; nothing of ours writes a spec.
        rule(GROUP, &all, &["get", "list", "patch", "watch"]),
        rule(GROUP, &statuses, &["update"]),
        // Watched by metadata, read when needed. Generated passwords and the Secrets for applications are created, and kept
        // up to date in Secrets that are the operator's own; RBAC can't tell those from others.
        rule("", &["secrets".to_owned()], &["create", "get", "list", "patch", "watch"]),
        // The second of several equal Events is counted in the first.
        rule("events.k8s.io", &["events".to_owned()], &["create", "patch"]),
    ]
}

/// Reading the namespace that says who the operator is: kube-system, or, in a Role, the one that it is for.
pub fn identity(everywhere: bool) -> PolicyRule {
    PolicyRule {
        resource_names: everywhere.then(|| vec!["kube-system".to_owned()]),
        ..rule("", &["namespaces".to_owned()], &["get"])
    }
}

/// What is asked of the whole Kubernetes cluster beside that: the labels of namespaces, by which an ArangoCluster is lent.
/// An operator for one namespace has no use for it.
pub fn rules_everywhere() -> Vec<PolicyRule> {
    rules().into_iter().chain([read_namespaces()]).collect()
}

fn read_namespaces() -> PolicyRule {
    rule("", &["namespaces".to_owned()], &["list", "watch"])
}

/// The rights for `spec.deploymentRef`, in roles of their own: who has no kube-arangodb doesn't give them away.
pub fn kube_arangodb_rules() -> Vec<PolicyRule> {
    // `patch` is for spec.database.maintenance. RBAC can't say so.
    vec![rule(kube_arangodb::GROUP, &[kube_arangodb::PLURAL.to_owned()], &["list", "patch", "watch"])]
}

/// Name of the role for the Lease, and of its binding.
const LEADER_ELECTION: &str = "arango-operator-leader-election";

/// What decides which of several replicas acts: one Lease, in the operator's own namespace. RBAC can't say which name is
/// created.
pub fn leader_election() -> Vec<PolicyRule> {
    let leases = ["leases".to_owned()];
    let ours = PolicyRule {
        resource_names: Some(vec![NAME.to_owned()]),
        ..rule("coordination.k8s.io", &leases, &["get", "update"])
    };
    vec![rule("coordination.k8s.io", &leases, &["create"]), ours]
}

/// What people may do who have the built-in role `view` or `edit` (and `admin`) in a namespace. Writing an
/// `ArangoCluster` is in neither: it points the operator, and a Secret, at an address, which is an administrator's act.
fn people() -> [ClusterRole; 2] {
    let all = [vec![cluster()], kinds()].concat();
    let role = |name: &str, rule| ClusterRole {
        metadata: ObjectMeta {
            name: Some(format!("{NAME}-{name}")),
            labels: Some([(format!("{RBAC}/aggregate-to-{name}"), "true".to_owned())].into()),
            ..ObjectMeta::default()
        },
        rules: Some(vec![rule]),
        aggregation_rule: None,
    };
    let write = ["create", "delete", "deletecollection", "patch", "update"];
    // `edit` and `admin` include what is aggregated to `view`.
    [role("view", rule(GROUP, &all, &["get", "list", "watch"])), role("edit", rule(GROUP, &kinds(), &write))]
}

/// What whoever projects Secrets into workloads may read: it collects the roles with this label (Service Binding
/// specification, role-based access control).
fn service_binding() -> ClusterRole {
    let users = [ArangoUser::plural(&()).into_owned()];
    ClusterRole {
        metadata: ObjectMeta {
            name: Some(format!("{NAME}-service-binding")),
            labels: Some([("servicebinding.io/controller".to_owned(), "true".to_owned())].into()),
            ..ObjectMeta::default()
        },
        rules: Some(vec![rule(GROUP, &users, &["get", "list", "watch"])]),
        aggregation_rule: None,
    }
}

/// The rules alone, by the names under which the chart's templates look for them.
fn for_the_chart() -> BTreeMap<&'static str, Vec<PolicyRule>> {
    let [view, edit] = people().map(|role| role.rules.unwrap_or_default());
    BTreeMap::from([
        ("everywhere", [rules_everywhere(), vec![identity(true)]].concat()),
        ("namespaced", [rules(), vec![identity(false)]].concat()),
        ("readNamespaces", vec![read_namespaces()]),
        ("kubeArangodb", kube_arangodb_rules()),
        ("leaderElection", leader_election()),
        ("view", view),
        ("edit", edit),
        ("serviceBinding", service_binding().rules.unwrap_or_default()),
    ])
}

/// The files of the folder `deploy/` that are generated, by path: the YAML that they contain.
pub fn files() -> anyhow::Result<Vec<(&'static str, String)>> {
    let [view, edit] = people();
    let all = [rules_everywhere(), vec![identity(true)]].concat();
    let everywhere = [for_all(NAME, all)?, yaml(&view)?, yaml(&edit)?, yaml(&service_binding())?];
    let optional = format!("{NAME}-kube-arangodb");
    Ok(vec![
        ("everywhere/rbac.yaml", everywhere.join("---\n")),
        ("base/leader-election.yaml", in_own_namespace(LEADER_ELECTION, leader_election())?),
        ("namespaced/rbac.yaml", for_one(NAME, [rules(), vec![identity(false)]].concat())?),
        ("kube-arangodb/rbac.yaml", for_all(&optional, kube_arangodb_rules())?),
        ("namespaced/kube-arangodb/rbac.yaml", for_one(&optional, kube_arangodb_rules())?),
        ("chart/files/rules.yaml", yaml(&for_the_chart())?),
    ])
}

/// A role for all namespaces and its binding.
fn for_all(name: &str, rules: Vec<PolicyRule>) -> anyhow::Result<String> {
    let role = ClusterRole { metadata: named(name), rules: Some(rules), aggregation_rule: None };
    let role_ref = role_ref("ClusterRole", name);
    let binding = ClusterRoleBinding { metadata: named(name), role_ref, subjects: Some(vec![subject()]) };
    Ok([yaml(&role)?, yaml(&binding)?].join("---\n"))
}

/// A role for one namespace and its binding.
fn for_one(name: &str, rules: Vec<PolicyRule>) -> anyhow::Result<String> {
    for_namespace(&named(name), name, rules)
}

/// The same for the namespace that the operator is in, whichever it is for.
fn in_own_namespace(name: &str, rules: Vec<PolicyRule>) -> anyhow::Result<String> {
    let metadata = ObjectMeta { namespace: Some(NAMESPACE.to_owned()), ..named(name) };
    for_namespace(&metadata, name, rules)
}

fn for_namespace(metadata: &ObjectMeta, name: &str, rules: Vec<PolicyRule>) -> anyhow::Result<String> {
    let role = Role { metadata: metadata.clone(), rules: Some(rules) };
    let role_ref = role_ref("Role", name);
    let binding = RoleBinding { metadata: metadata.clone(), role_ref, subjects: Some(vec![subject()]) };
    Ok([yaml(&role)?, yaml(&binding)?].join("---\n"))
}

fn named(name: &str) -> ObjectMeta {
    ObjectMeta { name: Some(name.to_owned()), ..ObjectMeta::default() }
}

fn yaml(object: &impl serde::Serialize) -> Result<String, serde_saphyr::SerializeError> {
    serde_saphyr::to_string(object)
}

fn cluster() -> String {
    ArangoCluster::plural(&()).into_owned()
}

fn kinds() -> Vec<String> {
    let mut plurals = Vec::new();
    for_each_kind!(K => plurals.push(<K as Kind>::Resource::plural(&()).into_owned()));
    plurals
}

fn rule(group: &str, resources: &[String], verbs: &[&str]) -> PolicyRule {
    PolicyRule {
        api_groups: Some(vec![group.to_owned()]),
        resources: Some(resources.to_vec()),
        verbs: verbs.iter().map(ToString::to_string).collect(),
        ..PolicyRule::default()
    }
}

fn role_ref(kind: &str, name: &str) -> RoleRef {
    RoleRef { api_group: RBAC.to_owned(), kind: kind.to_owned(), name: name.to_owned() }
}

fn subject() -> Subject {
    Subject {
        kind: "ServiceAccount".to_owned(),
        name: NAME.to_owned(),
        namespace: Some(NAMESPACE.to_owned()),
        api_group: None,
    }
}
