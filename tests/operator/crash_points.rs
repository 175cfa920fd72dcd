//! Every place between two effects: the operator is killed there, once, and the next one brings everything to its end.
//!
//! The places are the closed list in `crash.rs`. Each belongs to one life or more in which it is reached; that it was is
//! seen by the signal that the process ended with.

use std::{collections::BTreeSet, fs, os::unix::process::ExitStatusExt, panic::AssertUnwindSafe, path::Path};

use arango_operator::{
    crash::{Point, VARIABLE},
    stand_in::{Fault, FaultRule},
};
use futures::{FutureExt, future::join_all};
use reqwest::Method;
use serde_json::json;

use super::{delegated, kube_arangodb, own_password};
use crate::support::{
    PATIENCE, Place, Server, World, database, eventually, grant, kube_arangodb::cluster_status, passwords,
    user,
};

/// What becomes of the things that a place is reached by.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Life {
    /// A database, a user and his right are declared.
    Born,
    /// The same in another namespace than the `ArangoCluster`'s, where the status alone is believed.
    Lent,
    /// A database that can't be made yet is declared.
    Refused,
    /// What is there already is declared.
    Adopted,
    /// A user is declared with a password that is made up for him, and a Secret for his application.
    Generated,
    /// Password, rights on a collection and `extra` are declared otherwise.
    Changed,
    /// A row is declared without its level, among rights that nobody declares.
    Narrowed,
    /// Rights that nobody declares are to be taken away.
    Undeclared,
    /// Another password is asked for.
    Replaced,
    /// Everything is deleted.
    Removed,
    /// Maintenance is asked for, and ended.
    Maintained,
    /// Maintenance is asked for where kube-arangodb runs the servers.
    MaintainedByOthers,
    /// The operator's own account has another password.
    OwnPassword,
}

/// Where each place is reached.
fn lives(point: Point) -> &'static [Life] {
    match point {
        Point::LeaseTaken => &[Life::Born],
        Point::FinalizerOn
        | Point::ClaimStored
        | Point::StatusWritten
        | Point::DatabaseCreated
        | Point::UserCreated
        | Point::LevelGranted
        | Point::CollectionGranted => &[Life::Born, Life::Lent],
        Point::ClaimRetracted => &[Life::Refused],
        Point::EventTold => &[Life::Adopted],
        Point::PasswordGenerated | Point::BindingMade => &[Life::Generated],
        Point::PasswordSet | Point::UserChanged | Point::BindingChanged | Point::CollectionRevoked => {
            &[Life::Changed]
        }
        Point::LevelRevoked | Point::CollectionRestored => &[Life::Narrowed, Life::Undeclared],
        Point::Remembered => &[Life::Narrowed, Life::Undeclared, Life::Replaced],
        Point::PasswordProposed | Point::PasswordTold | Point::PasswordPromoted => &[Life::Replaced],
        Point::FinalizerOff | Point::DatabaseDropped | Point::UserDeleted => &[Life::Removed],
        Point::MaintenanceDecided | Point::MaintenanceSwitched => &[Life::Maintained],
        Point::MaintenanceDeclared => &[Life::MaintainedByOthers],
        Point::OwnPasswordChanged => &[Life::OwnPassword],
    }
}

/// Lives that life once for each of its places.
async fn at_each_place_of(life: Life, lived: impl AsyncFn(Point)) {
    let points = Point::ALL.iter().copied().filter(|point| lives(*point).contains(&life));
    let all = points.map(async |point| (point, AssertUnwindSafe(lived(point)).catch_unwind().await));
    let all = join_all(all).await;
    let failed: Vec<_> = all.iter().filter(|(_, outcome)| outcome.is_err()).map(|(point, _)| point).collect();
    assert!(!all.is_empty() && failed.is_empty(), "{life:?}, killed at {failed:?}");
}

/// Has the operator killed at that place, which what begins here leads to, and starts the next one.
async fn killed_at(point: Point, world: &mut World, begin: impl AsyncFnOnce(&World)) {
    world.set(VARIABLE, point.name());
    world.spawn_operator().await;
    begin(world).await;
    let status = world.take_operator().ended(PATIENCE).await;
    assert_eq!(status.signal(), Some(9), "{point:?} was not reached: {status}");
    world.unset(VARIABLE);
    world.start_operator().await;
}

