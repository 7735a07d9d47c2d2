//! The network before the ERP, and what goes wrong in it.

use std::{sync::Arc, time::Duration};

use puente::{
    Error, Kind, Retry,
    domain::ids::{Reference, order_of},
    erp::SendError,
    outbound::Calls,
};

use super::{Books, ModelErp, Sent, Told};
use crate::{
    executor::Micros,
    fault::{Fault, Place},
    world::{Effect, HOUR, MINUTE, SECOND},
};

/// Why a call brought no answer to read.
pub(super) enum Lost {
    /// Nothing left us, or the account is closed for everybody.
    Account(Error),
    /// Nobody knows.
    Unknown(Error),
}

impl Lost {
    pub(super) fn send_error(&self) -> SendError {
        let again = |error: &Error| Error::new(error.kind(), error.to_string()).retry(error.retryable());
        match self {
            Self::Account(error) => SendError::Account(again(error)),
            Self::Unknown(error) => SendError::Unknown(again(error)),
        }
    }
}

type Act<T> = Box<dyn FnMut(&ModelErp, &mut Books) -> T + Send>;

impl ModelErp {
    /// One call: permit, first byte, what the ERP does, answer. `makes`: the references it may make.
    pub(super) async fn reach<T: Send + 'static>(
        self: &Arc<Self>,
        calls: &Calls<'_>,
        what: &'static str,
        makes: &[Reference],
        act: impl FnMut(&Self, &mut Books) -> T + Send + 'static,
    ) -> std::result::Result<T, Lost> {
        let world = &self.world;
        let effect = world.effect(Place::Erp, what);
        match effect {
            Effect::DieBefore => world.die().await,
            Effect::FreezeBefore(time) => world.freeze(time).await,
            _ => {}
        }
        let timeout = self.settings().patience.timeout;
        calls.http.permit(timeout).await.map_err(Lost::Account)?;
        let permille = world.faults().permille;
        let stalled = world.strikes(Fault::FreezeBeforeSend, permille);
        if stalled {
            world.freeze(world.chance.within(5 * SECOND, 10 * MINUTE)).await;
        }
        let at = world.now();
        self.books().sent.push(Sent { at, stalled });
        world.say(|| format!("> {what}"));
        let act: Act<T> = Box::new(act);
        let timeout = Micros::try_from(timeout.as_micros()).unwrap_or(MINUTE);
        let answer = self.answer(what, effect, timeout, makes, act).await;
        world.say(|| format!("< {what}: {}", if answer.is_ok() { "answered" } else { "not answered" }));
        match effect {
            Effect::DieAfter => world.die().await,
            Effect::FreezeAfter(time) => world.freeze(time).await,
            _ => {}
        }
        answer
    }

    async fn answer<T: Send + 'static>(
        self: &Arc<Self>,
        what: &'static str,
        effect: Effect,
        timeout: Micros,
        makes: &[Reference],
        mut act: Act<T>,
    ) -> std::result::Result<T, Lost> {
        let world = &self.world;
        let unknown = |words: &'static str| Lost::Unknown(Error::new(Kind::Unavailable, words));
        let account = |words: &'static str| Lost::Account(Error::new(Kind::Unavailable, words));
        if let Some(closed) = self.closed() {
            world.executor.sleep(world.chance.within(1_000, 200_000)).await;
            return Err(closed);
        }
        // Processing takes a while, always less than the time-out where nothing goes wrong.
        let told = self.books().takes;
        let takes = told.unwrap_or_else(|| world.chance.within(20_000, (timeout / 3).min(2 * SECOND)));
        match effect {
            Effect::Fail => {
                world.executor.sleep(takes).await;
                return Err(unknown("the ERP answered 500"));
            }
            Effect::Unanswered => {
                world.executor.sleep(takes).await;
                self.act(&mut act);
                world.executor.sleep(timeout - takes).await;
                return Err(unknown("no answer in time"));
            }
            // Something in between sent it again: the second answer is the one that comes back.
            Effect::Twice => {
                self.act(&mut act);
                world.executor.sleep(takes).await;
            }
            _ => {}
        }
        let told = self.told(what);
        let Some(fault) = told.map(|told| told.fault).or_else(|| self.fault()) else {
            world.executor.sleep(takes).await;
            return Ok(self.act(&mut act));
        };
        match fault {
            Fault::ErpRefused => Err(account("the ERP refused the connection")),
            Fault::ErpTls => {
                world.executor.sleep(takes).await;
                Err(account("no TLS with the ERP"))
            }
            Fault::ErpResetBefore => {
                world.executor.sleep(takes).await;
                Err(unknown("the connection broke before the answer"))
            }
            Fault::ErpResetAfter => {
                self.act(&mut act);
                world.executor.sleep(takes).await;
                Err(unknown("the connection broke before the answer"))
            }
            Fault::ErpDrips => {
                world.executor.sleep(takes).await;
                self.act(&mut act);
                world.executor.sleep(timeout - takes).await;
                Err(unknown("no answer in time"))
            }
            Fault::ErpErrorBefore => {
                world.executor.sleep(takes).await;
                Err(unknown("the ERP answered 500"))
            }
            Fault::ErpErrorAfter => {
                world.executor.sleep(takes).await;
                self.act(&mut act);
                Err(unknown("the ERP answered 500"))
            }
            Fault::ErpBroken => {
                world.executor.sleep(takes).await;
                self.act(&mut act);
                Err(unknown("the ERP's answer cannot be read"))
            }
            Fault::ErpTooMany => {
                let wait = told.map_or_else(|| world.chance.within(1, 300) * SECOND, |told| told.time);
                let wait = Duration::from_micros(wait.unsigned_abs());
                let error = Error::new(Kind::Limited, "the ERP answered 429").retry(Retry::After(wait));
                Err(Lost::Account(error))
            }
            Fault::ErpTooManySilent => Err(Lost::Account(Error::new(Kind::Limited, "the ERP answered 429"))),
            Fault::ErpLate | Fault::ErpVeryLate => {
                let settle = Micros::try_from(self.settings().patience.settle.as_micros()).unwrap_or(MINUTE);
                let now = world.now();
                let lands = if let Some(told) = told {
                    now + told.time
                } else if fault == Fault::ErpLate {
                    // Within what the ERP can still be at work on it, clocks considered.
                    now + world.chance.within(timeout, (settle - SECOND).max(timeout + 1))
                } else {
                    // After the look-up that did not find it: `start_by` may lie minutes after this call.
                    now + settle + world.chance.within(0, 10 * MINUTE)
                };
                if fault == Fault::ErpVeryLate {
                    let orders = makes.iter().map(|reference| order_of(reference.as_str()).to_owned());
                    self.books().very_late.extend(orders);
                }
                let (erp, executor) = (Arc::clone(self), world.executor.clone());
                world.executor.spawn("the ERP", 0, async move {
                    executor.sleep_until(lands).await;
                    erp.world.say(|| "a lost call lands".to_owned());
                    erp.act(&mut act);
                });
                world.executor.sleep(timeout).await;
                Err(unknown("no answer in time"))
            }
            Fault::ErpQuotaGone | Fault::ErpUnauthorized => {
                self.books().closed = Some((fault, world.now() + world.chance.within(5 * MINUTE, 2 * HOUR)));
                world.executor.sleep(takes).await;
                Err(self.closed().unwrap_or_else(|| account("the ERP is closed")))
            }
            _ => {
                world.executor.sleep(takes).await;
                Ok(self.act(&mut act))
            }
        }
    }

    /// Whether nobody gets in just now.
    fn closed(&self) -> Option<Lost> {
        let books = self.books();
        let now = self.world.now();
        if books.down_until > now {
            return Some(Lost::Account(Error::new(Kind::Unavailable, "the ERP refused the connection")));
        }
        match books.closed {
            Some((Fault::ErpQuotaGone, until)) if until > now => {
                let wait = Duration::from_micros((until - now).unsigned_abs());
                Some(Lost::Account(Error::new(Kind::Limited, "the ERP's quota is gone").retry(Retry::After(wait))))
            }
            Some((_, until)) if until > now => {
                Some(Lost::Account(Error::new(Kind::Refused, "the ERP answered 401").retry(Retry::Backoff)))
            }
            _ => None,
        }
    }

    /// What was told to happen to this call.
    fn told(&self, what: &'static str) -> Option<Told> {
        let mut books = self.books();
        let place = books.told.iter().position(|told| told.call == what)?;
        Some(books.told.remove(place))
    }

    /// The fault of this call, if it has one. Where it is, faults of the ERP come more often than others: there are few calls.
    fn fault(&self) -> Option<Fault> {
        let permille = (self.world.faults().permille * 4).min(700);
        if !self.world.chance.permille(permille) {
            return None;
        }
        let mut kinds = self.world.faults().at(Place::Erp);
        kinds.retain(|kind| !matches!(kind, Fault::FreezeBeforeSend | Fault::LookUpLags | Fault::HalfCommitted));
        if kinds.is_empty() {
            return None;
        }
        let fault = self.world.chance.one_of(&kinds);
        self.world.struck(fault);
        Some(fault)
    }

    fn act<T>(&self, act: &mut Act<T>) -> T {
        act(self, &mut self.books())
    }
}
