//! The REST calls that fetch orders, with the traps of the two vendors' defaults.
//! <https://shopify.dev/docs/api/admin-rest/usage/pagination>,
//! <https://woocommerce.github.io/woocommerce-rest-api-docs/#list-all-orders>

use std::{collections::BTreeMap, sync::Arc};

use axum::{
    Json, Router,
    extract::{Query, Request, State},
    response::{IntoResponse, Response},
};
use base64::{Engine, engine::general_purpose::STANDARD};
use http::{HeaderMap, Method, StatusCode, header};
use jiff::{
    Timestamp, civil,
    tz::{Offset, TimeZone},
};
use serde_json::{Value, json};

use super::{Vendor, shopify, woocommerce};

/// What the shop answers with.
pub(super) struct Shelf {
    pub(super) vendor: Vendor,
    pub(super) token: String,
    /// Every order's last state, with its modification time.
    pub(super) orders: Vec<(Timestamp, String, Value)>,
}

type Words = BTreeMap<String, String>;

pub(super) fn router(shelf: Arc<Shelf>) -> Router {
    Router::new().fallback(answer).with_state(shelf)
}

async fn answer(State(shelf): State<Arc<Shelf>>, Query(query): Query<Words>, request: Request) -> Response {
    if !shelf.lets_in(request.headers(), &query) {
        return (StatusCode::UNAUTHORIZED, Json(json!({"errors": "wrong credentials"}))).into_response();
    }
    if request.method() != Method::GET {
        return StatusCode::METHOD_NOT_ALLOWED.into_response();
    }
    let path = request.uri().path();
    match shelf.vendor {
        Vendor::Shopify => {
            let host = request.headers().get(header::HOST).and_then(|host| host.to_str().ok()).unwrap_or_default();
            shelf.shopify(path, &query, host)
        }
        Vendor::WooCommerce => shelf.woocommerce(path, &query),
    }
}

impl Shelf {
    fn lets_in(&self, headers: &HeaderMap, query: &Words) -> bool {
        let header = |name: &str| headers.get(name).and_then(|value| value.to_str().ok());
        match self.vendor {
            Vendor::Shopify => header("x-shopify-access-token") == Some(self.token.as_str()),
            Vendor::WooCommerce => {
                let basic = format!("Basic {}", STANDARD.encode(&self.token));
                let pair = query.get("consumer_key").zip(query.get("consumer_secret"));
                header("authorization") == Some(basic.as_str())
                    || pair.is_some_and(|(key, secret)| self.token == format!("{key}:{secret}"))
            }
        }
    }

    fn find(&self, id: &str) -> Option<&Value> {
        self.orders.iter().find(|(_, own, _)| own == id).map(|(_, _, order)| order)
    }

    fn shopify(&self, path: &str, query: &Words, host: &str) -> Response {
        let base = format!("/admin/api/{}/orders", shopify::VERSION);
        // Any version is served: real shops answer old ones with the oldest they still have.
        let rest = path.strip_prefix("/admin/api/").and_then(|rest| rest.split_once('/')).map(|(_, rest)| rest);
        if rest == Some("shop.json") {
            // The number that its orders' status pages have.
            let shop = json!({"id": shopify::SHOP, "domain": host, "myshopify_domain": host});
            return Json(json!({ "shop": shop })).into_response();
        }
        let Some(rest) = rest.and_then(|rest| rest.strip_prefix("orders")) else {
            return StatusCode::NOT_FOUND.into_response();
        };
        if let Some(id) = rest.strip_prefix('/').and_then(|id| id.strip_suffix(".json")) {
            return match self.find(id) {
                Some(order) => Json(json!({"order": order})).into_response(),
                None => (StatusCode::NOT_FOUND, Json(json!({"errors": "Not Found"}))).into_response(),
            };
        }
        // A later page carries only the limit and its own mark; the filters travel in the mark.
        let mark = query.get("page_info").and_then(|mark| STANDARD.decode(mark).ok());
        let filters: Words = match &mark {
            Some(mark) => serde_json::from_slice(mark).unwrap_or_default(),
            None => query.clone(),
        };
        let since = filters.get("updated_at_min").and_then(|text| text.parse::<Timestamp>().ok());
        let all = filters.get("status").is_some_and(|status| status == "any");
        let limit = query.get("limit").and_then(|limit| limit.parse().ok()).unwrap_or(50_usize).clamp(1, 250);
        let skip = filters.get("skip").and_then(|skip| skip.parse().ok()).unwrap_or(0_usize);
        let mut listed: Vec<_> = self
            .orders
            .iter()
            .filter(|(at, _, _)| since.is_none_or(|since| *at >= since))
            // Without `status=any` cancelled orders are left out.
            .filter(|(_, _, order)| all || order.get("cancelled_at").is_none_or(Value::is_null))
            .collect();
        listed.sort_by(|a, b| (a.0, &a.1).cmp(&(b.0, &b.1)));
        if filters.get("order").is_none_or(|order| !order.starts_with("updated_at asc")) {
            listed.reverse();
        }
        let page: Vec<&Value> = listed.iter().skip(skip).take(limit).map(|(_, _, order)| order).collect();
        let mut response = Json(json!({"orders": page})).into_response();
        if skip + limit < listed.len() {
            let mut next = filters;
            next.insert("skip".to_owned(), (skip + limit).to_string());
            next.remove("page_info");
            let mark = STANDARD.encode(serde_json::to_vec(&next).unwrap_or_default()).replace('+', "%2B");
            let link = format!("<http://{host}{base}.json?limit={limit}&page_info={mark}>; rel=\"next\"");
            super::header(response.headers_mut(), "link", &link);
        }
        response
    }

