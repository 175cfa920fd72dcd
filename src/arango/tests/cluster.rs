//! The typed answers of a deployment, as the stand-in gives them.

use super::*;
use crate::{
    core::CollectionName,
    stand_in::{Config, Options, StandIn},
};

const HOUR: Duration = Duration::from_secs(3600);

async fn started(options: Options) -> (StandIn, Client) {
    let stand_in = StandIn::start(options).await.unwrap();
    let client = Client::new(pool(endpoints(&stand_in), jwt()));
    (stand_in, client)
}

fn endpoints(stand_in: &StandIn) -> Vec<Endpoint> {
    stand_in.endpoints().iter().map(|text| Endpoint::parse(text).unwrap()).collect()
}

fn cluster_of(deployment: Deployment) -> Cluster {
    let Deployment::Cluster(cluster) = deployment else { panic!("it is no cluster") };
    cluster
}

#[tokio::test]
async fn a_cluster_tells_its_id_its_servers_and_their_figures() {
    let (stand_in, client) = started(Options::cluster(3, CANARY)).await;
    let cluster = cluster_of(client.deployment().await.unwrap());
    let health = cluster.health().await.unwrap();
    assert!(health.is_good());
    for role in [MemberRole::Coordinator, MemberRole::DbServer, MemberRole::Agent] {
        assert_eq!(health.with_role(&role).count(), 3, "{role}");
    }
    let id = cluster.id().await.unwrap();
    assert_eq!(Some(&id), health.cluster_id.as_ref());
    assert_eq!(id, stand_in.with_model(|model| model.config().cluster_id.clone()));

    let told = cluster.endpoints().await.unwrap();
    let told: Vec<_> = told.iter().map(|one| Endpoint::parse(&one.endpoint).unwrap()).collect();
    assert_eq!(told, endpoints(&stand_in));
    cluster.targets().await.unwrap();

    for (server, _) in
        health.with_role(&MemberRole::DbServer).chain(health.with_role(&MemberRole::Coordinator))
    {
        let statistics = cluster.statistics(server).await.unwrap();
        assert!(statistics.uptime().is_some() && statistics.requests().is_some(), "{statistics:?}");
        assert_eq!(cluster.version(server).await.unwrap().version.as_deref(), Some("3.12.10"));
        assert_eq!(cluster.engine(server).await.unwrap(), "rocksdb");
    }
    let error = cluster.statistics("PRMR-nobody").await.unwrap_err();
    assert_eq!(error.class(), Class::Invalid, "{error}");
}

#[tokio::test]
async fn a_dead_coordinator_is_not_good_and_the_others_say_so() {
    let (stand_in, client) = started(Options::cluster(3, CANARY)).await;
    let cluster = cluster_of(client.deployment().await.unwrap());
    stand_in.stop_coordinator(1).await.unwrap();
    let health = cluster.health().await.unwrap();
    let (_, dead) = health.find("Coordinator0002").unwrap();
    assert_eq!(dead.status, Some(MemberStatus::Bad));
    assert!(!health.is_good());
}

#[tokio::test]
async fn maintenance_comes_with_its_end_and_goes() {
    let (_stand_in, client) = started(Options::cluster(1, CANARY)).await;
    let cluster = cluster_of(client.deployment().await.unwrap());
    assert_eq!(cluster.supervision().await.unwrap(), Supervision::Normal);
    for duration in [HOUR, Duration::from_secs(90)] {
        let before = client.time().await.unwrap();
        let until = cluster.stop_supervision(duration).await.unwrap().unwrap();
        let lasts = until.duration_since(before).as_secs();
        let expected = i64::try_from(duration.as_secs()).unwrap();
        assert!((expected - 1..expected + 20).contains(&lasts), "{duration:?}: {lasts} s");
        assert_eq!(cluster.supervision().await.unwrap(), Supervision::Maintenance);
    }
    cluster.start_supervision().await.unwrap();
    assert_eq!(cluster.supervision().await.unwrap(), Supervision::Normal);

    let health = cluster.health().await.unwrap();
    let server = health.with_role(&MemberRole::DbServer).next().unwrap().0.to_owned();
    assert_eq!(cluster.server_maintenance(&server).await.unwrap(), None);
    cluster.set_server_maintenance(&server, Some(HOUR)).await.unwrap();
    let maintenance = cluster.server_maintenance(&server).await.unwrap().unwrap();
    assert_eq!(maintenance.mode, "maintenance");
    assert!(maintenance.until.unwrap() > client.time().await.unwrap());
    cluster.set_server_maintenance(&server, None).await.unwrap();
    assert_eq!(cluster.server_maintenance(&server).await.unwrap(), None);
}

