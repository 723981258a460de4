//! `albatross admin`: an administrator with a one-time log-in link.

use std::sync::Arc;

use anyhow::bail;
use secrecy::ExposeSecret;

use crate::adapters::system::SystemEntropy;
use crate::app::assemble::{self, Backends};
use crate::app::resources;
use crate::config::Admin;

pub async fn run(config: Admin) -> anyhow::Result<()> {
    let backends = Backends::local(assemble::stores(&config.database).await?);
    let passwords = resources::passwords(Arc::new(SystemEntropy))?;
    let airline = assemble::airline(&config.tenant, &backends, passwords).await?;
    if !airline.admin_setup.is_declared().await? {
        let Some(icao_code) = config.icao_code else {
            bail!("the airline has not been declared yet: give its --icao-code and --airline name");
        };
        let display_name = config.airline.unwrap_or(config.tenant.tenant);
        airline.admin_setup.declare(display_name, icao_code).await?;
    }
    let link = airline
        .admin_setup
        .link(&config.email, &config.name)
        .await?;
    println!("{} logs in once with", config.email.trim());
    println!("{}", link.expose_secret());
    Ok(())
}
