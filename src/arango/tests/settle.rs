//! Creations and removals whose answers get lost, in every way, against the stand-in's model.

use std::{collections::VecDeque, sync::Arc, time::Duration};

use futures::{executor::block_on, future::BoxFuture};
use http::Method;
use parking_lot::Mutex;
use proptest::prelude::*;
use secrecy::SecretString;
use serde_json::{Map, json};

use super::user;
use crate::{
    arango::*,
    core::{DatabaseName, UserName},
    stand_in::{self, Config, Model, Now},
};

/// What becomes of one request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Fate {
    Answered,
    /// It was carried out, and the answer is lost.
    Lost,
    /// It was not carried out, which nobody can tell from the former.
    Swallowed,
    /// Its answer is lost, and it is carried out so many requests later.
    Late(usize),
    /// It was carried out, and the answer is something else's.
    Page,
    /// It was never sent.
    NeverSent,
}

#[derive(Default)]
struct Wire {
    fates: VecDeque<Fate>,
    late: Vec<(usize, Request)>,
    sent: Vec<(Method, String)>,
    paused: Duration,
}

#[derive(Clone)]
struct World(Arc<Mutex<(Model, Wire)>>);

fn run(model: &mut Model, request: &Request) -> stand_in::Response {
    let mut sent = stand_in::Request::new(request.method.clone(), request.path.clone());
    if let Some(body) = &request.body {
        sent = sent.json(body);
    }
    model.handle_as_superuser(&sent, Now(1.8e9))
}

impl World {
    fn new(fates: &[Fate]) -> Self {
        let fates = fates.iter().copied().collect();
        let model = Model::new(Config { root_password: "root's".to_owned(), ..Config::cluster(1, 1) });
        Self(Arc::new(Mutex::new((model, Wire { fates, ..Wire::default() }))))
    }

    fn client(&self) -> Client {
        Client::new(self.clone())
    }

    /// A client for which all goes well, to prepare and to check.
    fn undisturbed(&self) -> Client {
        let model = self.0.lock().0.clone();
        Self(Arc::new(Mutex::new((model, Wire::default())))).client()
    }

    fn sent(&self, method: &Method) -> usize {
        let world = self.0.lock();
        let ours = |(sent, path): &&(Method, String)| sent == method && path != "/_open/auth";
        world.1.sent.iter().filter(ours).count()
    }

    /// Whatever was on its way arrives.
    fn calm_down(&self) {
        let mut world = self.0.lock();
        let (model, wire) = &mut *world;
        for (_, request) in wire.late.drain(..) {
            run(model, &request);
        }
    }
}

impl Transport for World {
    fn send(&self, request: Request) -> BoxFuture<'_, Result<Response, Error>> {
        let mut world = self.0.lock();
        let (model, wire) = &mut *world;
        wire.late.retain_mut(|(left, late)| {
            *left = left.saturating_sub(1);
            if *left == 0 {
                run(model, late);
            }
            *left > 0
        });
        let fate = wire.fates.pop_front().unwrap_or(Fate::Answered);
        if fate != Fate::NeverSent {
            wire.sent.push((request.method.clone(), request.path.clone()));
        }
        let answer = |status, body| Ok(Response { status, body, coordinator: 0 });
        let outcome = match fate {
            Fate::Answered => {
                let response = run(model, &request);
                answer(response.status, response.body)
            }
            Fate::Page => {
                run(model, &request);
                answer(http::StatusCode::BAD_GATEWAY, "<html>".into())
            }
            Fate::NeverSent => Err(Error::Unreachable(Vec::new())),
            Fate::Lost | Fate::Swallowed | Fate::Late(_) => {
                match fate {
                    Fate::Lost => drop(run(model, &request)),
                    Fate::Late(requests) => wire.late.push((requests, request.clone())),
                    _ => {}
                }
                let (method, path) = (request.method, request.path);
                Err(Error::Lost { method, path, coordinator: "c".to_owned(), why: "cut".to_owned() })
            }
        };
        Box::pin(std::future::ready(outcome))
    }

    fn pause(&self, time: Duration) -> BoxFuture<'_, ()> {
        self.0.lock().1.paused += time;
        Box::pin(std::future::ready(()))
    }
}

