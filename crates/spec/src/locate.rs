//! Finding a property in the text of its document, for those who show mistakes where they are.

use std::borrow::Cow;
use std::ops::Range;

/// A place in a text. Both count from 1; columns count characters.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Position {
    /// The line.
    pub line: usize,
    /// The character in the line.
    pub column: usize,
}

impl Position {
    /// The place of a byte.
    pub fn of(text: &str, byte: usize) -> Position {
        let before = text.get(..byte).unwrap_or(text);
        let start = before.rfind('\n').map_or(0, |newline| newline + 1);
        Position {
            line: before.matches('\n').count() + 1,
            column: before[start..].chars().count() + 1,
        }
    }

    /// The place that a parser gives as a line and a number of bytes in it.
    pub(crate) fn of_line(text: &str, line: usize, bytes: usize) -> Position {
        let found = text.split('\n').nth(line.saturating_sub(1));
        let found = found.unwrap_or_default();
        let before = bytes.saturating_sub(1).min(found.len());
        Position {
            line: line.max(1),
            column: String::from_utf8_lossy(&found.as_bytes()[..before])
                .chars()
                .count()
                + 1,
        }
    }
}

/// Where a property stands, given as [`crate::ConfigPath`] prints it: the place of its key, or of an element of a list. When
/// it is not there, that of the innermost thing around it which is.
///
/// The text must be JSON; in other texts any place may come out.
pub fn locate(text: &str, at: &str) -> Position {
    Position::of(text, find(text, at).found.start)
}

/// The text with a property overwritten by spaces, so that all else stays where it is. `None` when it is not there.
///
/// Elements of lists count: to take one away would number the others anew, so the whole list goes.
pub fn without(text: &str, at: &str) -> Option<String> {
    let mut property = at;
    while let Some((list, index)) = property
        .strip_suffix(']')
        .and_then(|at| at.rsplit_once('['))
        && index.bytes().all(|digit| digit.is_ascii_digit())
    {
        property = list;
    }
    let Walk { found, whole, .. } = find(text, property);
    if !whole || property.is_empty() {
        return None;
    }
    let bytes = text.as_bytes();
    let mut range = found;
    let after = skip_space(bytes, range.end);
    if bytes.get(after) == Some(&b',') {
        range.end = after + 1;
    } else if let Some(comma) = text[..range.start].trim_ascii_end().strip_suffix(',') {
        range.start = comma.len();
    }
    let blank: String = text[range.clone()]
        .chars()
        .map(|c| if c == '\n' { c } else { ' ' })
        .collect();
    Some([&text[..range.start], &blank, &text[range.end..]].concat())
}

/// The text with a property added, `value` in JSON, to an object that does not have it. `None` when there is no such object.
pub fn with(text: &str, at: &str, value: &str) -> Option<String> {
    let (object, key) = at.rsplit_once('.').unwrap_or(("", at));
    let Walk {
        value: open, whole, ..
    } = find(text, object);
    let bytes = text.as_bytes();
    if !whole || bytes.get(open) != Some(&b'{') {
        return None;
    }
    let is_empty = bytes.get(skip_space(bytes, open + 1)) == Some(&b'}');
    let comma = if is_empty { "" } else { "," };
    let (before, behind) = text.split_at(open + 1);
    Some(format!("{before}\"{key}\":{value}{comma}{behind}"))
}

/// What a parser that has read as far as to a byte is about: from the document inwards, the key (of objects) or the index of each
/// property and element.
pub(crate) fn parts_at(text: &str, byte: usize) -> Vec<Part<'_>> {
    let mut parts = Vec::new();
    let mut value = skip_space(text.as_bytes(), 0);
    while byte >= value {
        // Behind the last one it is about the whole.
        let mut around = entries(text, value).enumerate();
        let Some((index, entry)) = around.find(|(_, entry)| byte < entry.end) else {
            break;
        };
        parts.push(match entry.value == entry.start {
            true => Part::Index(index),
            false => Part::Key(entry.key(text)),
        });
        value = entry.value;
    }
    parts
}

/// How far a path leads.
struct Walk {
    /// From the key (or the element's beginning) to the end of the value.
    found: Range<usize>,
    /// Where the value begins.
    value: usize,
    /// The path was followed to its end.
    whole: bool,
}

/// A step into an object or a list.
pub(crate) enum Part<'a> {
    Key(Cow<'a, str>),
    Index(usize),
}

