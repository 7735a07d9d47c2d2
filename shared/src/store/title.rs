//! Titles as people read them. `WooCommerce` and its extensions keep names as HTML: with entities (`&#8222;Lino&#8220;`) and now and
//! then with markup (`<small>500 g</small>`).
//!
//! Markup goes first and entities are decoded then, once: `&lt;b&gt;` is text that shows angle brackets. What only looks like
//! markup stays: `Poncho <M>`, `5 < 6`.

use std::borrow::Cow;

/// Elements that set words apart: a space takes their place.
const APART: &[&str] = &[
    "br",
    "p",
    "div",
    "li",
    "ul",
    "ol",
    "tr",
    "td",
    "th",
    "table",
    "tbody",
    "thead",
    "h1",
    "h2",
    "h3",
    "h4",
    "h5",
    "h6",
    "hr",
    "dl",
    "dt",
    "dd",
    "section",
    "blockquote",
    "pre",
    "figure",
    "wbr",
];

/// Elements within a line: nothing takes their place.
const WITHIN: &[&str] = &[
    "a", "abbr", "b", "bdi", "bdo", "big", "cite", "code", "del", "dfn", "em", "font", "i", "img", "ins", "kbd",
    "label", "mark", "q", "s", "samp", "small", "span", "strike", "strong", "sub", "sup", "svg", "tt", "u", "var",
    "input", "button", "time",
];

/// Elements whose content nobody reads.
const UNSEEN: &[&str] = &["script", "style", "template"];

/// The text of a title: no markup, no entities, single spaces, no control characters.
pub(crate) fn plain(html: &str) -> String {
    let text: Cow<'_, str> = if html.contains('<') { Cow::Owned(without_markup(html)) } else { Cow::Borrowed(html) };
    let text = if text.contains('&') { htmlize::unescape(text) } else { text };
    let mut plain = String::with_capacity(text.len());
    for word in text.split(char::is_whitespace) {
        let word = word.chars().filter(|c| !c.is_control() && !is_invisible(*c));
        let before = plain.len();
        if before > 0 {
            plain.push(' ');
        }
        let begin = plain.len();
        plain.extend(word);
        if plain.len() == begin {
            plain.truncate(before);
        }
    }
    plain
}

/// Soft hyphens, zero-width spaces, marks of byte order and of direction.
fn is_invisible(c: char) -> bool {
    matches!(c, '\u{ad}' | '\u{200b}' | '\u{200e}' | '\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2060}' | '\u{2066}'..='\u{2069}' | '\u{feff}')
}

fn without_markup(html: &str) -> String {
    let mut text = String::with_capacity(html.len());
    let mut rest = html;
    while let Some((before, from)) = rest.find('<').and_then(|at| rest.split_at_checked(at)) {
        text.push_str(before);
        if let Some((apart, after)) = markup(from) {
            text.push_str(if apart { " " } else { "" });
            rest = after;
        } else {
            text.push('<');
            rest = from.get(1..).unwrap_or_default();
        }
    }
    text.push_str(rest);
    text
}

/// Whether the markup at the beginning of `from` sets words apart, and what comes after it; `None` if it is none.
fn markup(from: &str) -> Option<(bool, &str)> {
    if let Some(comment) = from.strip_prefix("<!--") {
        return Some((false, comment.split_once("-->")?.1));
    }
    let inner = from.get(1..)?;
    let closing = inner.starts_with('/');
    let inner = inner.strip_prefix('/').unwrap_or(inner);
    let name_ends = inner.find(|c: char| !c.is_ascii_alphanumeric())?;
    let (written, attributes) = inner.split_at_checked(name_ends)?;
    let name = written.to_ascii_lowercase();
    let after = tag_end(attributes)?;
    let is = |elements: &[&str]| elements.contains(&name.as_str());
    if is(UNSEEN) {
        let end = format!("</{name}");
        let hidden = if closing { None } else { after.to_ascii_lowercase().find(&end) };
        let after = match hidden.and_then(|at| after.get(at + end.len()..)) {
            Some(tail) => tail.split_once('>').map_or("", |(_, after)| after),
            None => after,
        };
        return Some((true, after));
    }
    // `Poncho <S>` is a size: one capital that nothing closes.
    let lone = written.len() == 1 && written == written.to_ascii_uppercase() && attributes.starts_with('>');
    if lone && !closing && !after.contains(&format!("</{written}>")) {
        return None;
    }
    if is(APART) { Some((true, after)) } else { is(WITHIN).then_some((false, after)) }
}

