//! What the demo prints in the end, on standard output: what is there, and what to try.

use std::{
    fmt::Write as _,
    path::{Path, PathBuf},
};

use super::{
    check::{self, Held},
    kubernetes::Resources,
    manifests,
};
use crate::{
    cli::output::table,
    core::{DatabaseName, Scope, UserName, condition::ConditionStatus},
};

/// Headings of a table, and more.
pub(super) struct Style {
    pub(super) colours: bool,
}

impl Style {
    fn heading(&self, text: &str) -> String {
        if self.colours { format!("\x1b[1m{text}\x1b[0m") } else { text.to_owned() }
    }
}

/// The resources, and the name of each on the server.
pub(super) fn resources(resources: &Resources, style: &Style) -> String {
    let mut table = table(["kind", "name", "ready", "on the server"]);
    for row in resources.rows() {
        let ready = match row.ready {
            ConditionStatus::True => "yes",
            ConditionStatus::False => "no",
            ConditionStatus::Unknown => "not yet",
        };
        table.add_row([row.kind.as_str(), &row.name, ready, &row.object]);
    }
    format!("{}\n{}\n", style.heading("The resources in Kubernetes"), table.trim_fmt())
}

/// The access matrix as the server keeps it.
pub(super) fn matrix(held: &Held, style: &Style) -> String {
    let databases = held.databases.iter().map(DatabaseName::as_str);
    let mut table = table(["user"].into_iter().chain(databases).chain(["every other"]));
    for user in held.users.keys() {
        let levels = held.databases.iter().map(|database| cell(held, user, database));
        let any = held.users.get(user).and_then(|user| user.rights.entry(&Scope::Any).level);
        let any = any.map_or_else(|| "-".to_owned(), |level| level.to_string());
        table.add_row([user.as_str().to_owned()].into_iter().chain(levels).chain([any]));
    }
    let heading = style.heading("What the server holds, read back over HTTP: users, databases, levels");
    format!("{heading}\n{}\n(in brackets: by way of the wildcard or of _system)\n", table.trim_fmt())
}

/// A level, in brackets if it is not the database's own.
fn cell(held: &Held, user: &UserName, database: &DatabaseName) -> String {
    let scope = Scope::Named(database.clone());
    let own = held.users.get(user).and_then(|user| user.rights.entry(&scope).level);
    match (own, check::level(held, user, database)) {
        (Some(own), _) => own.to_string(),
        (None, crate::core::Level::None) => "-".to_owned(),
        (None, wide) => format!("({wide})"),
    }
}

/// What is running, for the lines to copy.
pub(super) struct Running<'a> {
    pub(super) kubeconfig: PathBuf,
    pub(super) kubectl: Option<PathBuf>,
    pub(super) endpoints: Vec<String>,
    pub(super) root_password: &'a str,
    /// Where the operator's metrics are, as `host:port`.
    pub(super) metrics: String,
}

/// Lines to copy into another terminal.
pub(super) fn invitation(running: &Running<'_>, style: &Style) -> String {
    let Running { kubeconfig, kubectl, endpoints, root_password, metrics } = running;
    let endpoint = endpoints.first().map(String::as_str).unwrap_or_default();
    let heading = |text| style.heading(text);
    let mut text =
        format!("{}\n\n  export KUBECONFIG={}\n", heading("Try it in another terminal:"), quoted(kubeconfig));
    match kubectl {
        Some(kubectl) if !on_path("kubectl") => {
            let folder = kubectl.parent().unwrap_or(kubectl);
            let _ = writeln!(text, "  export PATH=\"$PATH\":{}   # kubectl is there", quoted(folder));
        }
        None if !on_path("kubectl") => {
            text.push_str("  # kubectl is not on PATH; its folder can be named by KUBEBUILDER_ASSETS\n");
        }
        _ => {}
    }
    let _ = write!(
        text,
        "  kubectl get arangodata -A\n\n\
         {}\n\n\
         kubectl apply -f - <<'END'\n{}END\n\n\
         {}\n\n  \
           curl -u root:{root_password} {endpoint}/_api/user\n  \
           curl -u shop-app:quickstart-app {endpoint}/_db/shop/_api/database/current\n\n\
         {}\n\n  \
           curl -u root:{root_password} -X DELETE {endpoint}/_api/user/shop-reports\n  \
           kubectl -n shop get events\n\n\
         Coordinators: {}\nMetrics: http://{metrics}/metrics\n",
        heading("Declare one more tenant (examples/tenant.yaml, in the wrong order on purpose):"),
        manifests::TENANT,
        heading("Ask the server, as root and as an application:"),
        heading("Delete a user behind the operator's back; within 10 s he is there again, with his rights:"),
        endpoints.join(" "),
    );
    text
}

/// A path as a shell reads it.
fn quoted(path: &Path) -> String {
    let text = path.display().to_string();
    let is_plain = text.chars().all(|c| c.is_ascii_alphanumeric() || "/._-+".contains(c));
    if is_plain { text } else { format!("'{}'", text.replace('\'', r"'\''")) }
}

/// Whether a shell would find the program.
fn on_path(program: &str) -> bool {
    let path = std::env::var_os("PATH").unwrap_or_default();
    std::env::split_paths(&path).any(|folder| folder.join(program).is_file())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_path_is_quoted_only_where_a_shell_needs_it() {
        assert_eq!(quoted(Path::new("/tmp/a-b/kubeconfig")), "/tmp/a-b/kubeconfig");
        assert_eq!(quoted(Path::new("/tmp/it's here")), r"'/tmp/it'\''s here'");
    }
}
