//! `spec.access`: what an ArangoCluster lends to other namespaces.

use std::collections::BTreeMap;

use k8s_openapi::apimachinery::pkg::apis::meta::v1::{LabelSelector, LabelSelectorRequirement};
use kube::core::{Selector, SelectorExt};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::{
    core::{Level, access, glob::Glob},
    kinds::schema::Rule,
};

/// What the resources of other namespaces may do through the connection.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct AccessRule {
    /// Which other namespaces, by their labels. An empty selector selects all.
    pub namespaces: NamespaceSelector,
    /// Which databases, by name: * stands for any characters, ? for one. Matches neither the wildcard right * nor
    /// _system. No database if left out.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 32), inner(length(min = 1, max = 128)))]
    pub databases: Vec<String>,
    /// Which users, by name: * stands for any characters, ? for one. No user if left out.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 32), inner(length(min = 1, max = 256)))]
    pub users: Vec<String>,
    /// The highest level that one of these users may end with in one of these databases, by whatever right: rw, ro or
    /// none. Can't be left out.
    pub max_access: Level,
    /// Whether what exists on the server already may be taken over; of users only those who have no right beside
    /// this rule. Not if left out.
    #[serde(default)]
    pub adopt: bool,
    /// The highest level on the wildcard right *, which reaches every database that has no row of its own, also
    /// those that this rule doesn't name. none if left out.
    #[serde(default = "none")]
    #[schemars(default = "none")]
    pub wildcard: Level,
    /// The highest level on _system: rw makes an administrator of the whole deployment, and ro reaches every database
    /// that has no row of its own. none if left out.
    #[serde(default = "none")]
    #[schemars(default = "none")]
    pub system: Level,
}

/// Namespaces by their labels: all that is said must be so.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
#[schemars(description = "")] // the field says it; a text here would take its place
pub struct NamespaceSelector {
    /// Labels with these values. kubernetes.io/metadata.name is every namespace's own name.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    #[schemars(extend("maxProperties" = 16, "additionalProperties" = {"type": "string", "maxLength": 63}))]
    pub match_labels: BTreeMap<String, String>,
    /// Conditions on labels.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 16))]
    pub match_expressions: Vec<Requirement>,
}

/// A condition on a label.
#[allow(clippy::doc_markdown, reason = "the texts are shown by kubectl explain")]
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Requirement {
    /// The label.
    #[schemars(length(min = 1, max = 317))]
    pub key: String,
    /// In or NotIn one of values, Exists or DoesNotExist. Can't be left out.
    pub operator: Operator,
    /// The values for In and NotIn.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 32), inner(length(max = 63)))]
    pub values: Vec<String>,
}

/// How a label is compared.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[schemars(description = "")] // the field says it; a text here would take its place
pub enum Operator {
    /// It has one of the values.
    In,
    /// It has none of the values, or isn't there.
    NotIn,
    /// It is there.
    Exists,
    /// It isn't there.
    DoesNotExist,
}

fn none() -> Level {
    Level::None
}

/// What the API server checks beside the schema.
pub const RULES: [Rule; 4] = [
    Rule::new(
        "access",
        "!has(self.spec.access) || self.spec.access.all(r, (r.maxAccess == 'rw' || (r.wildcard != 'rw' && r.system \
         != 'rw')) && (r.maxAccess != 'none' || (r.wildcard == 'none' && r.system == 'none')))",
        "wildcard and system of a rule of spec.access must not be above its maxAccess: a right on * or _system \
         reaches the databases of the rule too",
    ),
    Rule::new(
        "access",
        "!has(self.spec.access) || self.spec.access.all(r, !has(r.databases) || r.databases.all(d, \
         !d.startsWith('_')))",
        "databases of spec.access must not begin with an underscore: _system is lent by the field system of the rule, \
         and no other such database can be declared",
    ),
    Rule::new(
        "access",
        "!has(self.spec.access) || self.spec.access.all(r, !has(r.namespaces.matchLabels) || \
         r.namespaces.matchLabels.all(k, k.size() > 0 && k.size() <= 317))",
        "the name of a label in matchLabels of spec.access has 1 to 317 characters",
    ),
    Rule::new(
        "access",
        "!has(self.spec.access) || self.spec.access.all(r, !has(r.namespaces.matchExpressions) || \
         r.namespaces.matchExpressions.all(e, (e.operator in ['In', 'NotIn']) == (has(e.values) && e.values.size() > \
         0)))",
        "in matchExpressions of spec.access, In and NotIn need values, and Exists and DoesNotExist have none",
    ),
];

