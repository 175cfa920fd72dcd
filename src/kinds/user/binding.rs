//! What applications are given in a Secret: who they are, where the deployment is, whom to trust. Pure.
//!
//! A user with `connectionSecret` is a provisioned service of the Service Binding specification: the keys `type`,
//! `provider`, `host`, `port`, `uri`, `username` and `password`, the Secret's own type, and `status.binding.name`.

use std::collections::BTreeMap;

use sha2::{Digest, Sha256};

use super::crd::{ConnectionSecret, SecretKeyRef, SecretVersion, UserMemory, password_key};
use crate::{
    arango::Endpoint,
    core::{
        DatabaseName, Hold, UserName,
        template::{Template, Unwritten, Variable},
    },
};

/// The key `type`.
const TYPE: &str = "arangodb";
/// The key `provider`.
const PROVIDER: &str = "arango-operator";
/// The key of the certificates to trust.
const AUTHORITY: &str = "ca.crt";
/// The key of the password that a rotation is about to set.
const NEXT_PASSWORD: &str = "password-next";

/// The type of the Secret.
pub const SECRET_TYPE: &str = "servicebinding.io/arangodb";

/// The most that a Secret may hold, in bytes (Kubernetes' own limit).
const SECRET_MAX: usize = 1 << 20;

/// Where a deployment is, for applications.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Whereabouts {
    /// All coordinators.
    pub endpoints: Vec<Endpoint>,
    /// The certificates to trust, in PEM; nothing where the system's are good.
    pub authority: Option<String>,
}

impl Whereabouts {
    /// Of a connection. Only the certificates of `ca` are passed on: the key that issued them may be beside them.
    pub fn new(endpoints: &[Endpoint], ca: Option<&[u8]>) -> Self {
        let authority = ca.map(|ca| certificates(&String::from_utf8_lossy(ca)));
        Self { endpoints: endpoints.to_vec(), authority: authority.filter(|pem| !pem.is_empty()) }
    }
}

/// The certificates of a text in PEM.
fn certificates(pem: &str) -> String {
    let (begin, end) = ("-----BEGIN CERTIFICATE-----", "-----END CERTIFICATE-----");
    let bodies = pem.split(begin).skip(1).filter_map(|after| after.split_once(end));
    let whole = bodies.map(|(body, _)| format!("{begin}{}{end}\n", body.replace('\r', "")));
    whole.collect::<Vec<_>>().concat()
}

/// What is to be written into a Secret.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Delivery {
    /// Name of the Secret.
    pub secret: String,
    /// Where the password is, if it is managed.
    pub password: Option<SecretKeyRef>,
    user: UserName,
    database: Option<DatabaseName>,
    template: BTreeMap<String, Template>,
}

/// Where it is remembered what was written.
#[derive(Debug)]
pub struct Delivered<'a> {
    /// The Secret that was written last.
    pub binding: &'a mut Option<super::crd::BindingRef>,
    /// The version of it, and what it was made of.
    pub version: &'a mut Option<SecretVersion>,
    /// The version of the Secret with the password that is in force.
    pub password: &'a mut Option<SecretVersion>,
}

impl<'a> Delivered<'a> {
    /// Of a user.
    pub fn of(memory: &'a mut UserMemory) -> Self {
        let UserMemory { password_secret, binding, connection_secret, .. } = memory;
        Self { binding, version: connection_secret, password: password_secret }
    }
}

/// Reads what is asked for, for that user with that password.
pub fn delivery(
    ConnectionSecret { name, database, template }: &ConnectionSecret,
    user: &UserName,
    password: Option<&SecretKeyRef>,
) -> Result<Delivery, Hold> {
    let wrong = |field: &str, why: &dyn std::fmt::Display| {
        let field = format!("spec.connectionSecret.{field}");
        Hold::invalid(format!("{field}: {why}")).at(field)
    };
    let database = database.as_deref().map(DatabaseName::parse).transpose();
    let database = database.map_err(|error| wrong("database", &error))?;
    let mut texts = BTreeMap::new();
    for (key, text) in template {
        let field = format!("template.{key}");
        if let Some(why) = not_a_key(key) {
            return Err(wrong(&field, &why));
        }
        let text = Template::parse(text).map_err(|error| wrong(&field, &error))?;
        let missing = text.variables().find_map(|variable| match variable {
            Variable::Database if database.is_none() => {
                Some("$(database) needs connectionSecret.database; set it".to_owned())
            }
            Variable::Password if password.is_none() => {
                Some("$(password) is not known, since spec.password is not set; set it".to_owned())
            }
            _ => None,
        });
        if let Some(why) = missing {
            return Err(wrong(&field, &why));
        }
        texts.insert(key.clone(), text);
    }
    Ok(Delivery {
        secret: name.clone(),
        password: password.cloned(),
        user: user.clone(),
        database,
        template: texts,
    })
}

