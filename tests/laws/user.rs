//! Users.

use arango_operator::{
    kinds::{
        schema::ClusterRef,
        user::{
            User,
            crd::{ArangoUser, ArangoUserSpec, Generate, Password, SecretKeyRef},
        },
    },
    stand_in::{Model, Request},
};
use proptest::{prelude::*, sample::select};
use serde_json::{Map, Value, json};

use super::{
    generate::{self, Change, SECRETS, ask, patch_user, segment},
    law::{self, Law, Run, Story},
    world::Cut,
};

const LENGTH: u32 = 20;

fn name(resource: &ArangoUser) -> &str {
    resource.spec.name.as_deref().unwrap()
}

/// The password that a spec leads to, if there is one.
fn password(resource: &ArangoUser) -> Option<String> {
    let password = resource.spec.password.as_ref()?;
    match &password.secret_ref {
        None => Some(format!("{} has {LENGTH}", name(resource))),
        Some(secret) => {
            SECRETS.iter().find(|(name, _)| *name == secret.name).map(|(_, value)| (*value).to_owned())
        }
    }
}

/// What a PATCH must say of one declared key: what else is in a declared object goes.
fn whole(declared: &Value, there: Option<&Value>) -> Value {
    let mut value = declared.clone();
    if let (Some(fields), Some(there)) = (value.as_object_mut(), there.and_then(Value::as_object)) {
        for key in there.keys() {
            fields.entry(key.clone()).or_insert(Value::Null);
        }
    }
    value
}

impl Law for User {
    fn declared(mut model: Model, history: &[ArangoUser]) -> Model {
        // The keys of `extra` that were set from here.
        let mut ours: Vec<String> = Vec::new();
        for resource in history {
            let (user, active, declared) = (name(resource), resource.spec.active, &resource.spec.extra);
            let there = model.user(user).map(|user| user.extra.clone());
            match (there, password(resource)) {
                (Some(there), password) => {
                    let mut extra = Map::new();
                    for (key, value) in declared.iter().filter(|(key, value)| there.get(*key) != Some(value))
                    {
                        extra.insert(key.clone(), whole(value, there.get(key)));
                        ours.push(key.clone());
                    }
                    for key in ours.iter().filter(|key| !declared.contains_key(*key)) {
                        if there.get(key).is_some_and(|value| !value.is_null()) {
                            extra.insert(key.clone(), Value::Null);
                        }
                    }
                    ours.retain(|key| declared.contains_key(key));
                    let mut body = json!({"active": active, "extra": extra});
                    if let Some(password) = password {
                        body["passwd"] = password.into();
                    }
                    patch_user(&mut model, user, &body);
                }
                (None, Some(password)) => {
                    let body = json!({"user": user, "active": active, "passwd": password, "extra": declared});
                    ask(&mut model, &Request::post("/_api/user", &body));
                    ours = declared.keys().cloned().collect();
                }
                (None, None) => {}
            }
        }
        model
    }

    fn removed(before: Model, history: &[ArangoUser]) -> Model {
        let mut model = Self::declared(before, history);
        let user = name(&history[0]);
        if model.user(user).is_some() {
            ask(&mut model, &Request::delete(format!("/_api/user/{}", segment(user))));
        }
        model
    }

    fn claims(resource: &ArangoUser, change: &Change) -> bool {
        match change {
            Change::Active { user } => *user == name(resource),
            Change::Team { user } => *user == name(resource) && resource.spec.extra.contains_key("team"),
            _ => false,
        }
    }
}

