//! How an ArangoCluster says that its deployment is reached: endpoints, login and trust, from its spec or from the
//! `ArangoDeployment` that it names. For the operator and for the command line.

use std::future::Future;

use secrecy::{ExposeSecret, SecretSlice, SecretString};

use super::crd::{self, ArangoClusterSpec, AuthMethod};
use crate::{
    arango::{self, Auth, Class, Connection, Endpoint},
    core::{
        Hold, Reason,
        balance::LoadBalancing,
        kube_arangodb::{Authority, Deployment, SigningKey},
    },
    reconcile::outcome::of_error,
};

/// As many bytes of a JWT secret count for kube-arangodb, and no server takes more.
const SECRET_MAX: usize = 64;

/// How a deployment is reached, by the names of Secrets and not by what is in them.
#[derive(Debug)]
pub struct Reach {
    /// The coordinators, or the single server.
    pub endpoints: Vec<Endpoint>,
    /// How the operator logs in.
    pub login: Login,
    trust: Trust,
    /// Which `ArangoDeployment` it is, if it is one: another one of the same name is another deployment.
    pub uid: Option<String>,
    /// What is to be known of whoever runs the deployment.
    pub note: Option<String>,
}

/// How the operator logs in.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Login {
    /// Not at all: the deployment has no authentication.
    None,
    /// As an account.
    Account {
        /// The Secret with its name and password.
        secret: String,
        /// How the password is sent.
        method: AuthMethod,
    },
    /// As the superuser.
    Superuser {
        /// The Secret with the deployment's own.
        secret: String,
        /// The key in it.
        key: String,
        /// Whether what is too long is cut, as kube-arangodb does.
        cut: bool,
    },
}

/// The Secrets beside an ArangoCluster, from wherever they are.
pub trait Keys: Sync {
    /// One key as text.
    fn text(&self, name: &str, key: &str) -> impl Future<Output = Result<SecretString, Hold>> + Send;

    /// One key, which need not be text.
    fn bytes(&self, name: &str, key: &str) -> impl Future<Output = Result<SecretSlice<u8>, Hold>> + Send;

    /// All keys of a Secret without secrets in it, one after the other in lines; nothing if there is no such Secret.
    fn all(&self, name: &str) -> impl Future<Output = Result<Vec<u8>, Hold>> + Send;
}

#[derive(Debug)]
enum Trust {
    Spec(Option<crd::Tls>),
    Deployment(Option<Authority>),
}

impl Reach {
    /// What the spec says by itself.
    ///
    /// # Errors
    ///
    /// What is missing, or can't be.
    pub fn of_spec(spec: &ArangoClusterSpec) -> Result<Self, Hold> {
        let endpoints = parse(&spec.endpoints, "spec.endpoints");
        let endpoints = endpoints.map_err(|(index, hold)| hold.at(format!("spec.endpoints.{index}")))?;
        let none =
            || Hold::invalid("spec.auth names no Secret; write secretRef or jwtSecretRef").at("spec.auth");
        let login = spec.auth.as_ref().and_then(Login::of).ok_or_else(none)?;
        Ok(Self { endpoints, login, trust: Trust::Spec(spec.tls.clone()), uid: None, note: None })
    }

    /// What the spec says with the `ArangoDeployment` of that name that it names.
    ///
    /// # Errors
    ///
    /// What is missing, or can't be.
    pub fn of_deployment(spec: &ArangoClusterSpec, name: &str, deployment: Deployment) -> Result<Self, Hold> {
        let Deployment { uid, endpoints, authority, signing, stuck, .. } = deployment;
        let named = format!("the ArangoDeployment {name}");
        let endpoints = parse(&endpoints, &named).map_err(|(_, hold)| hold)?;
        if endpoints.is_empty() {
            let message = format!("{named} has no server that takes requests yet; going on when it has");
            return Err(Hold::new(Reason::ServerUnavailable, message));
        }
        let login = spec.auth.as_ref().and_then(Login::of);
        let login = login.or(signing.map(|SigningKey { secret, key }| Login::Superuser {
            secret,
            key: key.to_owned(),
            cut: true,
        }));
        let note = stuck.map(|stuck| format!("kube-arangodb does nothing about {named} at present: {stuck}"));
        let (login, trust) = (login.unwrap_or(Login::None), Trust::Deployment(authority));
        Ok(Self { endpoints, login, trust, uid: Some(uid), note })
    }

