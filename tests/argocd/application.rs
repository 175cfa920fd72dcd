//! An Application: a repository's manifests, and how Argo CD sees them.

use std::{collections::BTreeMap, time::Duration};

use futures::{Stream, StreamExt};
use kube::{
    Api,
    api::{ApiResource, DeleteParams, DynamicObject, Patch, PatchParams, PostParams},
    core::GroupVersionKind,
    runtime::{WatchStreamExt, watcher},
};
use serde_json::{Value, json};

use super::{
    argo::{Argo, CLUSTER, NAMESPACE},
    repository::Repository,
    support::within,
};

/// How long Argo CD may take for what it does in a few seconds on an idle machine.
pub(crate) const PATIENCE: Duration = Duration::from_secs(120);

/// An Application.
pub(crate) struct Application {
    argo: &'static Argo,
    api: Api<DynamicObject>,
    pub(crate) name: String,
}

impl Application {
    /// One that syncs by itself, heals and prunes. `more` is merged into it.
    pub(crate) async fn create(
        argo: &'static Argo,
        name: &str,
        repository: &Repository,
        namespace: &str,
        more: Value,
    ) -> Self {
        let object = json!({
            "apiVersion": "argoproj.io/v1alpha1", "kind": "Application",
            "metadata": {"name": name, "namespace": NAMESPACE},
            "spec": {
                "project": "default",
                "source": {"repoURL": repository.url(), "path": ".", "targetRevision": "HEAD"},
                "destination": {"name": CLUSTER, "namespace": namespace},
                "syncPolicy": {"automated": {"prune": true, "selfHeal": true}},
            },
        });
        Self::create_as(argo, object, more).await
    }

    /// One that somebody wrote. `more` is merged into it.
    pub(crate) async fn create_as(argo: &'static Argo, mut object: Value, more: Value) -> Self {
        merge(&mut object, more);
        let object: DynamicObject = serde_json::from_value(object).unwrap();
        let application = Self::named(argo, object.metadata.name.as_ref().unwrap()).await;
        application.api.create(&PostParams::default(), &object).await.unwrap();
        application
    }

    /// One that is there.
    pub(crate) async fn named(argo: &'static Argo, name: &str) -> Self {
        let gvk = GroupVersionKind::gvk("argoproj.io", "v1alpha1", "Application");
        let client = argo.plane.client().await.unwrap();
        let api = Api::namespaced_with(client, NAMESPACE, &ApiResource::from_gvk(&gvk));
        Self { argo, api, name: name.to_owned() }
    }

    /// Tells of every state that it is in from now on.
    pub(crate) fn states(&self) -> impl Stream<Item = Value> + Send + use<> {
        let config = watcher::Config::default().fields(&format!("metadata.name={}", self.name));
        let states = watcher(self.api.clone(), config).default_backoff().applied_objects();
        states.filter_map(async |object| Some(serde_json::to_value(object.ok()?).unwrap()))
    }

    /// All of it, with its status.
    pub(crate) async fn object(&self) -> Option<Value> {
        let found = self.api.get_opt(&self.name).await.unwrap();
        found.map(|found| serde_json::to_value(found).unwrap())
    }

    /// Waits until its status is as asked.
    pub(crate) async fn until<T>(&self, what: &str, question: impl Fn(&Value) -> Option<T>) -> T {
        let what = format!("the Application {}: {what}", self.name);
        let ask = async || {
            let object = self.object().await.ok_or_else(|| "it is gone".to_owned())?;
            question(&object["status"]).ok_or_else(|| format!("{:#}\n{}", brief(&object), self.argo.log()))
        };
        within(PATIENCE, &what, ask).await.0
    }

    /// Waits until it is in that sync status and health.
    pub(crate) async fn is(&self, sync: &str, health: &str) {
        self.until(&format!("{sync} and {health}"), |status| {
            let is = status["sync"]["status"] == sync && status["health"]["status"] == health;
            is.then_some(())
        })
        .await;
    }

    /// Waits until a resource of it, `KIND/NAME`, has that health, with a message that contains a text. Returns the message.
    pub(crate) async fn health(&self, resource: &str, health: &str, text: &str) -> String {
        self.until(&format!("{resource} is {health}: …{text}…"), |status| {
            let found = resources(status).remove(resource)?;
            let message = found["health"]["message"].as_str().unwrap_or_default().to_owned();
            (found["health"]["status"] == health && message.contains(text)).then_some(message)
        })
        .await
    }

    /// Has it compared now, as a webhook does after a push, and waits until that is done. `how`: `normal`, or `hard` to
    /// forget what is cached of the repository.
    pub(crate) async fn refresh(&self, how: &str) {
        let annotations = json!({"argocd.argoproj.io/refresh": how});
        let patch = json!({"metadata": {"annotations": annotations}});
        self.api.patch(&self.name, &PatchParams::default(), &Patch::Merge(patch)).await.unwrap();
        let what = format!("the Application {} is compared", self.name);
        within(PATIENCE, &what, async || {
            let object = self.object().await.ok_or("it is gone")?;
            let left = &object["metadata"]["annotations"]["argocd.argoproj.io/refresh"];
            if left.is_null() { Ok(()) } else { Err("the wish is still there") }
        })
        .await;
    }

    /// Has a commit synced and waits until it is, and healthy.
    pub(crate) async fn follow(&self, commit: &str) {
        self.refresh("normal").await;
        self.until(&format!("synced to {commit}, and healthy"), |status| {
            let synced = status["sync"]["status"] == "Synced" && status["sync"]["revision"] == commit;
            let done = status["operationState"]["phase"] == "Succeeded"
                && status["operationState"]["syncResult"]["revision"] == commit;
            (synced && done && status["health"]["status"] == "Healthy").then_some(())
        })
        .await;
    }

    /// Asks for its deletion.
    pub(crate) async fn delete(&self) {
        self.api.delete(&self.name, &DeleteParams::default()).await.unwrap();
    }

    /// Waits until it is gone.
    pub(crate) async fn gone(&self) {
        within(PATIENCE, &format!("the Application {} is gone", self.name), async || {
            match self.object().await {
                None => Ok(()),
                Some(object) => Err(format!("{:#}\n{}", brief(&object), self.argo.log())),
            }
        })
        .await;
    }
}

/// The resources in an Application's status, by `KIND/NAME`.
pub(crate) fn resources(status: &Value) -> BTreeMap<String, Value> {
    let all = status["resources"].as_array().into_iter().flatten();
    let named = |resource: &Value| {
        format!("{}/{}", resource["kind"].as_str().unwrap(), resource["name"].as_str().unwrap())
    };
    all.map(|resource| (named(resource), resource.clone())).collect()
}

/// What says why an Application isn't as expected.
fn brief(object: &Value) -> Value {
    let status = &object["status"];
    let operation = &status["operationState"];
    json!({
        "sync": status["sync"]["status"], "health": status["health"], "conditions": status["conditions"],
        "phase": operation["phase"], "message": operation["message"], "results": operation["syncResult"]["resources"],
        "resources": status["resources"],
    })
}

/// Merges as a JSON merge patch does, but for the removal.
fn merge(into: &mut Value, more: Value) {
    match (into, more) {
        (Value::Object(into), Value::Object(more)) => {
            for (key, value) in more {
                merge(into.entry(key).or_insert(Value::Null), value);
            }
        }
        (into, more) => *into = more,
    }
}
