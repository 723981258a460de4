//! The ledger of the erased that a process is given as a file.

use std::collections::BTreeSet;

use crate::adapters::erasures::FileErasures;
use crate::application::airline::Airline;
use crate::config::Ledger;
use crate::ports::erasures::Erasures;

/// Erases again whom the file or the airline's own ledger names. A file that is not there names nobody.
pub async fn replay(airline: &Airline, given: &Ledger) -> anyhow::Result<()> {
    let named = match &given.erased {
        Some(path) => FileErasures::at(path).all().await,
        None => Ok(BTreeSet::new()),
    };
    let named = named.map_err(anyhow::Error::from_boxed)?;
    Ok(airline.erasure.replay(named).await?)
}
