//! TLS for the coordinators: a certificate that was given, or one that is made.

use std::{fmt, net::IpAddr, sync::Arc};

use anyhow::{Context, Result, bail};
use rcgen::{
    BasicConstraints, CertificateParams, DnType, ExtendedKeyUsagePurpose, IsCa, Issuer, KeyPair,
    KeyUsagePurpose,
};
use rustls::{
    RootCertStore, ServerConfig,
    pki_types::{CertificateDer, PrivateKeyDer, pem::PemObject},
    server::WebPkiClientVerifier,
};
use secrecy::{ExposeSecret, SecretString};
use tokio_rustls::TlsAcceptor;

/// How the coordinators prove who they are, and whether clients have to.
#[derive(Clone)]
pub struct Tls {
    /// The certificate, and those between it and the authority, as PEM.
    pub certificate: String,
    /// Its private key, as PEM.
    pub key: SecretString,
    /// What clients have to trust, as PEM: the authority of a made certificate, else the certificate that was given.
    pub authority: String,
    /// The authority of the certificates that clients have to show, as PEM. Without it clients show none.
    pub client_authority: Option<String>,
}

impl fmt::Debug for Tls {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Tls").field("client_authority", &self.client_authority).finish_non_exhaustive()
    }
}

impl Tls {
    /// A certificate that was given with its key, both as PEM.
    pub fn given(certificate: String, key: String) -> Self {
        let authority = certificate.clone();
        Self { certificate, key: key.into(), authority, client_authority: None }
    }

    /// A certificate for `localhost`, the loopback addresses and this one, signed by an authority that is made with
    /// it and whose key nobody keeps.
    ///
    /// # Errors
    ///
    /// The keys couldn't be made.
    pub fn self_made(address: IpAddr) -> Result<Self> {
        let authority_key = KeyPair::generate()?;
        let mut authority = CertificateParams::new([])?;
        authority.distinguished_name.push(DnType::CommonName, "arango-operator stand-in");
        authority.is_ca = IsCa::Ca(BasicConstraints::Constrained(0));
        authority.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
        let authority_pem = authority.self_signed(&authority_key)?.pem();

        let key = KeyPair::generate()?;
        let names = ["localhost".to_owned(), "127.0.0.1".to_owned(), "::1".to_owned(), address.to_string()];
        let mut server = CertificateParams::new(names)?;
        server.distinguished_name.push(DnType::CommonName, "localhost");
        server.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth];
        server.use_authority_key_identifier_extension = true;
        let certificate = server.signed_by(&key, &Issuer::new(authority, authority_key))?.pem();
        let key = key.serialize_pem().into();
        Ok(Self { certificate, key, authority: authority_pem, client_authority: None })
    }

    /// Asks clients for a certificate that this authority signed, as PEM.
    #[must_use]
    pub fn with_client_authority(mut self, authority: String) -> Self {
        self.client_authority = Some(authority);
        self
    }

    /// What connections are opened with; offers HTTP/2 and HTTP/1.1.
    pub(super) fn acceptor(&self) -> Result<TlsAcceptor> {
        let chain = certificates(&self.certificate).context("the certificate can't be read")?;
        let key = PrivateKeyDer::from_pem_slice(self.key.expose_secret().as_bytes())
            .context("the certificate's key can't be read")?;
        let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
        let builder = ServerConfig::builder_with_provider(Arc::clone(&provider))
            .with_safe_default_protocol_versions()?;
        let builder = match &self.client_authority {
            None => builder.with_no_client_auth(),
            Some(authority) => {
                let mut roots = RootCertStore::empty();
                for certificate in certificates(authority).context("the clients' authority can't be read")? {
                    roots.add(certificate).context("the clients' authority can't be used")?;
                }
                let verifier = WebPkiClientVerifier::builder_with_provider(Arc::new(roots), provider).build();
                builder.with_client_cert_verifier(verifier.context("the clients' authority can't be used")?)
            }
        };
        let mut config =
            builder.with_single_cert(chain, key).context("the certificate and its key don't go together")?;
        config.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
        Ok(TlsAcceptor::from(Arc::new(config)))
    }
}

fn certificates(pem: &str) -> Result<Vec<CertificateDer<'static>>> {
    let certificates: Vec<_> = CertificateDer::pem_slice_iter(pem.as_bytes()).collect::<Result<_, _>>()?;
    if certificates.is_empty() {
        bail!("there is no certificate in it");
    }
    Ok(certificates)
}

#[cfg(test)]
mod tests {
    use std::net::Ipv4Addr;

    use super::*;

    #[test]
    fn a_made_certificate_can_be_used_and_its_key_is_not_shown() {
        let tls = Tls::self_made(Ipv4Addr::LOCALHOST.into()).unwrap();
        assert!(tls.acceptor().is_ok());
        assert!(!format!("{tls:?}").contains("PRIVATE"));
        let with_clients = tls.clone().with_client_authority(tls.authority);
        assert!(with_clients.acceptor().is_ok());
    }

    #[test]
    fn what_cannot_be_used_is_told_apart() {
        let (one, other) =
            (Tls::self_made([127, 0, 0, 1].into()).unwrap(), Tls::self_made([127, 0, 0, 1].into()).unwrap());
        let why = |certificate: &str, key: &SecretString| {
            let tls = Tls::given(certificate.to_owned(), key.expose_secret().to_owned());
            format!("{:#}", tls.acceptor().err().unwrap())
        };
        assert_eq!(why("", &one.key), "the certificate can't be read: there is no certificate in it");
        assert!(
            why(&one.certificate, &SecretString::from("x"))
                .starts_with("the certificate's key can't be read")
        );
        assert!(
            why(&one.certificate, &other.key).starts_with("the certificate and its key don't go together")
        );
    }
}