fn specs(steps: impl Into<prop::collection::SizeRange>) -> impl Strategy<Value = Vec<ArangoUser>> {
    let sources = select(vec!["none", "first", "second", "absent", "generate", "generate"]);
    let extras = select(vec![
        json!({}),
        json!({}),
        json!({"team": "shop"}),
        json!({"team": "alice"}),
        json!({"cost": {"a": 1}}),
        json!({"cost": {"b": [1, null]}, "team": {"name": "shop"}}),
    ]);
    let step = (sources, any::<bool>(), extras);
    let steps = prop::collection::vec(step, steps);
    (select(vec!["alice", generate::USERS[2]]), generate::policy(), steps).prop_map(
        |(user, policy, steps)| {
            let spec = |(source, active, extra): (&str, bool, Value)| {
                let secret = SecretKeyRef { name: source.to_owned(), key: "password".into() };
                let generated = Generate { secret_name: None, length: LENGTH };
                let password = match source {
                    "none" => None,
                    "generate" => Some(Password { secret_ref: None, generate: Some(generated) }),
                    _ => Some(Password { secret_ref: Some(secret), generate: None }),
                };
                ArangoUserSpec {
                    cluster_ref: ClusterRef { name: "prod".into(), namespace: None },
                    name: Some(user.to_owned()),
                    active,
                    extra: extra.as_object().unwrap().clone(),
                    password,
                    connection_secret: None,
                    undeclared_permissions: None,
                    deletion_policy: policy,
                    drift: None,
                }
            };
            steps.into_iter().map(|step| ArangoUser::new("person", spec(step))).collect()
        },
    )
}

pub(crate) fn story() -> impl Strategy<Value = Story<User>> {
    law::story(specs(1..5))
}

proptest! {
    #![proptest_config(law::config())]

    #[test]
    fn a_user_that_is_only_observed_changes_nothing_and_says_what_would_be_done(story in story()) {
        law::observes(&story)?;
    }

    #[test]
    fn a_user_converges_whatever_was_declared_before(story in story()) {
        law::converges(&story)?;
    }

    #[test]
    fn a_user_survives_being_cut_off_anywhere(story in story(), cuts in generate::cuts()) {
        law::survives(&story, &cuts)?;
    }

    #[test]
    fn deleting_a_user_takes_him_and_nothing_else_even_if_cut_off(story in story(), cuts in generate::cuts()) {
        law::deletion_survives(&story, &cuts)?;
    }

    #[test]
    fn what_is_known_of_a_user_is_what_a_fresh_read_says(story in story(), cuts in generate::cuts()) {
        law::remembers_truly(&story, &cuts)?;
    }

    #[test]
    fn a_user_undoes_one_change_of_his_own_with_one_action_and_leaves_others_alone(
        story in story(), change in generate::change(),
    ) {
        law::sees(&story, &change)?;
    }
}

/// The mark of the user that a story is about.
fn mark(model: &Model, user: &str) -> Option<Value> {
    model.user(user)?.extra.get("arango-operator").cloned()
}

/// The server without the mark.
fn unmarked(model: &Model, user: &str) -> generate::Normal {
    let mut normal = generate::normal(model);
    if let Some(user) = normal.users.get_mut(user) {
        user.extra.remove("arango-operator");
    }
    normal
}

