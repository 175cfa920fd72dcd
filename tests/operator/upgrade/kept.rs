//! What a version left behind, as files.

use std::{collections::BTreeMap, fs, path::Path};

use k8s_openapi::api::core::v1::Secret;
use kube::{
    Api,
    api::{ApiResource, DynamicObject, PostParams},
    core::GroupVersionKind,
};
use reqwest::Method;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};

use super::PASSWORDS;
use crate::support::{ROOT_PASSWORD, Server, World};

const ROOT: (&str, &str) = ("root", ROOT_PASSWORD);
/// Stands for the namespace, which is another one each time.
const NAMESPACE: &str = "«namespace»";
/// What a database is made with.
const OPTIONS: [&str; 3] = ["sharding", "replicationFactor", "writeConcern"];
/// No level is set.
const UNDEFINED: &str = "undefined";
/// Owners before what they own.
const KINDS: [&str; 5] = ["ArangoCluster", "ArangoDatabase", "ArangoUser", "ArangoPermission", "Secret"];

/// What there was.
pub(super) struct Kept {
    /// Resources and Secrets, as the API server had them.
    objects: Vec<Value>,
    /// What was on the server.
    pub(super) server: Content,
}

/// What is on a server.
#[derive(Debug, Serialize, Deserialize)]
pub(super) struct Content {
    databases: BTreeMap<String, Database>,
    users: Vec<Account>,
}

#[derive(Debug, Serialize, Deserialize)]
struct Database {
    options: Value,
    collections: Vec<String>,
}

#[derive(Debug, Serialize, Deserialize)]
struct Account {
    name: String,
    password: String,
    active: bool,
    extra: Value,
    /// The level of each database, and those of collections in it.
    levels: BTreeMap<String, Levels>,
}

#[derive(Debug, Serialize, Deserialize)]
struct Levels {
    permission: String,
    #[serde(default)]
    collections: BTreeMap<String, String>,
}

impl Kept {
    /// What is there now.
    pub(super) async fn of(world: &World, server: &Server) -> Self {
        let list = world.kubectl(&["get", "arangodata,secrets", "-o", "json"]).await.unwrap();
        let list: Value = serde_json::from_str(&list).unwrap();
        let mut objects = list["items"].as_array().unwrap().clone();
        objects.sort_by_key(|object| (rank(object), name(object).to_owned()));
        let mut text = serde_json::to_string_pretty(&objects).unwrap();
        // What the API server chooses anew is named after what it belongs to.
        for object in &objects {
            assert!(object["metadata"]["generation"].as_i64().unwrap_or(1) == 1, "{object:#}");
            for (what, mark) in chosen(object) {
                text = text.replace(&what, &mark);
            }
        }
        text = text.replace(&world.namespace, NAMESPACE);
        let mut objects: Vec<Value> = serde_json::from_str(&text).unwrap();
        for object in &mut objects {
            let metadata = object["metadata"].as_object_mut().unwrap();
            for field in
                ["creationTimestamp", "generation", "managedFields", "namespace", "resourceVersion", "uid"]
            {
                metadata.remove(field);
            }
        }
        Self { objects, server: Content::of(world, server).await }
    }

    /// Reads what a version left.
    pub(super) fn read(folder: &Path) -> Self {
        let read = |name: &str| fs::read_to_string(folder.join(name)).unwrap();
        let objects = serde_json::from_str(&read("kubernetes.json")).unwrap();
        Self { objects, server: serde_json::from_str(&read("server.json")).unwrap() }
    }

    /// Writes it down.
    pub(super) fn write(&self, folder: &Path) {
        fs::create_dir(folder).unwrap();
        let write = |name: &str, text: String| fs::write(folder.join(name), text + "\n").unwrap();
        write("kubernetes.json", serde_json::to_string_pretty(&self.objects).unwrap());
        write("server.json", serde_json::to_string_pretty(&self.server).unwrap());
    }

    /// Puts the objects into a namespace, as the operator and their authors left them.
    pub(super) async fn put_back(&self, world: &World) {
        let mut marks = vec![(NAMESPACE.to_owned(), world.namespace.clone())];
        let create = PostParams::default();
        for object in &self.objects {
            let mut new: DynamicObject = serde_json::from_value(here(object, &marks)).unwrap();
            // Statuses come last: they name what is made below.
            new.data.as_object_mut().unwrap().remove("status");
            let made = api(world, object).create(&create, &new).await.unwrap();
            let made = serde_json::to_value(made).unwrap();
            marks.extend(chosen(&made).into_iter().map(|(what, mark)| (mark, what)));
        }
        let ours = PostParams { field_manager: Some("arango-operator".to_owned()), ..create };
        for object in self.objects.iter().filter(|object| object["status"].is_object()) {
            let api = api(world, object);
            let mut there = api.get(name(object)).await.unwrap();
            there.data["status"] = here(&object["status"], &marks);
            api.replace_status(name(object), &ours, &there).await.unwrap();
        }
    }
}