fn find(text: &str, at: &str) -> Walk {
    let bytes = text.as_bytes();
    let start = skip_space(bytes, 0);
    let mut found = start..skip_value(bytes, start);
    let mut value = start;
    let mut rest = at;
    while let Some((part, after)) = next_part(rest) {
        let entry = match part {
            Part::Key(key) => entries(text, value).find(|entry| entry.key(text) == key),
            Part::Index(index) => entries(text, value).nth(index),
        };
        let Some(entry) = entry else {
            return Walk {
                found,
                value,
                whole: false,
            };
        };
        found = entry.start..entry.end;
        value = entry.value;
        rest = after;
    }
    Walk {
        found,
        value,
        whole: true,
    }
}

/// The first part of a path, and the rest: `a.b`, `[3].a`, `["a.b"].c`.
fn next_part(path: &str) -> Option<(Part<'_>, &str)> {
    let path = path.strip_prefix('.').unwrap_or(path);
    if path.is_empty() {
        return None;
    }
    if let Some(quoted) = path.strip_prefix("[\"") {
        let (key, rest) = quoted_key(quoted)?;
        return Some((Part::Key(key), rest));
    }
    if let Some(number) = path.strip_prefix('[') {
        let (number, rest) = number.split_once(']')?;
        return Some((Part::Index(number.parse().ok()?), rest));
    }
    let end = path.find(['.', '[']).unwrap_or(path.len());
    Some((Part::Key(path[..end].into()), &path[end..]))
}

/// The key of a map's entry behind its opening quote, as [`crate::ConfigPath`] prints it, and what follows the bracket.
fn quoted_key(path: &str) -> Option<(Cow<'_, str>, &str)> {
    let mut key = String::new();
    let mut letters = path.char_indices();
    while let Some((at, letter)) = letters.next() {
        match letter {
            '"' => {
                let written = &path[..at];
                let key = match written.contains('\\') {
                    true => Cow::Owned(key),
                    false => Cow::Borrowed(written),
                };
                return Some((key, path[at + 1..].strip_prefix(']')?));
            }
            '\\' => key.push(match letters.next()?.1 {
                '0' => '\0',
                'n' => '\n',
                'r' => '\r',
                't' => '\t',
                'u' => {
                    let number = letters.by_ref().map(|(_, digit)| digit).skip(1);
                    let number: String = number.take_while(|digit| *digit != '}').collect();
                    char::from_u32(u32::from_str_radix(&number, 16).ok()?)?
                }
                other => other,
            }),
            other => key.push(other),
        }
    }
    None
}

/// A property of an object, or an element of a list.
struct Entry {
    start: usize,
    value: usize,
    end: usize,
}

impl Entry {
    /// As it is meant: with escapes replaced.
    fn key<'t>(&self, text: &'t str) -> Cow<'t, str> {
        let end = skip_value(text.as_bytes(), self.start);
        let written = text.get(self.start..end).unwrap_or_default();
        let plain = Cow::Borrowed(written.trim_matches('"'));
        match written.contains('\\') {
            false => plain,
            true => serde_json::from_str(written).map_or(plain, Cow::Owned),
        }
    }
}

/// What is in the object or list that begins at a byte; nothing for other values.
fn entries(text: &str, open: usize) -> impl Iterator<Item = Entry> + '_ {
    let bytes = text.as_bytes();
    let is_object = bytes.get(open) == Some(&b'{');
    let is_container = is_object || bytes.get(open) == Some(&b'[');
    let mut next = skip_space(bytes, open + 1);
    std::iter::from_fn(move || {
        if !is_container || matches!(bytes.get(next), None | Some(b'}' | b']')) {
            return None;
        }
        let start = next;
        let value = if is_object {
            let colon = skip_space(bytes, skip_value(bytes, start));
            skip_space(bytes, colon + 1)
        } else {
            start
        };
        let end = skip_value(bytes, value);
        let comma = skip_space(bytes, end);
        next = skip_space(bytes, comma + 1);
        // No way forward: that is no JSON. The end of the container is met again by the next call.
        if bytes.get(comma) != Some(&b',') {
            next = comma;
            if end == start {
                return None;
            }
        }
        Some(Entry { start, value, end })
    })
}

fn skip_space(bytes: &[u8], from: usize) -> usize {
    let rest = bytes.get(from..).unwrap_or_default();
    from + rest.iter().take_while(|b| b.is_ascii_whitespace()).count()
}

