//! The control plane's secrets: made for one run, readable by their owner only, gone with the data folder.

use std::{
    fs::{DirBuilder, OpenOptions},
    io::Write,
    os::unix::fs::{DirBuilderExt, OpenOptionsExt, PermissionsExt},
    path::Path,
};

use kube::config::{AuthInfo, Cluster, Context, Kubeconfig, NamedAuthInfo, NamedCluster, NamedContext};
use rand::RngExt;
use rcgen::{BasicConstraints, CertificateParams, DnType, ExtendedKeyUsagePurpose, IsCa, Issuer, KeyPair};

use super::Error;

/// The name of the cluster, the user and the context in our kubeconfigs.
const NAME: &str = "arango-operator";

/// The names under which clients reach the API server: outside, and as they would inside.
const SERVER_NAMES: [&str; 5] =
    ["127.0.0.1", "localhost", "kubernetes.default.svc", "kubernetes.default.svc.cluster.local", "10.0.0.1"];

/// What clients need to know.
pub(super) struct Identity {
    /// The certificate that signed the API server's, as PEM.
    pub(super) authority: String,
    /// A token of the group `system:masters`.
    pub(super) admin_token: String,
    /// The same for kube-controller-manager: under a name of its own, so that audits tell the two apart.
    pub(super) controller_manager_token: String,
}

impl Identity {
    /// Makes keys, certificates and tokens, and writes into `folder` what the API server reads.
    pub(super) fn create(folder: &Path) -> Result<Self, Error> {
        let authority_key = KeyPair::generate()?;
        let mut authority = CertificateParams::new([])?;
        authority.distinguished_name.push(DnType::CommonName, "arango-operator control plane");
        authority.is_ca = IsCa::Ca(BasicConstraints::Constrained(0));
        let authority_pem = authority.self_signed(&authority_key)?.pem();

        let server_key = KeyPair::generate()?;
        let mut server = CertificateParams::new(SERVER_NAMES.map(String::from))?;
        server.distinguished_name.push(DnType::CommonName, "kube-apiserver");
        server.extended_key_usages.push(ExtendedKeyUsagePurpose::ServerAuth);
        // The authority's key is not written anywhere: nothing else is ever signed with it.
        let server_pem = server.signed_by(&server_key, &Issuer::new(authority, authority_key))?.pem();
        write_secret(&folder.join("server.crt"), &server_pem)?;
        write_secret(&folder.join("server.key"), &server_key.serialize_pem())?;

        let accounts_key = KeyPair::generate()?;
        write_secret(&folder.join("accounts.key"), &accounts_key.serialize_pem())?;
        write_secret(&folder.join("accounts.pub"), &accounts_key.public_key_pem())?;

        let (admin_token, controller_manager_token) = (token(), token());
        let tokens = format!(
            "{admin_token},admin,admin,\"system:masters\"\n{controller_manager_token},\
             system:kube-controller-manager,system:kube-controller-manager,\"system:masters\"\n"
        );
        write_secret(&folder.join("tokens.csv"), &tokens)?;
        Ok(Self { authority: authority_pem, admin_token, controller_manager_token })
    }

    /// A kubeconfig with one user, who holds `token`.
    pub(super) fn kubeconfig(&self, server: &str, token: &str) -> Kubeconfig {
        use base64::{Engine, engine::general_purpose::STANDARD};
        Kubeconfig {
            kind: Some("Config".into()),
            api_version: Some("v1".into()),
            clusters: vec![NamedCluster {
                name: NAME.into(),
                cluster: Some(Cluster {
                    server: Some(server.into()),
                    certificate_authority_data: Some(STANDARD.encode(&self.authority)),
                    ..Cluster::default()
                }),
                ..NamedCluster::default()
            }],
            auth_infos: vec![NamedAuthInfo {
                name: NAME.into(),
                auth_info: Some(AuthInfo { token: Some(token.into()), ..AuthInfo::default() }),
                ..NamedAuthInfo::default()
            }],
            contexts: vec![NamedContext {
                name: NAME.into(),
                context: Some(Context {
                    cluster: NAME.into(),
                    user: Some(NAME.into()),
                    namespace: Some("default".into()),
                    ..Context::default()
                }),
                ..NamedContext::default()
            }],
            current_context: Some(NAME.into()),
            ..Kubeconfig::default()
        }
    }
}

/// 256 bits that nobody guesses.
fn token() -> String {
    hex::encode(rand::rng().random::<[u8; 32]>())
}

/// Writes a kubeconfig as YAML, for its owner only.
pub(super) fn write_kubeconfig(path: &Path, kubeconfig: &Kubeconfig) -> Result<(), Error> {
    let text = serde_saphyr::to_string(kubeconfig).map_err(|error| Error::Yaml(error.to_string()))?;
    write_secret(path, &text)
}

/// Makes a folder that only its owner enters, or makes an existing one so.
pub(super) fn create_private_folder(path: &Path) -> Result<(), Error> {
    DirBuilder::new()
        .recursive(true)
        .mode(0o700)
        .create(path)
        .and_then(|()| std::fs::set_permissions(path, std::fs::Permissions::from_mode(0o700)))
        .map_err(Error::io(format!("create the folder {}", path.display())))
}

/// Writes a file that only its owner reads. It replaces what was there, so that wider rights of an old file don't stay.
fn write_secret(path: &Path, text: &str) -> Result<(), Error> {
    let write = || {
        match std::fs::remove_file(path) {
            Err(error) if error.kind() != std::io::ErrorKind::NotFound => return Err(error),
            _ => {}
        }
        let mut file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(path)?;
        file.write_all(text.as_bytes())
    };
    write().map_err(Error::io(format!("write {}", path.display())))
}
