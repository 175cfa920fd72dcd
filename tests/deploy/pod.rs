//! What a pod of the Deployment runs, for running it here: the same arguments and variables, on free ports.

use std::collections::BTreeMap;

use k8s_openapi::{
    api::{apps::v1::Deployment, core::v1::Container},
    apimachinery::pkg::util::intstr::IntOrString,
};

/// Where it listens in a pod, by variable and by the port's name.
const ADDRESSES: [(&str, &str); 2] =
    [("ARANGO_OPERATOR_HEALTH_ADDR", "health"), ("ARANGO_OPERATOR_METRICS_ADDR", "metrics")];

/// What a pod runs, and as whom.
pub(crate) struct Runs {
    pub(crate) account: String,
    pub(crate) arguments: Vec<String>,
    pub(crate) variables: BTreeMap<String, String>,
}

impl Runs {
    /// Takes it from the Deployment as the API server stored it.
    pub(crate) fn of(deployment: Deployment) -> Self {
        let (metadata, spec) = (deployment.metadata, deployment.spec.unwrap().template.spec.unwrap());
        let (name, namespace) = (metadata.name.unwrap(), metadata.namespace.unwrap());
        let [container] = spec.containers.try_into().unwrap();
        let mut variables = variables(&container, &name, &namespace);
        for (variable, port) in ADDRESSES {
            let mut ports = container.ports.iter().flatten();
            let port = ports.find(|it| it.name.as_deref() == Some(port)).unwrap().container_port;
            let address = variables.insert(variable.to_owned(), "127.0.0.1:0".to_owned());
            // All of the pod's, since the kubelet and Prometheus come from outside.
            assert_eq!(address, Some(format!("0.0.0.0:{port}")), "{variable}");
        }
        for probe in [&container.liveness_probe, &container.readiness_probe] {
            let port = &probe.as_ref().unwrap().http_get.as_ref().unwrap().port;
            assert_eq!(*port, IntOrString::String("health".to_owned()));
        }
        let account = spec.service_account_name.unwrap();
        Self { account, arguments: container.args.unwrap(), variables }
    }
}

/// The variables with what a kubelet would put in for references to the pod's fields.
fn variables(container: &Container, name: &str, namespace: &str) -> BTreeMap<String, String> {
    let variables = container.env.clone().unwrap().into_iter().map(|variable| {
        let value = variable.value.unwrap_or_else(|| {
            let field = variable.value_from.unwrap().field_ref.unwrap().field_path;
            match &*field {
                "metadata.name" => format!("{name}-0"),
                "metadata.namespace" => namespace.to_owned(),
                other => panic!("{}: {other}", variable.name),
            }
        });
        (variable.name, value)
    });
    variables.collect()
}
