//! Pieces of schema that the kinds share, and the finished CRDs.
//!
//! Optional enums in a spec are written `#[schemars(with = "TheEnum")]`: of an `Option` of an enum kube's derive keeps
//! the description of the enum and loses the field's.

use k8s_openapi::apiextensions_apiserver::pkg::apis::apiextensions::v1::CustomResourceDefinition;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use crate::core::{DriftPolicy, Id};

/// The API group.
pub const GROUP: &str = "arango-operator.dev";

/// An ArangoCluster, in the same namespace or in one that lends its connection.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct ClusterRef {
    /// Name of the ArangoCluster.
    #[schemars(length(min = 1, max = 253))]
    pub name: String,
    /// Its namespace, which must lend it to this one (its spec.access). This resource's own namespace if left out.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 63))]
    pub namespace: Option<String>,
}

impl ClusterRef {
    /// The ArangoCluster that a resource of that namespace means.
    pub fn id(&self, own_namespace: Option<&str>) -> Id {
        let namespace = self.namespace.as_deref().or(own_namespace);
        Id::new(namespace.unwrap_or_default(), &self.name)
    }
}

/// A resource in the same namespace.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct LocalRef {
    /// Name of the resource.
    #[schemars(length(min = 1, max = 253))]
    pub name: String,
}

/// What is done about differences, for one resource.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct ObjectDrift {
    /// Correct puts right what differs from what is declared. Observe writes nothing to the server, not even what is
    /// missing, and lists in status.pending what it would do; deleted meanwhile, the resource goes and what it declared
    /// stays. The ArangoCluster's drift.policy if left out.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(with = "DriftPolicy")]
    pub policy: Option<DriftPolicy>,
}

/// Nothing to remember.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct NoMemory {}

/// A rule that the API server checks (CEL), at the root of the object, so that it sees whether a field is there.
#[derive(Debug, Clone, Copy)]
pub struct Rule {
    field: &'static str,
    condition: Template,
    message: &'static str,
}

#[derive(Debug, Clone, Copy)]
enum Template {
    Plain(&'static str),
    Unchangeable,
    UnchangeableOption(&'static str, &'static str),
}

impl Rule {
    /// A rule about a field of the spec (or, if empty, about the object).
    pub const fn new(field: &'static str, rule: &'static str, message: &'static str) -> Self {
        Self { field, condition: Template::Plain(rule), message }
    }

    /// A required field of the spec that can't be changed.
    pub const fn unchangeable(field: &'static str, message: &'static str) -> Self {
        Self { field, condition: Template::Unchangeable, message }
    }

    /// An optional field that can't be changed, set or unset: a rule on the field alone would let the last two pass.
    pub const fn unchangeable_option(
        field: &'static str,
        now: &'static str,
        before: &'static str,
        message: &'static str,
    ) -> Self {
        Self { field, condition: Template::UnchangeableOption(now, before), message }
    }

    fn render(&self) -> Value {
        let field = self.field;
        let rule = match self.condition {
            Template::Plain(rule) => rule.to_owned(),
            Template::Unchangeable => format!("self.spec.{field} == oldSelf.spec.{field}"),
            Template::UnchangeableOption(now, before) => {
                format!("has({now}) == has({before}) && (!has({now}) || {now} == {before})")
            }
        };
        let message = match self.condition {
            Template::Unchangeable => format!("spec.{field} can't be changed: {}", self.message),
            _ => self.message.to_owned(),
        };
        let path = if field.is_empty() { ".spec".to_owned() } else { format!(".spec.{field}") };
        json!({"rule": rule, "message": message, "fieldPath": path})
    }
}

/// All CRDs, as they are installed: the connection's, then one for each kind.
pub fn crds() -> Result<Vec<CustomResourceDefinition>, serde_json::Error> {
    use kube::CustomResourceExt as _;

    use super::{Kind, cluster};

    let mut crds = vec![finish(cluster::crd::ArangoCluster::crd(), cluster::crd::RULES)?];
    crate::for_each_kind!(K => crds.push(finish(<K as Kind>::Resource::crd(), K::RULES)?));
    Ok(crds)
}

/// Adds to a derived CRD what the derive can't say: the rules at the root, the first status as a default.
fn finish(
    crd: CustomResourceDefinition,
    rules: &[Rule],
) -> Result<CustomResourceDefinition, serde_json::Error> {
    let mut crd = serde_json::to_value(crd)?;
    let schema = &mut crd["spec"]["versions"][0]["schema"]["openAPIV3Schema"];
    tidy(schema);
    schema["description"] = schema["properties"]["spec"]["description"].clone();
    schema["properties"]["spec"]["description"] = "What is declared.".into();
    schema["properties"]["status"]["description"] = "What the operator found and did.".into();
    schema["x-kubernetes-validations"] = rules.iter().map(Rule::render).collect();
    let status = &mut schema["properties"]["status"];
    // Costs no write, and keeps kstatus, `kubectl wait` and Argo CD from taking a fresh object for a finished one.
    status["default"] = json!({
        "observedGeneration": -1,
        "conditions": [{
            "type": "Ready", "status": "Unknown", "reason": "Pending", "message": "waiting for the operator",
            "lastTransitionTime": "1970-01-01T00:00:00Z", "observedGeneration": -1,
        }],
    });
    serde_json::from_value(crd)
}

/// Takes out what the derive adds and the API server would show differently from what was applied: `nullable` (a null
/// is pruned, which is what a person who writes one means), and the line ends of our sources.
fn tidy(schema: &mut Value) {
    each_object(schema, &mut |fields| {
        fields.remove("nullable");
        if let Some(Value::String(text)) = fields.get_mut("description") {
            *text = text.split("\n\n").map(|part| part.replace('\n', " ")).collect::<Vec<_>>().join("\n\n");
        }
    });
}

/// Writes whole bounds as whole numbers: the typed definition has them as fractions (`16.0`).
pub fn whole_numbers(definition: &mut Value) {
    each_object(definition, &mut |fields| {
        for bound in ["minimum", "maximum"] {
            if let Some(number) = fields.get(bound).and_then(Value::as_f64)
                && number.fract() == 0.0
            {
                // Bounds in our types are small whole numbers.
                #[allow(clippy::cast_possible_truncation)]
                fields.insert(bound.to_owned(), json!(number as i64));
            }
        }
    });
}

fn each_object(value: &mut Value, change: &mut impl FnMut(&mut serde_json::Map<String, Value>)) {
    match value {
        Value::Object(fields) => {
            change(fields);
            fields.values_mut().for_each(|value| each_object(value, change));
        }
        Value::Array(list) => list.iter_mut().for_each(|value| each_object(value, change)),
        _ => {}
    }
}
