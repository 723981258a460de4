//! Password hashes: Argon2id, off the async threads, with a bounded number of hashes at a time.

use std::sync::Arc;
use std::time::Duration;

use argon2::password_hash::PasswordVerifier;
use argon2::password_hash::phc::PasswordHash;
use argon2::{Algorithm, Argon2, Params, PasswordHasher, Version};
use secrecy::{ExposeSecret, SecretString};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::time::timeout;

use crate::application::error::ServiceError;
use crate::ports::clock::Entropy;

/// At least this many characters.
pub const MIN_PASSWORD_CHARS: usize = 12;
/// At most this many bytes: hashing is not a service for strangers' novels.
pub const MAX_PASSWORD_BYTES: usize = 1_024;

const MEMORY_KIB: u32 = 19_456;
const PASSES: u32 = 2;
const LANES: u32 = 1;
/// A stored hash that asks for more than this is not one of ours: verifying it could exhaust memory.
const MAX_STORED_MEMORY_KIB: u32 = 4 * MEMORY_KIB;
const MAX_STORED_PASSES: u32 = 16;
const MAX_STORED_LANES: u32 = 4;
/// Verified against when the user is unknown, so that both answers cost the same.
const DECOY: &str = "$argon2id$v=19$m=19456,t=2,p=1\
    $bm9ib2R5J3Mgc2FsdC4uLg$dGhlIGhhc2ggb2Ygbm8gcGFzc3dvcmQgYXQgYWxsLi4";
const WAIT: Duration = Duration::from_secs(2);

/// Hashes and verifies passwords.
pub struct Passwords {
    slots: Arc<Semaphore>,
    entropy: Arc<dyn Entropy>,
}

/// What became of a verification.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    Wrong,
    Right,
    /// Right, but hashed with other parameters than today's: hash it anew.
    RightButOutdated,
}

impl Passwords {
    /// `slots`: how many hashes of 19 MiB may run at a time, at least one.
    pub fn new(slots: usize, entropy: Arc<dyn Entropy>) -> Self {
        Self {
            slots: Arc::new(Semaphore::new(slots.max(1))),
            entropy,
        }
    }

    /// The PHC string of a new password.
    ///
    /// # Errors
    /// `Invalid` when its length is not allowed, `Busy` when no slot came free in time.
    pub async fn hash(&self, password: SecretString) -> Result<String, ServiceError> {
        check_length("/password", &password)?;
        let entropy = Arc::clone(&self.entropy);
        self.run(move || hash(&password, &*entropy)).await?
    }

    /// Compares with the stored PHC string; without one it takes as long and answers `Wrong`.
    pub async fn verify(
        &self,
        password: SecretString,
        stored: Option<&str>,
    ) -> Result<Verdict, ServiceError> {
        if password.expose_secret().len() > MAX_PASSWORD_BYTES {
            return Ok(Verdict::Wrong);
        }
        let known = stored.is_some();
        let phc = stored.unwrap_or(DECOY).to_owned();
        let verdict = self.run(move || verify(&password, &phc)).await??;
        Ok(if known { verdict } else { Verdict::Wrong })
    }

    /// The permit moves into the blocking task: a caller that gives up frees no slot early.
    async fn run<T: Send + 'static>(
        &self,
        work: impl FnOnce() -> T + Send + 'static,
    ) -> Result<T, ServiceError> {
        let permit = self.slot().await?;
        let task = tokio::task::spawn_blocking(move || {
            let _permit = permit;
            work()
        });
        task.await
            .map_err(|error| ServiceError::Unavailable(error.into()))
    }

    async fn slot(&self) -> Result<OwnedSemaphorePermit, ServiceError> {
        let slots = Arc::clone(&self.slots);
        match timeout(WAIT, slots.acquire_owned()).await {
            Ok(Ok(permit)) => Ok(permit),
            Ok(Err(closed)) => Err(ServiceError::Unavailable(closed.into())),
            Err(_) => Err(ServiceError::Busy { retry_after: WAIT }),
        }
    }
}

/// Twelve characters at least, a kilobyte at most; nothing else is asked of a password.
pub fn check_length(pointer: &str, password: &SecretString) -> Result<(), ServiceError> {
    let password = password.expose_secret();
    let detail = if password.len() > MAX_PASSWORD_BYTES {
        format!("at most {MAX_PASSWORD_BYTES} bytes")
    } else if password.chars().count() < MIN_PASSWORD_CHARS {
        format!("at least {MIN_PASSWORD_CHARS} characters")
    } else {
        return Ok(());
    };
    Err(ServiceError::invalid(pointer, "length", detail))
}

fn argon2() -> Result<Argon2<'static>, ServiceError> {
    let params = Params::new(MEMORY_KIB, PASSES, LANES, None).map_err(corrupt)?;
    Ok(Argon2::new(Algorithm::Argon2id, Version::V0x13, params))
}

