//! One exchange with a coordinator as others see it: a span for traces, a word to the observer.

use std::{
    hash::{DefaultHasher, Hash, Hasher},
    sync::Arc,
    time::Instant,
};

use http::StatusCode;
use tracing::{Span, debug_span, field};

use super::{Observer, Request};

/// The paths that this client asks, without the database that they are asked in. A segment in braces stands for a name.
/// Of two that fit, the first counts.
const ROUTES: &[&str] = &[
    "/_admin/cluster/health",
    "/_admin/cluster/maintenance",
    "/_admin/cluster/maintenance/{server}",
    "/_admin/cluster/nodeEngine",
    "/_admin/cluster/nodeStatistics",
    "/_admin/cluster/nodeVersion",
    "/_admin/cluster/numberOfServers",
    "/_admin/license",
    "/_admin/server/availability",
    "/_admin/server/id",
    "/_admin/server/mode",
    "/_admin/server/role",
    "/_admin/status",
    "/_admin/time",
    "/_api/cluster/endpoints",
    "/_api/collection",
    "/_api/collection/{collection}/count",
    "/_api/database",
    "/_api/database/current",
    "/_api/database/user",
    "/_api/database/{database}",
    "/_api/engine",
    "/_api/user",
    "/_api/user/{user}",
    "/_api/user/{user}/database",
    "/_api/user/{user}/database/{database}",
    "/_api/user/{user}/database/{database}/{collection}",
    "/_api/version",
    "/_open/auth",
];

/// The route of a path that is none of these.
const OTHER: &str = "other";

/// The place of a path's route in [`ROUTES`], and whether it is asked in `_system`, in another database, or in none that it
/// names.
fn place(path: &str) -> (Option<usize>, Option<bool>) {
    let path = path.split('?').next().unwrap_or(path);
    let (system, rest) = match path.strip_prefix("/_db/").and_then(|rest| rest.split_once('/')) {
        Some((database, rest)) => (Some(database == "_system"), rest),
        None => (None, path.strip_prefix('/').unwrap_or(path)),
    };
    let fits = |route: &&str| {
        let mut expected = route.split('/').skip(1);
        let mut found = rest.split('/');
        loop {
            match (expected.next(), found.next()) {
                (None, None) => return true,
                (Some(expected), Some(found)) if expected == found || expected.starts_with('{') => {}
                _ => return false,
            }
        }
    };
    (ROUTES.iter().position(fits), system)
}

/// A path without its query and without anybody's names, such as `/_db/_system/_api/user/{user}`.
fn route(path: &str) -> String {
    let (place, system) = place(path);
    let database = match system {
        Some(true) => "/_db/_system",
        Some(false) => "/_db/{database}",
        None => "",
    };
    let route = place.and_then(|place| ROUTES.get(place));
    route.map_or_else(|| OTHER.to_owned(), |route| format!("{database}{route}"))
}

/// A number that requests have in common which take as long as each other, as a rule: those with the same method and route.
pub(super) fn kind_of(request: &Request) -> u64 {
    let mut hasher = DefaultHasher::new();
    (&request.method, place(&request.path).0).hash(&mut hasher);
    hasher.finish()
}

/// One exchange, told of when it ends, however it ends.
pub(super) struct Exchange<'a> {
    /// What happens in between belongs to it.
    pub(super) span: Span,
    /// The status of the answer; nothing while there is none.
    pub(super) status: Option<StatusCode>,
    observer: Option<&'a Arc<dyn Observer>>,
    coordinator: &'a str,
    began: Instant,
}

impl<'a> Exchange<'a> {
    pub(super) fn begin(
        request: &Request,
        coordinator: &'a str,
        observer: Option<&'a Arc<dyn Observer>>,
    ) -> Self {
        let span = debug_span!(
            "exchange",
            method = %request.method,
            route = route(&request.path),
            coordinator,
            status = field::Empty
        );
        Self { span, status: None, observer, coordinator, began: Instant::now() }
    }
}

impl Drop for Exchange<'_> {
    fn drop(&mut self) {
        if let Some(status) = self.status {
            self.span.record("status", i64::from(status.as_u16()));
        }
        if let Some(observer) = self.observer {
            observer.exchanged(self.coordinator, self.status, self.began.elapsed());
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_route_names_nobody() {
        for (path, expected) in [
            ("/_open/auth", "/_open/auth"),
            ("/_admin/server/availability", "/_admin/server/availability"),
            ("/_db/_system/_api/user", "/_db/_system/_api/user"),
            ("/_db/_system/_api/user/alice", "/_db/_system/_api/user/{user}"),
            ("/_db/_system/_api/user/database", "/_db/_system/_api/user/{user}"),
            (
                "/_db/_system/_api/user/a%2Fb/database/shop?configured=true",
                "/_db/_system/_api/user/{user}/database/{database}",
            ),
            (
                "/_db/_system/_api/user/a/database/*/*",
                "/_db/_system/_api/user/{user}/database/{database}/{collection}",
            ),
            ("/_db/_system/_api/database/shop", "/_db/_system/_api/database/{database}"),
            ("/_db/shop/_api/database/current", "/_db/{database}/_api/database/current"),
            ("/_db/shop/_api/collection/orders/count", "/_db/{database}/_api/collection/{collection}/count"),
            ("/_db/shop/_api/collection?excludeSystem=true", "/_db/{database}/_api/collection"),
            (
                "/_db/_system/_admin/cluster/maintenance/PRMR-1",
                "/_db/_system/_admin/cluster/maintenance/{server}",
            ),
            ("/_db/shop/_api/document/orders/1", OTHER),
            ("/_api/user/a/b/c/d/e", OTHER),
            ("/_db/shop", OTHER),
            ("", OTHER),
        ] {
            assert_eq!(route(path), expected, "{path}");
        }
    }
}
