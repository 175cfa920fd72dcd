//! The checks one by one.

use super::{super::yaml, *};

fn findings(kind: &str, text: &str) -> Vec<Finding> {
    let mut all = Vec::new();
    yaml::documents(text, |node| all.extend(resource(kind, &mut node.unwrap().0)));
    all
}

#[test]
fn every_definition_is_understood_whole() {
    let definitions = DEFINITIONS.as_ref().unwrap();
    assert_eq!(definitions.len(), 4);
    assert!(metadata::METADATA.is_ok());
    // Of each kind at least one rule is about more than a change.
    assert!(definitions.values().all(|definition| !definition.rules.is_empty()));
}

#[test]
fn all_that_is_wrong_is_said_at_once_and_where_it_stands() {
    let text = "\
kind: ArangoDatabase
metadata: {name: Shop}
spec:
  nmae: shop
  options: {replicationFactor: 11, sharding: flexibel}
  deletionPolicy: Drop
";
    let said: Vec<_> = findings("ArangoDatabase", text)
        .into_iter()
        .map(|finding| {
            (finding.at.line, finding.at.column, finding.message, finding.remedy.unwrap_or_default())
        })
        .collect();
    for (line, column, message, remedy) in [
        (2, 18, "metadata.name must be a lowercase RFC 1123 subdomain", "small letters"),
        (4, 3, "unknown field spec.nmae", "did you mean name?"),
        (5, 32, "spec.options.replicationFactor must be less than or equal to 10", ""),
        (
            5,
            46,
            "spec.options.sharding: Unsupported value; it is one of flexible, single",
            "did you mean flexible?",
        ),
        (6, 19, "spec.deletionPolicy: Unsupported value", ""),
        (4, 3, "spec.clusterRef: Required value", "write clusterRef: The ArangoCluster"),
    ] {
        assert!(
            said.iter().any(|(l, c, m, r)| (*l, *c) == (line, column)
                && m.starts_with(message)
                && r.contains(remedy)),
            "{line}:{column} {message}: {said:#?}"
        );
    }
    assert_eq!(said.len(), 6, "{said:#?}");
}

#[test]
fn a_rule_points_to_the_field_that_it_is_about() {
    let text = "metadata: {name: 1shop}\nspec:\n  clusterRef: {name: prod}\n  name: _shop\n";
    let findings = findings("ArangoDatabase", text);
    assert_eq!(findings.len(), 1, "{findings:?}");
    assert_eq!((findings[0].at.line, findings[0].at.column), (4, 3));
    assert!(findings[0].message.starts_with("spec.name: "), "{findings:?}");
}

#[test]
fn null_is_nothing_and_defaults_come_before_rules() {
    let access = |rule: &str| {
        let spec = format!(
            "{{endpoints: ['http://a:1'], auth: {{secretRef: {{name: s}}}}, tls: null, access: [{rule}]}}"
        );
        findings(
            "ArangoCluster",
            &format!("{{metadata: {{name: a, creationTimestamp: null}}, spec: {spec}}}"),
        )
    };
    assert_eq!(access("{namespaces: {}, maxAccess: none}"), []);
    assert_eq!(access("{namespaces: {}, maxAccess: ro, wildcard: rw}").len(), 1);
}

#[test]
fn cel_decides_as_the_api_server_does() {
    let holds = |rule: &str| {
        let mut answer = None;
        let text = "{a: 1, b: [x, yy], m: {k: v}, t: 'größe', e: '', w: true}";
        yaml::documents(text, |node| answer = Some(Program::compile(rule).unwrap().holds(&node.unwrap().0)));
        answer.unwrap()
    };
    for (rule, expected) in [
        ("has(self.a) && !has(self.z)", Ok(true)),
        ("self.a == 1 && self.a <= 1 && !(self.a > 1) && self.a != 2", Ok(true)),
        ("self.z == 1", Err(NoAnswer)),
        // One side that decides is enough, on whichever side the error is.
        ("self.z == 1 || self.a == 1", Ok(true)),
        ("self.a == 1 || self.z == 1", Ok(true)),
        ("self.z == 1 && self.a == 2", Ok(false)),
        ("self.z == 1 && self.a == 1", Err(NoAnswer)),
        ("self.b.all(x, x.size() > 0) && self.b.exists(x, x == 'yy')", Ok(true)),
        ("self.m.all(k, k == 'k') && 'k' in self.m && 'x' in self.b", Ok(true)),
        ("self.t.size() == 5 && self.e.size() == 0 && self.b.size() == 2", Ok(true)),
        ("self.t.matches('^gr') && !self.t.matches('^\\\\s') && self.t.endsWith('ße')", Ok(true)),
        ("has(self.z) ? self.z == 1 : self.w", Ok(true)),
        ("(self.a in [1, 2]) == (self.t in ['a', 'größe'])", Ok(true)),
        ("self.t == 1", Err(NoAnswer)),
        ("self.b.all(x, self.b.exists(y, y == x))", Ok(true)),
    ] {
        assert_eq!(holds(rule), expected, "{rule}");
    }
    for unknown in ["self.a + 1 == 2", "self.b.map(x, x)", "other.a", "has(self)", "self.a ==", "'abc"] {
        assert!(Program::compile(unknown).is_err(), "{unknown}");
    }
}
