//! What users do, through the API server as anybody's programs do.

use std::time::{Duration, Instant};

use k8s_openapi::api::core::v1::Namespace;
use kube::{
    Api, Client,
    api::{ApiResource, DeleteParams, DynamicObject, Patch, PatchParams},
    core::GroupVersionKind,
};
use serde_json::{Value, json};
use tokio::time::sleep;

use crate::{
    model::{Before, Left},
    step::{Object, Place, Step},
    storm::{Storm, now},
};

/// How long anything may take.
pub(crate) const LIMIT: Duration = Duration::from_secs(90);

/// The wait before something is tried again.
const PAUSE: Duration = Duration::from_millis(100);

const FINALIZER: &str = "arango-operator.dev/cleanup";

/// Tries until it works; what the API server refuses for good is refused.
pub(crate) async fn again<T>(
    what: &str,
    mut question: impl AsyncFnMut() -> Result<T, kube::Error>,
) -> Result<T, String> {
    let begun = Instant::now();
    loop {
        match question().await {
            Ok(answer) => return Ok(answer),
            Err(kube::Error::Api(status)) if (400..500).contains(&status.code) && status.code != 429 => {
                return Err(format!("could not {what}: {status:?}"));
            }
            Err(error) if begun.elapsed() > LIMIT => return Err(format!("could not {what}: {error}")),
            Err(_) => sleep(PAUSE).await,
        }
    }
}

/// The objects of a kind in a namespace.
pub(crate) fn api(client: &Client, namespace: &str, kind: &str) -> Api<DynamicObject> {
    let (group, version) = match kind {
        "Secret" => ("", "v1"),
        _ => ("arango-operator.dev", "v1alpha1"),
    };
    let resource = ApiResource::from_gvk(&GroupVersionKind::gvk(group, version, kind));
    Api::namespaced_with(client.clone(), namespace, &resource)
}