/// What comes after a tag whose attributes begin here; `None` if it is not closed, or no tag at all.
fn tag_end(attributes: &str) -> Option<&str> {
    if !attributes.starts_with(|c: char| c == '>' || c == '/' || c.is_ascii_whitespace()) {
        return None;
    }
    let mut quote = None;
    for (at, c) in attributes.char_indices() {
        match (quote, c) {
            (None, '>') => return attributes.get(at + 1..),
            (None, '"' | '\'') => quote = Some(c),
            (Some(open), c) if c == open => quote = None,
            _ => {}
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn entities_are_decoded_once() {
        for (html, text) in [
            (
                "Vorhang &#8222;Lino&#8220; &#8211; 1,5 m &times; 2 &amp; Bord&uuml;re",
                "Vorhang „Lino“ – 1,5 m × 2 & Bordüre",
            ),
            ("Aceite &amp; romero", "Aceite & romero"),
            ("&quot;A&quot; &#039;B&#039; &#x27;C&#x27;", "\"A\" 'B' 'C'"),
            ("Caf&eacute; &#xe9; &#233;", "Café é é"),
            ("500&nbsp;g&hellip;", "500 g…"),
            ("&amp;lt;b&amp;gt;", "&lt;b&gt;"),
            ("&lt;b&gt;bold&lt;/b&gt;", "<b>bold</b>"),
            // Of the time of Windows-1252, as browsers show it.
            ("3 &#150; 4", "3 – 4"),
            ("R&D, AT&T, Q&A; 5 &", "R&D, AT&T, Q&A; 5 &"),
            ("&nosuch; &#0; &#xD800;", "&nosuch; \u{fffd} \u{fffd}"),
        ] {
            assert_eq!(plain(html), text, "{html}");
        }
    }

    #[test]
    fn markup_goes_and_what_only_looks_like_it_stays() {
        for (html, text) in [
            ("Sal <small>500 g</small>", "Sal 500 g"),
            ("<strong class=\"x > y\">Sal</strong><br/>marina", "Sal marina"),
            ("<p>Sal</p><p>marina</p>", "Sal marina"),
            ("H<sub>2</sub>O", "H2O"),
            ("<B>Sal</B> <I>marina</I>", "Sal marina"),
            ("Sal<!-- note --> marina", "Sal marina"),
            ("Sal<script>alert('<b>')</script> marina", "Sal marina"),
            ("<span title='a>b'>Sal", "Sal"),
            ("Poncho <M> & Co.", "Poncho <M> & Co."),
            ("Poncho <S>", "Poncho <S>"),
            ("5 < 6 > 4 <3", "5 < 6 > 4 <3"),
            ("a <b", "a <b"),
            ("<>", "<>"),
        ] {
            assert_eq!(plain(html), text, "{html}");
        }
    }

    #[test]
    fn space_is_single_and_nothing_invisible_is_left() {
        assert_eq!(plain("  a \n\t b\u{a0}c  "), "a b c");
        assert_eq!(plain("a\u{1b}[2J\u{200b}b\u{202e}"), "a[2Jb");
        assert_eq!(plain("&#27;&#8203; x"), "x");
        assert_eq!(plain("<br>"), "");
    }

    proptest! {
        #[test]
        fn any_text_becomes_a_line_without_a_panic(text in "[<>/&;#a-zA-Z0-9 \"'=!\\-äé]{0,60}|\\PC{0,40}") {
            let line = plain(&text);
            prop_assert!(!line.chars().any(char::is_control));
            prop_assert!(line.trim() == line && !line.contains("  "));
        }
    }
}
