//! Progress of long work, on standard error: shown on a terminal, silent otherwise.

use std::{borrow::Cow, time::Duration};

use indicatif::{ProgressBar, ProgressStyle};

/// A spinner with words.
pub(crate) fn spinner(words: impl Into<Cow<'static, str>>) -> ProgressBar {
    let spinner = ProgressBar::new_spinner().with_message(words).with_style(style("{spinner} {msg}"));
    spinner.enable_steady_tick(Duration::from_millis(100));
    spinner
}

/// A style; a template that cannot be read falls back to the plain bar.
pub(crate) fn style(template: &str) -> ProgressStyle {
    ProgressStyle::with_template(template).unwrap_or_else(|_| ProgressStyle::default_bar())
}