/// Why a template's key can't be one.
fn not_a_key(key: &str) -> Option<String> {
    let ours = [AUTHORITY, NEXT_PASSWORD, "type", "provider"];
    if ours.contains(&key) || Variable::ALL.iter().any(|variable| variable.name() == key) {
        return Some("the key is written by the operator itself; choose another".to_owned());
    }
    let good = |c: char| c.is_ascii_alphanumeric() || "-_.".contains(c);
    let bad =
        key.is_empty() || key.len() > 253 || key == "." || key.starts_with("..") || !key.chars().all(good);
    bad.then(|| "a key of a Secret has 1 to 253 letters, digits, -, _ and .; choose another".to_owned())
}

impl Delivery {
    /// Whether the password is kept in this very Secret, where it is not ours to write.
    pub fn keeps_the_password(&self) -> bool {
        self.password
            .as_ref()
            .is_some_and(|source| source.name == self.secret && source.key == password_key())
    }

    /// Whether the value of that key changes with the password.
    pub fn puts_the_password_into(&self, key: &str) -> bool {
        let names_it =
            |template: &Template| template.variables().any(|variable| variable == Variable::Password);
        key == password_key() || self.template.get(key).is_some_and(names_it)
    }

    /// The keys and values.
    pub fn data(
        &self,
        reach: &Whereabouts,
        password: Option<&str>,
    ) -> Result<BTreeMap<String, String>, Hold> {
        let first =
            reach.endpoints.first().ok_or_else(|| Hold::invalid("the ArangoCluster has no endpoint"))?;
        let endpoint = first.to_string();
        let endpoints: Vec<_> = reach.endpoints.iter().map(ToString::to_string).collect();
        let endpoints = endpoints.join(",");
        // An address by itself has no brackets.
        let host = first.host().trim_matches(['[', ']']);
        let port = first.port().to_string();
        let database = self.database.as_ref().map(DatabaseName::as_str);
        let uri = match &self.database {
            Some(database) => format!("{endpoint}/_db/{}", database.encoded()),
            None => endpoint.clone(),
        };
        let value = |variable| match variable {
            Variable::Username => Some(self.user.as_str()),
            Variable::Password => password,
            Variable::Endpoint => Some(&*endpoint),
            Variable::Endpoints => Some(&*endpoints),
            Variable::Host => Some(host),
            Variable::Port => Some(&*port),
            Variable::Database => database,
            Variable::Uri => Some(&*uri),
        };
        let mut data = BTreeMap::from([
            ("type".to_owned(), TYPE.to_owned()),
            ("provider".to_owned(), PROVIDER.to_owned()),
        ]);
        data.extend(reach.authority.clone().map(|pem| (AUTHORITY.to_owned(), pem)));
        for variable in Variable::ALL {
            if !(variable == Variable::Password && self.keeps_the_password())
                && let Some(value) = value(variable)
            {
                data.insert(variable.name().to_owned(), value.to_owned());
            }
        }
        for (key, template) in &self.template {
            let text = template.render(SECRET_MAX, value).map_err(|why| match why {
                Unwritten::Missing(variable) => {
                    Hold::invalid(format!("spec.connectionSecret.template.{key}: there is no {variable}"))
                }
                Unwritten::TooLong => self.too_large(),
            })?;
            data.insert(key.clone(), text);
        }
        let size: usize = data.iter().map(|(key, value)| key.len() + value.len()).sum();
        if size > SECRET_MAX { Err(self.too_large()) } else { Ok(data) }
    }

