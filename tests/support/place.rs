//! One namespace of a test, as its users see it: through kubectl and the API server.

use std::{
    process::Stdio,
    time::{Duration, Instant},
};

use arango_operator::control_plane::ControlPlane;
use futures::future::join_all;
use k8s_openapi::api::{core::v1::Namespace, events::v1::Event};
use kube::{
    Api, Client,
    api::{ApiResource, DynamicObject, ListParams, ObjectMeta, PostParams},
    core::GroupVersionKind,
    runtime::wait::{await_condition, conditions::is_deleted},
};
use serde_json::Value;
use tokio::{io::AsyncWriteExt, time::timeout};

use super::{PATIENCE, eventually, plane::kubectl, within};

/// A namespace of one test.
pub(crate) struct Place {
    pub(crate) namespace: String,
    pub(crate) client: Client,
    pub(crate) plane: &'static ControlPlane,
}

impl Place {
    /// Makes one.
    pub(super) async fn make(namespace: String, plane: &'static ControlPlane) -> Self {
        let made = Self { namespace, client: plane.client().await.unwrap(), plane };
        let metadata = ObjectMeta { name: Some(made.namespace.clone()), ..ObjectMeta::default() };
        let namespace = Namespace { metadata, ..Namespace::default() };
        Api::all(made.client.clone()).create(&PostParams::default(), &namespace).await.unwrap();
        made
    }

    /// Runs kubectl in the namespace; what it prints, or what it complains of.
    pub(crate) async fn kubectl(&self, arguments: &[&str]) -> Result<String, String> {
        self.kubectl_with(arguments, "").await
    }

    async fn kubectl_with(&self, arguments: &[&str], input: &str) -> Result<String, String> {
        let mut command = kubectl(self.plane);
        command.args(["--namespace", &self.namespace]).args(arguments);
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut child = command.spawn().unwrap();
        let mut stdin = child.stdin.take().unwrap();
        stdin.write_all(input.as_bytes()).await.unwrap();
        drop(stdin);
        let output = timeout(PATIENCE * 2, child.wait_with_output()).await.expect("kubectl ends").unwrap();
        let text = |bytes| String::from_utf8(bytes).unwrap();
        if output.status.success() { Ok(text(output.stdout)) } else { Err(text(output.stderr)) }
    }

    /// Applies manifests as a user does.
    pub(crate) async fn apply(&self, manifests: &str) {
        if let Err(complaint) = self.try_apply(manifests).await {
            panic!("kubectl apply: {complaint}\n{manifests}");
        }
    }

    /// The same where a refusal is expected.
    pub(crate) async fn try_apply(&self, manifests: &str) -> Result<String, String> {
        self.kubectl_with(&["apply", "-f", "-"], manifests).await
    }

    /// Asks for deletion, and waits until it has happened.
    pub(crate) async fn delete(&self, objects: &[impl AsRef<str>]) {
        let objects: Vec<_> = objects.iter().map(AsRef::as_ref).collect();
        let mut arguments = vec!["delete", "--wait=false"];
        arguments.extend(&objects);
        self.kubectl(&arguments).await.unwrap();
        join_all(objects.iter().map(|object| self.gone(object))).await;
    }

    /// Waits until an object is gone.
    pub(crate) async fn gone(&self, object: &str) {
        self.gone_within(PATIENCE, object).await;
    }

    /// The same within a limit of its own.
    pub(crate) async fn gone_within(&self, limit: Duration, object: &str) {
        let (api, name) = self.api(object);
        let Some(found) = api.get_opt(name).await.unwrap() else { return };
        let uid = found.metadata.uid.unwrap();
        let deleted = await_condition(api.clone(), name, is_deleted(&uid));
        if !matches!(timeout(limit, deleted).await, Ok(Ok(_))) {
            let object_now = api.get_opt(name).await;
            panic!("{object} is not gone within {limit:?}: {object_now:#?}");
        }
    }

    /// Waits until the whole namespace is gone. Tells how long that took.
    pub(crate) async fn namespace_is_gone(&self, limit: Duration) -> Duration {
        let api: Api<Namespace> = Api::all(self.client.clone());
        let ((), took) =
            within(limit, "the namespace is gone", async || match api.get_opt(&self.namespace).await {
                Ok(None) => Ok(()),
                other => Err(other),
            })
            .await;
        took
    }