#[tokio::test]
async fn a_slow_answer_about_maintenance_has_more_time_than_the_rest() {
    let config = Config { authentication: false, ..Config::cluster(1, 1) };
    let options = Options { delay: Duration::from_millis(500), ..Options::new(config) };
    let stand_in = StandIn::start(options).await.unwrap();
    let mut connection = connection(endpoints(&stand_in), Auth::None);
    connection.timeout = Duration::from_millis(50);
    let cluster = Cluster(Client::new(Pool::new(connection).unwrap()));
    let error = cluster.health().await.unwrap_err();
    assert!(matches!(error, Error::TimedOut { after, .. } if after == Duration::from_millis(50)), "{error}");
    cluster.stop_supervision(HOUR).await.unwrap();
}

#[tokio::test]
async fn a_supervision_that_does_not_follow_in_time_is_a_timeout_of_its_own_kind() {
    for status in [408, 504] {
        let server = Server::start(move |_| error(status, 504)).await;
        let cluster = Cluster(Client::new(pool(vec![server.endpoint()], Auth::None)));
        let error = cluster.stop_supervision(HOUR).await.unwrap_err();
        assert_eq!((error.class(), error.error_num()), (Class::Timeout, Some(504)), "{error}");
        assert_eq!(server.seen().len(), 1);
        assert_eq!(server.seen()[0].body, json!("on"), "the body is a text with its quotes");
    }
}

#[tokio::test]
async fn the_role_tells_the_kind_of_deployment() {
    let (_stand_in, client) = started(Options::single(CANARY)).await;
    assert!(matches!(client.deployment().await.unwrap(), Deployment::Single));
    // Whoever asks nevertheless is refused as if he lacked a right, which is why nobody may conclude from that.
    assert_eq!(Cluster(client.clone()).health().await.unwrap_err().class(), Class::Denied);
    assert_eq!(Cluster(client.clone()).endpoints().await.unwrap_err().error_num(), Some(9));
    assert_eq!(client.server_id().await.unwrap_err().error_num(), Some(500));
    for (role, part) in [("PRIMARY", "a DB-Server"), ("AGENT", "an agent"), ("UNDEFINED", "role yet")] {
        let server = Server::start(move |_| Reply::Json(200, json!({"role": role}))).await;
        let client = Client::new(pool(vec![server.endpoint()], Auth::None));
        let error = client.deployment().await.unwrap_err();
        assert!(error.to_string().contains(part), "{error}");
    }
}

#[tokio::test]
async fn read_only_mode_caps_no_configured_level() {
    let (_stand_in, client) = started(Options::single(CANARY)).await;
    let (root, system) = (user("root"), Scope::Named(DatabaseName::system()));
    assert_eq!(client.mode().await.unwrap(), Mode::Default);
    client.set_mode(&Mode::ReadOnly).await.unwrap();
    assert_eq!(client.mode().await.unwrap(), Mode::ReadOnly);
    assert_eq!(client.level(&root, &system).await.unwrap(), Level::Rw);
    let collection = Scope::Named(CollectionName::from_server("_users"));
    assert_eq!(client.collection_level(&root, &system, &collection).await.unwrap(), Level::None);
    client.set_mode(&Mode::Default).await.unwrap();
    assert_eq!(client.mode().await.unwrap(), Mode::Default);
}

#[tokio::test]
async fn one_user_one_database_and_a_count_are_there_or_missing() {
    let (_stand_in, client) = started(Options::cluster(1, CANARY)).await;
    assert!(client.user(&user("root")).await.unwrap().unwrap().active);
    assert_eq!(client.user(&user("nobody")).await.unwrap(), None);
    let system = client.database(&DatabaseName::system()).await.unwrap().unwrap();
    assert_eq!((system.name.as_str(), system.is_system), ("_system", true));
    let shop = DatabaseName::parse("shop").unwrap();
    assert_eq!(client.database(&shop).await.unwrap(), None);
    let options = DatabaseOptions { replication_factor: Some(2), write_concern: Some(1), sharding: None };
    client.create_database(&shop, &options).await.unwrap();
    let info = client.database(&shop).await.unwrap().unwrap();
    assert_eq!((info.replication_factor, info.write_concern), (Some(CopyCount::Count(2)), Some(1)));
    let new = Request::new(Method::POST, "/_db/shop/_api/collection").body(json!({"name": "carts"}));
    client.call(new).await.unwrap();
    assert_eq!(client.count(&shop, &CollectionName::from_server("carts")).await.unwrap(), 0);
    let error = client.count(&shop, &CollectionName::from_server("none")).await.unwrap_err();
    assert_eq!(error.class(), Class::Missing(What::Collection));
    assert_eq!(client.license().await.unwrap().status.as_deref(), Some("good"));
}
