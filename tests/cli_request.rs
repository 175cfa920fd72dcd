//! `request`, and the connection flags that all commands share, as a process.

// Clippy knows tests by their attribute; these are their helpers.
#![allow(clippy::unwrap_used)]

mod cli_support;

use arango_operator::stand_in::{Config, Options, Tls};
use cli_support::{Deployment, JWT_SECRET, ROOT_PASSWORD, run};
use rcgen::{BasicConstraints, CertificateParams, ExtendedKeyUsagePurpose, IsCa, Issuer, KeyPair};
use serde_json::{Value, json};

const VERSION: [&str; 3] = ["request", "GET", "/_api/version"];

/// The endpoints in the environment, the rest left to the test.
async fn bare(deployment: &Deployment, arguments: &[&str]) -> cli_support::Ran {
    run(arguments, &[("ARANGO_ENDPOINT", &deployment.endpoints())]).await
}

/// Makes a user who may read one database.
async fn make_reader(deployment: &Deployment) {
    for (method, path, body) in [
        ("POST", "/_api/database", r#"{"name":"shop"}"#),
        ("POST", "/_api/user", r#"{"user":"möller","passwd":"unknown to all"}"#),
        ("PUT", "/_api/user/m%C3%B6ller/database/shop", r#"{"grant":"ro"}"#),
    ] {
        deployment.run(&["request", method, path, "--data", body]).await.ok();
    }
}

#[tokio::test]
async fn the_body_goes_to_standard_output_and_the_status_to_standard_error() {
    let deployment = Deployment::single().await;
    let ran = deployment.run(&VERSION).await;
    assert_eq!(ran.stderr, "200 OK\n");
    assert_eq!(ran.json()["version"], "3.12.10");
    let ran = deployment.run(&["request", "GET", "/_api/nothing"]).await;
    assert_eq!((ran.code, ran.stderr.as_str()), (Some(1), "404 Not Found\n"));
    assert_eq!(serde_json::from_str::<Value>(&ran.stdout).unwrap()["errorNum"], 404);
}

#[tokio::test]
async fn a_body_is_taken_from_the_argument_or_a_file() {
    let deployment = Deployment::single().await;
    let file = deployment.file("body.json", r#"{"name": "second"}"#);
    for (name, body) in [("first", r#"{"name": "first"}"#), ("second", &format!("@{file}"))] {
        deployment.run(&["request", "post", "_api/database", "-d", body]).await.ok();
        let current = deployment.run(&["request", "GET", "/_api/database/current", "--database", name]).await;
        assert_eq!(current.json()["result"]["name"], name);
    }
}

#[tokio::test]
async fn endpoints_are_repeated_or_one_text_with_commas_and_the_flag_wins() {
    let deployment = Deployment::cluster().await;
    let all = deployment.stand_in.endpoints();
    let joined = all.join(",");
    let repeated: Vec<&str> = all.iter().flat_map(|endpoint| ["--endpoint", endpoint]).collect();
    let spaced = format!(" {} , {} ,", all[0], all[1]);
    let cases: [(&[&str], &str, usize); 5] = [
        (&["--endpoint", &joined], "", 3),
        (&repeated, "", 3),
        (&[], &joined, 3),
        (&[], &spaced, 2),
        (&["--endpoint", &all[2]], "http://127.0.0.1:1", 1),
    ];
    for (flags, variable, count) in cases {
        let arguments = [&["cluster", "status", "-o", "json"], flags].concat();
        let mut environment = vec![("ARANGO_PASSWORD", ROOT_PASSWORD)];
        if !variable.is_empty() {
            environment.push(("ARANGO_ENDPOINT", variable));
        }
        let status = run(&arguments, &environment).await.json();
        assert_eq!(status["endpoints"].as_array().unwrap().len(), count, "{flags:?} {variable:?}");
    }
    let error = run(&[&VERSION[..], &["--endpoint", "localhost"]].concat(), &[]).await.failed(1);
    assert!(error.contains("has no scheme"), "{error}");
}

#[tokio::test]
async fn user_password_method_and_time_have_flags_and_twins_in_the_environment() {
    let deployment = Deployment::single().await;
    let file = deployment.file("password", &format!("{ROOT_PASSWORD}\n"));
    let endpoint = deployment.endpoints();
    bare(&deployment, &[&VERSION[..], &["--password-file", &file, "--auth", "basic"]].concat()).await.ok();
    let common = [("ARANGO_ENDPOINT", endpoint.as_str()), ("ARANGO_PASSWORD_FILE", &file)];
    for (name, value) in [("ARANGO_AUTH", "jwt"), ("ARANGO_AUTH", "basic"), ("ARANGO_TIMEOUT", "1m")] {
        deployment.stand_in.clear_requests();
        run(&VERSION, &[&common[..], &[(name, value)]].concat()).await.ok();
        let logins = deployment.stand_in.request_log();
        let logins = logins.iter().filter(|entry| entry.path == "/_open/auth").count();
        assert_eq!(logins, usize::from(value != "basic"), "{name}={value}");
    }
    for (name, value, part) in [
        ("ARANGO_USER", "somebody", "the login of \"somebody\" was refused"),
        ("ARANGO_PASSWORD_FILE", "/nowhere/at/all", "can't read /nowhere/at/all"),
        ("ARANGO_CA_FILE", "/nowhere/at/all", "can't read /nowhere/at/all"),
        ("ARANGO_CLIENT_CERTIFICATE_FILE", "/nowhere/at/all", "can't read /nowhere/at/all"),
        ("ARANGO_TIMEOUT", "0s", "give a --timeout that is not zero"),
    ] {
        let error = run(&VERSION, &[&common[..], &[(name, value)]].concat()).await.failed(1);
        assert!(error.contains(part), "{name}: {error}");
    }
}

#[tokio::test]
async fn a_wrong_password_is_a_sentence_that_does_not_repeat_it() {
    let deployment = Deployment::single().await;
    let endpoint = deployment.endpoints();
    let environment = [("ARANGO_ENDPOINT", endpoint.as_str()), ("ARANGO_PASSWORD", "not-the-password")];
    let error = run(&VERSION, &environment).await.failed(1);
    assert!(error.contains("the login of \"root\" was refused"), "{error}");
    assert!(
        error.contains("check its user name and password") && !error.contains("not-the-password"),
        "{error}"
    );
}

#[tokio::test]
async fn as_sends_it_as_another_user_without_his_password() {
    let deployment = Deployment::cluster().await;
    make_reader(&deployment).await;
    let secret = deployment.file("secret", &format!("{JWT_SECRET}\n"));
    let own = ["request", "GET", "/_api/database/user", "--database", "shop", "--as", "möller"];
    let with_flag = [&own[..], &["--jwt-secret-file", &secret]].concat();
    assert_eq!(bare(&deployment, &with_flag).await.json()["result"], json!(["shop"]));
    let endpoints = deployment.endpoints();
    let environment = [("ARANGO_ENDPOINT", endpoints.as_str()), ("ARANGO_JWT_SECRET_FILE", &secret)];
    deployment.stand_in.clear_requests();
    assert_eq!(run(&own, &environment).await.json()["result"], json!(["shop"]));
    let log = deployment.stand_in.request_log();
    assert_eq!(
        log.iter().map(|entry| entry.user.as_deref()).collect::<Vec<_>>(),
        [Some("möller")],
        "no login"
    );

    // What he may not, he may not this way either; nor is somebody let in who doesn't exist.
    let create = ["request", "POST", "/_db/shop/_api/collection", "-d", r#"{"name":"c"}"#, "--as", "möller"];
    assert_eq!(run(&create, &environment).await.failed(1), "403 Forbidden\n");
    let nobody = [&VERSION[..], &["--as", "nobody"]].concat();
    assert_eq!(run(&nobody, &environment).await.failed(1), "401 Unauthorized\n");
}

#[tokio::test]
async fn as_needs_the_deployments_secret_and_the_right_one() {
    let deployment = Deployment::single().await;
    let error = deployment.run(&[&VERSION[..], &["--as", "root"]].concat()).await.failed(1);
    assert!(error.contains("--jwt-secret-file or ARANGO_JWT_SECRET_FILE"), "{error}");
    let wrong = deployment.file("wrong", "another secret");
    let arguments = [&VERSION[..], &["--as", "root", "--jwt-secret-file", &wrong]].concat();
    let error = deployment.run(&arguments).await.failed(1);
    assert!(error.starts_with("401"), "{error}");
    let empty = deployment.file("empty", "\n");
    let arguments = [&VERSION[..], &["--auth", "superuser", "--jwt-secret-file", &empty]].concat();
    let error = deployment.run(&arguments).await.failed(1);
    assert!(error.contains("there is no secret in"), "{error}");
}

#[tokio::test]
async fn the_superuser_may_do_what_no_user_may() {
    let deployment = Deployment::single().await;
    let mode = ["request", "PUT", "/_admin/server/mode", "-d", r#"{"mode":"readonly"}"#];
    deployment.run(&mode).await.ok();
    let create = ["request", "POST", "/_api/database", "-d", r#"{"name":"late"}"#];
    assert_eq!(deployment.run(&create).await.failed(1), "403 Forbidden\n");
    let secret = deployment.file("secret", JWT_SECRET);
    let as_superuser = [&create[..], &["--auth", "superuser", "--jwt-secret-file", &secret]].concat();
    bare(&deployment, &as_superuser).await.ok();
}

#[tokio::test]
async fn trusting_every_certificate_is_warned_of() {
    let deployment = Deployment::single().await;
    let flag = deployment.run(&[&VERSION[..], &["--insecure-skip-verify"]].concat()).await;
    assert!(flag.stderr.starts_with("warning: certificates are not verified"), "{flag:?}");
    flag.ok();
    let endpoint = deployment.endpoints();
    for (value, warned) in [("1", true), ("true", true), ("false", false)] {
        let environment = [
            ("ARANGO_ENDPOINT", endpoint.as_str()),
            ("ARANGO_PASSWORD", ROOT_PASSWORD),
            ("ARANGO_INSECURE_SKIP_VERIFY", value),
        ];
        assert_eq!(run(&VERSION, &environment).await.stderr.contains("warning"), warned, "{value}");
    }
}

#[tokio::test]
async fn a_certificate_is_verified_against_the_ca_file_and_ours_is_shown() {
    let (authority_key, key) = (KeyPair::generate().unwrap(), KeyPair::generate().unwrap());
    let mut authority = CertificateParams::new([]).unwrap();
    authority.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    let clients = authority.self_signed(&authority_key).unwrap().pem();
    let mut ours = CertificateParams::new(["somebody".to_owned()]).unwrap();
    ours.extended_key_usages = vec![ExtendedKeyUsagePurpose::ClientAuth];
    let ours = ours.signed_by(&key, &Issuer::new(authority, authority_key)).unwrap().pem();

    let tls = Tls::self_made("127.0.0.1".parse().unwrap()).unwrap();
    let ca = tls.authority.clone();
    let options =
        Options { tls: Some(tls.with_client_authority(clients)), ..Options::new(Config::cluster(2, 1)) };
    let deployment = Deployment::start(options).await;
    let ca = deployment.file("ca.pem", &ca);
    let certificate = deployment.file("certificate.pem", &ours);
    let key_alone = deployment.file("key.pem", &key.serialize_pem());
    let both = deployment.file("both.pem", &format!("{ours}{}", key.serialize_pem()));
    let request = |flags: &[&'static str], files: &[&String]| {
        let flags = flags.iter().zip(files).flat_map(|(flag, file)| [(*flag).to_owned(), (*file).clone()]);
        VERSION.map(str::to_owned).into_iter().chain(flags).collect::<Vec<_>>()
    };
    let (own, own_key) = ("--client-certificate-file", "--client-key-file");
    for arguments in [
        request(&["--ca-file", own, own_key], &[&ca, &certificate, &key_alone]),
        request(&["--ca-file", own], &[&ca, &both]),
    ] {
        deployment.run(&arguments.iter().map(String::as_str).collect::<Vec<_>>()).await.ok();
    }
    for (arguments, part) in [
        (request(&[own], &[&both]), "certificate"),
        (request(&["--ca-file"], &[&ca]), "can be reached"),
        (request(&["--ca-file", own], &[&ca, &certificate]), "the client certificate or its key is no PEM"),
        (request(&["--ca-file"], &[&key_alone]), "the CA has no certificate in PEM"),
    ] {
        let error = deployment.run(&arguments.iter().map(String::as_str).collect::<Vec<_>>()).await.failed(1);
        assert!(error.contains(part), "{arguments:?}: {error}");
    }
    let unverified = [&VERSION[..], &["--insecure-skip-verify", own, &both]].concat();
    deployment.run(&unverified).await.ok();
}
