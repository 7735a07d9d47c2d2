//! The token of an account: renewed before it ends, by one holder at a time.
//!
//! Invariant: a new token is on record before it is used for the first time. Vendors that replace the refresh token at each use keep
//! the old one valid until the new one is used, so that whatever is lost on the way, the one on record renews
//! (`docs/decisions/tokens.md`).
//!
//! Whoever renews says so on record first: others go on with the old token while it lasts, and wait when it does not. What the other
//! side refuses for good is on record as well, as the one state that only a person ends: nobody asks again. After any other failure
//! nobody asks for a while, each time longer: the questions that a broken account costs are bounded, whoever asks.

use std::{fmt, sync::Arc, time::Duration};

use async_trait::async_trait;
use jiff::{SignedDuration, Timestamp};
use secrecy::{ExposeSecret as _, SecretString};
use serde::{Deserialize, Serialize};

use super::Metered;
use crate::{
    Error, Kind, Result, Retry,
    domain::{
        event::{Event, Told},
        ids::AccountId,
    },
    ports::{Clock, Swapped, Token, Tokens, sign_in},
};

/// How long before its end a token is renewed: at most so long, and a quarter of its life.
const MARGIN: SignedDuration = SignedDuration::from_mins(5);

/// How long a renewal may take before another holder tries: longer than the wait for a permit (half a minute at most), the call's
/// time-out (20 s) and the two writes, of two calls each where a key of KMS encrypts them.
const CLAIM: SignedDuration = SignedDuration::from_secs(90);

/// How long nobody asks again after the first failure; it doubles with each that follows, up to [`LONGEST`].
const AGAIN: SignedDuration = SignedDuration::from_secs(30);

/// The longest that nobody asks again.
const LONGEST: SignedDuration = SignedDuration::from_mins(30);

/// How often others may be faster before we give up.
const ROUNDS: u32 = 4;

/// Keeps the token of one account.
#[derive(Clone)]
pub struct Keeper {
    tokens: Arc<dyn Tokens>,
    account: AccountId,
    clock: Arc<dyn Clock>,
}

/// What the other side gave us.
#[derive(Debug, Clone)]
pub struct Grant {
    /// What opens the account.
    pub access: SecretString,
    /// How long it does; `None`: until somebody takes it back.
    pub lives: Option<Duration>,
    /// What the next one is asked with, where that takes more than the app's own credentials.
    pub refresh: Option<SecretString>,
    /// How long that can be used.
    pub refresh_lives: Option<Duration>,
}

/// Why there is no new token.
#[derive(Debug)]
pub enum NotRenewed {
    /// A person has to sign in (again), for this reason.
    SignIn(String),
    /// This time it failed. The error's retry says whether it may do better.
    Failed(Error),
    /// The account's limits, ours or the other side's, have no call for it now.
    HeldBack(Error),
}

/// How a connector gets a new token.
#[async_trait]
pub trait Renewal: Send + Sync {
    /// The app that the tokens are given to: those kept for another are not used.
    fn app(&self) -> &str;

    /// Asks for a new token with the last one's refresh token, if it had any. One call.
    async fn renew(&self, http: &Metered, refresh: Option<&SecretString>) -> Result<Grant, NotRenewed>;
}

/// How it stands with a kept token, for people.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Standing {
    /// When it ends.
    pub expires_at: Option<Timestamp>,
    /// Until when it can be renewed without a person, where that has an end.
    pub renewable_until: Option<Timestamp>,
    /// Why it is of no use any more, or what failed when it was renewed last.
    pub ended: Option<String>,
}

/// The kept text.
#[derive(Clone, Default, Serialize, Deserialize)]
struct Stored {
    app: String,
    access: Option<String>,
    renew_at: Option<Timestamp>,
    expires_at: Option<Timestamp>,
    refresh: Option<String>,
    refresh_expires_at: Option<Timestamp>,
    /// Somebody renews it, until then at most.
    renewing_until: Option<Timestamp>,
    /// The other side refused it for good.
    ended: Option<String>,
    /// Failures in a row, and the last one's words: nobody asks again before `renew_at`.
    #[serde(default)]
    strikes: u32,
    #[serde(default)]
    failed: Option<String>,
}

impl Stored {
    fn of(app: &str, grant: Grant, asked: Timestamp) -> Self {
        let end = |lives: Duration| {
            let lives = SignedDuration::try_from(lives).unwrap_or(SignedDuration::MAX);
            (lives, asked.saturating_add(lives).unwrap_or(Timestamp::MAX))
        };
        let life = grant.lives.map(end);
        Self {
            app: app.to_owned(),
            access: Some(grant.access.expose_secret().to_owned()),
            renew_at: life.map(|(lives, end)| end - MARGIN.min(lives / 4)),
            expires_at: life.map(|(_, end)| end),
            refresh: grant.refresh.map(|refresh| refresh.expose_secret().to_owned()),
            refresh_expires_at: grant.refresh_lives.map(|lives| end(lives).1),
            ..Self::default()
        }
    }

