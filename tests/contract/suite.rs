//! What the suite promises of itself: it can fail, it cleans up, it keeps secrets, and its list of open questions is
//! the documentation's.

use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
    sync::Arc,
};

use anyhow::{Context, Result, bail, ensure};
use libtest_mimic::Trial;
use serde_json::json;

use crate::{
    Bench,
    case::{Shape, Topic, reaches},
    pattern::matches,
    run::Run,
    server::Server,
};

/// Where the open questions are listed, between two comments.
const PAGE: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/docs/contract.md");
const BEGIN: &str = "<!-- unconfirmed: checked by the suite -->\n";
const END: &str = "<!-- end -->";

/// The tests of the suite itself.
pub(crate) fn trials(bench: &Arc<Bench>, topics: &BTreeMap<String, Topic>) -> Vec<Trial> {
    let test = |name: &str, run: Box<dyn FnOnce() -> Result<()> + Send>| {
        Trial::test(name, move || run().map_err(|error| format!("{error:#}").into())).with_kind("suite")
    };
    let titles = titles(topics);
    let questions = questions(topics);
    let (bench, other) = (Arc::clone(bench), Arc::clone(bench));
    vec![
        test("a pattern takes what it describes and nothing else", Box::new(patterns)),
        test("a version reaches those before it", Box::new(versions)),
        test("a broken promise is told without secrets, and leaves nothing behind", {
            Box::new(move || broken(&bench))
        }),
        test("a late coordinator fails a step that doesn't wait", Box::new(move || late(&other))),
        test("every case has a sentence of its own", Box::new(|| titles)),
        test("docs/contract.md lists what is unconfirmed", Box::new(move || listed(&questions))),
    ]
}

fn patterns() -> Result<()> {
    let table = [
        (json!({"a": 1}), json!({"a": 1.0, "b": 2}), true),
        (json!({"a": 1}), json!({"a": 2}), false),
        (json!({"a": 1}), json!({}), false),
        (json!({"$exactly": {"a": 1}}), json!({"a": 1, "b": 2}), false),
        (json!({"$exactly": {"a": {"b": 1}}}), json!({"a": {"b": 1, "c": 2}}), false),
        (json!({"$exactly": {"a": 1}}), json!({"a": 1}), true),
        (json!({"a": "$absent"}), json!({}), true),
        (json!({"a": "$absent"}), json!({"a": null}), false),
        (json!({"a": "$any"}), json!({"a": null}), true),
        (json!({"a": "$any"}), json!({}), false),
        (json!("$string"), json!("x"), true),
        (json!("$string"), json!(1), false),
        (json!("$number"), json!(1.5), true),
        (json!("$number"), json!("1"), false),
        (json!("$date"), json!("2026-11-21T14:00:00Z"), true),
        (json!("$date"), json!("soon"), false),
        (json!([1, 2]), json!([1, 2]), true),
        (json!([1, 2]), json!([1, 2, 3]), false),
        (json!({"$contains": [1, 2]}), json!([3, 2, 1]), true),
        (json!({"$contains": [1, 4]}), json!([3, 2, 1]), false),
        (json!({"$contains": "b"}), json!("abc"), true),
        (json!({"$contains": "d"}), json!("abc"), false),
        (json!({"$contains": "d"}), json!({}), false),
        (json!({"$without": 4}), json!([1]), true),
        (json!({"$without": {"a": 1}}), json!([{"a": 1, "b": 2}]), false),
        (json!({"$contains": 1, "$without": 2}), json!([1]), true),
        (json!({"$contains": 1, "$without": 2}), json!([1, 2]), false),
        (json!({"$each": {"a": "$number"}}), json!({"x": {"a": 1}}), true),
        (json!({"$each": {"a": "$number"}}), json!([{"a": 1}, {}]), false),
        (json!({"$each": "$any"}), json!([]), false),
        (json!({"$each": "$number", "a": 1}), json!({"a": 1, "b": 2}), true),
        (json!({"$each": "$number", "a": 1}), json!({"b": 2}), false),
        (json!({}), json!({"a": 1}), true),
        (json!({}), json!([]), false),
        (json!({"$one_of": [1, 2]}), json!(2), true),
        (json!({"$one_of": [1, 2]}), json!(3), false),
        (json!({"$not": 1}), json!(2), true),
        (json!({"$not": 1}), json!(1), false),
        (json!({"$unordered": [1, 2]}), json!([2, 1]), true),
        (json!({"$unordered": [1, 1]}), json!([1, 2]), false),
        (json!({"$unordered": [1]}), json!([1, 1]), false),
    ];
    for (pattern, value, expected) in table {
        ensure!(matches(&pattern, &value) == expected, "{pattern} and {value}: expected {expected}");
    }
    Ok(())
}