    /// The connection that the spec asks for, with that login and trust, and without a gate.
    ///
    /// # Errors
    ///
    /// A duration can't be read.
    pub fn ungated(
        &self,
        spec: &ArangoClusterSpec,
        auth: Auth,
        tls: arango::Tls,
    ) -> Result<Connection, Hold> {
        let mut connection = Connection::new(self.endpoints.clone(), auth);
        connection.tls = tls;
        connection.timeout = crd::duration(&spec.requests.timeout)
            .map_err(|error| Hold::invalid(format!("spec.requests.timeout: {error}")))?;
        connection.max_concurrent = spec.requests.max_concurrent as usize;
        connection.load_balancing = match spec.load_balancing {
            None | Some(crd::LoadBalancing::RoundRobin) => LoadBalancing::RoundRobin,
            Some(crd::LoadBalancing::Random) => LoadBalancing::Random,
        };
        Ok(connection)
    }

    /// Another text is another connection.
    pub fn identity(&self) -> String {
        let Self { endpoints, login, trust, uid, note: _ } = self;
        format!("{endpoints:?} {login:?} {trust:?} {uid:?}")
    }

    /// The Secrets that it takes, all in the ArangoCluster's own namespace.
    pub fn secrets(&self) -> impl Iterator<Item = &str> {
        let login = match &self.login {
            Login::None => None,
            Login::Account { secret, .. } | Login::Superuser { secret, .. } => Some(&**secret),
        };
        let trust = match &self.trust {
            Trust::Spec(None) | Trust::Deployment(None) => [None, None],
            Trust::Spec(Some(crd::Tls { ca_ref, client_certificate_secret_ref, .. })) => [
                ca_ref.as_ref().map(|ca| &*ca.name),
                client_certificate_secret_ref.as_ref().map(|secret| &*secret.name),
            ],
            Trust::Deployment(Some(Authority { truststore, ca })) => [Some(&**truststore), Some(&**ca)],
        };
        login.into_iter().chain(trust.into_iter().flatten())
    }

    /// The login, and the account that it is, if it is one.
    ///
    /// # Errors
    ///
    /// A Secret is missing, or what is in it can't be used.
    pub async fn auth(&self, secrets: &impl Keys) -> Result<(Auth, Option<String>), Hold> {
        match &self.login {
            Login::None => Ok((Auth::None, None)),
            Login::Account { secret, method } => {
                let user = secrets.text(secret, "username").await?;
                let password = secrets.text(secret, "password").await?;
                refuse_empty(secret, "username", &user)?;
                refuse_empty(secret, "password", &password)?;
                let user = user.expose_secret().to_owned();
                let auth = match method {
                    AuthMethod::Jwt => Auth::Jwt { user: user.clone(), password },
                    AuthMethod::Basic => Auth::Basic { user: user.clone(), password },
                };
                Ok((auth, Some(user)))
            }
            Login::Superuser { secret, key, cut } => {
                let value = secrets.bytes(secret, key).await?;
                let secret = signing_secret(&value, *cut).map_err(|problem| {
                    Hold::invalid(format!("the key {key} of the Secret {secret} {problem}"))
                })?;
                Ok((Auth::Superuser { secret }, None))
            }
        }
    }

    /// What TLS is to go by.
    ///
    /// # Errors
    ///
    /// A Secret is missing, or what is in it can't be used.
    pub async fn tls(&self, secrets: &impl Keys) -> Result<arango::Tls, Hold> {
        match &self.trust {
            Trust::Spec(None) | Trust::Deployment(None) => Ok(arango::Tls::default()),
            Trust::Spec(Some(crd::Tls { ca_ref, client_certificate_secret_ref, insecure_skip_verify })) => {
                let mut tls =
                    arango::Tls { insecure_skip_verify: *insecure_skip_verify, ..arango::Tls::default() };
                if let Some(crd::CaRef { name, key }) = ca_ref {
                    let ca = secrets.text(name, key).await?;
                    tls.ca = Some(ca.expose_secret().as_bytes().to_vec());
                }
                if let Some(secret) = client_certificate_secret_ref {
                    let certificate = secrets.text(&secret.name, "tls.crt").await?;
                    let key = secrets.text(&secret.name, "tls.key").await?;
                    let both =
                        [certificate.expose_secret().as_bytes(), b"\n", key.expose_secret().as_bytes()];
                    tls.identity = Some(both.concat().into());
                }
                Ok(tls)
            }
            Trust::Deployment(Some(Authority { truststore, ca })) => {
                // The other one also holds the authority's private key, which nobody here has any business with.
                let mut certificates = secrets.all(truststore).await?;
                if certificates.is_empty() {
                    let ca = secrets.text(ca, "ca.crt").await?;
                    certificates = ca.expose_secret().as_bytes().to_vec();
                }
                Ok(arango::Tls { ca: Some(certificates), ..arango::Tls::default() })
            }
        }
    }
}

