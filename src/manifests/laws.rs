//! What holds of every manifest that could be written.

use proptest::{collection::btree_map, option, prelude::*, sample::select};
use serde_json::{Value, json};

use super::*;
use crate::kinds::{database::Database, permission::Permission, user::User};

fn name() -> impl Strategy<Value = String> {
    select(&["shop", "caf\u{e9}", "a b\"c'", "x{y}: [z]", "#1", "yes", "~x", "tab\\t", "🐘", "-", "null"][..])
        .prop_map(str::to_owned)
}

fn spec(kind: &'static str) -> BoxedStrategy<Value> {
    let level = || select(&["rw", "ro", "none"][..]);
    let policy = option::of(select(&["Retain", "Delete"][..]));
    match kind {
        "ArangoDatabase" => (option::of("[a-z][a-zA-Z\u{e4}\u{fc} '\"{}#]{0,20}[a-z]"), option::of(1..=10_i64), policy)
            .prop_map(|(name, copies, policy)| {
                json!({"name": name, "options": copies.map(|n| json!({"replicationFactor": n})), "deletionPolicy": policy})
            })
            .boxed(),
        "ArangoUser" => {
            let extra = btree_map("[a-z]{1,8}", name().prop_map(|text| json!({"deep": [text, 1, true]})), 0..3);
            (option::of(name()), any::<bool>(), extra)
                .prop_map(|(name, active, extra)| json!({"name": name, "active": active, "extra": extra}))
                .boxed()
        }
        _ => (name(), level(), btree_map(name(), level(), 0..4), policy)
            .prop_map(|(user, access, collections, policy)| {
                json!({"user": user, "database": "shop", "access": access, "collections": collections, "deletionPolicy": policy})
            })
            .boxed(),
    }
}

/// A valid manifest, what it leaves out left out.
fn manifest() -> impl Strategy<Value = Value> {
    select(&["ArangoDatabase", "ArangoUser", "ArangoPermission"][..]).prop_flat_map(|kind| {
        spec(kind).prop_map(move |mut spec| {
            spec["clusterRef"] = json!({"name": "prod"});
            if let Value::Object(fields) = &mut spec {
                fields.retain(|_, value| !value.is_null());
            }
            let metadata = json!({"name": "one", "namespace": "shop"});
            json!({"apiVersion": "arango-operator.dev/v1alpha1", "kind": kind, "metadata": metadata, "spec": spec})
        })
    })
}

/// The one resource of a text, as JSON.
fn typed(text: &str) -> Result<Value, String> {
    let source = Source::Text("t".to_owned(), text.to_owned());
    let manifests = read(&[source], &Options::default())
        .map_err(|all| all.iter().map(ToString::to_string).collect::<Vec<_>>().join("\n"))?;
    let mut found = Vec::new();
    crate::for_each_kind!(K => {
        found.extend(manifests.of::<K>().iter().map(|one| serde_json::to_value(&one.resource).unwrap()));
    });
    assert_eq!(found.len(), 1);
    Ok(found.remove(0))
}

fn directly(manifest: &Value) -> Value {
    let manifest = manifest.clone();
    match manifest["kind"].as_str().unwrap() {
        Database::NAME => serde_json::to_value(parsed::<Database>(manifest)),
        User::NAME => serde_json::to_value(parsed::<User>(manifest)),
        _ => serde_json::to_value(parsed::<Permission>(manifest)),
    }
    .unwrap()
}

fn parsed<K: Kind>(manifest: Value) -> K::Resource {
    serde_json::from_value(manifest).unwrap()
}

proptest! {
    #[test]
    fn what_is_written_as_json_or_yaml_is_read_as_it_was(manifest in manifest()) {
        let expected = directly(&manifest);
        for text in [
            serde_json::to_string(&manifest).unwrap(),
            serde_json::to_string_pretty(&manifest).unwrap(),
            serde_saphyr::to_string(&manifest).unwrap(),
        ] {
            let found = typed(&text);
            prop_assert_eq!(found.as_ref(), Ok(&expected), "{}", text);
        }
    }

    #[test]
    fn a_complaint_points_to_the_field_that_it_names(manifest in manifest(), before in 0..5_usize, yaml: bool) {
        let mut manifest = manifest;
        manifest["spec"]["unheardOf"] = json!(1);
        let one = if yaml { serde_saphyr::to_string(&manifest) } else { Ok(serde_json::to_string_pretty(&manifest).unwrap()) };
        let text = format!("{}---\n{}", "# comment\n---\n".repeat(before), one.unwrap());
        let source = Source::Text("t".to_owned(), text.clone());
        let complaints = read(&[source], &Options::default()).unwrap_err();
        prop_assert_eq!(complaints.len(), 1, "{:?}", complaints);
        let at = complaints[0].at.as_ref().unwrap();
        let line = text.lines().nth(at.line as usize - 1).unwrap();
        let there: String = line.chars().skip(at.column as usize - 1).collect();
        prop_assert!(there.trim_start_matches('"').starts_with("unheardOf"), "{at}: {there:?} in {text}");
    }

    #[test]
    fn nothing_that_could_be_typed_makes_it_panic(text in "[a-z{}\\[\\]:,&*!|>'\"%#\\- \n\t~<0-9.]{0,80}") {
        let _ = read(&[Source::Text("t".to_owned(), text)], &Options::default());
    }
}