const DATABASE: &str = "arangodatabase/shop-a";
const USER: &str = "arangouser/shop-app";
const ROW: &str = "arangopermission/shop-app-shop-a";
const FROM_A_SECRET: &str = "password: {secretRef: {name: passwords, key: shop-app}}";
const GENERATED: &str = "password: {generate: {}}, connectionSecret: {name: binding, database: shop-a}";
const GENERATED_APART: &str =
    "password: {generate: {secretName: generated}}, connectionSecret: {name: binding, database: shop-a}";

/// A database, a user and his right to it. His spec and the right's are given.
fn declared(of_user: &str, of_row: &str) -> [String; 4] {
    [
        passwords(&[("shop-app", "a password")]),
        database("shop-a", "deletionPolicy: Delete"),
        user("shop-app", &format!("{of_user}, deletionPolicy: Delete")),
        grant("shop-app", "shop-a", &format!("{of_row}, deletionPolicy: Delete")),
    ]
}

/// A deployment with a database, a user and rights that nobody declares.
async fn with_others() -> Server {
    let server = Server::start().await;
    server.make_database("theirs").await;
    server.make_collection("theirs", "papers").await;
    server.make_user("them", "their password").await;
    server.set_level("them", "theirs", "rw").await;
    server.set_level("them", "theirs/papers", "ro").await;
    server
}

async fn others_are_as_they_were(server: &Server) {
    server.has_levels("them", &[("theirs", "rw"), ("theirs/papers", "ro")]).await;
    assert_eq!(server.login("them", "their password").await, 200);
    assert!(server.databases().await.contains(&"theirs".to_owned()));
}

/// Everything is Ready, was made once, and goes with its resources.
async fn all_is_there_and_goes(place: &Place, server: &Server, levels: &[(&str, &str)]) {
    all_is_there(place, server, levels).await;
    place.delete(&[ROW, USER, DATABASE]).await;
    assert_eq!((server.databases().await, server.users().await), others());
    others_are_as_they_were(server).await;
}

fn others() -> (Vec<String>, Vec<String>) {
    (vec!["theirs".to_owned()], vec!["them".to_owned()])
}

async fn all_is_there(place: &Place, server: &Server, levels: &[(&str, &str)]) {
    place.ready(&[DATABASE, USER, ROW]).await;
    server.has_levels("shop-app", levels).await;
    for object in [DATABASE, USER, ROW] {
        assert_eq!(place.object(object).await["status"]["origin"], "Created", "{object}");
    }
    for path in ["/_api/database", "/_api/user"] {
        let by_us = |agent: &String| agent.starts_with("arango-operator");
        let log = server.stand_in.request_log();
        let made = log.iter().filter(|entry| entry.agent.as_ref().is_some_and(by_us));
        let made = made.filter(|entry| entry.method == Method::POST && entry.path.ends_with(path));
        assert_eq!(made.filter(|entry| entry.is_success()).count(), 1, "made once: {path}");
    }
}

/// A namespace whose `ArangoCluster` is connected, and in which that was declared and is Ready.
async fn with(manifests: &[String]) -> (World, Server) {
    let (world, server) = tokio::join!(World::new(), with_others());
    world.apply(&(server.manifest("1s") + &manifests.concat())).await;
    world.ready(&["arangocluster/prod", DATABASE, USER, ROW]).await;
    (world, server)
}

/// A row of both levels, and what it comes to.
const ROW_SPEC: &str = "access: rw, collections: {'*': ro}";
const LEVELS: [(&str, &str); 2] = [("shop-a", "rw"), ("shop-a/*", "ro")];

