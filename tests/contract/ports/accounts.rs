//! [`puente::ports::Accounts`]: each operation is the pure one of [`Ledger`], also when many ask at once.

use futures::future::join_all;
use jiff::{SignedDuration, Timestamp};
use proptest::{
    prelude::*,
    test_runner::{Config, TestRunner},
};
use puente::{
    domain::{
        ids::{AccountId, ConnectionId},
        ledger::{Denied, Departed, Hold, Ledger, Limits, Purpose, Released, Request, Slots, Spent, Taken, Use},
    },
    ports::Accounts,
};

use super::{Ports, at};

/// One operation on an account.
#[derive(Debug, Clone)]
pub(super) enum Move {
    Take(u8),
    Mark,
    /// By the conductor on record or one before; with its mark, an old mark, or none.
    Release {
        back: u64,
        seen: Option<u64>,
    },
    Reserve {
        k: u32,
        purpose: Purpose,
        leased: bool,
        back: u64,
    },
    Block(i64),
    Unblock,
    Departed {
        back: u64,
        at: Option<i64>,
        calls: u32,
    },
}

/// What an operation answered.
#[derive(Debug, PartialEq)]
pub(super) enum Answer {
    Taken(Box<Taken>),
    Marked(bool),
    Released(Released),
    Reserved(Result<Slots, Denied>),
    Nothing,
}

pub(super) fn moves() -> impl Strategy<Value = Vec<(i64, Move)>> {
    let back = || prop_oneof![4 => Just(0_u64), 1 => Just(1)];
    let purpose = prop_oneof![2 => Just(Purpose::Orders), 1 => Just(Purpose::Other)];
    let one = prop_oneof![
        3 => (0_u8..3).prop_map(Move::Take),
        2 => Just(Move::Mark),
        2 => (back(), prop::option::of(0_u64..2)).prop_map(|(back, seen)| Move::Release { back, seen }),
        8 => (1_u32..6, purpose, any::<bool>(), back())
            .prop_map(|(k, purpose, leased, back)| Move::Reserve { k, purpose, leased, back }),
        1 => (0_i64..5_000).prop_map(Move::Block),
        1 => Just(Move::Unblock),
        1 => (back(), prop::option::of(0_i64..90), 0_u32..9)
            .prop_map(|(back, at, calls)| Move::Departed { back, at, calls }),
    ];
    let after = prop_oneof![5 => 0_i64..400, 3 => 400_i64..5_000, 1 => Just(30_000_000), 1 => Just(-200)];
    prop::collection::vec((after, one), 1..30)
}

/// The kinds of account, as their names begin.
const KINDS: [&str; 2] = ["erp", "store"];

fn ms(n: i64) -> SignedDuration {
    SignedDuration::from_millis(n)
}

fn pure(ledger: &mut Ledger, step: &Move, limits: &Limits, now: Timestamp) -> Answer {
    let epoch = ledger.epoch;
    match step {
        Move::Take(who) => {
            Answer::Taken(Box::new(ledger.take(&format!("nonce-{who}"), now, now + ms(2_000), limits.clock_error)))
        }
        Move::Mark => Answer::Marked(ledger.leave_mark(now)),
        Move::Release { back, seen } => {
            let seen = seen.map(|behind| ledger.mark.saturating_sub(behind));
            Answer::Released(ledger.release(epoch.saturating_sub(*back), seen))
        }
        Move::Reserve { .. } => Answer::Reserved(ledger.reserve(&request(step, epoch, now), limits, now)),
        Move::Block(after) => {
            ledger.block(now + ms(*after), "429", seen(*after, ledger.strikes));
            Answer::Nothing
        }
        Move::Unblock => {
            ledger.unblock(now);
            Answer::Nothing
        }
        Move::Departed { back, at, calls } => {
            let leaves = at.map(|second| now + SignedDuration::from_secs(second));
            ledger.departed(epoch.saturating_sub(*back), &departed(leaves, *calls, now));
            Answer::Nothing
        }
    }
}

