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
use serde_json::json;

use super::{
    generate::{self, Change, SECRETS, ask, patch_user, segment},
    law::{self, Law, Story},
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

impl Law for User {
    fn declared(mut model: Model, history: &[ArangoUser]) -> Model {
        for resource in history {
            let (user, active) = (name(resource), resource.spec.active);
            match (model.user(user).is_some(), password(resource)) {
                (true, None) => patch_user(&mut model, user, &json!({"active": active})),
                (true, Some(password)) => {
                    patch_user(&mut model, user, &json!({"active": active, "passwd": password}));
                }
                (false, Some(password)) => {
                    let body = json!({"user": user, "active": active, "passwd": password});
                    ask(&mut model, &Request::post("/_api/user", &body));
                }
                (false, None) => {}
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
        matches!(change, Change::Active { user } if *user == name(resource))
    }
}

fn specs(steps: impl Into<prop::collection::SizeRange>) -> impl Strategy<Value = Vec<ArangoUser>> {
    let step = (select(vec!["none", "first", "second", "absent", "generate", "generate"]), any::<bool>());
    let steps = prop::collection::vec(step, steps);
    (select(vec!["alice", generate::USERS[2]]), generate::policy(), steps).prop_map(
        |(user, policy, steps)| {
            let spec = |(source, active): (&str, bool)| {
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
                    password,
                    deletion_policy: policy,
                    drift: None,
                }
            };
            steps.into_iter().map(|step| ArangoUser::new("person", spec(step))).collect()
        },
    )
}

pub(crate) fn story() -> impl Strategy<Value = Story<User>> {
    (generate::server(), specs(1..5), any::<bool>()).prop_map(|(server, history, keeps)| Story {
        server,
        history,
        keeps,
    })
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
