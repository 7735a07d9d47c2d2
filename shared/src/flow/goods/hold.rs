//! Holding what is written to a store, and letting it go on.
//!
//! While a connection is held its orders are committed and its ERP is asked as ever; only its store's conductor rests. What is due stays
//! due, so that nothing is forgotten, however long it takes.

use std::time::Duration;

use futures::{StreamExt, TryStreamExt, stream};

use super::{article::AT_A_TIME, is_told, view, wake};
use crate::{
    Result,
    domain::{
        event::Event,
        goods::{GoodsWrite, Halt, Mark},
        ids::ConnectionId,
    },
    flow::Puente,
};

/// Nothing more is written to the store of `connection`, until it is released. A pass on its way ends first. `by` wanted it, with
/// `request`; who held it before keeps the honour.
pub async fn hold(puente: &Puente, connection: &ConnectionId, by: &str, request: &str) -> Result<Halt> {
    is_told(puente, connection)?;
    if let Some(halt) = puente.goods.halted(connection).await? {
        return Ok(halt);
    }
    let halt = Halt { since: puente.clock.now(), by: by.to_owned() };
    puente.goods.halt(connection, Some(&halt)).await?;
    puente.tell.of(&Event::StockHeld { connection, by, request });
    Ok(halt)
}

/// What is due is written to the store of `connection` again, and looked at now. Who had held it, if anybody had.
pub async fn release(puente: &Puente, connection: &ConnectionId, by: &str, request: &str) -> Result<Option<Halt>> {
    is_told(puente, connection)?;
    let held = puente.goods.halted(connection).await?;
    if held.is_some() {
        puente.goods.halt(connection, None).await?;
        puente.tell.of(&Event::StockReleased { connection, by, request });
    }
    wake(puente, connection, Duration::ZERO).await?;
    Ok(held)
}

/// Has all numbers of `connection` that differ looked at now, due or not: after `show` became `publish` nothing else would before the
/// night's count. `seen` hears of each page of articles. How many they are.
pub async fn look_again(puente: &Puente, connection: &ConnectionId, seen: impl Fn(usize)) -> Result<usize> {
    let (mut after, mut marked) = (None, 0);
    loop {
        let page = view::page(puente, connection, after.as_ref(), view::MOST).await?;
        seen(page.articles.len());
        let differing = page.articles.iter().filter(|one| one.differs());
        let done: Vec<bool> = stream::iter(differing)
            .map(|one| async move {
                let mark = GoodsWrite::Mark(vec![Mark::of(connection.clone())]);
                puente.goods.write(&one.id, &mark, puente.clock.now()).await
            })
            .buffer_unordered(AT_A_TIME)
            .try_collect()
            .await?;
        marked += done.len();
        after = page.next;
        if after.is_none() {
            break;
        }
    }
    if marked > 0 {
        wake(puente, connection, Duration::ZERO).await?;
    }
    Ok(marked)
}