    /// The access token, if it is another than the refused one and not over at `now`.
    fn usable(&self, now: Timestamp, refused: Option<&SecretString>) -> Option<SecretString> {
        let access = self.access.as_deref().filter(|_| self.expires_at.is_none_or(|end| now < end))?;
        let refused = refused.is_some_and(|refused| refused.expose_secret() == access);
        (!refused).then(|| SecretString::from(access))
    }

    /// One failure more: nobody asks again for a while.
    fn failed(self, why: String, now: Timestamp) -> (Self, SignedDuration) {
        let wait = AGAIN.saturating_mul(1 << self.strikes.min(10)).min(LONGEST);
        let strikes = self.strikes.saturating_add(1);
        let renew_at = Some(now.saturating_add(wait).unwrap_or(Timestamp::MAX));
        (Self { strikes, failed: Some(why), renew_at, renewing_until: None, ..self }, wait)
    }

    fn token(&self) -> Result<Token> {
        let text = serde_json::to_string(self)
            .map_err(|cause| Error::new(Kind::Bug, "a token cannot be written as JSON").caused_by(cause))?;
        Ok(Token { value: text.into(), expires_at: self.expires_at })
    }
}

impl Keeper {
    /// The keeper of the token of `account`.
    pub fn new(tokens: Arc<dyn Tokens>, account: AccountId, clock: Arc<dyn Clock>) -> Self {
        Self { tokens, account, clock }
    }

    /// A token that opens the account: the kept one, or a new one if that is about to end.
    pub async fn token(&self, http: &Metered, renewal: &dyn Renewal) -> Result<SecretString> {
        self.current(http, renewal, None).await
    }

    /// The same after the other side refused `refused`, which ought to have been valid.
    pub async fn another(&self, http: &Metered, renewal: &dyn Renewal, refused: &SecretString) -> Result<SecretString> {
        self.current(http, renewal, Some(refused)).await
    }

    /// The other side refused a new token as well: nobody asks anything of it for a while, each time longer.
    pub async fn refuse(&self, renewal: &dyn Renewal, refused: &SecretString, why: &str) -> Result<()> {
        let Some(kept) = self.tokens.get(&self.account).await? else { return Ok(()) };
        let stored = self.read(&kept.token)?;
        if stored.app != renewal.app() || stored.access.as_deref() != Some(refused.expose_secret()) {
            return Ok(());
        }
        Event::TokenRefused { account: &self.account, why }.log();
        let (stored, _) = Stored { access: None, ..stored }.failed(why.to_owned(), self.clock.now());
        // Lost: somebody has written another token, which is to be tried.
        self.tokens.swap(&self.account, Some(kept.version), &stored.token()?).await.map(drop)
    }

    /// Whether a token could be kept now, see [`Tokens::ready`].
    pub async fn ready(&self) -> Result<()> {
        self.tokens.ready(&self.account).await
    }

    /// Keeps what a person has signed in for, whatever was kept before.
    pub async fn keep(&self, app: &str, grant: Grant) -> Result<()> {
        self.tokens.put(&self.account, &Stored::of(app, grant, self.clock.now()).token()?).await
    }

    /// How it stands with the kept token of `app`; `None` if there is none.
    pub async fn standing(&self, app: &str) -> Result<Option<Standing>> {
        let Some(kept) = self.tokens.get(&self.account).await? else { return Ok(None) };
        let stored = self.read(&kept.token)?;
        let of_use =
            stored.app == app && (stored.access.is_some() || stored.ended.is_some() || stored.failed.is_some());
        Ok(of_use.then_some(Standing {
            expires_at: stored.expires_at,
            renewable_until: stored.refresh_expires_at,
            ended: stored.ended.or(stored.failed),
        }))
    }

