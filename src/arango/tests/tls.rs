//! Whom the client trusts, as whom it shows itself, and that it says when it trusts everybody.

use std::{io::Write, sync::Arc};

use parking_lot::Mutex;
use rcgen::{BasicConstraints, CertificateParams, ExtendedKeyUsagePurpose, IsCa, Issuer, KeyPair};
use tokio_rustls::rustls::{
    RootCertStore, ServerConfig,
    crypto::aws_lc_rs::default_provider,
    pki_types::{PrivateKeyDer, PrivatePkcs8KeyDer},
    server::WebPkiClientVerifier,
};
use tracing_subscriber::fmt::MakeWriter;

use super::{connection, databases, server::Server};
use crate::arango::*;

/// An authority, and what it signs.
struct Authority {
    issuer: Issuer<'static, KeyPair>,
    pem: String,
    certificate: rcgen::Certificate,
}

impl Authority {
    fn new() -> Self {
        let key = KeyPair::generate().unwrap();
        let mut params = CertificateParams::default();
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let certificate = params.self_signed(&key).unwrap();
        Self { pem: certificate.pem(), certificate, issuer: Issuer::new(params, key) }
    }

    fn sign(&self, name: &str, purpose: ExtendedKeyUsagePurpose) -> (rcgen::Certificate, KeyPair) {
        let key = KeyPair::generate().unwrap();
        let mut params = CertificateParams::new(vec![name.to_owned()]).unwrap();
        params.extended_key_usages = vec![purpose];
        (params.signed_by(&key, &self.issuer).unwrap(), key)
    }

    /// A server with a certificate for `name`, which asks for a certificate by `clients` if that is given.
    async fn server(&self, name: &str, clients: Option<&Self>) -> Server {
        let (certificate, key) = self.sign(name, ExtendedKeyUsagePurpose::ServerAuth);
        let provider = Arc::new(default_provider());
        let config = ServerConfig::builder_with_provider(Arc::clone(&provider));
        let config = config.with_safe_default_protocol_versions().unwrap();
        let config = match clients {
            None => config.with_no_client_auth(),
            Some(clients) => {
                let mut roots = RootCertStore::empty();
                roots.add(clients.certificate.der().clone()).unwrap();
                let verifier = WebPkiClientVerifier::builder_with_provider(Arc::new(roots), provider);
                config.with_client_cert_verifier(verifier.build().unwrap())
            }
        };
        let key = PrivateKeyDer::from(PrivatePkcs8KeyDer::from(key.serialize_der()));
        let config = config.with_single_cert(vec![certificate.der().clone()], key).unwrap();
        Server::with_tls(config, databases).await
    }

    fn identity(&self) -> Vec<u8> {
        let (certificate, key) = self.sign("client", ExtendedKeyUsagePurpose::ClientAuth);
        format!("{}{}", certificate.pem(), key.serialize_pem()).into_bytes()
    }
}

async fn ask(server: &Server, tls: Tls) -> Result<(), Error> {
    let mut connection = connection(vec![server.endpoint()], Auth::None);
    connection.tls = tls;
    Client::new(Pool::new(connection)?).databases().await.map(drop)
}

fn trusting(authority: &Authority) -> Tls {
    Tls { ca: Some(authority.pem.clone().into_bytes()), ..Tls::default() }
}

#[tokio::test]
async fn a_server_is_trusted_by_the_given_authority_and_for_its_name_alone() {
    let (ours, other) = (Authority::new(), Authority::new());
    let server = ours.server("127.0.0.1", None).await;
    ask(&server, trusting(&ours)).await.unwrap();
    // A bundle is trusted whole.
    let both = Tls { ca: Some(format!("{}{}", other.pem, ours.pem).into_bytes()), ..Tls::default() };
    ask(&server, both).await.unwrap();
    let elsewhere = ours.server("elsewhere.example", None).await;
    for (server, tls) in
        [(&server, trusting(&other)), (&server, Tls::default()), (&elsewhere, trusting(&ours))]
    {
        let before = server.seen().len();
        let error = ask(server, tls).await.unwrap_err();
        assert_eq!((error.class(), error.may_have_run()), (Class::Unreachable, false), "{error}");
        assert!(error.to_string().contains("certificate"), "{error}");
        assert_eq!(server.seen().len(), before);
    }
}

#[tokio::test]
async fn a_server_that_asks_for_a_certificate_gets_ours() {
    let (ours, other) = (Authority::new(), Authority::new());
    let server = ours.server("127.0.0.1", Some(&ours)).await;
    let with = |identity: Vec<u8>| Tls { identity: Some(identity.into()), ..trusting(&ours) };
    ask(&server, with(ours.identity())).await.unwrap();
    assert_eq!(server.seen().len(), 1);
    for tls in [trusting(&ours), with(other.identity())] {
        ask(&server, tls).await.unwrap_err();
    }
    assert_eq!(server.seen().len(), 1);
}

#[tokio::test]
async fn what_is_no_certificate_is_refused_before_anything_is_sent() {
    let ours = Authority::new();
    let server = ours.server("127.0.0.1", None).await;
    for (tls, part) in [
        (Tls { ca: Some(Vec::new()), ..Tls::default() }, "the CA has no certificate"),
        (Tls { ca: Some(b"canary".to_vec()), ..Tls::default() }, "the CA has no certificate"),
        (Tls { identity: Some(b"canary".to_vec().into()), ..trusting(&ours) }, "client certificate"),
    ] {
        let error = ask(&server, tls).await.unwrap_err();
        assert!(matches!(error, Error::Unusable(_)), "{error}");
        assert!(error.to_string().contains(part) && !error.to_string().contains("canary"), "{error}");
    }
}

#[derive(Clone, Default)]
struct Log(Arc<Mutex<Vec<u8>>>);

impl Write for Log {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.0.lock().write(bytes)
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

impl MakeWriter<'_> for Log {
    type Writer = Self;

    fn make_writer(&self) -> Self {
        self.clone()
    }
}

#[tokio::test]
async fn trust_in_everybody_is_had_only_if_asked_for_and_said_once_a_pool() {
    let server = Authority::new().server("elsewhere.example", None).await;
    let log = Log::default();
    let subscriber = tracing_subscriber::fmt().with_writer(log.clone()).with_ansi(false).finish();
    let _logged = tracing::subscriber::set_default(subscriber);
    let made = |endpoints, insecure_skip_verify| {
        let mut connection = connection(endpoints, Auth::None);
        connection.tls.insecure_skip_verify = insecure_skip_verify;
        Pool::new(connection).unwrap()
    };
    let warnings = || String::from_utf8(log.0.lock().clone()).unwrap().matches("not verified").count();
    let https = || vec![server.endpoint(), Endpoint::parse("https://elsewhere.example").unwrap()];
    let pool = made(https(), true);
    for _ in 0..3 {
        Client::new(pool.clone()).at(0).databases().await.unwrap();
    }
    assert_eq!((pool.is_unverified(), warnings()), (true, 1));
    let verified = made(https(), false);
    Client::new(verified.clone()).at(0).databases().await.unwrap_err();
    let clear = made(vec![Endpoint::parse("http://elsewhere.example").unwrap()], true);
    assert_eq!((verified.is_unverified(), clear.is_unverified(), warnings()), (false, false, 1));
}
