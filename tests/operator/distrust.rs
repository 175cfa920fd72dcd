//! What the operator doesn't believe, read or ask, whoever declares it.

use std::sync::{
    Arc,
    atomic::{AtomicUsize, Ordering},
};

use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpListener,
};

use crate::support::{Server, World, document, eventually, secret, user};

/// Secrets of the cluster's own machinery.
const MACHINERY: [&str; 4] = [
    "kubernetes.io/service-account-token",
    "bootstrap.kubernetes.io/token",
    "helm.sh/release.v1",
    "helm.sh/release.v2",
];

/// A Secret of a type.
fn typed(name: &str, type_: &str, values: &[(&str, &str)]) -> String {
    // Without it the API server takes no Secret of the first type.
    let whose = "annotations: {kubernetes.io/service-account.name: default}, name";
    secret(name, values).replace("metadata: {name", &format!("metadata: {{{whose}"))
        + &format!("type: {type_}\n")
}

#[tokio::test(flavor = "multi_thread")]
async fn secrets_of_the_machinery_are_read_for_nothing_at_all() {
    let (world, server) = World::connected("5m").await;
    let values = [
        ("username", "root"),
        ("password", crate::support::ROOT_PASSWORD),
        ("ca.crt", "a certificate"),
        ("tls.crt", "a certificate"),
        ("tls.key", "a key"),
    ];
    for (number, type_) in MACHINERY.into_iter().enumerate() {
        let name = format!("machinery-{number}");
        let own = format!("own-{number}");
        let cluster = |what: &str, spec: &str| {
            let endpoint = &server.stand_in.endpoints()[0];
            document(
                "ArangoCluster",
                &format!("{what}-{number}"),
                &format!("{{endpoints: ['{endpoint}'], {spec}}}"),
            )
        };
        let tls = |spec: &str| format!("auth: {{secretRef: {{name: {own}}}}}, tls: {{{spec}}}");
        let manifests = [
            typed(&name, type_, &values),
            secret(&own, &values),
            user(&format!("user-{number}"), &format!("password: {{secretRef: {{name: {name}}}}}")),
            cluster("auth", &format!("auth: {{secretRef: {{name: {name}}}}}")),
            cluster("authority", &tls(&format!("caRef: {{name: {name}}}"))).replace("http://", "https://"),
            cluster("certificate", &tls(&format!("clientCertificateSecretRef: {{name: {name}}}")))
                .replace("http://", "https://"),
        ];
        world.apply(&manifests.concat()).await;
        for object in
            ["arangouser/user", "arangocluster/auth", "arangocluster/authority", "arangocluster/certificate"]
        {
            let message = world.condition(&format!("{object}-{number}"), "False", "Invalid").await;
            for part in [&name, type_, "never read"] {
                assert!(message.contains(part), "{part} is missing in {object}: {message}");
            }
        }
    }
    assert!(server.users().await.is_empty());
}

#[tokio::test(flavor = "multi_thread")]
async fn addresses_where_clouds_keep_their_metadata_are_not_asked() {
    let world = World::new().await;
    world.apply(&secret("root", &[("username", "root"), ("password", "x")])).await;
    for (name, endpoint) in [
        ("plain", "http://169.254.169.254:80"),
        ("number", "http://2852039166"),
        ("mapped", "http://[::ffff:169.254.169.254]"),
        ("translated", "http://[64:ff9b::a9fe:a9fe]"),
        ("v6", "http://[fe80::1]:8529"),
    ] {
        let spec = format!("{{endpoints: ['{endpoint}'], auth: {{secretRef: {{name: root}}}}}}");
        world.apply(&document("ArangoCluster", name, &spec)).await;
        let message = world.condition(&format!("arangocluster/{name}"), "False", "Invalid").await;
        assert!(message.contains("never asked"), "{message}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_that_redirects_gets_nobody_else_asked() {
    let (world, other) = tokio::join!(World::new(), Server::start());
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let to = other.stand_in.endpoints()[0].clone();
    let asked = Arc::new(AtomicUsize::new(0));
    let count = Arc::clone(&asked);
    tokio::spawn(async move {
        while let Ok((mut stream, _)) = listener.accept().await {
            let mut request = [0; 4096];
            let length = stream.read(&mut request).await.unwrap_or_default();
            let path = String::from_utf8_lossy(&request[..length]);
            let path = path.split(' ').nth(1).unwrap_or("/").to_owned();
            count.fetch_add(1, Ordering::SeqCst);
            let head = format!("HTTP/1.1 307 Temporary Redirect\r\nlocation: {to}{path}\r\n");
            let _ = stream
                .write_all(format!("{head}content-length: 0\r\nconnection: close\r\n\r\n").as_bytes())
                .await;
        }
    });
    for method in ["JWT", "Basic"] {
        let manifest = other.manifest("1s").replace("auth: {", &format!("auth: {{method: {method}, "));
        let ours = format!("{:?}", other.stand_in.endpoints());
        let before = asked.load(Ordering::SeqCst);
        world.apply(&manifest.replace(&ours, &format!("[\"http://{address}\"]"))).await;
        let message = world.condition("arangocluster/prod", "False", "Refused").await;
        assert!(message.contains("307"), "{message}");
        eventually("it was asked again", async || {
            let now = asked.load(Ordering::SeqCst);
            if now > before + 1 { Ok(()) } else { Err(now) }
        })
        .await;
    }
    assert!(other.stand_in.request_log().is_empty(), "{:?}", other.stand_in.request_log());
}
