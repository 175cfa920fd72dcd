//! What people write: names, patterns, durations, annotations, templates, addresses, manifests.

use std::collections::BTreeMap;

use arango_operator::{
    arango::{Endpoint, Route},
    core::{
        CollectionName, DatabaseName, Id, UserName, duration,
        glob::Glob,
        kube_arangodb,
        maintenance::{Wish, parse_servers},
        name::{Scope, encode_segment},
        template::Template,
    },
    kinds::{database, permission, user},
    manifests::{self, Options, Source},
    operator::asks::{self, Asks},
};
use percent_encoding::percent_decode_str;
use reqwest::Url;
use serde_json::Value;

use crate::mutated::holds;

/// A sentence is for people: it is short, and nothing in it is obeyed by a terminal.
fn is_sentence(text: &str, input: &[u8]) -> Result<(), String> {
    if text.chars().any(char::is_control) {
        return Err(format!("a sentence with a control character: {text:?}"));
    }
    // What was written may be repeated, escaped.
    if text.len() > 1_500 + 12 * input.len() {
        return Err(format!("a sentence of {} bytes about {}", text.len(), input.len()));
    }
    Ok(())
}

fn check(holds: bool, what: &str) -> Result<(), String> {
    if holds { Ok(()) } else { Err(what.to_owned()) }
}

/// In a URL it is one segment, and what it was before.
fn is_one_segment(name: &str) -> Result<(), String> {
    let encoded = encode_segment(name);
    let decoded = percent_decode_str(&encoded).decode_utf8().map_err(|error| error.to_string())?;
    check(decoded == name, "the encoded name is another name")?;
    if [".", ".."].contains(&name) {
        // However these are written, URL parsers don't take them for a segment; the client refuses to send them.
        return Ok(());
    }
    let url =
        Url::parse(&format!("http://host/before/{encoded}/behind")).map_err(|error| error.to_string())?;
    let segments: Vec<_> = url.path_segments().unwrap().collect();
    check(segments == ["before", &encoded, "behind"] && url.query().is_none(), "the name leaves its segment")
}

#[test]
fn names() {
    let seeds =
        &["shop", "_system", "caf\u{e9}", "cafe\u{301}", "a/b", "Ünï çode", ".", "..", "*", "9a", "x:y"];
    holds("names", seeds, |input| {
        let text = String::from_utf8_lossy(input);
        match DatabaseName::parse(&text) {
            Ok(name) => {
                is_one_segment(name.as_str())?;
                check(DatabaseName::parse(name.as_str()) == Ok(name.clone()), "a name that isn't its own")?;
                check(
                    name.as_str().len() <= 128 && !name.as_str().contains(['/', ':', '\0']),
                    "too much of a name",
                )?;
            }
            Err(error) => is_sentence(&error.to_string(), input)?,
        }
        for parsed in
            [UserName::parse(&text).map(String::from), CollectionName::parse(&text).map(String::from)]
        {
            match parsed {
                Ok(name) => {
                    is_one_segment(&name)?;
                    check(name == text, "taken otherwise than byte for byte")?;
                }
                Err(error) => is_sentence(&error.to_string(), input)?,
            }
        }
        let scope = Scope::<DatabaseName>::parse(&text);
        check(matches!(scope, Ok(Scope::Any)) == (text == "*"), "a wildcard by another name")
    });
}

#[test]
fn patterns() {
    holds("patterns", &["shop-*", "*", "?", "a*b*c", "*-app", "", "caf\u{e9}*", "a?c*"], |input| {
        let text = String::from_utf8_lossy(input);
        let (pattern, name) = text.split_once('\n').unwrap_or((&text, &text));
        let glob = Glob::new(pattern);
        let _ = (glob.matches(name), Glob::normalised(pattern).matches(name));
        if !pattern.contains(['*', '?']) {
            check(
                glob.matches(name) == (pattern == name),
                "a pattern without wildcards is more than its text",
            )?;
        }
        check(Glob::new("*").matches(name), "* doesn't match everything")
    });
}