/// With and without connections that spent something, or are held.
fn departed(departs_at: Option<Timestamp>, calls: u32, now: Timestamp) -> Departed {
    let shop: ConnectionId = format!("shop-{}", calls % 3).parse().unwrap();
    let spent = Use { spent: u64::from(calls) * 1000, gone: u64::from(calls) * 1500 };
    let by = std::collections::BTreeMap::from([(shop.clone(), spent)]);
    let hold = Hold { until: now + ms(700), strikes: calls, because: "403".to_owned(), connections: [shop].into() };
    Departed {
        departs_at,
        calls,
        spent: if calls > 2 { Spent { day: 20_000 + i64::from(calls), by } } else { Spent::default() },
        hold: (calls > 5).then_some(hold),
    }
}

/// How many failures whoever blocks has seen: all, or one of those that came together.
fn seen(after: i64, strikes: u32) -> u32 {
    if after % 3 == 0 { strikes.saturating_sub(1) } else { strikes }
}

fn request(step: &Move, epoch: u64, now: Timestamp) -> Request {
    let Move::Reserve { k, purpose, leased, back } = step else { panic!("not a reservation") };
    Request { k: *k, purpose: *purpose, lease: leased.then(|| (epoch.saturating_sub(*back), now + ms(2_000))) }
}

/// The same on the adapter. `before` is the ledger as it is.
pub(super) async fn real(
    accounts: &dyn Accounts,
    of: &AccountId,
    before: &Ledger,
    step: &Move,
    limits: &Limits,
    now: Timestamp,
) -> Answer {
    let epoch = before.epoch;
    match step {
        Move::Take(who) => {
            let nonce = format!("nonce-{who}");
            Answer::Taken(Box::new(accounts.take(of, &nonce, now, now + ms(2_000), limits.clock_error).await.unwrap()))
        }
        Move::Mark => Answer::Marked(accounts.mark(of, now).await.unwrap()),
        Move::Release { back, seen } => {
            let seen = seen.map(|behind| before.mark.saturating_sub(behind));
            Answer::Released(accounts.release(of, epoch.saturating_sub(*back), seen).await.unwrap())
        }
        Move::Reserve { .. } => {
            Answer::Reserved(accounts.reserve(of, &request(step, epoch, now), limits, now).await.unwrap())
        }
        Move::Block(after) => {
            accounts.block(of, now + ms(*after), "429", seen(*after, before.strikes)).await.unwrap();
            Answer::Nothing
        }
        Move::Unblock => {
            accounts.unblock(of, now).await.unwrap();
            Answer::Nothing
        }
        Move::Departed { back, at, calls } => {
            let leaves = at.map(|second| now + SignedDuration::from_secs(second));
            let departed = departed(leaves, *calls, now);
            accounts.departed(of, epoch.saturating_sub(*back), &departed).await.unwrap();
            Answer::Nothing
        }
    }
}

pub(super) async fn random_histories_end_as_the_pure_ledger_says(ports: &Ports) {
    let config = Config { cases: ports.cases, failure_persistence: None, ..Config::default() };
    let runtime = tokio::runtime::Handle::current();
    let serial = std::cell::Cell::new(0_u32);
    let limits = Limits { per_day: 25, horizon: ms(1_000), ..Limits::default() };
    let run = |moves: Vec<(i64, Move)>| {
        runtime.block_on(async {
            serial.set(serial.get() + 1);
            // Of both kinds in turn: whose ledger it is makes no difference.
            let kind = KINDS[serial.get() as usize % KINDS.len()];
            let of: AccountId = format!("{kind}/random-{}", serial.get()).parse().unwrap();
            let (mut ledger, mut now) = (Ledger::default(), at(0));
            for (after, step) in &moves {
                now += ms(*after);
                let answer = real(&*ports.accounts, &of, &ledger, step, &limits, now).await;
                assert_eq!(answer, pure(&mut ledger, step, &limits, now), "{step:?} at {now}");
                assert_eq!(ports.accounts.ledger(&of).await.unwrap(), ledger, "after {step:?} at {now}");
            }
        });
        Ok(())
    };
    tokio::task::block_in_place(|| TestRunner::new(config).run(&moves(), run)).unwrap();
}

