//! What a person finds in Argo CD's menu of an object. The scripts are run by Argo CD's own code with the settings that are
//! installed, and the patch that comes out is applied, as Argo CD's API server (which isn't run here) does.

use std::{fs::File, process::Stdio};

use serde_json::json;
use tokio::process::Command;

use super::{
    LIMIT,
    argo::{Argo, argo},
    installed::run,
    repository::root,
    shop::Shop,
    support::{ROOT_PASSWORD, Server, eventually},
};

#[tokio::test(flavor = "multi_thread")]
async fn the_scripts_pass_the_tests_that_upstream_wants_of_them() {
    let Some(argo) = argo().await else { return };
    let mut command = Command::new(argo.programs.customizations());
    let output =
        run("the tests", command.arg("test").arg(root("deploy/argocd/resource_customizations")), LIMIT).await;
    let tests = output.lines().filter(|line| line.starts_with("ok ")).count();
    assert!(tests > 40, "{output}");
}

/// An object of the shop, as a person clicks on it.
struct Menu<'a> {
    argo: &'static Argo,
    shop: &'a Shop,
    object: &'static str,
}

impl Menu<'_> {
    async fn ask(&self, arguments: &[&str]) -> String {
        let object = self.shop.world.kubectl(&["get", self.object, "-o", "json"]).await.unwrap();
        let input = tempfile::NamedTempFile::new().unwrap();
        std::fs::write(&input, object).unwrap();
        let mut command = Command::new(self.argo.programs.customizations());
        command.arg(arguments[0]).arg(root("deploy/argocd/argocd-cm.yaml")).args(&arguments[1..]);
        command.stdin(Stdio::from(File::open(&input).unwrap())).kill_on_drop(true);
        let output = tokio::time::timeout(LIMIT, command.output()).await.expect("the script ends").unwrap();
        assert!(output.status.success(), "{arguments:?} of {}: {output:?}", self.object);
        String::from_utf8(output.stdout).unwrap()
    }

    /// The actions that can be chosen.
    async fn offers(&self, actions: &[&str]) {
        assert_eq!(self.ask(&["actions"]).await.lines().collect::<Vec<_>>(), actions, "{}", self.object);
    }

    /// Runs one that is offered.
    async fn choose(&self, action: &[&str]) {
        let offered = self.ask(&["actions"]).await;
        assert!(
            offered.lines().any(|line| line == action[0]),
            "{} offers {offered}, not {action:?}",
            self.object
        );
        let patch = self.ask(&[&["run"], action].concat()).await;
        self.shop.world.kubectl(&["patch", self.object, "--type=merge", "-p", patch.trim()]).await.unwrap();
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn actions_do_what_they_say_and_the_application_stays_synced() {
    let Some(argo) = argo().await else { return };
    let shop = Shop::healthy(argo, json!({})).await;
    let menu = |object| Menu { argo, shop: &shop, object };

    let user = menu("arangouser/checkout");
    user.offers(&["pause", "reconcile", "rotate-password"]).await;
    let password = async || shop.world.secret_value("checkout-arangodb", "password").await.unwrap();
    for _ in 0..2 {
        let old = password().await;
        user.choose(&["rotate-password"]).await;
        eventually("a new password is in force, and the old one is not", async || {
            let new = password().await;
            let logins =
                (shop.server.login("checkout", &new).await, shop.server.login("checkout", &old).await);
            if new != old && logins.0 == 200 && logins.1 == 401 { Ok(()) } else { Err(logins) }
        })
        .await;
    }

    let right = menu("arangopermission/checkout-shop");
    right.choose(&["reconcile"]).await;
    let asked =
        shop.world.object(right.object).await["metadata"]["annotations"]["arango-operator.dev/reconcile-at"]
            .clone();
    eventually("the look is done", async || {
        let done = shop.world.object(right.object).await["status"]["reconcileAt"].clone();
        if done == asked { Ok(()) } else { Err(done) }
    })
    .await;
    right.choose(&["pause"]).await;
    shop.application.health("ArangoPermission/checkout-shop", "Suspended", "paused").await;
    right.offers(&["resume"]).await;
    right.choose(&["resume"]).await;
    shop.application.health("ArangoPermission/checkout-shop", "Healthy", "").await;

    let cluster = menu("arangocluster/prod");
    cluster.offers(&["maintenance-on", "pause", "reconcile"]).await;
    let maintenance = async |expected: &str| {
        eventually(&format!("maintenance is {expected}"), async || {
            let path = "/_admin/cluster/maintenance";
            let mode = shop.server.get(("root", ROOT_PASSWORD), path).await.ok()["result"].clone();
            if mode == expected { Ok(()) } else { Err(mode) }
        })
        .await;
    };
    cluster.choose(&["maintenance-on", "duration=10m"]).await;
    maintenance("Maintenance").await;
    shop.application.health("ArangoCluster/prod", "Healthy", "failover").await;
    cluster.choose(&["maintenance-off"]).await;
    maintenance("Normal").await;

    shop.application.refresh("hard").await;
    shop.application.is("Synced", "Healthy").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_action_lets_a_blocked_deletion_end() {
    let Some(argo) = argo().await else { return };
    let shop = Shop::healthy(argo, json!({})).await;
    for coordinator in 0..3 {
        shop.server.stand_in.stop_coordinator(coordinator).await.unwrap();
    }
    let preview = Menu { argo, shop: &shop, object: "arangodatabase/shop-preview" };
    shop.world.kubectl(&["delete", preview.object, "--wait=false"]).await.unwrap();
    shop.world.condition(preview.object, "False", "DeletionBlocked").await;
    preview.choose(&["release"]).await;
    shop.world.gone(preview.object).await;
    shop.world.event(preview.object, "LeftBehind").await;
    shop.server.stand_in.start_coordinator(0).await.unwrap();
    assert_eq!(shop.server.databases().await, ["shop", "shop-preview"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_action_accepts_another_deployment() {
    let Some(argo) = argo().await else { return };
    let shop = Shop::healthy(argo, json!({})).await;
    let other = Server::start().await;
    for (old, new) in shop.server.stand_in.endpoints().iter().zip(other.stand_in.endpoints()) {
        shop.repository.replace("10-connection.yaml", old, &new);
    }
    shop.repository.commit("moved").await;
    shop.application.refresh("normal").await;
    let wait = ["wait", "arangocluster/prod", "--timeout=60s"];
    shop.world.kubectl(&[&wait[..], &["--for=condition=DeploymentChanged"]].concat()).await.unwrap();
    let cluster = Menu { argo, shop: &shop, object: "arangocluster/prod" };
    cluster.choose(&["accept-deployment"]).await;
    eventually("it is accepted", async || {
        let found = shop.world.object(cluster.object).await["status"]["deployment"]["found"].clone();
        if found.is_null() { Ok(()) } else { Err(found) }
    })
    .await;
    shop.application.is("Synced", "Healthy").await;
    cluster.offers(&["maintenance-on", "pause", "reconcile"]).await;
    other.has_levels("checkout", &[("shop", "rw"), ("shop-preview", "rw")]).await;
}