#[test]
fn durations() {
    holds("durations", &["5ms", "90s", "1h30m", "31d", "2m", "0s", "18446744073709551615ms"], |input| {
        let text = String::from_utf8_lossy(input);
        match duration::parse(&text) {
            Ok(read) => {
                let written = format!("{}ms", read.as_millis());
                check(duration::parse(&written) == Ok(read), "another duration when it is written out")
            }
            Err(error) => is_sentence(&error, input),
        }
    });
}

#[test]
fn annotations() {
    let seeds = &[
        "on",
        "off",
        "45m",
        "2026-11-21T18:00:00Z",
        "PRMR-1234=30m, PRMR-5678=on",
        "true",
        "false",
        " true ",
        "2026-11-21T18:00:00+01:00[Europe/Berlin]",
        "-009999-01-01T00:00:00Z",
    ];
    holds("annotations", seeds, |input| {
        let text = String::from_utf8_lossy(input);
        match Wish::parse(&text) {
            Ok(wish) => drop(wish.end(jiff::Timestamp::MAX)),
            Err(error) => is_sentence(&error, &[])?,
        }
        match parse_servers(&text) {
            Ok(servers) => check(servers.len() <= 64, "too many servers")?,
            Err(error) => is_sentence(&error, &[])?,
        }
        for name in [asks::PAUSED, asks::RELEASE, asks::RECONCILE_AT] {
            let annotations = BTreeMap::from([(name.to_owned(), text.clone().into_owned())]);
            match Asks::of(&annotations) {
                Ok(asks) => {
                    let is_true = text.trim() == "true";
                    check(
                        (asks.paused || asks.release) == (is_true && name != asks::RECONCILE_AT),
                        "misread",
                    )?;
                }
                Err(hold) => is_sentence(&hold.message, &[])?,
            }
            check(asks::reconcile_at(&annotations).is_none_or(|echo| echo.len() <= 256), "a long echo")?;
        }
        Ok(())
    });
}

#[test]
fn templates() {
    const VALUE: &str = "a\"b/c d";
    const MAX: usize = 4_000;
    let seeds = &[
        "$(endpoint)/_db/$(database|url)",
        "{\"user\": \"$(username|json)\"}",
        "$$",
        "$(",
        "$(password)",
        "plain",
    ];
    holds("templates", seeds, |input| {
        let text = String::from_utf8_lossy(input);
        match Template::parse(&text) {
            Ok(template) => {
                if let Ok(written) = template.render(MAX, |_| Some(VALUE)) {
                    check(written.len() <= MAX, "longer than allowed")?;
                    check(text.contains('$') || written == text, "a plain text is written otherwise")?;
                }
                let nothing = template.render(MAX, |_| None);
                check(template.variables().next().is_none() || nothing.is_err(), "a value from nowhere")
            }
            Err(error) => is_sentence(&error.to_string(), &[]),
        }
    });
}

#[test]
fn addresses() {
    let seeds = &[
        "http://127.0.0.1:8529",
        "https://coordinator.example",
        "tcp://[::1]:8530",
        "ssl://a:1/",
        "http://root:canary@host:1",
        "one.example:8529:127.0.0.1:1",
        "a:1:[::1]:2",
    ];
    holds("addresses", seeds, |input| {
        let text = String::from_utf8_lossy(input);
        match Endpoint::parse(&text) {
            Ok(endpoint) => {
                let written = endpoint.to_string();
                check(
                    Endpoint::parse(&written).as_ref() == Ok(&endpoint),
                    "another address when it is written out",
                )?;
                check(!written.contains('@') && endpoint.port() > 0, "more than an address")?;
            }
            Err(error) => {
                let said = error.to_string();
                is_sentence(&said, input)?;
                // Whatever stands before the last @ may be a password.
                let behind = text.rsplit('@').next().unwrap_or_default();
                check(!said.contains("canary") || behind.contains("canary"), "a password is repeated")?;
            }
        }
        match text.parse::<Route>() {
            Ok(_) => Ok(()),
            Err(error) => is_sentence(&error.to_string(), input),
        }
    });
}

