//! The front door of `puente serve`: so many requests a second and a day for each connection. (On AWS the API Gateway's usage
//! plans do this.)
//!
//! A request is counted once it is known to be the shop's own: its key is right and its signature holds. Forged ones, which whoever
//! knows the key can send, are counted apart: they cost the shop nothing, and more than [`FORGED`] of them are told to come later.
//! Genuine ones come through meanwhile, because nothing but the signature tells them apart.
//!
//! The day is UTC's. Its count is written down every few requests, so a restart forgets at most [`KEPT_EVERY`] − 1 of them: the
//! front door is kept open rather than shut, since only the ERP's side promises exactness.

use std::{
    collections::HashMap,
    num::NonZeroU32,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use governor::{
    Quota, RateLimiter,
    clock::Clock as _,
    middleware::NoOpMiddleware,
    nanos::Nanos,
    state::{InMemoryState, NotKeyed},
};
use jiff::{Timestamp, ToSpan as _, civil::Date, tz::TimeZone};

use crate::{
    Error, Kind, Result, Retry,
    config::FrontDoor,
    domain::{
        event::{Event, Told},
        ids::ConnectionId,
    },
    parties::Connection,
    ports::{Admitted, Clock, Doors},
};

/// After how many requests a day's count is written down.
pub const KEPT_EVERY: u32 = 10;

/// How many forged requests of a connection are answered as such at once, and how long it takes until one more is.
pub const FORGED: (NonZeroU32, Duration) = (NonZeroU32::MIN.saturating_add(29), Duration::from_secs(2));

/// The front doors of all connections.
pub struct FrontDoors {
    clock: Arc<dyn Clock>,
    kept: Arc<dyn Doors>,
    doors: Mutex<HashMap<ConnectionId, Arc<Door>>>,
}

type Rate = RateLimiter<NotKeyed, InMemoryState, Steady, NoOpMiddleware<Nanos>>;

struct Door {
    limits: FrontDoor,
    rate: Rate,
    forged: Rate,
    /// How often the log says that there is a flood of them.
    alarm: Rate,
    today: tokio::sync::Mutex<Option<Count>>,
}

/// What was let in on a day, and how much of that is written down.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Count {
    day: Date,
    used: u32,
    kept: u32,
}

/// The [`Clock`], made steady for the rate: a clock that is put back stands still for a moment, instead of keeping the door
/// shut until it has caught up.
#[derive(Clone)]
struct Steady {
    clock: Arc<dyn Clock>,
    /// The last reading, and the time that has passed in all.
    passed: Arc<Mutex<(Timestamp, Duration)>>,
}

impl Steady {
    fn new(clock: Arc<dyn Clock>) -> Self {
        let passed = Arc::new(Mutex::new((clock.now(), Duration::ZERO)));
        Self { clock, passed }
    }
}

impl governor::clock::Clock for Steady {
    type Instant = Nanos;

    fn now(&self) -> Nanos {
        let now = self.clock.now();
        let mut passed = self.passed.lock().unwrap_or_else(PoisonError::into_inner);
        let (last, before) = *passed;
        let total = before + Duration::try_from(now.duration_since(last)).unwrap_or_default();
        *passed = (now, total);
        total.into()
    }
}

impl FrontDoors {
    /// Front doors that keep their day's counts in `kept`.
    #[must_use]
    pub fn new(clock: Arc<dyn Clock>, kept: Arc<dyn Doors>) -> Self {
        Self { clock, kept, doors: Mutex::new(HashMap::new()) }
    }

    /// Lets one request in, or says when to come back: [`Kind::Limited`].
    pub async fn admit(&self, connection: &Connection) -> Result<()> {
        let door = self.door(connection);
        if let Some(wait) = wait(&door.rate) {
            return Err(limited("the connection's requests of this second are used up", wait));
        }
        let now = self.clock.now();
        let today = now.to_zoned(TimeZone::UTC).date();
        let mut count = door.today.lock().await;
        let mut next = match *count {
            Some(count) => count,
            None => self.kept(&connection.id).await.unwrap_or(Count { day: today, used: 0, kept: 0 }),
        };
        // Only forwards: a clock that is put back does not open a day again.
        if next.day < today {
            next = Count { day: today, used: 0, kept: 0 };
        }
        if next.used >= door.limits.per_day {
            *count = Some(next);
            return Err(limited("the connection's requests of this day (UTC) are used up", until_midnight(now, today)));
        }
        next.used += 1;
        if next.used - next.kept >= KEPT_EVERY || next.used >= door.limits.per_day {
            let admitted = Admitted { day: next.day, requests: next.used };
            match self.kept.set_admitted(&connection.id, admitted).await {
                Ok(()) => next.kept = next.used,
                Err(error) => Event::DoorNotKept { connection: &connection.id, error: &error }.log(),
            }
        }
        *count = Some(next);
        Ok(())
    }

    /// Counts a request that is not, or cannot be known to be, the shop's own: [`Kind::Limited`] for a flood of them.
    pub fn suspect(&self, connection: &Connection) -> Result<()> {
        let door = self.door(connection);
        let Some(until) = wait(&door.forged) else { return Ok(()) };
        if wait(&door.alarm).is_none() {
            let todo = "somebody who knows its key sends forged requests; they cost the shop nothing, but its key should be changed";
            Event::DoorFlooded { connection: &connection.id, todo }.log();
        }
        Err(limited("too many requests of this connection have no signature, or a wrong one", until))
    }

    fn door(&self, connection: &Connection) -> Arc<Door> {
        let limits = connection.front_door;
        let mut doors = self.doors.lock().unwrap_or_else(PoisonError::into_inner);
        // A door whose limits were changed is hung anew.
        if let Some(door) = doors.get(&connection.id).filter(|door| door.limits == limits) {
            return door.clone();
        }
        let per_second = NonZeroU32::new(limits.per_second).unwrap_or(NonZeroU32::MIN);
        let limiter = |quota| RateLimiter::direct_with_clock(quota, Steady::new(self.clock.clone()));
        let (burst, period) = FORGED;
        let forged = Quota::with_period(period).unwrap_or(Quota::per_minute(burst)).allow_burst(burst);
        let (rate, forged) = (limiter(Quota::per_second(per_second)), limiter(forged));
        let alarm = limiter(Quota::per_hour(NonZeroU32::MIN));
        let door = Arc::new(Door { limits, rate, forged, alarm, today: tokio::sync::Mutex::new(None) });
        doors.insert(connection.id.clone(), door.clone());
        door
    }

    /// The count that was written down last.
    async fn kept(&self, connection: &ConnectionId) -> Option<Count> {
        match self.kept.admitted(connection).await {
            Ok(admitted) => admitted.map(|Admitted { day, requests }| Count { day, used: requests, kept: requests }),
            Err(error) => {
                Event::DoorNotRead { connection, error: &error }.log();
                None
            }
        }
    }
}

/// Takes one of a rate's requests, or says how long there is none.
fn wait(rate: &Rate) -> Option<Duration> {
    rate.check().err().map(|not_until| not_until.wait_time_from(rate.clock().now()))
}

fn limited(words: &'static str, wait: Duration) -> Error {
    Error::new(Kind::Limited, words).retry(Retry::After(wait))
}

fn until_midnight(now: Timestamp, today: Date) -> Duration {
    let midnight = today.saturating_add(1.day()).to_zoned(TimeZone::UTC).map_or(now, |zoned| zoned.timestamp());
    Duration::try_from(midnight.duration_since(now)).unwrap_or_default()
}
