//! `albatross admin`: an administrator with a one-time log-in link.

use std::sync::Arc;

use secrecy::ExposeSecret;

use crate::adapters::system::SystemEntropy;
use crate::app::assemble::{self, Backends};
use crate::app::resources;
use crate::config::Admin;

pub async fn run(config: Admin) -> anyhow::Result<()> {
    let backends = Backends::local(assemble::stores(&config.database).await?);
    let passwords = resources::passwords(Arc::new(SystemEntropy));
    let airline = assemble::airline(&config.tenant, &backends, passwords).await?;
    if !airline.admin_setup.is_declared().await? {
        let name = &config.tenant.tenant;
        let icao_code = config.icao_code.unwrap_or_else(|| icao_code(name));
        let display_name = config.airline.unwrap_or_else(|| name.clone());
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

/// Three letters that resemble the name, until somebody declares better ones.
fn icao_code(name: &str) -> String {
    let letters = name.chars().filter(char::is_ascii_alphabetic);
    let code = letters.map(|letter| letter.to_ascii_uppercase());
    code.chain("XXX".chars()).take(3).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_code_is_three_capital_letters() {
        assert_eq!(icao_code("skyways"), "SKY");
        assert_eq!(icao_code("a-1"), "AXX");
    }
}