#[test]
fn manifests() {
    let seeds = &[
        r#"{"clusterRef": {"name": "prod"}, "deletionPolicy": "Delete", "options": {"replicationFactor": 2}}"#,
        r#"{"clusterRef": {"name": "prod"}, "password": {"generate": {"length": 40}}, "extra": {"a": {"b": [1, null]}}}"#,
        r#"{"clusterRef": {"name": "prod"}, "password": {"secretRef": {"name": "s", "key": "k"}}, "active": false}"#,
        r#"{"clusterRef": {"name": "prod"}, "connectionSecret": {"name": "s", "template": {"a": "$(uri)"}}}"#,
        r#"{"clusterRef": {"name": "prod"}, "user": "a", "database": "*", "access": "rw", "collections": {"*": "ro"}}"#,
        r#"{"metadata": {"uid": "u"}, "spec": {"mode": "Cluster", "tls": {"caSecretName": "None"}}, "status": {"members": {}}}"#,
    ];
    holds("manifests", seeds, |input| {
        if let Ok(spec) = serde_json::from_slice::<database::crd::ArangoDatabaseSpec>(input) {
            if let Err(hold) = database::plan::desired(&spec, "shop") {
                is_sentence(&hold.message, input)?;
            }
            same(&spec)?;
        }
        if let Ok(spec) = serde_json::from_slice::<user::crd::ArangoUserSpec>(input) {
            if let Err(hold) = user::plan::desired(&spec, Id::new("shop", "alice"), None) {
                is_sentence(&hold.message, input)?;
            }
            same(&spec)?;
        }
        if let Ok(spec) = serde_json::from_slice::<permission::crd::ArangoPermissionSpec>(input) {
            if let Err(hold) = permission::plan::desired(&spec, "alice", "shop") {
                is_sentence(&hold.message, input)?;
            }
            same(&spec)?;
        }
        if let Ok(object) = serde_json::from_slice::<Value>(input)
            && let Err(error) = kube_arangodb::Deployment::read(&Id::new("db", "prod"), &object)
        {
            is_sentence(&error, input)?;
        }
        Ok(())
    });
}

#[test]
fn files_of_manifests() {
    let seeds = &[
        "apiVersion: arango-operator.dev/v1alpha1\nkind: ArangoDatabase\nmetadata: {name: shop}\nspec:\n  clusterRef: {name: prod}\n  \
         options:\n    replicationFactor: 3\n---\n# Source: a.yaml\napiVersion: v1\nkind: Secret\nmetadata: {name: s}\nstringData: {k: canary}\n",
        "apiVersion: arango-operator.dev/v1alpha1\nkind: ArangoUser\nmetadata: &m\n  name: alice\nspec: {clusterRef: {name: *m}, <<: *m, extra: \
         {a: |\n  text\n}}\n",
        r#"{"apiVersion": "v1", "kind": "List", "items": [{"apiVersion": "arango-operator.dev/v1alpha1", "kind": "ArangoPermission", "metadata": {"name": "p"}, "spec": {"clusterRef": {"name": "prod"}, "user": "a", "database": "*", "access": "rw"}}]}"#,
        "a: &a [x, x]\nb: &b [*a, *a]\nc: !!str 1\nd: !x y\n'e': \"\\u00e9\"\n? f\n: 0x1f\n",
    ];
    holds("files of manifests", seeds, |input| {
        let text = String::from_utf8_lossy(input);
        let source = Source::Text("fuzz.yaml".to_owned(), text.clone().into_owned());
        let Err(complaints) = manifests::read(&[source], &Options::default()) else { return Ok(()) };
        check(!complaints.is_empty(), "refused, and nothing is said")?;
        for complaint in complaints {
            // The place, the line and the remedy are on lines of their own.
            complaint.to_string().lines().try_for_each(|line| is_sentence(line, input))?;
            if let Some(at) = complaint.at {
                let lines = text.replace("\r\n", "\n").split(['\n', '\r']).count();
                check(at.line as usize <= lines + 1 && at.column >= 1, "a place that is not there")?;
            }
        }
        Ok(())
    });
}

/// What is written is what was read.
fn same<T: serde::Serialize + serde::de::DeserializeOwned + PartialEq>(spec: &T) -> Result<(), String> {
    let written = serde_json::to_string(spec).map_err(|error| error.to_string())?;
    let again: T = serde_json::from_str(&written).map_err(|error| error.to_string())?;
    check(&again == spec, "another spec when it is written out")
}