fn versions() -> Result<()> {
    for (version, since, expected) in [
        ("3.12.10", "3.12", true),
        ("3.12.0-nightly", "3.12", true),
        ("3.11.14", "3.12", false),
        ("4.0.0", "3.12", true),
        ("3.12.2", "3.12.10", false),
    ] {
        ensure!(reaches(version, since) == expected, "{version} and {since}: expected {expected}");
    }
    Ok(())
}

/// A case that makes one of everything and then expects what isn't true.
const BROKEN: &str = "
case: this isn't so
given:
  databases: [shop]
  collections: [shop/orders]
  users: {alice: {shop: rw}}
steps:
  - send: GET /_api/user/$p-alice
    as: {token: alice}
    expect: {answer: {user: bob}}
  - send: POST /_api/user
    body: {user: $p-never}
    expect: 201
";

fn broken(bench: &Bench) -> Result<()> {
    let case = serde_saphyr::from_str(BROKEN)?;
    bench.runtime.block_on(async {
        let server = Server::stand_in(Shape::Cluster, bench.clients.clone()).await?;
        let Err(error) = Run::run(&server, &case).await else { bail!("a wrong expectation passed") };
        let report = format!("{error:#}");
        let said =
            ["step 1: GET /_api/user/$p-alice", "curl -X GET 'http://", "/user: expected \"bob\", got"];
        for part in said {
            ensure!(report.contains(part), "{part:?} isn't in {report}");
        }
        ensure!(report.contains("authorization: bearer …"), "a token in {report}");
        for (list, left) in
            [("/_api/database", json!(["_system"])), ("/_api/user", json!([{"user": "root"}]))]
        {
            let answer = server.ask(&format!("GET {list}"), None).await?;
            ensure!(matches(&left, &answer["result"]), "left behind: {answer}");
        }
        Ok(())
    })
}

/// A case that doesn't wait for another coordinator.
const IMPATIENT: &str = "
case: what is made through one is there through the other at once
steps:
  - {send: POST /_api/user, body: {user: $p-alice}, expect: 201}
  - {send: GET /_api/user/$p-alice, coordinator: 2}
";

fn late(bench: &Bench) -> Result<()> {
    let case = serde_saphyr::from_str(IMPATIENT)?;
    bench.runtime.block_on(async {
        let server = Server::late_stand_in(bench.clients.clone()).await?;
        let Err(error) = Run::run(&server, &case).await else { bail!("the other coordinator wasn't late") };
        let report = format!("{error:#}");
        ensure!(report.contains("step 2") && report.contains("got 404"), "{report}");
        Ok(())
    })
}

fn titles(topics: &BTreeMap<String, Topic>) -> Result<()> {
    for (file, topic) in topics {
        ensure!(topic.about.ends_with('.'), "{file}: {:?} is no sentence", topic.about);
        let mut seen = BTreeSet::new();
        for case in &topic.cases {
            ensure!(seen.insert(&case.title), "{file}: {:?} is there twice", case.title);
            ensure!(case.title.contains(' '), "{file}: {:?} is no sentence", case.title);
            for step in case.steps.iter().filter(|step| step.unconfirmed.is_none()) {
                let variants = step.expect.0.len();
                ensure!(variants == 1, "{file}: {:?}: {variants} variants of what is confirmed", case.title);
            }
        }
    }
    Ok(())
}

/// The open questions by topic, as the page lists them.
fn questions(topics: &BTreeMap<String, Topic>) -> String {
    let mut lines = Vec::new();
    for (file, topic) in topics {
        let steps = topic.cases.iter().flat_map(|case| &case.steps);
        let questions: BTreeSet<&str> = steps.filter_map(|step| step.unconfirmed.as_deref()).collect();
        lines.extend(questions.into_iter().map(|question| format!("- {file}: {question}\n")));
    }
    lines.concat()
}

fn listed(questions: &str) -> Result<()> {
    let page = fs::read_to_string(PAGE).context(PAGE)?;
    let list = page.split_once(BEGIN).and_then(|(_, rest)| rest.split_once(END));
    let (list, _) = list.with_context(|| format!("{PAGE} has no list between {BEGIN:?} and {END:?}"))?;
    ensure!(list == questions, "the list in {PAGE} should be:\n{questions}");
    Ok(())
}
