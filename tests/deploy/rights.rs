//! What the operator may do, line by line, and whether that is exactly what it does.

use std::collections::BTreeSet;

use arango_operator::operator::rbac;
use k8s_openapi::api::rbac::v1::PolicyRule;

use crate::machine::{Machine, Right, used};

pub(crate) const GROUP: &str = "arango-operator.dev";
pub(crate) const KINDS: [&str; 4] = ["arangoclusters", "arangodatabases", "arangousers", "arangopermissions"];

/// All that the operator may do: group, resources, verbs. A line that is added here is a right that every user of the
/// operator gives away.
const RIGHTS: [(&str, &[&str], &[&str]); 4] = [
    (GROUP, &KINDS, &["get", "list", "patch", "watch"]),
    (
        GROUP,
        &[
            "arangoclusters/status",
            "arangodatabases/status",
            "arangousers/status",
            "arangopermissions/status",
        ],
        &["update"],
    ),
    ("", &["secrets"], &["create", "get", "list", "patch", "watch"]),
    ("events.k8s.io", &["events"], &["create", "patch"]),
];

/// What the operator for all namespaces may do beside that: see the labels by which an `ArangoCluster` is lent.
const LABELS: (&str, &[&str], &[&str]) = ("", &["namespaces"], &["list", "watch"]);

/// What it may do besides where `deploy/kube-arangodb` is applied as well.
pub(crate) const KUBE_ARANGODB: [(&str, &[&str], &[&str]); 1] =
    [("database.arangodb.com", &["arangodeployments"], &["list", "patch", "watch"])];

/// The rights to the Lease that decides which replica acts, in the operator's own namespace alone.
pub(crate) const LEASE: [(&str, &[&str], &[&str]); 2] = [
    ("coordination.k8s.io", &["leases"], &["create"]),
    ("coordination.k8s.io", &["leases"], &["get", "update"]),
];

/// All that it may do in one namespace.
pub(crate) fn rights() -> BTreeSet<Right> {
    rights_of(&RIGHTS)
}

/// All that it may do in all of them.
pub(crate) fn rights_everywhere() -> BTreeSet<Right> {
    rights_of(&[&RIGHTS[..], &[LABELS]].concat())
}

pub(crate) fn rights_of(rules: &[(&str, &[&str], &[&str])]) -> BTreeSet<Right> {
    let each = |(group, resources, verbs): &(&str, &[&str], &[&str])| {
        let pairs = resources.iter().flat_map(|resource| verbs.iter().map(move |verb| (*resource, *verb)));
        pairs.map(|(resource, verb)| Right::new(group, resource, verb)).collect::<Vec<_>>()
    };
    rules.iter().flat_map(each).collect()
}

#[test]
fn the_rules_are_these() {
    are_these(rbac::rules(), &RIGHTS);
    are_these(rbac::rules_everywhere(), &[&RIGHTS[..], &[LABELS]].concat());
    are_these(rbac::kube_arangodb_rules(), &KUBE_ARANGODB);
    let mut lease = rbac::leader_election();
    // Which name is created, RBAC can't say.
    assert_eq!(lease[1].resource_names.take(), Some(vec!["arango-operator".to_owned()]));
    are_these(lease, &LEASE);
}

fn are_these(rules: Vec<PolicyRule>, expected: &[(&str, &[&str], &[&str])]) {
    let strings = |list: &[&str]| list.iter().map(ToString::to_string).collect::<Vec<_>>();
    let rules: Vec<_> = rules
        .into_iter()
        .map(|rule| {
            assert_eq!((rule.resource_names, rule.non_resource_urls), (None, None));
            (rule.api_groups.unwrap(), rule.resources.unwrap(), rule.verbs)
        })
        .collect();
    let expected: Vec<_> = expected
        .iter()
        .map(|(group, resources, verbs)| (strings(&[group]), strings(resources), strings(verbs)))
        .collect();
    assert_eq!(rules, expected);
}

/// Every request was granted, and every right was needed.
pub(crate) fn rights_are_exactly_what_is_used(
    machine: &Machine,
    operator_log: &str,
    namespace: &str,
    (rights, identified_by): (&BTreeSet<Right>, &str),
) {
    let requests = machine.requests(namespace);
    let refused: Vec<_> = requests.iter().filter(|asked| [401, 403].contains(&asked.code)).collect();
    assert!(refused.is_empty(), "{refused:?}");
    for word in ["Forbidden", "forbidden"] {
        let line = operator_log.lines().find(|line| line.contains(word));
        assert_eq!(line, None);
    }
    let mut used = used(&requests);
    // One namespace is read, which says who the operator is.
    let identity = Right::new("", "namespaces", "get");
    assert!(used.remove(&identity));
    for asked in requests.iter().filter(|asked| asked.right == identity) {
        assert!(asked.uri.ends_with(&format!("/namespaces/{identified_by}")), "{asked:?}");
    }
    // As is one Lease, in the operator's own namespace.
    for right in rights_of(&LEASE) {
        assert!(used.remove(&right), "granted and never used: {right:?}");
    }
    for asked in requests.iter().filter(|asked| asked.right.resource == "leases") {
        let folder = format!("/apis/coordination.k8s.io/v1/namespaces/{namespace}/leases");
        let path = asked.uri.split('?').next().unwrap();
        assert!([folder.clone(), folder + "/arango-operator"].iter().any(|ours| ours == path), "{asked:?}");
    }
    assert!(used.is_subset(rights), "{:?}", used.difference(rights));
    // A resource is read only when somebody else wrote it between our read and our write.
    let unused = rights.iter().filter(|right| !used.contains(right));
    let unused: Vec<_> = unused.filter(|right| !(right.group == GROUP && right.verb == "get")).collect();
    assert!(unused.is_empty(), "granted and never used: {unused:?}");
}

/// What an operator that was broken into must not be able to do.
pub(crate) fn beyond() -> Vec<Right> {
    let mut beyond = vec![
        Right::new("", "secrets", "delete"),
        Right::new("", "secrets", "update"),
        Right::new("", "pods", "list"),
        Right::new("", "pods/exec", "create"),
        Right::new("", "configmaps", "get"),
        Right::new("", "namespaces", "patch"),
        Right::new("", "serviceaccounts/token", "create"),
        Right::new("", "serviceaccounts", "impersonate"),
        Right::new("apps", "deployments", "patch"),
        Right::new("events.k8s.io", "events", "list"),
        Right::new("coordination.k8s.io", "leases", "delete"),
        Right::new("coordination.k8s.io", "leases", "list"),
        Right::new("rbac.authorization.k8s.io", "clusterroles", "escalate"),
        Right::new("rbac.authorization.k8s.io", "rolebindings", "create"),
    ];
    for kind in KINDS {
        for verb in ["create", "update", "delete", "deletecollection"] {
            beyond.push(Right::new(GROUP, kind, verb));
        }
    }
    beyond
}