    fn woocommerce(&self, path: &str, query: &Words) -> Response {
        let Some(rest) = path.strip_prefix("/wp-json/wc/v3/orders") else {
            return StatusCode::NOT_FOUND.into_response();
        };
        if let Some(id) = rest.strip_prefix('/') {
            let words = json!({"code": "woocommerce_rest_shop_order_invalid_id", "message": "Invalid ID.", "data": {"status": 404}});
            let missing = || (StatusCode::NOT_FOUND, Json(words)).into_response();
            return self.find(id).map_or_else(missing, |order| Json(order).into_response());
        }
        let text = |key: &str, or: &str| query.get(key).cloned().unwrap_or_else(|| or.to_owned());
        let per_page = text("per_page", "10").parse().unwrap_or(10_usize);
        let page = text("page", "1").parse().unwrap_or(1_usize).max(1);
        if per_page == 0 || per_page > 100 {
            return (StatusCode::BAD_REQUEST, Json(json!({"code": "rest_invalid_param"}))).into_response();
        }
        // A time without an offset is the site's own, unless `dates_are_gmt` says otherwise.
        let hours = if text("dates_are_gmt", "false") == "true" { 0 } else { woocommerce::SITE };
        let after = query.get("modified_after").and_then(|text| time(text, hours));
        let mut listed: Vec<_> =
            self.orders.iter().filter(|(at, _, _)| after.is_none_or(|after| *at > after)).collect();
        listed.sort_by(|a, b| (a.0, &a.1).cmp(&(b.0, &b.1)));
        if text("order", "desc") != "asc" {
            listed.reverse();
        }
        let found: Vec<&Value> =
            listed.iter().skip((page - 1) * per_page).take(per_page).map(|(_, _, order)| order).collect();
        let mut response = Json(found).into_response();
        let pages = listed.len().div_ceil(per_page);
        super::header(response.headers_mut(), "x-wp-total", &listed.len().to_string());
        super::header(response.headers_mut(), "x-wp-totalpages", &pages.to_string());
        response
    }
}

fn time(text: &str, hours: i8) -> Option<Timestamp> {
    let with_offset = text.parse::<Timestamp>().ok();
    with_offset.or_else(|| {
        let local = text.parse::<civil::DateTime>().ok()?;
        local.to_zoned(TimeZone::fixed(Offset::constant(hours))).ok().map(|zoned| zoned.timestamp())
    })
}

#[cfg(test)]
mod tests {
    use axum::body::{Body, to_bytes};

    use super::*;

    const HOUR: &str = "2026-01-31T10:00:00Z";