    fn api<'a>(&self, object: &'a str) -> (Api<DynamicObject>, &'a str) {
        let (kind, name) = object.split_once('/').unwrap();
        (Api::namespaced_with(self.client.clone(), &self.namespace, &type_of(kind)), name)
    }

    /// Reads an object, `KIND/NAME`.
    pub(crate) async fn object(&self, object: &str) -> Value {
        let (api, name) = self.api(object);
        serde_json::to_value(api.get(name).await.unwrap()).unwrap()
    }

    /// Waits until these are Ready.
    pub(crate) async fn ready(&self, objects: &[&str]) -> Duration {
        let begin = Instant::now();
        join_all(objects.iter().map(|object| self.condition(object, "True", "Ready"))).await;
        begin.elapsed()
    }

    /// Waits until Ready has that status and reason, for the newest spec. Returns the message.
    pub(crate) async fn condition(&self, object: &str, status: &str, reason: &str) -> String {
        self.condition_within(PATIENCE, object, status, reason).await
    }

    /// The same within a limit of its own.
    pub(crate) async fn condition_within(
        &self,
        limit: Duration,
        object: &str,
        status: &str,
        reason: &str,
    ) -> String {
        self.try_condition(limit, object, status, reason).await.unwrap_or_else(|found| panic!("{found}"))
    }

    /// The same; where it doesn't come about, what is there instead.
    pub(crate) async fn try_condition(
        &self,
        limit: Duration,
        object: &str,
        status: &str,
        reason: &str,
    ) -> Result<String, String> {
        let (api, name) = self.api(object);
        let is = |found: Option<&DynamicObject>| {
            found.is_some_and(|found| {
                let ready = ready_condition(found);
                let newest = found.data["status"]["observedGeneration"].as_i64() == found.metadata.generation;
                ready["status"] == status && ready["reason"] == reason && (newest || reason == "Pending")
            })
        };
        match timeout(limit, await_condition(api.clone(), name, is)).await {
            Ok(Ok(found)) => {
                let found = found.expect("an object that met the condition");
                Ok(ready_condition(&found)["message"].as_str().unwrap_or_default().to_owned())
            }
            outcome => {
                let found = api.get_opt(name).await.map(|found| found.map(|found| found.data));
                Err(format!(
                    "{object} is not Ready={status} {reason} within {limit:?} ({outcome:?}): {found:#?}"
                ))
            }
        }
    }

    /// The Events of one object, as `REASON: note`.
    pub(crate) async fn events_of(&self, object: &str) -> Vec<String> {
        let (kind, name) = object.split_once('/').unwrap();
        let events: Vec<Event> = self.events().await;
        let about = |event: &Event| {
            event.regarding.as_ref().is_some_and(|regarding| {
                let is = |value: &Option<String>, text: &str| {
                    value.as_deref().is_some_and(|value| value.eq_ignore_ascii_case(text))
                };
                is(&regarding.kind, kind) && is(&regarding.name, name)
            })
        };
        let events = events.into_iter().filter(about);
        events
            .map(|event| format!("{}: {}", event.reason.unwrap_or_default(), event.note.unwrap_or_default()))
            .collect()
    }

    /// All Events of the namespace.
    pub(crate) async fn events(&self) -> Vec<Event> {
        let api = Api::namespaced(self.client.clone(), &self.namespace);
        api.list(&ListParams::default()).await.unwrap().items
    }

    /// Waits for an Event about an object. Returns it.
    pub(crate) async fn event(&self, object: &str, reason: &str) -> String {
        eventually(&format!("{object} has an Event {reason}"), async || {
            let events = self.events_of(object).await;
            let start = format!("{reason}: ");
            events.iter().find(|event| event.starts_with(&start)).cloned().ok_or(events)
        })
        .await
    }

    /// Waits until the status of the `ArangoCluster` `prod` counts what is declared like this. It says so a while after what
    /// it counts: such counts are written at most once in ten seconds.
    pub(crate) async fn counted(&self, expected: &Value) {
        eventually(&format!("what is declared is counted as {expected}"), async || {
            let managed = self.object("arangocluster/prod").await["status"]["managed"].clone();
            let mut expected = expected.as_object().unwrap().iter();
            if expected.all(|(what, count)| managed[what] == *count) { Ok(()) } else { Err(managed) }
        })
        .await;
    }

    /// The value of a Secret's key.
    pub(crate) async fn secret_value(&self, name: &str, key: &str) -> Option<String> {
        let api: Api<k8s_openapi::api::core::v1::Secret> =
            Api::namespaced(self.client.clone(), &self.namespace);
        let secret = api.get_opt(name).await.unwrap()?;
        String::from_utf8(secret.data?.remove(key)?.0).ok()
    }

    /// The resource versions of everything in the namespace that the operator could write to, Events among it.
    pub(crate) async fn versions(&self) -> std::collections::BTreeMap<String, String> {
        let kinds = "arangodata,secrets,events.events.k8s.io";
        // A category is told a while after the definitions are established.
        let list = eventually("the list", async || self.kubectl(&["get", kinds, "-o", "json"]).await).await;
        let list: Value = serde_json::from_str(&list).unwrap();
        let items = list["items"].as_array().unwrap().iter();
        items
            .map(|item| {
                let text = |value: &Value| value.as_str().unwrap().to_owned();
                let name = format!("{}/{}", text(&item["kind"]), text(&item["metadata"]["name"]));
                (name, text(&item["metadata"]["resourceVersion"]))
            })
            .collect()
    }
}

fn ready_condition(object: &DynamicObject) -> &Value {
    let conditions = object.data["status"]["conditions"].as_array().into_iter().flatten();
    conditions.into_iter().find(|condition| condition["type"] == "Ready").unwrap_or(&Value::Null)
}

/// The resource type by the name that kubectl prints it with.
fn type_of(kind: &str) -> ApiResource {
    let kind = match kind {
        "arangocluster" => "ArangoCluster",
        "arangodatabase" => "ArangoDatabase",
        "arangouser" => "ArangoUser",
        "arangopermission" => "ArangoPermission",
        other => panic!("{other} is none of our kinds"),
    };
    ApiResource::from_gvk(&GroupVersionKind::gvk("arango-operator.dev", "v1alpha1", kind))
}
