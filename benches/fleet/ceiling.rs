//! What no operator can be faster than on this machine: the writes that none can avoid, and nothing else.

use anyhow::Result;
use serde_json::json;

use crate::{Size, clients::fleet, figures::Figures, meter::Meter, rig::Rig, watch::Watch};

/// Creates a fleet and settles it, watched as the operator's fleet is.
pub(crate) async fn measure(rig: &Rig, size: Size, figures: &mut Figures) -> Result<()> {
    let items = fleet("ceiling", size.triples, size.clusters);
    let watch = Watch::start(&rig.client);
    let status = json!({"observedGeneration": 1, "conditions": [{
        "type": "Ready", "status": "True", "reason": "Ready", "observedGeneration": 1,
        "lastTransitionTime": "2026-01-01T00:00:00Z", "message": "as declared",
    }]});
    let meter = Meter::without_operator(rig).await?;
    rig.clients.create_and_settle(&items, &status).await?;
    watch.ready(items.len()).await?;
    meter.stop_alone(rig, ("ceiling", items.len()), figures).await
}
