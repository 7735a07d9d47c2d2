//! The HTML that `WordPress` keeps where text is meant.

/// Text without `WordPress`'s HTML entities for `& < > " '`, as `wp_specialchars_decode(…, ENT_QUOTES)` gives it: each entity
/// once, so that `&amp;lt;` becomes `&lt;`.
/// <https://developer.wordpress.org/reference/functions/wp_specialchars_decode/>
pub(crate) fn plain(text: &str) -> String {
    let mut plain = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(at) = rest.find('&') {
        let (before, entity) = rest.split_at(at);
        plain.push_str(before);
        let decoded = entity.split_once(';').and_then(|(name, after)| Some((special(name.get(1..)?)?, after)));
        let (character, after) = decoded.unwrap_or(('&', entity.get(1..).unwrap_or_default()));
        plain.push(character);
        rest = after;
    }
    plain.push_str(rest);
    plain
}

/// The character of an entity's name. Leading zeros of numbers do not count.
fn special(name: &str) -> Option<char> {
    let number = |text: &str, radix| u32::from_str_radix(text, radix).ok().and_then(char::from_u32);
    let character = match name {
        "amp" => '&',
        "lt" => '<',
        "gt" => '>',
        "quot" => '"',
        _ => match name.strip_prefix('#')? {
            hex if hex.starts_with(['x', 'X']) => number(hex.get(1..)?, 16)?,
            decimal => number(decimal, 10)?,
        },
    };
    "&<>\"'".contains(character).then_some(character)
}
