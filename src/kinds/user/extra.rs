//! The declared keys of a user's `extra`, and the change that brings them about. Pure.
//!
//! PATCH merges `extra` at every depth (reference: users, update), so a change names only what differs, and what
//! somebody else writes beside it at the same moment stays. What goes is set to `null`: no request removes a key and
//! keeps the user's rights. ASSUMED: the server either keeps the `null` or takes the key away for it; both count as gone.

use serde_json::{Map, Value};

use super::mark;
use crate::core::{Hold, condition::cut};

/// Most keys that can be declared.
pub const KEYS_MAX: usize = 32;
/// Longest key, in bytes.
pub const KEY_MAX: usize = 128;
/// Most bytes of what is declared, written as JSON.
const SIZE_MAX: usize = 8 << 10;
/// How deep values may be nested.
const DEPTH_MAX: usize = 8;

/// Checks what is declared: the schema can't, since values may be anything.
pub fn check(extra: &Map<String, Value>) -> Result<(), Hold> {
    let refuse = |problem: String| Err(Hold::invalid(format!("spec.extra {problem}")).at("spec.extra"));
    if extra.len() > KEYS_MAX {
        return refuse(format!("has {} keys; at most {KEYS_MAX} can be declared", extra.len()));
    }
    for (key, value) in extra {
        let shown = cut(key, 64);
        let refuse =
            |problem: String| refuse(problem).map_err(|hold: Hold| hold.at(format!("spec.extra.{key}")));
        if key == mark::KEY {
            return refuse(format!("must not have the key {shown:?}: the operator's own mark is there"));
        }
        if key.is_empty() || key.len() > KEY_MAX {
            return refuse(format!("has the key {shown:?}; a key has 1 to {KEY_MAX} bytes"));
        }
        if has_null(value) {
            return refuse(format!("has a null under {shown:?}; leave out what shall not be there"));
        }
        if depth(value) > DEPTH_MAX {
            return refuse(format!("is nested deeper than {DEPTH_MAX} levels under {shown:?}"));
        }
    }
    let size = serde_json::to_string(extra).map_or(usize::MAX, |text| text.len());
    if size > SIZE_MAX {
        return refuse(format!("has {size} bytes as JSON; at most {SIZE_MAX} can be declared"));
    }
    Ok(())
}

/// Whether an object anywhere in it has a `null`; in a list `null` is a value like others.
fn has_null(value: &Value) -> bool {
    match value {
        Value::Null => true,
        Value::Object(fields) => fields.values().any(has_null),
        _ => false,
    }
}

fn depth(value: &Value) -> usize {
    match value {
        Value::Object(fields) => 1 + fields.values().map(depth).max().unwrap_or_default(),
        Value::Array(items) => 1 + items.iter().map(depth).max().unwrap_or_default(),
        _ => 0,
    }
}

/// What has to be merged into a user's `extra`.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Change {
    /// Declared keys that are missing or differ.
    pub set: Map<String, Value>,
    /// Keys that were set from here, are no longer declared, and are still there.
    pub gone: Vec<String>,
}

impl Change {
    /// The keys that it names.
    pub fn keys(&self) -> impl Iterator<Item = &String> {
        self.set.keys().chain(&self.gone)
    }

    /// As PATCH takes it.
    pub fn patch(&self) -> Map<String, Value> {
        let gone = self.gone.iter().map(|key| (key.clone(), Value::Null));
        self.set.iter().map(|(key, value)| (key.clone(), value.clone())).chain(gone).collect()
    }
}

/// The change from what is there to what is declared. `ours`: the keys that were set from here.
pub fn change(declared: &Map<String, Value>, there: &Map<String, Value>, ours: &[String]) -> Change {
    let differs = |(key, value): (&String, &Value)| Some((key.clone(), difference(there.get(key), value)?));
    let gone =
        |key: &&String| !declared.contains_key(*key) && there.get(*key).is_some_and(|value| !value.is_null());
    Change {
        set: declared.iter().filter_map(differs).collect(),
        gone: ours.iter().filter(gone).cloned().collect(),
    }
}

/// What has to be merged into a value so that it is the declared one; nothing if it is.
fn difference(there: Option<&Value>, declared: &Value) -> Option<Value> {
    let (Some(Value::Object(there)), Value::Object(fields)) = (there, declared) else {
        return (!there.is_some_and(|there| is_same(there, declared))).then(|| declared.clone());
    };
    let differing = fields.iter().filter_map(|(key, value)| {
        let difference = difference(there.get(key), value)?;
        Some((key.clone(), difference))
    });
    let others = there.iter().filter(|(key, value)| !fields.contains_key(*key) && !value.is_null());
    let patch: Map<_, _> = differing.chain(others.map(|(key, _)| (key.clone(), Value::Null))).collect();
    (!patch.is_empty()).then_some(Value::Object(patch))
}

