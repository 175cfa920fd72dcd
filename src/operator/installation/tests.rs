use super::*;

fn installation(name: &str) -> Installation {
    Installation::new(name.to_owned(), Some(format!("shard={name}").parse().unwrap()))
}

fn cluster(name: &str, shard: &str, by: Option<&str>, deployment: Option<&str>) -> ArangoCluster {
    let deployment = deployment.map(|id| serde_json::json!({"id": id, "mode": "Cluster"}));
    serde_json::from_value(serde_json::json!({
        "apiVersion": "arango-operator.dev/v1alpha1", "kind": "ArangoCluster",
        "metadata": {"namespace": "n", "name": name, "labels": {"shard": shard}},
        "spec": {"endpoints": ["http://h:1"]},
        "status": {"installation": by, "deployment": deployment},
    }))
    .unwrap()
}

fn id(name: &str) -> Id {
    Id::new("n", name)
}

fn may_act(installation: &Installation, cluster: &str) -> bool {
    matches!(installation.stand(&id(cluster), "d", false), Stand::Go)
}

#[test]
fn whoever_claims_a_deployment_first_has_it_in_whatever_order_the_installations_look() {
    let (a, b) = (installation("a"), installation("b"));
    let each = [&a, &b];
    for one in each {
        one.learn(&cluster("x", "a", None, None));
        one.learn(&cluster("y", "b", None, None));
        assert!(matches!(one.stand(&id(if one.name == "a" { "x" } else { "y" }), "d", false), Stand::Claim));
    }
    // Both write; the API server takes a's first, and shows both writes to both before either looks.
    for one in each {
        one.learn(&cluster("x", "a", Some("a"), Some("d")));
        one.learn(&cluster("y", "b", Some("b"), Some("d")));
    }
    assert!(may_act(&a, "x") && !may_act(&b, "y"));
    let Stand::Held(hold) = b.stand(&id("y"), "d", false) else { panic!("b is held back") };
    assert!(hold.reason == Reason::Conflict && hold.message.contains("n/x"), "{hold}");
    // It takes its name away, and another one may follow when the first goes.
    b.learn(&cluster("y", "b", None, Some("d")));
    b.gone(&id("x"), |_| true);
    assert!(matches!(b.stand(&id("y"), "d", false), Stand::Claim));
}

#[test]
fn after_a_restart_the_holder_goes_on_without_a_word_and_whoever_finds_another_is_held_back() {
    let a = installation("a");
    a.learn(&cluster("x", "a", Some("a"), Some("d")));
    assert!(may_act(&a, "x"));
    let b = installation("b");
    b.learn(&cluster("y", "b", Some("b"), Some("d")));
    b.learn(&cluster("x", "a", Some("a"), Some("d")));
    assert!(matches!(b.stand(&id("y"), "d", false), Stand::Held(_)));
}

#[test]
fn what_moves_away_ends_at_once_and_what_was_anothers_settles_before_it_is_touched() {
    let (a, b) = (installation("a"), installation("b"));
    let before = cluster("x", "a", Some("a"), Some("d"));
    assert_eq!(b.learn(&before), Change::None);
    assert_eq!(a.learn(&before), Change::Came);
    let Turn::Ours(ends) = a.turn(&id("x")) else { panic!("it is a's") };
    let gate = a.gate(&id("x"), &Arc::new(Lead::always()));
    let after = cluster("x", "b", Some("a"), Some("d"));
    assert!(gate.is_open());
    assert_eq!((a.learn(&after), b.learn(&after)), (Change::Left, Change::Came));
    assert!(ends.is_cancelled() && !gate.is_open());
    assert!(a.is_elsewhere(&id("x")) && !b.is_elsewhere(&id("x")));
    assert!(b.settles(&id("x")).is_some(), "what was written last may not be seen everywhere");
    assert!(matches!(b.stand(&id("x"), "d", false), Stand::Claim));
    assert_eq!(b.learn(&cluster("x", "b", Some("b"), Some("d"))), Change::Came, "it is told");
    assert!(b.settles(&id("x")).is_none() && may_act(&b, "x"));
}

#[test]
fn one_that_was_anothers_when_it_went_stays_anothers_as_long_as_somebody_refers_to_it() {
    let a = installation("a");
    for (name, shard) in [("x", "a"), ("y", "b")] {
        a.learn(&cluster(name, shard, None, None));
        a.gone(&id(name), |_| true);
    }
    assert!(matches!(a.turn(&id("x")), Turn::Missing));
    assert!(matches!(a.turn(&id("y")), Turn::Elsewhere));
    a.learn(&cluster("y", "a", None, None));
    assert!(matches!(a.turn(&id("y")), Turn::Ours(_)), "another one of that name");
    a.learn(&cluster("z", "b", None, None));
    a.gone(&id("z"), |_| false);
    assert!(matches!(a.turn(&id("z")), Turn::Missing));
}

#[test]
fn one_without_a_selector_takes_everything_and_asks_nobody() {
    let all = Installation::new("all".to_owned(), None);
    all.learn(&cluster("x", "a", None, None));
    assert!(may_act(&all, "x"), "the name is written with the rest");
    all.learn(&cluster("y", "a", Some("old"), Some("e")));
    assert!(matches!(all.stand(&id("y"), "e", false), Stand::Claim), "it may be somebody's");
}