    fn shelf(vendor: Vendor) -> Shelf {
        let since: Timestamp = HOUR.parse().unwrap();
        let order = |n: i64| {
            let cancelled = if n == 3 { json!(HOUR) } else { Value::Null };
            (since + jiff::SignedDuration::from_secs(n), n.to_string(), json!({"id": n, "cancelled_at": cancelled}))
        };
        Shelf { vendor, token: "ck:cs".to_owned(), orders: (0..7).map(order).collect() }
    }

    async fn get(shelf: Shelf, uri: &str, name: &str, value: &str) -> (StatusCode, HeaderMap, Value) {
        let request =
            Request::builder().uri(uri).header("host", "shop").header(name, value).body(Body::empty()).unwrap();
        let query = Query::try_from_uri(request.uri()).unwrap();
        let response = answer(State(Arc::new(shelf)), query, request).await;
        let (parts, body) = response.into_parts();
        let body = to_bytes(body, 1 << 20).await.unwrap();
        (parts.status, parts.headers, serde_json::from_slice(&body).unwrap_or_default())
    }

    fn ids(orders: &Value) -> Vec<i64> {
        orders.as_array().unwrap().iter().map(|order| order["id"].as_i64().unwrap()).collect()
    }

    #[tokio::test]
    async fn shopify_pages_by_a_mark_and_hides_cancelled_orders_by_default() {
        let ask =
            |uri: String| async move { get(shelf(Vendor::Shopify), &uri, "x-shopify-access-token", "ck:cs").await };
        let list = "/admin/api/2026-01/orders.json?updated_at_min=2026-01-31T10:00:01Z&order=updated_at%20asc&limit=4";
        let (_, _, hidden) = ask(format!("{list}&fields=id")).await;
        assert_eq!(ids(&hidden["orders"]), [1, 2, 4, 5], "3 is cancelled");
        let (_, headers, first) = ask(format!("{list}&status=any")).await;
        assert_eq!(ids(&first["orders"]), [1, 2, 3, 4]);
        let link = headers["link"].to_str().unwrap();
        let next = link.strip_prefix("<http://shop").unwrap().split_once('>').unwrap().0.to_owned();
        assert!(!next.contains("updated_at_min"), "{next}");
        let (_, headers, second) = ask(next).await;
        assert_eq!(ids(&second["orders"]), [5, 6]);
        assert!(!headers.contains_key("link"));
        assert_eq!(ask("/admin/api/2026-01/orders/5.json".into()).await.2["order"]["id"], 5);
        assert_eq!(ask("/admin/api/2026-01/orders/99.json".into()).await.0, StatusCode::NOT_FOUND);
        assert_eq!(get(shelf(Vendor::Shopify), list, "x", "y").await.0, StatusCode::UNAUTHORIZED);
    }

    #[tokio::test]
    async fn woocommerce_takes_times_as_the_sites_own_unless_told() {
        let basic = format!("Basic {}", STANDARD.encode("ck:cs"));
        let ask = |uri: String| {
            let basic = basic.clone();
            async move { get(shelf(Vendor::WooCommerce), &uri, "authorization", &basic).await }
        };
        let list = "/wp-json/wc/v3/orders?orderby=modified&order=asc&per_page=3";
        let (_, headers, gmt) = ask(format!("{list}&modified_after=2026-01-31T10:00:01&dates_are_gmt=true")).await;
        assert_eq!(ids(&gmt), [2, 3, 4], "after means after");
        assert_eq!(
            (&headers["x-wp-total"], &headers["x-wp-totalpages"]),
            (&"5".parse().unwrap(), &"2".parse().unwrap())
        );
        let (_, _, second) = ask(format!("{list}&modified_after=2026-01-31T10:00:01&dates_are_gmt=true&page=2")).await;
        assert_eq!(ids(&second), [5, 6]);
        // 10:00 at the site is 13:00 UTC: without the word nothing is found.
        assert_eq!(ids(&ask(format!("{list}&modified_after=2026-01-31T10:00:01")).await.2), Vec::<i64>::new());
        assert_eq!(ask("/wp-json/wc/v3/orders/5".into()).await.2["id"], 5);
        assert_eq!(ask("/wp-json/wc/v3/orders?per_page=101".into()).await.0, StatusCode::BAD_REQUEST);
        assert_eq!(get(shelf(Vendor::WooCommerce), list, "x", "y").await.0, StatusCode::UNAUTHORIZED);
    }
}
