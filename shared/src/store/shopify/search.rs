//! Articles found by their codes, through the GraphQL Admin API.

use serde::{Deserialize, Serialize};

use super::{
    super::goods::{Said, in_order},
    config::Shopify,
    graphql::{PageInfo, Question},
};
use crate::{Error, Kind, Result, domain::goods::Sku, outbound::Calls};

/// So many articles in one question. A question may cost a thousand points, whatever it brings: a hundred items with two levels each, or a
/// hundred variants with their products, stay below that. <https://shopify.dev/docs/apps/build/apis/graphql-admin/rate-limits>
const ASKED: usize = 40;

/// So many pages are read of one question: the search also finds codes that have the one asked for as a part.
const PAGES: usize = 5;

/// What is asked about articles.
pub(super) struct Search<'a> {
    /// With `$find`, `$after` and, where it is about one location, `$at`.
    pub(super) query: &'static str,
    pub(super) at: Option<&'a str>,
    pub(super) scopes: &'static str,
}

#[derive(Serialize)]
struct Find<'a> {
    #[serde(rename = "find")]
    codes: &'a str,
    after: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    at: Option<&'a str>,
}

/// What is looked for: any of these codes. Within quotes only quotes and backslashes mean something else.
/// <https://shopify.dev/docs/api/usage/search-syntax>
fn find(skus: &[Sku]) -> String {
    let one = |sku: &Sku| format!("sku:\"{}\"", sku.as_str().replace('\\', "\\\\").replace('"', "\\\""));
    skus.iter().map(one).collect::<Vec<_>>().join(" OR ")
}

impl Shopify {
    /// What the shop says of these articles, in order. `read` takes the articles of an answer, and where its list goes on.
    pub(super) async fn search<D: for<'a> Deserialize<'a>, S: Said>(
        &self,
        calls: &Calls<'_>,
        skus: &[Sku],
        search: &Search<'_>,
        read: fn(D) -> Result<(Vec<S>, PageInfo)>,
    ) -> Result<Vec<S>> {
        let mut found = Vec::new();
        for asked in skus.chunks(ASKED) {
            let pages = self.pages(calls, asked, search, read).await?;
            // The search finds more than what it is asked for, also what another question asks for.
            found.extend(pages.into_iter().filter(|one| asked.contains(one.sku())));
        }
        Ok(in_order(skus, &found))
    }

    async fn pages<D: for<'a> Deserialize<'a>, S: Said>(
        &self,
        calls: &Calls<'_>,
        asked: &[Sku],
        search: &Search<'_>,
        read: fn(D) -> Result<(Vec<S>, PageInfo)>,
    ) -> Result<Vec<S>> {
        let &Search { query, at, scopes } = search;
        let codes = find(asked);
        let (mut found, mut after) = (Vec::new(), None);
        for _ in 0..PAGES {
            let question = Question { query, variables: Find { codes: &codes, after, at }, scopes };
            let answer = self.graphql(calls, &question).await?;
            let data: D = self.data(answer, &question)?;
            let (articles, page) = read(data).map_err(|error| error.within(format_args!("{}", self.shop)))?;
            found.extend(articles);
            after = page.next();
            if after.is_none() {
                return Ok(found);
            }
        }
        let words = format!("{}: too many articles have codes like those that were asked about", self.shop);
        Err(Error::new(Kind::Unreadable, words))
    }
}
