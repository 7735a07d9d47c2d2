//! The work queue and its dead-letter queue: at least once, in any order, fair between connections.
//!
//! Invariant: a message is in exactly one of the two tables from the commit that accepted it to the one that deleted it.
//! A lane per connection is served in turn, so that a flooding shop cannot starve the others; wake-ups of an ERP account have
//! a lane of their own.

use std::time::Duration;

use async_trait::async_trait;
use jiff::{SignedDuration, Timestamp};
use rusqlite::{Connection, OptionalExtension, params};

use super::{
    Embedded,
    body::{decode, encode},
    file::Fault,
    micros, micros_now,
};
use crate::{
    Error, Kind, Result,
    domain::message::Message,
    ports::{Dead, Delivery, Queue},
};

/// The longest delay, as SQS has it.
const LONGEST_DELAY: Duration = Duration::from_mins(15);
/// How often a waiting receiver looks whether another process sent something.
const POLL: SignedDuration = SignedDuration::from_millis(500);

#[async_trait]
impl Queue for Embedded {
    async fn send(&self, messages: &[Message], delay: Duration) -> Result<Vec<Result<()>>> {
        if delay > LONGEST_DELAY {
            return Err(Error::new(Kind::Bug, "a message may be delayed by 15 minutes at most"));
        }
        let visible = micros(later(self.inner.clock.now(), delay));
        let bodies: Vec<Result<Row>> = messages.iter().map(Row::of).collect();
        let (mut answers, mut fitting) = (Vec::new(), Vec::new());
        for body in bodies {
            answers.push(body.map(|row| fitting.push(row)));
        }
        if !fitting.is_empty() {
            self.write(move |sql| fitting.iter().try_for_each(|row| insert(sql, row, visible))).await?;
            self.inner.sent.notify_waiters();
        }
        Ok(answers)
    }

    async fn receive(&self, max: usize, wait: Duration) -> Result<Vec<Delivery>> {
        let deadline = later(self.inner.clock.now(), wait);
        loop {
            // Registered before looking: what is sent in between wakes us all the same.
            let mut sent = std::pin::pin!(self.inner.sent.notified());
            sent.as_mut().enable();
            let now = self.inner.clock.now();
            // A look costs no lock on the file; only a find does.
            let next = self.read(next_visible).await?;
            if next.is_some_and(|visible| visible <= micros_now(now)) {
                let delivered = self.take(max, now).await?;
                if !delivered.is_empty() {
                    return Ok(delivered);
                }
            }
            if now >= deadline || max == 0 {
                return Ok(Vec::new());
            }
            let visible = next.and_then(|next| Timestamp::from_microsecond(next).ok()).filter(|next| *next > now);
            let until = [now.checked_add(POLL).ok(), visible].into_iter().flatten().fold(deadline, Timestamp::min);
            tokio::select! {
                () = sent => {}
                () = self.inner.clock.sleep_until(until) => {}
            }
        }
    }

    async fn delete(&self, receipt: &str) -> Result<()> {
        let receipt = receipt.to_owned();
        self.write(move |sql| {
            let mut delete = sql.prepare_cached("DELETE FROM message WHERE receipt = ?1 RETURNING lane")?;
            // No such receipt: deleted already, or delivered to somebody else since, whose message it is now.
            let lane: Option<String> = delete.query_row([receipt], |row| row.get(0)).optional()?;
            lane.map_or(Ok(()), |lane| close(sql, &lane))
        })
        .await
    }

    async fn bury(&self, message: &Message, reason: &str) -> Result<()> {
        let row = Row::of(message)?;
        let (reason, since) = (reason.to_owned(), micros_now(self.inner.clock.now()));
        self.write(move |sql| bury(sql, &row, &reason, since)).await
    }

