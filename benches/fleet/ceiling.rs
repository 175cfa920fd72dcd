//! What no operator can be faster than on this machine: the writes that none can avoid, and nothing else.

use std::time::Instant;

use anyhow::Result;
use serde_json::json;

use crate::{
    Arguments,
    clients::{KINDS, fleet},
    figures::Figures,
    rig::Rig,
    watch::Watch,
};

/// Creates a fleet and settles it, watched as the operator's fleet is.
#[allow(clippy::cast_precision_loss, reason = "far below 2^52")]
pub(crate) async fn measure(rig: &Rig, arguments: &Arguments, figures: &mut Figures) -> Result<()> {
    let items = fleet("ceiling", arguments.triples, arguments.clusters);
    let watch = Watch::start(&rig.client);
    let status = json!({"observedGeneration": 1, "conditions": [{
        "type": "Ready", "status": "True", "reason": "Reconciled", "observedGeneration": 1,
        "lastTransitionTime": "2026-01-01T00:00:00Z", "message": "what is declared is there",
    }]});
    let begin = Instant::now();
    rig.clients.create_and_settle(&items, &status).await?;
    watch.ready(arguments.triples * KINDS.len()).await?;
    figures.add("ceiling", "objects/s", items.len() as f64 / begin.elapsed().as_secs_f64());
    Ok(())
}
