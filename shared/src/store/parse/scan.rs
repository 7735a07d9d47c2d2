//! The elements of a list, told apart without reading them.

use super::without_mark;

/// The elements of a list of orders, each as its own text, so that one that cannot be read does not hide the others. `key` is where
/// the list stands in the body, if not alone.
///
/// Only strings and brackets are looked at: an element may hold what is no JSON (`NaN`, a broken escape, bytes that are no UTF-8).
/// `None` if there is no such list, or its end is missing.
pub(crate) fn elements<'a>(body: &'a [u8], key: Option<&str>) -> Option<Vec<&'a [u8]>> {
    let mut scan = Scan { text: without_mark(body), at: 0 };
    if let Some(key) = key {
        scan.expect(b'{')?;
        loop {
            let name = scan.value()?;
            scan.expect(b':')?;
            if name.strip_prefix(b"\"").and_then(|name| name.strip_suffix(b"\"")) == Some(key.as_bytes()) {
                break;
            }
            scan.value()?;
            scan.expect(b',')?;
        }
    }
    scan.expect(b'[')?;
    let mut elements = Vec::new();
    if scan.peek()? == b']' {
        return Some(elements);
    }
    loop {
        elements.push(scan.value()?);
        match scan.peek()? {
            b',' => scan.at += 1,
            b']' => return Some(elements),
            _ => return None,
        }
    }
}

/// A place in a text that is JSON as far as its brackets and strings go.
struct Scan<'a> {
    text: &'a [u8],
    at: usize,
}

impl<'a> Scan<'a> {
    /// The next byte that is no space.
    fn peek(&mut self) -> Option<u8> {
        while self.text.get(self.at)?.is_ascii_whitespace() {
            self.at += 1;
        }
        self.text.get(self.at).copied()
    }

    fn expect(&mut self, byte: u8) -> Option<()> {
        (self.peek()? == byte).then(|| self.at += 1)
    }

    /// The text of the value that begins here.
    fn value(&mut self) -> Option<&'a [u8]> {
        self.peek()?;
        let (from, mut depth, mut string) = (self.at, 0_usize, false);
        loop {
            let byte = *self.text.get(self.at)?;
            match byte {
                b'\\' if string => self.at += 1,
                b'"' => string = !string,
                _ if string => {}
                b'[' | b'{' => depth += 1,
                b']' | b'}' if depth > 0 => depth -= 1,
                b']' | b'}' | b',' | b':' if depth == 0 => break,
                _ => {}
            }
            self.at += 1;
        }
        let value = self.text.get(from..self.at)?.trim_ascii_end();
        (!value.is_empty()).then_some(value)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_elements_of_a_list_are_told_apart_whatever_is_in_them() {
        let texts = |body: &[u8], key: Option<&str>| {
            elements(body, key)
                .map(|all| all.iter().map(|e| String::from_utf8_lossy(e).into_owned()).collect::<Vec<_>>())
        };
        let odd = br#"[{"a":"]},[\""}, NaN ,null,"x,y",[1,[2]],{"b":"\q"},1e999]"#;
        assert_eq!(
            texts(odd, None).unwrap(),
            [r#"{"a":"]},[\""}"#, "NaN", "null", "\"x,y\"", "[1,[2]]", r#"{"b":"\q"}"#, "1e999"]
        );
        assert_eq!(texts(b"[{\"a\":\"\xff\"},2]", None).unwrap().len(), 2);
        assert_eq!(texts(b"\xef\xbb\xbf [ ]", None).unwrap().len(), 0);
        assert_eq!(texts(br#"{"x":{"orders":[9]},"orders":[1,2],"y":3}"#, Some("orders")).unwrap(), ["1", "2"]);
        for none in ["", "[", "[1", "[1,", "[1}", "{}", "null", "[,]", "{\"orders\":{}}", "[\"a]"] {
            assert!(texts(none.as_bytes(), None).is_none(), "{none}");
            assert!(texts(none.as_bytes(), Some("orders")).is_none(), "{none}");
        }
    }
}