impl Storm<'_> {
    fn objects(&self, object: Object) -> Api<DynamicObject> {
        api(&self.client, self.namespace(object.place()), object.kind())
    }

    /// Carries out what a user does, if it is possible.
    pub(crate) async fn act(&mut self, step: &Step) -> Result<(), String> {
        match *step {
            Step::Database(place, n, policy) => {
                let object = Object::Database(place, n);
                self.declare(object, json!({"deletionPolicy": policy})).await?;
                self.model.databases.insert(object, policy);
            }
            Step::User(place, n, user) => {
                let object = Object::User(place, n);
                let name = object.name();
                let mut spec = json!({
                    "active": user.active, "extra": {"team": format!("team-{}", user.team)},
                    "deletionPolicy": user.policy,
                });
                if user.generated {
                    spec["password"] = json!({"generate": {"secretName": format!("{name}-password")}});
                    spec["connectionSecret"] = json!({"name": format!("{name}-binding")});
                } else {
                    spec["password"] = json!({"secretRef": {"name": "passwords", "key": name}});
                }
                if object.revokes() {
                    spec["undeclaredPermissions"] = json!("Revoke");
                }
                self.declare(object, spec).await?;
                self.model.users.insert(object, user);
            }
            Step::Row(place, user, database, row) => {
                let object = Object::Row(place, user, database);
                let mut spec = json!({
                    "userRef": {"name": Object::User(place, user).name()},
                    "databaseRef": {"name": Object::Database(place, database).name()},
                    "access": row.access, "deletionPolicy": row.policy,
                });
                if let Some(level) = row.collections {
                    spec["collections"] = json!({"*": level});
                }
                self.declare(object, spec).await?;
                self.model.rows.insert(object, row);
            }
            Step::Delete(object) => self.delete(object).await?,
            Step::Password(place, n) => {
                *self.passwords.entry(Object::User(place, n)).or_default() += 1;
                if self.tenant_is_there(place).await? {
                    self.write_passwords(place).await?;
                }
            }
            Step::Rotate(place, n) => {
                let object = Object::User(place, n);
                if self.model.users.get(&object).is_some_and(|user| user.generated) {
                    self.wishes += 1;
                    let wish = format!("wish-{}", self.wishes);
                    self.mark(object, "rotate", json!(wish)).await?;
                    self.model.wishes.insert(object, wish);
                }
            }
            Step::Pause(object, on) if self.model.declares(object) => {
                // First in the books: whatever it does until it sees the annotation is right as well.
                let value = if on { json!("true") } else { Value::Null };
                self.mark(object, "paused", value).await?;
                if on {
                    self.model.paused.insert(object);
                } else {
                    self.model.paused.remove(&object);
                }
            }
            Step::Look(object) if self.model.declares(object) => {
                self.wishes += 1;
                let wish = json!(format!("look-{}", self.wishes));
                self.mark(object, "reconcile-at", wish).await?;
            }
            Step::Maintenance(on) => self.maintain(on).await?,
            Step::DeleteNamespace => self.delete_namespace().await?,
            _ => {}
        }
        Ok(())
    }

    async fn declare(&mut self, object: Object, mut spec: Value) -> Result<(), String> {
        let place = object.place();
        let is_new = !self.model.declares(object);
        if is_new {
            if !self.tenant_is_there(place).await? {
                self.make_namespace(place).await?;
            }
            self.let_go(|blocked| *blocked == object).await?;
            self.is_gone(object).await?;
            self.nothing_forbidden()?;
            self.model.begins(object, now());
        }
        spec["clusterRef"] = json!({"name": "prod", "namespace": self.namespace(Place::Own)});
        let manifest = json!({
            "apiVersion": "arango-operator.dev/v1alpha1", "kind": object.kind(),
            "metadata": {"name": object.name()}, "spec": spec,
        });
        self.apply(self.namespace(place), manifest).await
    }

    /// Lets those go whose deletion is blocked by the data in them. What is on the server stays.
    async fn let_go(&mut self, which: impl Fn(&Object) -> bool) -> Result<(), String> {
        let those: Vec<_> = self.model.blocked.iter().copied().filter(which).collect();
        for object in those {
            let (api, name) = (self.objects(object), object.name());
            let release = json!({"metadata": {"annotations": {"arango-operator.dev/release": "true"}}});
            let patch = Patch::Merge(release);
            // Who was deleted before the operator took him on is gone at once.
            again("let go", async || match api.patch(&name, &PatchParams::default(), &patch).await {
                Err(kube::Error::Api(status)) if status.code == 404 => Ok(()),
                other => other.map(drop),
            })
            .await?;
            self.model.blocked.remove(&object);
        }
        Ok(())
    }

    /// Waits until a resource that is being deleted is gone.
    async fn is_gone(&self, object: Object) -> Result<(), String> {
        let (api, name, begun) = (self.objects(object), object.name(), Instant::now());
        loop {
            match again("read", async || api.get_opt(&name).await).await? {
                None => return Ok(()),
                Some(found) if begun.elapsed() > LIMIT => {
                    return Err(format!("{name} is being deleted and stuck: {}", found.data["status"]));
                }
                Some(_) => sleep(PAUSE).await,
            }
        }
    }

    async fn before(&self, object: Object) -> Result<Before, String> {
        let (api, name) = (self.objects(object), object.name());
        let found = again("read", async || api.get_opt(&name).await).await?;
        let held = found.is_some_and(|found| {
            let finalizers = found.metadata.finalizers.unwrap_or_default();
            finalizers.iter().any(|finalizer| finalizer == FINALIZER)
                && !found.data["status"]["origin"].is_null()
        });
        let data = matches!(object, Object::Database(..)) && self.has_data(&name);
        Ok(Before { held, there: self.is_on_server(object), data })
    }

    async fn delete(&mut self, object: Object) -> Result<(), String> {
        if !self.model.declares(object) {
            return Ok(());
        }
        let before = self.before(object).await?;
        self.model.ends(object, before, now());
        let (api, name) = (self.objects(object), object.name());
        again("delete", async || match api.delete(&name, &DeleteParams::default()).await {
            Err(kube::Error::Api(status)) if status.code == 404 => Ok(()),
            other => other.map(drop),
        })
        .await
    }

    async fn delete_namespace(&mut self) -> Result<(), String> {
        if !self.tenant_is_there(Place::Tenant).await? {
            return Ok(());
        }
        for object in self.model.in_place(Place::Tenant) {
            let before = self.before(object).await?;
            self.model.ends(object, before, now());
        }
        let api: Api<Namespace> = Api::all(self.client.clone());
        let name = self.namespace(Place::Tenant).to_owned();
        again("delete the namespace", async || api.delete(&name, &DeleteParams::default()).await)
            .await
            .map(drop)
    }

    /// Whether the namespace of a place is there and not about to go.
    pub(crate) async fn tenant_is_there(&self, place: Place) -> Result<bool, String> {
        let api: Api<Namespace> = Api::all(self.client.clone());
        let name = self.namespace(place).to_owned();
        let found = again("read the namespace", async || api.get_opt(&name).await).await?;
        Ok(found.is_some_and(|found| found.metadata.deletion_timestamp.is_none()))
    }

    /// Makes the namespace of a place, once the one before is gone, with the Secret of all passwords.
    pub(crate) async fn make_namespace(&mut self, place: Place) -> Result<(), String> {
        let api: Api<Namespace> = Api::all(self.client.clone());
        let name = self.namespace(place).to_owned();
        let labels = if place == Place::Tenant { json!({"team": "tenant"}) } else { json!({}) };
        let namespace =
            json!({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name, "labels": labels}});
        self.let_go(|blocked| blocked.place() == place).await?;
        let begun = Instant::now();
        loop {
            let found = again("read the namespace", async || api.get_opt(&name).await).await?;
            match found {
                None => break,
                Some(found) if begun.elapsed() > LIMIT => {
                    return Err(format!("the namespace {name} is stuck: {:?}", found.status));
                }
                Some(_) => sleep(PAUSE).await,
            }
        }
        let patch = Patch::Apply(namespace);
        let parameters = PatchParams::apply("somebody").force();
        again("make the namespace", async || api.patch(&name, &parameters, &patch).await).await?;
        self.write_passwords(place).await
    }

    /// The password of a user, as his Secret has it.
    pub(crate) fn password(&self, user: Object) -> String {
        format!("password {} of {}", self.passwords.get(&user).copied().unwrap_or_default(), user.name())
    }

    async fn write_passwords(&self, place: Place) -> Result<(), String> {
        let users = (0..place.size()).map(|n| Object::User(place, n));
        let values: serde_json::Map<_, _> =
            users.map(|user| (user.name(), json!(self.password(user)))).collect();
        let secret = json!({
            "apiVersion": "v1", "kind": "Secret", "metadata": {"name": "passwords"}, "stringData": values,
        });
        self.apply(self.namespace(place), secret).await
    }

    async fn mark(&self, object: Object, annotation: &str, value: Value) -> Result<(), String> {
        self.annotate(object.place(), object.kind(), &object.name(), annotation, value).await
    }

    pub(crate) async fn annotate(
        &self,
        place: Place,
        kind: &str,
        name: &str,
        annotation: &str,
        value: Value,
    ) -> Result<(), String> {
        let api = api(&self.client, self.namespace(place), kind);
        let key = format!("arango-operator.dev/{annotation}");
        let patch = Patch::Merge(json!({"metadata": {"annotations": {key: value}}}));
        let parameters = PatchParams::default();
        again("annotate", async || api.patch(name, &parameters, &patch).await).await.map(drop)
    }

    /// Deletes everything, and waits until nothing is left of it but what was to stay.
    pub(crate) async fn all_goes(&mut self) -> Result<(), String> {
        self.clear().await?;
        self.delete_namespace().await?;
        for object in self.model.declared() {
            self.delete(object).await?;
        }
        self.calm().await?;
        self.let_go(|_| true).await?;
        self.calm().await?;
        for name in [Place::Tenant, Place::Own].map(|place| self.namespace(place).to_owned()) {
            let api: Api<Namespace> = Api::all(self.client.clone());
            again("delete the namespace", async || match api.delete(&name, &DeleteParams::default()).await {
                Err(kube::Error::Api(status)) if [404, 409].contains(&status.code) => Ok(()),
                other => other.map(drop),
            })
            .await?;
        }
        for name in [Place::Tenant, Place::Own].map(|place| self.namespace(place).to_owned()) {
            let api: Api<Namespace> = Api::all(self.client.clone());
            let begun = Instant::now();
            while let Some(left) = again("read", async || api.get_opt(&name).await).await? {
                if begun.elapsed() > LIMIT {
                    return Err(format!("the namespace {name} is stuck: {:?}", left.status));
                }
                sleep(PAUSE).await;
            }
        }
        let gone = self.model.left.iter().filter(|(_, left)| **left == Left::Gone);
        match gone.map(|(object, _)| *object).find(|object| self.is_on_server(*object)) {
            Some(object) => Err(format!("{} is left behind", object.name())),
            None => self.nothing_forbidden(),
        }
    }
}
