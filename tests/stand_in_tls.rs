//! The stand-in behind TLS, asked by a client that isn't ours.

// Clippy knows tests by their attribute; these are their helpers.
#![allow(clippy::unwrap_used, clippy::panic)]

use std::time::Duration;

use arango_operator::stand_in::{Options, StandIn, Tls};
use rcgen::{BasicConstraints, CertificateParams, ExtendedKeyUsagePurpose, IsCa, Issuer, KeyPair};
use reqwest::{Certificate, Client, ClientBuilder, Identity, StatusCode, Version};
use serde_json::Value;
use tokio::io::{AsyncReadExt, AsyncWriteExt};

const PASSWORD: &str = "x";

fn tls() -> Tls {
    Tls::self_made([127, 0, 0, 1].into()).unwrap()
}

async fn start(tls: Tls) -> StandIn {
    StandIn::start(Options { tls: Some(tls), ..Options::cluster(2, PASSWORD) }).await.unwrap()
}

fn client(authority: &str) -> ClientBuilder {
    let authority = Certificate::from_pem(authority.as_bytes()).unwrap();
    Client::builder().no_proxy().tls_certs_only([authority]).timeout(Duration::from_secs(20))
}

#[tokio::test]
async fn a_made_certificate_serves_both_versions_of_http_on_every_coordinator() {
    let tls = tls();
    let stand_in = start(tls.clone()).await;
    for endpoint in stand_in.endpoints() {
        assert!(endpoint.starts_with("https://127.0.0.1:"), "{endpoint}");
        let localhost = endpoint.replace("127.0.0.1", "localhost");
        for (client, version) in [
            (client(&tls.authority), Version::HTTP_2),
            (client(&tls.authority).http1_only(), Version::HTTP_11),
        ] {
            let client = client.build().unwrap();
            for url in [&endpoint, &localhost] {
                let request = client.get(format!("{url}/_api/version")).basic_auth("root", Some(PASSWORD));
                let response = request.send().await.unwrap();
                assert_eq!((response.status(), response.version()), (StatusCode::OK, version));
            }
        }
    }
}

#[tokio::test]
async fn endpoints_say_ssl() {
    let tls = tls();
    let stand_in = start(tls.clone()).await;
    let endpoints = stand_in.endpoints();
    let request =
        client(&tls.authority).build().unwrap().get(format!("{}/_api/cluster/endpoints", endpoints[0]));
    let answer: Value =
        request.basic_auth("root", Some(PASSWORD)).send().await.unwrap().json().await.unwrap();
    let wanted = endpoints[1].replace("https://", "ssl://");
    assert_eq!(answer["endpoints"][1]["endpoint"], wanted);
}

#[tokio::test]
async fn a_certificate_of_somebody_else_is_not_trusted() {
    let stand_in = start(tls()).await;
    let stranger = client(&tls().authority).build().unwrap();
    let error = stranger.get(&stand_in.endpoints()[0]).send().await.unwrap_err();
    assert!(error.is_connect(), "{error:?}");
    assert_eq!(stand_in.requests(), 0);
}

#[tokio::test]
async fn clear_text_and_silence_cost_nobody_else_anything() {
    let tls = tls();
    let stand_in = start(tls.clone()).await;
    let endpoint = &stand_in.endpoints()[0];
    let address = endpoint.strip_prefix("https://").unwrap();
    let _silent = tokio::net::TcpStream::connect(address).await.unwrap();
    let mut plain = tokio::net::TcpStream::connect(address).await.unwrap();
    plain.write_all(b"GET /_api/version HTTP/1.1\r\nhost: x\r\n\r\n").await.unwrap();
    let mut answer = Vec::new();
    // What comes is an alert and the end, or a reset.
    let _ = plain.read_to_end(&mut answer).await;
    assert!(!answer.starts_with(b"HTTP"), "{answer:?}");
    let request = client(&tls.authority).build().unwrap().get(format!("{endpoint}/_api/version"));
    assert_eq!(request.basic_auth("root", Some(PASSWORD)).send().await.unwrap().status(), StatusCode::OK);
    stand_in.stop().await.unwrap();
}

/// An authority as PEM, and a client's certificate with its key that it signed.
fn authority() -> (String, String) {
    let authority_key = KeyPair::generate().unwrap();
    let mut authority = CertificateParams::new([]).unwrap();
    authority.is_ca = IsCa::Ca(BasicConstraints::Constrained(0));
    let pem = authority.self_signed(&authority_key).unwrap().pem();
    let key = KeyPair::generate().unwrap();
    let mut client = CertificateParams::new(["client".to_owned()]).unwrap();
    client.extended_key_usages = vec![ExtendedKeyUsagePurpose::ClientAuth];
    let client = client.signed_by(&key, &Issuer::new(authority, authority_key)).unwrap().pem();
    (pem, client + &key.serialize_pem())
}

#[tokio::test]
async fn clients_show_a_certificate_where_one_is_asked_for() {
    let (trusted, mine) = authority();
    let (_, anothers) = authority();
    let tls = tls().with_client_authority(trusted);
    let stand_in = start(tls.clone()).await;
    let url = format!("{}/_api/version", stand_in.endpoints()[0]);
    let get = async |identity: Option<&str>| {
        let mut builder = client(&tls.authority);
        if let Some(identity) = identity {
            builder = builder.identity(Identity::from_pem(identity.as_bytes()).unwrap());
        }
        let request = builder.build().unwrap().get(&url).basic_auth("root", Some(PASSWORD));
        request.send().await.map(|response| response.status())
    };
    assert_eq!(get(Some(&mine)).await.unwrap(), StatusCode::OK);
    assert!(get(None).await.is_err());
    assert!(get(Some(&anothers)).await.is_err());
    assert_eq!(stand_in.requests(), 1);
}
