//! `albatross erase`: a person is erased by whoever has the machine, whether the airline runs or not.

use std::io::{BufRead, IsTerminal, Write, stderr, stdin};
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context, bail};
use secrecy::ExposeSecret;
use tokio::time::timeout;

use crate::adapters;
use crate::adapters::system::SystemEntropy;
use crate::app::assemble::{self, Backends};
use crate::app::resources;
use crate::config::Erase;
use crate::domain::personal::Personal;

/// No more of what is typed is read.
const MAX_TYPED_BYTES: u64 = 1_000;
/// Nobody is kept from erasing by a cache.
const REDIS_PATIENCE: Duration = Duration::from_secs(5);

pub async fn run(config: Erase) -> anyhow::Result<()> {
    let url = config.database.database_url.expose_secret();
    let backends = Backends::local(adapters::open_existing(url).await?);
    let backends = backends.sharing(&config.redis)?;
    let passwords = resources::passwords(Arc::new(SystemEntropy));
    let airline = assemble::airline(&config.tenant, &backends, passwords).await?;
    let (erasure, named) = (&airline.erasure, &config.person);
    let person = erasure.find(named).await?.with_context(|| {
        format!(
            "no account of {} is {named}: who was erased is known by the id alone",
            airline.name()
        )
    })?;
    let (id, email) = (person.id.to_string(), &person.entity.email);
    if !config.yes {
        let called = email.as_ref().and_then(Personal::text).unwrap_or(&id);
        if !stdin().is_terminal() {
            bail!("there is no terminal to ask on: --yes erases {called} without asking");
        }
        confirm(called, stdin().lock(), stderr())?;
    }
    let connected = timeout(REDIS_PATIENCE, backends.connected()).await;
    if connected.is_err() {
        eprintln!("Redis does not answer: a key of theirs may be good for a minute more");
    }
    // Admins are counted by what is projected.
    airline.catch_up_with_people().await?;
    let erased = erasure.erase_seen(&person).await;
    erased.with_context(|| format!("erasing {id}"))?;
    // Whether a process follows the log or not: the lists forget them too.
    let caught_up = airline.catch_up().await;
    caught_up.with_context(|| {
        format!("{id} is erased; lists show who it was until a process has caught up with the log")
    })?;
    backends.stores.close().await;
    println!("{id} is erased");
    Ok(())
}

/// Who is meant has to be typed once more.
fn confirm(called: &str, from: impl BufRead, mut to: impl Write) -> anyhow::Result<()> {
    write!(
        to,
        "Nothing brings a person back. Type {called} to erase them: "
    )?;
    to.flush()?;
    let mut typed = String::new();
    from.take(MAX_TYPED_BYTES).read_line(&mut typed)?;
    if typed.trim() != called {
        bail!("that is not {called}: nobody is erased");
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    const ADA: &str = "ada@skyways.example";

    #[test]
    fn whoever_types_the_address_has_confirmed() {
        let mut shown = Vec::new();
        confirm(ADA, &b" ada@skyways.example\n"[..], &mut shown).unwrap();
        let shown = String::from_utf8(shown).unwrap();
        assert!(shown.contains("Type ada@skyways.example to erase them: "));
    }

    #[test]
    fn anything_else_erases_nobody() {
        for typed in ["", "\n", "y\n", "yes\n", "ada\n", "eve@skyways.example\n"] {
            let refused = confirm(ADA, typed.as_bytes(), Vec::new()).unwrap_err();
            assert!(refused.to_string().contains("nobody is erased"), "{typed}");
        }
    }
}
