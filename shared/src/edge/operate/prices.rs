//! Prices: what the ERP says, what each store should have and has, and releasing one that changes much.

use axum::{
    Extension, Json,
    extract::{Path, Query, State, rejection::QueryRejection},
    http::StatusCode,
};
use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

use super::Desk;
use crate::{
    Error, Kind, Result,
    domain::{goods::Sku, ids::ConnectionId, operator::Operator},
    edge::{
        label::RequestId,
        prices::{PriceState, PriceView, PricesView},
        problem::Problem,
    },
    flow::goods::prices,
};

/// How many prices a page has when nobody says.
const PAGE: usize = 50;

/// The most pages that are read for one of a certain state: where few are in it, a page is short and the next one goes on.
const MOST_PAGES: usize = 5;

/// What a list is asked for.
#[derive(Default, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
#[serde(deny_unknown_fields)]
pub(in crate::edge) struct Filter {
    /// Only those in this state.
    state: Option<PriceState>,
    /// How many a page has at most.
    #[param(minimum = 1, maximum = 200, default = 50)]
    limit: Option<usize>,
    /// Where the page begins: the `cursor` of the page before, of the same list.
    cursor: Option<String>,
}

/// A price that is looked at again.
#[derive(Serialize, ToSchema)]
#[schema(as = ReleasedPrice)]
pub(in crate::edge) struct Released {
    /// Whose.
    connection: ConnectionId,
    /// Of which article.
    article: Sku,
    /// `queued`.
    result: &'static str,
}

/// The prices of a connection.
pub(in crate::edge) async fn list(
    State(desk): State<Desk>,
    Path(name): Path<String>,
    filter: Result<Query<Filter>, QueryRejection>,
) -> Result<Json<PricesView>, Problem> {
    let connection = desk.connection(&name)?;
    let Query(Filter { state, limit, cursor }) = filter.map_err(|_| unreadable())?;
    let limit = limit.unwrap_or(PAGE);
    if !(1..=prices::MOST).contains(&limit) {
        return Err(unreadable().into());
    }
    let mut after = cursor.as_deref().map(read).transpose()?;
    let of = |error: Error| Problem::from(error).of(&connection);
    let rules = prices::pricing(&desk.puente, &connection).map_err(of)?.rules;
    let now = desk.puente.clock.now();
    let mut shown = Vec::new();
    for _ in 0..MOST_PAGES {
        // No more than are still wanted: what is read is shown, or is in another state, so that no cursor passes over any.
        let page = prices::page(&desk.puente, &connection, after.as_ref(), limit - shown.len()).await.map_err(of)?;
        let view = |one| PriceView::of(connection.clone(), one, &rules.price, rules.tells_prices(), now);
        shown.extend(page.prices.into_iter().map(view).filter(|one| state.is_none_or(|state| one.state == state)));
        after = page.next;
        if after.is_none() || state.is_none() || shown.len() >= limit {
            break;
        }
    }
    Ok(Json(PricesView { prices: shown, cursor: after.as_ref().map(written) }))
}

/// Has a price looked at again, and told though it differs much from what the store has.
pub(in crate::edge) async fn release(
    State(desk): State<Desk>,
    Path((name, article)): Path<(String, String)>,
    Extension(RequestId(request)): Extension<RequestId>,
    Extension(operator): Extension<Operator>,
) -> Result<(StatusCode, Json<Released>), Problem> {
    let connection = desk.connection(&name)?;
    let unseen = || Error::new(Kind::NotFound, "not seen yet: the ERP has not said a price of this article");
    let article: Sku = article.parse().map_err(|_| unseen())?;
    let of = |error: Error| Problem::from(error).of(&connection);
    prices::release(&desk.puente, &connection, &article, &operator.name, &request)
        .await
        .map_err(of)?
        .ok_or_else(unseen)?;
    Ok((StatusCode::ACCEPTED, Json(Released { connection, article, result: "queued" })))
}

fn unreadable() -> Error {
    let words = format!(
        "a list of prices is asked for by state, limit and cursor, each once: state is right, differs, waiting, underway, not_there \
         or stopped, limit a number from 1 to {}",
        prices::MOST
    );
    Error::new(Kind::Unreadable, words)
}

/// A place as a cursor.
fn written(article: &Sku) -> String {
    URL_SAFE_NO_PAD.encode(article.as_str())
}

fn read(cursor: &str) -> Result<Sku> {
    let place = || String::from_utf8(URL_SAFE_NO_PAD.decode(cursor).ok()?).ok()?.parse().ok();
    place()
        .ok_or_else(|| Error::new(Kind::Unreadable, "`cursor` is not one of this list: take it from the page before"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cursor_comes_back_as_the_place_it_was() {
        let article: Sku = "a/b é #1".parse().unwrap();
        assert_eq!(read(&written(&article)).unwrap(), article);
        for foreign in ["", "%%%", &URL_SAFE_NO_PAD.encode("a\nb")] {
            assert_eq!(read(foreign).unwrap_err().kind(), Kind::Unreadable, "{foreign}");
        }
    }
}