/// Reads endpoints, or says what is wrong with the first wrong one, and which one that is.
fn parse(texts: &[String], place: &str) -> Result<Vec<Endpoint>, (usize, Hold)> {
    let read = |(index, text): (usize, &String)| {
        Endpoint::parse(text).map_err(|error| (index, Hold::invalid(format!("{place}: {error}"))))
    };
    texts.iter().enumerate().map(read).collect()
}

/// An empty password would be an open door.
pub fn refuse_empty(secret: &str, key: &str, value: &SecretString) -> Result<(), Hold> {
    if value.expose_secret().is_empty() {
        return Err(Hold::invalid(format!("the Secret {secret} has an empty {key}; put a value there")));
    }
    Ok(())
}

impl Login {
    fn of(auth: &crd::Auth) -> Option<Self> {
        match auth {
            crd::Auth { secret_ref: Some(secret), method, .. } => {
                let method = method.unwrap_or(AuthMethod::Jwt);
                Some(Self::Account { secret: secret.name.clone(), method })
            }
            crd::Auth { jwt_secret_ref: Some(crd::JwtSecretRef { name, key }), .. } => {
                Some(Self::Superuser { secret: name.clone(), key: key.clone(), cut: false })
            }
            _ => None,
        }
    }

    /// What it means that the deployment could not be asked about itself.
    pub fn explain(&self, error: &arango::Error) -> Hold {
        match self {
            Self::Superuser { secret, key, .. } if error.class() == Class::Denied => Hold::new(
                Reason::AccessDenied,
                format!(
                    "the deployment refuses tokens that are signed with the key {key} of the Secret {secret} ({error}): \
                     it is not the deployment's JWT secret, or clocks differ by a minute; going on when the Secret changes"
                ),
            ),
            Self::Account { secret, .. } if matches!(error.class(), Class::Denied | Class::LoginRefused) => {
                let Hold { reason, message, .. } = of_error(error, "ask the deployment about itself");
                Hold::new(reason, format!("{message}; the account is that of the Secret {secret}"))
            }
            _ => of_error(error, "ask the deployment about itself"),
        }
    }
}

/// The secret that tokens are signed with, or what is wrong with it, as the end of a sentence.
fn signing_secret(value: &SecretSlice<u8>, cut: bool) -> Result<SecretSlice<u8>, String> {
    let value = value.expose_secret().trim_ascii();
    match value.len() {
        0 => Err("is empty; put the deployment's JWT secret into it".to_owned()),
        _ if value.starts_with(b"-----BEGIN ") => {
            Err("is a key in PEM, and tokens can be signed with a plain secret only".to_owned())
        }
        1..=SECRET_MAX => Ok(value.to_vec().into()),
        _ if cut => Ok(value[..SECRET_MAX].to_vec().into()),
        length => Err(format!("has {length} bytes; the JWT secret of a deployment has {SECRET_MAX} at most")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn signing(text: &str, cut: bool) -> Result<Vec<u8>, String> {
        let secret = signing_secret(&SecretSlice::from(text.as_bytes().to_vec()), cut);
        secret.map(|secret| secret.expose_secret().to_vec())
    }

    #[test]
    fn a_jwt_secret_that_no_server_takes_is_refused_without_a_word_of_it() {
        assert_eq!(signing(" canary\r\n", false), Ok(b"canary".to_vec()));
        let long = "canary".repeat(11);
        for (text, part) in
            [("", "is empty"), (" \n\t", "is empty"), (&long, "66 bytes"), ("-----BEGIN EC canary", "PEM")]
        {
            let problem = signing(text, false).unwrap_err();
            assert!(problem.contains(part) && !problem.contains("canary"), "{problem}");
        }
    }

    #[test]
    fn a_longer_secret_of_kube_arangodb_counts_as_far_as_kube_arangodb_takes_it() {
        assert_eq!(signing(&"x".repeat(100), true), Ok(vec![b'x'; 64]));
        assert!(signing("-----BEGIN EC PRIVATE KEY-----", true).is_err());
    }
}
