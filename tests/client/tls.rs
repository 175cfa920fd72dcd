//! Three coordinators behind TLS.

use std::net::Ipv4Addr;

use arango_operator::{
    arango::{Class, Client, Error, Pool},
    stand_in::{self, Options, StandIn},
};

use crate::{ROOT, connection, root};

async fn behind_tls() -> (StandIn, String) {
    let tls = stand_in::Tls::self_made(Ipv4Addr::LOCALHOST.into()).unwrap();
    let authority = tls.authority.clone();
    let options = Options { tls: Some(tls), ..Options::cluster(3, ROOT) };
    (StandIn::start(options).await.unwrap(), authority)
}

async fn ask(stand_in: &StandIn, ca: Option<&str>, unverified: bool) -> Result<bool, Error> {
    let mut connection = connection(stand_in, root());
    connection.tls.ca = ca.map(|pem| pem.as_bytes().to_vec());
    connection.tls.insecure_skip_verify = unverified;
    let pool = Pool::new(connection)?;
    let client = Client::new(pool.clone());
    for _ in 0..6 {
        client.databases().await?;
    }
    Ok(pool.is_unverified())
}

#[tokio::test(flavor = "multi_thread")]
async fn coordinators_are_believed_by_their_authority_alone_unless_told_otherwise() {
    let (stand_in, authority) = behind_tls().await;
    assert!(!ask(&stand_in, Some(&authority), false).await.unwrap());
    assert!(ask(&stand_in, None, true).await.unwrap());
    stand_in.clear_requests();
    let (_, other) = behind_tls().await;
    for ca in [None, Some(&*other)] {
        let error = ask(&stand_in, ca, false).await.unwrap_err();
        assert_eq!(error.class(), Class::Unreachable, "{error}");
    }
    assert_eq!(stand_in.requests(), 0, "not even the login was sent");
}