/// A rule as it is decided by.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Compiled {
    selector: Selector,
    /// What it lends.
    pub rule: std::sync::Arc<access::Rule>,
}

impl Compiled {
    /// Whether it is for a namespace with these labels.
    pub fn selects(&self, labels: &BTreeMap<String, String>) -> bool {
        self.selector.matches(labels)
    }
}

impl AccessRule {
    /// Takes selector and patterns apart. A selector that can't be read, which the schema has no room for, would select
    /// nothing: then there is no such rule.
    pub fn compile(&self) -> Option<Compiled> {
        let requirement = |requirement: &Requirement| {
            let Requirement { key, operator, values } = requirement;
            let operator = match operator {
                Operator::In => "In",
                Operator::NotIn => "NotIn",
                Operator::Exists => "Exists",
                Operator::DoesNotExist => "DoesNotExist",
            };
            LabelSelectorRequirement {
                key: key.clone(),
                operator: operator.to_owned(),
                values: (!values.is_empty()).then(|| values.clone()),
            }
        };
        let NamespaceSelector { match_labels, match_expressions } = &self.namespaces;
        let selector = LabelSelector {
            match_labels: Some(match_labels.clone()),
            match_expressions: Some(match_expressions.iter().map(requirement).collect()),
        };
        let rule = access::Rule {
            databases: self.databases.iter().map(|glob| Glob::normalised(glob)).collect(),
            users: self.users.iter().map(|glob| Glob::new(glob)).collect(),
            max_access: self.max_access,
            adopt: self.adopt,
            wildcard: self.wildcard,
            system: self.system,
        };
        Some(Compiled { selector: Selector::try_from(selector).ok()?, rule: rule.into() })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn selects(selector: &str, labels: &[(&str, &str)]) -> bool {
        let rule = format!(r#"{{"namespaces": {selector}, "maxAccess": "ro"}}"#);
        let rule: AccessRule = serde_json::from_str(&rule).unwrap();
        let labels = labels.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned()));
        rule.compile().is_some_and(|rule| rule.selects(&labels.collect()))
    }

    #[test]
    fn namespaces_are_selected_as_kubernetes_selects() {
        let shop = [("team", "shop"), ("stage", "test")];
        for (selector, expected) in [
            ("{}", true),
            (r#"{"matchLabels": {"team": "shop"}}"#, true),
            (r#"{"matchLabels": {"team": "shop", "stage": "prod"}}"#, false),
            (
                r#"{"matchExpressions": [{"key": "stage", "operator": "In", "values": ["test", "dev"]}]}"#,
                true,
            ),
            (r#"{"matchExpressions": [{"key": "stage", "operator": "NotIn", "values": ["test"]}]}"#, false),
            (r#"{"matchExpressions": [{"key": "other", "operator": "NotIn", "values": ["test"]}]}"#, true),
            (r#"{"matchExpressions": [{"key": "team", "operator": "Exists"}]}"#, true),
            (r#"{"matchExpressions": [{"key": "team", "operator": "DoesNotExist"}]}"#, false),
            (
                r#"{"matchLabels": {"team": "shop"}, "matchExpressions": [{"key": "x", "operator": "Exists"}]}"#,
                false,
            ),
            // Not let through by the API server.
            (r#"{"matchExpressions": [{"key": "team", "operator": "In"}]}"#, false),
        ] {
            assert_eq!(selects(selector, &shop), expected, "{selector}");
        }
        assert!(!selects(r#"{"matchLabels": {"team": "shop"}}"#, &[]));
    }

    #[test]
    fn what_is_left_out_lends_nothing() {
        let rule: AccessRule = serde_json::from_str(r#"{"namespaces": {}, "maxAccess": "rw"}"#).unwrap();
        let rule = rule.compile().unwrap().rule;
        assert_eq!((rule.adopt, rule.wildcard, rule.system), (false, Level::None, Level::None));
        assert!(rule.databases.is_empty() && rule.users.is_empty());
        assert!(
            serde_json::from_str::<AccessRule>(r#"{"namespaces": {}}"#).is_err(),
            "maxAccess is required"
        );
    }
}
