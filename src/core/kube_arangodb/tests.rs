use serde_json::json;

use super::*;

fn read(object: &Value) -> Result<Deployment, String> {
    Deployment::read(&Id::new("db", "prod"), object)
}

fn members(mode: &str, members: &Value) -> Value {
    json!({"metadata": {"uid": "u"}, "spec": {"mode": mode}, "status": {"members": members}})
}

#[test]
fn a_fresh_object_has_no_servers_yet_and_the_defaults_of_kube_arangodb() {
    for object in [
        json!({}),
        json!({"spec": {}}),
        json!({"spec": {"tls": null}, "status": {"members": {"coordinators": null}, "conditions": null}}),
        json!({"spec": {"tls": {}, "auth": {}}, "status": {"appliedVersion": "", "members": {}, "hashes": {}}}),
        json!({"spec": {"tls": {"caSecretName": ""}, "auth": {"jwtSecretName": ""}, "mode": ""}}),
    ] {
        let deployment = read(&object).unwrap();
        assert!(deployment.endpoints.is_empty());
        let authority = deployment.authority.unwrap();
        assert_eq!((&*authority.truststore, &*authority.ca), ("prod-truststore", "prod-ca"));
        let signing = deployment.signing.unwrap();
        assert_eq!((&*signing.secret, signing.key), ("prod-jwt", "token"));
    }
}

#[test]
fn each_coordinator_is_addressed_by_the_service_of_its_own() {
    let two = json!({"coordinators": [{"id": "CRDN-zt7m2p4c"}, {"id": "CRDN-kq3vwx8n"}], "single": []});
    let deployment = read(&members("Cluster", &two)).unwrap();
    let expected = ["kq3vwx8n", "zt7m2p4c"].map(|id| format!("https://prod-coordinator-{id}.db.svc:8529"));
    assert_eq!(deployment.endpoints, expected);
    let one = json!({"single": [{"id": "SNGL-r5t6y7u8"}]});
    let deployment = read(&members("Single", &one)).unwrap();
    assert_eq!(deployment.endpoints, ["https://prod-single-r5t6y7u8.db.svc:8529"]);
    let deployment = read(&members("ActiveFailover", &one)).unwrap();
    assert_eq!(deployment.endpoints, ["https://prod.db.svc:8529"]);
}

#[test]
fn a_long_name_is_cut_as_kube_arangodb_cuts_it() {
    let name = "a".repeat(60);
    let host = host(&name, "coordinator", "kq3vwx8n").unwrap();
    assert_eq!(host, format!("{}-coordinator-kq3vwx8n", "a".repeat(42)));
    assert_eq!(host.len(), 63);
}

#[test]
fn what_is_no_id_becomes_no_address() {
    for id in ["CRDN-", "CRDN-a.evil.example/", "CRDN-A", "a:80", "CRDN-é", &"a".repeat(33)] {
        let error = read(&members("Cluster", &json!({"coordinators": [{"id": id}]}))).unwrap_err();
        assert!(error.contains("a member has the id"), "{error}");
    }
    assert!(read(&members("Sharded", &json!({}))).unwrap_err().contains("mode"));
    assert!(read(&json!({"spec": {"tls": "off"}})).unwrap_err().contains("not understood"));
}

#[test]
fn what_kube_arangodb_has_accepted_counts_before_what_is_declared() {
    let object = json!({
        "spec": {"mode": "Cluster", "tls": {"caSecretName": "None"}, "database": {"maintenance": true}},
        "status": {"accepted-spec": {"mode": "Single", "auth": {"jwtSecretName": "None"}, "tls": {"caSecretName": "own"}},
            "members": {"single": [{"id": "SNGL-a"}]}},
    });
    let deployment = read(&object).unwrap();
    assert_eq!(deployment.endpoints, ["https://prod-single-a.db.svc:8529"]);
    assert_eq!(deployment.authority.unwrap().ca, "own");
    assert_eq!(deployment.signing, None);
    let switch = deployment.maintenance;
    assert_eq!((switch.is_cluster, switch.declared, switch.accepted), (false, Some(true), Some(false)));
}

#[test]
fn only_the_word_none_switches_off_and_enterprise_signs_with_a_key_of_the_folder() {
    let spec = |tls: &str, jwt: &str| {
        let image = json!({"enterprise": true});
        json!({"spec": {"tls": {"caSecretName": tls}, "auth": {"jwtSecretName": jwt}}, "status": {"current-image": image}})
    };
    let off = read(&spec("None", "None")).unwrap();
    assert_eq!((off.authority, off.signing), (None, None));
    let named = read(&spec("none", "none")).unwrap();
    assert_eq!(named.authority.unwrap().ca, "none");
    assert_eq!(named.signing, Some(SigningKey { secret: "prod-jwt-folder".to_owned(), key: "-" }));
}

#[test]
fn where_kube_arangodb_stands_still_it_is_said_why() {
    let condition =
        |type_: &str, status: &str| json!({"status": {"conditions": [{"type": type_, "status": status}]}});
    for (object, part) in [
        (json!({"status": {"phase": "Failed"}}), "Failed"),
        (condition("SecretsChanged", "True"), "SecretsChanged"),
        (condition("SpecAccepted", "False"), "SpecAccepted"),
        (json!({"metadata": {"annotations": {UNATTENDED: "true"}}}), "annotation"),
    ] {
        assert!(read(&object).unwrap().stuck.unwrap().contains(part));
    }
    // Everyday life of a rolling restart.
    assert_eq!(read(&condition("Ready", "False")).unwrap().stuck, None);
    assert!(read(&condition("UpgradeInProgress", "True")).unwrap().maintenance.busy);
    assert!(read(&condition("Maintenance", "True")).unwrap().maintenance.in_force);
}

#[test]
fn what_kube_arangodb_has_still_to_switch_is_told_with_what_keeps_it() {
    let told = |declared: Option<bool>, in_force, busy| {
        Maintenance { is_cluster: true, declared, accepted: declared, in_force, busy }.pending()
    };
    assert_eq!(
        [told(None, false, false), told(Some(false), false, true), told(Some(true), true, true)],
        [None, None, None]
    );
    assert!(
        told(Some(true), false, false).unwrap().ends_with("switched maintenance of the supervision on yet")
    );
    assert!(told(Some(false), true, true).unwrap().contains("off yet; it is rolling something out"));
}
