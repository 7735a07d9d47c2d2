//! Stock: what each store should have and has, and holding what is written to it.

use axum::{
    Extension, Json,
    extract::{Path, Query, State, rejection::QueryRejection},
};
use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use serde::Deserialize;
use utoipa::IntoParams;

use super::Desk;
use crate::{
    Error, Kind, Result,
    domain::{
        goods::{ShelfId, Sku},
        operator::Operator,
    },
    edge::{
        goods::{GoodsView, HoldView, StockView, WholeView},
        label::RequestId,
        problem::Problem,
    },
    flow::goods::{hold, view},
};

/// How many articles a page has when nobody says.
const PAGE: usize = 50;

/// The most pages that are read for one that has only what differs: where little does, a page is short and the next one goes on.
const MOST_PAGES: usize = 5;

/// What a list is asked for.
#[derive(Default, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
#[serde(deny_unknown_fields)]
pub(in crate::edge) struct Filter {
    /// Only articles whose number would be written.
    differs: Option<bool>,
    /// How many a page has at most.
    #[param(minimum = 1, maximum = 200, default = 50)]
    limit: Option<usize>,
    /// Where the page begins: the `cursor` of the page before, of the same list.
    cursor: Option<String>,
}

/// The articles of a connection.
pub(in crate::edge) async fn list(
    State(desk): State<Desk>,
    Path(name): Path<String>,
    filter: Result<Query<Filter>, QueryRejection>,
) -> Result<Json<GoodsView>, Problem> {
    let connection = desk.connection(&name)?;
    let Query(Filter { differs, limit, cursor }) = filter.map_err(|_| unreadable())?;
    let limit = limit.unwrap_or(PAGE);
    if !(1..=view::MOST).contains(&limit) {
        return Err(unreadable().into());
    }
    let only = differs.unwrap_or(false);
    let mut after = cursor.as_deref().map(read).transpose()?;
    let mut goods = Vec::new();
    for _ in 0..MOST_PAGES {
        let of = |error: Error| Problem::from(error).of(&connection);
        // No more than are still wanted: what is read is shown, or does not differ, so that no cursor passes over any.
        let page = view::page(&desk.puente, &connection, after.as_ref(), limit - goods.len()).await.map_err(of)?;
        let shown = page.articles.into_iter().filter(|one| !only || one.differs());
        goods.extend(shown.map(|one| StockView::of(connection.clone(), one)));
        after = page.next;
        if after.is_none() || !only || goods.len() >= limit {
            break;
        }
    }
    let hold = HoldView::of(connection.clone(), desk.puente.goods.halted(&connection).await?);
    Ok(Json(GoodsView { goods, cursor: after.as_ref().map(written), hold }))
}

/// One article with everything that its number is made of.
pub(in crate::edge) async fn show(
    State(desk): State<Desk>,
    Path((name, code)): Path<(String, String)>,
    Extension(operator): Extension<Operator>,
) -> Result<Json<WholeView>, Problem> {
    let connection = desk.connection(&name)?;
    let unseen = || Error::new(Kind::NotFound, "not seen yet: neither the ERP nor an order named this article");
    let code: Sku = code.parse().map_err(|_| unseen())?;
    let of = |error: Error| Problem::from(error).of(&connection);
    let whole = view::whole(&desk.puente, &connection, &code).await.map_err(of)?.ok_or_else(unseen)?;
    Ok(Json(WholeView::of(connection, whole, &operator.sight)))
}

/// Writes nothing more to a connection's store.
pub(in crate::edge) async fn hold(
    State(desk): State<Desk>,
    Path(name): Path<String>,
    Extension(RequestId(request)): Extension<RequestId>,
    Extension(operator): Extension<Operator>,
) -> Result<Json<HoldView>, Problem> {
    let connection = desk.connection(&name)?;
    let of = |error: Error| Problem::from(error).of(&connection);
    let halt = hold::hold(&desk.puente, &connection, &operator.name, &request).await.map_err(of)?;
    Ok(Json(HoldView::of(connection, Some(halt))))
}

/// Lets a connection's store be written to again.
pub(in crate::edge) async fn release(
    State(desk): State<Desk>,
    Path(name): Path<String>,
    Extension(RequestId(request)): Extension<RequestId>,
    Extension(operator): Extension<Operator>,
) -> Result<Json<HoldView>, Problem> {
    let connection = desk.connection(&name)?;
    let of = |error: Error| Problem::from(error).of(&connection);
    hold::release(&desk.puente, &connection, &operator.name, &request).await.map_err(of)?;
    Ok(Json(HoldView::of(connection, None)))
}

fn unreadable() -> Error {
    let words = format!(
        "a list of stock is asked for by differs, limit and cursor, each once: differs is true or false, limit a number from 1 to {}",
        view::MOST
    );
    Error::new(Kind::Unreadable, words)
}

/// A place as a cursor.
fn written(place: &ShelfId) -> String {
    URL_SAFE_NO_PAD.encode(format!("{}/{}/{}", place.erp, place.place, place.sku))
}

fn read(cursor: &str) -> Result<ShelfId> {
    let place = || {
        let text = String::from_utf8(URL_SAFE_NO_PAD.decode(cursor).ok()?).ok()?;
        // Names of accounts and warehouses have no `/`, codes may have.
        let (erp, rest) = text.split_once('/')?;
        let (place, sku) = rest.split_once('/')?;
        Some(ShelfId { erp: erp.parse().ok()?, place: place.parse().ok()?, sku: sku.parse().ok()? })
    };
    place()
        .ok_or_else(|| Error::new(Kind::Unreadable, "`cursor` is not one of this list: take it from the page before"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cursor_comes_back_as_the_place_it_was() {
        for (place, sku) in [("*", "A"), ("Main+Shop floor", "a/b é #1")] {
            let id = ShelfId { erp: "main".parse().unwrap(), place: place.parse().unwrap(), sku: sku.parse().unwrap() };
            assert_eq!(read(&written(&id)).unwrap(), id);
        }
        for foreign in ["", "%%%", "YQ", &URL_SAFE_NO_PAD.encode("main//A")] {
            assert_eq!(read(foreign).unwrap_err().kind(), Kind::Unreadable, "{foreign}");
        }
    }
}