proptest! {
    #![proptest_config(law::config())]

    #[test]
    fn who_was_written_to_is_marked_and_nobody_else_and_nothing_else_is_different(
        story in story(), cuts in generate::cuts(),
    ) {
        let user = name(&story.history[0]).to_owned();
        let mut marking = Run::marking(&story);
        let mut silent = Run::new(&story);
        let mut writes = Vec::new();
        for resource in &story.history {
            marking.stored.resource = resource.clone();
            for cut in &cuts {
                marking.pass(Some(*cut));
            }
            marking.pass(None).unwrap();
            silent.stored.resource = resource.clone();
            silent.pass(None).unwrap();
            writes.extend(marking.world.written().into_iter().filter(|write| write.contains("/_api/user")));
        }
        prop_assert_eq!(unmarked(&marking.world.now(), &user), unmarked(&silent.world.now(), &user));
        let mark = mark(&marking.world.now(), &user);
        prop_assert_eq!(mark.is_some(), !writes.is_empty(), "{:?}", writes);
        if let Some(mark) = mark {
            prop_assert_eq!(mark, json!({"instance": "here", "namespace": "", "name": "person"}));
        }
        prop_assert!(marking.pass(None).unwrap().done.is_empty());
    }

    #[test]
    fn whom_another_operator_marked_is_never_written_to_or_deleted(story in story(), cuts in generate::cuts()) {
        let user = name(&story.history[0]).to_owned();
        prop_assume!(story.server.user(&user).is_some());
        let mut story = story;
        let other = json!({"instance": "there", "namespace": "shop", "name": "alice"});
        patch_user(&mut story.server, &user, &json!({"extra": {"arango-operator": other}}));
        let mut run = Run::marking(&story);
        for resource in &story.history {
            run.stored.resource = resource.clone();
            for cut in &cuts {
                run.pass(Some(*cut));
            }
            let outcome = run.pass(None).unwrap();
            prop_assert_eq!(outcome.verdict.reason, arango_operator::core::Reason::Conflict);
            prop_assert_eq!(outcome.origin, None, "not ours, so that its end is none of our business either");
        }
        run.delete(None);
        prop_assert_eq!(run.world.written(), [""; 0]);
    }

    #[test]
    fn a_password_that_is_replaced_is_one_and_works_wherever_that_is_cut_off(
        server in generate::server(), active in any::<bool>(), keeps in any::<bool>(), cuts in generate::cuts(),
    ) {
        let spec = json!({
            "clusterRef": {"name": "prod"}, "name": "alice", "active": active, "password": {"generate": {}},
        });
        let user = ArangoUser::new("person", serde_json::from_value(spec).unwrap());
        let mut run = Run::new(&Story::<User> { server, history: vec![user.clone()], keeps });
        run.declare(std::slice::from_ref(&user));
        let before = run.world.secrets.get("person-password").unwrap();
        let mut wishing = user.clone();
        wishing.metadata.annotations = Some([("arango-operator.dev/rotate".to_owned(), "now".to_owned())].into());
        run.stored.resource = wishing;
        for cut in &cuts {
            run.pass(Some(*cut));
            let passwords = [run.world.secrets.get("person-password"), next(&run)];
            prop_assert!(passwords.iter().flatten().any(|password| is_his(&run.world.now(), password)), "{passwords:?}");
        }
        prop_assert!(run.pass(None).unwrap().verdict.is_ready());
        let after = run.world.secrets.get("person-password").unwrap();
        prop_assert!(is_his(&run.world.now(), &after));
        prop_assert_eq!(next(&run), None);
        prop_assert_eq!(after, format!("{before}, number 1 of 32"), "replaced once");
        prop_assert!(run.pass(None).unwrap().done.is_empty());
        let (_, memory) = run.stored.remembered();
        prop_assert_eq!((memory.rotated.as_deref(), memory.rotating), (Some("now"), None));
    }

    #[test]
    fn a_replaced_password_is_so_to_the_end_before_a_user_who_stays_is_let_go(
        server in generate::server(), cut in 0..9_usize, carried_out in any::<bool>(),
    ) {
        let spec = json!({
            "clusterRef": {"name": "prod"}, "name": "alice", "password": {"generate": {}}, "deletionPolicy": "Retain",
        });
        let mut user = ArangoUser::new("person", serde_json::from_value(spec).unwrap());
        let mut run = Run::new(&Story::<User> { server, history: vec![user.clone()], keeps: false });
        run.declare(std::slice::from_ref(&user));
        user.metadata.annotations = Some([("arango-operator.dev/rotate".to_owned(), "now".to_owned())].into());
        run.stored.resource = user;
        run.pass(Some(Cut { after: cut, carried_out, dies: true }));
        run.delete(None);
        prop_assert!(is_his(&run.world.now(), &run.world.secrets.get("person-password").unwrap()));
        prop_assert_eq!(next(&run), None);
    }
}

fn next(run: &Run<User>) -> Option<String> {
    run.world.secrets.replaced.lock().get("person-password").and_then(|(next, _)| next.clone())
}

/// Whether a password is alice's, active or not.
fn is_his(model: &Model, password: &str) -> bool {
    let mut model = model.clone();
    patch_user(&mut model, "alice", &json!({"active": true}));
    let request = Request::post("/_open/auth", &json!({"username": "alice", "password": password}));
    model.handle_as_superuser(&request, arango_operator::stand_in::Now(1.8e9)).status.is_success()
}
