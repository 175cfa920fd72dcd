//! A component that crashes and comes back, with what it had: what a cluster goes through now and then.

use std::time::Instant;

use super::{
    API_SERVER, ControlPlane, Error, flags,
    process::{Order, Process},
};

impl ControlPlane {
    /// Kills the API server with SIGKILL and starts it again on its port. Returns when it is ready.
    ///
    /// # Errors
    ///
    /// It could not be ended, started, or did not become ready within [`super::Options::start_timeout`].
    pub async fn crash_api_server(&mut self) -> Result<(), Error> {
        if let Some(api_server) = &mut self.api_server {
            api_server.crash().await?;
        }
        let port = self.server_url.rsplit(':').next().and_then(|port| port.parse().ok()).unwrap_or_default();
        let arguments = flags::api_server(port, &self.options.api_server_args);
        let program = &self.tools.api_server;
        self.api_server = Some(Process::start(API_SERVER, program, arguments, &self.data_dir, Order::First)?);
        self.is_ready_again().await
    }

    /// Kills etcd with SIGKILL and starts it again with its data. Returns when the API server is ready with it.
    ///
    /// # Errors
    ///
    /// It could not be ended, started, or the API server did not become ready within [`super::Options::start_timeout`].
    pub async fn crash_etcd(&mut self) -> Result<(), Error> {
        self.etcd.crash().await?;
        self.etcd = Process::start("etcd", &self.tools.etcd, flags::etcd(), &self.data_dir, Order::Last)?;
        self.is_ready_again().await
    }

    async fn is_ready_again(&mut self) -> Result<(), Error> {
        let (options, deadline) = (self.options.clone(), Instant::now() + self.options.start_timeout);
        let client = self.client().await?;
        let ready = async || {
            let question = http::Request::get("/readyz").body(Vec::new()).map_err(kube::Error::HttpError)?;
            client.request_text(question).await
        };
        self.poll(&options, deadline, ready).await
    }
}