impl Content {
    async fn of(world: &World, server: &Server) -> Self {
        let get = async |path: &str| server.get(ROOT, path).await.ok()["result"].clone();
        let mut databases = BTreeMap::new();
        for database in server.databases_inside() {
            let path = format!("/_db/{database}/_api/collection?excludeSystem=true");
            let collections = get(&path).await;
            let collections = collections.as_array().unwrap().iter().map(|each| name_of(each).to_owned());
            let found = get(&format!("/_db/{database}/_api/database/current")).await;
            let options = OPTIONS.map(|option| (option.to_owned(), found[option].clone()));
            let options = Value::Object(options.into_iter().collect());
            databases.insert(database, Database { options, collections: collections.collect() });
        }
        let secrets: Api<Secret> = Api::namespaced(world.client.clone(), &world.namespace);
        let mut users = Vec::new();
        for user in get("/_api/user").await.as_array().unwrap() {
            let name = user["user"].as_str().unwrap().to_owned();
            let given = PASSWORDS
                .iter()
                .find(|(whose, _)| *whose == name)
                .map(|(_, password)| (*password).to_owned());
            let password = match given {
                Some(password) => password,
                None => match secrets.get_opt(&format!("{name}-arangodb")).await.unwrap() {
                    Some(made) => String::from_utf8(made.data.unwrap()["password"].0.clone()).unwrap(),
                    None => "of his own".to_owned(),
                },
            };
            let levels = get(&format!("/_api/user/{name}/database?full=true")).await;
            let mut levels: BTreeMap<String, Levels> = serde_json::from_value(levels).unwrap();
            levels.retain(|_, levels| {
                levels.collections.retain(|_, level| level != UNDEFINED);
                levels.permission != UNDEFINED || !levels.collections.is_empty()
            });
            let active = user["active"].as_bool().unwrap();
            let extra = here(&user["extra"], &[(world.namespace.clone(), NAMESPACE.to_owned())]);
            users.push(Account { name, password, active, extra, levels });
        }
        Self { databases, users }
    }

    /// Makes a new server one with this on it.
    pub(super) async fn put_back(&self, world: &World, server: &Server) {
        let marks = [(NAMESPACE.to_owned(), world.namespace.clone())];
        let send = async |method: Method, path: String, body: Value| {
            server.send(ROOT, method, &path, Some(body)).await.ok();
        };
        for (database, Database { options, collections }) in &self.databases {
            let body = json!({"name": database, "options": options});
            send(Method::POST, "/_api/database".to_owned(), body).await;
            for collection in collections {
                let path = format!("/_db/{database}/_api/collection");
                send(Method::POST, path, json!({"name": collection})).await;
            }
        }
        for Account { name, password, active, extra, levels } in &self.users {
            if name != "root" {
                let extra = here(extra, &marks);
                let body = json!({"user": name, "passwd": password, "active": active, "extra": extra});
                send(Method::POST, "/_api/user".to_owned(), body).await;
            }
            for (database, Levels { permission, collections }) in levels {
                let path = format!("/_api/user/{name}/database/{database}");
                let each =
                    collections.iter().map(|(collection, level)| (format!("{path}/{collection}"), level));
                for (path, level) in [(path.clone(), permission)].into_iter().chain(each) {
                    if level != UNDEFINED {
                        send(Method::PUT, path, json!({"grant": level})).await;
                    }
                }
            }
        }
    }
}

/// The value with the second text of each pair in place of the first.
fn here(value: &Value, marks: &[(String, String)]) -> Value {
    let text = marks.iter().fold(value.to_string(), |text, (mark, what)| text.replace(mark, what));
    serde_json::from_str(&text).unwrap()
}

fn name_of(collection: &Value) -> &str {
    collection["name"].as_str().unwrap()
}

fn name(object: &Value) -> &str {
    object["metadata"]["name"].as_str().unwrap()
}

fn kind(object: &Value) -> &str {
    object["kind"].as_str().unwrap()
}

fn rank(object: &Value) -> usize {
    KINDS.iter().position(|each| *each == kind(object)).unwrap()
}

/// What the API server chose for an object, and what stands for it in a file.
fn chosen(object: &Value) -> Vec<(String, String)> {
    let metadata: &Map<_, _> = object["metadata"].as_object().unwrap();
    let mut chosen = vec![("uid", metadata["uid"].as_str().unwrap().to_owned())];
    if kind(object) == "Secret" {
        chosen.push(("version", metadata["resourceVersion"].as_str().unwrap().to_owned()));
    }
    let mark = |(what, value): (&str, String)| {
        // Versions are numbers in quotes.
        (format!("\"{value}\""), format!("\"«{what} of {}/{}»\"", kind(object), name(object)))
    };
    chosen.into_iter().map(mark).collect()
}

fn api(world: &World, object: &Value) -> Api<DynamicObject> {
    let kind = kind(object);
    let (group, version) = if kind == "Secret" { ("", "v1") } else { ("arango-operator.dev", "v1alpha1") };
    let resource = ApiResource::from_gvk(&GroupVersionKind::gvk(group, version, kind));
    Api::namespaced_with(world.client.clone(), &world.namespace, &resource)
}