fn alice() -> UserName {
    user("alice")
}

fn shop() -> DatabaseName {
    DatabaseName::parse("shop").unwrap()
}

fn extra(team: &str) -> Map<String, serde_json::Value> {
    Map::from_iter([("team".to_owned(), json!(team))])
}

fn create_alice(client: &Client, password: &str, team: &str) -> Result<(), Error> {
    let password = SecretString::from(password);
    block_on(client.create_user(&alice(), &NewUser { password: &password, active: true, extra: extra(team) }))
}

fn alice_is(client: &Client, password: &str, team: &str) -> bool {
    let users = block_on(client.users()).unwrap();
    let info = users.get(&alice());
    info.is_some_and(|info| info.active && info.extra == extra(team))
        && block_on(client.verify_password(&alice(), &password.into())).unwrap()
}

fn create_shop(client: &Client) -> Result<(), Error> {
    block_on(client.create_database(&shop(), &DatabaseOptions::default()))
}

fn shop_is_there(client: &Client) -> bool {
    block_on(client.databases()).unwrap().contains(&shop())
}

#[test]
fn a_creation_whose_answer_is_lost_is_seen_and_not_sent_again() {
    for fate in [Fate::Lost, Fate::Page, Fate::Late(1)] {
        let world = World::new(&[fate]);
        create_alice(&world.client(), "hers", "shop").unwrap();
        assert_eq!(world.sent(&Method::POST), 1, "{fate:?}");
        assert!(alice_is(&world.undisturbed(), "hers", "shop"));

        let world = World::new(&[fate]);
        create_shop(&world.client()).unwrap();
        assert_eq!(world.sent(&Method::POST), 1, "{fate:?}");
    }
}

#[test]
fn a_creation_that_a_second_of_looks_does_not_find_is_sent_once_more() {
    let world = World::new(&[Fate::Swallowed]);
    create_alice(&world.client(), "hers", "shop").unwrap();
    assert_eq!(world.sent(&Method::POST), 2);
    assert_eq!(world.0.lock().1.paused, Duration::from_secs(1));
    assert!(alice_is(&world.undisturbed(), "hers", "shop"));
    // Twice is the most, and that it isn't there is said.
    let swallowed = [Fate::Swallowed, Fate::Answered, Fate::Answered, Fate::Answered, Fate::Answered];
    let world = World::new(&[swallowed, swallowed].concat());
    let error = create_shop(&world.client()).unwrap_err();
    assert!(error.may_have_run(), "{error}");
    assert_eq!(world.sent(&Method::POST), 2);
}

#[test]
fn a_removal_is_sent_once_and_what_is_gone_is_gone() {
    for fate in [Fate::Lost, Fate::Page, Fate::Late(1), Fate::Late(3)] {
        let world = World::new(&[Fate::Answered, Fate::Answered, fate]);
        create_alice(&world.client(), "hers", "shop").unwrap();
        create_shop(&world.client()).unwrap();
        block_on(world.client().delete_user(&alice())).unwrap();
        assert_eq!(world.sent(&Method::DELETE), 1);
        world.0.lock().1.fates.push_back(fate);
        block_on(world.client().drop_database(&shop())).unwrap();
        assert_eq!(world.sent(&Method::DELETE), 2);
    }
    let world = World::new(&[Fate::Answered, Fate::Swallowed]);
    create_alice(&world.client(), "hers", "shop").unwrap();
    let error = block_on(world.client().delete_user(&alice())).unwrap_err();
    assert!(error.may_have_run(), "{error}");
    assert_eq!(world.sent(&Method::DELETE), 1);
}