    async fn dead(&self, limit: usize) -> Result<Vec<Dead>> {
        let limit = i64::try_from(limit).unwrap_or(i64::MAX);
        let rows = self
            .read(move |sql| {
                let mut select = sql.prepare_cached("SELECT body, reason, since FROM dead ORDER BY seq LIMIT ?1")?;
                let rows = select.query_map([limit], |row| {
                    Ok((row.get::<_, Vec<u8>>(0)?, row.get::<_, String>(1)?, row.get::<_, i64>(2)?))
                })?;
                Ok(rows.collect::<rusqlite::Result<Vec<_>>>()?)
            })
            .await?;
        let dead = |(body, reason, since): (Vec<u8>, String, i64)| Dead {
            message: decode(&body).ok(),
            reason,
            since: Timestamp::from_microsecond(since).ok(),
        };
        Ok(rows.into_iter().map(dead).collect())
    }

    async fn redrive(&self, limit: usize, by: Option<&str>) -> Result<usize> {
        let by = by.map(str::to_owned);
        let limit = i64::try_from(limit).unwrap_or(i64::MAX);
        let now = micros_now(self.inner.clock.now());
        let moved = self
            .write(move |sql| {
                let mut select = sql.prepare_cached("SELECT seq, lane, body FROM dead ORDER BY seq LIMIT ?1")?;
                let rows = select.query_map([limit], |row| {
                    Ok((row.get::<_, i64>(0)?, Row { lane: row.get(1)?, body: row.get(2)? }))
                })?;
                let mut moved = 0;
                for row in rows.collect::<rusqlite::Result<Vec<_>>>()? {
                    // What cannot be decoded goes back as it is.
                    let wanted = by.as_ref().and_then(|by| Row::of(&decode(&row.1.body).ok()?.wanted_by(by)).ok());
                    insert(sql, wanted.as_ref().unwrap_or(&row.1), now)?;
                    sql.prepare_cached("DELETE FROM dead WHERE seq = ?1")?.execute([row.0])?;
                    moved += 1;
                }
                Ok(moved)
            })
            .await?;
        self.inner.sent.notify_waiters();
        Ok(moved)
    }

    async fn ready(&self) -> Result<()> {
        self.write(|_| Ok(())).await
    }
}

impl Embedded {
    /// Delivers up to `max` visible messages, lane by lane; those received too often go to the dead-letter queue instead.
    async fn take(&self, max: usize, now: Timestamp) -> Result<Vec<Delivery>> {
        let hidden = micros(later(now, self.inner.visibility));
        let (now, most) = (micros_now(now), self.inner.max_receives);
        let taken = self
            .write(move |sql| {
                let mut taken = Vec::new();
                for message in fair(sql, max, now)? {
                    if message.receives >= most {
                        let reason = format!("received {most} times and never finished");
                        bury(sql, &message.row, &reason, now)?;
                        sql.prepare_cached("DELETE FROM message WHERE seq = ?1")?.execute([message.seq])?;
                        close(sql, &message.row.lane)?;
                        continue;
                    }
                    let receipt = uuid::Uuid::new_v4().simple().to_string();
                    let mut update = sql.prepare_cached(
                        "UPDATE message SET receives = receives + 1, visible = ?2, receipt = ?3 WHERE seq = ?1",
                    )?;
                    update.execute(params![message.seq, hidden, receipt])?;
                    taken.push((receipt, message.receives + 1, message.row.body));
                }
                Ok(taken)
            })
            .await?;
        let deliver =
            |(receipt, receives, body): (String, u32, Vec<u8>)| Delivery { receipt, receives, message: decode(&body) };
        Ok(taken.into_iter().map(deliver).collect())
    }
}

/// A message as stored.
struct Row {
    lane: String,
    body: Vec<u8>,
}

impl Row {
    fn of(message: &Message) -> Result<Self> {
        let (lane, what) = match message {
            Message::Arrival(arrival) => (arrival.connection.to_string(), format!("order {}", arrival.key())),
            Message::Backfill(ask) => (ask.connection.to_string(), format!("a backfill of {}", ask.connection)),
            // A connection's name has no colon.
            Message::Wake { erp } => (format!("wake:{erp}"), format!("the wake-up of ERP {erp}")),
            Message::Publish { connection } => (format!("stock:{connection}"), format!("the stock of {connection}")),
        };
        let body = encode(message).map_err(|error| error.within(what))?;
        Ok(Self { lane, body })
    }
}