fn hash(password: &SecretString, entropy: &dyn Entropy) -> Result<String, ServiceError> {
    let mut salt = [0u8; 16];
    entropy.fill(&mut salt);
    let hash = argon2()?
        .hash_password_with_salt(password.expose_secret().as_bytes(), &salt)
        .map_err(corrupt)?;
    Ok(hash.to_string())
}

fn verify(password: &SecretString, phc: &str) -> Result<Verdict, ServiceError> {
    let stored = PasswordHash::new(phc).map_err(corrupt)?;
    let params = Params::try_from(&stored).map_err(corrupt)?;
    let sane = params.m_cost() <= MAX_STORED_MEMORY_KIB
        && params.t_cost() <= MAX_STORED_PASSES
        && params.p_cost() <= MAX_STORED_LANES;
    if !sane {
        return Err(corrupt("a stored password hash asks for too much work"));
    }
    let password = password.expose_secret().as_bytes();
    Ok(match argon2()?.verify_password(password, &stored) {
        Err(_) => Verdict::Wrong,
        Ok(()) if is_current(&stored, &params) => Verdict::Right,
        Ok(()) => Verdict::RightButOutdated,
    })
}

fn is_current(stored: &PasswordHash, params: &Params) -> bool {
    stored.algorithm == Algorithm::Argon2id.ident()
        && stored.version == Some(Version::V0x13.into())
        && (params.m_cost(), params.t_cost(), params.p_cost()) == (MEMORY_KIB, PASSES, LANES)
}

fn corrupt(error: impl std::fmt::Display) -> ServiceError {
    ServiceError::Corrupt(format!("password hash: {error}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    struct Zeros;

    impl Entropy for Zeros {
        fn fill(&self, bytes: &mut [u8]) {
            bytes.fill(0);
        }
    }

    fn passwords() -> Passwords {
        Passwords::new(1, Arc::new(Zeros))
    }

    fn secret(text: &str) -> SecretString {
        text.to_owned().into()
    }

    #[tokio::test]
    async fn a_password_verifies_against_its_own_hash_only() {
        let passwords = passwords();
        let phc = passwords
            .hash(secret("correct horse battery"))
            .await
            .unwrap();
        assert!(phc.starts_with("$argon2id$v=19$m=19456,t=2,p=1$"));
        let right = passwords.verify(secret("correct horse battery"), Some(&phc));
        assert_eq!(right.await.unwrap(), Verdict::Right);
        let wrong = passwords.verify(secret("correct horse batterz"), Some(&phc));
        assert_eq!(wrong.await.unwrap(), Verdict::Wrong);
    }

    #[test]
    fn the_decoy_costs_what_a_password_costs() {
        let decoy = PasswordHash::new(DECOY).unwrap();
        assert!(is_current(&decoy, &Params::try_from(&decoy).unwrap()));
    }

    #[tokio::test]
    async fn an_unknown_user_has_no_right_password() {
        let passwords = passwords();
        let decoy = passwords.verify(secret("a password that nobody has"), None);
        assert_eq!(decoy.await.unwrap(), Verdict::Wrong);
    }

    #[tokio::test]
    async fn a_hash_with_other_parameters_is_outdated() {
        let params = Params::new(64, 1, 1, None).unwrap();
        let weak = Argon2::new(Algorithm::Argon2id, Version::V0x13, params)
            .hash_password_with_salt(b"correct horse battery", &[1; 16])
            .unwrap()
            .to_string();
        let verdict = passwords()
            .verify(secret("correct horse battery"), Some(&weak))
            .await;
        assert_eq!(verdict.unwrap(), Verdict::RightButOutdated);
    }

    #[tokio::test]
    async fn a_stored_hash_cannot_ask_for_unbounded_memory() {
        let phc = "$argon2id$v=19$m=4194304,t=2,p=1$AAAAAAAAAAAAAAAAAAAAAA$\
                   AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA";
        let verdict = passwords()
            .verify(secret("correct horse battery"), Some(phc))
            .await;
        assert!(matches!(verdict, Err(ServiceError::Corrupt(_))));
    }

    #[tokio::test(start_paused = true)]
    async fn a_caller_waits_two_seconds_for_a_slot_and_not_longer() {
        let passwords = passwords();
        let _taken = Arc::clone(&passwords.slots).acquire_owned().await.unwrap();
        let answer = passwords.hash(secret("correct horse battery")).await;
        assert!(matches!(answer, Err(ServiceError::Busy { .. })));
    }

    #[test]
    fn length_is_the_only_rule() {
        assert!(check_length("/password", &secret("elevenchars")).is_err());
        assert!(check_length("/password", &secret("twelve chars")).is_ok());
        assert!(check_length("/password", &secret(&"x".repeat(1_025))).is_err());
    }
}
