//! Calls that are for many documents and are refused for one of them.

use serde::de::IgnoredAny;

use crate::erp::SendError;

/// Calls for all of some documents together, which an ERP refuses as a whole if one of them is to blame: that one is found by halving.
/// After a failure that is no refusal the others are not tried.
pub(in crate::erp) struct Halving<T> {
    groups: Vec<Vec<T>>,
    failed: Vec<(T, SendError)>,
}

impl<T> Halving<T> {
    /// Of all of these.
    pub(in crate::erp) fn of(these: Vec<T>) -> Self {
        Self { groups: vec![these], failed: Vec::new() }
    }

    /// Those that the next call is for.
    pub(in crate::erp) fn take(&mut self) -> Option<Vec<T>> {
        self.groups.pop().filter(|group| !group.is_empty())
    }

    /// What came of the call for `group`.
    pub(in crate::erp) fn came(&mut self, mut group: Vec<T>, outcome: Result<IgnoredAny, SendError>) {
        match outcome {
            Ok(IgnoredAny) => {}
            Err(SendError::Refused(_)) if group.len() > 1 => {
                let second = group.split_off(group.len() / 2);
                self.groups.extend([second, group]);
            }
            Err(refused @ SendError::Refused(_)) => {
                self.failed.extend(group.into_iter().map(|one| (one, refused.clone())));
            }
            Err(send_error) => {
                let left = std::iter::once(group).chain(self.groups.drain(..)).flatten();
                self.failed.extend(left.map(|one| (one, send_error.clone())));
            }
        }
    }

    /// Those that no call was made for, each with the reason.
    pub(in crate::erp) fn failed(self) -> Vec<(T, SendError)> {
        self.failed
    }
}
