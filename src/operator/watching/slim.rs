//! Objects as they are watched: without what nobody here reads. Who manages which field is the larger half of an object's
//! metadata, and a tree for each manager; it is skipped while the object is parsed, so that it is never built.

use std::{borrow::Cow, fmt, marker::PhantomData};

use kube::{Resource, ResourceExt};
use serde::{
    Deserialize, Deserializer,
    de::{DeserializeSeed, IgnoredAny, IntoDeserializer, MapAccess, Visitor},
    forward_to_deserialize_any,
};

/// What is skipped of the metadata.
const SKIPPED: &str = "managedFields";

/// The annotations that anybody here reads begin so.
const OURS: &str = "arango-operator.dev/";

/// An object of a watch.
#[derive(Debug, Clone)]
pub struct Slim<K>(pub K);

impl<'de, K: Deserialize<'de>> Deserialize<'de> for Slim<K> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        K::deserialize(Part { of: deserializer, level: Level::Object }).map(Self)
    }
}

impl<K: Resource> Resource for Slim<K> {
    type DynamicType = K::DynamicType;
    type Scope = K::Scope;

    fn kind(dt: &Self::DynamicType) -> Cow<'_, str> {
        K::kind(dt)
    }

    fn group(dt: &Self::DynamicType) -> Cow<'_, str> {
        K::group(dt)
    }

    fn version(dt: &Self::DynamicType) -> Cow<'_, str> {
        K::version(dt)
    }

    fn api_version(dt: &Self::DynamicType) -> Cow<'_, str> {
        K::api_version(dt)
    }

    fn plural(dt: &Self::DynamicType) -> Cow<'_, str> {
        K::plural(dt)
    }

    fn metadata_api() -> bool {
        K::metadata_api()
    }

    fn url_path(dt: &Self::DynamicType, namespace: Option<&str>) -> String {
        K::url_path(dt, namespace)
    }

    fn meta(&self) -> &kube::api::ObjectMeta {
        self.0.meta()
    }

    fn meta_mut(&mut self) -> &mut kube::api::ObjectMeta {
        self.0.meta_mut()
    }
}

impl<K: Resource> Slim<K> {
    /// The object, without what others have noted on it. `kubectl apply` notes all that was applied.
    pub fn into_inner(mut self) -> K {
        self.0.annotations_mut().retain(|name, _| name.starts_with(OURS));
        if self.0.annotations().is_empty() {
            self.0.meta_mut().annotations = None;
        }
        self.0
    }
}

/// Where in an object something is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Level {
    Object,
    Metadata,
}

/// What is read, written, or visited of an object's part, without what is skipped.
struct Part<T> {
    of: T,
    level: Level,
}

impl<'de, D: Deserializer<'de>> Deserializer<'de> for Part<D> {
    type Error = D::Error;

    fn deserialize_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, D::Error> {
        self.of.deserialize_map(Part { of: visitor, level: self.level })
    }

    fn deserialize_option<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, D::Error> {
        visitor.visit_some(self)
    }

    forward_to_deserialize_any! {
        bool i8 i16 i32 i64 u8 u16 u32 u64 f32 f64 char str string bytes byte_buf unit unit_struct newtype_struct
        seq tuple tuple_struct map struct enum identifier ignored_any
    }
}

impl<'de, V: Visitor<'de>> Visitor<'de> for Part<V> {
    type Value = V::Value;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.of.expecting(f)
    }

    fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<V::Value, A::Error> {
        self.of.visit_map(Fields { map, level: self.level, is_metadata: false })
    }
}

struct Fields<A> {
    map: A,
    level: Level,
    /// Whether the value that comes next is the object's metadata.
    is_metadata: bool,
}

/// A key, copied only if it has to be.
#[derive(Deserialize)]
struct Key<'a>(#[serde(borrow)] Cow<'a, str>);

