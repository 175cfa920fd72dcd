//! A deployment as its clients see it: over HTTP, each with his own name and password.

use std::{
    collections::BTreeMap,
    sync::atomic::{AtomicU32, Ordering},
    time::Duration,
};

use arango_operator::stand_in::{LogEntry, Options, StandIn, Tls};
use reqwest::{Client, Method, StatusCode};
use serde_json::{Value, json};

use super::eventually;

/// root's password on every deployment that a test starts.
pub(crate) const ROOT_PASSWORD: &str = "the password of root";

/// What a deployment answered.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Answer {
    pub(crate) status: StatusCode,
    pub(crate) body: Value,
}

impl Answer {
    /// The HTTP status and ArangoDB's own error number, 0 if there is none.
    pub(crate) fn codes(&self) -> (u16, u64) {
        (self.status.as_u16(), self.body["errorNum"].as_u64().unwrap_or_default())
    }

    /// The answer of a request that must succeed.
    pub(crate) fn ok(self) -> Value {
        assert!(self.status.is_success(), "{self:?}");
        self.body
    }
}

/// A deployment of three coordinators.
pub(crate) struct Server {
    pub(crate) stand_in: StandIn,
    http: Client,
}

impl Server {
    /// Starts one.
    pub(crate) async fn start() -> Self {
        Self::with_root_password(ROOT_PASSWORD).await
    }

    /// Starts one with another password for root.
    pub(crate) async fn with_root_password(password: &str) -> Self {
        Self::with_options(Options::cluster(3, password)).await
    }

    /// Starts one that takes so long for each request.
    pub(crate) async fn slow(delay: Duration) -> Self {
        Self::with_options(Options { delay, ..Options::cluster(3, ROOT_PASSWORD) }).await
    }

    /// Starts one behind TLS.
    pub(crate) async fn behind(tls: Tls) -> Self {
        Self::with_options(Options { tls: Some(tls), ..Options::cluster(3, ROOT_PASSWORD) }).await
    }

    /// Starts a single server, which has no identity of its own.
    pub(crate) async fn single() -> Self {
        Self::with_options(Options::single(ROOT_PASSWORD)).await
    }

    /// Starts one, which is another deployment than all others.
    pub(crate) async fn with_options(mut options: Options) -> Self {
        static DEPLOYMENTS: AtomicU32 = AtomicU32::new(1);
        options.config.cluster_id = format!("deployment-{}", DEPLOYMENTS.fetch_add(1, Ordering::Relaxed));
        let stand_in = StandIn::start(options).await.unwrap();
        Self { stand_in, http: Client::builder().no_proxy().build().unwrap() }
    }

    /// The names of the databases but `_system`, as nobody has to log in to see them.
    pub(crate) fn databases_inside(&self) -> Vec<String> {
        self.stand_in.with_model(|model| {
            model.databases().filter(|name| *name != "_system").map(str::to_owned).collect()
        })
    }

    /// The `ArangoCluster` `prod` that leads here, and the Secret with the operator's account.
    pub(crate) fn manifest(&self, interval: &str) -> String {
        self.manifest_for(("root", ROOT_PASSWORD), &format!("drift: {{interval: {interval}}}"))
    }

    /// The same with another account, and with more in its spec.
    pub(crate) fn manifest_for(&self, (account, password): (&str, &str), more: &str) -> String {
        let endpoints = self.stand_in.endpoints();
        let spec = format!("{{endpoints: {endpoints:?}, auth: {{secretRef: {{name: prod-root}}}}, {more}}}");
        let secret = super::secret("prod-root", &[("username", account), ("password", password)]);
        secret + &super::document("ArangoCluster", "prod", &spec)
    }

    /// Sends one request with HTTP Basic to the first coordinator.
    pub(crate) async fn send(
        &self,
        (user, password): (&str, &str),
        method: Method,
        path: &str,
        body: Option<Value>,
    ) -> Answer {
        let url = format!("{}{path}", self.stand_in.endpoints()[0]);
        let mut request = self.http.request(method, url).basic_auth(user, Some(password));
        if let Some(body) = body {
            request = request.json(&body);
        }
        let response = request.send().await.unwrap();
        Answer { status: response.status(), body: response.json().await.unwrap_or_default() }
    }

    /// What a user reads.
    pub(crate) async fn get(&self, user: (&str, &str), path: &str) -> Answer {
        self.send(user, Method::GET, path, None).await
    }

    /// What an administrator changes by hand.
    pub(crate) async fn by_hand(&self, method: Method, path: &str, body: Value) -> Value {
        let body = (method != Method::DELETE).then_some(body);
        self.send(("root", ROOT_PASSWORD), method, path, body).await.ok()
    }

