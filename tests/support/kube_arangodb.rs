//! kube-arangodb as the operator meets it: its definition, and objects as it writes them. Nobody of it runs here; the
//! test does what it would.

use arango_operator::{
    core::kube_arangodb::{GROUP, KIND, PLURAL, VERSION},
    stand_in::Tls,
};
use kube::{
    Api, Client,
    api::{ApiResource, DynamicObject, Patch, PatchParams, PostParams},
    core::GroupVersionKind,
};
use rcgen::{BasicConstraints, CertificateParams, IsCa, Issuer, KeyPair};
use serde_json::{Value, json};
use tokio::sync::OnceCell;

use super::World;

/// The definition, as far as it matters: anything goes, and the status is apart.
pub(crate) fn definition() -> Value {
    let names = json!({
        "kind": KIND, "listKind": format!("{KIND}List"), "plural": PLURAL, "singular": "arangodeployment",
        "shortNames": ["arangodb", "arango"],
    });
    let schema = json!({"openAPIV3Schema": {"type": "object", "x-kubernetes-preserve-unknown-fields": true}});
    let version = json!({"name": VERSION, "served": true, "storage": true, "schema": schema, "subresources": {"status": {}}});
    json!({
        "apiVersion": "apiextensions.k8s.io/v1", "kind": "CustomResourceDefinition",
        "metadata": {"name": format!("{PLURAL}.{GROUP}")},
        "spec": {"group": GROUP, "scope": "Namespaced", "names": names, "versions": [version]},
    })
}

/// Installs the definition, once for all tests.
pub(crate) async fn install(world: &World) {
    static INSTALLED: OnceCell<()> = OnceCell::const_new();
    INSTALLED
        .get_or_init(async || {
            world.apply(&definition().to_string()).await;
            let name = format!("crd/{PLURAL}.{GROUP}");
            world.kubectl(&["wait", &name, "--for=condition=Established", "--timeout=60s"]).await.unwrap();
        })
        .await;
}

/// The `ArangoDeployment`s of a namespace.
pub(crate) fn deployments(client: Client, namespace: &str) -> Api<DynamicObject> {
    let gvk = GroupVersionKind::gvk(GROUP, VERSION, KIND);
    Api::namespaced_with(client, namespace, &ApiResource::from_gvk_with_plural(&gvk, PLURAL))
}

/// The `ArangoDeployment` of a test.
pub(crate) struct Deployment {
    pub(crate) api: Api<DynamicObject>,
    name: &'static str,
}

impl Deployment {
    /// As a person applies it.
    pub(crate) async fn create(client: Client, namespace: &str, name: &'static str, spec: Value) -> Self {
        let api = deployments(client, namespace);
        let object = json!({
            "apiVersion": format!("{GROUP}/{VERSION}"), "kind": KIND,
            "metadata": {"name": name, "finalizers": ["database.arangodb.com/remove-child-finalizers"]},
            "spec": spec,
        });
        // The definition may be a moment away from being served.
        super::eventually("the ArangoDeployment is taken", async || {
            api.create(&PostParams::default(), &serde_json::from_value(object.clone()).unwrap()).await
        })
        .await;
        Self { api, name }
    }

    /// As kube-arangodb reports.
    pub(crate) async fn report(&self, status: &Value) {
        let patch = Patch::Merge(json!({"status": status}));
        self.api.patch_status(self.name, &PatchParams::default(), &patch).await.unwrap();
    }

    /// Lets it go, as kube-arangodb does when its children are gone.
    pub(crate) async fn release(&self) {
        let patch = Patch::Merge(json!({"metadata": {"finalizers": null}}));
        self.api.patch(self.name, &PatchParams::default(), &patch).await.unwrap();
    }
}

/// The status of a cluster with those coordinators, one of which restarts.
pub(crate) fn cluster_status(coordinators: &[&str]) -> Value {
    let condition = |type_: &str, status: &str| {
        let at = "2026-08-21T09:01:10Z";
        json!({"type": type_, "status": status, "lastUpdateTime": at, "lastTransitionTime": at, "reason": "Pod Ready"})
    };
    let member = |id: &&str| {
        json!({
            "id": format!("CRDN-{id}"), "phase": "Created", "created-at": "2026-08-21T09:00:05Z",
            "recent-terminations": null, "initialized": true, "conditions": [condition("Ready", "True")],
        })
    };
    let coordinators: Vec<_> = coordinators.iter().map(member).collect();
    json!({
        "phase": "Running", "appliedVersion": "6b51d431df5d7f14", "acceptedSpecVersion": "6b51d431df5d7f14",
        "serviceName": "prod",
        "current-image": {"image": "arangodb/arangodb:3.12.10", "arangodb-version": "3.12.10"},
        "members": {
            "agents": [{"id": "AGNT-a1b2c3d4", "phase": "Created"}],
            "dbservers": [{"id": "PRMR-e5f6g7h8", "phase": "Created"}],
            "coordinators": coordinators,
        },
        "conditions": [condition("Ready", "False"), condition("SpecAccepted", "True"), condition("Reachable", "True")],
        "accepted-spec": {"mode": "Cluster", "auth": {"jwtSecretName": "prod-jwt"},
            "tls": {"caSecretName": "prod-ca", "ttl": "2610h"}, "coordinators": {"count": 2, "resources": {}}},
        "hashes": {"rocksDBEncryption": {}, "tls": {}, "jwt": {}},
        "agency": {"size": 3, "ids": ["AGNT-a1b2c3d4"]},
    })
}

/// An authority, as in `<deployment>-ca`.
pub(crate) struct Authority {
    /// Its certificate, as PEM.
    pub(crate) certificate: String,
    issuer: Issuer<'static, KeyPair>,
}

impl Authority {
    /// A new one.
    pub(crate) fn new() -> Self {
        let key = KeyPair::generate().unwrap();
        let mut params = CertificateParams::default();
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let certificate = params.self_signed(&key).unwrap().pem();
        Self { certificate, issuer: Issuer::new(params, key) }
    }

    /// A certificate for these names alone.
    pub(crate) fn sign(&self, names: Vec<String>) -> Tls {
        let key = KeyPair::generate().unwrap();
        let params = CertificateParams::new(names).unwrap();
        Tls::given(params.signed_by(&key, &self.issuer).unwrap().pem(), key.serialize_pem())
    }
}
