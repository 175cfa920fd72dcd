//! The arguments of the components. All paths are relative: each runs in the data folder.

/// etcd listens on a socket in the data folder, which only its owner enters: no port that can be taken, no
/// certificate, no other user who can read the Secrets in it, and no limit on the length of the folder's name.
const ETCD_SOCKET: &str = "unix://etcd.sock";

/// Where kube-controller-manager finds its kubeconfig.
pub(super) const CONTROLLER_MANAGER_KUBECONFIG: &str = "controller-manager.kubeconfig";

/// etcd: one member, in memory as far as it can be.
pub(super) fn etcd() -> Vec<String> {
    // It refuses to advertise a socket. Nobody reads what a single member advertises, so this goes nowhere.
    let nowhere = "http://127.0.0.1:1";
    vec![
        "--name=control-plane".into(),
        "--data-dir=etcd".into(),
        format!("--listen-client-urls={ETCD_SOCKET}"),
        format!("--advertise-client-urls={nowhere}"),
        "--listen-peer-urls=unix://peer.sock".into(),
        format!("--initial-advertise-peer-urls={nowhere}"),
        format!("--initial-cluster=control-plane={nowhere}"),
        // A crash of the machine loses the data, and nobody would miss it.
        "--unsafe-no-fsync".into(),
        "--log-level=warn".into(),
    ]
}

/// kube-apiserver: authorization as in a real cluster, reachable from this machine only.
pub(super) fn api_server(port: u16, more: &[String]) -> Vec<String> {
    let mut arguments = vec![
        format!("--etcd-servers={ETCD_SOCKET}"),
        format!("--secure-port={port}"),
        "--bind-address=127.0.0.1".into(),
        // Otherwise it looks for a default route, and a machine without a network has none.
        "--advertise-address=127.0.0.1".into(),
        // It would write its own address, which nobody could use, to the endpoints of the service `kubernetes`.
        "--endpoint-reconciler-type=none".into(),
        "--tls-cert-file=server.crt".into(),
        "--tls-private-key-file=server.key".into(),
        "--cert-dir=certificates".into(),
        "--token-auth-file=tokens.csv".into(),
        "--authorization-mode=RBAC".into(),
        "--service-account-issuer=https://kubernetes.default.svc".into(),
        "--service-account-signing-key-file=accounts.key".into(),
        "--service-account-key-file=accounts.pub".into(),
        "--service-cluster-ip-range=10.0.0.0/24".into(),
        "--profiling=false".into(),
    ];
    arguments.extend_from_slice(more);
    arguments
}

/// kube-controller-manager: the controllers that do something where no pod runs.
pub(super) fn controller_manager() -> Vec<String> {
    let kubeconfig = format!("--kubeconfig={CONTROLLER_MANAGER_KUBECONFIG}");
    let fixed = [
        "--controllers=garbage-collector-controller,namespace-controller,serviceaccount-controller,\
         clusterrole-aggregation-controller,validatingadmissionpolicy-status-controller",
        "--leader-elect=false",
        "--secure-port=0",
        "--kube-api-qps=1000",
        "--kube-api-burst=1000",
        "--profiling=false",
    ];
    fixed.into_iter().map(String::from).chain([kubeconfig]).collect()
}