/// A visible message.
struct Candidate {
    seq: i64,
    receives: u32,
    row: Row,
}

/// Up to `max` visible messages: the first of each lane, then the second of each, beginning with the lane that was served
/// longest ago.
fn fair(sql: &Connection, max: usize, now: i64) -> Result<Vec<Candidate>, Fault> {
    let lanes = sql
        .prepare_cached("SELECT name FROM lane ORDER BY turn, name")?
        .query_map([], |row| row.get::<_, String>(0))?
        .collect::<rusqlite::Result<Vec<_>>>()?;
    let mut first_of_lane = sql.prepare_cached(
        "SELECT seq, visible FROM message WHERE lane = ?1 AND (visible, seq) > (?2, ?3) AND visible <= ?4
         ORDER BY visible, seq LIMIT 1",
    )?;
    // Each lane with the place reached in it.
    let mut open: Vec<(String, i64, i64)> = lanes.into_iter().map(|lane| (lane, i64::MIN, 0)).collect();
    let mut chosen = Vec::new();
    while !open.is_empty() && chosen.len() < max {
        let mut still = Vec::new();
        for (lane, visible, seq) in open {
            if chosen.len() == max {
                break;
            }
            let next = first_of_lane
                .query_row(params![lane, visible, seq, now], |row| Ok((row.get::<_, i64>(0)?, row.get::<_, i64>(1)?)))
                .optional()?;
            if let Some((seq, visible)) = next {
                chosen.push((seq, lane.clone()));
                still.push((lane, visible, seq));
            }
        }
        open = still;
    }
    let mut turn = sql.prepare_cached("UPDATE lane SET turn = (SELECT max(turn) FROM lane) + 1 WHERE name = ?1")?;
    let mut load = sql.prepare_cached("SELECT receives, lane, body FROM message WHERE seq = ?1")?;
    let mut candidates = Vec::new();
    for (seq, lane) in chosen {
        turn.execute([lane])?;
        candidates.push(load.query_row([seq], |row| {
            Ok(Candidate { seq, receives: row.get(0)?, row: Row { lane: row.get(1)?, body: row.get(2)? } })
        })?);
    }
    Ok(candidates)
}

fn next_visible(sql: &Connection) -> Result<Option<i64>, Fault> {
    let mut select = sql.prepare_cached("SELECT min(visible) FROM message")?;
    Ok(select.query_row([], |row| row.get(0))?)
}

fn insert(sql: &Connection, row: &Row, visible: i64) -> Result<(), Fault> {
    let mut insert = sql.prepare_cached("INSERT INTO message (lane, visible, body) VALUES (?1, ?2, ?3)")?;
    insert.execute(params![row.lane, visible, row.body])?;
    // A lane joins behind all others: one that empties and fills again and again must not always come first.
    let mut lane = sql.prepare_cached(
        "INSERT INTO lane (name, turn) VALUES (?1, (SELECT coalesce(max(turn), 0) + 1 FROM lane)) ON CONFLICT DO NOTHING",
    )?;
    lane.execute([&row.lane])?;
    Ok(())
}

fn bury(sql: &Connection, row: &Row, reason: &str, since: i64) -> Result<(), Fault> {
    let mut insert = sql.prepare_cached("INSERT INTO dead (lane, body, reason, since) VALUES (?1, ?2, ?3, ?4)")?;
    insert.execute(params![row.lane, row.body, reason, since])?;
    Ok(())
}

/// Forgets a lane without messages.
fn close(sql: &Connection, lane: &str) -> Result<(), Fault> {
    let mut delete =
        sql.prepare_cached("DELETE FROM lane WHERE name = ?1 AND NOT EXISTS (SELECT 1 FROM message WHERE lane = ?1)")?;
    delete.execute([lane])?;
    Ok(())
}

fn later(time: Timestamp, by: Duration) -> Timestamp {
    let by = SignedDuration::try_from(by).unwrap_or(SignedDuration::MAX);
    time.checked_add(by).unwrap_or(Timestamp::MAX)
}