pub(super) async fn one_of_many_takes_the_lease(ports: &Ports) {
    let of: AccountId = "erp/race".parse().unwrap();
    let takers = (0..16).map(|n| {
        let of = of.clone();
        async move {
            let nonce = format!("nonce-{n}");
            match ports.accounts.take(&of, &nonce, at(0), at(90), ms(50)).await.unwrap() {
                Taken::Taken(ledger) => Some((nonce, ledger)),
                Taken::Held => None,
            }
        }
    });
    let winners: Vec<_> = join_all(takers).await.into_iter().flatten().collect();
    assert_eq!(winners.len(), 1, "{winners:?}");
    let ledger = ports.accounts.ledger(&of).await.unwrap();
    assert_eq!((ledger.holder.as_ref(), &ledger), (Some(&winners[0].0), &winners[0].1));
}

pub(super) async fn slots_of_many_never_overlap(ports: &Ports) {
    for kind in KINDS {
        slots_never_overlap(ports, format!("{kind}/slots").parse().unwrap()).await;
    }
}

async fn slots_never_overlap(ports: &Ports, of: AccountId) {
    let limits = Limits { horizon: SignedDuration::from_mins(10), ..Limits::default() };
    let askers = (0..24_u32).map(|n| {
        let (of, limits) = (of.clone(), limits.clone());
        async move {
            let request = Request { k: 1 + n % 4, purpose: Purpose::Orders, lease: None };
            // Clocks that differ.
            ports.accounts.reserve(&of, &request, &limits, at(0) + ms(i64::from(n % 5) * 20)).await.unwrap().unwrap()
        }
    });
    let mut slots = join_all(askers).await;
    slots.sort_by_key(|slots| slots.first);
    for pair in slots.windows(2) {
        let end = pair[0].first + pair[0].spacing * i32::try_from(pair[0].k).unwrap();
        assert!(end <= pair[1].first, "{pair:?}");
    }
    let ledger = ports.accounts.ledger(&of).await.unwrap();
    assert_eq!(ledger.used, slots.iter().map(|slots| slots.k).sum::<u32>(), "each call is counted once");
}

pub(super) async fn every_mark_counts(ports: &Ports) {
    let of: AccountId = "erp/marks".parse().unwrap();
    assert!(!ports.accounts.mark(&of, at(0)).await.unwrap(), "nobody is there to see it");
    let Taken::Taken(mine) = ports.accounts.take(&of, "a", at(0), at(90), ms(50)).await.unwrap() else { panic!() };
    let marks = (0..20).map(|_| ports.accounts.mark(&of, at(1)));
    assert!(join_all(marks).await.into_iter().all(Result::unwrap));
    let released = ports.accounts.release(&of, mine.epoch, Some(mine.mark)).await.unwrap();
    assert_eq!(released, Released::Marked(mine.mark + 20));
    let released = ports.accounts.release(&of, mine.epoch, Some(mine.mark + 20)).await.unwrap();
    assert_eq!(released, Released::Released);
}

pub(super) async fn accounts_of_one_name_are_two(ports: &Ports) {
    let [erp, store] = KINDS.map(|kind| format!("{kind}/twin").parse::<AccountId>().unwrap());
    let request = Request { k: 1, purpose: Purpose::Orders, lease: None };
    ports.accounts.block(&store, at(60), "the store answered 429", 0).await.unwrap();
    let limits = Limits::default();
    assert_eq!(ports.accounts.reserve(&store, &request, &limits, at(1)).await.unwrap(), Err(Denied::Blocked(at(60))));
    assert_eq!(ports.accounts.reserve(&erp, &request, &limits, at(1)).await.unwrap().unwrap().first, at(1));
    assert_eq!(ports.accounts.ledger(&erp).await.unwrap().strikes, 0);
    // After the block a success ends the row of failures.
    ports.accounts.unblock(&store, at(59)).await.unwrap();
    assert_eq!(ports.accounts.reserve(&store, &request, &limits, at(60)).await.unwrap().unwrap().strikes, 1);
    ports.accounts.unblock(&store, at(61)).await.unwrap();
    assert_eq!(ports.accounts.reserve(&store, &request, &limits, at(61)).await.unwrap().unwrap().strikes, 0);
}