#[test]
fn what_the_server_says_plainly_is_the_answer() {
    let world = World::new(&[]);
    create_alice(&world.client(), "hers", "shop").unwrap();
    create_shop(&world.client()).unwrap();
    assert_eq!(create_alice(&world.client(), "hers", "shop").unwrap_err().class(), Class::Exists);
    assert_eq!(create_shop(&world.client()).unwrap_err().class(), Class::Exists);
    assert_eq!(world.sent(&Method::GET), 0, "there is nothing to look for");
    let nobody = block_on(world.client().delete_user(&user("nobody"))).unwrap_err();
    assert_eq!(nobody.class(), Class::Missing(What::User));
    let nothing = DatabaseName::parse("nothing").unwrap();
    let nothing = block_on(world.client().drop_database(&nothing)).unwrap_err();
    assert_eq!(nothing.class(), Class::Missing(What::Database));
}

#[test]
fn of_somebody_who_cannot_log_in_nothing_is_proven() {
    let world = World::new(&[Fate::Lost]);
    let new = NewUser { password: &"hers".into(), active: false, extra: Map::new() };
    let error = block_on(world.client().create_user(&alice(), &new)).unwrap_err();
    assert!(matches!(error, Error::Lost { .. }), "{error}");
    assert_eq!(world.sent(&Method::POST), 1);
}

fn fates() -> impl Strategy<Value = Vec<Fate>> {
    let fate = prop_oneof![
        3 => Just(Fate::Answered),
        1 => Just(Fate::Lost),
        1 => Just(Fate::Swallowed),
        1 => (1..9_usize).prop_map(Fate::Late),
        1 => Just(Fate::Page),
        1 => Just(Fate::NeverSent),
    ];
    prop::collection::vec(fate, 0..14)
}

proptest! {
    #[test]
    fn a_success_is_there_and_stays_and_there_is_never_a_third_sending(fates in fates()) {
        let world = World::new(&fates);
        let outcome = create_alice(&world.client(), "hers", "shop");
        prop_assert!(world.sent(&Method::POST) <= 2);
        for _ in 0..2 {
            prop_assert!(outcome.is_err() || alice_is(&world.undisturbed(), "hers", "shop"), "{:?}", outcome);
            world.calm_down();
        }

        let world = World::new(&fates);
        let outcome = create_shop(&world.client());
        prop_assert!(world.sent(&Method::POST) <= 2);
        for _ in 0..2 {
            prop_assert!(outcome.is_err() || shop_is_there(&world.undisturbed()), "{:?}", outcome);
            world.calm_down();
        }
    }

    #[test]
    fn somebody_else_of_that_name_is_left_as_he_is(fates in fates()) {
        for (password, team) in [("his", "shop"), ("hers", "other")] {
            let world = World::new(&[]);
            create_alice(&world.client(), password, team).unwrap();
            world.0.lock().1.fates = fates.iter().copied().collect();
            prop_assert!(create_alice(&world.client(), "hers", "shop").is_err());
            world.calm_down();
            prop_assert!(alice_is(&world.undisturbed(), password, team));
        }
    }

    #[test]
    fn a_removal_is_never_sent_twice_and_a_success_is_gone(fates in fates()) {
        let world = World::new(&[]);
        create_alice(&world.client(), "hers", "shop").unwrap();
        create_shop(&world.client()).unwrap();
        world.0.lock().1.fates = fates.iter().copied().collect();
        let deleted = block_on(world.client().delete_user(&alice()));
        prop_assert!(world.sent(&Method::DELETE) <= 1);
        prop_assert!(deleted.is_err() || !alice_is(&world.undisturbed(), "hers", "shop"));
        let dropped = block_on(world.client().drop_database(&shop()));
        prop_assert!(world.sent(&Method::DELETE) <= 2);
        prop_assert!(dropped.is_err() || !shop_is_there(&world.undisturbed()));
    }
}