/// Behind the value that begins at a byte. Without recursion: texts are nested as deeply as they like.
fn skip_value(bytes: &[u8], from: usize) -> usize {
    let mut depth = 0usize;
    let mut at = from;
    while let Some(byte) = bytes.get(at) {
        match byte {
            b'"' => {
                at += 1;
                while let Some(inside) = bytes.get(at).filter(|inside| **inside != b'"') {
                    at += if *inside == b'\\' { 2 } else { 1 };
                }
            }
            b'{' | b'[' => depth += 1,
            b'}' | b']' | b',' | b':' if depth == 0 => return at,
            b'}' | b']' => depth -= 1,
            byte if depth == 0 && byte.is_ascii_whitespace() => return at,
            _ => {}
        }
        at += 1;
        // A string, object or list ends here; a number or word may go on.
        if depth == 0 && matches!(byte, b'"' | b'}' | b']') {
            break;
        }
    }
    at.min(bytes.len())
}

#[cfg(test)]
mod tests {
    use super::*;

    const TEXT: &str = "{\n  \"ü\": 1, \"process\": {\"cwd\": \"a\\\"}\", \"args\": [\"x\", [1,2], {}]},\n  \"linux\": {\"sysctl\": {\"net.core\": \"1\", \"a\\u0062\": \"2\"}}\n}";

    #[test]
    fn properties_are_found_at_their_keys() {
        for (at, line, column) in [
            ("", 1, 1),
            ("process", 2, 11),
            ("process.cwd", 2, 23),
            ("process.args", 2, 38),
            ("process.args[0]", 2, 47),
            ("process.args[1]", 2, 52),
            ("process.args[1][1]", 2, 55),
            ("process.args[2]", 2, 59),
            ("linux.sysctl[\"net.core\"]", 3, 24),
            ("linux.sysctl[\"ab\"]", 3, 41),
            // What is not there is shown where it would be.
            ("process.user.uid", 2, 11),
            ("process.args[9].x", 2, 38),
            ("hostname", 1, 1),
            ("process.cwd.deeper", 2, 23),
        ] {
            assert_eq!(locate(TEXT, at), Position { line, column }, "{at}");
        }
    }

    #[test]
    fn without_a_property_all_else_stays_where_it_is() {
        for (at, gone) in [
            ("process.cwd", "\"cwd\": \"a\\\"}\","),
            ("process.args", ", \"args\": [\"x\", [1,2], {}]"),
            ("process.args[1]", ", \"args\": [\"x\", [1,2], {}]"),
            ("ü", "\"ü\": 1,"),
        ] {
            let text = without(TEXT, at).unwrap();
            assert_eq!(
                text,
                TEXT.replacen(gone, &" ".repeat(gone.chars().count()), 1),
                "{at}"
            );
            serde_json::from_str::<serde::de::IgnoredAny>(&text).unwrap();
        }
        assert_eq!(without(TEXT, "process.user"), None);
        assert_eq!(without(TEXT, ""), None);
    }

    #[test]
    fn entries_of_maps_are_found_whatever_their_keys_are() {
        for key in [
            "a\"b",
            "a\"]b",
            "\\",
            "a\\\"",
            "\n\r\t\0",
            "\u{1b}\u{200b}",
            "ü'",
            "",
        ] {
            let entry = format!("{}: 1", serde_json::to_string(key).unwrap());
            let text = format!("{{\"annotations\": {{\"\\\"]\": 1, {entry}}}}}");
            let at = crate::ConfigPath::of("annotations").key(key).to_string();
            let gone = format!(", {entry}");
            let blank = " ".repeat(gone.chars().count());
            let expected = text.replacen(&gone, &blank, 1);
            assert_eq!(without(&text, &at), Some(expected), "{at}");
        }
    }

    #[test]
    fn texts_that_are_no_json_do_no_harm() {
        for text in [
            "", "{", "[", "{\"a", "{\"a\":", "[1", "{]", "}", "\"\\", "{:,:,}", "[,,]", "[::]",
        ] {
            for at in [
                "",
                "a",
                "a.b",
                "[0]",
                "[3][0]",
                "[\"a\"]",
                "[x",
                "]",
                "a][",
                "[\"\\",
                "[\"\\u",
                "[\"\\u{d800}\"]",
            ] {
                locate(text, at);
                without(text, at);
            }
        }
    }
}
