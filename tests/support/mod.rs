//! What black-box tests of the operator need: a real API server, servers that answer as ArangoDB does, the built
//! program in a process of its own, and ways to wait that say what they waited for.

pub(crate) mod kube_arangodb;
mod operator;
mod place;
pub(crate) mod plane;
mod server;
mod wait;
mod within;
mod world;

pub(crate) use operator::Operator;
pub(crate) use place::Place;
pub(crate) use server::{ROOT_PASSWORD, Server};
pub(crate) use wait::{PATIENCE, eventually, within};
pub(crate) use world::World;

/// A resource of ours on the `ArangoCluster` `prod`. `spec` is the rest of its spec, as YAML in one line.
pub(crate) fn resource(kind: &str, name: &str, spec: &str) -> String {
    document(kind, name, &format!("{{clusterRef: {{name: prod}}, {spec}}}"))
}

/// A resource of ours with that whole spec.
pub(crate) fn document(kind: &str, name: &str, spec: &str) -> String {
    format!(
        "---\napiVersion: arango-operator.dev/v1alpha1\nkind: {kind}\nmetadata: {{name: {name:?}}}\nspec: {spec}\n"
    )
}

/// An `ArangoDatabase`.
pub(crate) fn database(name: &str, spec: &str) -> String {
    resource("ArangoDatabase", name, spec)
}

/// An `ArangoUser`.
pub(crate) fn user(name: &str, spec: &str) -> String {
    resource("ArangoUser", name, spec)
}

/// An `ArangoUser` whose password is in the Secret `passwords`, under his own name.
pub(crate) fn user_with_password(name: &str, spec: &str) -> String {
    user(name, &format!("password: {{secretRef: {{name: passwords, key: {name}}}}}, {spec}"))
}

/// An `ArangoPermission`.
pub(crate) fn permission(name: &str, spec: &str) -> String {
    resource("ArangoPermission", name, spec)
}

/// The `ArangoPermission` `USER-DATABASE` for an `ArangoUser` and an `ArangoDatabase`.
pub(crate) fn grant(user: &str, database: &str, spec: &str) -> String {
    let references = format!("userRef: {{name: {user}}}, databaseRef: {{name: {database}}}, {spec}");
    permission(&format!("{user}-{database}"), &references)
}

/// A database that goes with its resource, a user, and his right to it; all are Ready.
pub(crate) async fn alice_on_shop(interval: &str) -> (World, Server) {
    let (world, server) = World::connected(interval).await;
    let manifests = [
        passwords(&[("alice", "her password")]),
        database("shop", "deletionPolicy: Delete"),
        user_with_password("alice", ""),
        grant("alice", "shop", "access: rw"),
    ];
    world.apply(&manifests.concat()).await;
    world.ready(&["arangodatabase/shop", "arangouser/alice", "arangopermission/alice-shop"]).await;
    (world, server)
}

/// A Secret.
pub(crate) fn secret(name: &str, values: &[(&str, &str)]) -> String {
    let values: serde_json::Map<_, _> =
        values.iter().map(|(key, value)| ((*key).to_owned(), (*value).into())).collect();
    let values = serde_json::Value::Object(values);
    format!("---\napiVersion: v1\nkind: Secret\nmetadata: {{name: {name:?}}}\nstringData: {values}\n")
}

/// The Secret that all passwords of users are in.
pub(crate) fn passwords(values: &[(&str, &str)]) -> String {
    secret("passwords", values)
}
