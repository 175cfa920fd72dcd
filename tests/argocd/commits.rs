//! What is committed is what is on the server.

use serde_json::json;

use super::{argo::argo, shop::Shop};

#[tokio::test(flavor = "multi_thread")]
async fn a_commit_that_changes_a_right_changes_it_on_the_server_and_nothing_else() {
    let Some(argo) = argo().await else { return };
    let shop = Shop::healthy(argo, json!({})).await;
    let password = shop.world.secret_value("checkout-arangodb", "password").await.unwrap();
    shop.server.stand_in.clear_requests();

    let file = "30-users.yaml";
    shop.repository.replace(file, "    name: shop\n  access: rw", "    name: shop\n  access: ro");
    let commit = shop.repository.commit("checkout only reads").await;
    shop.application.follow(&commit).await;
    shop.server.has_levels("checkout", &[("shop", "ro"), ("shop-preview", "rw")]).await;
    let writes = shop.server.writes();
    let writes: Vec<_> = writes.iter().map(|write| format!("{} {}", write.method, write.path)).collect();
    assert_eq!(writes.len(), 1, "{writes:?}");
    assert!(writes[0].ends_with("/_api/user/checkout/database/shop"), "{writes:?}");

    // Another tenant's user, beside.
    let more = "\n---\napiVersion: arango-operator.dev/v1alpha1\nkind: ArangoUser\nmetadata:\n  name: reports\nspec:\n  \
                clusterRef:\n    name: prod\n  password:\n    secretRef:\n      name: reports\n      key: password\n---\n\
                apiVersion: v1\nkind: Secret\nmetadata:\n  name: reports\nstringData:\n  password: out of a sealed secret\n";
    shop.repository.write("50-reports.yaml", more);
    let commit = shop.repository.commit("reports").await;
    shop.application.follow(&commit).await;
    assert_eq!(shop.server.login("reports", "out of a sealed secret").await, 200);
    // A password in git is changed by a commit.
    shop.repository.replace("50-reports.yaml", "out of a sealed secret", "another one");
    let commit = shop.repository.commit("reports: another password").await;
    shop.application.follow(&commit).await;
    super::support::eventually("the new password is in force", async || {
        let status = shop.server.login("reports", "another one").await;
        if status == 200 { Ok(()) } else { Err(status) }
    })
    .await;
    assert_eq!(shop.server.login("checkout", &password).await, 200);
}
