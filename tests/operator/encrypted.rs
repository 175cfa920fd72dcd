//! Coordinators behind TLS: whom the operator believes, as whom it shows itself, and that it says when it believes
//! everybody.

use std::net::Ipv4Addr;

use arango_operator::stand_in::Tls;
use rcgen::{
    BasicConstraints, CertificateParams, ExtendedKeyUsagePurpose, IsCa, Issuer, KeyPair, SanType,
    date_time_ymd,
};

use crate::support::{ROOT_PASSWORD, Server, World, database, eventually, secret};

const CLUSTER: &str = "arangocluster/prod";

fn self_made() -> Tls {
    Tls::self_made(Ipv4Addr::LOCALHOST.into()).unwrap()
}

/// The `ArangoCluster`, trusting as it is told.
fn trusting(server: &Server, tls: &str) -> String {
    server.manifest_for(("root", ROOT_PASSWORD), &format!("tls: {tls}"))
}

#[tokio::test(flavor = "multi_thread")]
async fn coordinators_are_believed_by_the_authority_in_the_secret_which_may_come_later_and_change() {
    let (tls, other) = (self_made(), self_made());
    let authority = tls.authority.clone();
    let (world, server) = tokio::join!(World::new(), Server::behind(tls));
    let cluster = trusting(&server, "{caRef: {name: prod-ca}}");
    world.apply(&[cluster, database("shop", "")].concat()).await;
    let message = world.condition(CLUSTER, "Unknown", "SecretMissing").await;
    assert!(message.contains("prod-ca") && message.contains("ca.crt"), "{message}");

    world.apply(&secret("prod-ca", &[("ca.crt", "no certificate")])).await;
    let message = world.condition(CLUSTER, "False", "Invalid").await;
    assert!(message.contains("no certificate in PEM"), "{message}");

    world.apply(&secret("prod-ca", &[("ca.crt", &other.authority)])).await;
    let message = world.condition(CLUSTER, "Unknown", "ServerUnavailable").await;
    assert!(message.contains("certificate"), "{message}");
    assert_eq!(server.stand_in.requests(), 0, "not even the login was sent");

    world.apply(&secret("prod-ca", &[("ca.crt", &authority)])).await;
    world.ready(&[CLUSTER, "arangodatabase/shop"]).await;
    assert_eq!(server.databases_inside(), ["shop"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn without_an_authority_nobody_is_believed_unless_the_spec_says_so_and_then_the_status_does() {
    let (world, server) = tokio::join!(World::new(), Server::behind(self_made()));
    world.apply(&trusting(&server, "{}")).await;
    world.condition(CLUSTER, "Unknown", "ServerUnavailable").await;
    assert_eq!(server.stand_in.requests(), 0, "not even the login was sent");
    world.apply(&trusting(&server, "{insecureSkipVerify: true}")).await;
    world.ready(&[CLUSTER]).await;
    let message = world.condition(CLUSTER, "True", "Ready").await;
    assert!(message.contains("NO certificate is verified"), "{message}");
}

/// A certificate by an authority that is trusted, with something about it that is wrong.
fn made_with(change: impl FnOnce(&mut CertificateParams)) -> Tls {
    let authority_key = KeyPair::generate().unwrap();
    let mut authority = CertificateParams::default();
    authority.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    let pem = authority.self_signed(&authority_key).unwrap().pem();
    let key = KeyPair::generate().unwrap();
    let mut server = CertificateParams::new(vec!["127.0.0.1".to_owned()]).unwrap();
    server.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth];
    change(&mut server);
    let certificate = server.signed_by(&key, &Issuer::new(authority, authority_key)).unwrap().pem();
    Tls { authority: pem, ..Tls::given(certificate, key.serialize_pem()) }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_expired_certificate_and_one_for_another_name_are_not_believed_and_the_status_says_which_it_is() {
    let right = made_with(|_| {});
    let expired = made_with(|server| server.not_after = date_time_ymd(2026, 1, 1));
    let not_yet = made_with(|server| server.not_before = date_time_ymd(2100, 1, 1));
    let elsewhere = made_with(|server| {
        server.subject_alt_names = vec![SanType::DnsName("coordinator.example".try_into().unwrap())];
    });
    let world = World::new().await;
    for (tls, says) in [
        (expired, Some("expired")),
        (not_yet, Some("not valid yet")),
        (elsewhere, Some("not valid for name")),
        (right, None),
    ] {
        let authority = secret("prod-ca", &[("ca.crt", &tls.authority)]);
        let server = Server::behind(tls).await;
        world.apply(&[authority, trusting(&server, "{caRef: {name: prod-ca}}")].concat()).await;
        let Some(says) = says else {
            world.ready(&[CLUSTER]).await;
            continue;
        };
        eventually(says, async || {
            let message = world.condition(CLUSTER, "Unknown", "ServerUnavailable").await;
            if message.contains(says) { Ok(()) } else { Err(message) }
        })
        .await;
        assert_eq!(server.stand_in.requests(), 0, "not even the login was sent");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn coordinators_that_ask_for_a_certificate_are_shown_the_one_in_the_secret() {
    let issuer_key = KeyPair::generate().unwrap();
    let mut issuer = CertificateParams::default();
    issuer.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    let clients = issuer.self_signed(&issuer_key).unwrap().pem();
    let key = KeyPair::generate().unwrap();
    let mut ours = CertificateParams::new(vec!["operator".to_owned()]).unwrap();
    ours.extended_key_usages = vec![ExtendedKeyUsagePurpose::ClientAuth];
    let certificate = ours.signed_by(&key, &Issuer::new(issuer, issuer_key)).unwrap().pem();

    let tls = self_made().with_client_authority(clients);
    let ca = secret("prod-ca", &[("authority", &tls.authority)]);
    let (world, server) = tokio::join!(World::new(), Server::behind(tls));
    let without = trusting(&server, "{caRef: {name: prod-ca, key: authority}}");
    world.apply(&[ca, without, database("shop", "")].concat()).await;
    world.condition(CLUSTER, "Unknown", "ServerUnavailable").await;
    assert_eq!(server.stand_in.requests(), 0, "nobody came in");

    let with = "{caRef: {name: prod-ca, key: authority}, clientCertificateSecretRef: {name: prod-client}}";
    let client = secret("prod-client", &[("tls.crt", &certificate), ("tls.key", &key.serialize_pem())]);
    world.apply(&[client, trusting(&server, with)].concat()).await;
    world.ready(&[CLUSTER, "arangodatabase/shop"]).await;
    assert_eq!(server.databases_inside(), ["shop"]);
    assert!(!world.log().contains("PRIVATE KEY"));
}
