//! `albatross rebuild`: the read model once more, from the log, beside the one that is served meanwhile.

use std::sync::Arc;

use secrecy::ExposeSecret;

use crate::adapters;
use crate::adapters::system::SystemEntropy;
use crate::app::assemble::{self, Backends};
use crate::app::progress::Progress;
use crate::app::resources;
use crate::application::projections::lane::Lane;
use crate::config::Rebuild;

pub async fn run(config: Rebuild) -> anyhow::Result<()> {
    let url = config.database.database_url.expose_secret();
    let backends = Backends::local(adapters::open_existing(url).await?);
    let passwords = resources::passwords(Arc::new(SystemEntropy));
    let airline = assemble::airline(&config.tenant, &backends, passwords).await?;
    for lane in Lane::ALL {
        let mut progress = Progress::new(format!("rebuilding {}", lane.name()));
        let mut watch = |done, of| progress.at(done, of);
        let rebuilt = airline.rebuild(lane, &mut watch).await;
        drop(progress);
        let position = rebuilt.map_err(|error| {
            let lane = lane.name();
            anyhow::anyhow!("{lane} are not rebuilt, and served as they were: {error}")
        })?;
        println!("{} are rebuilt, up to position {position}", lane.name());
    }
    backends.stores.close().await;
    Ok(())
}