    /// Makes a database by hand.
    pub(crate) async fn make_database(&self, name: &str) {
        self.by_hand(Method::POST, "/_api/database", json!({"name": name})).await;
    }

    /// Makes a user by hand.
    pub(crate) async fn make_user(&self, name: &str, password: &str) {
        self.by_hand(Method::POST, "/_api/user", json!({"user": name, "passwd": password})).await;
    }

    /// Makes a collection by hand.
    pub(crate) async fn make_collection(&self, database: &str, name: &str) {
        self.by_hand(Method::POST, &format!("/_db/{database}/_api/collection"), json!({"name": name})).await;
    }

    /// Sets a level by hand; `place` is a database, or a database and a collection with a slash between.
    pub(crate) async fn set_level(&self, user: &str, place: &str, level: &str) {
        let path = format!("/_api/user/{user}/database/{place}");
        self.by_hand(Method::PUT, &path, json!({"grant": level})).await;
    }

    /// Logs in as clients do that use tokens, and uses the token.
    pub(crate) async fn login(&self, user: &str, password: &str) -> StatusCode {
        let body = json!({"username": user, "password": password});
        let url = &self.stand_in.endpoints()[0];
        let response = self.http.post(format!("{url}/_open/auth")).json(&body).send().await.unwrap();
        if !response.status().is_success() {
            return response.status();
        }
        let answer: Value = response.json().await.unwrap();
        let token = answer["jwt"].as_str().unwrap();
        let path = format!("{url}/_api/user/{user}");
        self.http.get(path).bearer_auth(token).send().await.unwrap().status()
    }

    /// What root reads, with an answer that must be a good one.
    async fn root_reads(&self, path: &str) -> Value {
        self.get(("root", ROOT_PASSWORD), path).await.ok()["result"].clone()
    }

    /// The names of all databases but ArangoDB's own.
    pub(crate) async fn databases(&self) -> Vec<String> {
        let all: Vec<String> = serde_json::from_value(self.root_reads("/_api/database").await).unwrap();
        all.into_iter().filter(|name| name != "_system").collect()
    }

    /// The names of all users but root.
    pub(crate) async fn users(&self) -> Vec<String> {
        let all: Vec<Value> = serde_json::from_value(self.root_reads("/_api/user").await).unwrap();
        let names = all.iter().filter_map(|user| user["user"].as_str().map(str::to_owned));
        names.filter(|name| name != "root").collect()
    }

    /// The levels of a user that are set, by `DATABASE` and `DATABASE/COLLECTION`. The wildcard database is there
    /// only if it is not `none`: the server doesn't tell that from nothing.
    pub(crate) async fn levels(&self, user: &str) -> BTreeMap<String, String> {
        let all = self.root_reads(&format!("/_api/user/{user}/database?full=true")).await;
        let mut levels = BTreeMap::new();
        for (database, row) in all.as_object().unwrap() {
            let collections = row["collections"].as_object().into_iter().flatten();
            let places = collections.map(|(collection, level)| (format!("{database}/{collection}"), level));
            for (place, level) in places.chain([(database.clone(), &row["permission"])]) {
                let level = level.as_str().unwrap();
                if level != "undefined" && (place != "*" || level != "none") {
                    levels.insert(place, level.to_owned());
                }
            }
        }
        levels
    }

    /// Waits until the levels of a user that are set are exactly these.
    pub(crate) async fn has_levels(&self, user: &str, expected: &[(&str, &str)]) {
        let expected: BTreeMap<String, String> =
            expected.iter().map(|(place, level)| ((*place).to_owned(), (*level).to_owned())).collect();
        eventually(&format!("the levels of {user} are {expected:?}"), async || {
            let levels = self.levels(user).await;
            if levels == expected { Ok(()) } else { Err(levels) }
        })
        .await;
    }

    /// Waits until a request has met a fault.
    pub(crate) async fn met(&self, fault: u64) {
        eventually("a request has met the fault", async || match self.stand_in.fault_hits(fault) {
            Some(1..) => Ok(()),
            other => Err(other),
        })
        .await;
    }

    /// The requests since the log was cleared that change something.
    pub(crate) fn writes(&self) -> Vec<LogEntry> {
        let mut log = self.stand_in.request_log();
        log.retain(|entry| entry.method != Method::GET && entry.path != "/_open/auth");
        log
    }

    /// The requests since the log was cleared of one of the operator's processes, by its `--identity`.
    pub(crate) fn requests_of(&self, identity: &str) -> Vec<LogEntry> {
        let name = format!("({identity})");
        let mut log = self.stand_in.request_log();
        log.retain(|entry| entry.agent.as_ref().is_some_and(|agent| agent.ends_with(&name)));
        log
    }
}
