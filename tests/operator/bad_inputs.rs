//! The table of bad inputs, `bad_inputs.yaml`, held against a real API server and a running operator: each is refused
//! with a sentence, or shown in a condition with one.

use std::{collections::BTreeSet, net::Ipv4Addr, path::Path};

use arango_operator::{
    cli::docs::bad_inputs::{Row, Shown, read},
    stand_in::Tls,
};
use axum::{Router, response::Html};
use futures::{StreamExt, future::join_all, stream};
use serde_json::{Map, Value, json};
use tokio::net::{TcpListener, TcpSocket};

use crate::support::{PATIENCE, Server, World};

/// kubectl processes at the same time.
const AT_ONCE: usize = 4;

/// What the words with a dollar in the table stand for.
struct Words {
    /// Longer ones before those that they begin with.
    texts: Vec<(&'static str, String)>,
    /// Held, so that nobody else listens there.
    _nobody: TcpSocket,
    _encrypted: [Server; 2],
}

impl Words {
    async fn new(server: &Server) -> Self {
        let tls = Tls::self_made(Ipv4Addr::LOCALHOST.into()).unwrap();
        let key = rcgen::KeyPair::generate().unwrap();
        let other = rcgen::CertificateParams::new(["coordinator.example".to_owned()]).unwrap();
        let other_ca = other.self_signed(&key).unwrap().pem();
        let elsewhere = Tls::given(other_ca.clone(), key.serialize_pem());
        let ca = tls.authority.clone();
        let (encrypted, misnamed) = tokio::join!(Server::behind(tls), Server::behind(elsewhere));
        let first = |server: &Server| server.stand_in.endpoints()[0].clone();
        let (plain, secure, misnamed_at) = (first(server), first(&encrypted), first(&misnamed));

        let nobody = TcpSocket::new_v4().unwrap();
        nobody.bind("127.0.0.1:0".parse().unwrap()).unwrap();
        let html = || async { Html("<html><body>Welcome!</body></html>") };
        let texts = vec![
            ("$server-by-https", plain.replace("http://", "https://")),
            ("$server", plain),
            ("$nobody", format!("http://{}", nobody.local_addr().unwrap())),
            ("$html", web(Router::new().fallback(html)).await),
            ("$404", web(Router::new()).await),
            ("$tls-other-name", misnamed_at),
            ("$tls-by-http", secure.replace("https://", "http://")),
            ("$tls", secure),
            ("$other-ca", other_ca),
            ("$ca", ca),
        ];
        Self { texts, _nobody: nobody, _encrypted: [encrypted, misnamed] }
    }

    fn text(&self, text: &str) -> String {
        for (sign, letter) in [("$x", "x"), ("$ä", "ä")] {
            if let Some(count) = text.strip_prefix(sign).and_then(|count| count.parse().ok()) {
                return letter.repeat(count);
            }
        }
        let word = |text: String, (word, means): &(&str, String)| text.replace(word, means);
        self.texts.iter().fold(text.to_owned(), word)
    }

    fn value(&self, value: &mut Value) {
        match value {
            Value::String(text) => {
                let count = |sign| text.strip_prefix(sign).and_then(|count| count.parse::<usize>().ok());
                *value = if let Some(count) = count("$list:") {
                    (0..count).map(|i| json!(format!("http://host-{i}:8529"))).collect()
                } else if let Some(count) = count("$map:") {
                    (0..count).map(|i| (format!("c{i}"), json!("ro"))).collect::<Map<_, _>>().into()
                } else {
                    self.text(text).into()
                };
            }
            Value::Array(values) => values.iter_mut().for_each(|value| self.value(value)),
            Value::Object(fields) => self.fields(fields),
            _ => {}
        }
    }

    fn fields(&self, fields: &mut Map<String, Value>) {
        let old = std::mem::take(fields);
        fields.extend(old.into_iter().map(|(name, mut value)| {
            self.value(&mut value);
            (self.text(&name), value)
        }));
    }
}

/// A web server.
async fn web(router: Router) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(async move { axum::serve(listener, router).await });
    format!("http://{address}")
}

/// The rows, with all words replaced.
fn rows(words: &Words) -> Vec<Row> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join(arango_operator::cli::docs::BAD_INPUTS);
    let topics = read(&std::fs::read_to_string(path).unwrap()).unwrap();
    let mut rows: Vec<_> = topics.into_iter().flat_map(|topic| topic.rows).collect();
    for row in &mut rows {
        words.fields(&mut row.given);
        words.fields(&mut row.apply);
    }
    let mut names = BTreeSet::new();
    for row in &rows {
        let objects: BTreeSet<_> = row.given.keys().chain(row.apply.keys()).collect();
        for object in objects {
            assert!(names.insert(object.clone()), "{}: {object} is in another row too", row.wrong);
        }
    }
    rows
}

fn missing<'a>(said: &str, parts: &'a [String]) -> Option<&'a String> {
    parts.iter().find(|part| !said.contains(*part))
}

/// How a row was refused, if not as it should be.
async fn not_refused(world: &World, row: &Row) -> Option<String> {
    let Err(said) = world.try_apply(&row.manifests()).await else {
        return Some(format!("{}: was taken", row.wrong));
    };
    let part = missing(&said, &row.refused)?;
    let said: String = said.chars().take(1000).collect();
    Some(format!("{}: {part:?} is missing in {said}", row.wrong))
}

/// How a row is shown, if not as it should be.
async fn not_shown(world: &World, row: &Row, Shown { on, ready, reason, says }: &Shown) -> Option<String> {
    match world.try_condition(PATIENCE, on, ready, reason).await {
        Ok(said) => {
            eprintln!("{}: {ready} {reason}: {said}", row.wrong);
            let part = missing(&said, says)?;
            Some(format!("{}: {part:?} is missing in {said:?}", row.wrong))
        }
        Err(found) => Some(format!("{}: {found}", row.wrong)),
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn every_bad_input_of_the_table_is_refused_or_shown_with_a_sentence() {
    let (world, server) = World::connected("5m").await;
    for name in ["weak", "admin"] {
        server.make_user(name, name).await;
    }
    server.set_level("admin", "_system", "rw").await;
    let words = Words::new(&server).await;
    let rows = rows(&words);
    assert!(rows.len() >= 60, "{} rows", rows.len());

    world.apply(&rows.iter().map(Row::before).collect::<String>()).await;
    let shown: Vec<_> = rows.iter().filter_map(|row| Some((row, row.shown.as_ref()?))).collect();
    let manifests: String = shown.iter().map(|(row, _)| row.manifests() + "\n---\n").collect();
    let mut complaints: Vec<_> = world.try_apply(&manifests).await.err().into_iter().collect();
    let refused = rows.iter().filter(|row| !row.refused.is_empty());
    let refusals = stream::iter(refused.map(|row| not_refused(&world, row))).buffer_unordered(AT_ONCE);
    let conditions = join_all(shown.iter().map(|(row, shown)| not_shown(&world, row, shown)));
    let (refusals, conditions) = tokio::join!(refusals.collect::<Vec<_>>(), conditions);
    complaints.extend(refusals.into_iter().chain(conditions).flatten());
    assert!(complaints.is_empty(), "{} complaints:\n{}", complaints.len(), complaints.join("\n"));
}
