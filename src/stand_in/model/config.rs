//! What kind of deployment the model is.

use std::{fmt, time::Duration};

use sha2::{Digest, Sha256};

/// One server, or coordinators over one state.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Topology {
    /// A single server.
    Single,
    /// A cluster with so many coordinators.
    Cluster {
        /// How many; at least one is there.
        coordinators: usize,
    },
}

/// What a deployment is made with. `Debug` shows no secret.
#[derive(Clone)]
#[allow(clippy::struct_excessive_bools)] // a server's startup options, each a switch of its own
pub struct Config {
    /// Single server or cluster.
    pub topology: Topology,
    /// The password of root.
    pub root_password: String,
    /// Whether credentials are asked for.
    pub authentication: bool,
    /// The secret that signs tokens.
    pub jwt_secret: Vec<u8>,
    /// The id of the cluster.
    pub cluster_id: String,
    /// Ids (`CRDN-…`) of the coordinators.
    pub coordinator_ids: Vec<String>,
    /// Ids (`PRMR-…`) of the DB-Servers; there are none behind them.
    pub db_server_ids: Vec<String>,
    /// Ids (`AGNT-…`) of the agents; there are none behind them.
    pub agent_ids: Vec<String>,
    /// Where the coordinators listen, as `host:port`.
    pub addresses: Vec<String>,
    /// Whether they are reached by TLS: then endpoints say `ssl://` instead of `tcp://`.
    pub tls: bool,
    /// What salts follow from.
    pub seed: u64,
    /// The version that is reported.
    pub version: String,
    /// How long a token from a login lives, in seconds (`--server.session-timeout`; 3600 by default).
    pub session_timeout: u32,
    /// Whether databases and collections may have extended names (`--database.extended-names`; so by default).
    pub extended_names: bool,
    /// As many databases as there may be (`--database.max-databases`); by default as many as one likes.
    pub databases_max: Option<usize>,
    /// Whether only administrators see the server's insides (`--server.harden`; not so by default).
    pub harden: bool,
    /// Whether `/_admin/execute` is there (`--javascript.allow-admin-execute`; not so by default).
    pub admin_execute: bool,
    /// What [`Response::takes`](super::Response::takes) is after a change of supervision maintenance. Nothing by
    /// default; a real coordinator takes a second at least and two minutes at most.
    pub maintenance_takes: Duration,
}

/// An id in the server's form: a prefix and something like a UUID, the same for the same seed.
fn id(prefix: &str, seed: u64, index: usize) -> String {
    let digest =
        Sha256::new().chain_update(prefix).chain_update(seed.to_le_bytes()).chain_update(index.to_le_bytes());
    let text = hex::encode(digest.finalize());
    let parts = [&text[..8], &text[8..12], &text[12..16], &text[16..20], &text[20..32]];
    format!("{prefix}{}", parts.join("-"))
}

impl Config {
    fn new(topology: Topology, seed: u64) -> Self {
        let mut config = Self {
            topology,
            root_password: String::new(),
            authentication: true,
            jwt_secret: Sha256::digest(seed.to_le_bytes()).to_vec(),
            cluster_id: id("", seed, 0),
            coordinator_ids: Vec::new(),
            db_server_ids: Vec::new(),
            agent_ids: Vec::new(),
            addresses: Vec::new(),
            tls: false,
            seed,
            version: "3.12.10".to_owned(),
            session_timeout: 3600,
            extended_names: true,
            databases_max: None,
            harden: false,
            admin_execute: false,
            maintenance_takes: Duration::ZERO,
        };
        if config.is_cluster() {
            let ids = |prefix: &str, count| (0..count).map(|index| id(prefix, seed, index)).collect();
            config.coordinator_ids = ids("CRDN-", config.coordinators());
            config.db_server_ids = ids("PRMR-", 3);
            config.agent_ids = ids("AGNT-", 3);
        }
        config
    }

    /// A single server with an empty root password. Ids and the secret follow from the seed.
    pub fn single(seed: u64) -> Self {
        Self::new(Topology::Single, seed)
    }

    /// A cluster with an empty root password. Ids and the secret follow from the seed.
    pub fn cluster(coordinators: usize, seed: u64) -> Self {
        Self::new(Topology::Cluster { coordinators }, seed)
    }

    /// How many servers take requests.
    pub fn coordinators(&self) -> usize {
        match self.topology {
            Topology::Single => 1,
            Topology::Cluster { coordinators } => coordinators.max(1),
        }
    }

    /// Whether it is a cluster.
    pub fn is_cluster(&self) -> bool {
        self.topology != Topology::Single
    }
}

impl fmt::Debug for Config {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Config")
            .field("topology", &self.topology)
            .field("authentication", &self.authentication)
            .field("cluster_id", &self.cluster_id)
            .field("coordinator_ids", &self.coordinator_ids)
            .field("version", &self.version)
            .finish_non_exhaustive()
    }
}
