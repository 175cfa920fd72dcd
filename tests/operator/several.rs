//! One operator for several namespaces, and for no other.

use crate::support::{PATIENCE, Server, World, database, passwords, user_with_password};

#[tokio::test(flavor = "multi_thread")]
async fn an_operator_serves_all_namespaces_that_it_is_told_to_and_no_other() {
    let (mut world, elsewhere) = tokio::join!(World::among(2), World::without_operator());
    let mut servers = Vec::new();
    for namespace in world.neighbours.iter().chain([&*elsewhere]) {
        let server = Server::start().await;
        namespace.apply(&[server.manifest("5m"), database("before", "")].concat()).await;
        servers.push(server);
    }
    for how in ["killed", "told to end"] {
        world.start_operator().await;
        for (namespace, server) in world.neighbours.iter().zip(&servers) {
            namespace.ready(&["arangocluster/prod", "arangodatabase/before"]).await;
            // Changes are seen as well as what was there, of resources and of Secrets.
            let password = if how == "killed" { "first" } else { "second" };
            namespace.apply(&user_with_password("alice", "")).await;
            namespace.apply(&passwords(&[("alice", password)])).await;
            namespace.ready(&["arangouser/alice"]).await;
            crate::support::eventually("the password is taken up", async || {
                match server.login("alice", password).await {
                    status if status == 200 => Ok(()),
                    status => Err(status),
                }
            })
            .await;
            namespace.apply(&database("after", "")).await;
            namespace.ready(&["arangodatabase/after"]).await;
            namespace.delete(&["arangodatabase/after"]).await;
        }
        let operator = world.take_operator();
        if how == "killed" {
            operator.kill().await;
        } else {
            operator.terminate(PATIENCE).await;
        }
    }
    assert!(servers[2].stand_in.request_log().is_empty(), "{:?}", servers[2].stand_in.request_log());
    let resource = elsewhere.object("arangodatabase/before").await;
    assert_eq!(resource["status"]["conditions"][0]["reason"], "Pending", "{resource}");
}