    async fn current(
        &self,
        http: &Metered,
        renewal: &dyn Renewal,
        refused: Option<&SecretString>,
    ) -> Result<SecretString> {
        for _ in 0..ROUNDS {
            let kept = self.tokens.get(&self.account).await?;
            let version = kept.as_ref().map(|kept| kept.version);
            let stored = kept.map(|kept| self.read(&kept.token)).transpose()?;
            let stored = stored.filter(|stored| stored.app == renewal.app());
            let now = self.clock.now();
            if let Some(stored) = &stored {
                if let Some(why) = &stored.ended {
                    return Err(self.sign_in(why));
                }
                let usable = stored.usable(now, refused);
                let renewing = stored.renewing_until.filter(|until| *until > now);
                match (usable, renewing) {
                    (Some(access), Some(_)) => return Ok(access),
                    (Some(access), None) if stored.renew_at.is_none_or(|at| now < at) => return Ok(access),
                    (None, Some(until)) => return Err(self.busy(until.duration_since(now))),
                    (None, None) => {
                        if let (Some(why), Some(at)) = (&stored.failed, stored.renew_at.filter(|at| now < *at)) {
                            return Err(later(why, at.duration_since(now)));
                        }
                    }
                    (Some(_), None) => {}
                }
            }
            let before = stored.unwrap_or_else(|| Stored { app: renewal.app().to_owned(), ..Stored::default() });
            let claim = Stored { renewing_until: Some(now + CLAIM), ..before.clone() };
            if let Swapped::Written(version) = self.tokens.swap(&self.account, version, &claim.token()?).await? {
                return self.renew(http, renewal, before, version, refused).await;
            }
        }
        Err(self.busy(SignedDuration::from_secs(1)))
    }

    /// Renews under our claim, which is `version`.
    async fn renew(
        &self,
        http: &Metered,
        renewal: &dyn Renewal,
        before: Stored,
        version: u64,
        refused: Option<&SecretString>,
    ) -> Result<SecretString> {
        let asked = self.clock.now();
        let refresh = before.refresh.clone().map(SecretString::from);
        match renewal.renew(http, refresh.as_ref()).await {
            Ok(grant) => {
                let access = grant.access.clone();
                // After a refusal the new one has to prove itself: until then the next failure counts on.
                let strikes = if before.failed.is_some() || refused.is_some() { before.strikes } else { 0 };
                let new = Stored { strikes, ..Stored::of(renewal.app(), grant, asked) };
                match self.tokens.swap(&self.account, Some(version), &new.token()?).await? {
                    Swapped::Written(_) => {
                        Event::TokenRenewed { account: &self.account, until: new.expires_at }.log();
                        Ok(access)
                    }
                    // A person signed in meanwhile, or our claim was over: what is on record holds.
                    Swapped::Other(_) => Err(self.busy(SignedDuration::from_secs(1))),
                }
            }
            Err(NotRenewed::SignIn(why)) => {
                Event::TokenEnded { account: &self.account, why: &why }.log();
                let ended = (before.access.is_some() || before.refresh.is_some()).then(|| why.clone());
                let end = Stored { ended, renewing_until: None, ..before };
                self.tokens.swap(&self.account, Some(version), &end.token()?).await?;
                Err(self.sign_in(&why))
            }
            // Nothing happened but our claim.
            Err(NotRenewed::HeldBack(error)) => {
                let usable = before.usable(self.clock.now(), refused);
                let unclaimed = Stored { renewing_until: None, ..before };
                self.tokens.swap(&self.account, Some(version), &unclaimed.token()?).await?;
                usable.ok_or(error)
            }
            Err(NotRenewed::Failed(error)) => {
                Event::TokenNotRenewed { account: &self.account, error: &error }.log();
                let now = self.clock.now();
                let usable = before.usable(now, refused);
                // One that was refused is of no use when it is asked for again either.
                let access = before.access.clone().filter(|_| refused.is_none());
                let (failed, wait) = Stored { access, ..before }.failed(error.to_string(), now);
                self.tokens.swap(&self.account, Some(version), &failed.token()?).await?;
                usable.ok_or_else(|| match error.retryable() {
                    Retry::After(asked) => error.retry(Retry::After(asked.max(wait.unsigned_abs()))),
                    Retry::Never | Retry::Backoff => error.retry(Retry::After(wait.unsigned_abs())),
                })
            }
        }
    }

    fn read(&self, token: &Token) -> Result<Stored> {
        serde_json::from_str(token.value.expose_secret())
            .map_err(|_| self.sign_in("what is kept as its token cannot be read"))
    }

    fn busy(&self, wait: SignedDuration) -> Error {
        let wait = Duration::try_from(wait).unwrap_or_default().max(Duration::from_secs(1));
        let words = format!("the token of {} is being renewed by another process", self.account);
        // Nobody's failure: whoever waits for it is not to be given up.
        Error::new(Kind::Limited, words).retry(Retry::After(wait))
    }

    /// What a person has to do.
    fn sign_in(&self, why: &str) -> Error {
        Error::new(Kind::Config, format!("{}: {why}: {}", self.account, sign_in(&self.account)))
    }
}

/// What failed before, said again without asking.
fn later(why: &str, wait: SignedDuration) -> Error {
    let words = format!("{why} (not asked again for {} s)", wait.as_secs().max(1));
    Error::new(Kind::Config, words).retry(Retry::After(wait.unsigned_abs()))
}

// Only names: the port may be one that keeps everything in memory.
impl fmt::Debug for Keeper {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Keeper").field("account", &self.account).finish_non_exhaustive()
    }
}