impl<'de, A: MapAccess<'de>> MapAccess<'de> for Fields<A> {
    type Error = A::Error;

    fn next_key_seed<S: DeserializeSeed<'de>>(&mut self, seed: S) -> Result<Option<S::Value>, A::Error> {
        while let Some(Key(key)) = self.map.next_key()? {
            if self.level == Level::Metadata && key == SKIPPED {
                self.map.next_value::<IgnoredAny>()?;
                continue;
            }
            self.is_metadata = self.level == Level::Object && key == "metadata";
            return seed.deserialize(key.into_deserializer()).map(Some);
        }
        Ok(None)
    }

    fn next_value_seed<S: DeserializeSeed<'de>>(&mut self, seed: S) -> Result<S::Value, A::Error> {
        if self.is_metadata {
            return self.map.next_value_seed(Metadata { seed, of: PhantomData });
        }
        self.map.next_value_seed(seed)
    }
}

struct Metadata<'de, S> {
    seed: S,
    of: PhantomData<&'de ()>,
}

impl<'de, S: DeserializeSeed<'de>> DeserializeSeed<'de> for Metadata<'de, S> {
    type Value = S::Value;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<S::Value, D::Error> {
        self.seed.deserialize(Part { of: deserializer, level: Level::Metadata })
    }
}

#[cfg(test)]
mod tests {
    use k8s_openapi::api::core::v1::ConfigMap;
    use kube::core::WatchEvent;
    use serde_json::{Value, json};

    use super::*;
    use crate::kinds::user::crd::ArangoUser;

    fn object() -> Value {
        json!({
            "apiVersion": "arango-operator.dev/v1alpha1", "kind": "ArangoUser",
            "metadata": {
                "name": "alice", "namespace": "shop", "resourceVersion": "7", "generation": 2,
                "managedFields": [{"manager": "kubectl", "operation": "Apply", "apiVersion": "v1", "fieldsV1": {"f:spec": {}}}],
                "annotations": {
                    "arango-operator.dev/claim": "{\"a\":1}", "kubectl.kubernetes.io/last-applied-configuration": "{…}",
                },
                "finalizers": ["arango-operator.dev/cleanup"],
            },
            "spec": {"clusterRef": {"name": "prod"}, "extra": {"metadata": {"managedFields": 1}, "managedFields": [2]}},
            "status": {"observedGeneration": 2, "origin": "Created", "passwordSecret": {
                "uid": "u", "resourceVersion": "1", "source": "a/b",
            }},
        })
    }

    #[test]
    fn an_object_is_what_it_is_but_for_who_manages_its_fields() {
        let mut whole: ArangoUser = serde_json::from_value(object()).unwrap();
        let texts =
            [object().to_string(), object().to_string().replace("managedFields", "managed\\u0046ields")];
        whole.metadata.managed_fields = None;
        for text in texts {
            let slim: Slim<ArangoUser> = serde_json::from_str(&text).unwrap();
            assert_eq!(serde_json::to_value(&slim.0).unwrap(), serde_json::to_value(&whole).unwrap());
        }
        let slim: Slim<ArangoUser> = serde_json::from_value(object()).unwrap();
        let kept = slim.into_inner();
        assert_eq!(kept.annotations().keys().collect::<Vec<_>>(), ["arango-operator.dev/claim"]);
        assert_eq!(kept.spec, whole.spec);
        assert_eq!(kept.status, whole.status);
    }

    #[test]
    fn a_watch_tells_of_it_and_errors_stay_errors() {
        let event = json!({"type": "ADDED", "object": object()}).to_string();
        let event: WatchEvent<Slim<ArangoUser>> = serde_json::from_str(&event).unwrap();
        let WatchEvent::Added(Slim(user)) = event else { panic!("{event:?}") };
        assert!(user.managed_fields().is_empty() && user.name_any() == "alice");
        for wrong in ["7", "[]", "null", r#"{"metadata": 7}"#, r#"{"metadata": {"managedFields": [}}"#] {
            assert!(serde_json::from_str::<Slim<ArangoUser>>(wrong).is_err(), "{wrong}");
        }
        let bare =
            r#"{"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "x"}, "data": {"a": "b"}}"#;
        let bare: Slim<ConfigMap> = serde_json::from_str(bare).unwrap();
        assert!(bare.into_inner().metadata.annotations.is_none());
    }
}