/// Equal as JSON has it: `1.0` is `1`, which the server's own format doesn't tell apart.
fn is_same(a: &Value, b: &Value) -> bool {
    match (a, b) {
        (Value::Number(a), Value::Number(b)) => a == b || a.as_f64() == b.as_f64(),
        (Value::Array(a), Value::Array(b)) => {
            a.len() == b.len() && a.iter().zip(b).all(|(a, b)| is_same(a, b))
        }
        (Value::Object(a), Value::Object(b)) => {
            a.len() == b.len() && a.iter().all(|(key, a)| b.get(key).is_some_and(|b| is_same(a, b)))
        }
        (a, b) => a == b,
    }
}

/// Merges a change into what is known of a user, as the server does.
pub fn merge(into: &mut Map<String, Value>, patch: &Map<String, Value>) {
    for (key, value) in patch {
        match (into.get_mut(key), value) {
            (Some(Value::Object(into)), Value::Object(patch)) => merge(into, patch),
            _ => drop(into.insert(key.clone(), value.clone())),
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::json;

    use super::*;

    fn map(value: Value) -> Map<String, Value> {
        let Value::Object(map) = value else { panic!("no object") };
        map
    }

    fn values() -> impl Strategy<Value = Value> {
        let leaf = prop_oneof![
            Just(Value::Null),
            any::<bool>().prop_map(Value::from),
            (0_u8..3).prop_map(Value::from),
            Just(json!("x"))
        ];
        leaf.prop_recursive(3, 12, 3, |inner| {
            let keys = prop::sample::select(vec!["a", "b", "c"]).prop_map(str::to_owned);
            prop_oneof![
                prop::collection::vec(inner.clone(), 0..3).prop_map(Value::Array),
                prop::collection::btree_map(keys, inner, 0..3)
                    .prop_map(|fields| Value::Object(fields.into_iter().collect())),
            ]
        })
    }

    fn extras() -> impl Strategy<Value = Map<String, Value>> {
        let keys = prop::sample::select(vec!["a", "b", "c", "d"]).prop_map(str::to_owned);
        prop::collection::btree_map(keys, values(), 0..4).prop_map(|fields| fields.into_iter().collect())
    }

    proptest! {
        #[test]
        fn after_the_change_nothing_is_left_to_change_and_what_is_not_declared_is_as_it_was(
            declared in extras().prop_filter("no null", |extra| !extra.values().any(has_null)),
            there in extras(),
            ours in prop::collection::vec(prop::sample::select(vec!["a", "b", "c", "d"]).prop_map(str::to_owned), 0..3),
        ) {
            let mut after = there.clone();
            merge(&mut after, &change(&declared, &there, &ours).patch());
            prop_assert_eq!(change(&declared, &after, &ours), Change::default());
            for (key, value) in &there {
                if !declared.contains_key(key) && !ours.contains(key) {
                    prop_assert_eq!(after.get(key), Some(value));
                }
            }
            for (key, value) in &declared {
                prop_assert_eq!(difference(after.get(key), value), None);
            }
        }
    }

    #[test]
    fn a_change_names_only_what_differs() {
        let there = map(json!({"team": "shop", "cost": {"centre": 1, "old": true}, "other": "x", "mine": 1}));
        let declared = map(json!({"team": "shop", "cost": {"centre": 1.0, "new": [null]}, "fresh": {}}));
        let ours = ["team".to_owned(), "mine".to_owned(), "long gone".to_owned()];
        let patch = change(&declared, &there, &ours).patch();
        let expected = json!({"cost": {"new": [null], "old": null}, "fresh": {}, "mine": null});
        assert_eq!(Value::Object(patch), expected);
    }

    #[test]
    fn what_cant_be_kept_is_refused_with_a_sentence() {
        let deep = (0..9).fold(json!(1), |value, _| json!([value]));
        let many: Map<_, _> = (0..33).map(|n| (n.to_string(), json!(n))).collect();
        for (extra, sentence) in [
            (json!({"arango-operator": 1}), "own mark"),
            (json!({"": 1}), "1 to 128"),
            (json!({"k".repeat(129): 1}), "1 to 128"),
            (json!({"a": {"b": null}}), "null under \"a\""),
            (json!({"a": deep}), "nested deeper"),
            (json!({"a": "x".repeat(9000)}), "at most 8192"),
            (Value::Object(many), "at most 32"),
        ] {
            let hold = check(&map(extra)).unwrap_err();
            assert!(hold.message.contains(sentence), "{hold}");
        }
        check(&map(json!({"team": "shop", "list": [null, {"a": 1}]}))).unwrap();
    }
}