    fn too_large(&self) -> Hold {
        Hold::invalid(format!(
            "the Secret {} would hold more than {SECRET_MAX} bytes, which Kubernetes refuses; shorten \
             spec.connectionSecret.template",
            self.secret
        ))
    }

    /// What the Secret is made of, told so that no value can be told from it: the password goes in as its version.
    pub fn made_of(
        &self,
        reach: &Whereabouts,
        password: Option<&SecretVersion>,
        goes_with_the_resource: bool,
    ) -> Result<String, Hold> {
        // In the Secret itself any change of the password is one of the Secret's version.
        let password = password.filter(|_| !self.keeps_the_password());
        let data = self.data(reach, self.password.as_ref().map(|_| ""))?;
        let all = serde_json::json!([SECRET_TYPE, data, password, goes_with_the_resource]).to_string();
        Ok(format!("{}/{}", self.secret, hex::encode(&Sha256::digest(all)[..16])))
    }
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;
    use crate::{
        core::{Id, Reason},
        kinds::user::{crd::ArangoUser, plan},
    };

    fn user(spec: &Value) -> ArangoUser {
        let mut all = json!({"clusterRef": {"name": "c"}, "connectionSecret": {"name": "app"}});
        for (key, value) in spec.as_object().unwrap() {
            all[key] = value.clone();
        }
        ArangoUser::new("alice", serde_json::from_value(all).unwrap())
    }

    fn try_delivery(spec: &Value) -> Result<Delivery, Hold> {
        let resource = user(spec);
        plan::desired(&resource.spec, Id::new("shop", "alice"), None).map(|desired| desired.delivery.unwrap())
    }

    fn reach(endpoints: &[&str], authority: Option<&str>) -> Whereabouts {
        let endpoints = endpoints.iter().map(|text| Endpoint::parse(text).unwrap()).collect();
        Whereabouts { endpoints, authority: authority.map(str::to_owned) }
    }

    fn data(spec: &Value, reach: &Whereabouts) -> Value {
        json!(try_delivery(spec).unwrap().data(reach, Some("pass word")).unwrap())
    }

    fn from_a_secret() -> Value {
        json!({"secretRef": {"name": "s"}})
    }

    #[test]
    fn an_application_finds_who_it_is_where_the_deployment_is_and_whom_to_trust() {
        let spec = json!({
            "password": from_a_secret(),
            "connectionSecret": {"name": "app", "database": "größe", "template": {
                "ARANGO_URL": "$(endpoint)/_db/$(database|url)", "login": "$(username):$(password|url)",
            }},
        });
        let two = reach(&["https://a.example:8530", "https://b.example"], Some("PEM"));
        let expected = json!({
            "type": "arangodb", "provider": "arango-operator",
            "username": "alice", "password": "pass word",
            "endpoint": "https://a.example:8530", "endpoints": "https://a.example:8530,https://b.example:8529",
            "host": "a.example", "port": "8530", "database": "größe",
            "uri": "https://a.example:8530/_db/gr%C3%B6%C3%9Fe", "ca.crt": "PEM",
            "ARANGO_URL": "https://a.example:8530/_db/gr%C3%B6%C3%9Fe", "login": "alice:pass%20word",
        });
        assert_eq!(data(&spec, &two), expected);
        let alone = data(&json!({"password": from_a_secret()}), &reach(&["http://[::1]:1"], None));
        assert_eq!((&alone["host"], &alone["uri"]), (&json!("::1"), &json!("http://[::1]:1")));
        assert!(alone.get("database").is_none() && alone.get("ca.crt").is_none());
    }

    #[test]
    fn a_generated_password_is_in_this_secret_and_nowhere_else_unless_another_is_named() {
        let delivery = try_delivery(&json!({"password": {"generate": {}}})).unwrap();
        assert_eq!(delivery.password.as_ref().unwrap().name, "app");
        assert!(delivery.keeps_the_password());
        let data = delivery.data(&reach(&["http://a"], None), Some("p")).unwrap();
        assert!(!data.contains_key("password"));
        let elsewhere = try_delivery(&json!({"password": {"generate": {"secretName": "own"}}})).unwrap();
        assert_eq!(elsewhere.password.as_ref().unwrap().name, "own");
        assert!(!elsewhere.keeps_the_password());
        // Without a password that is managed there is none to give.
        let none = try_delivery(&json!({})).unwrap().data(&reach(&["http://a"], None), None).unwrap();
        assert!(!none.contains_key("password"));
    }

