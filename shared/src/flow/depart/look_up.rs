//! Looking steps up in the ERP. If it refuses to be asked about one of them, the others are answered all the same.

use super::{batch::Batch, ids::Cache};
use crate::{
    Error, Result,
    domain::{
        document::{Action, Step},
        ids::{ConnectionId, OrderId, OrderKey},
        record::Head,
    },
    erp::{Found, SendError},
};

/// What came of looking one step up.
pub(super) enum Looked {
    /// It was taken: this is its document.
    There(Found),
    /// It was not.
    Missing,
    /// The sale that it is about is not in the ERP any more, or was cancelled there by hand.
    Gone,
    /// It does not say, though it answers for others. `refused`: it said no, instead of failing.
    Refused { error: Error, refused: bool },
    /// It was not asked, or cannot be reached now.
    Unasked,
}

impl Looked {
    /// Whether a step was taken, by what the ERP has of it. A sale that is to be changed is there in any case: its version tells.
    fn of(step: &Step, found: Option<Found>) -> Self {
        let has_one = matches!(step.action, Action::Amend { .. } | Action::Cancel { .. });
        let Some(found) = found else { return if has_one { Self::Gone } else { Self::Missing } };
        match &step.action {
            Action::Cancel { .. } if !found.cancelled => Self::Missing,
            Action::Amend { .. } if found.cancelled => Self::Gone,
            Action::Amend { base, .. } if found.version.as_ref() == Some(base) => Self::Missing,
            _ => Self::There(found),
        }
    }
}

/// What came of looking references up.
pub(super) struct LookedUp {
    /// One for each, in order.
    pub(super) answers: Vec<Looked>,
    /// Why the ERP answers nobody, if that is so.
    pub(super) failed: Option<Error>,
}

impl Batch<'_> {
    /// Looks up the `steps` of these orders, one each. A look-up that fails is halved until the orders to blame are alone, provided that
    /// the ERP answers a look-up of a reference nobody has; otherwise the account is to blame, and is closed.
    pub(super) async fn look_up(&mut self, heads: &[&Head], steps: &[Step]) -> Result<LookedUp> {
        let mut answers: Vec<Looked> = steps.iter().map(|_| Looked::Unasked).collect();
        let (mut groups, mut answered) = (vec![(0, steps.len())], false);
        while let Some((from, to)) = groups.pop() {
            let asked = steps.get(from..to).unwrap_or_default();
            if asked.is_empty() || self.over().await {
                continue;
            }
            let looked = self.account.erp.look_up(&self.calls(&Cache(self)), asked).await;
            match looked {
                Ok(found) => {
                    (answered, self.succeeded) = (true, true);
                    for ((answer, step), found) in answers.iter_mut().skip(from).zip(asked).zip(found) {
                        *answer = Looked::of(step, found);
                    }
                }
                Err(SendError::Account(error)) => {
                    let error = self.discreet_about(error, heads).await;
                    self.close(&error).await?;
                    return Ok(LookedUp { answers, failed: Some(error) });
                }
                Err(send_error) => {
                    answered = answered || self.others_are_answered().await;
                    if !answered {
                        let error = self.discreet_about(send_error.into_error(), heads).await;
                        self.close(&error).await?;
                        return Ok(LookedUp { answers, failed: Some(error) });
                    }
                    if to - from > 1 {
                        let middle = from + (to - from) / 2;
                        groups.extend([(middle, to), (from, middle)]);
                    } else if let (Some(answer), Some(head)) = (answers.get_mut(from), heads.get(from)) {
                        let refused = matches!(send_error, SendError::Ambiguous(_) | SendError::Refused(_));
                        let error = self.discreet_about(send_error.into_error(), &[head]).await;
                        *answer = Looked::Refused { error, refused };
                    }
                }
            }
        }
        Ok(LookedUp { answers, failed: None })
    }

    /// Whether the ERP answers a look-up of a reference nobody has. After a block it is not asked: the next failure counts as more of the
    /// same.
    async fn others_are_answered(&self) -> bool {
        if self.ledger.strikes > 0 || self.slots.held_back().await {
            return false;
        }
        let nobody = || Some(OrderKey::new("puente".parse::<ConnectionId>().ok()?, "probe".parse::<OrderId>().ok()?));
        let Some(nobody) = nobody() else { return false };
        self.account.erp.look_up(&self.calls(&Cache(self)), &[Step::create(nobody.sale())]).await.is_ok()
    }
}
