//! [`puente::ports::Tokens`]: of those who change a token at once one wins, and the others learn what it wrote.

use futures::future::join_all;
use puente::{
    domain::ids::AccountId,
    ports::{Swapped, Token},
};
use secrecy::ExposeSecret as _;

use super::{Ports, at};

fn token(value: &str, end: Option<i64>) -> Token {
    Token { value: value.into(), expires_at: end.map(at) }
}

pub(super) async fn a_token_comes_back_as_it_was_kept(ports: &Ports) {
    let tokens = &ports.tokens;
    let (store, erp) = (AccountId::Store("tokens".parse().unwrap()), AccountId::Erp("tokens".parse().unwrap()));
    assert!(tokens.get(&store).await.unwrap().is_none());
    for (value, end) in [("first é", Some(60)), ("second", None), ("", Some(90))] {
        tokens.put(&store, &token(value, end)).await.unwrap();
        let kept = tokens.get(&store).await.unwrap().unwrap();
        assert!(kept.token.is(&token(value, end)), "{value}: {kept:?}");
        assert!(value.is_empty() || !format!("{kept:?}").contains(value));
    }
    // An ERP account of the same name is another account.
    assert!(tokens.get(&erp).await.unwrap().is_none());
}

pub(super) async fn a_swap_holds_for_the_version_that_was_seen_only(ports: &Ports) {
    let (tokens, of) = (&ports.tokens, AccountId::Store("swaps".parse().unwrap()));
    let Swapped::Written(first) = tokens.swap(&of, None, &token("1", None)).await.unwrap() else {
        panic!("there was none")
    };
    let Swapped::Other(Some(kept)) = tokens.swap(&of, None, &token("2", None)).await.unwrap() else {
        panic!("there is one")
    };
    assert_eq!((kept.version, kept.token.value.expose_secret()), (first, "1"));
    let Swapped::Written(second) = tokens.swap(&of, Some(first), &token("3", Some(5))).await.unwrap() else {
        panic!("as seen")
    };
    assert!(second > first);
    assert!(matches!(tokens.swap(&of, Some(first), &token("4", None)).await.unwrap(), Swapped::Other(Some(_))));
    // A person signs in whatever is there; who had seen what was there before has not seen this.
    tokens.put(&of, &token("5", None)).await.unwrap();
    let Swapped::Other(Some(kept)) = tokens.swap(&of, Some(second), &token("6", None)).await.unwrap() else {
        panic!("put")
    };
    assert_eq!(kept.token.value.expose_secret(), "5");
    let nobody = AccountId::Store("nobody".parse().unwrap());
    assert!(matches!(tokens.swap(&nobody, Some(1), &token("7", None)).await.unwrap(), Swapped::Other(None)));
}

pub(super) async fn of_two_that_renew_at_once_one_wins_and_the_other_reads_the_winners(ports: &Ports) {
    let (tokens, of) = (&ports.tokens, AccountId::Store("race".parse().unwrap()));
    let mut version = None;
    for round in 0..5 {
        let new: Vec<Token> = (0..4).map(|holder| token(&format!("{round}-{holder}"), Some(holder))).collect();
        let swaps = join_all(new.iter().map(|new| tokens.swap(&of, version, new))).await;
        let swaps: Vec<Swapped> = swaps.into_iter().map(Result::unwrap).collect();
        let won: Vec<usize> = (0..4).filter(|i| matches!(swaps[*i], Swapped::Written(_))).collect();
        let [winner] = won[..] else { panic!("{swaps:?}") };
        for swapped in &swaps {
            match swapped {
                Swapped::Written(now) => version = Some(*now),
                Swapped::Other(found) => assert!(found.as_ref().unwrap().token.is(&new[winner]), "{found:?}"),
            }
        }
        assert!(tokens.get(&of).await.unwrap().unwrap().token.is(&new[winner]));
    }
}
