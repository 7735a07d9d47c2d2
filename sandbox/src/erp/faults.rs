//! What the ERP can do wrong: one fault at a call, drawn by a seed, scripted for a certain call, or by the clock.

use std::time::Duration;

use crate::dice::Dice;

/// One way to misbehave at one call.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fault {
    /// 500, and nothing was done.
    ErrorBefore,
    /// It was done, and then 500.
    ErrorAfter,
    /// 503, and nothing was done.
    Unavailable,
    /// 429 with this `Retry-After`, in whole seconds, or without one.
    Limited(Option<Duration>),
    /// 401: the credentials are not valid any more.
    Unauthorized,
    /// No answer, and nothing is done.
    HangBefore,
    /// It was done, and no answer comes.
    HangAfter,
    /// No answer; it is done after this delay, when the caller has long gone.
    Late(Duration),
    /// The connection is reset, and nothing was done.
    ResetBefore,
    /// It was done, and the connection is reset.
    ResetAfter,
    /// It was done; the answer is a success whose body breaks off.
    BrokenBody,
    /// It was done; the answer comes a byte at a time, with this delay before each.
    Drip(Duration),
    /// Of a bulk the first half was done, and the answer is 400.
    Half,
}

/// What goes wrong, and how often.
#[derive(Debug, Clone, Default)]
pub struct Faults {
    /// The same seed draws the same faults for the same sequence of calls.
    pub seed: u64,
    /// Each fault, and how many calls of a thousand have it.
    pub per_thousand: Vec<(Fault, u16)>,
    /// Draw them only for calls that write.
    pub writes_only: bool,
    /// When the ERP is out of order.
    pub outages: Vec<Outage>,
    /// Words (a SKU, a reference) that spoil every call that holds them.
    pub poison: Vec<Poison>,
    /// How long a new document cannot be found yet.
    pub look_up_lag: Duration,
}

/// A window in which every call has the same fault.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Outage {
    /// Since when, counted from the ERP's start.
    pub from: Duration,
    /// Until when.
    pub until: Duration,
    /// What every call meets.
    pub fault: Fault,
}

/// Words that spoil a call.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Poison {
    /// The words, anywhere in the body or the query.
    pub words: String,
    /// What the call is answered with; nothing is done.
    pub status: u16,
}

impl Faults {
    /// Nothing but these, drawn with `seed`.
    #[must_use]
    pub fn drawn(seed: u64, per_thousand: impl IntoIterator<Item = (Fault, u16)>) -> Self {
        Self { seed, per_thousand: per_thousand.into_iter().collect(), ..Self::default() }
    }

    /// The fault of call number `call`, which began `since_start`.
    pub(super) fn of(&self, call: u64, since_start: Duration, writes: bool) -> Option<Fault> {
        let out = self.outages.iter().find(|outage| (outage.from..outage.until).contains(&since_start));
        if let Some(outage) = out {
            return Some(outage.fault);
        }
        if self.writes_only && !writes {
            return None;
        }
        let roll = Dice::new(self.seed, call).below(1000);
        let mut reach = 0;
        self.per_thousand.iter().find_map(|(fault, share)| {
            reach += u64::from(*share);
            (roll < reach).then_some(*fault)
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_same_seed_draws_the_same_faults_about_as_often_as_asked() {
        let faults = Faults::drawn(1, [(Fault::ErrorBefore, 100), (Fault::HangAfter, 50)]);
        let draw = |faults: &Faults| -> Vec<Option<Fault>> {
            (0..10_000).map(|call| faults.of(call, Duration::ZERO, true)).collect()
        };
        let drawn = draw(&faults);
        assert_eq!(drawn, draw(&faults));
        assert_ne!(drawn, draw(&Faults { seed: 2, ..faults.clone() }));
        let share = |fault| drawn.iter().filter(|of| **of == Some(fault)).count();
        assert!((900..1100).contains(&share(Fault::ErrorBefore)), "{}", share(Fault::ErrorBefore));
        assert!((400..600).contains(&share(Fault::HangAfter)), "{}", share(Fault::HangAfter));
        let reads = Faults { writes_only: true, ..faults };
        assert!((0..1000).all(|call| reads.of(call, Duration::ZERO, false).is_none()));
    }

    #[test]
    fn an_outage_lasts_as_long_as_it_says() {
        let (from, until) = (Duration::from_secs(1), Duration::from_secs(2));
        let faults = Faults { outages: vec![Outage { from, until, fault: Fault::Unavailable }], ..Faults::default() };
        let at = |millis| faults.of(0, Duration::from_millis(millis), false);
        assert_eq!(
            [at(999), at(1000), at(1999), at(2000)],
            [None, Some(Fault::Unavailable), Some(Fault::Unavailable), None]
        );
    }
}
