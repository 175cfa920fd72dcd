//! What a plan would destroy: databases with something in them.

use super::{Entry, Report, report::Risk};
use crate::{arango::Client, core::DatabaseName};

/// The databases that would be dropped with collections in them, by name, with the number of these; nothing where that
/// can't be told, which is no proof that there are none.
pub async fn with_data(client: &Client, report: &Report) -> Vec<(String, Option<usize>)> {
    let drops = |entry: &&Entry| entry.actions.iter().any(|action| action.risk == Risk::DestroysData);
    let mut lost = Vec::new();
    for name in report.objects.iter().filter(drops).filter_map(|entry| entry.object.as_deref()) {
        let name = name.strip_prefix("database ").unwrap_or(name);
        let found = client.collections(&DatabaseName::from_server(name)).await.ok();
        let own = found.map(|all| all.iter().filter(|one| !one.name.is_system()).count());
        if own != Some(0) {
            lost.push((name.to_owned(), own));
        }
    }
    lost
}