#[tokio::test(flavor = "multi_thread")]
async fn killed_while_things_are_made_all_is_there_once_and_nothing_of_others_is_touched() {
    at_each_place_of(Life::Born, async |point| {
        let (mut world, server) = tokio::join!(World::without_operator(), with_others());
        let manifests = server.manifest("1s") + &declared(FROM_A_SECRET, ROW_SPEC).concat();
        killed_at(point, &mut world, async |world| world.apply(&manifests).await).await;
        all_is_there_and_goes(&world, &server, &LEVELS).await;
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn killed_while_things_are_made_through_a_lent_connection_the_status_says_enough() {
    at_each_place_of(Life::Lent, async |point| {
        let (mut world, server) = delegated::delegated(&delegated::rule("rw", "")).await;
        server.make_database("theirs").await;
        server.make_user("them", "their password").await;
        let manifests = declared(FROM_A_SECRET, ROW_SPEC);
        let manifests = delegated::through(&world.namespace, &manifests);
        killed_at(point, &mut world, async |world| world.neighbours[0].apply(&manifests).await).await;
        let tenant = &world.neighbours[0];
        all_is_there(tenant, &server, &LEVELS).await;
        tenant.delete(&[ROW, USER, DATABASE]).await;
        assert_eq!((server.databases().await, server.users().await), others());
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn killed_after_a_claim_that_came_to_nothing_was_taken_back_what_others_make_meanwhile_is_theirs() {
    at_each_place_of(Life::Refused, async |point| {
        let (mut world, server) = tokio::join!(World::without_operator(), Server::start());
        let full = FaultRule::new(Fault::QueueFull).method(Method::POST).path("/_api/database");
        let full = server.stand_in.add_fault(full).await.unwrap();
        let manifests = server.manifest("1s") + &database("shop-a", "deletionPolicy: Delete");
        killed_at(point, &mut world, async |world| world.apply(&manifests).await).await;
        server.stand_in.remove_fault(full).await.unwrap();
        world.ready(&[DATABASE]).await;
        assert_eq!(world.object(DATABASE).await["status"]["origin"], "Created");
        world.delete(&[DATABASE]).await;
        assert_eq!(server.databases().await, [""; 0]);
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn killed_after_it_was_told_that_something_is_taken_over_it_is_taken_over_and_stays_with_its_data() {
    at_each_place_of(Life::Adopted, async |point| {
        let (mut world, server) = tokio::join!(World::without_operator(), with_others());
        let manifests = server.manifest("1s") + &database("theirs", "") + &user("them", "");
        killed_at(point, &mut world, async |world| world.apply(&manifests).await).await;
        let objects = ["arangodatabase/theirs", "arangouser/them"];
        world.ready(&objects).await;
        for object in objects {
            assert_eq!(world.object(object).await["status"]["origin"], "Adopted", "{object}");
            world.event(object, "Adopted").await;
        }
        world.delete(&objects).await;
        others_are_as_they_were(&server).await;
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn killed_while_a_password_is_made_up_and_handed_out_there_is_one_and_it_works() {
    at_each_place_of(Life::Generated, async |point| {
        let (mut world, server) = tokio::join!(World::without_operator(), with_others());
        let manifests = server.manifest("1s") + &declared(GENERATED_APART, ROW_SPEC).concat();
        killed_at(point, &mut world, async |world| world.apply(&manifests).await).await;
        world.ready(&[DATABASE, USER, ROW]).await;
        has_a_password_that_works(&world, &server).await;
        all_is_there_and_goes(&world, &server, &LEVELS).await;
    })
    .await;
}

/// The Secret for applications says the password of the user, which the server takes.
async fn has_a_password_that_works(world: &World, server: &Server) -> String {
    eventually("the user logs in with what his Secret says", async || {
        let password = world.secret_value("binding", "password").await.unwrap();
        let status = server.login("shop-app", &password).await;
        if status == 200 { Ok(password) } else { Err(status) }
    })
    .await
}

#[tokio::test(flavor = "multi_thread")]
async fn killed_while_a_change_is_carried_out_it_is_carried_out_whole() {
    at_each_place_of(Life::Changed, async |point| {
        let binding = "connectionSecret: {name: binding, database: shop-a}";
        let before = format!("{FROM_A_SECRET}, {binding}, extra: {{team: shop}}");
        let (mut world, server) = with(&declared(&before, ROW_SPEC)).await;
        let after = format!("{FROM_A_SECRET}, {binding}, extra: {{team: depot}}");
        let [_, database, user, row] = declared(&after, "access: ro");
        let manifests = [passwords(&[("shop-app", "another password")]), database, user, row].concat();
        killed_at(point, &mut world, async |world| world.apply(&manifests).await).await;
        world.ready(&[DATABASE, USER, ROW]).await;
        assert_eq!(has_a_password_that_works(&world, &server).await, "another password");
        assert_eq!(
            server.by_hand(Method::GET, "/_api/user/shop-app", json!(null)).await["extra"]["team"],
            "depot"
        );
        all_is_there_and_goes(&world, &server, &[("shop-a", "ro")]).await;
    })
    .await;
}

/// Rights of the user that nobody declares, on collections of his database.
const BY_HAND: [(&str, &str); 3] = [("shop-a/a", "ro"), ("shop-a/b", "rw"), ("shop-a/c", "none")];

#[tokio::test(flavor = "multi_thread")]
async fn killed_while_a_level_is_taken_away_what_was_under_it_comes_back() {
    at_each_place_of(Life::Narrowed, async |point| {
        let (mut world, server) = with(&declared(FROM_A_SECRET, ROW_SPEC)).await;
        for (place, level) in BY_HAND {
            server.make_collection("shop-a", place.split_once('/').unwrap().1).await;
            server.set_level("shop-app", place, level).await;
        }
        let [_, _, _, row] = declared("", "collections: {'*': ro}");
        killed_at(point, &mut world, async |world| world.apply(&row).await).await;
        all_is_there_and_goes(&world, &server, &[&BY_HAND[..], &LEVELS[1..]].concat()).await;
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn killed_while_what_nobody_declares_is_taken_away_what_holds_back_under_it_stays() {
    at_each_place_of(Life::Undeclared, async |point| {
        let of_user = format!("{FROM_A_SECRET}, undeclaredPermissions: Revoke");
        let (mut world, server) = with(&declared(&of_user, "access: rw")).await;
        server.make_database("depot").await;
        server.make_collection("depot", "stock").await;
        killed_at(point, &mut world, async |_| {
            server.set_level("shop-app", "depot", "rw").await;
            // Nothing is no right, and goes with the level above it unless it is put back.
            server.set_level("shop-app", "depot/stock", "none").await;
        })
        .await;
        server.has_levels("shop-app", &[("depot/stock", "none"), ("shop-a", "rw")]).await;
        server.by_hand(Method::DELETE, "/_api/database/depot", json!(null)).await;
        all_is_there_and_goes(&world, &server, &[("shop-a", "rw")]).await;
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn killed_while_a_password_is_replaced_none_is_lost_and_there_is_no_third() {
    at_each_place_of(Life::Replaced, async |point| {
        let (mut world, server) = with(&declared(GENERATED, ROW_SPEC)).await;
        let first = has_a_password_that_works(&world, &server).await;
        killed_at(point, &mut world, async |world| {
            world.kubectl(&["annotate", USER, "arango-operator.dev/rotate=now"]).await.unwrap();
        })
        .await;
        eventually("the wish is fulfilled", async || {
            let status = world.object(USER).await["status"].clone();
            let done = status["rotated"] == "now" && status["rotating"].is_null();
            if done { Ok(()) } else { Err(status) }
        })
        .await;
        world.ready(&[USER]).await;
        let second = has_a_password_that_works(&world, &server).await;
        assert_ne!(first, second);
        assert_eq!(server.login("shop-app", &first).await, 401);
        assert_eq!(world.secret_value("binding", "password-next").await, None);
        all_is_there_and_goes(&world, &server, &LEVELS).await;
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn killed_while_things_are_deleted_they_go_and_nothing_else_does() {
    at_each_place_of(Life::Removed, async |point| {
        let (mut world, server) = with(&declared(FROM_A_SECRET, ROW_SPEC)).await;
        killed_at(point, &mut world, async |world| {
            world.kubectl(&["delete", "--wait=false", ROW, USER, DATABASE]).await.unwrap();
        })
        .await;
        for object in [ROW, USER, DATABASE] {
            world.gone(object).await;
        }
        assert_eq!((server.databases().await, server.users().await), others());
        others_are_as_they_were(&server).await;
    })
    .await;
}

const CLUSTER: &str = "arangocluster/prod";
const MAINTENANCE: &str = "arango-operator.dev/maintenance";

#[tokio::test(flavor = "multi_thread")]
async fn killed_while_maintenance_is_switched_on_it_comes_on_and_goes_off_when_nobody_asks_for_it() {
    at_each_place_of(Life::Maintained, async |point| {
        let (mut world, server) = World::connected("1s").await;
        let becomes = async |expected: &str| {
            eventually(&format!("the supervision is in {expected}"), async || {
                let answer = server.by_hand(Method::GET, "/_admin/cluster/maintenance", json!(null)).await;
                if answer["result"] == expected { Ok(()) } else { Err(answer) }
            })
            .await;
        };
        killed_at(point, &mut world, async |world| {
            world.kubectl(&["annotate", CLUSTER, &format!("{MAINTENANCE}=on")]).await.unwrap();
        })
        .await;
        becomes("Maintenance").await;
        killed_at(point, &mut world, async |world| {
            world.kubectl(&["annotate", CLUSTER, &format!("{MAINTENANCE}-")]).await.unwrap();
        })
        .await;
        becomes("Normal").await;
        world.ready(&[CLUSTER]).await;
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn killed_after_kube_arangodb_was_told_to_switch_it_is_told_to_switch_back() {
    at_each_place_of(Life::MaintainedByOthers, async |point| {
        let (mut world, _server, authority) = kube_arangodb::encrypted().await;
        let deployment = kube_arangodb::deployment(&world, json!({"mode": "Cluster"})).await;
        deployment.report(&cluster_status(&kube_arangodb::MEMBERS)).await;
        world.apply(&(kube_arangodb::cluster("") + &kube_arangodb::secrets(&authority))).await;
        world.ready(&[CLUSTER]).await;
        killed_at(point, &mut world, async |world| {
            world.kubectl(&["annotate", CLUSTER, &format!("{MAINTENANCE}=on")]).await.unwrap();
        })
        .await;
        kube_arangodb::is_declared(&deployment, json!(true)).await;
        killed_at(point, &mut world, async |world| {
            world.kubectl(&["annotate", CLUSTER, &format!("{MAINTENANCE}-")]).await.unwrap();
        })
        .await;
        kube_arangodb::is_declared(&deployment, json!(false)).await;
        world.ready(&[CLUSTER]).await;
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn killed_after_the_operators_own_password_was_changed_it_comes_back_with_the_new_one() {
    at_each_place_of(Life::OwnPassword, async |point| {
        let (mut world, server) = own_password::with_account("first").await;
        let manifests = own_password::account("second", Some("first"))
            + &own_password::cluster(&server, "JWT")
            + &database("shop-a", "");
        killed_at(point, &mut world, async |world| world.apply(&manifests).await).await;
        world.ready(&[CLUSTER, DATABASE]).await;
        assert_eq!(server.login("keeper", "first").await, 401);
        assert_eq!(server.login("keeper", "second").await, 200);
    })
    .await;
}

/// Whether a program holds a text.
fn holds(program: &[u8], text: &str) -> bool {
    program.windows(text.len()).any(|window| window == text.as_bytes())
}

#[test]
fn every_place_has_a_name_of_its_own_and_a_release_build_has_none_of_them() {
    let names: BTreeSet<_> = Point::ALL.iter().map(|point| point.name()).collect();
    assert_eq!(names.len(), Point::ALL.len());
    let here = Path::new(env!("CARGO_BIN_EXE_arango-operator"));
    let all = [VARIABLE].into_iter().chain(names);
    let program = fs::read(here).unwrap();
    assert!(holds(&program, VARIABLE), "the look can find it");
    let released = here.parent().unwrap().parent().unwrap().join("release/arango-operator");
    match fs::read(&released) {
        Ok(program) => {
            let found: Vec<_> = all.filter(|text| holds(&program, text)).collect();
            assert_eq!(found, [""; 0], "in {}", released.display());
        }
        Err(error) => eprintln!("SKIPPED: no release build to look at ({error})"),
    }
}