    #[test]
    fn what_can_not_be_written_is_invalid_with_the_place() {
        let text =
            |key: &str, text: &str| json!({"connectionSecret": {"name": "app", "template": {key: text}}});
        for (spec, parts) in [
            (text("A", "ab$(nme)"), ["template.A: at character 3", "$(nme) is not known"]),
            (text("A", "$(password)"), ["template.A", "spec.password is not set"]),
            (text("A", "$(database)"), ["template.A", "set it"]),
            (text("a b", "x"), ["template.a b", "letters, digits"]),
            (text("..a", "x"), ["template...a", "letters, digits"]),
            (text("", "x"), ["template.", "letters, digits"]),
            (text("uri", "x"), ["template.uri", "written by the operator"]),
            (text("ca.crt", "x"), ["template.ca.crt", "written by the operator"]),
            (text("password-next", "x"), ["template.password-next", "written by the operator"]),
            (json!({"connectionSecret": {"name": "app", "database": "1"}}), ["database", "digit"]),
        ] {
            let hold = try_delivery(&spec).unwrap_err();
            assert_eq!(hold.reason, Reason::Invalid);
            assert!(parts.iter().all(|part| hold.message.contains(part)), "{spec}: {hold}");
        }
        let many = "$(endpoints)".repeat(340);
        let large = try_delivery(&text("A", &many)).unwrap();
        let endpoints: Vec<_> = (0..64).map(|n| format!("http://{n}.{}", "a.".repeat(30))).collect();
        let endpoints: Vec<_> = endpoints.iter().map(|endpoint| endpoint.trim_end_matches('.')).collect();
        let hold = large.data(&reach(&endpoints, None), None).unwrap_err();
        assert!(hold.message.contains("more than 1048576 bytes"), "{hold}");
    }

    #[test]
    fn what_it_is_made_of_changes_with_everything_but_tells_no_password() {
        let version = |number: u32| SecretVersion {
            uid: "u".into(),
            resource_version: number.to_string(),
            source: "s/password".into(),
        };
        let spec = json!({"password": from_a_secret()});
        let of = |spec: &Value, endpoint: &str, ca: Option<&str>, password: u32, goes: bool| {
            let delivery = try_delivery(spec).unwrap();
            delivery.made_of(&reach(&[endpoint], ca), Some(&version(password)), goes).unwrap()
        };
        let base = of(&spec, "http://a", None, 1, true);
        assert_eq!(of(&spec, "http://a", None, 1, true), base);
        let template =
            json!({"password": from_a_secret(), "connectionSecret": {"name": "app", "template": {"A": "x"}}});
        let named = json!({"password": from_a_secret(), "connectionSecret": {"name": "other"}});
        let others = [
            of(&spec, "http://b", None, 1, true),
            of(&spec, "http://a", Some("x"), 1, true),
            of(&spec, "http://a", None, 2, true),
            of(&spec, "http://a", None, 1, false),
            of(&template, "http://a", None, 1, true),
            of(&named, "http://a", None, 1, true),
        ];
        let all: std::collections::BTreeSet<_> = others.iter().chain([&base]).collect();
        assert_eq!(all.len(), others.len() + 1);
        // Kept in the Secret itself, the password's version is that of the Secret, which our own writes change.
        let own = json!({"password": {"generate": {}}});
        assert_eq!(of(&own, "http://a", None, 1, true), of(&own, "http://a", None, 2, true));
    }

    #[test]
    fn of_an_authority_only_the_certificates_are_passed_on() {
        let one = "-----BEGIN CERTIFICATE-----\nAAA\n-----END CERTIFICATE-----\n";
        let key = "-----BEGIN PRIVATE KEY-----\nSECRET\n-----END PRIVATE KEY-----\n";
        let pem = format!("{key}{one}# a remark\r\n{one}{key}");
        assert_eq!(Whereabouts::new(&[], Some(pem.as_bytes())).authority, Some(format!("{one}{one}")));
        assert_eq!(Whereabouts::new(&[], Some(key.as_bytes())).authority, None);
        assert_eq!(Whereabouts::new(&[], None).authority, None);
    }
}
